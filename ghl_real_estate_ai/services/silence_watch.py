"""Tells the house that a lead has gone quiet, at the minute: no event arrives when nothing happens.

Called by: services/realtime_lead_intelligence (``timers_of``, stored in the transaction of the look), bootstrap (``run``).

Each look leaves a timer per stage of churn risk that the lead will enter if it stays silent, and one for what is put off. A timer that runs out becomes a
fact in the log, ``LeadWentQuiet``, in the transaction that removes it; the orchestrator hears the fact and judges the lead
anew. So nothing is lost over a restart, and the fact's id (lead, stage, due time) lets no second process repeat it.
Where the switch SILENCE_WATCH is off the timers wait; what ran out meanwhile is told when it is on again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from typing import Final, NamedTuple

from pydantic import ValidationError

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.learning_ports import RiskTimer
from ghl_real_estate_ai.limits import (
    DURABLE_BATCH,
    SILENCE_BATCH,
    SILENCE_LOOK_S,
    SILENCE_REST_S,
    SILENCE_SIMULATED_LOOK_S,
)
from ghl_real_estate_ai.ml.churn_risk import watched_from
from ghl_real_estate_ai.ml.lead_clicks import standing_snoozes
from ghl_real_estate_ai.ml.risk_stages import due_at
from ghl_real_estate_ai.models.events import Delivery, LeadWentQuiet, RecordedEvent, Source
from ghl_real_estate_ai.models.identifiers import CorrelationId, EventId, LocationId, derived_id
from ghl_real_estate_ai.models.intelligence import ChurnRisk, LeadIntelligence, RiskStage
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.switches import Switch
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork
from ghl_real_estate_ai.services.admission import admit_page
from ghl_real_estate_ai.services.event_bus import EventBus

TRY_AGAIN: Final = timedelta(minutes=10)
"""After a look whose churn risk came late or failed, the lead is looked at again; the wait doubles until one succeeds."""
MOST: Final = timedelta(days=1)
"""Longest such wait, and the one for a lead whose row cannot be read."""

_log = telemetry.get_logger("silence_watch")


def timers_of(lead: Lead, seen: LeadIntelligence) -> list[RiskTimer]:
    """What the look wants to be woken for, on the lead's own time line: one timer per stage ahead, and the soonest end of
    what is put off (stage NONE): it may stand behind another action by then, and nothing else would bring it back.
    """
    risk, watched = seen.churn.value, watched_from(lead)
    due: dict[RiskStage, datetime] = {}
    put_off = {} if lead.deleted else standing_snoozes(lead, seen.as_of)
    if put_off:
        due[RiskStage.NONE] = next(iter(put_off.values())).until
    if watched is None:
        pass
    elif risk is None or seen.churn.stale_reason is not None:
        due[_next_stage(risk)] = seen.as_of + _again_after(lead, seen)
    else:
        due |= {ahead.stage: due_at(ahead.at, watched) for ahead in risk.crossings}
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


def _again_after(lead: Lead, seen: LeadIntelligence) -> timedelta:
    """As long as it has failed already: since the last risk that is known, or since the lead was heard of."""
    since = seen.churn.as_of or lead.activity.last_lead_at or lead.activity.first_at or seen.as_of
    return min(max(seen.as_of - since, TRY_AGAIN), MOST)


def _next_stage(risk: ChurnRisk | None) -> RiskStage:
    return RiskStage.EARLY if risk is None else RiskStage(min(risk.stage + 1, RiskStage.CRITICAL))


class _Line(NamedTuple):
    """A tenant's real or simulated leads, of whom some are due, and what time it is on their time line."""

    location_id: LocationId
    simulated: bool
    now: datetime


class _Found(NamedTuple):
    """What a look finds: where leads are due, those longest due first, and when the next real ones will be."""

    due: list[_Line]
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
        """Tell of leads that are due, SILENCE_BATCH at most; returns the seconds until the next look."""
        try:
            found = await self._find()
            told, share = 0, max(1, SILENCE_BATCH // max(1, len(found.due)))
            for line in found.due:
                told += await self._tell(line, leads=min(share, SILENCE_BATCH - told))
                if told >= SILENCE_BATCH:
                    break
        except StorageUnavailable as error:
            _log.warning("look.delayed", reason=str(error))
            return SILENCE_LOOK_S
        return SILENCE_REST_S if told else self._wait(found)

    async def _find(self) -> _Found:
        places = await self._memory.read(lambda uow: uow.tenants.locations())
        mine = [place.location_id for place in places if self._mine(place.location_id)]
        return await self._memory.read(partial(_found, locations=mine, real_now=self._clock.now()))

    def _wait(self, found: _Found) -> float:
        most = SILENCE_SIMULATED_LOOK_S if found.simulated or found.due else SILENCE_LOOK_S
        if found.next_at is None:
            return most
        return min(most, max(0.0, (found.next_at - self._clock.now()).total_seconds()))

    async def _tell(self, line: _Line, *, leads: int) -> int:
        """Timers that ran out become facts, in one transaction; returns of how many leads.

        Of none while the tenant's log has more that is not handled than one batch: who writes now is heard first.
        """
        if await self._bus.lag(line.location_id) > DURABLE_BATCH:
            return 0
        work = partial(_told, line=line, leads=leads, received_at=self._clock.now())
        try:
            seen, facts = await self._memory.write(work)
        except ValidationError as error:  # of a newer version; the other tenants are watched
            _log.error("timers.unreadable", location_id=line.location_id, problems=error.error_count())
            return 0
        self._bus.announce(facts)
        return seen


def _found(uow: UnitOfWork, *, locations: Sequence[LocationId], real_now: datetime) -> _Found:
    due: list[tuple[timedelta, _Line]] = []
    next_at: list[datetime] = []
    any_simulated = False
    for location_id, simulated in product(locations, (False, True)):
        first = uow.timers.next_due(location_id, simulated=simulated)
        if first is None:
            continue
        any_simulated = any_simulated or simulated
        now = uow.leads.newest_simulated(location_id) if simulated else real_now
        if now is not None and first <= now:
            if uow.switches.is_on(location_id, Switch.SILENCE_WATCH):
                due.append((first - now, _Line(location_id, simulated, now)))
        elif not simulated:
            next_at.append(first)
    due.sort(key=lambda one: (one[1].simulated, one[0]))  # people first
    return _Found([line for _, line in due], min(next_at, default=None), any_simulated)


def _told(
    uow: UnitOfWork, *, line: _Line, leads: int, received_at: datetime
) -> tuple[int, list[RecordedEvent]]:
    """How many leads were due, and a fact of each, of its highest stage that is due; all that has run out is gone with it.

    A duplicate takes no lock of the log. So timers that are ahead are neither read nor written: they may be new ones by now.
    """
    location_id, simulated, now = line
    if not uow.switches.is_on(location_id, Switch.SILENCE_WATCH):  # turned off since the look
        return 0, []
    due = uow.timers.due(location_id, simulated=simulated, now=now, leads=leads)
    known = uow.leads.get_many(location_id, {timer.lead_id for timer in due})
    deliveries = [
        _delivery(known[timer.lead_id], timer, now=now, received_at=received_at)
        for timer in due
        if timer.lead_id in known
    ]
    facts = admit_page(uow, deliveries)
    uow.timers.drop_due(location_id, known, now=now)
    unreadable = {timer.lead_id for timer in due} - known.keys()
    if unreadable:
        uow.timers.postpone_due(location_id, unreadable, now=now, until=now + MOST)
    return len(due), [fact for fact in facts if isinstance(fact, RecordedEvent)]


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
