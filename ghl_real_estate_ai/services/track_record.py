"""Keeps the record of what was said of leads, and notes what came true once the horizon is over.

Called by: services/realtime_lead_intelligence (``records_of``, stored in the transaction of the look), bootstrap (``run``),
api/routes/track_record and ``enterprisehub report scores`` (``report``, ``pages``).

The record holds a lead's first look of each UTC day, as screens showed it: that choice knows nothing of the outcome. Outcomes are
read from the log by the code that labels training rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.learning_ports import RecordColumns, ScoreRecord
from ghl_real_estate_ai.limits import TRACK_EVENTS, TRACK_LEADS, TRACK_LOOK_S, TRACK_ROWS
from ghl_real_estate_ai.ml.targets import Outcomes, Target
from ghl_real_estate_ai.ml.track_report import Asked, Waiting, target_record
from ghl_real_estate_ai.ml.training import TARGETS
from ghl_real_estate_ai.models.events import LEAD_FACTS, Event, RecordedEvent
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
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_FIGURES: Final = ThreadPoolExecutor(1, thread_name_prefix="track-record")
"""One report at a time: one that nobody waits for any more takes no thread from matches and scores."""

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
        """Look every TRACK_LOOK_S until cancelled. What delays one tenant delays no other."""
        while True:
            for location_id in await self._places():
                if self._mine(location_id):
                    try:
                        await self.resolve(location_id)
                    except StorageUnavailable as error:
                        _log.warning("record.delayed", location_id=location_id, reason=str(error))
            await self._sleep(TRACK_LOOK_S)

    async def _places(self) -> list[LocationId]:
        try:
            places = await self._memory.read(lambda uow: uow.tenants.locations())
        except StorageUnavailable as error:
            _log.warning("record.delayed", reason=str(error))
            return []
        return [place.location_id for place in places]

    async def resolve(self, location_id: LocationId) -> int:
        """Note the outcome of every record whose horizon is over; returns how many. Raises StorageUnavailable.

        Lead by lead, in short reads: what was resolved stays resolved, whatever comes next.
        """
        resolved = 0
        while True:
            lead_ids, until = await self._memory.read(
                partial(_due, location_id=location_id, now=self._clock.now())
            )
            if not lead_ids:
                return resolved
            for lead_id in lead_ids:
                resolved += await self._resolve_lead(location_id, lead_id, until)

    async def _resolve_lead(
        self, location_id: LocationId, lead_id: LeadId, until: Mapping[bool, datetime]
    ) -> int:
        """``until``: records of real and of simulated leads that were due by then."""
        outcomes = await self._outcomes(location_id, lead_id)
        now = self._clock.now()

        def note(uow: UnitOfWork) -> int:
            known = [
                record.model_copy(update={"outcome": _came_true(record, outcomes), "resolved_at": now})
                for record in uow.record.of_lead(location_id, lead_id)
                if record.resolved_at is None and record.due_at <= until[record.simulated]
            ]
            uow.record.resolve(known)
            return len(known)

        return await self._memory.derive(note)  # the log holds it all: lost, it is found again

    async def _outcomes(self, location_id: LocationId, lead_id: LeadId) -> Outcomes:
        """What the lead did, from its whole log: an appointment that was known before is no new one.

        In the order of the log, at the newest time of the lead so far, as ml/history.py does for its whole log.
        """
        outcomes, at, position, head = Outcomes(), _LONG_AGO, 0, 1
        while position < head:
            facts, position, head = await self._memory.read(
                partial(_facts, location_id=location_id, lead_id=lead_id, after=position)
            )
            for recorded in facts:
                at = max(at, recorded.event.occurred_at)
                outcomes.note(recorded.event, at)
        return outcomes

    async def report(self, location_id: LocationId, *, since: datetime | None = None) -> TrackRecord:
        """The record of the location's answers from ``since`` on. Raises StorageUnavailable.

        Of simulated leads only where nothing was said of others: figures over both would be true of neither.
        """
        now = self._clock.now()
        simulated = not await self._memory.read(lambda uow: uow.record.speaks_of_people(location_id))
        look = partial(_found, location_id=location_id, simulated=simulated, since=since, now=now)
        found = [await self._memory.read(partial(look, target=target)) for target in TARGETS]
        work = partial(_reported, found, location_id=location_id, since=since, now=now)
        return await asyncio.get_running_loop().run_in_executor(_FIGURES, work)

    async def pages(
        self, location_id: LocationId, *, since: datetime | None = None
    ) -> AsyncIterator[list[ScoreRecord]]:
        """Every resolved record made ``since`` then, question by question, each oldest first. Raises StorageUnavailable."""
        for target in TARGETS:
            last: ScoreRecord | None = None
            while page := await self._memory.read(
                partial(_page, location_id=location_id, target=target.name, since=since, after=last)
            ):
                yield page
                last = page[-1]


def _page(
    uow: UnitOfWork,
    *,
    location_id: LocationId,
    target: str,
    since: datetime | None,
    after: ScoreRecord | None,
) -> list[ScoreRecord]:
    return uow.record.page(location_id, target, since=since, after=after, limit=TRACK_ROWS)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a report is made of, for one question."""

    target: Target
    said: RecordColumns
    waiting: Waiting
    simulated: bool


def _found(
    uow: UnitOfWork,
    *,
    location_id: LocationId,
    target: Target,
    simulated: bool,
    since: datetime | None,
    now: datetime,
) -> _Found:
    answers, due = uow.record.waiting(location_id, target.name, simulated=simulated, since=since)
    # a simulated time line may have ended long ago, and what is due is being looked up: neither is a date to wait for
    waiting = Waiting(answers, due if due is not None and due > now else None)
    said = uow.record.columns(location_id, target.name, simulated=simulated)
    return _Found(target, said, waiting, simulated)


def _reported(
    found: Sequence[_Found], *, location_id: LocationId, since: datetime | None, now: datetime
) -> TrackRecord:
    return TrackRecord(
        location_id=location_id,
        as_of=now,
        targets=tuple(
            target_record(
                Asked(one.target.name, one.target.question, one.target.horizon_days),
                one.said,
                since=since,
                waiting=one.waiting,
                simulated=one.simulated and bool(one.said.outcome.size or one.waiting.answers),
            )
            for one in found
        ),
    )


def _due(
    uow: UnitOfWork, *, location_id: LocationId, now: datetime
) -> tuple[list[LeadId], dict[bool, datetime]]:
    """The next leads with records that are due, and until when those of real and of simulated leads are."""
    simulated_now = uow.leads.newest_simulated(location_id)  # they live on a time line of their own
    until = {False: now - GRACE, True: _LONG_AGO if simulated_now is None else simulated_now - GRACE}
    due = [
        record
        for simulated, by in until.items()
        for record in uow.record.unresolved(
            location_id, simulated=simulated, due_before=by, limit=TRACK_LEADS
        )
    ]
    return list(dict.fromkeys(record.lead_id for record in due)), until


def _facts(
    uow: UnitOfWork, *, location_id: LocationId, lead_id: LeadId, after: int
) -> tuple[list[RecordedEvent], int, int]:
    """The next facts about the lead, the position up to which there are no others, and the end of the log."""
    facts, upto = uow.events.read_types(
        location_id, after=after, limit=TRACK_EVENTS, types=LEAD_FACTS, lead_id=lead_id
    )
    return facts, upto, uow.events.head(location_id)


def _came_true(record: ScoreRecord, outcomes: Outcomes) -> bool | None:
    """None for a question that is asked no more: it is settled, and no report shows it."""
    target = _TARGETS.get(record.target)
    return None if target is None else target.label(outcomes, record.made_at)
