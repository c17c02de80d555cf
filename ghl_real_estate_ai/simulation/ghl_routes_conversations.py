"""The fake's conversations: search, read, export, send, schedule, status, recordings. Served by ghl_server.py."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final, cast

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.responses import Response

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_account import Body, webhook_of
from ghl_real_estate_ai.simulation.ghl_clock import milliseconds
from ghl_real_estate_ai.simulation.ghl_messages import ALL_BUT_EMAIL, EMAIL, Message, Order
from ghl_real_estate_ai.simulation.ghl_requests import APRIL, Call, answer, as_json, found, needs

router = APIRouter(prefix="/conversations")

Reads = Annotated[Call, needs("conversations.readonly", APRIL)]
ReadsMessages = Annotated[Call, needs("conversations/message.readonly", APRIL)]
WritesMessages = Annotated[Call, needs("conversations/message.write", APRIL)]
ReadsEmail = Annotated[Call, needs("conversations/message.readonly", APRIL, unversioned=True)]
OldPreferences = Annotated[Call, needs("", APRIL, only=APRIL)]

_CHANNELS: Final = ("Call", "SMS", EMAIL, "WhatsApp", "Instagram", "Facebook")
_SENT_AS: Final = {
    "SMS": "SMS", "RCS": "RCS", "Email": "EMAIL", "WhatsApp": "WHATSAPP", "IG": "INSTAGRAM", "FB": "FACEBOOK",
    "Custom": "CUSTOM_SMS", "Live_Chat": "LIVE_CHAT", "TIKTOK": "TIKTOK",
}  # fmt: skip
_EXPORT_LEAST, _EXPORT_MOST = 10, 500
_STATUSES: Final = ("delivered", "failed", "pending", "read")
OFFICE: Final = "Simulated Realty <office@example.com>"


# --- reading ------------------------------------------------------------------------------------------------------


@router.get("/search")
async def search(call: Reads) -> Response:
    """Conversations, newest message first."""
    wanted = [c for c in call.sub_account.conversations.values() if _wanted(c, call)]
    oldest_first = call.query.get("sort") == "asc"
    wanted.sort(key=lambda c: (cast("int", c["lastMessageDate"]), str(c["id"])), reverse=not oldest_first)
    after = call.query.get("startAfterDate", "")
    total = len(wanted)
    if after.isdigit():
        sign = 1 if oldest_first else -1
        wanted = [c for c in wanted if sign * (cast("int", c["lastMessageDate"]) - int(after)) > 0]
    page = wanted[: call.number("limit", 20, most=100)]
    return answer({"conversations": [_shown(conversation, call) for conversation in page], "total": total})


def _wanted(conversation: Body, call: Call) -> bool:
    query = call.query
    same = {
        "contactId": "contactId",
        "id": "id",
        "lastMessageType": "lastMessageType",
        "lastMessageDirection": "lastMessageDirection",
        "lastMessageAction": "lastOutboundMessageAction",
    }
    if any(query.get(asked) and conversation[held] != query[asked] for asked, held in same.items()):
        return False
    unread = cast("int", conversation["unreadCount"]) > 0
    if query.get("status") in {"read", "unread"} and unread != (query["status"] == "unread"):
        return False
    since, until = query.get("startDate", ""), query.get("endDate", "")
    at = cast("int", conversation["lastMessageDate"])
    return (not since.isdigit() or at >= int(since)) and (not until.isdigit() or at <= int(until))


def _shown(conversation: Body, call: Call) -> Body:
    contact = call.sub_account.contacts.get(str(conversation["contactId"])) or {}
    name = contact.get("name", "")
    people = {
        "fullName": name,
        "contactName": name,
        "email": contact.get("email", ""),
        "phone": contact.get("phone", ""),
    }
    kind = "TYPE_EMAIL" if conversation["lastMessageType"] == "TYPE_EMAIL" else "TYPE_PHONE"
    return {
        **conversation,
        **people,
        "type": kind,
        "tags": contact.get("tags", []),
        "sort": [conversation["lastMessageDate"]],
    }


@router.get("/messages/export")
async def export(call: ReadsMessages) -> Response:
    """All messages of the location by cursor. Without ``channel`` there are no emails."""
    if not call.query.get("locationId"):
        raise _wrong("locationId must be a string")
    channel, order = call.query.get("channel", ALL_BUT_EMAIL), call.query.get("sortBy", "createdAt")
    if channel not in {ALL_BUT_EMAIL, *_CHANNELS}:
        raise _wrong(f"channel must be one of {', '.join(_CHANNELS)}")
    if order not in {"createdAt", "updatedAt"}:
        raise _wrong("sortBy must be createdAt or updatedAt")
    try:
        page = call.sub_account.messages.page(
            channel=channel,
            order=cast("Order", order),
            newest_first=call.query.get("sortOrder", "desc") != "asc",
            limit=call.number("limit", 100, least=_EXPORT_LEAST, most=_EXPORT_MOST),
            cursor=call.query.get("cursor") or None,
            since=_instant(call, "startDate"),
            until=_instant(call, "endDate"),
            conversations=_talks(call),
        )
    except ValueError as error:
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, str(error)) from None
    cursor = b"" if page.cursor is None else b',"nextCursor":"' + page.cursor.encode() + b'"'
    return as_json(b'{"messages":[' + _joined(page.messages) + b'],"total":%d' % page.total + cursor + b"}")


def _joined(messages: Iterable[Message]) -> bytes:
    return b",".join(message.as_bytes() for message in messages)


def _talks(call: Call) -> list[str] | None:
    talk, contact = call.query.get("conversationId"), call.query.get("contactId")
    if talk:
        return [talk]
    return None if not contact else [call.sub_account.talk_of.get(contact, "")]


def _instant(call: Call, name: str) -> int | None:
    said = call.query.get(name)
    if not said:
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise _wrong(f"{name} must be an ISO 8601 date") from None
    return milliseconds(at if at.tzinfo else at.replace(tzinfo=UTC))


@router.get("/messages/email/{email_id}")
async def email(email_id: str, call: ReadsEmail) -> Response:
    """An email with its subject and addresses."""
    message = found(call.sub_account.messages.get(email_id), "Email", email_id, call.vendor)
    names = ("locationId", "contactId", "conversationId", "dateAdded", "body", "direction", "status", "contentType",
             "attachments", "from", "to", "source", "cc", "bcc")  # fmt: skip
    shown = {name: message.shown[name] for name in names if name in message.shown}
    return answer({**shown, "id": email_id, "altId": message.id, "threadId": message.id, "provider": "simulated",
                   "subject": message.email.get("subject", "")})  # fmt: skip


@router.get("/messages/{message_id}")
async def read_message(message_id: str, call: ReadsMessages) -> Response:
    """One message."""
    return as_json(
        found(call.sub_account.messages.get(message_id), "Message", message_id, call.vendor).as_bytes()
    )


@router.get("/{conversation_id}/messages")
async def read_messages(conversation_id: str, call: ReadsMessages) -> Response:
    """Newest first, by ``lastMessageId``. Nested, as it really answers."""
    found(call.sub_account.conversations.get(conversation_id), "Conversation", conversation_id, call.vendor)
    messages = call.sub_account.messages.of_conversation(conversation_id)[::-1]
    kinds = set(filter(None, call.query.get("type", "").split(",")))
    if kinds:
        messages = [message for message in messages if message.shown["messageType"] in kinds]
    last = call.query.get("lastMessageId")
    first = next((n + 1 for n, message in enumerate(messages) if message.id == last), 0) if last else 0
    page = messages[first : first + call.number("limit", 20, most=100)]
    content: Body = {
        "lastMessageId": page[-1].id if page else "",
        "nextPage": first + len(page) < len(messages),
        "messages": [message.shown for message in page],
    }
    return answer({"messages": content} if call.vendor.habits.nested_messages else content)


@router.get("/{conversation_id}")
async def read_conversation(conversation_id: str, call: Reads) -> Response:
    """One conversation."""
    conversation = found(
        call.sub_account.conversations.get(conversation_id), "Conversation", conversation_id, call.vendor
    )
    kind = 3 if conversation["lastMessageType"] == "TYPE_EMAIL" else 1
    return answer({**_shown(conversation, call), "type": kind})


# --- sending ------------------------------------------------------------------------------------------------------


@router.post("/messages")
async def send(call: WritesMessages) -> Response:
    """Send or schedule a message. Nothing leaves the simulator."""
    call.required(type=str, contactId=str)
    kind = _SENT_AS.get(str(call.body["type"]))
    if kind is None:
        raise _wrong(f"type must be one of {', '.join(_SENT_AS)}")
    contact_id = str(call.body["contactId"])
    contact = found(call.sub_account.contacts.get(contact_id), "Contact", contact_id, call.vendor)
    if contact.get("dnd") is True:
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "Cannot send message as DND is active for the contact.")
    text = call.body.get("html") if kind == "EMAIL" else call.body.get("message")
    if not (text or call.body.get("message") or call.body.get("attachments") or call.body.get("templateId")):
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "There is no message or attachments for this message.")
    message = _put(call, kind, text or call.body.get("message") or "", contact)
    due = call.body.get("scheduledTimestamp")
    if isinstance(due, int | float) and not isinstance(due, bool):
        call.sub_account.messages.change(message, message.updated, status="scheduled")
        call.sub_account.schedule(message, datetime.fromtimestamp(due, UTC))
    else:
        call.sub_account.tell("OutboundMessage", webhook_of(message))
    return answer(_receipt(message))


def _put(call: Call, kind: str, text: JsonValue, contact: Body) -> Message:
    later = "scheduledTimestamp" in call.body
    said: Body = {
        "contactId": contact["id"],
        "messageId": call.sub_account.new_id(),
        "messageType": kind,
        "direction": "outbound",
        "status": "pending",
        "source": "api",
        "body": text,
        "attachments": call.body.get("attachments", []),
    }
    if kind == "EMAIL":
        said |= {
            "emailMessageId": call.sub_account.new_id(),
            "subject": call.body.get("subject", ""),
            "from": call.body.get("emailFrom") or OFFICE,
            "to": [call.body.get("emailTo") or contact.get("email") or ""],
            "contentType": "text/html",
        }
    return call.sub_account.put_message(said, at=call.vendor.clock.now(), pending=not later)


def _receipt(message: Message) -> Body:
    receipt: Body = {
        "conversationId": message.shown["conversationId"],
        "messageId": message.id,
        "msg": "Message queued successfully.",
        "status": "pending",
    }
    return receipt | ({"emailMessageId": message.email["id"]} if message.email else {})


@router.put("/messages/{message_id}/status")
async def set_status(message_id: str, call: WritesMessages) -> Response:
    """Set a message's status: 403 while GoHighLevel still works on it."""
    if call.body.get("status") not in _STATUSES:
        raise _wrong(f"status must be one of {', '.join(_STATUSES)}")
    message = found(call.sub_account.messages.get(message_id), "Message", message_id, call.vendor)
    if call.sub_account.is_pending(message_id):
        raise VendorRefusal(HTTPStatus.FORBIDDEN, "You do not have permission to access this resource")
    call.sub_account.messages.change(
        message, milliseconds(call.vendor.clock.now()), status=call.body["status"]
    )
    return answer({**_receipt(message), "status": call.body["status"]})


@router.delete("/messages/{message_id}/schedule")
async def unschedule(message_id: str, call: WritesMessages) -> Response:
    """Do not send what was scheduled."""
    message = found(call.sub_account.messages.get(message_id), "Message", message_id, call.vendor)
    if not call.sub_account.unschedule(message_id):
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "Message is not scheduled")
    call.sub_account.messages.change(message, milliseconds(call.vendor.clock.now()), status="failed")
    return answer({"status": 200, "message": "Scheduled message cancelled"})


# --- calls --------------------------------------------------------------------------------------------------------


@router.get("/messages/{message_id}/locations/{location_id}/recording")
async def recording(message_id: str, location_id: str, call: ReadsMessages) -> Response:
    """A second of silence: nobody spoke."""
    _answered_call(message_id, call)
    size, rate = 8_000, 8_000
    head = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    form = b"".join(
        n.to_bytes(w, "little") for n, w in ((1, 2), (1, 2), (rate, 4), (rate, 4), (1, 2), (8, 2))
    )
    sound = head + form + b"data" + size.to_bytes(4, "little") + b"\x80" * size
    return Response(sound, media_type="audio/x-wav")


@router.get("/locations/{location_id}/messages/{message_id}/transcription")
async def transcription(location_id: str, message_id: str, call: ReadsMessages) -> Response:
    """A made-up transcript: ``mediaChannel`` 1 is the agent, 2 the lead."""
    _answered_call(message_id, call)
    lines = ((1, "Hello, this is the office, a simulated call."), (2, "Hi, I am calling about a home."))
    sentences = [
        {"mediaChannel": who, "sentenceIndex": n, "startTime": n * 4_000, "endTime": n * 4_000 + 3_500,
         "transcript": words, "confidence": 0.9}
        for n, (who, words) in enumerate(lines)
    ]  # fmt: skip
    return as_json(json.dumps(sentences).encode())


def _answered_call(message_id: str, call: Call) -> None:
    message = found(call.sub_account.messages.get(message_id), "Message", message_id, call.vendor)
    if message.channel != "Call":
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "Recording is not available for this message")


# --- unsubscriptions (date versions only) -------------------------------------------------------------------------


@router.get("/preferences/unsubscriptions/status")
async def unsubscriptions(call: OldPreferences) -> Response:
    """Whether a contact takes emails."""
    contact_id = call.query.get("contactId", "")
    found(call.sub_account.contacts.get(contact_id), "Contact", contact_id, call.vendor)
    gone = contact_id in call.sub_account.unsubscribed
    return answer({"contactId": contact_id, "subscriptions": [{"type": "default", "subtypeName": "One on One",
                   "status": "unsubscribed" if gone else "subscribed"}]})  # fmt: skip


@router.post("/preferences/unsubscriptions/user-change")
async def change_subscription(call: OldPreferences) -> Response:
    """Unsubscribe or subscribe a contact."""
    call.required(locationId=str, contactId=str, email=str, subscription_action=dict)
    contact_id, action = str(call.body["contactId"]), cast("Body", call.body["subscription_action"])
    if action.get("subtype_status") == "unsubscribed":
        call.sub_account.unsubscribed.add(contact_id)
    else:
        call.sub_account.unsubscribed.discard(contact_id)
    return answer({"success": True})


def _wrong(message: str) -> VendorRefusal:
    return VendorRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, [message])
