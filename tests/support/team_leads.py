"""Leads as work, made to order: for tests of the team's page. ``came`` and ``touched`` are minutes before now."""

from __future__ import annotations

from datetime import datetime, timedelta

from ghl_real_estate_ai.models.identifiers import EventId, LeadId, LocationId, UserId
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import Contact, Lead, LeadActivity, Opportunity, OpportunityStatus, Stamp
from ghl_real_estate_ai.ports import Memory
from tests.support.facts import LOCATION, NOON
from tests.support.looks import action, look

DAY_MIN = 1_440.0


def ago(minutes: float, now: datetime = NOON) -> datetime:
    return now - timedelta(minutes=minutes)


def worked_lead(
    name: str,
    *,
    came: float = 60.0,
    touched: float | None = None,
    last_touched: float | None = None,
    wrote: tuple[float, ...] = (),
    agent: str | None = "agent-1",
    source: str | None = "zillow",
    closed: tuple[OpportunityStatus, float] | None = None,
    location: LocationId = LOCATION,
    **fields: object,
) -> Lead:
    """A lead that did something itself ``came`` minutes ago. ``touched``: the first human, ``last_touched``: the newest."""
    newest = touched if last_touched is None else last_touched
    deals = {}
    if closed is not None:
        status, when = closed
        stamp = Stamp(at=ago(when), event_id=EventId(f"deal-{name}"))
        deals["deal"] = Opportunity(stamp=stamp, status=status)
    lead = Lead(
        location_id=location,
        lead_id=LeadId(name),
        contact=Contact(
            name=name.title(), source=source, assigned_to=None if agent is None else UserId(agent)
        ),
        activity=LeadActivity(
            first_at=ago(max(came, touched or 0.0)),
            first_lead_at=ago(came),
            last_lead_at=ago(min((came, *wrote))),
            first_agent_at=None if touched is None else ago(touched),
            last_agent_at=None if newest is None else ago(newest),
        ),
        inbound_times=tuple(sorted((ago(minutes) for minutes in wrote), reverse=True)),
        opportunities=deals,
    )
    return lead.model_copy(update=fields)


async def put(memory: Memory, *leads: Lead, known: LeadIntelligence | None = None) -> None:
    """Store them; ``known``: what was last concluded of each."""
    for lead in leads:
        look_at = None if known is None else known.model_copy(update={"lead_id": lead.lead_id})
        await memory.write(lambda uow, lead=lead, look_at=look_at: uow.leads.put(lead, look_at))  # type: ignore[misc]


def concluded(
    *,
    score: float = 0.1,
    churn: float = 0.1,
    acts: bool = False,
    until: datetime | None = None,
    waits: datetime | None = None,
) -> LeadIntelligence:
    """What was concluded of a lead; ``acts``: something is to be done, put off ``until`` then, for a lead that ``waits``."""
    todo = action(waiting_since=waits).model_copy(update={"snoozed_until": until}) if acts else None
    return look(score=score, churn=churn, next_action=todo)
