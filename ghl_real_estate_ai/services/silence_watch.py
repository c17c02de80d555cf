"""Tells the house that a lead has gone quiet, at the minute: no event arrives when nothing happens.

Called by: services/realtime_lead_intelligence (``timers_of``, stored in the transaction of the look), bootstrap (``run``).

Each look leaves a timer per stage of churn risk that the lead will enter if it stays silent. A timer that runs out becomes a
fact in the log, ``LeadWentQuiet``, in the transaction that removes it; the orchestrator hears the fact and judges the lead
anew. So nothing is lost over a restart, and the fact's id (lead, stage, due time) lets no second process repeat it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby, product
from typing import Final, NamedTuple

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.learning_ports import RiskTimer
from ghl_real_estate_ai.limits import SILENCE_BATCH, SILENCE_LOOK_S, SILENCE_SIMULATED_LOOK_S
from ghl_real_estate_ai.ml.churn_risk import watched_from
from ghl_real_estate_ai.ml.risk_stages import due_at
from ghl_real_estate_ai.models.events import Delivery, LeadWentQuiet, RecordedEvent, Source
from ghl_real_estate_ai.models.identifiers import CorrelationId, EventId, LeadId, LocationId, derived_id
from ghl_real_estate_ai.models.intelligence import ChurnRisk, LeadIntelligence, RiskStage
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork
from ghl_real_estate_ai.services.admission import admit
from ghl_real_estate_ai.services.event_bus import EventBus

TRY_AGAIN: Final = timedelta(minutes=10)
"""After a look whose churn risk came late or failed, the lead is looked at again."""

_log = telemetry.get_logger("silence_watch")


def timers_of(lead: Lead, seen: LeadIntelligence) -> list[RiskTimer]:
    """What the look wants to be woken for: one timer per stage ahead, on the lead's own time line."""
    risk, watched = seen.churn.value, watched_from(lead)
    if watched is None:
        return []
    if risk is None or seen.churn.stale_reason is not None:
        due = {_next_stage(risk): seen.as_of + TRY_AGAIN}
    else:
        due = {ahead.stage: due_at(ahead.at, watched) for ahead in risk.crossings}
    return [
        RiskTimer(
            location_id=lead.location_id,
            lead_id=lead.lead_id,
            stage=stage,
            due_at=at,
            simulated=lead.simulated,
        )
        for stage, at in due.items()
    ]


def _next_stage(risk: ChurnRisk | None) -> RiskStage:
    return RiskStage.EARLY if risk is None else RiskStage(min(risk.stage + 1, RiskStage.CRITICAL))


class _Due(NamedTuple):
    """A tenant's timers that have run out, of real or of simulated leads, and what time it is for those leads."""

    timers: list[RiskTimer]
    now: datetime


class _Look(NamedTuple):
    """What a look finds: timers that have run out, and when the next ones of real leads will."""

    due: list[_Due]
    next_at: datetime | None
    simulated: bool


class SilenceWatch:
    """One per process. Watches the tenants that are its own."""

    def __init__(
        self,
        *,
        memory: Memory,
        bus: EventBus,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        mine: Callable[[LocationId], bool] = lambda _location_id: True,
    ) -> None:
        """``mine``: whether a location is this process's to look after, as things stand now."""
        self._memory = memory
        self._bus = bus
        self._clock = clock
        self._sleep = sleep
        self._mine = mine

    async def run(self) -> None:
        """Until cancelled. Sleeps until the next timer is due, SILENCE_LOOK_S at most."""
        while True:
            await self._sleep(await self.look())

    async def look(self) -> float:
        """Fire what is due; returns the seconds until the next look."""
        try:
            while True:
                found = await self._find()
                fired = [await self._fire(due) for due in found.due]
                if not any(fired) or all(len(due.timers) < SILENCE_BATCH for due in found.due):
                    return self._wait(found)
        except StorageUnavailable as error:
            _log.warning("look.delayed", reason=str(error))
            return SILENCE_LOOK_S

    async def _find(self) -> _Look:
        places = await self._memory.read(lambda uow: uow.tenants.locations())
        mine = [place.location_id for place in places if self._mine(place.location_id)]
        return await self._memory.read(partial(_look, locations=mine, real_now=self._clock.now()))

    def _wait(self, found: _Look) -> float:
        most = SILENCE_SIMULATED_LOOK_S if found.simulated else SILENCE_LOOK_S
        if found.next_at is None:
            return most
        return min(most, max(0.0, (found.next_at - self._clock.now()).total_seconds()))

    async def _fire(self, due: _Due) -> int:
        """Timers that ran out become facts, all in one transaction; returns how many facts."""
        facts = await self._memory.write(
            partial(_quiet_facts, timers=due.timers, now=due.now, received_at=self._clock.now())
        )
        self._bus.announce(facts)
        return len(facts)


def _look(uow: UnitOfWork, *, locations: Sequence[LocationId], real_now: datetime) -> _Look:
    due: list[_Due] = []
    next_at: list[datetime] = []
    any_simulated = False
    for location_id, simulated in product(locations, (False, True)):
        first = uow.timers.next_due(location_id, simulated=simulated)
        if first is None:
            continue
        any_simulated = any_simulated or simulated
        now = uow.leads.newest_simulated(location_id) if simulated else real_now
        if now is not None and first <= now:
            timers = uow.timers.due(location_id, simulated=simulated, now=now, limit=SILENCE_BATCH)
            due.append(_Due(timers, now))
        elif not simulated:
            next_at.append(first)
    return _Look(due, min(next_at, default=None), any_simulated)


def _quiet_facts(
    uow: UnitOfWork, *, timers: Sequence[RiskTimer], now: datetime, received_at: datetime
) -> list[RecordedEvent]:
    """One fact per lead, of its highest stage that is due; the lead's timers that have run out are gone with it."""
    facts = []
    for (location_id, lead_id), group in groupby(sorted(timers, key=_of_lead), key=_of_lead):
        newest = max(group, key=lambda timer: timer.stage)
        lead = uow.leads.get(location_id, lead_id)
        if lead is None:
            uow.timers.replace(location_id, lead_id, ())
            continue
        if newest not in uow.timers.of_lead(location_id, lead_id):
            continue  # an event came in between, or another process was quicker
        stored = admit(uow, _delivery(lead, newest, now=now, received_at=received_at))
        # read again: on a shared database the log's turn has been ours only since the line above
        ahead = [timer for timer in uow.timers.of_lead(location_id, lead_id) if timer.due_at > now]
        uow.timers.replace(location_id, lead_id, ahead)
        if isinstance(stored, RecordedEvent):
            facts.append(stored)
    return facts


def _of_lead(timer: RiskTimer) -> tuple[LocationId, LeadId]:
    return timer.location_id, timer.lead_id


def _delivery(lead: Lead, timer: RiskTimer, *, now: datetime, received_at: datetime) -> Delivery:
    event_id = EventId(
        derived_id(
            "LeadWentQuiet",
            timer.location_id,
            timer.lead_id,
            str(int(timer.stage)),
            timer.due_at.isoformat(),
        )
    )
    event = LeadWentQuiet(
        event_id=event_id,
        location_id=timer.location_id,
        occurred_at=now,
        correlation_id=CorrelationId(event_id),
        source=Source.HOUSE,
        simulated=timer.simulated,
        lead_id=timer.lead_id,
        stage=timer.stage,
        due_at=timer.due_at,
        silent_since=lead.activity.last_lead_at,
    )
    return Delivery(delivery_id=event_id, event=event, received_at=received_at)
