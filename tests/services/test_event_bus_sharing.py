"""A bus that handles its share of the tenants: what it remembers is never older than what another process has made of it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from ghl_real_estate_ai.bootstrap import LEAD_INTELLIGENCE, SystemClock
from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.models.events import LEAD_FACTS, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import ActivityKind, Location
from ghl_real_estate_ai.ports import DurableWork, Memory
from ghl_real_estate_ai.services.churn_prediction_service import ChurnPredictionService
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.ml_lead_intelligence_engine import MlLeadIntelligenceEngine
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from ghl_real_estate_ai.services.realtime_lead_intelligence import RealtimeLeadIntelligence
from ghl_real_estate_ai.services.tenant_models import TenantModels
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LEAD, LOCATION, contact, message

SOON_S = 60.0

pytestmark = pytest.mark.asyncio


class ByHand:
    """``live_ports.WorkShare`` that a test turns on and off."""

    def __init__(self) -> None:
        self.held = False
        self.told: list[int] = []

    def tell(self, facts: Sequence[RecordedEvent]) -> None:
        self.told.extend(fact.position for fact in facts)

    def holds(self, _location_id: LocationId) -> bool:
        return self.held

    async def run(self, **_calls: object) -> None:
        """The test does it."""


class Process:
    """Lead intelligence as a process has it, with caches of its own."""

    def __init__(self, memory: Memory) -> None:
        clock = SystemClock()
        self.share = ByHand()
        self.bus = EventBus(memory=memory, clock=clock, poll_s=0.02, share=self.share)
        self.intelligence = RealtimeLeadIntelligence(
            memory=memory,
            engine=MlLeadIntelligenceEngine(models=TenantModels()),
            churn=ChurnPredictionService(models=TenantModels()),
            matching=PropertyMatchingService(memory=memory),
            clock=clock,
        )
        self.handled: list[str] = []
        self.lets_go_at: str | None = None
        self.bus.subscribe_durable(
            LEAD_INTELLIGENCE,
            self._handle,
            types=LEAD_FACTS,
            on_rollback=self.intelligence.forget_uncommitted,
        )

    async def _handle(self, recorded: RecordedEvent) -> DurableWork | None:
        self.handled.append(recorded.delivery_id)
        if recorded.delivery_id == self.lets_go_at:
            self.bus.let_go()
        return await self.intelligence(recorded)

    def take_over(self) -> None:
        self.share.held = True
        self.bus.look(None)

    def give_up(self) -> None:
        self.share.held = False
        self.bus.let_go()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(self.bus.run())
            try:
                yield
            finally:
                run.cancel()


async def serve(memory: Memory) -> None:
    await memory.write(lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="x")))


async def handled(bus: EventBus) -> None:
    async with asyncio.timeout(SOON_S):
        while await bus.lag(LOCATION):
            await asyncio.sleep(0.01)


async def published(bus: EventBus, name: str) -> weakref.ref[RecordedEvent]:
    """A message, and whether anything holds it still."""
    (fact,) = await bus.publish([message(name)])
    assert fact is not None
    return weakref.ref(fact)


async def is_held(memory: Memory, fact: weakref.ref[RecordedEvent]) -> bool:
    await memory.write(lambda _: None)  # the writer keeps its last change until the next one
    gc.collect()
    return fact() is not None


async def holds_every_event(memory: Memory, messages: int) -> None:
    """The stored lead is what a replay of the log makes of it."""
    lead = await memory.read(lambda uow: uow.leads.get(LOCATION, LEAD))
    assert lead is not None
    assert lead.activity.counts[ActivityKind.MESSAGE_IN] == messages
    rebuilt = await records.rebuild(memory, LOCATION, write=False)
    assert rebuilt.different == ()


async def test_a_lead_that_changed_hands_is_read_anew_by_who_gets_it_back(sqlite_memory: Database) -> None:
    await serve(sqlite_memory)
    first, second = Process(sqlite_memory), Process(sqlite_memory)
    async with first.running(), second.running():
        first.take_over()
        await first.bus.publish([contact("c"), message("m1")])
        await handled(first.bus)
        first.give_up()
        second.take_over()
        await second.bus.publish([message("m2")])
        await handled(second.bus)
        second.give_up()
        first.take_over()
        await first.bus.publish([message("m3")])
        await handled(first.bus)
    assert first.handled == ["c", "m1", "m3"]
    assert second.handled == ["m2"]
    await holds_every_event(sqlite_memory, 3)


async def test_a_lead_is_read_anew_by_who_was_overtaken_without_knowing(sqlite_memory: Database) -> None:
    await serve(sqlite_memory)
    first, second = Process(sqlite_memory), Process(sqlite_memory)
    async with first.running():
        first.take_over()
        await first.bus.publish([contact("c"), message("m1")])
        await handled(first.bus)
    async with second.running():  # the first one is paused and believes to hold still
        second.take_over()
        await second.bus.publish([message("m2")])
        await handled(second.bus)
    async with first.running():
        await first.bus.publish([message("m3")])
        await handled(first.bus)
    await holds_every_event(sqlite_memory, 3)


async def test_letting_go_in_the_middle_of_a_batch_takes_nothing_from_its_later_events(
    sqlite_memory: Database,
) -> None:
    await serve(sqlite_memory)
    process = Process(sqlite_memory)
    process.lets_go_at = "m3"
    await process.bus.publish([contact("c"), *(message(f"m{number}") for number in range(8))])
    async with process.running():
        process.take_over()
        await handled(process.bus)
    assert process.handled == ["c", *(f"m{number}" for number in range(8))]
    await holds_every_event(sqlite_memory, 8)


async def test_what_is_not_ones_share_is_told_and_left_alone_until_it_is(sqlite_memory: Database) -> None:
    await serve(sqlite_memory)
    process = Process(sqlite_memory)
    async with process.running():
        await process.bus.publish([contact("c")])
        assert process.share.told == [1]
        process.bus.look(LOCATION)
        await asyncio.sleep(0.1)  # several looks at the log
        assert process.handled == []
        assert await process.bus.lag(LOCATION) == 1
        process.take_over()
        await handled(process.bus)
    assert process.bus.passed(LOCATION) >= 1
    assert process.handled == ["c"]


async def test_no_text_of_a_lead_stays_where_its_erasure_may_not_be_heard(sqlite_memory: Database) -> None:
    await serve(sqlite_memory)
    process = Process(sqlite_memory)
    fact = await published(process.bus, "m1")
    assert not await is_held(sqlite_memory, fact)
    async with process.running():
        process.take_over()
        await handled(process.bus)
        fact = await published(process.bus, "m2")
        await handled(process.bus)
        process.give_up()
        assert not await is_held(sqlite_memory, fact)


async def test_what_an_idle_process_remembers_is_dropped_as_soon_as_it_lets_go(
    sqlite_memory: Database,
) -> None:
    await serve(sqlite_memory)
    process = Process(sqlite_memory)
    async with process.running():
        process.take_over()
        await process.bus.publish([message("m1")])
        await handled(process.bus)
        async with asyncio.timeout(SOON_S):
            while process.bus.passed(LOCATION) == 0:
                await asyncio.sleep(0.01)
            process.give_up()
            while process.bus.passed(LOCATION):
                await asyncio.sleep(0.01)
