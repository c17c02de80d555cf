"""Facts as screens see them: the stream items of an event, and its one line in a lead's timeline. Pure.

Called by ``bootstrap`` (live subscriber and start), ``api/routes/leads.py`` (timeline).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, TypedDict

from ghl_real_estate_ai.ml.lead_state import summary
from ghl_real_estate_ai.ml.message_facts import facts_of
from ghl_real_estate_ai.models.conversations import Direction, Message
from ghl_real_estate_ai.models.events import (
    ActionAcknowledged,
    ActionSnoozed,
    AppointmentChanged,
    CrmAppUninstalled,
    Event,
    LeadIntelligenceUpdated,
    LeadUpserted,
    ListingJudged,
    ListingsImported,
    MessageReceived,
    MessageSent,
    PropertyActivityRecorded,
    RecordedEvent,
    SwitchTurned,
    VendorEventKept,
    WishesCorrected,
)
from ghl_real_estate_ai.models.identifiers import LeadId, ListingKey
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import DELETED, LastMessage, Lead
from ghl_real_estate_ai.models.streams import (
    ChurnRiskItem,
    ConversationItem,
    LeadRemovedItem,
    LeadScoreItem,
    NextActionItem,
    PropertyMatchesItem,
    Stream,
    StreamItem,
)


class _Shared(TypedDict):
    """Fields that the four items of one intelligence have in common."""

    key: str
    at: datetime
    simulated: bool
    received_at: datetime | None
    stage_ms: dict[str, float]
    lead_id: LeadId
    lead_name: str


Projected = list[tuple[Stream, StreamItem]]


def items_of(recorded: RecordedEvent, *, now: datetime | None = None) -> Projected:
    """What each stream gets from one event; empty when screens have no use for it.

    ``stage_ms`` carries the event's own stages, ``log`` (its row is committed), and ``projected`` when ``now`` is given.
    """
    event, received_at = recorded.event, recorded.received_at
    match event:
        case LeadIntelligenceUpdated() if event.intelligence.stage == DELETED:
            return _removed(event.intelligence)
        case LeadIntelligenceUpdated():
            return _of_intelligence(
                event.intelligence, received_at=received_at, stage_ms=_stages(recorded, now)
            )
        case MessageReceived() | MessageSent() if event.lead_id is not None:
            return [(Stream.CONVERSATION_FEED, conversation_item(recorded, now=now))]
        case ActionAcknowledged() if event.lead_id is not None:
            item = NextActionItem(
                key=event.lead_id,
                at=event.occurred_at,
                simulated=event.simulated,
                received_at=received_at,
                stage_ms=_stages(recorded, now),
                lead_id=event.lead_id,
                lead_name=None,
                assigned_to=None,
                action=None,
                acknowledged_by=event.user_id,
            )
            return [(Stream.NEXT_ACTIONS, item)]
        case _:
            return []


def items_of_lead(lead: Lead, intelligence: LeadIntelligence | None) -> Projected:
    """What the streams' snapshots hold of a lead that was known before this process."""
    if lead.deleted:
        return []
    items = [] if intelligence is None else _of_intelligence(intelligence, received_at=None, stage_ms={})
    for direction, message in (
        (Direction.INBOUND, lead.last_inbound),
        (Direction.OUTBOUND, lead.last_outbound),
    ):
        if message is not None:
            items.append((Stream.CONVERSATION_FEED, _last_message_item(lead, message, direction)))
    return items


def _of_intelligence(
    known: LeadIntelligence, *, received_at: datetime | None, stage_ms: dict[str, float]
) -> Projected:
    score = known.score.value
    every = _Shared(
        key=known.lead_id,
        at=known.as_of,
        simulated=known.simulated,
        received_at=received_at,
        stage_ms=stage_ms,
        lead_id=known.lead_id,
        lead_name=known.lead_name,
    )
    return [
        (
            Stream.LEAD_SCORES,
            LeadScoreItem(
                **every,
                assigned_to=known.assigned_to,
                stage=known.stage,
                source=known.source,
                score=known.score,
                won=known.won,
                cause=known.cause,
            ),
        ),
        (Stream.CHURN_RISK, ChurnRiskItem(**every, churn=known.churn, cause=known.cause)),
        (Stream.PROPERTY_MATCHES, PropertyMatchesItem(**every, matches=known.matches)),
        (
            Stream.NEXT_ACTIONS,
            NextActionItem(
                **every,
                assigned_to=known.assigned_to,
                stage=known.stage,
                source=known.source,
                action=known.next_action,
                acknowledged_by=None,
                score=None if score is None else score.probability,
                declined_by=known.declined_by,
            ),
        ),
    ]


def _removed(known: LeadIntelligence) -> Projected:
    item = LeadRemovedItem(
        key=known.lead_id, at=known.as_of, simulated=known.simulated, lead_id=known.lead_id
    )
    return [(stream, item) for stream in Stream if stream is not Stream.SYSTEM_PERFORMANCE]


def message_of(event: MessageReceived | MessageSent) -> Message:
    """The message that the event tells of."""
    sent = isinstance(event, MessageSent)
    return Message(
        event_id=event.event_id,
        at=event.occurred_at,
        direction=Direction.OUTBOUND if sent else Direction.INBOUND,
        channel=event.channel,
        text=event.text,
        human=event.human if isinstance(event, MessageSent) else True,
        user_id=event.user_id if isinstance(event, MessageSent) else None,
        simulated=event.simulated,
        call_seconds=event.call_seconds,
        facts=() if sent else facts_of(event.text or ""),
    )


def conversation_item(recorded: RecordedEvent, *, now: datetime | None = None) -> ConversationItem:
    """The feed's row of a message that has a lead. To read its text is what costs."""
    event = recorded.event
    assert isinstance(event, MessageReceived | MessageSent) and event.lead_id is not None  # noqa: S101, PT018  # reason: so the caller says
    message = message_of(event)
    return ConversationItem(
        key=event.event_id,
        at=event.occurred_at,
        simulated=event.simulated,
        received_at=recorded.received_at,
        stage_ms=_stages(recorded, now),
        event_id=event.event_id,
        lead_id=event.lead_id,
        direction=message.direction,
        channel=message.channel,
        text=message.text,
        human=message.human,
        call_seconds=event.call_seconds,
        facts=message.facts,
    )


def _last_message_item(lead: Lead, message: LastMessage, direction: Direction) -> ConversationItem:
    return ConversationItem(
        key=message.stamp.event_id,
        at=message.stamp.at,
        simulated=lead.simulated,
        event_id=message.stamp.event_id,
        lead_id=lead.lead_id,
        direction=direction,
        channel=message.channel,
        text=message.text,
        human=True,
        facts=facts_of(message.text or "") if direction is Direction.INBOUND else (),
    )


def _stages(recorded: RecordedEvent, now: datetime | None) -> dict[str, float]:
    event = recorded.event
    stages = dict(event.stage_ms) if isinstance(event, LeadIntelligenceUpdated) else {}
    if isinstance(event, MessageReceived | MessageSent):
        stages["log"] = _ms_between(recorded.received_at, recorded.recorded_at)
    if now is not None:
        stages["projected"] = _ms_between(recorded.received_at, now)
    return stages


def _ms_between(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds() * 1_000, 3)


# --- The timeline -------------------------------------------------------------------------------------------------


def summary_of(event: Event) -> str:
    """The event in one line, from its own fields only; no message text, no contact data, no keys.

    The same words as a cause (``ml.lead_state.summary``), with what a timeline has room for. The times and homes that it
    speaks of are no words: a screen tells them in its own zone (``time_told``) and by address (``home_told``).
    """
    if isinstance(event, LeadIntelligenceUpdated):
        return _numbers(event.intelligence) or "nothing concluded yet"
    detail = _detail(event)
    return f"{summary(event)}: {detail}" if detail else summary(event)


def time_told(event: Event) -> datetime | None:
    """When what the event speaks of is to be: a meeting, the end of a snooze (aware UTC)."""
    match event:
        case AppointmentChanged() if not event.deleted:
            return event.start_time
        case ActionSnoozed():
            return event.until
        case _:
            return None


def home_told(event: Event) -> ListingKey | None:
    """The home that the event is about."""
    return event.listing_key if isinstance(event, PropertyActivityRecorded | ListingJudged) else None


def _detail(event: Event) -> str:
    match event:
        case LeadUpserted():
            return _names((*event.contact, *(f"wish {name}" for name in sorted(event.wishes))))
        case MessageReceived() | MessageSent() if event.call_seconds is not None:
            return _duration(event.call_seconds)
        case PropertyActivityRecorded():
            return _names(sorted(event.wishes))
        case WishesCorrected():
            return _names(sorted(event.wishes))
        case SwitchTurned():
            return f"{event.switch.replace('_', ' ')} {'on' if event.on else 'off'}"
        case CrmAppUninstalled():
            return event.owner_kind.value
        case ListingsImported():
            return str(len(event.listing_keys))
        case VendorEventKept():
            return event.vendor_type
        case _:
            return ""


_FIELD_WORDS: Final = {
    "assigned_to": "agent",
    "dnd": "do not disturb",
    "first_name": "name",
    "last_name": "name",
    "min_list_price": "lowest price",
    "max_list_price": "highest price",
    "min_bedrooms": "bedrooms",
    "min_bathrooms": "bathrooms",
    "min_living_area": "living area",
    "property_sub_type": "home type",
}
_FIELDS_TOLD: Final = 4


def _names(fields: Iterable[str]) -> str:
    """What changed, as an agent calls it: at most _FIELDS_TOLD of them by name."""
    names = list(dict.fromkeys(_field_words(name) for name in fields))
    further = len(names) - _FIELDS_TOLD
    return ", ".join(names[:_FIELDS_TOLD]) + (f" and {further} more" if further > 0 else "")


def _field_words(name: str) -> str:
    bare = name.removeprefix("wish ")
    words = _FIELD_WORDS.get(bare, bare.replace("_", " "))
    return words if bare == name else f"wish: {words}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    parts = ([f"{minutes} min"] if minutes else []) + ([f"{rest} s"] if rest or not minutes else [])
    return " ".join(parts)


def _numbers(known: LeadIntelligence) -> str:
    score = None if known.score.value is None else f"score {_percent(known.score.value.probability)}"
    churn = None if known.churn.value is None else f"churn risk {_percent(known.churn.value.probability)}"
    return ", ".join(part for part in (score, churn) if part is not None)


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
