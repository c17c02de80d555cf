"""A lead's matches over HTTP: as many as asked for, by the wishes of now, with the ways to more."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ghl_real_estate_ai.limits import PAGE_ROWS
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.leads import Lead, Role
from ghl_real_estate_ai.models.properties import Wishes
from tests.support.gateway import AWAY, HOME, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT, MANAGER = user_of(Role.AGENT), user_of(Role.MANAGER)


async def a_lead(gateway: Gateway, lead_id: str, wishes: Wishes) -> str:
    lead = Lead(location_id=HOME, lead_id=LeadId(lead_id), wishes=wishes)
    await gateway.services.memory.write(lambda uow: uow.leads.put(lead, None))
    return f"/v1/leads/{lead_id}/matches"


def home(key: str, price: int, **fields: object) -> dict[str, object]:
    return {"ListingKey": key, "ListPrice": price, "City": "Marfa", "BedroomsTotal": 3, **fields}


async def test_matches_come_best_first_with_the_cheapest_ways_to_more(gateway: Gateway) -> None:
    near = [home(f"M{n}", 404_000) for n in range(3)]
    batch = [home("M-good", 390_000), *near, home("M-far", 600_000)]
    await gateway.post("/v1/listings", MANAGER, {"value": batch})
    path = await a_lead(gateway, "m-ana", Wishes(city="marfa", max_list_price=Decimal(400_000)))

    async def imported() -> bool:
        return len((await gateway.get(path, AGENT)).json()["matches"]) == 4

    await eventually(imported)
    answer = (await gateway.get(path, AGENT)).json()
    assert [(one["match_rank"], one["listing"]["ListingKey"]) for one in answer["matches"]] == [
        (1, "M-good"),
        (2, "M0"),
        (3, "M1"),
        (4, "M2"),
    ]
    assert answer["meeting_all"] == 1
    (change,) = answer["relaxations"]
    assert (change["change"], change["more"]) == ("raise the maximum by $5,000 to $405,000", 3)
    assert change["wishes"]["max_list_price"] == "405000"
    one = (await gateway.get(path, AGENT, k=1)).json()
    assert [match["listing"]["ListingKey"] for match in one["matches"]] == ["M-good"]


async def test_an_import_is_soon_in_the_answer(gateway: Gateway) -> None:
    path = await a_lead(gateway, "m-ben", Wishes(city="Terlingua"))
    assert (await gateway.get(path, AGENT)).json()["matches"] == []
    await gateway.post("/v1/listings", MANAGER, {"value": [home("T1", 1, City="Terlingua")]})

    async def found() -> bool:
        matches = (await gateway.get(path, AGENT)).json()["matches"]
        return [match["listing"]["ListingKey"] for match in matches] == ["T1"]

    await eventually(found)


async def test_without_wishes_there_is_nothing_to_match_or_relax(gateway: Gateway) -> None:
    path = await a_lead(gateway, "m-cho", Wishes())
    answer = (await gateway.get(path, AGENT)).json()
    assert (answer["matches"], answer["meeting_all"], answer["relaxations"]) == ([], 0, [])


async def test_strangers_unknown_leads_and_odd_numbers_get_nothing(gateway: Gateway) -> None:
    path = await a_lead(gateway, "m-dee", Wishes(city="Marfa"))
    assert (await gateway.get(path, user_of(Role.ADMIN, AWAY))).status_code == 404
    assert (await gateway.get("/v1/leads/nobody/matches", AGENT)).status_code == 404
    for k in (0, PAGE_ROWS + 1, "x"):
        assert (await gateway.get(path, AGENT, k=k)).status_code in {400, 422}
