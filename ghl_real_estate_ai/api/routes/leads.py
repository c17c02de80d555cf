"""Leads: the list, one lead whole, its risk ahead. Called by the screens.

The tenant is the caller's; another tenant's lead is simply not found.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from ghl_real_estate_ai.api.dependencies import IdentityDep, ServicesDep, now_of
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.errors import NotFound
from ghl_real_estate_ai.limits import ANSWER_TTL_S, PAGE_ROWS, TIMELINE_EVENTS
from ghl_real_estate_ai.ml.churn_risk import watched_from
from ghl_real_estate_ai.models.conversations import Message
from ghl_real_estate_ai.models.events import (
    ActionAcknowledged,
    ActionReopened,
    ActionSnoozed,
    LeadDeclined,
    ListingJudged,
    MarkedAnswered,
    MessageReceived,
    MessageSent,
    RecordedEvent,
    WishesCorrected,
)
from ghl_real_estate_ai.models.identifiers import (
    EventId,
    Frozen,
    LeadId,
    ListingKey,
    LocationId,
    UserId,
)
from ghl_real_estate_ai.models.intelligence import Crossing, LeadIntelligence, RiskPoint
from ghl_real_estate_ai.models.leads import Contact, Lead
from ghl_real_estate_ai.models.matching_models import Verdict
from ghl_real_estate_ai.models.properties import Wishes
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.ml_lead_intelligence_engine import WON
from ghl_real_estate_ai.services.stream_projection import home_told, message_of, summary_of, time_told

router = APIRouter(prefix="/v1/leads", tags=["leads"])

LeadPath = Annotated[LeadId, Path(min_length=1, max_length=100)]
Names = dict[UserId, str]
Homes = dict[ListingKey, str]

_BY_A_USER = (
    ActionAcknowledged,
    ActionSnoozed,
    MarkedAnswered,
    LeadDeclined,
    ActionReopened,
    WishesCorrected,
    ListingJudged,
)


class LeadHead(Frozen):
    """What the list and the detail both tell of a lead."""

    lead_id: LeadId
    name: str
    stage: str
    assigned_to: UserId | None
    simulated: bool
    deleted: bool
    last_activity_at: datetime | None


class LeadRow(LeadHead):
    """A lead in the list."""

    intelligence: LeadIntelligence | None


class LeadPage(Frozen):
    """Leads with the newest activity first. A full page may have a next one."""

    items: list[LeadRow]
    limit: int
    offset: int


class LeadFacts(LeadHead):
    """What is known of a lead."""

    contact: Contact
    wishes: Wishes


class TimelineEntry(Frozen):
    """An event of the lead, in one line; of an answer or a correction also who gave it, by today's name.

    ``about_at``: when the meeting or the end of a snooze is. ``home``: the address of the home that it is about, or its key.
    """

    position: int
    event_id: EventId
    type: str
    at: datetime
    summary: str
    simulated: bool
    user_id: UserId | None = None
    by: str | None = None
    about_at: datetime | None = None
    home: str | None = None


class Reasons(Frozen):
    """What each feature adds to the number, in log-odds, as of now."""

    score: dict[str, float]
    won: dict[str, float]
    churn: dict[str, float]


class RiskCurve(Frozen):
    """The churn risk ahead, 6-hourly; ``crossings`` as last concluded: when it exceeds the threshold of a stage.

    ``stages_from``: before that the lead is too new for a stage; None: it has no stages.
    """

    points: list[RiskPoint]
    crossings: tuple[Crossing, ...]
    stages_from: datetime | None


class LeadDetail(Frozen):
    """One lead, whole: timeline newest first, conversation oldest first, both from its TIMELINE_EVENTS newest events.

    ``judged``: the newest verdict per home, of those that were not taken back.
    """

    lead: LeadFacts
    intelligence: LeadIntelligence | None
    timeline: list[TimelineEntry]
    conversation: list[Message]
    judged: dict[ListingKey, Verdict]
    reasons: Reasons


@router.get("", response_model=LeadPage)
async def list_leads(
    identity: IdentityDep,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=PAGE_ROWS)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
    q: Annotated[str | None, Query(max_length=100, description="part of the name or of the phone")] = None,
) -> Response:
    """The tenant's leads. The first page, which everybody asks for, may be half a second old."""
    location_id = identity.location_id

    async def make() -> bytes:
        rows = await services.memory.read(
            lambda uow: uow.leads.newest(location_id, limit=limit, offset=offset, query=q)
        )
        page = LeadPage(items=[_row(lead, known) for lead, known in rows], limit=limit, offset=offset)
        return page.model_dump_json(by_alias=True).encode()

    if offset or q is not None:
        return _json(await make())
    key = _key("leads", location_id, limit)
    return _json(await services.cache.get_or_make(key, make, seconds=ANSWER_TTL_S))


@router.get("/{lead_id}", response_model=LeadDetail)
async def get_lead(lead_id: LeadPath, identity: IdentityDep, services: ServicesDep) -> Response:
    """Everything that a screen shows of one lead.

    All screens that show it ask at once when a stream speaks of it. What they heard is in their answer: those who ask
    share one only while the newest fact about the lead is the same.
    """
    location_id = identity.location_id
    newest = await services.memory.read(
        lambda uow: uow.events.of_lead(location_id, lead_id, before=None, limit=1)
    )
    key = _key("lead", location_id, lead_id, *(recorded.position for recorded in newest))

    async def make() -> bytes:
        return (await _detail(services, location_id, lead_id)).model_dump_json(by_alias=True).encode()

    return _json(await services.cache.get_or_make(key, make, seconds=ANSWER_TTL_S))


async def _detail(services: Services, location_id: LocationId, lead_id: LeadId) -> LeadDetail:
    def look(
        uow: UnitOfWork,
    ) -> tuple[Lead | None, LeadIntelligence | None, list[RecordedEvent], Names, Homes]:
        events = uow.events.of_lead(location_id, lead_id, before=None, limit=TIMELINE_EVENTS)
        answered = any(isinstance(recorded.event, _BY_A_USER) for recorded in events)
        users = uow.tenants.users(location_id) if answered else []
        return (
            uow.leads.get(location_id, lead_id),
            uow.leads.intelligence(location_id, lead_id),
            events,
            {user.user_id: user.name for user in users},
            _addresses(uow, location_id, events),
        )

    lead, intelligence, events, names, homes = await services.memory.read(look)
    if lead is None:
        raise NotFound(_NO_LEAD)
    now = now_of(services, intelligence)
    return LeadDetail(
        lead=_facts(lead),
        intelligence=intelligence,
        timeline=[_entry(recorded, names, homes) for recorded in events],
        conversation=_conversation(events),
        judged={key: said.verdict for key, said in lead.judged.items() if said.verdict is not Verdict.UNDO},
        reasons=Reasons(
            score=services.engine.explain(lead, now),
            won=services.engine.explain(lead, now, name=WON),
            churn=services.churn.explain(lead, now),
        ),
    )


@router.get("/{lead_id}/risk-curve")
async def get_risk_curve(lead_id: LeadPath, identity: IdentityDep, services: ServicesDep) -> RiskCurve:
    """How the churn risk rises over the next 14 days if the lead stays silent."""
    location_id = identity.location_id
    lead, known = await services.memory.read(
        lambda uow: (uow.leads.get(location_id, lead_id), uow.leads.intelligence(location_id, lead_id))
    )
    if lead is None:
        raise NotFound(_NO_LEAD)
    risk = None if known is None else known.churn.value
    return RiskCurve(
        points=services.churn.ahead(lead, now_of(services, known)),
        crossings=() if risk is None else risk.crossings,
        stages_from=watched_from(lead),
    )


_NO_LEAD = "no such lead in this location"


def _key(*parts: str | int) -> str:
    """Whatever stands in the parts, other parts make another key: one tenant never gets another's answer."""
    return json.dumps(parts)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _row(lead: Lead, known: LeadIntelligence | None) -> LeadRow:
    return LeadRow(**dict(_head(lead)), intelligence=known)


def _facts(lead: Lead) -> LeadFacts:
    return LeadFacts(**dict(_head(lead)), contact=lead.contact, wishes=lead.wishes)


def _head(lead: Lead) -> LeadHead:
    return LeadHead(
        lead_id=lead.lead_id,
        name=lead.contact.display_name,
        stage=lead.stage,
        assigned_to=lead.contact.assigned_to,
        simulated=lead.simulated,
        deleted=lead.deleted,
        last_activity_at=_last_activity_at(lead),
    )


def _last_activity_at(lead: Lead) -> datetime | None:
    known = (lead.activity.first_at, lead.activity.last_lead_at, lead.activity.last_agent_at)
    return max((at for at in known if at is not None), default=None)


def _addresses(uow: UnitOfWork, location_id: LocationId, events: list[RecordedEvent]) -> Homes:
    """Of the homes that the events are about, where a listing states one."""
    keys = {key for recorded in events if (key := home_told(recorded.event)) is not None}
    listings = uow.listings.get_many(location_id, keys) if keys else []
    return {one.listing_key: one.unparsed_address for one in listings if one.unparsed_address}


def _entry(recorded: RecordedEvent, names: Names, homes: Homes) -> TimelineEntry:
    event = recorded.event
    key = home_told(event)
    user_id = event.user_id if isinstance(event, _BY_A_USER) else None
    return TimelineEntry(
        position=recorded.position,
        event_id=event.event_id,
        type=event.type,
        at=event.occurred_at,
        summary=summary_of(event),
        simulated=event.simulated,
        user_id=user_id,
        by=None if user_id is None else names.get(user_id),
        about_at=time_told(event),
        home=None if key is None else homes.get(key, key),
    )


def _conversation(events: list[RecordedEvent]) -> list[Message]:
    said = [
        message_of(recorded.event)
        for recorded in events
        if isinstance(recorded.event, MessageReceived | MessageSent)
    ]
    return sorted(said, key=lambda message: message.at)
