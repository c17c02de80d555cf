"""The team as its leader sees it: who works here, how soon people are answered, who carries how much.

Made by services/team_response.py and services/team_directory.py; served under ``/v1/team``.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ghl_real_estate_ai.models.identifiers import ActionId, Frozen, LeadId, Probability, UserId, UtcTime
from ghl_real_estate_ai.models.intelligence import RiskStage
from ghl_real_estate_ai.models.leads import Answered, Contact, Opportunity


class TeamMember(Frozen):
    """Somebody whom leads are assigned to, by the CRM's id."""

    user_id: UserId
    name: str


class Team(Frozen):
    """``me``: which of the members the caller is; None: the CRM's user is not known for this account."""

    me: UserId | None
    members: tuple[TeamMember, ...]


class ResponsePoint(Frozen):
    """Of the leads that came in, the share that a human had answered within ``minutes`` (Kaplan-Meier), 80 % interval."""

    minutes: float = Field(ge=0)
    answered: Probability
    low: Probability
    high: Probability
    still_waiting: int = Field(
        ge=0, description="leads that had waited at least so long, and were not answered yet"
    )


class WaitingMark(Frozen):
    """Leads that still wait, for about ``minutes`` so far, where the share ``answered`` within that time was so high."""

    minutes: float = Field(ge=0)
    answered: Probability
    leads: int = Field(ge=1)


class ResponseGroup(Frozen):
    """The first human response to one group of leads. Times in minutes; None: fewer than that share were answered."""

    name: str = Field(
        description="'all', a source, an hour of arrival '09', an agent's CRM id, or '' for not known"
    )
    leads: int
    answered: int
    waiting: int = Field(description="not answered by a human yet")
    marked: int = Field(
        default=0,
        description="no human answer was seen, and an agent marked them as answered: neither answered nor waiting",
    )
    p50_min: float | None
    p90_min: float | None
    within_5_min: Probability | None = Field(
        description="share answered within five minutes; waiting leads counted"
    )
    within_60_min: Probability | None = None
    within_1440_min: Probability | None = Field(
        default=None, description="within a day; None, as the two before: nobody was watched for so long"
    )
    curve: tuple[ResponsePoint, ...] = Field(
        default=(), description="of 'all' and of each agent; empty for others"
    )
    watched_min: float | None = Field(
        default=None, description="where the curve ends: no lead was watched for longer"
    )
    marks: tuple[WaitingMark, ...] = Field(default=(), description="on the curve, those who still wait")


class Direction(StrEnum):
    """How a figure compares with the one before: told apart only where their 80 % intervals do not touch."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no clear difference"


class EarlierResponse(Frozen):
    """Of the leads that came within as many days just before, as they stood when those days were over.

    ``*_is``: how the figure of now compares with it.
    """

    leads: int
    waiting: int
    p50_min: float | None
    within_5_min: Probability | None
    p50_is: Direction
    within_5_is: Direction
    waiting_is: Direction = Field(description="of the share of leads that had no answer yet")


class AgentLoad(Frozen):
    """What one agent has on the desk. ``user_id`` None: leads that are assigned to nobody."""

    user_id: UserId | None
    name: str
    open_leads: int
    waiting: int = Field(description="their leads that wait for a human now")
    longest_wait_min: float | None
    open_actions: int
    at_risk: int = Field(description="leads whose churn risk is active or critical")
    overloaded: bool
    behind: bool = Field(
        default=False, description="too late or too many wait, whatever the others have on the desk"
    )
    why: str = Field(default="", description="in words, what makes it too much")


class UntouchedLead(Frozen):
    """A lead with a high score that no human has touched for long, or ever."""

    lead_id: LeadId
    name: str
    assigned_to: UserId | None
    source: str | None
    score: Probability
    untouched_since: UtcTime
    never_touched: bool
    simulated: bool


class TeamResponse(Frozen):
    """The manager's page. Leads that arrived within ``days``; ``now`` is the end of the leads' own time line."""

    days: int
    now: UtcTime
    simulated: bool
    overall: ResponseGroup
    by_source: tuple[ResponseGroup, ...]
    by_hour: tuple[ResponseGroup, ...] = Field(
        description="hour of arrival in the zone that the caller named, '00' to '23'"
    )
    by_agent: tuple[ResponseGroup, ...]
    load: tuple[AgentLoad, ...] = Field(description="most loaded first")
    untouched: tuple[UntouchedLead, ...] = Field(description="hottest first")
    earlier: EarlierResponse | None = Field(default=None, description="the as many days just before")
    no_earlier: str = Field(default="", description="why there is nothing to compare with")
    truncated: bool = Field(
        default=False, description="more leads arrived than one page looks at: the newest are shown"
    )


# --- what is read of a stored lead: a quarter of the time that the whole of it takes -----------------------------------


class _Gist(BaseModel):
    """Some fields of a stored model, by the same names; the others are passed over. Times were made UTC when they were stored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class StampGist(_Gist):
    """Of ``leads.Stamp``."""

    at: AwareDatetime


class MessageGist(_Gist):
    """Of ``leads.LastMessage``."""

    stamp: StampGist


class ActivityGist(_Gist):
    """Of ``leads.LeadActivity``."""

    first_at: AwareDatetime | None = None
    first_lead_at: AwareDatetime | None = None
    first_agent_at: AwareDatetime | None = None
    last_agent_at: AwareDatetime | None = None


class LeadGist(_Gist):
    """Of ``leads.Lead``."""

    lead_id: LeadId
    simulated: bool = False
    deleted: bool = False
    contact: Contact = Contact()
    opportunities: dict[str, Opportunity] = Field(default_factory=dict)
    last_inbound: MessageGist | None = None
    inbound_times: tuple[AwareDatetime, ...] = ()
    first_talk_at: AwareDatetime | None = None
    last_talk_at: AwareDatetime | None = None
    answered: dict[ActionId, Answered] = Field(default_factory=dict)
    reopened: dict[ActionId, AwareDatetime] = Field(default_factory=dict)
    activity: ActivityGist = ActivityGist()


class ScoreGist(_Gist):
    """Of ``intelligence.LeadScore``."""

    probability: Probability


class ScorePartGist(_Gist):
    """Of ``intelligence.Part``."""

    value: ScoreGist | None = None


class RiskGist(_Gist):
    """Of ``intelligence.ChurnRisk``."""

    stage: RiskStage


class RiskPartGist(_Gist):
    """Of ``intelligence.Part``."""

    value: RiskGist | None = None


class ActionGist(_Gist):
    """Of ``intelligence.NextAction``."""

    waiting_since: AwareDatetime | None = None
    snoozed_until: AwareDatetime | None = None


class LookGist(_Gist):
    """Of ``intelligence.LeadIntelligence``."""

    score: ScorePartGist = ScorePartGist()
    churn: RiskPartGist = RiskPartGist()
    next_action: ActionGist | None = None
