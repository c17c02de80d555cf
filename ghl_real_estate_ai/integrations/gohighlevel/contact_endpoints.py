"""The requests about people: contacts, their tags, notes, tasks and workflows. Pure; called by client.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.integrations.gohighlevel.api_request import (
    ApiProfile,
    ApiRequest,
    api_request,
    checked_id,
    given,
    iso,
    within,
)

_READ: Final = "contacts.readonly"
_WRITE: Final = "contacts.write"
SEARCH_PAGE: Final = 500
"""Most contacts of one page of a search."""

SEARCH_DEPTH: Final = 10_000
"""Contacts that ``page`` reaches; further ones need ``search_after``."""

_QUERY_CHARACTERS: Final = 75
_DND_KEYS: Final = {
    "sms": "SMS",
    "email": "Email",
    "call": "Call",
    "whatsApp": "WhatsApp",
    "gmb": "GMB",
    "fb": "FB",
}
"""Channel in v3 -> channel in the dated version."""


def get_contact(api: ApiProfile, contact_id: str) -> ApiRequest:
    """One contact, whole."""
    return api_request(api, "GET /contacts/{contactId}", ids={"contactId": contact_id}, scope=_READ)


def update_contact(
    api: ApiProfile,
    contact_id: str,
    *,
    fields: Mapping[str, object] | None = None,
    custom_fields: Mapping[str, object] | None = None,
    dnd_settings: Mapping[str, Mapping[str, str]] | None = None,
) -> ApiRequest:
    """Change fields by GoHighLevel's own names, custom fields by their ids, do-not-disturb by v3's channel names."""
    body = _contact_body(api, fields=fields, custom_fields=custom_fields, dnd_settings=dnd_settings)
    return api_request(
        api, "PUT /contacts/{contactId}", ids={"contactId": contact_id}, json=body, scope=_WRITE
    )


def upsert_contact(
    api: ApiProfile,
    location_id: str,
    *,
    fields: Mapping[str, object],
    custom_fields: Mapping[str, object] | None = None,
    dnd_settings: Mapping[str, Mapping[str, str]] | None = None,
) -> ApiRequest:
    """Change the contact with this email or phone, else make one. A location may allow duplicates: not repeatable."""
    body = _contact_body(api, fields=fields, custom_fields=custom_fields, dnd_settings=dnd_settings)
    body["locationId"] = checked_id("locationId", location_id)
    return api_request(api, "POST /contacts/upsert", json=body, scope=_WRITE)


def add_tags(api: ApiProfile, contact_id: str, tags: Sequence[str]) -> ApiRequest:
    """Add tags, keep the others. Twice is once."""
    return api_request(
        api,
        "POST /contacts/{contactId}/tags",
        ids={"contactId": contact_id},
        json={"tags": _some_tags(tags)},
        scope=_WRITE,
        repeatable=True,
    )


def remove_tags(api: ApiProfile, contact_id: str, tags: Sequence[str]) -> ApiRequest:
    """Take tags away, keep the others. A DELETE with a body."""
    return api_request(
        api,
        "DELETE /contacts/{contactId}/tags",
        ids={"contactId": contact_id},
        json={"tags": _some_tags(tags)},
        scope=_WRITE,
    )


def search_contacts(
    api: ApiProfile,
    location_id: str,
    *,
    filters: Sequence[Mapping[str, object]] = (),
    sort: Sequence[tuple[str, str]] = (),
    query: str | None = None,
    page: int | None = None,
    search_after: Sequence[object] | None = None,
    page_limit: int = SEARCH_PAGE,
) -> ApiRequest:
    """Contacts that fit; the index lags a few seconds. ``filters``: {field, operator, value} or {group, filters}.

    Pages by number up to SEARCH_DEPTH, or from the ``search_after`` of the last contact seen.
    """
    if query is not None and len(query) > _QUERY_CHARACTERS:
        raise InputError(f"query: at most {_QUERY_CHARACTERS} characters")
    if page is not None and search_after is not None:
        raise InputError("page, search_after: give one of them")
    size = within("page_limit", page_limit, least=1, most=SEARCH_PAGE)
    if page is not None:
        within("page", page, least=1, most=max(1, SEARCH_DEPTH // size))
    body = {
        "locationId": checked_id("locationId", location_id),
        "pageLimit": size,
        "page": 1 if page is None and search_after is None else page,
        "searchAfter": None if search_after is None else list(search_after),
        "query": query,
        "filters": [dict(one) for one in filters] or None,
        "sort": [{"field": field, "direction": direction} for field, direction in sort] or None,
    }
    return api_request(api, "POST /contacts/search", json=body, scope=_READ, repeatable=True)


def create_task(
    api: ApiProfile,
    contact_id: str,
    *,
    title: str,
    due_at: datetime,
    body: str | None = None,
    assigned_to: str | None = None,
    completed: bool = False,
) -> ApiRequest:
    """A to-do at a contact. ``completed`` is always sent: without it the API refuses the task."""
    return api_request(
        api,
        "POST /contacts/{contactId}/tasks",
        ids={"contactId": contact_id},
        json={
            "title": title,
            "dueDate": iso("due_at", due_at),
            "completed": completed,
            "body": body,
            "assignedTo": assigned_to,
        },
        scope=_WRITE,
    )


def list_tasks(api: ApiProfile, contact_id: str) -> ApiRequest:
    """Every task of a contact."""
    return api_request(api, "GET /contacts/{contactId}/tasks", ids={"contactId": contact_id}, scope=_READ)


def create_note(
    api: ApiProfile, contact_id: str, *, body: str, user_id: str | None = None, title: str | None = None
) -> ApiRequest:
    """A note at a contact."""
    return api_request(
        api,
        "POST /contacts/{contactId}/notes",
        ids={"contactId": contact_id},
        json={"body": body, "userId": user_id, "title": title},
        scope=_WRITE,
    )


def list_notes(api: ApiProfile, contact_id: str) -> ApiRequest:
    """Every note of a contact."""
    return api_request(api, "GET /contacts/{contactId}/notes", ids={"contactId": contact_id}, scope=_READ)


def list_contact_appointments(api: ApiProfile, contact_id: str) -> ApiRequest:
    """Every appointment of a contact."""
    return api_request(
        api, "GET /contacts/{contactId}/appointments", ids={"contactId": contact_id}, scope=_READ
    )


def add_to_workflow(
    api: ApiProfile, contact_id: str, workflow_id: str, *, event_at: datetime | None = None
) -> ApiRequest:
    """Start a workflow for a contact; ``event_at`` is what its waits count from."""
    return _workflow(api, "POST", contact_id, workflow_id, event_at=event_at)


def remove_from_workflow(
    api: ApiProfile, contact_id: str, workflow_id: str, *, event_at: datetime | None = None
) -> ApiRequest:
    """Stop a workflow for a contact."""
    return _workflow(api, "DELETE", contact_id, workflow_id, event_at=event_at)


def _workflow(
    api: ApiProfile, method: str, contact_id: str, workflow_id: str, *, event_at: datetime | None
) -> ApiRequest:
    return api_request(
        api,
        f"{method} /contacts/{{contactId}}/workflow/{{workflowId}}",
        ids={"contactId": contact_id, "workflowId": workflow_id},
        json={"eventStartTime": None if event_at is None else iso("event_at", event_at)},
        scope=_WRITE,
    )


def _contact_body(
    api: ApiProfile,
    *,
    fields: Mapping[str, object] | None,
    custom_fields: Mapping[str, object] | None,
    dnd_settings: Mapping[str, Mapping[str, str]] | None,
) -> dict[str, object]:
    body = dict(fields or {})
    if "tags" in body:
        raise InputError(
            "tags: this call would replace all tags of the contact; add or remove them one by one"
        )
    value_key = api.named("field_value")
    body |= given(
        {
            "customFields": None
            if custom_fields is None
            else [
                {"id": checked_id("customFields", key), value_key: value}
                for key, value in custom_fields.items()
            ],
            "dndSettings": None
            if dnd_settings is None
            else {_dnd_key(api, channel): dict(entry) for channel, entry in dnd_settings.items()},
        }
    )
    return body


def _dnd_key(api: ApiProfile, channel: str) -> str:
    if channel not in _DND_KEYS:
        raise InputError(f"dnd_settings: no channel {channel!r}; choose one of {', '.join(_DND_KEYS)}")
    return channel if api is ApiProfile.V3 else _DND_KEYS[channel]


def _some_tags(tags: Sequence[str]) -> list[str]:
    if not tags or not all(tag.strip() for tag in tags):
        raise InputError("tags: give at least one, none empty")
    return list(tags)
