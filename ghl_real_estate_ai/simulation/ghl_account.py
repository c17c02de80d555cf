"""A simulated GoHighLevel agency: its sub-accounts with contacts, messages, deals, meetings, notes, tasks, records.

Called by the fake server's routes and by ghl_city.py. Every change is stamped, stored and told to who listens (webhooks),
whether the city or a client of the API made it.
"""

from __future__ import annotations

import random
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from ghl_real_estate_ai.simulation.city import AGENTS
from ghl_real_estate_ai.simulation.ghl_clock import VendorClock, milliseconds
from ghl_real_estate_ai.simulation.ghl_contacts import ContactBook
from ghl_real_estate_ai.simulation.ghl_knobs import Habits
from ghl_real_estate_ai.simulation.ghl_messages import TYPE_NUMBERS, Message, MessageShelf
from ghl_real_estate_ai.simulation.scribe import PIPELINE_ID, Agent, stamp, vendor_id

Body = dict[str, JsonValue]

CALENDAR_ID: Final = "simulatedCalendar001"
GROUP_ID: Final = "simulatedGroup000001"
WORKFLOW_ID: Final = "simulatedWorkflow001"
ACTIVITY_KEY: Final = "custom_objects.property_activity"
"""The custom object of docs/simulation.md, "Site activity"."""

ACTIVITY_OBJECT_ID: Final = "simulatedObject00001"
STAGES: Final = ("stage-contacted", "stage-showing", "stage-closing")
_MEETING_LENGTH: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a webhook may report: a ``VendorEvent``. ``body`` lacks only the envelope."""

    at: datetime
    type: str
    body: Body


Heard = Callable[[str, Change], None]
"""Hears of a change: location id, change."""


@dataclass
class SubAccount:
    """One location. Bodies are as v3 shows them; ghl_answers.py spells them for the older versions."""

    location_id: str
    company_id: str
    clock: VendorClock
    habits: Habits
    heard: Heard
    luck: random.Random
    name: str = "Simulated City Realty"
    users: tuple[Agent, ...] = AGENTS
    conversations: dict[str, Body] = field(default_factory=dict)
    talk_of: dict[str, str] = field(default_factory=dict)
    messages: MessageShelf = field(default_factory=MessageShelf)
    opportunities: dict[str, Body] = field(default_factory=dict)
    appointments: dict[str, Body] = field(default_factory=dict)
    notes: dict[str, Body] = field(default_factory=dict)
    tasks: dict[str, Body] = field(default_factory=dict)
    records: dict[str, Body] = field(default_factory=dict)
    record_places: list[tuple[str, str]] = field(default_factory=list)
    """``createdAt`` and id of every record, in order."""

    tags: dict[str, str] = field(default_factory=dict)
    custom_fields: dict[str, Body] = field(default_factory=dict)
    enrolled: set[tuple[str, str]] = field(default_factory=set)
    unsubscribed: set[str] = field(default_factory=set)
    contacts: ContactBook = field(init=False)
    _pending: deque[tuple[float, str]] = field(default_factory=deque)
    _scheduled: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.contacts = ContactBook(self.clock.steady_s, lambda: self.habits.index_lag_s)

    def new_id(self) -> str:
        """A fresh id as GoHighLevel's look."""
        return vendor_id(self.luck)

    def tell(self, type_: str, body: Mapping[str, JsonValue], *, at: datetime | None = None) -> None:
        """Let the webhooks know."""
        self.heard(self.location_id, Change(at or self.clock.now(), type_, dict(body)))

    # --- contacts --------------------------------------------------------------------------------------------------

    def put_contact(self, fields: Mapping[str, JsonValue], *, at: datetime) -> Body:
        """A new contact, or changed fields of a known one; ``dateUpdated`` is its newest change."""
        contact_id = str(fields.get("id") or self.new_id())
        known = self.contacts.get(contact_id)
        before: Body = known or {
            "id": contact_id,
            "locationId": self.location_id,
            "type": "lead",
            "tags": [],
            "customFields": [],
            "dnd": False,
            "dateAdded": stamp(at),
            "dateUpdated": stamp(at),
        }
        contact = {**before, **{name: value for name, value in fields.items() if name not in {"type", "id"}}}
        contact["name"] = contact.get("name") or _full_name(contact)
        contact["dateUpdated"] = max(str(before["dateUpdated"]), stamp(at))
        self._remember_tags(contact["tags"])
        self.contacts.put(contact)
        return contact

    def _remember_tags(self, tags: JsonValue) -> None:
        for tag in tags if isinstance(tags, list) else ():
            if str(tag) not in self.tags:
                self.tags[str(tag)] = self.new_id()

    def remove_contact(self, contact_id: str) -> None:
        """With everything about them, as GoHighLevel does."""
        self.contacts.remove(contact_id)
        for shelf in (self.notes, self.tasks, self.opportunities, self.appointments):
            for key in [key for key, paper in shelf.items() if paper.get("contactId") == contact_id]:
                del shelf[key]

    # --- messages --------------------------------------------------------------------------------------------------

    def conversation_with(self, contact_id: str, conversation_id: str | None = None) -> str:
        """The contact's conversation, begun if there is none."""
        talk = self.talk_of.get(contact_id)
        if talk is None:
            talk = conversation_id or self.new_id()
            self.talk_of[contact_id] = talk
            self.conversations[talk] = {
                "id": talk, "contactId": contact_id, "locationId": self.location_id, "unreadCount": 0,
                "inbox": True, "starred": False, "deleted": False, "lastMessageDate": 0, "lastMessageBody": "",
                "lastMessageType": "TYPE_SMS", "lastMessageDirection": "inbound", "lastOutboundMessageAction": "manual",
            }  # fmt: skip
        return talk

    def put_message(self, said: Mapping[str, JsonValue], *, at: datetime, pending: bool = False) -> Message:
        """A message in a webhook's words (``messageType``, ``from``, ``callStatus`` ...), shelved in the API's."""
        talk = self.conversation_with(str(said["contactId"]), _text(said.get("conversationId")))
        message = _message({**said, "conversationId": talk, "locationId": self.location_id}, at)
        self.messages.put(message)
        if pending:
            self._pending.append((self.clock.steady_s() + self.habits.status_lag_s, message.id))
        self._freshen(talk, message)
        return message

    def _freshen(self, talk: str, message: Message) -> None:
        conversation, shown = self.conversations[talk], message.shown
        if message.created < int(str(conversation["lastMessageDate"])):
            return
        inbound = shown["direction"] == "inbound"
        unread = int(str(conversation["unreadCount"])) + 1 if inbound else 0
        conversation |= {
            "lastMessageDate": message.created,
            "lastMessageBody": shown.get("body", ""),
            "lastMessageType": shown["messageType"],
            "lastMessageDirection": shown["direction"],
            "unreadCount": unread,
        }
        if not inbound:
            by_hand = shown.get("source") in {None, "app"}
            conversation["lastOutboundMessageAction"] = "manual" if by_hand else "automated"

    def schedule(self, message: Message, due: datetime) -> None:
        """Send it later."""
        self._scheduled[message.id] = due

    def unschedule(self, message_id: str) -> bool:
        """Never send it. False: it was not scheduled."""
        return self._scheduled.pop(message_id, None) is not None

    def is_pending(self, message_id: str) -> bool:
        """Whether the message is too young for its status to be changed."""
        return any(message_id == waiting for _, waiting in self._pending)

    def settle(self) -> None:
        """Bring about what has become due: sent messages are delivered, scheduled ones go out."""
        now_s, now = self.clock.steady_s(), self.clock.now()
        while self._pending and self._pending[0][0] <= now_s:
            _, message_id = self._pending.popleft()
            message = self.messages.get(message_id)
            if message is not None and message.shown["status"] == "pending":
                self.messages.change(message, milliseconds(now), status="delivered")
        for message_id in [key for key, due in self._scheduled.items() if due <= now]:
            del self._scheduled[message_id]
            message = self.messages.get(message_id)
            if message is not None:
                self.messages.change(message, milliseconds(now), status="delivered")
                self.tell("OutboundMessage", webhook_of(message))

    # --- deals, meetings, records ----------------------------------------------------------------------------------

    def put_opportunity(self, fields: Mapping[str, JsonValue], *, at: datetime) -> Body:
        """A new deal or changed fields; keeps when stage and status last changed."""
        deal_id, now = str(fields.get("id") or self.new_id()), stamp(at)
        before = self.opportunities.get(deal_id)
        deal: Body = dict(before) if before else {
            "id": deal_id, "locationId": self.location_id, "name": "", "monetaryValue": 0, "status": "open",
            "pipelineId": PIPELINE_ID, "pipelineStageId": STAGES[0], "assignedTo": None, "source": None,
            "createdAt": now, "updatedAt": now, "lastStatusChangeAt": now, "lastStageChangeAt": now,
            "notes": [], "tasks": [], "calendarEvents": [], "followers": [], "customFields": [],
        }  # fmt: skip
        deal |= {name: value for name, value in fields.items() if name not in {"type", "id", "dateAdded"}}
        if before:
            deal["updatedAt"] = max(str(deal["updatedAt"]), now)
            if before["status"] != deal["status"]:
                deal["lastStatusChangeAt"] = now
            if before["pipelineStageId"] != deal["pipelineStageId"]:
                deal["lastStageChangeAt"] = now
        self.opportunities[deal_id] = deal
        return deal

    def put_appointment(self, fields: Mapping[str, JsonValue], *, at: datetime) -> Body:
        """A new meeting or changed fields."""
        meeting_id, now = str(fields.get("id") or self.new_id()), stamp(at)
        before = self.appointments.get(meeting_id)
        meeting: Body = dict(before) if before else {
            "id": meeting_id, "locationId": self.location_id, "title": "Appointment", "calendarId": CALENDAR_ID,
            "groupId": GROUP_ID, "appointmentStatus": "new", "assignedUserId": self.users[0].user_id, "users": [],
            "notes": "", "address": "", "source": "third_party", "dateAdded": now, "dateUpdated": now,
        }  # fmt: skip
        meeting |= {name: value for name, value in fields.items() if name not in {"id", "dateAdded"}}
        start = datetime.fromisoformat(str(meeting["startTime"]))
        moved = before is not None and before["startTime"] != meeting["startTime"]
        if "endTime" not in fields and (moved or "endTime" not in meeting):
            meeting["endTime"] = stamp(start + _MEETING_LENGTH)
        meeting["dateUpdated"] = max(str(meeting["dateUpdated"]), now)
        self.appointments[meeting_id] = meeting
        return meeting

    def put_record(
        self, properties: Mapping[str, JsonValue], *, at: datetime, record_id: str | None = None
    ) -> Body:
        """A new record of the property-activity object."""
        record_id, now = record_id or self.new_id(), stamp(at)
        made: Body = {
            "channel": "SIMULATION",
            "createdAt": now,
            "source": "city",
            "sourceId": self.location_id,
        }
        record: Body = {
            "id": record_id, "owner": [], "followers": [], "properties": dict(properties), "createdAt": now,
            "updatedAt": now, "locationId": self.location_id, "objectId": ACTIVITY_OBJECT_ID,
            "objectKey": ACTIVITY_KEY, "createdBy": made, "lastUpdatedBy": made,
        }  # fmt: skip
        self.records[record_id] = record
        insort(self.record_places, (now, record_id))
        return record


class Account:
    """The agency: one company, its sub-accounts and who hears of their changes."""

    def __init__(
        self,
        location_ids: Iterable[str],
        *,
        company_id: str,
        clock: VendorClock,
        habits: Habits,
        seed: int = 0,
    ) -> None:
        self.company_id, self.clock, self.habits = company_id, clock, habits
        self.listeners: list[Heard] = []
        self.sub_accounts = {
            location_id: SubAccount(
                location_id=location_id,
                company_id=company_id,
                clock=clock,
                habits=habits,
                heard=self._heard,
                luck=random.Random(f"{seed}:{location_id}"),
            )
            for location_id in location_ids
        }

    @property
    def first(self) -> SubAccount:
        """The first sub-account."""
        return next(iter(self.sub_accounts.values()))

    def settle(self) -> None:
        """Bring about what has become due."""
        for sub_account in self.sub_accounts.values():
            sub_account.settle()

    def tell(self, location_id: str, type_: str, body: Body) -> None:
        """Let the webhooks know of something that no sub-account did."""
        self._heard(location_id, Change(self.clock.now(), type_, body))

    def _heard(self, location_id: str, change: Change) -> None:
        for listener in self.listeners:
            listener(location_id, change)


# --- one message in two languages ---------------------------------------------------------------------------------


def _message(said: Mapping[str, JsonValue], at: datetime) -> Message:
    """What the API shows of a message that a webhook would report in ``said``."""
    kind = "TYPE_" + str(said["messageType"]).upper()
    shown: Body = {
        "id": said["messageId"],
        "type": TYPE_NUMBERS.get(kind, 0),
        "messageType": kind,
        "locationId": said["locationId"],
        "contactId": said["contactId"],
        "conversationId": said["conversationId"],
        "dateAdded": stamp(at),
        "direction": said["direction"],
        "status": said.get("status", "delivered"),
        "contentType": said.get("contentType", "text/html" if kind == "TYPE_EMAIL" else "text/plain"),
        "attachments": said.get("attachments", []),
    }
    shown |= {name: said[name] for name in ("body", "source", "userId", "from", "to") if said.get(name)}
    meta: Body = {}
    if "callStatus" in said:
        meta |= {"callDuration": str(said.get("callDuration", 0)), "callStatus": said["callStatus"]}
    email: Body = {}
    if "emailMessageId" in said:
        meta["email"] = {"messageIds": [said["emailMessageId"]]}
        email = {"id": said["emailMessageId"], "subject": said.get("subject", "")}
    if meta:
        shown["meta"] = meta
    created = milliseconds(at)
    return Message(shown=shown, created=created, updated=created, email=email)


def webhook_of(message: Message) -> Body:
    """The webhook's words for a message that the API shows."""
    shown = message.shown
    body: Body = {
        "contactId": shown["contactId"],
        "conversationId": shown["conversationId"],
        "messageId": shown["id"],
        "direction": shown["direction"],
        "messageType": str(shown["messageType"]).removeprefix("TYPE_").replace("EMAIL", "Email"),
        "messageTypeId": shown["type"],
        "messageTypeString": shown["messageType"],
    }
    names = ("dateAdded", "attachments", "body", "contentType", "status", "source", "userId", "from", "to")
    body |= {name: shown[name] for name in names if name in shown}
    if message.email:
        body |= {"emailMessageId": message.email["id"], "subject": message.email["subject"]}
    return body


def _full_name(contact: Body) -> str:
    return " ".join(str(contact[part]) for part in ("firstName", "lastName") if contact.get(part))


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None
