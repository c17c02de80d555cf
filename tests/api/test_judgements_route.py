"""A click on a home over HTTP: refused in words where it cannot be, one fact where it can."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.models.events import ListingJudged
from ghl_real_estate_ai.models.identifiers import EventId
from ghl_real_estate_ai.models.leads import Role
from tests.support.gateway import AWAY, HOME, Gateway, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT = user_of(Role.AGENT)
HOMES = {"value": [{"ListingKey": "J1", "ListPrice": 400_000, "City": "Marfa"}]}


async def test_a_verdict_is_one_fact_that_says_whose_it_is(gateway: Gateway) -> None:
    lead_id = await gateway.lead()
    await gateway.post("/v1/listings", user_of(Role.MANAGER), HOMES)
    path = f"/v1/leads/{lead_id}/listings/J1/judgement"
    answer = await gateway.post(path, AGENT, {"verdict": "pass", "by": "agent"})
    assert answer.status_code == 202
    event_id = EventId(answer.json()["event_id"])
    kept = await gateway.services.memory.read(lambda uow: uow.events.get(HOME, event_id))
    assert kept is not None
    assert isinstance(kept.event, ListingJudged)
    assert (kept.event.verdict, kept.event.by, kept.event.user_id) == ("pass", "agent", AGENT.user_id)
    assert kept.event.shown_rank is None
    assert (kept.event.closeness, kept.event.score) == ({}, None)  # this lead has stated no wish
    timeline = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()["timeline"]
    assert "passed on a home" in {entry["summary"] for entry in timeline}


@pytest.mark.parametrize(
    ("lead", "home", "body", "status"),
    [
        ("nobody", "J1", {"verdict": "like"}, 404),
        (None, "no-such-home", {"verdict": "like"}, 404),
        (None, "J1", {"verdict": "adore"}, 400),
        (None, "J1", {}, 400),
    ],
)
async def test_what_cannot_be_judged_is_refused(
    gateway: Gateway, lead: str | None, home: str, body: dict[str, str], status: int
) -> None:
    await gateway.post("/v1/listings", user_of(Role.MANAGER), HOMES)
    lead_id = lead or await gateway.lead()
    answer = await gateway.post(f"/v1/leads/{lead_id}/listings/{home}/judgement", AGENT, body)
    assert answer.status_code == status


async def test_another_tenants_lead_and_home_are_not_found(gateway: Gateway) -> None:
    lead_id = await gateway.lead()
    await gateway.post("/v1/listings", user_of(Role.MANAGER), HOMES)
    stranger = user_of(Role.ADMIN, AWAY)
    answer = await gateway.post(f"/v1/leads/{lead_id}/listings/J1/judgement", stranger, {"verdict": "pass"})
    assert answer.status_code == 404
