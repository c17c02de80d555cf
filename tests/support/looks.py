"""What the house concludes about a lead, made to order: for tests of everything that hears LeadIntelligenceUpdated."""

from __future__ import annotations

from datetime import datetime

from ghl_real_estate_ai.models.events import LeadIntelligenceUpdated, Source
from ghl_real_estate_ai.models.identifiers import ActionId, CorrelationId, EventId, UserId
from ghl_real_estate_ai.models.intelligence import (
    ActionKind,
    Cause,
    ChurnRisk,
    Evidence,
    LeadIntelligence,
    LeadScore,
    ModelStamp,
    NextAction,
    Part,
    risk_stage,
)
from tests.support.facts import LEAD, LOCATION, NOON


def stamp(*, simulated: bool = False) -> ModelStamp:
    """A model; one of the tenant's own unless said."""
    return ModelStamp(name="m", version="1", fitted_on="this location's log", simulated=simulated)


def action(
    name: str = "answer",
    *,
    kind: ActionKind = ActionKind.REPLY,
    urgency: float = 0.65,
    evidence: str = "“Can we see it?”",
    waiting_since: datetime | None = NOON,
) -> NextAction:
    """A next action; the same name is the same action."""
    return NextAction(
        action_id=ActionId(name),
        kind=kind,
        title="Reply",
        urgency=urgency,
        evidence=(Evidence(text=evidence), Evidence(text="waiting 42 min for a human answer")),
        waiting_since=waiting_since,
    )


def look(
    *,
    score: float | None = 0.71,
    churn: float | None = 0.2,
    churn_moved: tuple[float | None, float | None] = (0.0, 0.0),
    next_action: NextAction | None = None,
    stage: str = "working",
    cause: str = "cause",
    simulated: bool = False,
    simulated_models: bool = False,
    at: datetime = NOON,
) -> LeadIntelligence:
    """A look at the lead. ``churn_moved``: (by the event, by time)."""
    model = stamp(simulated=simulated_models)
    moved = [part for part in churn_moved if part is not None]
    before = None if churn is None or len(moved) < 2 else risk_stage(churn - sum(moved))
    return LeadIntelligence(
        lead_id=LEAD,
        lead_name="Ada Example",
        assigned_to=UserId("agent-1"),
        stage=stage,
        simulated=simulated,
        as_of=at,
        score=Part(
            value=None if score is None else LeadScore(probability=score, horizon_days=14, model=model)
        ),
        churn=Part(
            value=None
            if churn is None
            else ChurnRisk(probability=churn, stage=risk_stage(churn), horizon_days=14, model=model)
        ),
        matches=Part(),
        cause=Cause(
            event_id=EventId(cause),
            event_type="MessageReceived",
            summary="lead's sms message",
            churn_by_event=churn_moved[0],
            churn_by_time=churn_moved[1],
            stage_before=before,
        ),
        next_action=next_action,
    )


def updated(seen: LeadIntelligence, name: str = "look-1") -> LeadIntelligenceUpdated:
    """The fact that tells of a look."""
    return LeadIntelligenceUpdated(
        event_id=EventId(name),
        location_id=LOCATION,
        occurred_at=seen.as_of,
        correlation_id=CorrelationId("c"),
        source=Source.HOUSE,
        simulated=seen.simulated,
        lead_id=seen.lead_id,
        intelligence=seen,
    )
