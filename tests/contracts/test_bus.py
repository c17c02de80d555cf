"""What the bus promises, whoever dispatches: one process, several that share by Redis, or rivals that know nothing of each other."""

from __future__ import annotations

import asyncio

import pytest

from ghl_real_estate_ai.errors import BrokerUnavailable
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.services.event_bus import EventBus
from tests.support.buses import MESSAGES, PLACES, Install, until
from tests.support.facts import LOCATION, message

pytestmark = pytest.mark.asyncio


async def test_what_was_published_is_in_the_log_once_whoever_publishes_it(install: Install) -> None:
    installation = await install()
    both = (installation.publishers[0].bus, installation.publishers[-1].bus)
    first = await both[0].publish([message("m")])
    again = await both[1].publish([message("m"), message("n")])
    assert first[0] is not None
    assert again[0] is None
    assert again[1] is not None
    known = await installation.memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=9))
    assert [(fact.position, fact.delivery_id) for fact in known] == [(1, "m"), (2, "n")]


async def test_every_subscriber_has_each_event_of_a_tenant_in_order_and_once_in_effect(
    install: Install,
) -> None:
    installation = await install()
    handlers = [*installation.subscribe("first"), *installation.subscribe("second")]
    count = 40
    async with installation.running():
        await installation.shared_out()

        async def publish(place: LocationId) -> None:
            for number in range(count):
                bus = installation.publishers[number % len(installation.publishers)].bus
                await bus.publish([message(f"m{number}", location=place)])

        async with asyncio.TaskGroup() as tasks:
            for place in PLACES:
                tasks.create_task(publish(place))
        for place in PLACES:

            async def all_noted(of: LocationId = place) -> bool:
                return len(await installation.notes(of)) >= 2 * count

            await until(all_noted)
    for place in PLACES:
        notes = await installation.notes(place)
        for name in ("first", "second"):
            mine = [note for note in notes if note.startswith(name)]
            assert mine == [f"{name} m{number}" for number in range(count)]
    assert all(handler.seen for handler in handlers), "each process took part"


async def test_an_event_that_never_succeeds_is_buried_once_and_its_neighbours_are_applied(
    install: Install,
) -> None:
    installation = await install()

    def fail(recorded: RecordedEvent) -> None:
        if recorded.delivery_id == "m2":
            raise ValueError("cannot read this")

    installation.subscribe("notes", fail=fail)
    await installation.bus.publish([message(f"m{number}") for number in range(5)])
    async with installation.running():

        async def noted() -> bool:
            return len(await installation.notes()) >= 4

        await until(noted)
        letters = await installation.memory.read(lambda uow: uow.cursors.dead_letters())
    assert [(letter.delivery_id, letter.position) for letter in letters] == [("m2", 3)]
    assert await installation.notes() == ["notes m0", "notes m1", "notes m3", "notes m4"]


async def test_an_event_that_succeeds_later_is_tried_again_and_not_buried(install: Install) -> None:
    installation, troubles = await install(), iter([ValueError("once"), ValueError("twice")])

    def fail(_recorded: RecordedEvent) -> None:
        if trouble := next(troubles, None):
            raise trouble

    installation.subscribe("notes", fail=fail)
    async with installation.running():
        await installation.bus.publish([message("m")])

        async def noted() -> bool:
            return await installation.notes() == ["notes m"]

        await until(noted)
    assert await installation.memory.read(lambda uow: uow.cursors.dead_letters()) == []


async def test_while_redis_is_away_a_handler_that_needs_it_waits_in_order_and_holds_up_nobody_else(
    install: Install,
) -> None:
    installation, is_away = await install(), True

    def needs_redis(_recorded: RecordedEvent) -> None:
        if is_away:
            raise BrokerUnavailable("Redis does not answer")

    installation.subscribe("screens", fail=needs_redis)
    installation.subscribe("notes")
    async with installation.running():
        for number in range(6):  # more often than an event is tried before it is buried
            await installation.bus.publish([message(f"m{number}")])

            async def others_went_on(count: int = number + 1) -> bool:
                return len(await installation.notes()) == count

            await until(others_went_on)
        is_away = False

        async def all_noted() -> bool:
            return len(await installation.notes()) >= 12

        await until(all_noted)
    late = [note for note in await installation.notes() if note.startswith("screens")]
    assert late == [f"screens m{number}" for number in range(6)]
    assert await installation.memory.read(lambda uow: uow.cursors.dead_letters()) == []


async def test_a_new_subscriber_gets_the_whole_log_from_its_beginning(install: Install) -> None:
    early = await install()
    early.subscribe("old")
    async with early.running():
        await early.bus.publish([message(f"m{number}") for number in range(20)])

        async def noted() -> bool:
            return len(await early.notes()) == 20

        await until(noted)

    later = await install()
    later.subscribe("old")
    later.subscribe("new")
    async with later.running():

        async def replayed() -> bool:
            return len(await later.notes()) >= 40

        await until(replayed)
    assert [note for note in await later.notes() if note.startswith("new")] == [
        f"new m{number}" for number in range(20)
    ]


async def test_what_a_dead_process_had_taken_is_handled_by_who_comes_after_it(install: Install) -> None:
    first = await install()
    dying = first.subscribe("notes")
    async with first.running():
        await first.bus.publish([message("m0")])

        async def noted() -> bool:
            return await first.notes() == ["notes m0"]

        await until(noted)
        for process, handler in zip(first.workers, dying, strict=True):
            process.goes_on.clear()
            handler.hangs_at = "m1"
        await first.bus.publish([message("m1"), message("m2")])

        async def taken() -> bool:
            return any(handler.is_hanging for handler in dying)

        await until(taken)
        second = await install()
        second.subscribe("notes")
        async with second.running():

            async def finished() -> bool:
                return await second.notes() == ["notes m0", "notes m1", "notes m2"]

            await until(finished)


async def test_a_paused_process_that_wakes_up_late_commits_nothing_over_its_successor(
    install: Install,
) -> None:
    first = await install()
    sleepers = first.subscribe("notes")
    for handler in sleepers:
        handler.hangs_at = "m1"
    async with first.running():
        await first.bus.publish([message("m0")])

        async def began() -> bool:
            return await first.notes() == ["notes m0"]

        await until(began)
        for process in first.workers:
            process.goes_on.clear()
        await first.bus.publish([message("m1")])

        async def asleep() -> bool:
            return any(handler.is_hanging for handler in sleepers)

        await until(asleep)
        second = await install()
        second.subscribe("notes")
        async with second.running():

            async def done() -> bool:
                return await second.notes() == ["notes m0", "notes m1"]

            await until(done)
            before = sum(handler.rollbacks for handler in sleepers)
            for process in first.workers:
                process.goes_on.set()

            async def overtaken() -> bool:
                return sum(handler.rollbacks for handler in sleepers) > before

            await until(overtaken)
            await second.bus.publish([message("m2")])

            async def gone_on() -> bool:
                return len(await second.notes()) >= 3

            await until(gone_on)
    assert await first.notes() == ["notes m0", "notes m1", "notes m2"]


async def test_a_live_subscriber_hears_what_comes_in_where_it_is(install: Install) -> None:
    installation, heard = await install(), list[str]()
    installation.bus.subscribe_live("screen", lambda fact: heard.append(fact.delivery_id), types=MESSAGES)
    async with installation.running():
        await installation.bus.publish([message("a"), message("b")])

        async def both() -> bool:
            return heard == ["a", "b"]

        await until(both)


async def test_a_follower_hears_what_anybody_appended_since_it_began(install: Install) -> None:
    installation, heard = await install(), list[str]()
    await installation.bus.publish([message("before")])
    installation.bus.subscribe_follower(
        "listings", lambda fact: heard.append(fact.delivery_id), types=MESSAGES
    )
    async with installation.running():
        number = 0

        async def hears() -> bool:
            nonlocal number
            number += 1
            await installation.publishers[-1].bus.publish([message(f"m{number}")])
            return bool(heard)

        await until(hears)

        async def hears_all() -> bool:
            return heard[-1] == f"m{number}"

        await until(hears_all)
    assert "before" not in heard
    assert heard == [f"m{at}" for at in range(int(heard[0][1:]), number + 1)]


async def test_the_lag_is_the_same_whoever_is_asked(install: Install) -> None:
    installation = await install()
    installation.subscribe("notes")
    await installation.bus.publish([message("m"), message("n")])
    asked = [await process.bus.lag(LOCATION) for process in installation.workers]
    assert set(asked) == {2}
    async with installation.running():
        for process in installation.workers:

            async def caught_up(bus: EventBus = process.bus) -> bool:
                return await bus.lag(LOCATION) == 0

            await until(caught_up)
    assert await installation.position("notes") == 2
