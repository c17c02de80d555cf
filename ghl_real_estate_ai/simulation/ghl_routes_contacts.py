"""The fake's contacts: read, write, upsert, search, tags, workflows. Served by ghl_server.py."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.responses import Response

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_account import WORKFLOW_ID, Body
from ghl_real_estate_ai.simulation.ghl_answers import (
    appointment_shown,
    contact_fields,
    contact_shown,
    merged_customs,
)
from ghl_real_estate_ai.simulation.ghl_requests import JULY, Call, answer, found, needs

router = APIRouter(prefix="/contacts")

Reads = Annotated[Call, needs("contacts.readonly", JULY)]
Writes = Annotated[Call, needs("contacts.write", JULY)]

_NOT_TOLD: Final = ("type", "locationId", "emailLowerCase", "dateUpdated", "lastActivity")


@router.post("/search")
async def search(call: Reads) -> Response:
    """The search language of ghl_search.py."""
    call.required(locationId=str, pageLimit=int)
    page = call.sub_account.contacts.index().find(call.body)
    contacts: list[JsonValue] = [contact_shown(contact, call) for contact in page.contacts]
    return answer({"contacts": contacts, "total": page.total, "traceId": call.sub_account.new_id()})


@router.get("/search/duplicate")
async def duplicate(call: Reads) -> Response:
    """The contact with this email or number, at once and without the index."""
    contact = call.sub_account.contacts.duplicate_of(call.query.get("email"), call.query.get("number"))
    return answer({"contact": None if contact is None else contact_shown(contact, call)})


@router.post("/upsert")
async def upsert(call: Writes) -> Response:
    """Update the contact with this email or phone, or create one. ``tags`` overwrite all."""
    call.required(locationId=str)
    fields = contact_fields(call.body)
    known = call.sub_account.contacts.duplicate_of(fields.get("email"), fields.get("phone"))
    if known is None or fields.pop("createNewIfDuplicateAllowed", False) is True:
        return answer({"new": True, "contact": contact_shown(_created(call, fields), call)})
    contact = _updated(call, known, fields)
    return answer(
        {"new": False, "contact": contact_shown(contact, call), "traceId": call.sub_account.new_id()}
    )


@router.post("/")
async def create(call: Writes) -> Response:
    """A new contact; refused when the account knows email or phone."""
    call.required(locationId=str)
    fields = contact_fields(call.body)
    if call.sub_account.contacts.duplicate_of(fields.get("email"), fields.get("phone")) is not None:
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "This location does not allow duplicated contacts.")
    return answer({"contact": contact_shown(_created(call, fields), call)}, HTTPStatus.CREATED)


@router.get("/{contact_id}")
async def read(contact_id: str, call: Reads) -> Response:
    """One contact, as it is now."""
    return answer({"contact": contact_shown(_contact(call, contact_id), call)})


@router.put("/{contact_id}")
async def update(contact_id: str, call: Writes) -> Response:
    """Change fields. ``tags`` overwrite all; custom fields that are not named stay."""
    contact = _updated(call, _contact(call, contact_id), contact_fields(call.body))
    return answer({**call.succeeded(), "contact": contact_shown(contact, call)})


@router.delete("/{contact_id}")
async def delete(contact_id: str, call: Writes) -> Response:
    """Gone, with everything about them."""
    contact = _contact(call, contact_id)
    call.sub_account.remove_contact(contact_id)
    call.sub_account.tell("ContactDelete", _told(contact))
    return answer(call.succeeded())


@router.post("/{contact_id}/tags")
async def add_tags(contact_id: str, call: Writes) -> Response:
    """More tags."""
    tags = _tags(call)
    contact = _contact(call, contact_id)
    return _tagged(call, contact, [*_listed(contact["tags"]), *tags], HTTPStatus.CREATED)


@router.delete("/{contact_id}/tags")
async def remove_tags(contact_id: str, call: Writes) -> Response:
    """Fewer tags. A DELETE with a body."""
    tags = _tags(call)
    contact = _contact(call, contact_id)
    return _tagged(call, contact, [tag for tag in _listed(contact["tags"]) if tag not in tags], HTTPStatus.OK)


@router.post("/{contact_id}/workflow/{workflow_id}")
async def enrol(contact_id: str, workflow_id: str, call: Writes) -> Response:
    """Into a workflow."""
    _contact(call, contact_id)
    found(workflow_id if workflow_id == WORKFLOW_ID else None, "Workflow", workflow_id, call.vendor)
    call.sub_account.enrolled.add((contact_id, workflow_id))
    return answer(call.succeeded())


@router.delete("/{contact_id}/workflow/{workflow_id}")
async def withdraw(contact_id: str, workflow_id: str, call: Writes) -> Response:
    """Out of a workflow."""
    _contact(call, contact_id)
    call.sub_account.enrolled.discard((contact_id, workflow_id))
    return answer(call.succeeded())


@router.get("/{contact_id}/appointments")
async def appointments(contact_id: str, call: Reads) -> Response:
    """The contact's meetings."""
    _contact(call, contact_id)
    meetings = [m for m in call.sub_account.appointments.values() if m.get("contactId") == contact_id]
    return answer({"events": [appointment_shown(meeting) for meeting in meetings]})


# --- changes ------------------------------------------------------------------------------------------------------


def _contact(call: Call, contact_id: str) -> Body:
    return found(call.sub_account.contacts.get(contact_id), "Contact", contact_id, call.vendor)


def _created(call: Call, fields: Body) -> Body:
    contact = call.sub_account.put_contact({"source": "api", **fields}, at=call.vendor.clock.now())
    call.sub_account.tell("ContactCreate", _told(contact))
    return contact


def _updated(call: Call, before: Body, fields: Body) -> Body:
    """Store, and tell of each kind of change in a webhook of its own."""
    if "customFields" in fields:
        fields["customFields"] = merged_customs(before.get("customFields"), fields["customFields"])
    changes = {**fields, "id": before["id"]}
    changes.pop("locationId", None)
    contact = call.sub_account.put_contact(changes, at=call.vendor.clock.now())
    _tell_of_change(call, before, contact)
    return contact


def _tell_of_change(call: Call, before: Body, after: Body) -> None:
    call.sub_account.tell("ContactUpdate", _told(after))
    if before.get("tags") != after.get("tags"):
        call.sub_account.tell("ContactTagUpdate", _told(after))
    if (before.get("dnd"), before.get("dndSettings")) != (after.get("dnd"), after.get("dndSettings")):
        call.sub_account.tell("ContactDndUpdate", _told(after))


def _tagged(call: Call, contact: Body, tags: list[str], status: int) -> Response:
    fresh: list[JsonValue] = [*dict.fromkeys(tags)]
    if fresh != contact["tags"]:
        changed = call.sub_account.put_contact(
            {"id": contact["id"], "tags": fresh}, at=call.vendor.clock.now()
        )
        call.sub_account.tell("ContactTagUpdate", _told(changed))
    return answer({"tags": fresh}, status)


def _tags(call: Call) -> list[str]:
    call.required(tags=list)
    return [str(tag).lower() for tag in _listed(call.body["tags"])]


def _listed(tags: JsonValue) -> list[str]:
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _told(contact: Body) -> Body:
    """A contact as its webhook tells it: flat, with the older keys of ``dndSettings``."""
    told = {name: value for name, value in contact.items() if name not in _NOT_TOLD}
    settings = told.get("dndSettings")
    if isinstance(settings, dict):
        older = {
            "sms": "SMS",
            "email": "Email",
            "call": "Call",
            "whatsApp": "WhatsApp",
            "gmb": "GMB",
            "fb": "FB",
        }
        told["dndSettings"] = {older.get(key, key): value for key, value in settings.items()}
    return told
