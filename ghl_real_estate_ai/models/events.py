"""Every fact on the bus and in the log, in the past tense. ``docs/events.md`` is made from this file.

Each class says who publishes it and who hears it. A fact about a lead carries ``lead_id``.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, TypeAdapter

from ghl_real_estate_ai.models.connections import OwnerKind
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.identifiers import (
    ActionId,
    Closeness,
    CorrelationId,
    EventId,
    Frozen,
    LeadId,
    ListingKey,
    LocationId,
    UserId,
    UtcTime,
)
from ghl_real_estate_ai.models.intelligence import LeadIntelligence, RiskStage
from ghl_real_estate_ai.models.leads import OpportunityStatus, StageRole
from ghl_real_estate_ai.models.matching_models import JudgedBy, Verdict
from ghl_real_estate_ai.models.switches import Switch


class Source(StrEnum):
    """The door by which a fact came in."""

    APP_WEBHOOK = "app_webhook"
    WORKFLOW_WEBHOOK = "workflow_webhook"
    POLLING = "polling"
    API = "api"
    CSV = "csv"
    HOUSE = "house"


class BaseEvent(Frozen):
    """What all facts share. ``simulated`` is decided by the key that signed the delivery, never by its text."""

    about_lead: ClassVar[bool] = True

    event_id: EventId
    location_id: LocationId
    occurred_at: UtcTime
    correlation_id: CorrelationId
    source: Source
    simulated: bool = False
    lead_id: LeadId | None = None


class LeadUpserted(BaseEvent):
    """A contact was created or changed in the CRM; holds only the fields that the delivery held.

    Published by: event_inbox. Heard by: realtime_lead_intelligence.
    """

    type: Literal["LeadUpserted"] = "LeadUpserted"
    created: bool = Field(description="True for ContactCreate")
    contact: dict[str, Any] = Field(description="fields of models.leads.Contact that the delivery held")
    wishes: dict[str, Any] = Field(
        default_factory=dict, description="fields of models.properties.Wishes that it stated"
    )


class LeadDeleted(BaseEvent):
    """A contact was deleted in the CRM.

    Published by: event_inbox. Heard by: realtime_lead_intelligence.
    """

    type: Literal["LeadDeleted"] = "LeadDeleted"


class MessageReceived(BaseEvent):
    """A lead wrote, called or left a voicemail.

    Published by: event_inbox. Heard by: realtime_lead_intelligence, stream_projection.
    """

    type: Literal["MessageReceived"] = "MessageReceived"
    channel: Channel
    text: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    call_seconds: float | None = None


class MessageSent(BaseEvent):
    """The team, or an automation of it, wrote or called. Only ``human`` ones count as a response.

    Published by: event_inbox. Heard by: realtime_lead_intelligence, stream_projection.
    """

    type: Literal["MessageSent"] = "MessageSent"
    channel: Channel
    text: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    human: bool = False
    user_id: UserId | None = None
    call_seconds: float | None = None


class OpportunityChanged(BaseEvent):
    """A deal was created, moved, won, lost or deleted. GHL names neither the stage nor the one before.

    Published by: event_inbox. Heard by: realtime_lead_intelligence.
    """

    type: Literal["OpportunityChanged"] = "OpportunityChanged"
    opportunity_id: str
    status: OpportunityStatus | None = None
    pipeline_id: str | None = None
    pipeline_stage_id: str | None = None
    stage_role: StageRole | None = Field(
        default=None, description="what the stage means by the owner's map, on the day it came in"
    )
    monetary_value: Decimal | None = None
    deleted: bool = False


class AppointmentChanged(BaseEvent):
    """A meeting or showing was booked, moved, confirmed, kept or cancelled.

    Published by: event_inbox. Heard by: realtime_lead_intelligence.
    """

    type: Literal["AppointmentChanged"] = "AppointmentChanged"
    appointment_id: str
    created: bool = False
    status: str | None = None
    start_time: UtcTime | None = None
    deleted: bool = False


class PropertyInteraction(StrEnum):
    """What a lead did on the brokerage's site."""

    VIEWED = "viewed"
    SAVED = "saved"
    SEARCHED = "searched"


class PropertyActivityRecorded(BaseEvent):
    """A lead viewed or saved a home, or searched, on the brokerage's site (a GHL custom-object record).

    Published by: event_inbox. Heard by: realtime_lead_intelligence.
    """

    type: Literal["PropertyActivityRecorded"] = "PropertyActivityRecorded"
    interaction: PropertyInteraction
    listing_key: ListingKey | None = None
    wishes: dict[str, Any] = Field(
        default_factory=dict, description="what the search asked for, fields of Wishes"
    )


class NoteAdded(BaseEvent):
    """Somebody wrote a note about a lead.

    Published by: event_inbox. Heard by: nobody yet; part of the lead's timeline.
    """

    type: Literal["NoteAdded"] = "NoteAdded"
    note_id: str | None = None
    text: str | None = None


class TaskChanged(BaseEvent):
    """A task about a lead was created, completed or deleted.

    Published by: event_inbox. Heard by: nobody yet; part of the lead's timeline.
    """

    type: Literal["TaskChanged"] = "TaskChanged"
    task_id: str
    title: str | None = None
    text: str | None = None
    due_at: UtcTime | None = None
    completed: bool = False
    deleted: bool = False


class VendorEventKept(BaseEvent):
    """A genuine delivery of a type that the house has no use for (yet): kept whole, acknowledged.

    Published by: event_inbox. Heard by: nobody; ``enterprisehub replay --retranslate`` reads it again.
    """

    type: Literal["VendorEventKept"] = "VendorEventKept"
    vendor_type: str
    body: dict[str, Any]


class LeadIntelligenceUpdated(BaseEvent):
    """Score, churn risk, matches, cause and next action of a lead, after one event.

    Published by: realtime_lead_intelligence. Heard by: stream_projection, crm_write_back.
    """

    type: Literal["LeadIntelligenceUpdated"] = "LeadIntelligenceUpdated"
    intelligence: LeadIntelligence
    stage_ms: dict[str, float] = Field(
        default_factory=dict, description="time per stage since the delivery came in"
    )


class LeadWentQuiet(BaseEvent):
    """A timer of the lead ran out: it stayed silent until a stage of churn risk was due, or the time of an action that was put
    off has come. No activity of the lead or the team.

    Published by: silence_watch. Heard by: realtime_lead_intelligence, which judges the lead anew.
    """

    type: Literal["LeadWentQuiet"] = "LeadWentQuiet"
    stage: RiskStage = Field(
        description="the highest stage that was due; NONE: only an action that was put off is"
    )
    due_at: UtcTime
    silent_since: UtcTime | None = Field(default=None, description="the lead's last sign of life")


class ListingJudged(BaseEvent):
    """A lead, or an agent for them, said what they think of a home. It steers which homes come next; it is no activity.

    Published by: api/routes/judgements. Heard by: realtime_lead_intelligence.
    """

    type: Literal["ListingJudged"] = "ListingJudged"
    listing_key: ListingKey
    verdict: Verdict
    by: JudgedBy
    user_id: UserId = Field(description="who clicked")
    shown_rank: int | None = Field(
        default=None, ge=1, description="its place among the matches shown then; None: not among them"
    )
    closeness: dict[str, float | None] = Field(
        default_factory=dict, description="then, by stated wish, as WishResult has it"
    )
    score: Closeness | None = Field(default=None, description="then, by the lead's own weights")


class ActionAcknowledged(BaseEvent):
    """An agent took a next action on; it leaves the queue, and comes back at ``until`` if no human is seen to have done anything.

    Published by: api/routes/actions. Heard by: realtime_lead_intelligence, stream_projection.
    """

    type: Literal["ActionAcknowledged"] = "ActionAcknowledged"
    action_id: ActionId
    user_id: UserId
    until: UtcTime | None = Field(
        default=None, description="on the lead's own time line; None: said before there was an end to it"
    )


class ActionSnoozed(BaseEvent):
    """An agent put a next action off; it comes back at ``until``, or sooner when the lead gives another reason.

    Published by: api/routes/actions. Heard by: realtime_lead_intelligence.
    """

    type: Literal["ActionSnoozed"] = "ActionSnoozed"
    action_id: ActionId
    user_id: UserId
    until: UtcTime = Field(description="on the lead's own time line")


class MarkedAnswered(BaseEvent):
    """An agent said that nothing waits for an answer: it was given by another way, or none is needed. The clock of the wait stops.

    Published by: api/routes/actions. Heard by: realtime_lead_intelligence.
    """

    type: Literal["MarkedAnswered"] = "MarkedAnswered"
    action_id: ActionId
    user_id: UserId
    through: UtcTime = Field(description="up to which of the lead's messages, on its own time line")


class LeadDeclined(BaseEvent):
    """A user said that the lead is not theirs: it leaves their own queue, not the team's.

    Published by: api/routes/actions. Heard by: realtime_lead_intelligence.
    """

    type: Literal["LeadDeclined"] = "LeadDeclined"
    action_id: ActionId = Field(description="the action on which they said so")
    user_id: UserId


class ActionReopened(BaseEvent):
    """A user took back what they had said on an action: it is open again, and the lead is theirs again.

    Published by: api/routes/actions. Heard by: realtime_lead_intelligence.
    """

    type: Literal["ActionReopened"] = "ActionReopened"
    action_id: ActionId
    user_id: UserId


class WishesCorrected(BaseEvent):
    """An agent corrected what the lead wishes for; holds only the wishes that were touched, None for one that is taken out.

    Published by: api/routes/wishes. Heard by: realtime_lead_intelligence.
    """

    type: Literal["WishesCorrected"] = "WishesCorrected"
    wishes: dict[str, Any] = Field(description="fields of models.properties.Wishes")
    instead_of: dict[str, Any] = Field(
        default_factory=dict,
        description="what the CRM stated of them then; when it repeats that, the correction holds",
    )
    user_id: UserId


class SwitchTurned(BaseEvent):
    """An admin turned a switch of the location on or off.

    Published by: services/switches. Heard by: nobody; whoever obeys a switch asks it at the moment of acting.
    """

    about_lead: ClassVar[bool] = False
    type: Literal["SwitchTurned"] = "SwitchTurned"
    switch: Switch
    on: bool
    user_id: UserId


class ListingsImported(BaseEvent):
    """Listings were added or changed.

    Published by: api/routes/properties. Heard by: property_matching_service.
    """

    about_lead: ClassVar[bool] = False
    type: Literal["ListingsImported"] = "ListingsImported"
    listing_keys: tuple[ListingKey, ...]


class CrmAppUninstalled(BaseEvent):
    """The owner of a CRM account took our app away. Of an agency, ``location_id`` is its companyId: the log is its own.

    Published by: event_inbox. Heard by: crm_connections, which closes the connection.
    """

    about_lead: ClassVar[bool] = False
    type: Literal["CrmAppUninstalled"] = "CrmAppUninstalled"
    owner_kind: OwnerKind = Field(description="one location, or an agency with all of its own")
    app_id: str | None = Field(
        default=None, description="whose app: the vendor signs for all apps with one key"
    )


class LeadForgotten(BaseEvent):
    """A lead's personal data was erased everywhere; only this keyed hash of its id remains.

    Published by: cli (lead forget). Heard by: realtime_lead_intelligence, websocket_manager, live_relay (each drops what it holds).
    """

    about_lead: ClassVar[bool] = False
    type: Literal["LeadForgotten"] = "LeadForgotten"
    lead_hash: str


Event = Annotated[
    LeadUpserted
    | LeadDeleted
    | MessageReceived
    | MessageSent
    | OpportunityChanged
    | AppointmentChanged
    | PropertyActivityRecorded
    | NoteAdded
    | TaskChanged
    | VendorEventKept
    | LeadIntelligenceUpdated
    | LeadWentQuiet
    | ListingJudged
    | ActionAcknowledged
    | ActionSnoozed
    | MarkedAnswered
    | LeadDeclined
    | ActionReopened
    | WishesCorrected
    | SwitchTurned
    | ListingsImported
    | CrmAppUninstalled
    | LeadForgotten,
    Field(discriminator="type"),
]

EVENT_TYPES: tuple[type[BaseEvent], ...] = (
    LeadUpserted,
    LeadDeleted,
    MessageReceived,
    MessageSent,
    OpportunityChanged,
    AppointmentChanged,
    PropertyActivityRecorded,
    NoteAdded,
    TaskChanged,
    VendorEventKept,
    LeadIntelligenceUpdated,
    LeadWentQuiet,
    ListingJudged,
    ActionAcknowledged,
    ActionSnoozed,
    MarkedAnswered,
    LeadDeclined,
    ActionReopened,
    WishesCorrected,
    SwitchTurned,
    ListingsImported,
    CrmAppUninstalled,
    LeadForgotten,
)

LEAD_FACTS = frozenset(
    {
        "LeadUpserted",
        "LeadDeleted",
        "MessageReceived",
        "MessageSent",
        "OpportunityChanged",
        "AppointmentChanged",
        "PropertyActivityRecorded",
        "NoteAdded",
        "TaskChanged",
    }
)
"""Types that change what is known of a lead: what the intelligence orchestrator applies."""

LEAD_NEWS = LEAD_FACTS | {
    "ActionAcknowledged",
    "ActionSnoozed",
    "MarkedAnswered",
    "LeadDeclined",
    "ActionReopened",
    "WishesCorrected",
    "LeadWentQuiet",
    "ListingJudged",
}
"""Types on which a lead is judged anew: what changes it, what is done about it, and that it stayed silent."""

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


def event_from_json(payload: str | bytes) -> Event:
    """Read one event back from the log."""
    return _ADAPTER.validate_json(payload)


REVIVED: Final = "revived:"
"""What the delivery id of a dead letter begins with that was replayed: the event may be known to those who did not fail."""


class Delivery(Frozen):
    """One event as a door hands it in: the fact, the vendor's delivery id (dedupe), and the raw text it came from."""

    delivery_id: str = Field(min_length=1, max_length=255)
    event: Event
    raw: str | None = None
    received_at: UtcTime


class RecordedEvent(Frozen):
    """An event with its place in its tenant's log: positions are 1, 2, 3 ... without gaps."""

    position: int
    delivery_id: str
    received_at: UtcTime
    recorded_at: UtcTime
    event: Event


class DeadLetter(Frozen):
    """A delivery or event that could not be used, with the reason; ``enterprisehub replay --dead-letters`` retries it."""

    dead_letter_id: int
    location_id: LocationId
    subscriber: str = Field(description="'inbox' for an unreadable delivery, else the handler that gave up")
    position: int | None = Field(default=None, description="log position, when the event is in the log")
    delivery_id: str
    reason: str
    raw: str | None = None
    simulated: bool = False
    failed_at: UtcTime
