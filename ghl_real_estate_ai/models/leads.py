"""A lead as the house remembers it: contact, wishes, deals, appointments, and the running summary of what happened.

Everything here merges in any order: fields keep the newest stamp, times keep a minimum or a maximum, decayed counts
add up. So doubled and out-of-order deliveries end in the same state.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.identifiers import (
    ActionId,
    EventId,
    Frozen,
    LeadId,
    ListingKey,
    LocationId,
    UserId,
    UtcTime,
)
from ghl_real_estate_ai.models.matching_models import JudgedBy, Verdict
from ghl_real_estate_ai.models.properties import Wishes

DELETED: Final = "deleted"
"""The stage of a lead that was deleted in the CRM: it leaves every screen, its history stays."""


class Role(StrEnum):
    """What a user may do: an agent works leads, a manager sees the team, an admin runs the installation."""

    AGENT = "agent"
    MANAGER = "manager"
    ADMIN = "admin"


class User(Frozen):
    """Somebody who signs in. Belongs to one location."""

    location_id: LocationId
    user_id: UserId
    email: str
    name: str
    role: Role


class Identity(User):
    """A user as their access token or ticket says, until ``expires_at``. The only thing that names a tenant."""

    expires_at: UtcTime
    signed_in_at: UtcTime | None = Field(
        default=None, description="when the session began: renewed tokens are of the same session"
    )
    also_at: tuple[LocationId, ...] = Field(
        default=(),
        description="other locations where the same email and password had an account at the sign-in",
    )


class Location(Frozen):
    """A tenant: one GHL location."""

    location_id: LocationId
    name: str


class Contact(Frozen):
    """The person, by GHL's field names in snake case. None: not known. Personal data: erased by ``lead forget``."""

    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    source: str | None = Field(default=None, description="where the lead came from, e.g. 'zillow'")
    assigned_to: UserId | None = None
    tags: tuple[str, ...] | None = None
    dnd: bool | None = Field(default=None, description="do not disturb: True blocks every outgoing message")

    @property
    def display_name(self) -> str:
        """What screens call the lead."""
        full = self.name or " ".join(part for part in (self.first_name, self.last_name) if part)
        return full or "Unnamed lead"


class OpportunityStatus(StrEnum):
    """GHL's opportunity status."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    ABANDONED = "abandoned"


class StageRole(StrEnum):
    """What a stage of the account's own pipelines means; the owner maps each stage to one (``enterprisehub connect``)."""

    NEW = "new"
    WORKING = "working"
    APPOINTMENT = "appointment"
    WON = "won"
    LOST = "lost"


class Stamp(Frozen):
    """When a value became true, with the event id to break ties: the newest wins, in any order of arrival."""

    at: UtcTime
    event_id: EventId

    def __lt__(self, other: Stamp) -> bool:
        return (self.at, self.event_id) < (other.at, other.event_id)


class Opportunity(Frozen):
    """A deal in a GHL pipeline, newest known state."""

    stamp: Stamp
    status: OpportunityStatus | None = None
    pipeline_id: str | None = None
    pipeline_stage_id: str | None = None
    stage_role: StageRole | None = Field(default=None, description="what its stage means; None: not mapped")
    monetary_value: Decimal | None = None
    deleted: bool = False

    @property
    def standing(self) -> StageRole | None:
        """Where the deal stands: its status once it is decided, else what its stage means."""
        match self.status:
            case OpportunityStatus.WON:
                return StageRole.WON
            case OpportunityStatus.LOST | OpportunityStatus.ABANDONED:
                return StageRole.LOST
            case _:
                return self.stage_role


class Appointment(Frozen):
    """A booked meeting or showing, newest known state."""

    stamp: Stamp
    status: str | None = Field(
        default=None, description="GHL appointmentStatus: new, confirmed, cancelled, showed, noshow ..."
    )
    start_time: UtcTime | None = None
    deleted: bool = False


class Judgement(Frozen):
    """The newest verdict on one home."""

    stamp: Stamp
    verdict: Verdict
    by: JudgedBy


class LastMessage(Frozen):
    """The newest message in one direction: enough to quote it as evidence."""

    stamp: Stamp
    channel: Channel
    text: str | None = None


class ActivityKind(StrEnum):
    """What the running summary counts. Only kinds in LEAD_INITIATED are a sign of life."""

    MESSAGE_IN = "message_in"
    CALL_IN = "call_in"
    PROPERTY_VIEW = "property_view"
    PROPERTY_SAVE = "property_save"
    PROPERTY_SEARCH = "property_search"
    APPOINTMENT = "appointment"
    AGENT_TOUCH = "agent_touch"
    AUTOMATED_TOUCH = "automated_touch"


LEAD_INITIATED = frozenset(ActivityKind) - {ActivityKind.AGENT_TOUCH, ActivityKind.AUTOMATED_TOUCH}

DECAY_HALF_LIVES_DAYS = (1.0, 7.0, 30.0)
"""Half-lives of the decayed counts: today, this week, this month."""


RECENT_DAYS_KEPT = 64
"""Active days that the running summary remembers."""

RECENT_LISTINGS_KEPT = 20
"""Homes that the running summary remembers."""

ACKNOWLEDGED_KEPT = 32
"""Actions of which something was said that a lead remembers, newest kept."""

REOPENED_KEPT = 4 * ACKNOWLEDGED_KEPT
"""Undos that a lead remembers, newest kept: more than the answers that they took back, or one of those would count again."""

INBOUND_TIMES_KEPT = 32
"""Times at which the lead wrote or called that are remembered, newest kept: since when it waits for a human."""

VIEWS_KEPT = 20
"""Views of homes that a lead remembers one by one, newest kept: what it came back to within minutes."""

DECLINED_KEPT = 32
"""Users who said that the lead is not theirs, newest kept."""

JUDGED_KEPT = 128
"""Judged homes that a lead remembers, newest kept: one that was passed on comes back after so many others."""

SAVED_KEPT = 20
"""Homes saved on the brokerage's site that a lead remembers, newest kept."""

LAST_MESSAGE_CHARS = 500
"""Of the newest message in a direction, so much is remembered: enough to quote; the log holds it whole."""


class DecayedCounts(Frozen):
    """Per half-life, the sum over events of ``0.5 ** (age / half_life)``, as seen at ``at``."""

    at: UtcTime
    values: tuple[float, ...]


class LeadActivity(Frozen):
    """The O(1) summary that every feature is computed from. ``ml/features.py`` is the only writer."""

    first_at: UtcTime | None = Field(default=None, description="first event of any kind")
    first_lead_at: UtcTime | None = Field(default=None, description="first lead-initiated event")
    last_lead_at: UtcTime | None = Field(default=None, description="newest lead-initiated event")
    first_agent_at: UtcTime | None = Field(default=None, description="first human outgoing touch")
    last_agent_at: UtcTime | None = Field(default=None, description="newest human outgoing touch")
    counts: dict[ActivityKind, int] = Field(default_factory=dict)
    decayed: dict[ActivityKind, DecayedCounts] = Field(default_factory=dict)
    active_days: int = Field(
        default=0, description="distinct UTC days with a lead-initiated event, of the newest 64"
    )
    recent_days: tuple[int, ...] = Field(
        default=(), description="those days as ordinals, newest first, at most 64"
    )
    recent_listings: dict[ListingKey, UtcTime] = Field(
        default_factory=dict, description="newest view or save, at most 20"
    )


class HomeView(Frozen):
    """The lead looked at a home, or saved it, on the brokerage's site."""

    at: UtcTime
    event_id: EventId
    listing_key: ListingKey


class Snooze(Frozen):
    """An action was put off at ``at`` until ``until``; ``taken_on``: because somebody does it meanwhile."""

    at: UtcTime
    until: UtcTime
    taken_on: bool = False


class Answered(Frozen):
    """Somebody said at ``at`` that the lead's messages up to ``through`` wait for no answer."""

    at: UtcTime
    through: UtcTime


class Declined(Frozen):
    """Whether a user said that the lead is not theirs; False: they took it back."""

    stamp: Stamp
    declined: bool


class Voice(StrEnum):
    """Who states wishes: the CRM, the lead by a search on the brokerage's site, an agent who corrects them."""

    CRM = "crm"
    SITE = "site"
    AGENT = "agent"


class VoiceWords(Frozen):
    """The newest word of one voice on each wish that it stated, whether it counts or not."""

    wishes: Wishes = Wishes()
    stamps: dict[str, Stamp] = Field(default_factory=dict, description="per wish that was stated")
    instead_of: Wishes = Field(
        default=Wishes(), description="of corrections: what the CRM stated when they were made"
    )


class Lead(Frozen):
    """The whole lead. ``position`` is the log position of the newest event applied."""

    location_id: LocationId
    lead_id: LeadId
    position: int = 0
    simulated: bool = False
    contact: Contact = Contact()
    wishes: Wishes = Field(default=Wishes(), description="the words that count")
    voices: dict[Voice, VoiceWords] = Field(
        default_factory=dict, description="whose words they are; empty: all are the CRM's"
    )
    stamps: dict[str, Stamp] = Field(
        default_factory=dict, description="stamp of what counts per contact or wish field, and 'deleted'"
    )
    deleted: bool = False
    opportunities: dict[str, Opportunity] = Field(default_factory=dict)
    appointments: dict[str, Appointment] = Field(default_factory=dict)
    last_inbound: LastMessage | None = None
    last_outbound: LastMessage | None = Field(default=None, description="newest human outgoing message")
    activity: LeadActivity = LeadActivity()
    acknowledged: dict[ActionId, UtcTime] = Field(
        default_factory=dict, description="next actions that an agent took on without an end, newest kept"
    )
    snoozed: dict[ActionId, Snooze] = Field(
        default_factory=dict, description="next actions that an agent put off or took on, newest kept"
    )
    answered: dict[ActionId, Answered] = Field(
        default_factory=dict, description="messages that wait for no answer, as an agent said, newest kept"
    )
    reopened: dict[ActionId, UtcTime] = Field(
        default_factory=dict, description="when the newest undo of an action came: older answers do not count"
    )
    declined: dict[UserId, Declined] = Field(
        default_factory=dict, description="whose lead it is not, by themselves"
    )
    inbound_times: tuple[UtcTime, ...] = Field(
        default=(), description="when the lead wrote or called, newest first, at most INBOUND_TIMES_KEPT"
    )
    first_talk_at: UtcTime | None = Field(
        default=None, description="when the lead first called and somebody of the team talked with it"
    )
    last_talk_at: UtcTime | None = Field(default=None, description="when it last did")
    refusals: dict[str, Stamp] = Field(
        default_factory=dict,
        description="when the lead last asked to be left alone, by what it asked, and when for messages again",
    )
    views: tuple[HomeView, ...] = Field(
        default=(), description="homes looked at, newest first, at most VIEWS_KEPT"
    )
    judged: dict[ListingKey, Judgement] = Field(
        default_factory=dict, description="what the lead thinks of homes, newest kept"
    )
    saved: dict[ListingKey, UtcTime] = Field(
        default_factory=dict, description="homes saved on the brokerage's site, newest kept"
    )

    @property
    def stage(self) -> Literal["new", "working", "appointment", "won", "lost", "deleted"]:
        """Where the lead stands, from its deals, appointments and touches; DELETED once it is gone from the CRM."""
        if self.deleted:
            return DELETED
        standings = {deal.standing for deal in self.opportunities.values() if not deal.deleted}
        if StageRole.WON in standings:
            return "won"
        if standings == {StageRole.LOST}:
            return "lost"
        if StageRole.APPOINTMENT in standings or any(
            not a.deleted and a.status not in {"cancelled", "invalid"} for a in self.appointments.values()
        ):
            return "appointment"
        return "working" if StageRole.WORKING in standings or self.activity.first_agent_at else "new"
