"""The requests about what was said: messages, conversations, recordings, unsubscribes. Pure; called by client.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ghl_real_estate_ai.errors import NotInThisVersion
from ghl_real_estate_ai.integrations.gohighlevel.api_request import (
    ApiProfile,
    ApiRequest,
    api_request,
    checked_id,
    epoch_ms,
    epoch_s,
    iso,
    within,
)

_READ: Final = "conversations/message.readonly"
_WRITE: Final = "conversations/message.write"
EXPORT_PAGE: Final = 500
"""Most messages of one page of an export."""

_EXPORT_PAGE_LEAST: Final = 10


def send_message(
    api: ApiProfile,
    contact_id: str,
    *,
    type_: str,
    message: str | None = None,
    html: str | None = None,
    subject: str | None = None,
    attachments: Sequence[str] = (),
    from_number: str | None = None,
    email_from: str | None = None,
    email_to: str | None = None,
    email_cc: Sequence[str] = (),
    email_bcc: Sequence[str] = (),
    reply_message_id: str | None = None,
    template_id: str | None = None,
    custom_subtype_id: str | None = None,
    scheduled_at: datetime | None = None,
) -> ApiRequest:
    """A message to a contact, now or at ``scheduled_at``. ``type_``: SMS, Email, WhatsApp, IG, FB, Live_Chat ..."""
    body = {
        "type": type_,
        "contactId": checked_id("contactId", contact_id),
        "message": message,
        "html": html,
        "subject": subject,
        "attachments": list(attachments) or None,
        "fromNumber": from_number,
        "emailFrom": email_from,
        "emailTo": email_to,
        "emailCc": list(email_cc) or None,
        "emailBcc": list(email_bcc) or None,
        "replyMessageId": reply_message_id,
        "templateId": template_id,
        "customSubtypeId": custom_subtype_id,
        "scheduledTimestamp": None if scheduled_at is None else epoch_s("scheduled_at", scheduled_at),
    }
    return api_request(api, "POST /conversations/messages", json=body, scope=_WRITE)


def cancel_scheduled_message(api: ApiProfile, message_id: str) -> ApiRequest:
    """Take a scheduled message back."""
    operation = "DELETE /conversations/messages/{messageId}/schedule"
    return api_request(api, operation, ids={"messageId": message_id}, scope=_WRITE)


def update_message_status(api: ApiProfile, message_id: str, *, status: str) -> ApiRequest:
    """delivered, failed, pending or read. Refused with 403 in the first seconds of a message."""
    operation = "PUT /conversations/messages/{messageId}/status"
    return api_request(api, operation, ids={"messageId": message_id}, json={"status": status}, scope=_WRITE)


def get_message(api: ApiProfile, message_id: str) -> ApiRequest:
    """One message."""
    return api_request(api, "GET /conversations/messages/{id}", ids={"id": message_id}, scope=_READ)


def read_messages(
    api: ApiProfile,
    conversation_id: str,
    *,
    limit: int | None = None,
    last_message_id: str | None = None,
    type_: str | None = None,
) -> ApiRequest:
    """A conversation's messages, newest first; ``last_message_id`` of the page before gives the next."""
    return api_request(
        api,
        "GET /conversations/{conversationId}/messages",
        ids={"conversationId": conversation_id},
        query={"limit": limit, "lastMessageId": last_message_id, "type": type_},
        scope=_READ,
    )


def export_messages(
    api: ApiProfile,
    location_id: str,
    *,
    cursor: str | None = None,
    limit: int = EXPORT_PAGE,
    channel: str | None = None,
    contact_id: str | None = None,
    sort_by: str = "createdAt",
    sort_order: str = "asc",
    start: datetime | None = None,
    end: datetime | None = None,
) -> ApiRequest:
    """All messages of a location, page by page. Without ``channel`` it leaves emails out: ask for channel Email too."""
    return api_request(
        api,
        "GET /conversations/messages/export",
        query={
            "locationId": checked_id("locationId", location_id),
            "limit": within("limit", limit, least=_EXPORT_PAGE_LEAST, most=EXPORT_PAGE),
            "cursor": cursor,
            "sortBy": sort_by,
            "sortOrder": sort_order,
            "channel": channel,
            "contactId": contact_id,
            "startDate": None if start is None else iso("start", start),
            "endDate": None if end is None else iso("end", end),
        },
        scope=_READ,
    )


def search_conversations(
    api: ApiProfile,
    location_id: str,
    *,
    contact_id: str | None = None,
    status: str | None = None,
    last_message_direction: str | None = None,
    last_message_action: str | None = None,
    sort: str | None = None,
    sort_by: str | None = None,
    start_after: int | None = None,
    start: datetime | None = None,
    limit: int | None = None,
) -> ApiRequest:
    """Conversations that fit; ``start_after`` is the sort value of the last one seen."""
    return api_request(
        api,
        "GET /conversations/search",
        query={
            "locationId": checked_id("locationId", location_id),
            "contactId": contact_id,
            "status": status,
            "lastMessageDirection": last_message_direction,
            "lastMessageAction": last_message_action,
            "sort": sort,
            "sortBy": sort_by,
            "startAfterDate": start_after,
            "startDate": None if start is None else epoch_ms("start", start),
            "limit": limit,
        },
        scope="conversations.readonly",
    )


def get_recording(api: ApiProfile, location_id: str, message_id: str) -> ApiRequest:
    """The sound of a call."""
    operation = "GET /conversations/messages/{messageId}/locations/{locationId}/recording"
    ids = {"messageId": message_id, "locationId": location_id}
    return api_request(api, operation, ids=ids, scope=_READ)


def get_transcription(api: ApiProfile, location_id: str, message_id: str) -> ApiRequest:
    """The words of a call, sentence by sentence; ``mediaChannel`` tells the speakers apart."""
    operation = "GET /conversations/locations/{locationId}/messages/{messageId}/transcription"
    ids = {"messageId": message_id, "locationId": location_id}
    return api_request(api, operation, ids=ids, scope=_READ)


def get_unsubscribe_state(
    api: ApiProfile, location_id: str, contact_id: str, *, email: str | None = None
) -> ApiRequest:
    """What a contact unsubscribed from. Only the dated version has it."""
    operation = "GET /conversations/preferences/unsubscriptions/status"
    _only_dates(api, operation)
    query = {
        "locationId": checked_id("locationId", location_id),
        "contactId": checked_id("contactId", contact_id),
        "email": email,
    }
    return api_request(api, operation, query=query)


def change_subscription(
    api: ApiProfile,
    location_id: str,
    contact_id: str,
    *,
    email: str,
    subscribed: bool,
    subtype_id: str | None = None,
    legal_reason: str | None = None,
) -> ApiRequest:
    """Set one category (``subtype_id``; None: the default one) to (un)subscribed. Only the dated version has it."""
    operation = "POST /conversations/preferences/unsubscriptions/user-change"
    _only_dates(api, operation)
    action = {
        "type": "default" if subtype_id is None else "custom",
        "subtype_status": "subscribed" if subscribed else "unsubscribed",
    }
    body = {
        "locationId": checked_id("locationId", location_id),
        "contactId": checked_id("contactId", contact_id),
        "email": email,
        "subscription_action": action if subtype_id is None else {**action, "subtype_id": subtype_id},
        "legal_reason": legal_reason,
    }
    return api_request(api, operation, json=body, repeatable=True)


def _only_dates(api: ApiProfile, operation: str) -> None:
    if api is not ApiProfile.DATES:
        raise NotInThisVersion(f"{operation}: API version v3 has no such call; the dated version has")
