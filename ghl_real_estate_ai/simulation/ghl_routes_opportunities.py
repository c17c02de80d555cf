"""The fake's deals: search, read, write, status, pipelines. Served by ghl_server.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.responses import Response

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_account import STAGES, Body
from ghl_real_estate_ai.simulation.ghl_answers import opportunity_shown
from ghl_real_estate_ai.simulation.ghl_clock import milliseconds
from ghl_real_estate_ai.simulation.ghl_requests import JULY, Call, answer, found, needs
from ghl_real_estate_ai.simulation.scribe import PIPELINE_ID, stamp

router = APIRouter(prefix="/opportunities")

Reads = Annotated[Call, needs("opportunities.readonly", JULY)]
Writes = Annotated[Call, needs("opportunities.write", JULY)]

_STATUSES: Final = ("open", "won", "lost", "abandoned")
_PAGE_MOST: Final = 100
_FILTERS: Final = (
    ("pipeline_id", "pipelineId"),
    ("pipeline_stage_id", "pipelineStageId"),
    ("contact_id", "contactId"),
    ("assigned_to", "assignedTo"),
)
_WEBHOOKS: Final = (
    ("pipelineStageId", "OpportunityStageUpdate"),
    ("status", "OpportunityStatusUpdate"),
    ("monetaryValue", "OpportunityMonetaryValueUpdate"),
    ("assignedTo", "OpportunityAssignedToUpdate"),
)
_TOLD: Final = (
    "id",
    "contactId",
    "name",
    "pipelineId",
    "pipelineStageId",
    "status",
    "monetaryValue",
    "assignedTo",
    "source",
)


@router.get("/search")
async def search(call: Reads) -> Response:
    """Deals, newest first; pages by ``startAfter`` and ``startAfterId``, or by number."""
    if not call.spelled("location_id", "locationId"):
        name = "locationId" if call.is_v3 else "location_id"
        raise VendorRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, [f"{name} must be a string"])
    deals = sorted((d for d in call.sub_account.opportunities.values() if _is_wanted(d, call)), key=_place)
    if call.query.get("order", "added_desc") != "added_asc":
        deals.reverse()
    limit, first = call.number("limit", 20, most=_PAGE_MOST), 0
    number = call.number("page", 1, most=1_000_000)
    after, after_id = call.query.get("startAfter", ""), call.query.get("startAfterId", "")
    if after.isdigit():
        cursor = (stamp(datetime.fromtimestamp(int(after) / 1_000, UTC)), after_id)
        first = _beyond(deals, cursor, descending=call.query.get("order") != "added_asc")
    elif number > 1:
        first = (number - 1) * limit
    page = deals[first : first + limit]
    shown: list[JsonValue] = [opportunity_shown(deal, call.sub_account, call) for deal in page]
    meta = _meta(call, page, total=len(deals), more=first + limit < len(deals), number=number)
    return answer({"opportunities": shown, "meta": meta})


def _is_wanted(deal: Body, call: Call) -> bool:
    for old, new in _FILTERS:
        asked = call.spelled(old, new)
        if asked and deal.get(new) != asked:
            return False
    status, text = call.query.get("status", "all"), call.query.get("q", "").lower()
    since, until = _day(call, "date"), _day(call, "endDate")
    added = _place(deal)[0]
    return (
        status in {"all", deal["status"]}
        and call.query.get("id", deal["id"]) == deal["id"]
        and text in str(deal["name"]).lower()
        and (since is None or added >= stamp(since))
        and (until is None or added < stamp(until + timedelta(days=1)))
    )


def _day(call: Call, name: str) -> datetime | None:
    """GoHighLevel takes mm-dd-yyyy here."""
    said = call.query.get(name)
    if not said:
        return None
    try:
        return datetime.strptime(said, "%m-%d-%Y").replace(tzinfo=UTC)
    except ValueError:
        raise VendorRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, [f"{name} must be mm-dd-yyyy"]) from None


def _place(deal: Body) -> tuple[str, str]:
    """Stamps of one form sort as their times do."""
    return str(deal["createdAt"]), str(deal["id"])


def _beyond(deals: list[Body], after: tuple[str, str], *, descending: bool) -> int:
    """How many deals lie before the cursor, itself included."""
    return sum((_place(deal) >= after) if descending else (_place(deal) <= after) for deal in deals)


def _meta(call: Call, page: list[Body], *, total: int, more: bool, number: int) -> Body:
    meta: Body = {"total": total, "currentPage": number}
    if number > 1:
        meta["prevPage"] = number - 1
    if page:
        created, deal_id = _place(page[-1])
        at = milliseconds(datetime.fromisoformat(created))
        meta |= {"startAfter": at, "startAfterId": deal_id}
        if more:
            query = {**call.query, "startAfter": at, "startAfterId": deal_id}
            meta |= {"nextPage": number + 1, "nextPageUrl": f"/opportunities/search?{urlencode(query)}"}
    return meta


@router.get("/pipelines")
async def pipelines(call: Reads) -> Response:
    """The one pipeline of the city."""
    stages: list[JsonValue] = [
        {"id": stage, "name": stage.removeprefix("stage-").title(), "position": n}
        for n, stage in enumerate(STAGES)
    ]
    pipeline: Body = {
        "id": PIPELINE_ID,
        "name": "Buyers (simulated)",
        "stages": stages,
        "showInFunnel": True,
        "showInPieChart": True,
        "locationId": call.sub_account.location_id,
    }
    return answer({"pipelines": [pipeline]})


@router.post("/")
async def create(call: Writes) -> Response:
    """A new deal."""
    call.required(pipelineId=str, locationId=str, name=str, status=str, contactId=str)
    _check_status(call)
    contact_id = str(call.body["contactId"])
    found(call.sub_account.contacts.get(contact_id), "Contact", contact_id, call.vendor)
    deal = call.sub_account.put_opportunity({"source": "api", **_writable(call)}, at=call.vendor.clock.now())
    call.sub_account.tell("OpportunityCreate", told(deal))
    return answer({"opportunity": opportunity_shown(deal, call.sub_account, call)}, HTTPStatus.CREATED)


@router.get("/{deal_id}")
async def read(deal_id: str, call: Reads) -> Response:
    """One deal."""
    return answer({"opportunity": opportunity_shown(_deal(call, deal_id), call.sub_account, call)})


@router.put("/{deal_id}")
async def update(deal_id: str, call: Writes) -> Response:
    """Change fields; each kind of change has a webhook of its own."""
    _check_status(call)
    deal = _changed(call, deal_id, _writable(call))
    return answer({"opportunity": opportunity_shown(deal, call.sub_account, call)})


@router.put("/{deal_id}/status")
async def set_status(deal_id: str, call: Writes) -> Response:
    """Won, lost, abandoned or open again."""
    call.required(status=str)
    _check_status(call)
    reason = {"lostReasonId": call.body["lostReasonId"]} if call.body.get("lostReasonId") else {}
    _changed(call, deal_id, {"status": call.body["status"], **reason})
    return answer({"succeded": True, **({"success": True} if call.is_v3 else {})})


@router.delete("/{deal_id}")
async def delete(deal_id: str, call: Writes) -> Response:
    """Gone."""
    deal = _deal(call, deal_id)
    del call.sub_account.opportunities[deal_id]
    call.sub_account.tell("OpportunityDelete", told(deal))
    return answer({"succeded": True, **({"success": True} if call.is_v3 else {})})


def _deal(call: Call, deal_id: str) -> Body:
    return found(call.sub_account.opportunities.get(deal_id), "Opportunity", deal_id, call.vendor)


def _changed(call: Call, deal_id: str, fields: Body) -> Body:
    before = dict(_deal(call, deal_id))
    after = call.sub_account.put_opportunity({**fields, "id": deal_id}, at=call.vendor.clock.now())
    types = [type_ for name, type_ in _WEBHOOKS if before.get(name) != after.get(name)]
    for type_ in types or ["OpportunityUpdate"]:
        call.sub_account.tell(type_, told(after))
    return after


def _writable(call: Call) -> Body:
    return {name: value for name, value in call.body.items() if name not in {"id", "createdAt", "updatedAt"}}


def _check_status(call: Call) -> None:
    said = call.body.get("status")
    if said is not None and said not in _STATUSES:
        raise VendorRefusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, [f"status must be one of {', '.join(_STATUSES)}"]
        )


def told(deal: Body) -> Body:
    """A deal as its webhook tells it: ids only, no names of stages."""
    return {
        **{name: deal[name] for name in _TOLD if deal.get(name) is not None},
        "dateAdded": deal["createdAt"],
    }
