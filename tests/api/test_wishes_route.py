"""An agent corrects a lead's wishes over HTTP: one fact, what was there before for the undo, bad values named."""

from __future__ import annotations

from typing import Any

import pytest

from ghl_real_estate_ai.models.events import WishesCorrected
from ghl_real_estate_ai.models.identifiers import EventId
from ghl_real_estate_ai.models.leads import Role
from tests.support.gateway import AWAY, HOME, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT = user_of(Role.AGENT)


async def correct(gateway: Gateway, lead_id: str, **wishes: Any) -> dict[str, Any]:
    answer = await gateway.post(f"/v1/leads/{lead_id}/wishes", AGENT, {"wishes": wishes})
    assert answer.status_code == 202, answer.text
    fact: dict[str, Any] = answer.json()
    return fact


async def until_wished(gateway: Gateway, lead_id: str, **wishes: Any) -> None:
    async def is_so() -> bool:
        told = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()["lead"]["wishes"]
        return all(told[name] == value for name, value in wishes.items())

    await eventually(is_so)


async def test_a_correction_is_one_fact_and_what_was_before_takes_it_back(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Wishes")
    first = await correct(gateway, lead_id, max_list_price=450_000, city="Marfa", features=["pool"])
    assert first["before"] == {"max_list_price": None, "city": None, "features": []}
    kept = await gateway.services.memory.read(lambda uow: uow.events.get(HOME, EventId(first["event_id"])))
    assert kept is not None
    assert isinstance(kept.event, WishesCorrected)
    assert (kept.position, kept.event.user_id) == (first["position"], AGENT.user_id)
    await until_wished(gateway, lead_id, max_list_price="450000", city="Marfa", features=["pool"])
    second = await correct(gateway, lead_id, city=None, features=None, min_bedrooms=3)
    assert second["before"] == {"city": "Marfa", "features": ["pool"], "min_bedrooms": None}
    await until_wished(gateway, lead_id, city=None, features=[], min_bedrooms=3, max_list_price="450000")
    await correct(gateway, lead_id, **second["before"])
    await until_wished(gateway, lead_id, city="Marfa", features=["pool"], min_bedrooms=None)
    timeline = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()["timeline"]
    assert "wishes corrected: city, features, bedrooms" in {entry["summary"] for entry in timeline}


async def test_of_quick_corrections_each_knows_what_it_replaced_and_the_last_one_counts(
    gateway: Gateway,
) -> None:
    lead_id = await gateway.lead("Ana Hurry")
    before = [(await correct(gateway, lead_id, min_bedrooms=n))["before"]["min_bedrooms"] for n in (2, 3, 4)]
    assert before == [None, 2, 3]
    await until_wished(gateway, lead_id, min_bedrooms=4)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({}, "name at least one"),
        ({"shoe_size": 44}, "no such wish as 'shoe_size'"),
        ({"max_list_price": "cheap, my number is 555"}, "wishes.max_list_price"),
        ({"max_list_price": -1}, "wishes.max_list_price: must be"),
        ({"min_bedrooms": 2.5}, "wishes.min_bedrooms"),
        ({"features": ["moat"]}, "wishes.features"),
        ({"city": "Aus\x00tin"}, "wishes.city: holds the character NUL"),
        ({"min_list_price": 500_000, "max_list_price": 400_000}, "$400,000 is below the minimum of $500,000"),
    ],
)
async def test_an_unusable_wish_is_refused_by_name_without_its_value(
    gateway: Gateway, wishes: dict[str, Any], words: str
) -> None:
    lead_id = await gateway.lead("Ana Odd")
    answer = await gateway.post(f"/v1/leads/{lead_id}/wishes", AGENT, {"wishes": wishes})
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]
    assert "555" not in answer.text


async def test_prices_that_do_not_fit_together_are_told_of_the_one_that_was_changed(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Odd")
    await correct(gateway, lead_id, max_list_price=400_000)
    await until_wished(gateway, lead_id, max_list_price="400000")
    body = {"wishes": {"min_list_price": 500_000}}
    message = (await gateway.post(f"/v1/leads/{lead_id}/wishes", AGENT, body)).json()["error"]["message"]
    assert message.startswith("wishes.min_list_price: $500,000 is above the maximum of $400,000")


async def test_blank_words_take_a_wish_out(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Blank")
    await correct(gateway, lead_id, city="Marfa")
    await correct(gateway, lead_id, city="  ")
    await until_wished(gateway, lead_id, city=None)


async def test_a_lead_that_is_not_there_or_another_tenants_is_not_found(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Here")
    body = {"wishes": {"city": "Marfa"}}
    assert (await gateway.post("/v1/leads/nobody/wishes", AGENT, body)).status_code == 404
    stranger = user_of(Role.ADMIN, AWAY)
    assert (await gateway.post(f"/v1/leads/{lead_id}/wishes", stranger, body)).status_code == 404
