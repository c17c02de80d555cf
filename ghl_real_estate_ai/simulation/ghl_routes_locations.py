"""The fake's location itself, its custom fields, tags, tasks, users and workflows. Served by ghl_server.py."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.responses import Response

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_account import WORKFLOW_ID, Body, SubAccount
from ghl_real_estate_ai.simulation.ghl_answers import task_shown
from ghl_real_estate_ai.simulation.ghl_requests import JULY, Call, answer, found, needs
from ghl_real_estate_ai.simulation.scribe import Agent, stamp

router = APIRouter()

_MODELS: Final = ("contact", "opportunity", "all")
_LONG_AGO: Final = "2026-01-01T00:00:00.000Z"


@router.get("/locations/{location_id}")
async def location(
    location_id: str, call: Annotated[Call, needs("locations.readonly", JULY, company=True)]
) -> Response:
    """The location."""
    place = call.sub_account
    shown: Body = {
        "id": place.location_id,
        "companyId": place.company_id,
        "name": place.name,
        "country": "US",
        "timezone": "America/Chicago",
        "email": "office@example.com",
        "settings": {"allowDuplicateContact": False, "allowDuplicateOpportunity": False},
    }
    return answer({"location": shown})


@router.get("/locations/{location_id}/customFields")
async def custom_fields(
    location_id: str, call: Annotated[Call, needs("locations/customFields.readonly", JULY)]
) -> Response:
    """Custom fields by model."""
    model = call.query.get("model", "contact")
    if model not in _MODELS:
        raise VendorRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, [f"model must be one of {', '.join(_MODELS)}"])
    fields = [f for f in call.sub_account.custom_fields.values() if model in {"all", f["model"]}]
    return answer({"customFields": [*fields]})


@router.post("/locations/{location_id}/customFields")
async def create_custom_field(
    location_id: str, call: Annotated[Call, needs("locations/customFields.write", JULY)]
) -> Response:
    """A new custom field."""
    call.required(name=str, dataType=str)
    name, model = str(call.body["name"]), str(call.body.get("model", "contact"))
    key = f"{model}.{name.lower().replace(' ', '_')}"
    if any(field["fieldKey"] == key for field in call.sub_account.custom_fields.values()):
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, f"{key} already exists.")
    field_id = call.sub_account.new_id()
    field: Body = {
        "id": field_id,
        "name": name,
        "fieldKey": key,
        "dataType": call.body["dataType"],
        "placeholder": call.body.get("placeholder", ""),
        "position": len(call.sub_account.custom_fields) * 50,
        "locationId": location_id,
        "model": model,
    }
    call.sub_account.custom_fields[field_id] = field
    return answer({"customField": field}, HTTPStatus.CREATED)


@router.get("/locations/{location_id}/customFields/{field_id}")
async def custom_field(
    location_id: str, field_id: str, call: Annotated[Call, needs("locations/customFields.readonly", JULY)]
) -> Response:
    """One custom field."""
    return answer({"customField": _field(call, field_id)})


@router.put("/locations/{location_id}/customFields/{field_id}")
async def rename_custom_field(
    location_id: str, field_id: str, call: Annotated[Call, needs("locations/customFields.write", JULY)]
) -> Response:
    """Another name; the key stays."""
    call.required(name=str)
    field = _field(call, field_id) | {"name": call.body["name"]}
    call.sub_account.custom_fields[field_id] = field
    return answer({"customField": field})


def _field(call: Call, field_id: str) -> Body:
    return found(call.sub_account.custom_fields.get(field_id), "Custom field", field_id, call.vendor)


@router.get("/locations/{location_id}/tags")
async def tags(location_id: str, call: Annotated[Call, needs("locations/tags.readonly", JULY)]) -> Response:
    """Every tag that the location knows."""
    known: list[JsonValue] = [_tag(call.sub_account, name) for name in sorted(call.sub_account.tags)]
    return answer({"tags": known})


@router.post("/locations/{location_id}/tags")
async def create_tag(
    location_id: str, call: Annotated[Call, needs("locations/tags.write", JULY)]
) -> Response:
    """A tag that nobody has yet."""
    call.required(name=str)
    name = str(call.body["name"]).lower()
    call.sub_account.tags.setdefault(name, call.sub_account.new_id())
    return answer({"tag": _tag(call.sub_account, name)})


def _tag(sub_account: SubAccount, name: str) -> Body:
    return {"name": name, "locationId": sub_account.location_id, "id": sub_account.tags[name]}


@router.post("/locations/{location_id}/tasks/search")
async def search_tasks(
    location_id: str, call: Annotated[Call, needs("locations/tasks.readonly", JULY)]
) -> Response:
    """Tasks of the whole location."""
    body = call.body
    people, owners, done = body.get("contactId"), body.get("assignedTo"), body.get("completed")
    tasks = [
        task
        for task in call.sub_account.tasks.values()
        if (not isinstance(people, list) or task["contactId"] in people)
        and (not isinstance(owners, list) or task.get("assignedTo") in owners)
        and (done is None or task["completed"] == done)
    ]
    skip, limit = body.get("skip", 0), body.get("limit", 25)
    first = skip if isinstance(skip, int) else 0
    page = tasks[first : first + (limit if isinstance(limit, int) else 25)]
    return answer({"tasks": [task_shown(task) for task in page]})


@router.get("/users/search")
async def search_users(call: Annotated[Call, needs("users.readonly", JULY, company=True)]) -> Response:
    """The company's people."""
    if not call.query.get("companyId"):
        raise VendorRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, ["companyId must be a string"])
    if call.query["companyId"] != call.sub_account.company_id:
        raise VendorRefusal(HTTPStatus.FORBIDDEN, "The token does not have access to this company.")
    people = [_user(agent, call.sub_account) for agent in call.sub_account.users]
    return answer({"users": [*people], "count": len(people)})


@router.get("/users/")
async def users(call: Annotated[Call, needs("users.readonly", JULY, only=JULY)]) -> Response:
    """The location's people; gone in v3."""
    return answer({"users": [_user(agent, call.sub_account) for agent in call.sub_account.users]})


def _user(agent: Agent, sub_account: SubAccount) -> Body:
    first, _, last = agent.name.partition(" ")
    return {
        "id": agent.user_id,
        "name": agent.name,
        "firstName": first,
        "lastName": last,
        "email": agent.email,
        "phone": "",
        "roles": {"type": "account", "role": "user", "locationIds": [sub_account.location_id]},
        "deleted": False,
    }


@router.get("/workflows/")
async def workflows(call: Annotated[Call, needs("workflows.readonly", JULY)]) -> Response:
    """The one workflow that contacts can be put into."""
    workflow: Body = {
        "id": WORKFLOW_ID,
        "name": "Nurture (simulated)",
        "status": "published",
        "version": 1,
        "createdAt": _LONG_AGO,
        "updatedAt": stamp(call.vendor.clock.now()),
        "locationId": call.sub_account.location_id,
    }
    return answer({"workflows": [workflow]})


@router.get("/companies/{company_id}")
async def company(
    company_id: str, call: Annotated[Call, needs("companies.readonly", JULY, company=True)]
) -> Response:
    """The agency."""
    known = company_id if company_id == call.vendor.account.company_id else None
    found(known, "Company", company_id, call.vendor)
    shown: Body = {
        "id": company_id,
        "name": "Simulated Agency",
        "email": "agency@example.com",
        "timezone": "UTC",
    }
    return answer({"company": shown})
