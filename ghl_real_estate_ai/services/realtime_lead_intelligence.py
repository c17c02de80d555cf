"""On each fact about a lead: score | churn risk | matches in parallel, the cause of the change, the next best action.

Called by: event_bus (durable subscriber "lead_intelligence", one event after the other per tenant), bootstrap.

Hears LEAD_NEWS, publishes LeadIntelligenceUpdated. What it wants to become true (lead,
intelligence, derived fact) is returned as work, which the bus commits in one transaction with its cursor.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import EnterpriseHubError
from ghl_real_estate_ai.learning_ports import ScoreRecord
from ghl_real_estate_ai.limits import INTELLIGENCE_DEADLINE_S, LEADS_CACHED
from ghl_real_estate_ai.ml.action_evidence import homes_on_mind
from ghl_real_estate_ai.ml.features import Course
from ghl_real_estate_ai.ml.lead_clicks import declined_by
from ghl_real_estate_ai.ml.lead_state import apply, summary
from ghl_real_estate_ai.ml.next_action import Known, next_action
from ghl_real_estate_ai.models.events import (
    LEAD_FACTS,
    LEAD_NEWS,
    REVIVED,
    Delivery,
    Event,
    LeadIntelligenceUpdated,
    RecordedEvent,
    Source,
)
from ghl_real_estate_ai.models.identifiers import EventId, LeadId, LocationId, derived_id, lead_hash
from ghl_real_estate_ai.models.intelligence import (
    TYPICAL_DEAL_VALUE,
    Cause,
    ChurnRisk,
    LeadIntelligence,
    LeadScore,
    NextAction,
    Part,
)
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.matching_models import EnhancedPropertyMatch
from ghl_real_estate_ai.ports import Clock, DurableWork, Memory, UnitOfWork
from ghl_real_estate_ai.services.churn_prediction_service import ChurnPredictionService
from ghl_real_estate_ai.services.ml_lead_intelligence_engine import MlLeadIntelligenceEngine
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from ghl_real_estate_ai.services.silence_watch import timers_of
from ghl_real_estate_ai.services.track_record import records_of

NO_WISHES: Final = "no wishes stated yet"
"""Why a lead has no matches: named as the part's reason, so that no screen shows an empty list without one."""

_ON_THE_LEADS_TIME_LINE: Final = LEAD_FACTS | {"LeadWentQuiet"}  # clicks of the team are on the clock's
_PART_ERRORS: Final = (EnterpriseHubError, ValueError, ArithmeticError, LookupError, OSError)

_log = telemetry.get_logger("realtime_lead_intelligence")

Matches = tuple[EnhancedPropertyMatch, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """A lead as of its newest handled event, with what screens show of it."""

    lead: Lead | None
    shown: LeadIntelligence | None


@dataclass(frozen=True, slots=True)
class _Look:
    """One event seen from both sides: the lead before and after it, judged at the same instant."""

    before: Course | None
    after: Course
    shown: LeadIntelligence | None
    deadline: float

    @property
    def now(self) -> datetime:
        """The instant at which both are judged."""
        return self.after.now


@dataclass(frozen=True, slots=True)
class _Answer[T]:
    """A part's answer, and what it would have said just before the event (None: not known)."""

    part: Part[T]
    before: T | None = None


@dataclass(frozen=True, slots=True)
class _Answers:
    score: _Answer[LeadScore]
    won: Part[LeadScore]
    churn: _Answer[ChurnRisk]
    matches: _Answer[Matches]


class RealtimeLeadIntelligence:
    """A ``ports.DurableHandler``. Keeps the leads it has just changed in memory, ahead of the commit."""

    def __init__(
        self,
        *,
        memory: Memory,
        engine: MlLeadIntelligenceEngine,
        churn: ChurnPredictionService,
        matching: PropertyMatchingService,
        clock: Clock,
        deadline_s: float = INTELLIGENCE_DEADLINE_S,
        typical_deal_value: float = TYPICAL_DEAL_VALUE,
    ) -> None:
        """``typical_deal_value``: what a won deal brings where the CRM states nothing, US dollars."""
        self._memory = memory
        self._engine = engine
        self._churn = churn
        self._matching = matching
        self._clock = clock
        self._deadline_s = deadline_s
        self._typical_deal_value = typical_deal_value
        # newest last; must hold more than one batch of the bus, whose leads are not in the database yet
        self._held: OrderedDict[tuple[LocationId, LeadId], _Known] = OrderedDict()

    async def __call__(self, recorded: RecordedEvent) -> DurableWork | None:
        """The intelligence after the event, as work to commit; None when the event is none of its, or handled before.

        Raises TranslationError for an event that cannot be applied, StorageUnavailable when memory is away.
        """
        event = recorded.event
        if event.type not in LEAD_NEWS or event.lead_id is None:
            return None
        started = self._clock.now()
        known = await self._known(event.location_id, event.lead_id)
        if await self._handled_before(recorded, known.lead):
            return self._moved_on(recorded, known)
        after = apply(known.lead, recorded)
        # own memory, not a model: read outside the deadline, and a no-op unless the listings have changed
        await self._matching.load(event.location_id)
        stage_ms = {"log": _ms(recorded, recorded.recorded_at), "features": _ms(recorded, self._clock.now())}
        now = self._as_of(event, after, known.shown)
        look = _Look(
            before=None if known.lead is None else Course(known.lead, now),
            after=Course(after, now),
            shown=known.shown,
            deadline=asyncio.get_running_loop().time() + self._deadline_s,
        )
        answers = await self._ask(look)
        stage_ms["models"] = _ms(recorded, self._clock.now())
        intelligence = _composed(look, answers, event, await self._next_action(look, answers))
        finished = self._clock.now()
        stage_ms["ready"] = _ms(recorded, finished)
        telemetry.intelligence.observe((finished - started).total_seconds() * 1_000)
        self._hold(after, intelligence)
        said = records_of(after, intelligence, before=known.shown, cause=event)
        return _work(after, intelligence, _delivery(recorded, intelligence, stage_ms), said)

    def forget_uncommitted(self) -> None:
        """A commit failed: what is held in memory may never have become true. Read it anew from the database."""
        self._held.clear()

    def forget(self, location_id: LocationId, digest: str) -> None:
        """Drop what is held of the erased lead with this ``identifiers.lead_hash``."""
        for key in [key for key in self._held if key[0] == location_id and lead_hash(*key) == digest]:
            del self._held[key]

    async def warm(self, location_id: LocationId) -> None:
        """Hold the tenant's listings and newest leads, so that the first events are as quick as the later ones."""
        await self._matching.load(location_id)
        room = min(LEADS_CACHED // 4, LEADS_CACHED - len(self._held))
        if room <= 0:
            return
        newest = await self._memory.read(lambda uow: uow.leads.newest(location_id, limit=room))
        for lead, shown in reversed(newest):
            self._held.setdefault((location_id, lead.lead_id), _Known(lead, shown))

    # --- the lead, ahead of the commit ---------------------------------------------------------------------------

    async def _known(self, location_id: LocationId, lead_id: LeadId) -> _Known:
        held = self._held.get((location_id, lead_id))
        if held is not None:
            return held
        return await self._memory.read(
            lambda uow: _Known(
                uow.leads.get(location_id, lead_id), uow.leads.intelligence(location_id, lead_id)
            )
        )

    def _hold(self, lead: Lead, shown: LeadIntelligence | None) -> None:
        key = (lead.location_id, lead.lead_id)
        self._held[key] = _Known(lead, shown)
        self._held.move_to_end(key)
        while len(self._held) > LEADS_CACHED:
            self._held.popitem(last=False)

    async def _handled_before(self, recorded: RecordedEvent, lead: Lead | None) -> bool:
        """In log order a newer position is new, unless it is a dead letter of another handler that was replayed: then the
        fact derived from it is in the log. So it is for an older position that is repeated; a buried event that is tried
        again has none: that one still counts, and the merge takes it in any order.
        """
        if lead is None or (
            recorded.position > lead.position and not recorded.delivery_id.startswith(REVIVED)
        ):
            return False
        event = recorded.event
        derived = await self._memory.read(
            lambda uow: uow.events.get(event.location_id, _derived_event_id(event))
        )
        return derived is not None

    def _moved_on(self, recorded: RecordedEvent, known: _Known) -> DurableWork | None:
        """The lead holds the event already, and up to its new place; None where it has come further."""
        if known.lead is None or recorded.position <= known.lead.position:
            return None
        lead = known.lead.model_copy(update={"position": recorded.position})
        self._hold(lead, known.shown)

        def work(uow: UnitOfWork) -> Sequence[RecordedEvent]:
            if not uow.tenants.is_forgotten(lead.location_id, lead_hash(lead.location_id, lead.lead_id)):
                uow.leads.put(lead, None)
            return ()

        return work

    def _as_of(self, event: Event, lead: Lead, shown: LeadIntelligence | None) -> datetime:
        """The instant at which the lead is judged.

        Real leads: the clock's now (or the event's own time where a vendor's clock runs ahead). Simulated leads live on
        a time line of their own, at any speed, so now is their newest event; an agent's click is not on that line, but a
        timer that ran out is.
        """
        if not lead.simulated:
            return max(self._clock.now(), event.occurred_at)
        times = [] if shown is None else [shown.as_of]
        if event.simulated and event.type in _ON_THE_LEADS_TIME_LINE:
            times.append(event.occurred_at)
        return max(times, default=self._clock.now())

    # --- the three parts, in parallel, under one deadline ----------------------------------------------------------

    async def _ask(self, look: _Look) -> _Answers:
        shown = look.shown
        last_score = Part[LeadScore]() if shown is None else shown.score
        last_won = Part[LeadScore]() if shown is None else shown.won
        last_churn = Part[ChurnRisk]() if shown is None else shown.churn
        last_matches = Part[Matches]() if shown is None else shown.matches
        async with asyncio.TaskGroup() as tasks:
            score = tasks.create_task(self._part("score", lambda: self._score(look), last_score, look))
            won = tasks.create_task(self._won(look, last_won))
            churn = tasks.create_task(self._part("churn", lambda: self._risk(look), last_churn, look))
            matches = tasks.create_task(self._part("matches", lambda: self._match(look), last_matches, look))
        return _Answers(score.result(), won.result(), churn.result(), matches.result())

    async def _part[T](
        self, name: str, ask: Callable[[], Awaitable[tuple[T | None, T]]], last: Part[T], look: _Look
    ) -> _Answer[T]:
        """One part: its answer, or its last value marked stale with the reason."""
        try:
            async with asyncio.timeout_at(look.deadline):
                before, value = await ask()
        except TimeoutError:
            reason = f"late: no answer within {self._deadline_s * 1_000:.0f} ms"
        except EnterpriseHubError as error:
            reason = f"failed: {error}"
        except _PART_ERRORS as error:
            reason = f"failed: {type(error).__name__}"  # the text of a foreign error may hold personal data
        else:
            # copied from ``last`` to keep the part's own type; the value was checked by its own model
            fresh = {"value": value, "as_of": look.now, "stale_reason": None}
            return _Answer(last.model_copy(update=fresh), before)
        telemetry.parts_stale.labels(name).inc()
        _log.warning("part.stale", part=name, reason=reason)
        return _Answer(last.model_copy(update={"stale_reason": reason}))

    async def _score(self, look: _Look) -> tuple[LeadScore | None, LeadScore]:
        before = None if look.before is None else await self._engine.score(look.before)
        return before, await self._engine.score(look.after)

    async def _won(self, look: _Look, last: Part[LeadScore]) -> Part[LeadScore]:
        """The odds of a deal, or why nothing is said of them."""
        reason = self._engine.no_odds(look.after.lead)
        if reason is not None:
            return Part[LeadScore](as_of=look.now, stale_reason=reason)
        return (await self._part("won", lambda: self._odds(look), last, look)).part

    async def _odds(self, look: _Look) -> tuple[LeadScore | None, LeadScore]:
        return None, await self._engine.won(look.after)

    async def _risk(self, look: _Look) -> tuple[ChurnRisk | None, ChurnRisk]:
        before = None if look.before is None else await self._churn.risk(look.before)
        known = None if look.before is None else look.before.lead.activity.last_lead_at
        after = await self._churn.watch(
            look.after,
            shown=None if look.shown is None else look.shown.churn.value,
            own_act=look.after.lead.activity.last_lead_at != known,
            acted_before=known,
        )
        return before, after

    async def _match(self, look: _Look) -> tuple[Matches | None, Matches]:
        return None, await self._matching.matches(look.after.lead, look.now)

    async def _next_action(self, look: _Look, answers: _Answers) -> NextAction | None:
        """The policy's answer, by what the parts say now or said last."""
        lead = look.after.lead
        on_mind = homes_on_mind(lead, look.now)
        known = Known(
            score=answers.score.part.value,
            won=answers.won.value,
            churn=answers.churn.part.value,
            matches=answers.matches.part.value or (),
            homes=await self._matching.homes(lead.location_id, on_mind) if on_mind else {},
        )
        return next_action(lead, known, now=look.now, typical_value=self._typical_deal_value)


def _composed(look: _Look, answers: _Answers, event: Event, action: NextAction | None) -> LeadIntelligence:
    lead, matches = look.after.lead, answers.matches.part
    if matches.stale_reason is None and not lead.wishes.stated:
        matches = matches.model_copy(update={"stale_reason": NO_WISHES})
    return LeadIntelligence(
        lead_id=lead.lead_id,
        lead_name=lead.contact.display_name,
        assigned_to=lead.contact.assigned_to,
        stage=lead.stage,
        simulated=lead.simulated,
        as_of=look.now,
        score=answers.score.part,
        won=answers.won,
        churn=answers.churn.part,
        matches=matches,
        cause=_cause(look, answers, event),
        next_action=action,
        source=lead.contact.source,
        declined_by=declined_by(lead),
    )


def _cause(look: _Look, answers: _Answers, event: Event) -> Cause:
    shown = look.shown
    score_by_event, score_by_time = _moved(answers.score, None if shown is None else shown.score.value)
    churn_by_event, churn_by_time = _moved(answers.churn, None if shown is None else shown.churn.value)
    return Cause(
        event_id=event.event_id,
        event_type=event.type,
        summary=summary(event),
        score_by_event=score_by_event,
        score_by_time=score_by_time,
        churn_by_event=churn_by_event,
        churn_by_time=churn_by_time,
        stage_before=None if shown is None or shown.churn.value is None else shown.churn.value.stage,
    )


def _moved[T: (LeadScore, ChurnRisk)](
    answer: _Answer[T], last: T | None
) -> tuple[float | None, float | None]:
    """(by the event, by time passing): they add up to the change of the number that is shown.

    What another model said last is no measure of time: then nothing is said of it.
    """
    before, after = answer.before, answer.part.value
    if before is None or after is None:
        return None, None
    comparable = last is not None and last.model.version == before.model.version
    by_time = before.probability - last.probability if last is not None and comparable else None
    return after.probability - before.probability, by_time


def _derived_event_id(event: Event) -> EventId:
    return EventId(derived_id("LeadIntelligenceUpdated", event.location_id, event.event_id))


def _ms(recorded: RecordedEvent, at: datetime) -> float:
    """Milliseconds since the delivery came in; clocks of two processes may differ, so never below 0."""
    return max(0.0, round((at - recorded.received_at).total_seconds() * 1_000, 3))


def _delivery(
    recorded: RecordedEvent, intelligence: LeadIntelligence, stage_ms: dict[str, float]
) -> Delivery:
    """The derived fact. Its id follows from its cause, so that a repeated run appends nothing twice."""
    cause = recorded.event
    event_id = _derived_event_id(cause)
    return Delivery(
        delivery_id=event_id,
        event=LeadIntelligenceUpdated(
            event_id=event_id,
            location_id=cause.location_id,
            occurred_at=intelligence.as_of,
            correlation_id=cause.correlation_id,
            source=Source.HOUSE,
            simulated=intelligence.simulated,
            lead_id=intelligence.lead_id,
            intelligence=intelligence,
            stage_ms=stage_ms,
        ),
        received_at=recorded.received_at,  # of the cause: screens show the time from the delivery on
    )


def _work(
    lead: Lead, intelligence: LeadIntelligence, delivery: Delivery, said: list[ScoreRecord]
) -> DurableWork:
    digest = lead_hash(lead.location_id, lead.lead_id)
    timers = timers_of(lead, intelligence)

    def work(uow: UnitOfWork) -> Sequence[RecordedEvent]:
        if uow.tenants.is_forgotten(lead.location_id, digest):
            return ()  # erased while its last events were being handled: must not come back
        fact = uow.events.append(delivery)
        if fact is None:
            return ()
        uow.leads.put(lead, intelligence)
        uow.record.add(said)
        uow.timers.replace(lead.location_id, lead.lead_id, timers)
        return (fact,)

    return work
