"""The fake's custom objects: the schema and the records of property activity. Served by ghl_server.py."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final, cast

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.responses import Response

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_account import ACTIVITY_KEY, ACTIVITY_OBJECT_ID, Body
from ghl_real_estate_ai.simulation.ghl_clock import milliseconds
from ghl_real_estate_ai.simulation.ghl_requests import JULY, Call, answer, found, needs
from ghl_real_estate_ai.simulation.scribe import stamp

router = APIRouter(prefix="/objects")

Schemas = Annotated[Call, needs("objects/schema.readonly", JULY)]
Reads = Annotated[Call, needs("objects/record.readonly", JULY)]
Writes = Annotated[Call, needs("objects/record.write", JULY)]

_PAGE_MOST: Final = 500
_LONG_AGO: Final = "2026-01-01T00:00:00.000Z"


@router.get("/")
async def schemas(call: Schemas) -> Response:
    """The one custom object."""
    schema: Body = {
        "id": ACTIVITY_OBJECT_ID,
        "standard": False,
        "key": ACTIVITY_KEY,
        "labels": {"singular": "Property activity", "plural": "Property activities"},
        "description": "What leads did on the brokerage's site (simulated)",
        "locationId": call.sub_account.location_id,
        "primaryDisplayProperty": f"{ACTIVITY_KEY}.event",
        "dateAdded": _LONG_AGO,
        "dateUpdated": _LONG_AGO,
    }
    return answer({"objects": [schema]})


@router.post("/{schema_key}/records/search")
async def search(schema_key: str, call: Reads) -> Response:
    """Records, newest first; ``query`` is ``property:value``. The order is our guess: no document tells it."""
    _known(schema_key, call)
    call.required(locationId=str, pageLimit=int)
    limit, page = int(str(call.body["pageLimit"])), call.body.get("page", 1)
    if not 1 <= limit <= _PAGE_MOST:
        raise VendorRefusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, [f"pageLimit must be a number from 1 to {_PAGE_MOST}"]
        )
    places, first = _wanted(call), 0
    after = call.body.get("searchAfter")
    if isinstance(after, list) and after:
        first = len(places) - bisect_left(places, _cursor(after))
    elif isinstance(page, int) and page > 1:
        first = (page - 1) * limit
    high = max(0, len(places) - first)
    records = [
        call.sub_account.records[record_id] for _, record_id in places[max(0, high - limit) : high][::-1]
    ]
    shown: list[JsonValue] = [{**record, "searchAfter": [_made(record), record["id"]]} for record in records]
    return answer({"records": shown, "total": len(places)})


@router.post("/{schema_key}/records")
async def create(schema_key: str, call: Writes) -> Response:
    """A new record, as a brokerage's site writes one per visit."""
    _known(schema_key, call)
    call.required(properties=dict)
    properties = cast("Body", call.body["properties"])
    record = call.sub_account.put_record(properties, at=call.vendor.clock.now())
    entries: list[JsonValue] = [{"key": key, "valueString": str(value)} for key, value in properties.items()]
    told: Body = {"id": record["id"], "owners": [], "followers": [], "properties": entries}
    call.sub_account.tell("RecordCreate", told)
    return answer({"record": _shown(record)}, HTTPStatus.CREATED)


@router.get("/{schema_key}/records/{record_id}")
async def read(schema_key: str, record_id: str, call: Reads) -> Response:
    """One record."""
    _known(schema_key, call)
    return answer(
        {"record": _shown(found(call.sub_account.records.get(record_id), "Record", record_id, call.vendor))}
    )


def _shown(record: Body) -> Body:
    """One record alone tells its times by other names than a page of them."""
    names = ("id", "owner", "followers", "properties")
    shown = {name: record[name] for name in names}
    return {**shown, "dateAdded": record["createdAt"], "dateUpdated": record["updatedAt"]}


def _known(schema_key: str, call: Call) -> None:
    if schema_key != ACTIVITY_KEY:
        raise VendorRefusal(HTTPStatus.NOT_FOUND, f"Object with key {schema_key} not found")


def _wanted(call: Call) -> list[tuple[str, str]]:
    """The places of the records that the query means, oldest first."""
    places, query = call.sub_account.record_places, call.body.get("query")
    if not isinstance(query, str) or not query:
        return places
    name, colon, value = query.partition(":")
    asked = (name if colon else "", value if colon else query)
    return [place for place in places if _mentions(call.sub_account.records[place[1]], *asked)]


def _mentions(record: Body, name: str, value: str) -> bool:
    properties = cast("Body", record["properties"])
    held = [properties.get(name)] if name else list(properties.values())
    return any(value.strip().lower() in str(part).lower() for part in held if part is not None)


def _cursor(after: list[JsonValue]) -> tuple[str, str]:
    """The place that a record's ``searchAfter`` means."""
    said = str(after[0])
    if not said.isdigit():
        raise VendorRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, ["searchAfter must be that of a record"])
    return stamp(datetime.fromtimestamp(int(said) / 1_000, UTC)), str(after[-1])


def _made(record: Body) -> int:
    return milliseconds(datetime.fromisoformat(str(record["createdAt"])))
