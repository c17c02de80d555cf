"""Locations, and processes, that send at the same time do not feel each other."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from ghl_real_estate_ai.errors import LocationInactive, TooManyRequests
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.crm_outbox import CrmOutbox
from tests.support.clock import settle
from tests.support.facts import LOCATION, NOON
from tests.support.fake_memory import FakeMemory
from tests.support.outbox_house import FakeWriter, connected

pytestmark = pytest.mark.asyncio
OTHER = LocationId("loc-2")


async def test_two_outboxes_on_one_database_send_a_note_once() -> None:
    house = await connected()
    for number in range(20):
        await house.want(ChangeKind.NOTE, f"n-{number}")
    await asyncio.gather(house.outbox.step(), house.new_outbox().step())
    assert sorted(house.writer.made) == sorted({f"n-{number}" for number in range(20)})


async def test_one_dead_location_neither_stops_another_nor_is_asked_for_each_change() -> None:
    house = await connected()
    await house.connect(OTHER)
    house.writer.dead[LOCATION] = LocationInactive("paused")
    for number in range(10):
        await house.want(ChangeKind.NOTE, f"n-{number}")
        await house.want(ChangeKind.NOTE, f"n-{number}", location=OTHER)
    await house.outbox.step()
    calls: defaultdict[str, int] = defaultdict(int)
    for _, name in house.writer.calls:
        calls[name] += 1
    assert len(house.writer.made) == 10
    assert sum(calls.values()) == 11
    assert (await house.change("n-9")).due_at == NOON + timedelta(seconds=900)
    assert await house.outbox.step() == 0


async def test_a_location_with_a_thousand_changes_does_not_keep_another_waiting() -> None:
    house = await connected()
    await house.connect(OTHER)
    for number in range(1_000):
        await house.want(ChangeKind.NOTE, f"n-{number}")
    house.clock.set_forward(1)
    await house.want(ChangeKind.NOTE, "other", location=OTHER)
    await house.outbox.step()
    assert "other" in house.writer.made


async def test_a_location_that_hangs_holds_up_no_other_and_is_not_asked_twice_at_once() -> None:
    house = await connected()
    await house.connect(OTHER)
    hanging = asyncio.Event()

    class Hanging(FakeWriter):
        async def apply(self, change: CrmChange) -> str | None:
            if change.location_id == LOCATION:
                self.calls.append(("hangs", change.change_id))
                await hanging.wait()
            return await super().apply(change)

    house.writer = Hanging()
    await house.want(ChangeKind.NOTE, "a")
    await house.want(ChangeKind.NOTE, "b")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(house.new_outbox().run())
        await settle()
        await house.want(ChangeKind.NOTE, "other", location=OTHER)
        await house.clock.advance(3)
        assert house.writer.made == ["other"]
        assert house.writer.calls.count(("hangs", "a")) == 1
        hanging.set()
        await settle()
        assert house.writer.made == ["other", "a", "b"]
        running.cancel()


async def test_what_nobody_foresaw_stops_neither_the_next_change_nor_another_location() -> None:
    house = await connected()
    await house.connect(OTHER)
    await house.want(ChangeKind.FIELDS, "a")
    await house.want(ChangeKind.NOTE, "b")
    await house.want(ChangeKind.NOTE, "c", location=OTHER)

    phone = "+1 555 0100"

    class Odd(FakeWriter):
        async def apply(self, change: CrmChange) -> str | None:
            if change.change_id == "a":
                raise KeyError(phone)
            return await super().apply(change)

    house.writer = Odd()
    with capture_logs() as logs:
        await house.new_outbox().step()
    assert sorted(house.writer.made) == ["b", "c"]
    odd = await house.change("a")
    assert (odd.status, odd.attempts) == (ChangeStatus.PENDING, 1)
    assert odd.error == "unexpected KeyError; the log says where"
    crashed = next(log for log in logs if log["event"] == "change.crashed")
    assert crashed["error"] == "KeyError"
    assert re.fullmatch(r"\w+\.py:\d+", crashed["place"])
    assert phone not in str(logs), "neither the log nor the row quotes what the error held"


async def test_a_locations_stored_changes_that_cannot_be_read_stop_no_other_location() -> None:
    house = await connected()
    await house.connect(OTHER)
    await house.want(ChangeKind.NOTE, "a")
    await house.want(ChangeKind.NOTE, "b", location=OTHER)

    class Unreadable(FakeMemory):
        async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
            found = await house.memory.read(query)
            if isinstance(found, list) and any(getattr(one, "change_id", "") == "a" for one in found):
                raise KeyError("a kind of the future")
            return found

        async def write[T](self, change: Callable[[UnitOfWork], T]) -> T:
            return await house.memory.write(change)

    outbox = CrmOutbox(memory=Unreadable(), writer=house.writer, clock=house.clock, sleep=house.clock.sleep)
    assert await outbox.step() == 1
    assert house.writer.made == ["b"]


async def test_a_limit_that_one_process_meets_undoes_nothing_that_another_has_done() -> None:
    house = await connected()
    await house.want(ChangeKind.NOTE, "c1")
    await house.want(ChangeKind.NOTE, "c2")
    others = FakeWriter()
    other = CrmOutbox(memory=house.memory, writer=others, clock=house.clock, sleep=house.clock.sleep)

    class Limited(FakeWriter):
        async def apply(self, change: CrmChange) -> str | None:
            """While this process holds c1, the other one sends c2."""
            if not self.calls:
                await other.step()
                self.calls.append(("limited", change.change_id))
                raise TooManyRequests("slow down", retry_after_s=30)
            return await super().apply(change)

    house.writer = Limited()
    await house.new_outbox().step()
    assert others.made == ["c2"]
    assert (await house.change("c2")).status is ChangeStatus.DONE
    house.clock.set_forward(30)
    await house.new_outbox().step()
    assert house.writer.made == ["c1"], "c2 was made once, by the other process"


async def test_a_part_that_is_turned_off_undoes_nothing_that_another_process_has_under_way() -> None:
    house = await connected()
    await house.want(ChangeKind.NOTE, "c1")
    await house.want(ChangeKind.NOTE, "c2")
    second = await house.change("c2")

    class Overtaken(FakeWriter):
        async def apply(self, change: CrmChange) -> str | None:
            """While this process sends c1, another one takes c2, and the owner turns notes off."""
            off = LocationSetup(location_id=LOCATION)
            await house.memory.write(lambda uow: uow.changes.claim(second, until=NOON + timedelta(hours=1)))
            await house.memory.write(lambda uow: uow.connections.put_setup(off))
            return await super().apply(change)

    house.writer = Overtaken()
    await house.new_outbox().step()
    assert house.writer.made == ["c1"]
    assert (await house.change("c2")).status is ChangeStatus.PENDING, "the other process settles it"
