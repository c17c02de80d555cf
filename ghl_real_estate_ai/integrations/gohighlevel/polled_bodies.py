"""What the API shows of a thing, in the words in which a webhook would have told of it. Pure; called by history.py.

One translation then serves every door. A thing that webhooks never tell of (a note in a conversation's margin, a message
that is only scheduled) has no body here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from ghl_real_estate_ai.integrations.gohighlevel.payload import Payload

Body = dict[str, Any]
Shown = Mapping[str, Any]

_NO_MESSAGE: Final = re.compile(
    r"ACTIVITY_|INTERNAL_COMMENT|INFO_MESSAGE|_REACTION|FORM_SUBMISSION|EMPLOYEE_ACTION"
)
"""``messageType`` of entries that stand in a conversation without anybody having written to anybody."""

_NOT_SENT_YET: Final = ("scheduled", "queued")
_UNDER_WAY: Final = ("ringing", "in-progress", "initiated", "queued")
LONGEST_CALL: Final = timedelta(hours=4)
"""A call that claims to be under way for longer has an end that nobody reported."""

LONGEST_UNSENT: Final = timedelta(days=3)
"""A message that waits to be sent is looked for again for so long: every reading in this time begins before it."""

_CONTACT: Final = (
    "firstName", "lastName", "email", "phone", "source", "assignedTo", "tags", "dnd", "customFields",
)  # fmt: skip
_MESSAGE: Final = (
    "contactId", "conversationId", "direction", "messageType", "body", "contentType", "status", "source", "userId",
    "dateAdded",
)  # fmt: skip
_DEAL: Final = ("id", "pipelineId", "pipelineStageId", "status", "monetaryValue")
_MEETING: Final = ("id", "calendarId", "contactId", "startTime", "endTime", "assignedUserId")
_CHANGED: Final = ("updatedAt", "lastStageChangeAt", "lastStatusChangeAt", "createdAt", "dateAdded")


def contact_bodies(shown: Shown, location_id: str) -> Iterator[Body]:
    """Its creation, and its newest change if there was one since. Both hold the newest fields: the API keeps no others."""
    times = Payload(shown)
    added, updated = times.first_time("dateAdded"), times.first_time("dateUpdated")
    fields: Body = {name: shown[name] for name in _CONTACT if name in shown}
    name = shown.get("name") or shown.get("contactName")
    common: Body = {
        "locationId": location_id,
        "id": shown.get("id"),
        **fields,
        **({"name": name} if name else {}),
    }
    if added is not None:
        yield {"type": "ContactCreate", **common, "dateAdded": shown["dateAdded"]}
    if updated is not None and (added is None or updated > added):
        yield {"type": "ContactUpdate", **common, "dateUpdated": shown["dateUpdated"]}


def message_bodies(shown: Shown, location_id: str, *, now: datetime) -> Iterator[Body]:
    """What was said; nothing while it is still to be sent, or the call goes on."""
    kind = str(shown.get("messageType") or "")
    if _NO_MESSAGE.search(kind) or shown.get("status") in _NOT_SENT_YET or is_unfinished(shown, now=now):
        return
    body: Body = {
        "type": "OutboundMessage" if shown.get("direction") == "outbound" else "InboundMessage",
        "locationId": location_id,
        "messageId": shown.get("id"),
    }
    for name in _MESSAGE:
        if name in shown:
            body[name] = shown[name]
    meta = shown.get("meta")
    if isinstance(meta, dict):
        body |= {name: meta[name] for name in ("callDuration", "callStatus") if name in meta}
    yield body


def is_unfinished(shown: Shown, *, now: datetime) -> bool:
    """Whether it will be a fact later: a call that has no end yet, a message that is still to be sent."""
    meta = shown.get("meta")
    if isinstance(meta, dict) and meta.get("callStatus") in _UNDER_WAY:
        longest = LONGEST_CALL
    elif shown.get("status") in _NOT_SENT_YET:
        longest = LONGEST_UNSENT
    else:
        return False
    added = Payload(shown).first_time("dateAdded")
    return added is not None and now - added < longest


def opportunity_bodies(shown: Shown, location_id: str) -> Iterator[Body]:
    """How the deal stands, as of its newest change."""
    contact = shown.get("contact")
    body: Body = {"type": "OpportunityUpdate", "locationId": location_id}
    body |= {name: shown[name] for name in _DEAL if name in shown}
    body["contactId"] = shown.get("contactId") or (contact.get("id") if isinstance(contact, dict) else None)
    at = changed_at(shown)
    if at is not None:
        body["dateUpdated"] = at.isoformat()
    yield body


def changed_at(shown: Shown) -> datetime | None:
    """The newest of a deal's times; the API sorts deals by none of them but the oldest."""
    times = Payload(shown)
    return max((at for name in _CHANGED if (at := times.first_time(name)) is not None), default=None)


def appointment_bodies(shown: Shown, location_id: str) -> Iterator[Body]:
    """Its booking, and how it stands if it was changed since, or was deleted."""
    meeting: Body = {name: shown[name] for name in _MEETING if name in shown}
    for name in ("appointmentStatus", "appoinmentStatus", "status"):  # the middle one is theirs
        if shown.get(name):
            meeting.setdefault("appointmentStatus", shown[name])
    times = Payload(shown)
    added, updated = times.first_time("dateAdded"), times.first_time("dateUpdated")
    if added is not None:
        told = {**meeting, "dateAdded": shown["dateAdded"]}
        yield {"type": "AppointmentCreate", "locationId": location_id, "appointment": told}
    deleted = shown.get("deleted") is True
    if updated is not None and (deleted or added is None or updated > added):
        kind = "AppointmentDelete" if deleted else "AppointmentUpdate"
        told = {**meeting, "dateUpdated": shown["dateUpdated"]}
        yield {"type": kind, "locationId": location_id, "appointment": told}


def record_bodies(shown: Shown, location_id: str) -> Iterator[Body]:
    """A visit to the site. The API shows properties by key, a webhook lists them."""
    properties = shown.get("properties")
    if not isinstance(properties, dict):
        return
    yield {
        "type": "RecordCreate",
        "locationId": location_id,
        "id": shown.get("id"),
        "createdAt": shown.get("createdAt") or shown.get("dateAdded"),
        "properties": [{"key": key, "valueString": value} for key, value in properties.items()],
    }
