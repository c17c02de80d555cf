"""Stored things in the words of one API version. Called by the ghl_routes modules."""

from __future__ import annotations

from pydantic import JsonValue

from ghl_real_estate_ai.simulation.ghl_account import Body, SubAccount
from ghl_real_estate_ai.simulation.ghl_requests import Call

_DND_KEYS = {"sms": "SMS", "email": "Email", "call": "Call", "whatsApp": "WhatsApp", "gmb": "GMB", "fb": "FB"}
"""v3's key -> the date versions'."""

_PAPER = ("id", "body", "userId", "dateAdded", "contactId", "title", "color", "pinned")
_TASK = ("id", "title", "body", "assignedTo", "dueDate", "completed", "contactId")


def contact_shown(contact: Body, call: Call) -> Body:
    """A contact; ``dndSettings`` by the version's keys."""
    shown = dict(contact)
    settings = contact.get("dndSettings")
    if isinstance(settings, dict) and not call.is_v3:
        shown["dndSettings"] = {_DND_KEYS.get(key, key): value for key, value in settings.items()}
    for name in ("firstName", "lastName"):
        if isinstance(contact.get(name), str):
            shown[f"{name}LowerCase"] = str(contact[name]).lower()
    return shown


def contact_fields(body: Body) -> Body:
    """What a client wrote, as it is stored: one spelling of custom fields and of ``dndSettings``, whatever the version."""
    fields = dict(body)
    customs = body.get("customFields")
    if isinstance(customs, list):
        fields["customFields"] = [_custom(entry) for entry in customs]
    settings = body.get("dndSettings")
    if isinstance(settings, dict):
        ours = {old: new for new, old in _DND_KEYS.items()}
        fields["dndSettings"] = {ours.get(key, key): value for key, value in settings.items()}
    if isinstance(body.get("tags"), list):
        fields["tags"] = [str(tag).lower() for tag in body["tags"] or ()]  # type: ignore[union-attr]  # reason: just seen
    return fields


def _custom(entry: JsonValue) -> JsonValue:
    if not isinstance(entry, dict):
        return entry
    names = ("value", "fieldValue", "field_value")
    return {"id": entry.get("id"), "value": next((entry[name] for name in names if name in entry), None)}


def merged_customs(before: JsonValue, stated: JsonValue) -> list[JsonValue]:
    """Custom fields after a change: a field that is not named keeps its value."""
    merged: dict[str, JsonValue] = {}
    for entries in (before, stated):
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                merged[str(entry.get("id"))] = entry
    return list(merged.values())


def note_shown(note: Body) -> Body:
    """A note."""
    return {name: note[name] for name in _PAPER if note.get(name) is not None}


def task_shown(task: Body) -> Body:
    """A task."""
    return {name: task[name] for name in _TASK if task.get(name) is not None}


def opportunity_shown(deal: Body, sub_account: SubAccount, call: Call) -> Body:
    """A deal with its contact; v3 adds the forecast."""
    contact = sub_account.contacts.get(str(deal.get("contactId"))) or {}
    shown: Body = {name: value for name, value in deal.items() if value is not None}
    shown["contact"] = {
        name: contact[name]
        for name in ("id", "name", "email", "phone", "tags")
        if contact.get(name) is not None
    }
    if call.is_v3:
        shown |= {"forecastSlippageCount": 0, "forecastDaysSlipped": 0}
    return shown


def appointment_shown(meeting: Body) -> Body:
    """A meeting."""
    source = meeting.get("source") or "third_party"
    return {**meeting, "createdBy": {"userId": "", "source": source}, "isRecurring": False}
