"""The whole way of a verdict: wishes by webhook, homes by import, a click over HTTP, other matches on the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
import pytest_asyncio

from ghl_real_estate_ai.models.events import ListingJudged
from ghl_real_estate_ai.models.identifiers import EventId, LeadId
from ghl_real_estate_ai.models.leads import Role
from tests.support.gateway import Gateway, eventually, furnish, served, settings_for, user_of
from tests.support.ghl import GhlSigner

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.untraced]

AGENT, MANAGER = user_of(Role.AGENT), user_of(Role.MANAGER)
LEAD = LeadId("ana")
WISH_FIELDS = {"f-city": "city", "f-features": "features"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    signer = GhlSigner()
    settings = settings_for(tmp_path_factory.mktemp("house"), signer).model_copy(
        update={"ghl_wish_fields": WISH_FIELDS}
    )
    async with served(settings, signer) as running:
        await furnish(running.services)
        yield running


def home(key: str, *, garage: int, pool: bool) -> dict[str, object]:
    return {
        "ListingKey": key, "ListPrice": 400_000, "City": "Marfa", "UnparsedAddress": f"{key} Elm St, Marfa",
        "GarageSpaces": garage, "PoolPrivateYN": pool,
    }  # fmt: skip


def shown(matches: Iterable[dict[str, Any]]) -> list[str]:
    homes = [match["listing"] for match in matches]  # streams use our names, REST those of RESO
    return [one.get("listing_key") or one["ListingKey"] for one in homes]


async def test_homes_without_a_garage_are_passed_on_and_homes_with_one_come_forward(house: Gateway) -> None:
    batch = [
        *(home(f"A{n}", garage=0, pool=True) for n in range(5)),
        *(home(f"B{n}", garage=2, pool=False) for n in range(5)),
    ]
    await house.post("/v1/listings", MANAGER, {"value": batch})
    fields = [{"id": "f-city", "value": "Marfa"}, {"id": "f-features", "value": ["garage", "pool"]}]
    await house.deliver("ContactCreate", id="ana", name="Ana Diaz", customFields=fields)

    async def known() -> list[str]:
        detail = (await house.get("/v1/leads/ana", AGENT)).json()
        return shown(((detail.get("intelligence") or {}).get("matches") or {}).get("value") or ())

    async def matched() -> bool:
        return len(await known()) == 5

    await eventually(matched)
    assert await known() == [f"A{n}" for n in range(5)]

    async with house.live(AGENT) as client:
        await client.say({"subscribe": [{"stream": "property_matches"}]})
        await client.hear_until(lambda message: "subscribed" in message)
        for n in range(4):
            answer = await house.post(f"/v1/leads/ana/listings/A{n}/judgement", AGENT, {"verdict": "pass"})
            assert answer.status_code == 202

        def without_the_passed(message: dict[str, Any]) -> bool:
            item = message.get("e", {})
            found = (
                shown((item.get("matches") or {}).get("value") or ()) if item.get("lead_id") == "ana" else []
            )
            return bool(found) and not {f"A{n}" for n in range(4)} & set(found)

        heard = await client.hear_until(without_the_passed)
    assert shown(heard["e"]["matches"]["value"])[0] == "B0"

    async def all_four_are_learnt_from() -> bool:  # three may have moved the last one out of sight already
        learned = (await house.get("/v1/leads/ana/matches", AGENT)).json()["learned"][0]
        assert learned["wish"] == "feature:garage"
        return "passed on 4 homes" in learned["reason"]

    await eventually(all_four_are_learnt_from)
    full = (await house.get("/v1/leads/ana/matches", AGENT)).json()
    assert "A0" not in shown(full["matches"])

    await house.post("/v1/leads/ana/listings/B1/judgement", AGENT, {"verdict": "like"})
    for n in range(4):
        await house.post(f"/v1/leads/ana/listings/A{n}/judgement", AGENT, {"verdict": "undo"})

    async def undone() -> bool:
        full = (await house.get("/v1/leads/ana/matches", AGENT)).json()
        verdicts = {match["listing"]["ListingKey"]: match["verdict"] for match in full["matches"]}
        return len(verdicts) == 10 and verdicts["B1"] == "like" and verdicts["A0"] is None

    await eventually(undone)


async def test_a_verdict_keeps_what_the_home_offered_when_it_was_given(house: Gateway) -> None:
    answer = await house.post("/v1/leads/ana/listings/B3/judgement", AGENT, {"verdict": "like"})
    event_id = EventId(answer.json()["event_id"])
    kept = await house.services.memory.read(lambda uow: uow.events.get(AGENT.location_id, event_id))
    assert kept is not None
    assert isinstance(kept.event, ListingJudged)
    assert kept.event.closeness == {"city": 1.0, "feature:garage": 1.0, "feature:pool": 0.0}
    assert kept.event.shown_rank is not None
    assert kept.event.score is not None


async def test_what_was_learnt_survives_a_restart_because_it_is_in_the_log(house: Gateway) -> None:
    answer = await house.post("/v1/leads/ana/listings/B2/judgement", AGENT, {"verdict": "pass"})
    assert answer.status_code == 202, answer.text
    position = answer.json()["position"]

    async def handled() -> bool:
        lead = await house.services.memory.read(lambda uow: uow.leads.get(AGENT.location_id, LEAD))
        return lead is not None and lead.position >= position

    await eventually(handled)
    lead = await house.services.memory.read(lambda uow: uow.leads.get(AGENT.location_id, LEAD))
    assert lead is not None
    assert {key: judged.verdict for key, judged in lead.judged.items() if judged.verdict != "undo"} == {
        "B1": "like",
        "B2": "pass",
        "B3": "like",
    }
