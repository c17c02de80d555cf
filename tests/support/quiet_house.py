"""A house that watches for silence, on a fake clock: log, bus, intelligence and watch. Used by the tests of services/silence_watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

from ghl_real_estate_ai.learning_ports import RiskTimer
from ghl_real_estate_ai.models.events import (
    LEAD_NEWS,
    Delivery,
    Event,
    LeadWentQuiet,
)
from ghl_real_estate_ai.models.identifiers import EventId, LeadId, LocationId
from ghl_real_estate_ai.models.intelligence import (
    ChurnRisk,
    LeadIntelligence,
)
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.services.churn_prediction_service import ChurnPredictionService
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.ml_lead_intelligence_engine import MlLeadIntelligenceEngine
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from ghl_real_estate_ai.services.realtime_lead_intelligence import RealtimeLeadIntelligence
from ghl_real_estate_ai.services.silence_watch import SilenceWatch
from ghl_real_estate_ai.services.tenant_models import TenantModels
from ghl_real_estate_ai.storage.database import Database
from tests.support.clock import FakeClock, settle
from tests.support.facts import LEAD, LOCATION, NOON, message
from tests.support.fake_memory import FakeMemory
from tests.support.lead_events import EventMaker

DAY = timedelta(days=1)

MODELS = TenantModels()
"""The shipped ones, for every tenant."""


def _put(place: Location, uow: UnitOfWork) -> None:
    uow.tenants.put_location(place)


class House:
    """The bus, the orchestrator and the watch over a memory, of dicts by default; ``restart`` leaves nothing but it."""

    def __init__(self, memory: Database | None = None) -> None:
        self.memory: Memory = memory or FakeMemory()
        self.clock = FakeClock(NOON)
        self.mine = True
        self.restart()

    def restart(self) -> None:
        self.bus = EventBus(memory=self.memory, clock=self.clock)
        self.intelligence = RealtimeLeadIntelligence(
            memory=self.memory,
            engine=MlLeadIntelligenceEngine(models=MODELS),
            churn=ChurnPredictionService(models=MODELS),
            matching=PropertyMatchingService(memory=self.memory),
            clock=self.clock,
        )
        self.bus.subscribe_durable("lead_intelligence", self.intelligence, types=LEAD_NEWS)
        self.watch = SilenceWatch(
            memory=self.memory,
            bus=self.bus,
            clock=self.clock,
            sleep=self.clock.sleep,
            mine=lambda _location_id: self.mine,
        )

    @asynccontextmanager
    async def open(self, *, watching: bool = True) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self.bus.run())]
            if watching:
                running.append(tasks.create_task(self.watch.run()))
            try:
                yield
            finally:
                for task in running:
                    task.cancel()

    async def serve(self, *places: LocationId) -> None:
        for place in places or (LOCATION,):
            known = Location(location_id=place, name="Office")
            await self.memory.write(partial(_put, known))

    async def write_in(
        self, name: str, *, lead: LeadId = LEAD, at: datetime | None = None, simulated: bool = False
    ) -> None:
        """A message of the lead, now or at ``at``, handled."""
        delivery = message(name, lead=lead, at=at or self.clock.now())
        event = delivery.event.model_copy(update={"simulated": simulated})
        received = {"event": event, "received_at": self.clock.now()}
        await self.bus.publish([delivery.model_copy(update=received)])
        await self.handled()

    async def handled(self) -> None:
        async with asyncio.timeout(10):
            while await self.bus.lag(LOCATION):
                await asyncio.sleep(0)
        await settle()

    async def timers(self, lead: LeadId = LEAD) -> list[RiskTimer]:
        return await self.memory.read(lambda uow: uow.timers.of_lead(LOCATION, lead))

    async def put_timers(self, *timers: RiskTimer) -> None:
        await self.memory.write(lambda uow: uow.timers.replace(LOCATION, timers[0].lead_id, timers))

    async def events(self) -> Sequence[Event]:
        found = await self.memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=10_000))
        return [recorded.event for recorded in found]

    async def quiet(self) -> list[LeadWentQuiet]:
        return [event for event in await self.events() if isinstance(event, LeadWentQuiet)]

    async def fact(self, kind: str, **fields: object) -> None:
        """Something else about the lead happens now, handled."""
        recorded = EventMaker().make(kind, at=self.clock.now(), **fields)
        same = {"location_id": LOCATION, "lead_id": LEAD, "event_id": EventId(f"{kind}-{self.clock.now()}")}
        event = recorded.event.model_copy(update=same)
        await self.bus.publish(
            [Delivery(delivery_id=event.event_id, event=event, received_at=self.clock.now())]
        )
        await self.handled()

    async def seen(self) -> LeadIntelligence:
        found = await self.memory.read(lambda uow: uow.leads.intelligence(LOCATION, LEAD))
        assert found is not None
        return found

    async def shown(self, lead: LeadId = LEAD) -> ChurnRisk:
        seen = await self.memory.read(lambda uow: uow.leads.intelligence(LOCATION, lead))
        assert seen is not None
        assert seen.churn.value is not None
        return seen.churn.value


async def a_house_with_a_lead(memory: Database | None = None) -> House:
    """A lead that wrote on three days, and not since."""
    house = House(memory)
    await house.serve()
    async with house.open(watching=False):
        for number in range(3):
            await house.write_in(f"message-{number}")
            house.clock.set_forward(DAY.total_seconds())
    return house
