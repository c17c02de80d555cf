"""The counts of deliveries: cheap to make, written down in time, lost by no failure of the database."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.limits import TALLY_FLUSH_S
from ghl_real_estate_ai.models.events import Source
from ghl_real_estate_ai.models.synchronization import DeliveryTally
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.delivery_tally import DeliveryCounter
from tests.support.clock import FakeClock, settle
from tests.support.facts import LOCATION, NOON
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio


async def tallies(memory: FakeMemory) -> dict[tuple[str, str, str, str], int]:
    def look(uow: UnitOfWork) -> list[DeliveryTally]:
        return [tally for place in ("", LOCATION) for tally in uow.sync.tallies(place, since=NOON.date())]

    found = await memory.read(look)
    return {
        (tally.day.isoformat(), tally.location_id, tally.source, tally.outcome): tally.count
        for tally in found
    }


async def test_counts_add_up_per_day_location_door_and_outcome() -> None:
    memory, clock = FakeMemory(), FakeClock()
    counter = DeliveryCounter(memory=memory, clock=clock)
    for _ in range(3):
        counter.count(Source.APP_WEBHOOK, "stored", LOCATION)
    await counter.flush()
    counter.count(Source.APP_WEBHOOK, "stored", LOCATION, times=2)
    counter.count(Source.APP_WEBHOOK, "bad_signature")
    clock.set_forward(timedelta(days=1).total_seconds())
    counter.count(Source.POLLING, "stored", LOCATION)
    await counter.flush()
    today, tomorrow = NOON.date().isoformat(), (NOON + timedelta(days=1)).date().isoformat()
    assert await tallies(memory) == {
        (today, LOCATION, "app_webhook", "stored"): 5,
        (today, "", "app_webhook", "bad_signature"): 1,
        (tomorrow, LOCATION, "polling", "stored"): 1,
    }


async def test_what_could_not_be_written_down_is_written_the_next_time() -> None:
    memory = FakeMemory()
    counter = DeliveryCounter(memory=memory, clock=FakeClock())
    counter.count(Source.APP_WEBHOOK, "stored", LOCATION)
    memory.fail_writes = 1
    with pytest.raises(StorageUnavailable):
        await counter.flush()
    counter.count(Source.APP_WEBHOOK, "stored", LOCATION)
    await counter.flush()
    assert list((await tallies(memory)).values()) == [2]


async def test_it_writes_every_few_seconds_and_once_more_at_the_end() -> None:
    memory, clock = FakeMemory(), FakeClock()
    counter = DeliveryCounter(memory=memory, clock=clock, sleep=clock.sleep)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(counter.run())
        counter.count(Source.APP_WEBHOOK, "stored", LOCATION)
        memory.fail_writes = 1
        await clock.advance(TALLY_FLUSH_S)
        assert not await tallies(memory)
        await clock.advance(TALLY_FLUSH_S)
        assert list((await tallies(memory)).values()) == [1]
        counter.count(Source.APP_WEBHOOK, "stored", LOCATION)
        await settle()
        running.cancel()
    assert list((await tallies(memory)).values()) == [2]
