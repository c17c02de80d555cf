"""What the house concludes about a lead: score, churn risk, matches, the cause of the change, the next best action."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from pydantic import Field

from ghl_real_estate_ai.models.conversations import Channel
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


class Interval(Frozen):
    """Where a probability lies with the stated certainty."""

    low: Probability
    high: Probability
    level: Probability = 0.8


class LeadScore(Frozen):
    """P(the outcome within ``horizon_days``): an appointment (14), or a won deal (180)."""

    probability: Probability
    horizon_days: int
    model: ModelStamp
    interval: Interval | None = None
    prior_share: Probability | None = Field(
        default=None,
        description="how much of the answer is the documented prior, not the tenant's own resolved leads",
    )


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


class Crossing(Frozen):
    """When the risk of a lead that stays silent exceeds a stage's threshold. The stage begins a dwell later."""

    stage: RiskStage
    at: UtcTime


class RiskPoint(Frozen):
    """The churn risk at a later time, if the lead stays silent until then."""

    at: UtcTime
    probability: Probability


class ChurnRisk(Frozen):
    """P(no lead-initiated event within ``horizon_days``): going silent."""

    probability: Probability
    stage: RiskStage
    horizon_days: int
    model: ModelStamp
    stage_since: UtcTime | None = Field(default=None, description="when the lead entered its stage")
    crossings: tuple[Crossing, ...] = Field(
        default=(),
        description="of the stages ahead, if the lead stays silent; soonest first. One that has passed waits for its dwell",
    )


class Part[T](Frozen):
    """One part of the whole. A part that failed or came late keeps its last value, marked stale with the reason."""

    value: T | None = None
    as_of: UtcTime | None = None
    stale_reason: str | None = None


class Cause(Frozen):
    """What moved the numbers: one event's own effect, apart from the effect of time passing since the last look.

    ``score_by_event`` = score after the event - score just before it, at the same instant. ``score_by_time`` = score
    just before the event - score last shown. Likewise for churn. None where either side is not known, by time also where another model spoke last.
    """

    event_id: EventId
    event_type: str
    summary: str = Field(description="the event in words, without personal data")
    score_by_event: float | None = None
    score_by_time: float | None = None
    churn_by_event: float | None = None
    churn_by_time: float | None = None
    stage_before: RiskStage | None = Field(default=None, description="the stage of churn risk last shown")


class ActionKind(StrEnum):
    """What an agent can do next."""

    REPLY = "reply"
    FIRST_RESPONSE = "first_response"
    CONFIRM_APPOINTMENT = "confirm_appointment"
    SEND_MATCHES = "send_matches"
    RE_ENGAGE = "re_engage"
    ASK_WISHES = "ask_wishes"


URGENCY_FLOOR = {
    ActionKind.FIRST_RESPONSE: 0.70,
    ActionKind.REPLY: 0.52,
    ActionKind.CONFIRM_APPOINTMENT: 0.40,
    ActionKind.RE_ENGAGE: 0.30,
    ActionKind.SEND_MATCHES: 0.20,
    ActionKind.ASK_WISHES: 0.10,
}
"""Urgency without any pressure. A lead that waits for its first human answer stands before everything else of equal value."""

URGENCY_OF_PRESSURE = {
    ActionKind.FIRST_RESPONSE: 0.30,
    ActionKind.REPLY: 0.16,
    ActionKind.CONFIRM_APPOINTMENT: 0.20,
    ActionKind.RE_ENGAGE: 0.15,
    ActionKind.SEND_MATCHES: 0.10,
    ActionKind.ASK_WISHES: 0.0,
}
"""Added in full when the reason presses most. Floor and pressure of a kind together stay below FIRST_RESPONSE's floor."""

FIRST_RESPONSE_HALF_MINUTES = 10.0
"""After this wait for the first answer half of what quickness is worth is gone, after three times as long three quarters."""

WAITING_HALF_LIFE_HOURS = 1.0
"""In a conversation that a human has begun: after this wait half of the pressure is reached, after twice as long three quarters."""

TYPICAL_DEAL_VALUE = 9_000.0
"""What a won deal brings where nothing else is said, US dollars: a commission. The operator's setting goes before."""

MOST_TIMES_TYPICAL = 3.0
"""A stated deal value counts within this factor of the typical one: a home's price typed as deal value drowns nobody."""

UNREACHABLE = 0.05
"""What is left of the priority of an action for which no channel is permitted: it stays in sight, at the end."""

BURST_MINUTES = 10.0
"""A home that is looked at more than once within so long is on the lead's mind."""

BURST_FRESH_HOURS = 48.0
"""So long it is told as a reason."""

BURSTS_TOLD = 2
"""Most homes that are told so, newest first."""

NEW_LEAD_DAYS = 7.0
"""A lead that nobody has contacted asks for a first response this long after its last sign of life."""

CONFIRM_WITHIN_HOURS = 48.0
"""An unconfirmed appointment asks for confirmation this long before it begins."""

REST_AFTER_TOUCH_DAYS = 2.0
"""After a human touch, nothing that the lead did not ask for is suggested for this long."""

MATCH_WORTH_SENDING = 0.8
"""Closeness of the best home from which sending it is suggested."""

QUOTE_CHARS = 140
"""Most characters of the lead's own words in evidence."""


class Evidence(Frozen):
    """A fact behind a claim: the event that holds it, and the lead's own words where there are any."""

    event_id: EventId | None = None
    text: str


class Reach(Frozen):
    """The channel by which the lead may be reached now, and where: a phone number or an email address, as the CRM has it."""

    channel: Channel
    to: str


class NextAction(Frozen):
    """The one thing to do for a lead now. The id is the same for the same reason, so it can be acknowledged once."""

    action_id: ActionId
    kind: ActionKind
    title: str
    urgency: Probability = Field(description="0 to 1: how much is lost by waiting")
    priority: float = Field(
        default=0.0,
        ge=0,
        description="orders the queue: expected value x urgency x permitted channel, US dollars",
    )
    expected_value: float | None = Field(
        default=None,
        ge=0,
        description="P(won) x what a won deal brings, US dollars; None: P(won) is not known",
    )
    value_assumed: bool = Field(
        default=True, description="the deal's value is the location's typical one, not its own"
    )
    reach: Reach | None = Field(
        default=None, description="None: no channel is permitted; ``no_reach`` says why"
    )
    no_reach: str | None = None
    snoozed_until: UtcTime | None = Field(
        default=None, description="put off by an agent; screens show it again from then on"
    )
    taken_on: bool = Field(
        default=False,
        description="put off because somebody took it on: it is back if nobody was seen to do it",
    )
    put_off_by: ActionId | None = Field(
        default=None,
        description="the action that was put off or taken on: this one, or one that takes it along",
    )
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
    won: Part[LeadScore] = Part()
    churn: Part[ChurnRisk]
    matches: Part[tuple[EnhancedPropertyMatch, ...]]
    cause: Cause
    next_action: NextAction | None
    source: str | None = Field(default=None, description="where the lead came from, e.g. 'zillow'")
    declined_by: tuple[UserId, ...] = Field(
        default=(), description="users who said that the lead is not theirs"
    )
