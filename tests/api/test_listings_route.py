"""Importing listings by their RESO names, and looking one up."""

from __future__ import annotations

from typing import Any

import pytest

from ghl_real_estate_ai.limits import LISTING_BATCH_ROWS, LISTING_BODY_BYTES
from ghl_real_estate_ai.models.events import ListingsImported
from ghl_real_estate_ai.models.leads import Role
from tests.support.gateway import AWAY, HOME, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANAGER = user_of(Role.MANAGER)


def home(key: str, **fields: object) -> dict[str, Any]:
    return {"ListingKey": key, "ListPrice": 450_000.50, "City": "Austin", "BedroomsTotal": 3, **fields}


async def test_what_is_imported_can_be_looked_up_by_resos_names(gateway: Gateway) -> None:
    batch = {
        "@odata.context": "x",
        "value": [home("R1", MlsOnlyField="kept out"), home("R2", Simulated=True)],
    }
    response = await gateway.post("/v1/listings", MANAGER, batch)
    assert (response.status_code, response.json()) == (200, {"stored": 2})
    found = (await gateway.get("/v1/listings/R1", user_of(Role.AGENT))).json()
    assert (found["ListingKey"], found["ListPrice"], found["City"]) == ("R1", "450000.5", "Austin")
    assert found["Simulated"] is False
    assert "MlsOnlyField" not in found


async def test_photos_are_imported_by_resos_names_and_only_the_first_travels_with_a_match(
    gateway: Gateway,
) -> None:
    media = [{"MediaURL": f"https://photos.example/{n}.jpg", "Order": n, "MediaKey": "m"} for n in (3, 1, 2)]
    row = home("R6", City="Photoville", Media=media, PhotosCount=12)
    assert (await gateway.post("/v1/listings", MANAGER, {"value": [row]})).status_code == 200
    found = (await gateway.get("/v1/listings/R6", MANAGER)).json()
    assert [one["MediaURL"][-5:] for one in found["Media"]] == ["1.jpg", "2.jpg", "3.jpg"]
    assert found["PhotosCount"] == 12
    lead_id = await gateway.lead("Ana Photos")
    await gateway.post(f"/v1/leads/{lead_id}/wishes", MANAGER, {"wishes": {"city": "Photoville"}})

    async def matched() -> bool:
        known = (await gateway.get(f"/v1/leads/{lead_id}", MANAGER)).json()["intelligence"]
        matches = known["matches"]["value"]
        return bool(matches) and [one["MediaURL"][-5:] for one in matches[0]["listing"]["Media"]] == ["1.jpg"]

    await eventually(matched)


async def test_an_import_is_a_fact_in_the_log_and_replaces_what_was_there(gateway: Gateway) -> None:
    for price in (1, 2):
        await gateway.post("/v1/listings", MANAGER, {"value": [home("R3", ListPrice=price, Simulated=True)]})
    assert (await gateway.get("/v1/listings/R3", MANAGER)).json()["ListPrice"] == "2"
    log = await gateway.services.memory.read(lambda uow: uow.events.read(HOME, after=0, limit=1_000))
    facts = [recorded.event for recorded in log if isinstance(recorded.event, ListingsImported)]
    assert facts[-1].listing_keys == ("R3",)
    assert facts[-1].simulated


@pytest.mark.parametrize(
    ("row", "place"),
    [
        (home("R4", ListPrice=-1), "value[1].ListPrice"),
        (home("R4", StandardStatus="Delete"), "value[1].StandardStatus"),
        (
            home("R4", Media=[{"MediaURL": "https://a.example/1"}, {"MediaURL": "http://a.example/2"}]),
            "value[1].Media[1].MediaURL",
        ),
        (home("R4", Media=[{"MediaURL": "javascript:alert(1)"}]), "value[1].Media[0].MediaURL"),
        (home("R4", PhotosCount=-1), "value[1].PhotosCount"),
        ({"ListingKey": "R4", "ListPrice": 1}, "value[1].City"),
        (7, "value[1]"),
    ],
)
async def test_a_bad_row_is_named_by_index_and_field_and_nothing_is_stored(
    gateway: Gateway, row: object, place: str
) -> None:
    response = await gateway.post("/v1/listings", MANAGER, {"value": [home("R5"), row]})
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(f"{place}: ")
    assert (await gateway.get("/v1/listings/R5", MANAGER)).status_code == 404


@pytest.mark.parametrize("body", [b"", b"[]", b'{"value":[]}', b"not json", b"{}"])
async def test_a_body_that_is_no_batch_is_refused(gateway: Gateway, body: bytes) -> None:
    response = await gateway.http.post("/v1/listings", content=body, headers=gateway.bearer(MANAGER))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_input")


async def test_a_batch_has_a_largest_size_in_rows_and_in_bytes(gateway: Gateway) -> None:
    full = {"value": [home(f"B{number}") for number in range(LISTING_BATCH_ROWS)]}
    assert (await gateway.post("/v1/listings", MANAGER, full)).json() == {"stored": LISTING_BATCH_ROWS}
    full["value"].append(home("one-more"))
    assert (await gateway.post("/v1/listings", MANAGER, full)).status_code == 400
    huge = b" " * (LISTING_BODY_BYTES + 1)
    response = await gateway.http.post("/v1/listings", content=huge, headers=gateway.bearer(MANAGER))
    assert response.status_code == 413


async def test_a_check_tells_what_an_import_would_do_and_stores_nothing(gateway: Gateway) -> None:
    photos = [{"MediaURL": "https://photos.example/1.jpg", "MediaCategory": "Photo"}]
    held = [home("C1", Media=photos), home("C2")]
    await gateway.post("/v1/listings", MANAGER, {"value": held})
    asked = [*held, home("C2", ListPrice=1), home("C3"), {"ListingKey": "C4", "ListPrice": 1}, 7]
    answer = await gateway.post("/v1/listings/check", MANAGER, {"value": asked})
    assert answer.status_code == 200, answer.text
    checked = answer.json()
    assert (checked["new"], checked["changed"], checked["same"]) == (1, 1, 1)
    assert [(one["row"], one["field"]) for one in checked["refused"]] == [(4, "City"), (5, "")]
    assert checked["refused"][0]["reason"] == "Field required"
    assert (await gateway.get("/v1/listings/C3", MANAGER)).status_code == 404
    assert (await gateway.get("/v1/listings/C2", MANAGER)).json()["ListPrice"] == "450000.5"


async def test_a_check_has_the_imports_sizes_and_rights(gateway: Gateway) -> None:
    many = {"value": [home(f"D{number}") for number in range(LISTING_BATCH_ROWS)]}
    assert (await gateway.post("/v1/listings/check", MANAGER, many)).json()["new"] == LISTING_BATCH_ROWS
    assert (await gateway.post("/v1/listings/check", MANAGER, {"value": []})).status_code == 400
    agents = await gateway.post("/v1/listings/check", user_of(Role.AGENT), {"value": [home("D0")]})
    assert agents.status_code == 403


async def test_agents_look_but_do_not_import(gateway: Gateway) -> None:
    response = await gateway.post("/v1/listings", user_of(Role.AGENT), {"value": [home("R6")]})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden")
    assert (
        await gateway.post("/v1/listings", user_of(Role.ADMIN), {"value": [home("R6")]})
    ).status_code == 200


async def test_the_same_key_in_another_tenant_is_another_home(gateway: Gateway) -> None:
    await gateway.post("/v1/listings", MANAGER, {"value": [home("R7", City="Austin")]})
    stranger = user_of(Role.MANAGER, AWAY)
    assert (await gateway.get("/v1/listings/R7", stranger)).status_code == 404
    await gateway.post("/v1/listings", stranger, {"value": [home("R7", City="Waco")]})
    assert (await gateway.get("/v1/listings/R7", MANAGER)).json()["City"] == "Austin"
