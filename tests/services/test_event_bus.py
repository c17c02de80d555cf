"""The bus on a real database: order, at-least-once, one transaction with the cursor, retry, dead letters, live queues."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.limits import DURABLE_BATCH_S, LIVE_QUEUE, LIVE_TURN_S
from ghl_real_estate_ai.models.events import NoteAdded, RecordedEvent, Source
from ghl_real_estate_ai.models.identifiers import CorrelationId, EventId, LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.ports import DurableWork, Memory, UnitOfWork
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LOCATION, NOON, delivery, message
from tests.support.fake_memory import FakeMemory
from tests.support.running_bus import dispatching, eventually

MESSAGES = frozenset({"MessageReceived"})
OTHER = LocationId("loc-2")


async def no_wait(_seconds: float) -> None:
    await asyncio.sleep(0)


def make_bus(memory: Memory, *, poll_s: float = 0.02) -> EventBus:
    return EventBus(
        memory=memory, clock=SystemClock(), poll_s=poll_s, retry_delays_s=(0.001, 0.001), sleep=no_wait
    )


async def serve(memory: Memory, *locations: LocationId) -> None:
    for location in locations:
        await memory.write(
            lambda uow, place=location: uow.tenants.put_location(Location(location_id=place, name="x"))
        )


def note(name: str, recorded: RecordedEvent) -> Callable[[UnitOfWork], Sequence[RecordedEvent]]:
    """Work that appends a derived note."""

    def work(uow: UnitOfWork) -> Sequence[RecordedEvent]:
        event = NoteAdded(
            event_id=EventId(f"{name}:{recorded.event.event_id}"),
            location_id=recorded.event.location_id,
            occurred_at=NOON,
            correlation_id=CorrelationId("c"),
            source=Source.HOUSE,
            text=name,
        )
        fact = uow.events.append(delivery(f"{name}:{recorded.delivery_id}", event))
        return [fact] if fact else []

    return work


def numbered(start: str, count: int) -> list[str]:
    """Names of so many deliveries in a row."""
    return [f"{start}{number}" for number in range(count)]


class Collector:
    """A durable handler that remembers what it saw and appends one note per event."""

    def __init__(self, *, fail: Callable[[RecordedEvent], None] = lambda recorded: None) -> None:
        self.seen: list[str] = []
        self.rollbacks = 0
        self._fail = fail

    async def __call__(self, recorded: RecordedEvent) -> DurableWork | None:
        self._fail(recorded)
        self.seen.append(recorded.delivery_id)
        return note("note", recorded)

    def rolled_back(self) -> None:
        self.rollbacks += 1


def slowly(_recorded: RecordedEvent) -> None:
    """Three or four make a group."""
    time.sleep(DURABLE_BATCH_S / 3)


@pytest.mark.asyncio
async def test_durable_subscriber_hears_every_event_once_in_log_order(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION, OTHER)
    bus, collector, heard = make_bus(sqlite_memory), Collector(), list[str]()
    bus.subscribe_durable("collector", collector, types=MESSAGES)
    bus.subscribe_live("notes", lambda fact: heard.append(fact.delivery_id), types=frozenset({"NoteAdded"}))
    async with dispatching(bus):
        for number in range(150):
            await bus.publish([message(f"m{number}"), message(f"o{number}", location=OTHER)])
        await eventually(lambda: len(heard) == 300)
    assert [name for name in collector.seen if name.startswith("m")] == numbered("m", 150)
    assert [name for name in collector.seen if name.startswith("o")] == numbered("o", 150)
    assert [name for name in heard if name.startswith("note:m")] == numbered("note:m", 150)
    assert await bus.lag(LOCATION) == 0


@pytest.mark.asyncio
async def test_what_follows_from_the_first_is_heard_before_the_last_of_many_is_handled(
    sqlite_memory: Database,
) -> None:
    await serve(sqlite_memory, LOCATION)
    bus, heard = make_bus(sqlite_memory), list[str]()

    collector = Collector(fail=slowly)
    bus.subscribe_durable("collector", collector, types=MESSAGES)
    handled_by_then = list[int]()

    def hear(fact: RecordedEvent) -> None:
        heard.append(fact.delivery_id)
        handled_by_then.append(len(collector.seen))

    bus.subscribe_live("notes", hear, types=frozenset({"NoteAdded"}))
    await bus.publish([message(f"m{number}") for number in range(40)])
    assert not bus.has_work
    async with dispatching(bus):
        await eventually(lambda: bus.has_work)
        await eventually(lambda: len(heard) == 40)
        await eventually(lambda: not bus.has_work)
    assert collector.seen == numbered("m", 40)
    assert heard == numbered("note:m", 40)
    assert handled_by_then[0] < 20
    assert await bus.lag(LOCATION) == 0


@pytest.mark.asyncio
async def test_a_poison_event_after_a_group_that_was_committed_is_buried_alone(
    sqlite_memory: Database,
) -> None:
    await serve(sqlite_memory, LOCATION)
    bus = make_bus(sqlite_memory)

    def fail(recorded: RecordedEvent) -> None:
        slowly(recorded)
        if recorded.delivery_id == "m9":
            raise ValueError("poison")

    collector = Collector(fail=fail)
    bus.subscribe_durable("collector", collector, types=MESSAGES, on_rollback=collector.rolled_back)
    await bus.publish([message(f"m{number}") for number in range(12)])
    async with dispatching(bus):
        await eventually(lambda: collector.seen[-1:] == ["m11"] and not bus.has_work)
    assert list(dict.fromkeys(collector.seen)) == [f"m{number}" for number in range(12) if number != 9]
    assert collector.seen.count("m0") == 1  # its group stands
    assert collector.rollbacks > 0
    notes = await sqlite_memory.read(
        lambda uow: uow.events.count(LOCATION, after=0, types=frozenset({"NoteAdded"}))
    )
    assert notes == 11


@pytest.mark.asyncio
async def test_a_live_subscriber_leaves_the_loop_to_others_between_many_facts(
    sqlite_memory: Database,
) -> None:
    await serve(sqlite_memory, LOCATION)
    bus, heard, turns = make_bus(sqlite_memory), list[str](), set[int]()
    turn = 0

    def hear(fact: RecordedEvent) -> None:
        time.sleep(LIVE_TURN_S)
        heard.append(fact.delivery_id)
        turns.add(turn)

    bus.subscribe_live("slow", hear, types=MESSAGES)
    async with dispatching(bus):
        await bus.publish([message(f"m{number}") for number in range(10)])
        async with asyncio.timeout(30):
            while len(heard) < 10:
                await asyncio.sleep(0)
                turn += 1
    assert heard == numbered("m", 10)
    assert len(turns) >= 5


@pytest.mark.asyncio
async def test_the_lag_counts_what_a_subscriber_wants_not_what_it_passes_over(
    sqlite_memory: Database,
) -> None:
    await serve(sqlite_memory, LOCATION)
    bus = make_bus(sqlite_memory)
    bus.subscribe_durable("forgetting", Collector(), types=frozenset({"LeadForgotten"}))
    await bus.publish([message("m"), message("n")])
    assert await bus.lag(LOCATION) == 0
    bus.subscribe_durable("collector", Collector(), types=MESSAGES)
    assert await bus.lag(LOCATION) == 2


@pytest.mark.asyncio
async def test_a_duplicate_is_neither_stored_nor_announced(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION)
    bus, heard = make_bus(sqlite_memory), list[str]()
    bus.subscribe_live("screen", lambda fact: heard.append(fact.delivery_id), types=MESSAGES)
    async with dispatching(bus):
        first = await bus.publish([message("m")])
        second = await bus.publish([message("m"), message("n")])
        await eventually(lambda: heard == ["m", "n"])
    assert first[0] is not None
    assert second[0] is None


@pytest.mark.asyncio
async def test_events_left_by_an_earlier_process_are_handled_at_start(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION)
    await make_bus(sqlite_memory).publish([message("left")])
    bus, collector = make_bus(sqlite_memory), Collector()
    bus.subscribe_durable("collector", collector, types=MESSAGES)
    async with dispatching(bus):
        while await bus.lag(LOCATION):  # seen is not yet committed
            await asyncio.sleep(0)
    assert collector.seen == ["left"]

    again, later = make_bus(sqlite_memory), Collector()
    again.subscribe_durable("collector", later, types=MESSAGES)
    async with dispatching(again):
        await again.publish([message("new")])
        await eventually(lambda: bool(later.seen))
    assert later.seen == ["new"]


@pytest.mark.asyncio
async def test_events_appended_by_another_process_are_found_by_polling(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION)
    bus, collector = make_bus(sqlite_memory), Collector()
    bus.subscribe_durable("collector", collector, types=MESSAGES)
    async with dispatching(bus):
        await asyncio.sleep(0.05)
        await sqlite_memory.write(lambda uow: uow.events.append(message("elsewhere")))
        await eventually(lambda: collector.seen == ["elsewhere"])


@pytest.mark.asyncio
async def test_a_poison_event_is_buried_and_its_neighbours_are_applied_once(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION)

    def fail(recorded: RecordedEvent) -> None:
        if recorded.delivery_id == "m2":
            raise ValueError("cannot read this")

    bus, collector = make_bus(sqlite_memory), Collector(fail=fail)
    bus.subscribe_durable("collector", collector, types=MESSAGES, on_rollback=collector.rolled_back)
    await bus.publish([message(f"m{number}") for number in range(5)])
    async with dispatching(bus):

        async def all_noted() -> bool:
            return await sqlite_memory.read(lambda uow: uow.events.head(LOCATION)) == 9

        await eventually(all_noted)
        letters = await sqlite_memory.read(lambda uow: uow.cursors.dead_letters())
    assert [(letter.delivery_id, letter.position) for letter in letters] == [("m2", 3)]
    assert "cannot read this" in letters[0].reason
    assert collector.rollbacks >= 1
    texts = await sqlite_memory.read(
        lambda uow: [f.delivery_id for f in uow.events.read(LOCATION, after=5, limit=99)]
    )
    assert texts == ["note:m0", "note:m1", "note:m3", "note:m4"]


@pytest.mark.asyncio
async def test_a_handler_that_recovers_is_retried_not_buried(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION)
    troubles = iter([ValueError("once"), ValueError("twice")])

    def fail(_recorded: RecordedEvent) -> None:
        if trouble := next(troubles, None):
            raise trouble

    bus, collector = make_bus(sqlite_memory), Collector(fail=fail)
    bus.subscribe_durable("collector", collector, types=MESSAGES)
    async with dispatching(bus):
        await bus.publish([message("m")])
        await eventually(lambda: collector.seen == ["m"])
    assert await sqlite_memory.read(lambda uow: uow.cursors.dead_letters()) == []


@pytest.mark.asyncio
async def test_a_failing_commit_leaves_neither_work_nor_cursor(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION)

    def broken(uow: UnitOfWork) -> Sequence[RecordedEvent]:
        uow.events.append(message("half"))
        raise ValueError("after the append")

    async def handler(_recorded: RecordedEvent) -> DurableWork:
        return broken

    bus = make_bus(sqlite_memory)
    bus.subscribe_durable("broken", handler, types=MESSAGES)
    async with dispatching(bus):
        await bus.publish([message("m")])

        async def buried() -> bool:
            return bool(await sqlite_memory.read(lambda uow: uow.cursors.dead_letters()))

        await eventually(buried)
    assert await sqlite_memory.read(lambda uow: uow.events.head(LOCATION)) == 1
    assert await sqlite_memory.read(lambda uow: uow.cursors.position(LOCATION, "broken")) == 1


@pytest.mark.asyncio
async def test_storage_trouble_is_waited_for_and_never_buried(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION)
    troubles = iter([StorageUnavailable("disk full")] * 5)

    def fail(_recorded: RecordedEvent) -> None:
        if trouble := next(troubles, None):
            raise trouble

    bus, collector = make_bus(sqlite_memory), Collector(fail=fail)
    bus.subscribe_durable("collector", collector, types=MESSAGES, on_rollback=collector.rolled_back)
    async with dispatching(bus):
        await bus.publish([message("m")])
        await eventually(lambda: collector.seen == ["m"])
    assert collector.rollbacks == 5
    assert await sqlite_memory.read(lambda uow: uow.cursors.dead_letters()) == []


@pytest.mark.asyncio
async def test_the_cursor_moves_past_events_of_other_types(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION)
    bus, collector = make_bus(sqlite_memory), Collector()
    bus.subscribe_durable("collector", collector, types=frozenset({"LeadDeleted"}))
    await bus.publish([message(f"m{number}") for number in range(300)])
    async with dispatching(bus):

        async def caught_up() -> bool:
            return await sqlite_memory.read(lambda uow: uow.cursors.position(LOCATION, "collector")) >= 256

        await eventually(caught_up)
        assert bus.running
    assert not bus.running
    assert collector.seen == []


@pytest.mark.asyncio
async def test_live_subscriber_gets_the_newest_when_it_is_too_slow(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION)
    bus, heard = make_bus(sqlite_memory), list[str]()
    bus.subscribe_live("screen", lambda fact: heard.append(fact.delivery_id), types=MESSAGES)
    fact = (await bus.publish([message("first")]))[0]
    assert fact is not None
    for number in range(LIVE_QUEUE):
        bus.publish_live(fact.model_copy(update={"delivery_id": f"d{number}"}))
    async with dispatching(bus):
        await eventually(lambda: len(heard) == LIVE_QUEUE)
    assert heard[0] == "d0"
    assert heard[-1] == f"d{LIVE_QUEUE - 1}"


@pytest.mark.asyncio
async def test_a_live_subscriber_that_raises_does_not_stop_the_others(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION)
    bus, heard = make_bus(sqlite_memory), list[str]()

    def broken(_fact: RecordedEvent) -> None:
        raise RuntimeError("screen on fire")

    bus.subscribe_live("broken", broken, types=MESSAGES)
    bus.subscribe_live("screen", lambda fact: heard.append(fact.delivery_id), types=MESSAGES)
    async with dispatching(bus):
        await bus.publish([message("a"), message("b")])
        await eventually(lambda: heard == ["a", "b"])


@pytest.mark.asyncio
async def test_two_durable_subscribers_may_not_share_a_cursor(sqlite_memory: Database) -> None:
    bus = make_bus(sqlite_memory)
    bus.subscribe_durable("one", Collector(), types=MESSAGES)
    with pytest.raises(ValueError, match="exists already"):
        bus.subscribe_durable("one", Collector(), types=MESSAGES)


class AwayNowAndThen:
    """A real memory whose reads fail for a while, as during a restart of the database server."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.failing = 0

    async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
        if self.failing:
            self.failing -= 1
            raise StorageUnavailable("the server is restarting")
        return await self._memory.read(query)

    async def write[T](self, change: Callable[[UnitOfWork], T]) -> T:
        return await self._memory.write(change)

    async def derive[T](self, change: Callable[[UnitOfWork], T]) -> T:
        return await self._memory.derive(change)

    async def compact(self) -> None:
        await self._memory.compact()


@pytest.mark.asyncio
async def test_a_database_that_is_away_while_the_bus_is_idle_does_not_end_it(sqlite_memory: Database) -> None:
    await serve(sqlite_memory, LOCATION)
    memory = AwayNowAndThen(sqlite_memory)
    bus, collector = make_bus(memory), Collector()
    bus.subscribe_durable("collector", collector, types=MESSAGES)
    async with dispatching(bus):
        await bus.publish([message("before")])
        await eventually(lambda: collector.seen == ["before"])
        memory.failing = 5
        await eventually(lambda: memory.failing == 0)
        await sqlite_memory.write(lambda uow: uow.events.append(message("after")))
        await eventually(lambda: collector.seen == ["before", "after"])


@pytest.mark.asyncio
async def test_a_busy_tenant_does_not_hide_what_another_process_appended_for_a_quiet_one(
    sqlite_memory: Database,
) -> None:
    await serve(sqlite_memory, LOCATION, OTHER)
    bus, collector = make_bus(sqlite_memory, poll_s=0.2), Collector()
    bus.subscribe_durable("collector", collector, types=MESSAGES)
    async with dispatching(bus):
        await bus.publish([message("m"), message("o", location=OTHER)])
        await eventually(lambda: set(collector.seen) == {"m", "o"})
        await sqlite_memory.write(lambda uow: uow.events.append(message("elsewhere", location=OTHER)))
        number = 0

        async def found_while_busy() -> bool:
            nonlocal number
            number += 1
            await bus.publish([message(f"busy{number}")])
            return "elsewhere" in collector.seen

        await eventually(found_while_busy)


@pytest.mark.asyncio
async def test_what_a_live_subscriber_raises_is_logged_without_its_words(
    sqlite_memory: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    await serve(sqlite_memory, LOCATION)
    bus, tried, quoted = make_bus(sqlite_memory), list[str](), ["input_value=+1 ", "555", " 010"]

    def broken(fact: RecordedEvent) -> None:
        tried.append(fact.delivery_id)
        raise ValueError("".join(quoted))

    bus.subscribe_live("broken", broken, types=MESSAGES)
    async with dispatching(bus):
        await bus.publish([message("m")])
        await eventually(lambda: tried == ["m"])
    printed = "".join(capsys.readouterr())
    assert "live.failed" in printed
    assert "ValueError" in printed
    assert "".join(quoted) not in printed


@pytest.mark.asyncio
async def test_idle_logs_are_looked_at_together_and_only_one_that_grew_is_read() -> None:
    memory, collector, poll_s = FakeMemory(), Collector(), 0.01
    bus, time = make_bus(memory, poll_s=poll_s), asyncio.get_running_loop().time
    bus.subscribe_durable("collector", collector, types=MESSAGES)
    await serve(memory, LOCATION, *(LocationId(f"idle-{number}") for number in range(40)))
    async with dispatching(bus):
        await eventually(lambda: memory.reads > 2 * 41)  # each cursor and each log, once
        before, began = memory.reads, time()
        await eventually(lambda: memory.reads >= before + 5)
        looks = (time() - began) / poll_s + 1
        assert memory.reads - before <= looks + 1
        await memory.write(lambda uow: uow.events.append(message("of another process")))
        await eventually(lambda: collector.seen == ["of another process"])


@pytest.mark.asyncio
async def test_what_happens_while_a_subscriber_is_off_for_a_tenant_is_passed_over(
    sqlite_memory: Database,
) -> None:
    await serve(sqlite_memory, LOCATION)
    bus, collector, switched_on = make_bus(sqlite_memory), Collector(), False
    bus.subscribe_durable("collector", collector, types=MESSAGES, is_on=lambda _uow, _location: switched_on)
    async with dispatching(bus):
        await bus.publish([message("while off")])
        while await bus.lag(LOCATION):
            await asyncio.sleep(0)
        switched_on = True
        await bus.publish([message("while on")])
        await eventually(lambda: bool(collector.seen))
    assert collector.seen == ["while on"]
