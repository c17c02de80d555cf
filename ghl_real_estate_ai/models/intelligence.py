"""What the house concludes about a lead: score, churn risk, matches, the cause of the change, the next best action."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from pydantic import Field

from ghl_real_estate_ai.models.identifiers import (
    ActionId,
    EventId,
    Frozen,
    LeadId,
    Probability,
    UserId,
    UtcTime,
)
from ghl_real_estate_ai.models.matching_models import EnhancedPropertyMatch


class ModelStamp(Frozen):
    """Which model spoke, and on what it was fitted. ``simulated`` is True for what ships: it knows only the city."""

    name: str
    version: str
    fitted_on: str
    simulated: bool


class LeadScore(Frozen):
    """P(an appointment within ``horizon_days``)."""

    probability: Probability
    horizon_days: int
    model: ModelStamp


class RiskStage(IntEnum):
    """Churn stages; a stage begins above its threshold in STAGE_THRESHOLDS."""

    NONE = 0
    EARLY = 1
    ACTIVE = 2
    CRITICAL = 3


STAGE_THRESHOLDS = {RiskStage.EARLY: 0.3, RiskStage.ACTIVE: 0.6, RiskStage.CRITICAL: 0.8}


def risk_stage(probability: float) -> RiskStage:
    """The highest stage whose threshold lies below the risk."""
    return max((stage for stage, t in STAGE_THRESHOLDS.items() if probability > t), default=RiskStage.NONE)


class ChurnRisk(Frozen):
    """P(no lead-initiated event within ``horizon_days``): going silent."""

    probability: Probability
    stage: RiskStage
    horizon_days: int
    model: ModelStamp


class Part[T](Frozen):
    """One part of the whole. A part that failed or came late keeps its last value, marked stale with the reason."""

    value: T | None = None
    as_of: UtcTime | None = None
    stale_reason: str | None = None


class Cause(Frozen):
    """What moved the numbers: one event's own effect, apart from the effect of time passing since the last look.

    ``score_by_event`` = score after the event - score just before it, at the same instant. ``score_by_time`` = score
    just before the event - score last shown. Likewise for churn. None where either side is not known.
    """

    event_id: EventId
    event_type: str
    summary: str = Field(description="the event in words, without personal data")
    score_by_event: float | None = None
    score_by_time: float | None = None
    churn_by_event: float | None = None
    churn_by_time: float | None = None


class ActionKind(StrEnum):
    """What an agent can do next."""

    REPLY = "reply"
    FIRST_RESPONSE = "first_response"
    CONFIRM_APPOINTMENT = "confirm_appointment"
    SEND_MATCHES = "send_matches"
    RE_ENGAGE = "re_engage"
    ASK_WISHES = "ask_wishes"


class Evidence(Frozen):
    """A fact behind a claim: the event that holds it, and the lead's own words where there are any."""

    event_id: EventId | None = None
    text: str


class NextAction(Frozen):
    """The one thing to do for a lead now. The id is the same for the same reason, so it can be acknowledged once."""

    action_id: ActionId
    kind: ActionKind
    title: str
    urgency: Probability = Field(description="0 to 1, orders the queue")
    evidence: tuple[Evidence, ...]
    waiting_since: UtcTime | None = Field(
        default=None, description="since when the lead waits for a human, if it does"
    )


class LeadIntelligence(Frozen):
    """The snapshot that screens show of a lead."""

    lead_id: LeadId
    lead_name: str
    assigned_to: UserId | None
    stage: str
    simulated: bool
    as_of: UtcTime
    score: Part[LeadScore]
    churn: Part[ChurnRisk]
    matches: Part[tuple[EnhancedPropertyMatch, ...]]
    cause: Cause
    next_action: NextAction | None
