"""GoHighLevel's words into ours: one delivery body becomes one event.

Called by integrations/gohighlevel/webhooks.py. ``type`` names the family at most; the fields decide the fact, because the
published examples carry wrong types. A type that no family claims is kept whole, whatever it looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypedDict

from ghl_real_estate_ai.errors import TranslationError
from ghl_real_estate_ai.integrations.gohighlevel import messages
from ghl_real_estate_ai.integrations.gohighlevel.contacts import WishReader, contact_fields
from ghl_real_estate_ai.integrations.gohighlevel.payload import ID_CHARACTERS, Payload
from ghl_real_estate_ai.models import events
from ghl_real_estate_ai.models.connections import OwnerKind
from ghl_real_estate_ai.models.conversations import Direction
from ghl_real_estate_ai.models.identifiers import (
    CorrelationId,
    EventId,
    LeadId,
    ListingKey,
    LocationId,
    UserId,
    derived_id,
    fact_id,
)
from ghl_real_estate_ai.models.leads import OpportunityStatus

_SHAPES: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("ProviderOutboundMessage", frozenset({"contactId", "messageId", "message", "phone"})),
    ("ProviderOutboundMessage", frozenset({"contactId", "messageId", "html", "emailTo"})),
    ("Association", frozenset({"associationType", "firstObjectKey", "secondObjectKey"})),
    ("Relation", frozenset({"associationId", "firstRecordId", "secondRecordId"})),
    ("Record", frozenset({"id", "properties", "owners"})),
    ("ObjectSchema", frozenset({"key", "labels", "objectType"})),
    ("Invoice", frozenset({"invoiceNumber", "invoiceItems"})),
    ("Price", frozenset({"_id", "product", "amount", "currency"})),
    ("Product", frozenset({"_id", "productType"})),
)
"""What the pages without a ``type`` send (or, for prices and provider messages, with a ``type`` that means another thing)."""

_ACTIVITY: Final = {
    f"property_{interaction.value}": interaction for interaction in events.PropertyInteraction
}


class Envelope(TypedDict):
    """What every event of one delivery shares."""

    event_id: EventId
    location_id: LocationId
    correlation_id: CorrelationId
    source: events.Source
    simulated: bool


class Translator:
    """Stateless but for the map of custom fields."""

    def __init__(self, *, wish_fields: Mapping[str, str]) -> None:
        self._wishes: Final = WishReader(wish_fields)
        self._families: Final[
            Mapping[str, Callable[[Payload, Envelope, datetime], events.BaseEvent | None]]
        ] = {
            "Contact": self._contact,
            "Message": _message,
            "Opportunity": _opportunity,
            "Appointment": _appointment,
            "Note": _note,
            "Task": _task,
            "Activity": self._activity,
            "Uninstall": _uninstall,
        }

    def event(
        self,
        body: Mapping[str, Any],
        *,
        delivery_id: str,
        received_at: datetime,
        simulated: bool,
        source: events.Source = events.Source.APP_WEBHOOK,
    ) -> events.BaseEvent:
        """The fact that the body states; VendorEventKept when the house has no use for it.

        A fact that the vendor's own ids name gets its event id from them, any other from the delivery. Raises
        TranslationError naming the field that cannot be read.
        """
        payload = Payload(body)
        location_id = location_of(payload)
        envelope: Envelope = {
            "event_id": EventId(derived_id(location_id, delivery_id)),
            "location_id": location_id,
            "correlation_id": CorrelationId(delivery_id),
            "source": source,
            "simulated": simulated,
        }
        family = self._families.get(_family(payload))
        event = family(payload, envelope, received_at) if family is not None else None
        return event or _kept(payload, envelope, received_at, body)

    def _contact(self, payload: Payload, envelope: Envelope, received_at: datetime) -> events.BaseEvent:
        lead_id = LeadId(payload.needed("id"))
        kind = payload.kind
        if kind == "ContactDelete":
            return events.LeadDeleted(
                **envelope, lead_id=lead_id, occurred_at=_changed_at(payload, received_at)
            )
        created = kind == "ContactCreate"
        return events.LeadUpserted(
            **(_named(envelope, "contact", lead_id, "created") if created else envelope),
            lead_id=lead_id,
            occurred_at=_added_at(payload, received_at) if created else _changed_at(payload, received_at),
            created=created,
            contact=contact_fields(payload),
            wishes=self._wishes.of_custom_fields(payload),
        )

    def _activity(
        self, payload: Payload, envelope: Envelope, received_at: datetime
    ) -> events.BaseEvent | None:
        """The site activity convention: docs/simulation.md. None: another custom object."""
        properties = _properties(payload)
        said = properties.get("event")
        interaction = _ACTIVITY.get(said) if isinstance(said, str) else None
        record = Payload(properties)
        lead_id = record.identifier("contact_id") if interaction is not None else None
        if interaction is None or lead_id is None:
            return None
        searched = interaction is events.PropertyInteraction.SEARCHED
        listing_key = record.identifier("listing_key") if searched else record.needed("listing_key")
        record_id = _own_id(payload, "id", envelope)
        return events.PropertyActivityRecorded(
            **(envelope if record_id is None else _named(envelope, "record", record_id)),
            lead_id=LeadId(lead_id),
            occurred_at=_added_at(payload, received_at),
            interaction=interaction,
            listing_key=None if listing_key is None else ListingKey(listing_key),
            wishes=self._wishes.of_search(properties) if searched else {},
        )


def _named(envelope: Envelope, *names: str) -> Envelope:
    """The envelope of a fact that the vendor's own ids name: a second door that tells of it tells nothing new."""
    return {**envelope, "event_id": fact_id(envelope["location_id"], *names)}


def _own_id(payload: Payload, name: str, envelope: Envelope) -> str | None:
    """The id of what the delivery tells of. A webhook may leave it out; what the API shows without one is broken."""
    polled = envelope["source"] is events.Source.POLLING
    return payload.needed(name) if polled else payload.identifier(name)


def location_of(payload: Payload) -> LocationId:
    """The tenant. Invoices name it ``altId``; LocationCreate and LocationUpdate are about it. Raises TranslationError.

    Of all that concerns an agency only UNINSTALL is taken: its tenant is the agency.
    """
    if payload.raw("locationId") is not None:
        return LocationId(payload.needed("locationId"))
    if payload.raw("altType") == "location":
        return LocationId(payload.needed("altId"))
    if payload.kind in {"LocationCreate", "LocationUpdate"}:
        return LocationId(payload.needed("id"))
    if payload.kind == "UNINSTALL":
        return LocationId(payload.needed("companyId"))
    raise TranslationError("locationId: missing; a delivery about a whole agency belongs to no location")


def _family(payload: Payload) -> str:
    """The family of facts, or '' for what is kept whole."""
    if payload.within("appointment") is not None:
        return "Appointment"
    if _is_activity(payload):
        return "Activity"
    kind = payload.kind
    if _shape(payload):
        return ""
    if kind:
        if kind in {"InboundMessage", "OutboundMessage"}:
            return "Message"
        if kind == "UNINSTALL":
            return "Uninstall"
        return next(
            (
                name
                for name in ("Contact", "Opportunity", "Appointment", "Note", "Task")
                if _is_of(kind, name)
            ),
            "",
        )
    if "conversationId" in payload and "direction" in payload:
        return "Message"
    return "Opportunity" if "pipelineStageId" in payload else ""


def _is_of(kind: str, family: str) -> bool:
    """``ContactTagUpdate`` is of Contact; ``Contacts`` and ``ContactlessX`` are not."""
    return kind.startswith(family) and kind[len(family) : len(family) + 1].isupper()


def _shape(payload: Payload) -> str:
    present = payload.fields.keys()
    return next((name for name, needed in _SHAPES if needed <= present), "")


def _is_activity(payload: Payload) -> bool:
    """A new record with an ``event`` property. Pages of records have no type, so its absence is no objection."""
    return payload.kind in {"", "RecordCreate"} and _properties(payload).get("event") is not None


def _properties(payload: Payload) -> dict[str, Any]:
    """A record's ``properties`` [{key, valueString | valueNumber | ...}] by key; {} when they are not of that form."""
    entries = payload.raw("properties")
    found: dict[str, Any] = {}
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("key"), str):
            found[entry["key"]] = next((v for k, v in entry.items() if k.startswith("value")), None)
    return found


# --- when it happened ---------------------------------------------------------------------------------------------


def _added_at(payload: Payload, received_at: datetime) -> datetime:
    """Something new: the envelope's time, else its own ``dateAdded``, else the arrival."""
    return payload.first_time("timestamp", "dateAdded", "createdAt") or received_at


def _changed_at(payload: Payload, received_at: datetime) -> datetime:
    """A change: never the resource's ``dateAdded``, which is older than what the change replaces."""
    return payload.first_time("timestamp", "dateUpdated", "updatedAt") or received_at


# --- families -----------------------------------------------------------------------------------------------------


def _message(payload: Payload, envelope: Envelope, received_at: datetime) -> events.BaseEvent | None:
    way, lead_id = messages.direction(payload), payload.identifier("contactId")
    if way is None or lead_id is None:
        return None
    how = messages.channel(payload)
    call_seconds = messages.call_seconds(payload, how, way)
    conversation_id = payload.identifier("conversationId")
    message_id = _own_id(payload, "messageId", envelope)
    if message_id is not None:
        envelope = _named(envelope, "message", message_id)
    else:
        message_id = payload.identifier("emailMessageId")  # names the email, not the message: no identity
    text = messages.text(payload, how)
    occurred_at = _added_at(payload, received_at)
    if way is Direction.INBOUND:
        return events.MessageReceived(
            **envelope,
            lead_id=LeadId(lead_id),
            occurred_at=occurred_at,
            channel=how,
            text=text,
            conversation_id=conversation_id,
            message_id=message_id,
            call_seconds=call_seconds,
        )
    user_id = payload.identifier("userId")
    return events.MessageSent(
        **envelope,
        lead_id=LeadId(lead_id),
        occurred_at=occurred_at,
        channel=how,
        text=text,
        conversation_id=conversation_id,
        message_id=message_id,
        human=messages.is_human(payload, how),
        user_id=None if user_id is None else UserId(user_id),
        call_seconds=call_seconds,
    )


def _opportunity(payload: Payload, envelope: Envelope, received_at: datetime) -> events.BaseEvent | None:
    lead_id = payload.identifier("contactId")
    if lead_id is None:
        return None
    kind = payload.kind
    created = kind == "OpportunityCreate"
    return events.OpportunityChanged(
        **envelope,
        lead_id=LeadId(lead_id),
        occurred_at=_added_at(payload, received_at) if created else _changed_at(payload, received_at),
        opportunity_id=payload.needed("id"),
        status=_opportunity_status(payload),
        pipeline_id=payload.identifier("pipelineId"),
        pipeline_stage_id=payload.identifier("pipelineStageId"),
        monetary_value=payload.money("monetaryValue"),
        deleted=kind == "OpportunityDelete",
    )


def _opportunity_status(payload: Payload) -> OpportunityStatus | None:
    said = payload.text("status")
    if said is None:
        return None
    try:
        return OpportunityStatus(said.lower())
    except ValueError:
        raise TranslationError(f"status: must be one of {', '.join(OpportunityStatus)}") from None


def _appointment(payload: Payload, envelope: Envelope, received_at: datetime) -> events.BaseEvent | None:
    """The pages of Update and Delete show ``type`` AppointmentCreate too: one fact, the newest state of the meeting.

    ``created`` is claimed only when nothing says that it was changed after it was added.
    """
    meeting = payload.within("appointment") or payload
    lead_id = meeting.identifier("contactId")
    if lead_id is None:
        return None
    kind = payload.kind
    added, updated = meeting.first_time("dateAdded"), meeting.first_time("dateUpdated")
    created = kind == "AppointmentCreate" and (updated is None or added is None or updated <= added)
    appointment_id = meeting.needed("id")
    return events.AppointmentChanged(
        **(_named(envelope, "appointment", appointment_id, "created") if created else envelope),
        lead_id=LeadId(lead_id),
        occurred_at=payload.first_time("timestamp") or updated or (added if created else None) or received_at,
        appointment_id=appointment_id,
        created=created,
        status=meeting.text("appointmentStatus"),
        start_time=meeting.time("startTime"),
        deleted=kind == "AppointmentDelete",
    )


def _note(payload: Payload, envelope: Envelope, received_at: datetime) -> events.BaseEvent | None:
    lead_id, kind = payload.identifier("contactId"), payload.kind
    if lead_id is None or kind == "NoteDelete":
        return None
    at = _added_at(payload, received_at) if kind == "NoteCreate" else _changed_at(payload, received_at)
    return events.NoteAdded(
        **envelope,
        lead_id=LeadId(lead_id),
        occurred_at=at,
        note_id=payload.identifier("id"),
        text=messages.plain_text(payload.text("body") or ""),
    )


def _task(payload: Payload, envelope: Envelope, received_at: datetime) -> events.BaseEvent | None:
    lead_id, kind = payload.identifier("contactId"), payload.kind
    if lead_id is None:
        return None
    at = _added_at(payload, received_at) if kind == "TaskCreate" else _changed_at(payload, received_at)
    return events.TaskChanged(
        **envelope,
        lead_id=LeadId(lead_id),
        occurred_at=at,
        task_id=payload.needed("id"),
        title=payload.text("title"),
        text=messages.plain_text(payload.text("body") or ""),
        due_at=payload.time("dueDate"),
        completed=kind == "TaskComplete",
        deleted=kind == "TaskDelete",
    )


def _uninstall(payload: Payload, envelope: Envelope, received_at: datetime) -> events.BaseEvent | None:
    """Believed from the signed door only: it ends all access."""
    if envelope["source"] is not events.Source.APP_WEBHOOK:
        return None
    return events.CrmAppUninstalled(
        **envelope,
        occurred_at=_changed_at(payload, received_at),
        owner_kind=OwnerKind.COMPANY if payload.raw("locationId") is None else OwnerKind.LOCATION,
        app_id=payload.identifier("appId"),
    )


def _kept(
    payload: Payload, envelope: Envelope, received_at: datetime, body: Mapping[str, Any]
) -> events.VendorEventKept:
    """Whole, and under its lead where it names one: forgetting a lead must find what speaks of them."""
    return events.VendorEventKept(
        **envelope,
        lead_id=_lead_named(payload),
        occurred_at=_changed_at(payload, received_at),
        vendor_type=_shape(payload) or payload.kind or "unknown",
        body=dict(body),
    )


def _lead_named(payload: Payload) -> LeadId | None:
    record = Payload(_properties(payload))
    places = (
        (payload, "contactId"),
        (record, "contact_id"),
        (payload.within("appointment"), "contactId"),
        (payload.within("contactDetails"), "id"),
        (payload.within("contactSnapshot"), "id"),
        (payload if payload.raw("firstObjectKey") == "contact" else None, "firstRecordId"),
        (payload if payload.raw("secondObjectKey") == "contact" else None, "secondRecordId"),
    )
    for place, field in places:
        value = None if place is None else place.raw(field)
        if isinstance(value, str) and 0 < len(value) <= ID_CHARACTERS:
            return LeadId(value)
    return None
