"""Keeps the record of what was said of leads, and notes what came true once the horizon is over.

Called by: services/realtime_lead_intelligence (``records_of``, stored in the transaction of the look), bootstrap (``run``),
api/routes/track_record and ``enterprisehub report scores`` (``report``).

The record holds a lead's first look of each UTC day, as screens showed it: that choice knows nothing of the outcome. Outcomes are
read from the log by the code that labels training rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.learning_ports import ScoreRecord
from ghl_real_estate_ai.limits import TRACK_BATCH, TRACK_EVENTS_PER_LEAD, TRACK_LOOK_S
from ghl_real_estate_ai.ml.targets import Outcomes, Target
from ghl_real_estate_ai.ml.track_report import Asked, target_record
from ghl_real_estate_ai.ml.training import TARGETS
from ghl_real_estate_ai.models.events import LEAD_FACTS, Event
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.intelligence import ChurnRisk, LeadIntelligence, LeadScore, Part
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.track_record import TrackRecord
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork

NEWS: Final = timedelta(hours=24)
"""A look that an older event caused is no answer that anybody saw in time: an import tells whole histories at once."""
GRACE: Final = timedelta(hours=6)
"""After the horizon: what happened within it may come in late."""

_TARGETS: Final[Mapping[str, Target]] = {target.name: target for target in TARGETS}
_DAY_S: Final = 86_400.0

_log = telemetry.get_logger("track_record")


# --- what is said -------------------------------------------------------------------------------------------------


def records_of(
    lead: Lead, seen: LeadIntelligence, *, before: LeadIntelligence | None, cause: Event
) -> list[ScoreRecord]:
    """What this look adds to the record: nothing unless it is the lead's first of the day, and news."""
    if before is not None and before.as_of.date() >= seen.as_of.date():
        return []
    if seen.as_of - cause.occurred_at > NEWS:
        return []
    return [
        _record(lead, seen, target, part)
        for name, part in _parts(seen)
        if (target := _TARGETS.get(name)) is not None and target.eligible(lead, seen.as_of)
    ]


def _parts(seen: LeadIntelligence) -> Iterator[tuple[str, LeadScore | ChurnRisk]]:
    parts: tuple[tuple[str, Part[LeadScore] | Part[ChurnRisk]], ...] = (
        ("lead_score", seen.score),
        ("won", seen.won),
        ("churn_risk", seen.churn),
    )
    for name, part in parts:
        if part.value is not None and part.stale_reason is None:
            yield name, part.value


def _record(lead: Lead, seen: LeadIntelligence, target: Target, said: LeadScore | ChurnRisk) -> ScoreRecord:
    since = lead.activity.last_lead_at or lead.activity.first_at
    score = said if isinstance(said, LeadScore) else None
    interval = None if score is None else score.interval
    return ScoreRecord(
        location_id=lead.location_id,
        lead_id=lead.lead_id,
        target=target.name,
        made_at=seen.as_of,
        due_at=seen.as_of + timedelta(days=said.horizon_days),
        probability=said.probability,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        prior_share=None if score is None else score.prior_share,
        silence_days=None if since is None else max(0.0, (seen.as_of - since).total_seconds() / _DAY_S),
        model_version=said.model.version,
        simulated=lead.simulated,
    )


# --- what came true -----------------------------------------------------------------------------------------------


class TrackRecordKeeper:
    """One per process. Resolves the records of the tenants that are its own."""

    def __init__(
        self,
        *,
        memory: Memory,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        mine: Callable[[LocationId], bool] = lambda _location_id: True,
    ) -> None:
        """``mine``: whether a location is this process's to look after, as things stand now."""
        self._memory = memory
        self._clock = clock
        self._sleep = sleep
        self._mine = mine

    async def run(self) -> None:
        """Look every TRACK_LOOK_S until cancelled."""
        while True:
            try:
                for place in await self._memory.read(lambda uow: uow.tenants.locations()):
                    if self._mine(place.location_id):
                        await self.resolve(place.location_id)
            except StorageUnavailable as error:
                _log.warning("record.delayed", reason=str(error))
            await self._sleep(TRACK_LOOK_S)

    async def resolve(self, location_id: LocationId) -> int:
        """Note the outcome of every record whose horizon is over; returns how many. Raises StorageUnavailable."""
        resolved = 0
        while True:
            now = self._clock.now()
            batch = await self._memory.read(partial(_outcomes, location_id=location_id, now=now))
            if batch:
                await self._memory.write(partial(_resolve, batch))
            resolved += len(batch)
            if len(batch) < TRACK_BATCH:
                return resolved

    async def report(self, location_id: LocationId, *, since: datetime | None = None) -> TrackRecord:
        """The record of the location, from ``since`` on. Raises StorageUnavailable."""

        def look(uow: UnitOfWork) -> list[tuple[Target, list[ScoreRecord], int, datetime | None]]:
            return [
                (
                    target,
                    uow.record.resolved(location_id, target.name, since=since),
                    *uow.record.waiting(location_id, target.name),
                )
                for target in TARGETS
            ]

        found = await self._memory.read(look)
        # whole leads are drawn again some hundred times: not on the loop that serves sockets
        return await asyncio.to_thread(_reported, location_id, self._clock.now(), found)

    async def rows(self, location_id: LocationId, *, since: datetime | None = None) -> list[ScoreRecord]:
        """Every resolved record of every question, oldest first. Raises StorageUnavailable."""
        found = await self._memory.read(
            lambda uow: [
                record
                for target in TARGETS
                for record in uow.record.resolved(location_id, target.name, since=since)
            ]
        )
        return sorted(found, key=lambda record: (record.made_at, record.lead_id, record.target))


def _reported(
    location_id: LocationId,
    now: datetime,
    found: Sequence[tuple[Target, list[ScoreRecord], int, datetime | None]],
) -> TrackRecord:
    return TrackRecord(
        location_id=location_id,
        as_of=now,
        targets=tuple(
            target_record(
                Asked(target.name, target.question, target.horizon_days),
                records,
                waiting=waiting,
                next_due_at=next_due_at,
            )
            for target, records, waiting, next_due_at in found
        ),
    )


def _outcomes(uow: UnitOfWork, *, location_id: LocationId, now: datetime) -> list[ScoreRecord]:
    """The next batch of records that are due, with their outcomes."""
    due = uow.record.unresolved(location_id, simulated=False, due_before=now - GRACE, limit=TRACK_BATCH)
    simulated_now = uow.leads.newest_simulated(location_id)  # they live on a time line of their own
    if simulated_now is not None and len(due) < TRACK_BATCH:
        due += uow.record.unresolved(
            location_id, simulated=True, due_before=simulated_now - GRACE, limit=TRACK_BATCH - len(due)
        )
    known = {lead_id: _of_lead(uow, location_id, lead_id) for lead_id in {record.lead_id for record in due}}
    return [
        record.model_copy(update={"outcome": _came_true(record, known[record.lead_id]), "resolved_at": now})
        for record in due
    ]


def _came_true(record: ScoreRecord, outcomes: Outcomes) -> bool | None:
    """None for a question that is asked no more: it is settled, and no report shows it."""
    target = _TARGETS.get(record.target)
    return None if target is None else target.label(outcomes, record.made_at)


def _of_lead(uow: UnitOfWork, location_id: LocationId, lead_id: LeadId) -> Outcomes:
    """What the lead did, from its whole log: an appointment that was known before is no new one."""
    recorded = uow.events.of_lead(location_id, lead_id, before=None, limit=TRACK_EVENTS_PER_LEAD)
    facts = sorted(
        (one.event for one in recorded if one.event.type in LEAD_FACTS), key=lambda event: event.occurred_at
    )
    outcomes = Outcomes()
    for event in facts:
        outcomes.note(event, event.occurred_at)
    return outcomes


def _resolve(batch: Sequence[ScoreRecord], uow: UnitOfWork) -> None:
    uow.record.resolve(batch)
