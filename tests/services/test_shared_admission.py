"""Deliveries that wait together are stored together, each with its own answer, and none goes down with another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ghl_real_estate_ai.errors import InputError, StorageUnavailable
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.admission import Outcome, Receipt
from ghl_real_estate_ai.services.shared_admission import SharedAdmission
from tests.support.clock import settle
from tests.support.facts import message
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio

OTHER = LocationId("loc-2")


class SlowMemory(FakeMemory):
    """Each write waits until it is let through; some names are poison to whatever holds them."""

    def __init__(self, *, poison: str = "", problem: Exception | None = None) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.writes = 0
        self._poison, self._problem = poison, problem

    async def write[T](self, change: Callable[[UnitOfWork], T]) -> T:
        await self.gate.wait()
        self.writes += 1

        def checked(uow: UnitOfWork) -> T:
            result = change(uow)
            held = uow.events.read(message("x").event.location_id, after=0, limit=100)
            if self._problem and any(one.delivery_id == self._poison for one in held):
                raise self._problem
            return result

        return await super().write(checked)


async def test_those_who_wait_at_the_same_time_share_one_transaction() -> None:
    memory = SlowMemory()
    shared = SharedAdmission(memory)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(shared.admit(message("a")))
        await settle()
        others = [tasks.create_task(shared.admit(message(name))) for name in ("b", "c", "b")]
        others.append(tasks.create_task(shared.admit(message("d", location=OTHER))))
        await settle()
        assert shared.under_way == 5
        memory.gate.set()
    assert (memory.writes, shared.under_way) == (2, 0)
    positions = [one.result().position for one in (first, *others)]
    assert positions == [1, 2, 3, None, 1]
    assert others[2].result() == Receipt(outcome=Outcome.DUPLICATE)


async def test_a_delivery_that_cannot_be_stored_fails_alone() -> None:
    memory = SlowMemory(poison="bad", problem=InputError("a value does not fit"))
    shared = SharedAdmission(memory)
    tasks = [asyncio.ensure_future(shared.admit(message(name))) for name in ("a", "b", "bad", "c")]
    await settle()
    memory.gate.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(one, RecordedEvent) for one in done] == [True, True, False, True]
    assert isinstance(done[2], InputError)


async def test_a_database_that_is_away_is_told_to_each() -> None:
    memory = SlowMemory()
    memory.fail_writes = 2
    shared = SharedAdmission(memory)
    tasks = [asyncio.ensure_future(shared.admit(message(name))) for name in ("a", "b", "c")]
    await settle()
    memory.gate.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, StorageUnavailable) for one in done)
    assert len({id(one) for one in done}) == 3
    assert isinstance(await shared.admit(message("a")), RecordedEvent)


async def test_one_that_gives_up_waiting_takes_no_other_along() -> None:
    memory = SlowMemory()
    shared = SharedAdmission(memory)
    tasks = [asyncio.ensure_future(shared.admit(message(name))) for name in ("a", "b", "c")]
    await settle()
    tasks[0].cancel()
    await settle()
    memory.gate.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in done] == [asyncio.CancelledError, RecordedEvent, RecordedEvent]
    assert shared.under_way == 0
