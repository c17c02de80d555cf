"""Facts as screens see them: the stream items of an event, and its one line in a lead's timeline. Pure.

Called by ``bootstrap`` (live subscriber and start), ``api/routes/leads.py`` (timeline).
"""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from ghl_real_estate_ai.models.conversations import Direction, Message
from ghl_real_estate_ai.models.events import (
    ActionAcknowledged,
    AppointmentChanged,
    Event,
    LeadDeleted,
    LeadForgotten,
    LeadIntelligenceUpdated,
    LeadUpserted,
    ListingsImported,
    MessageReceived,
    MessageSent,
    NoteAdded,
    OpportunityChanged,
    PropertyActivityRecorded,
    PropertyInteraction,
    RecordedEvent,
    TaskChanged,
    VendorEventKept,
)
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import LastMessage, Lead
from ghl_real_estate_ai.models.streams import (
    ChurnRiskItem,
    ConversationItem,
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
    event = recorded.event
    received_at = recorded.received_at
    stages = dict(event.stage_ms) if isinstance(event, LeadIntelligenceUpdated) else {}
    if isinstance(event, MessageReceived | MessageSent):
        stages["log"] = _ms_between(received_at, recorded.recorded_at)
    if now is not None:
        stages["projected"] = _ms_between(received_at, now)
    match event:
        case LeadIntelligenceUpdated():
            return _of_intelligence(event.intelligence, received_at=received_at, stage_ms=stages)
        case MessageReceived() | MessageSent() if event.lead_id is not None:
            return [(Stream.CONVERSATION_FEED, _conversation_item(event, received_at, stages))]
        case ActionAcknowledged() if event.lead_id is not None:
            item = NextActionItem(
                key=event.lead_id,
                at=event.occurred_at,
                simulated=event.simulated,
                received_at=received_at,
                stage_ms=stages,
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
                score=known.score,
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
                action=known.next_action,
                acknowledged_by=None,
                score=None if score is None else score.probability,
            ),
        ),
    ]


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
    )


def _conversation_item(
    event: MessageReceived | MessageSent, received_at: datetime, stages: dict[str, float]
) -> ConversationItem:
    message = message_of(event)
    assert event.lead_id is not None  # noqa: S101  # reason: the caller matched on it
    return ConversationItem(
        key=event.event_id,
        at=event.occurred_at,
        simulated=event.simulated,
        received_at=received_at,
        stage_ms=stages,
        event_id=event.event_id,
        lead_id=event.lead_id,
        direction=message.direction,
        channel=message.channel,
        text=message.text,
        human=message.human,
        call_seconds=event.call_seconds,
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
    )


def _ms_between(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds() * 1_000, 3)


# --- The timeline -------------------------------------------------------------------------------------------------


def summary_of(event: Event) -> str:
    """The event in one line, from its own fields only; no message text, no contact data."""
    match event:
        case LeadUpserted():
            return _contact_line(event)
        case MessageReceived():
            return f"Wrote by {_words(event.channel)}" if event.call_seconds is None else _call_line(event)
        case MessageSent():
            return f"{'The team' if event.human else 'An automation'} wrote by {_words(event.channel)}"
        case OpportunityChanged():
            return _deal_line(event)
        case AppointmentChanged():
            return _appointment_line(event)
        case PropertyActivityRecorded():
            return _property_line(event)
        case TaskChanged():
            return f"Task {'deleted' if event.deleted else 'completed' if event.completed else 'created or changed'}"
        case LeadIntelligenceUpdated():
            return _intelligence_line(event.intelligence)
        case ListingsImported():
            return f"{len(event.listing_keys)} listings imported"
        case VendorEventKept():
            return f"{event.vendor_type} kept as it came"
        case LeadDeleted() | NoteAdded() | ActionAcknowledged() | LeadForgotten():
            return _PLAIN[event.type]


_PLAIN = {
    "LeadDeleted": "Contact deleted in the CRM",
    "NoteAdded": "Note added",
    "ActionAcknowledged": "Action taken on by an agent",
    "LeadForgotten": "Lead forgotten on request",
}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _contact_line(event: LeadUpserted) -> str:
    fields = [_words(name) for name in sorted(event.contact)] + [
        f"wish: {_words(w)}" for w in sorted(event.wishes)
    ]
    line = "Contact created" if event.created else "Contact changed"
    return f"{line} ({', '.join(fields)})" if fields else line


def _call_line(event: MessageReceived) -> str:
    return f"{_words(event.channel).capitalize()} of {event.call_seconds:.0f} s"


def _deal_line(event: OpportunityChanged) -> str:
    if event.deleted:
        return "Deal deleted"
    return "Deal changed" if event.status is None else f"Deal {event.status}"


def _appointment_line(event: AppointmentChanged) -> str:
    if event.deleted:
        return "Appointment deleted"
    line = "Appointment booked" if event.created else "Appointment changed"
    if event.status is not None:
        line += f", {_words(event.status)}"
    return line if event.start_time is None else f"{line}, for {event.start_time:%Y-%m-%d %H:%M} UTC"


def _property_line(event: PropertyActivityRecorded) -> str:
    if event.interaction is PropertyInteraction.SEARCHED:
        wishes = ", ".join(_words(name) for name in sorted(event.wishes))
        return f"Searched for homes ({wishes})" if wishes else "Searched for homes"
    return f"{event.interaction.capitalize()} home {event.listing_key or 'without a key'}"


def _intelligence_line(known: LeadIntelligence) -> str:
    parts = []
    if known.score.value is not None:
        parts.append(f"score {known.score.value.probability:.0%}")
    if known.churn.value is not None:
        parts.append(f"churn risk {known.churn.value.probability:.0%}")
    return f"Intelligence updated: {', '.join(parts)}" if parts else "Intelligence updated"
