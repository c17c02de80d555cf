"""The list of leads, and one lead whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from ghl_real_estate_ai.limits import PAGE_ROWS
from ghl_real_estate_ai.ml.churn_risk import KNOWN_FOR
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.services.single_flight import SingleFlight
from tests.support.gateway import AWAY, HOME, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT = user_of(Role.AGENT)


async def listed(gateway: Gateway, **params: str | int) -> list[dict[str, Any]]:
    response = await gateway.get("/v1/leads", AGENT, **params)
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()["items"]
    return rows


async def action_of(gateway: Gateway, lead_id: str) -> str:
    detail = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()
    action_id: str = detail["intelligence"]["next_action"]["action_id"]
    return action_id


async def test_a_lead_is_listed_with_what_is_concluded_of_it(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Olga Listed")
    (row,) = await listed(gateway, q="olga LIST")
    assert (row["lead_id"], row["name"], row["simulated"], row["deleted"]) == (
        lead_id,
        "Olga Listed",
        False,
        False,
    )
    assert row["last_activity_at"].startswith("2026-11-23T12:00:00")
    assert 0 <= row["intelligence"]["score"]["value"]["probability"] <= 1
    assert row["intelligence"]["cause"]["event_type"] == "MessageReceived"


async def test_pages_follow_each_other_without_overlap(gateway: Gateway) -> None:
    for number in range(3):
        await gateway.deliver("ContactCreate", id=f"paged-{number}", name=f"Paged {number}")

    async def all_there() -> bool:
        return len(await listed(gateway, q="paged")) == 3

    await eventually(all_there)
    first, second = (
        await listed(gateway, q="paged", limit=2),
        await listed(gateway, q="paged", limit=2, offset=2),
    )
    assert len(first) == 2
    assert {row["lead_id"] for row in (*first, *second)} == {"paged-0", "paged-1", "paged-2"}


async def test_wildcards_in_the_query_are_letters(gateway: Gateway) -> None:
    percent = await gateway.lead("Hundred 100% Sure")
    for query in ("%", "100%"):
        assert [row["lead_id"] for row in await listed(gateway, q=query)] == [percent]
    for query in ("_undred", "H%d", "' OR 1=1 --", "\\"):
        assert await listed(gateway, q=query) == []


async def test_a_lead_is_found_by_a_part_of_the_phone_however_it_is_written(gateway: Gateway) -> None:
    await gateway.deliver("ContactCreate", id="rung", name="Rung Up", phone="+1 512 555 0142")

    async def found() -> bool:
        return [row["lead_id"] for row in await listed(gateway, q="0142")] == ["rung"]

    await eventually(found)
    for query in ("(512) 555-0142", "+15125550142", "555 0142"):
        assert [row["lead_id"] for row in await listed(gateway, q=query)] == ["rung"], query
    assert await listed(gateway, q="(512) 555-0143") == []


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": PAGE_ROWS + 1}, "limit"),
        ({"offset": -1}, "offset"),
        ({"q": "x" * 101}, "q"),
    ],
)
async def test_an_unusable_parameter_is_named(
    gateway: Gateway, params: dict[str, str | int], field: str
) -> None:
    response = await gateway.get("/v1/leads", AGENT, **params)
    assert response.status_code == 400
    assert field in response.json()["error"]["message"]


async def test_one_lead_is_shown_with_timeline_conversation_and_reasons(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Whole")
    detail = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()
    assert detail["lead"]["name"] == detail["lead"]["contact"]["name"] == "Ana Whole"
    assert detail["lead"]["stage"] == "new"
    assert detail["lead"]["wishes"]["city"] is None
    positions = [entry["position"] for entry in detail["timeline"]]
    assert positions == sorted(positions, reverse=True)
    lines = {entry["type"]: entry["summary"] for entry in detail["timeline"]}
    assert lines["MessageReceived"] == "lead's sms message"
    assert lines["LeadUpserted"].startswith("new lead")
    assert "Ana" not in lines["LeadUpserted"]
    assert [(said["direction"], said["text"]) for said in detail["conversation"]] == [
        ("inbound", "Can I see it on Sunday?")
    ]
    for reasons in detail["reasons"].values():
        assert "base" in reasons
        assert len(reasons) > 3


async def test_a_lead_that_is_not_there_is_not_found(gateway: Gateway) -> None:
    response = await gateway.get("/v1/leads/nobody", AGENT)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


async def test_what_the_lead_thinks_of_homes_is_told_with_it(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Judges")
    homes = [{"ListingKey": key, "ListPrice": 400_000, "City": "Marfa"} for key in ("D1", "D2")]
    await gateway.post("/v1/listings", user_of(Role.MANAGER), {"value": homes})
    for key, verdict in (("D1", "like"), ("D2", "pass"), ("D2", "undo")):
        await gateway.post(f"/v1/leads/{lead_id}/listings/{key}/judgement", AGENT, {"verdict": verdict})

    async def told() -> bool:
        detail = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()
        return bool(detail["judged"] == {"D1": "like"} and len(detail["timeline"]) >= 5)

    await eventually(told)


async def test_the_timeline_names_a_home_by_its_address(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Strolls")
    homes = [
        {"ListingKey": "F1", "ListPrice": 400_000, "City": "Marfa", "UnparsedAddress": "12 Oak St"},
        {"ListingKey": "F2", "ListPrice": 400_000, "City": "Marfa"},
    ]
    await gateway.post("/v1/listings", user_of(Role.MANAGER), {"value": homes})
    for key in ("F1", "F2"):
        await gateway.post(f"/v1/leads/{lead_id}/listings/{key}/judgement", AGENT, {"verdict": "like"})

    async def told() -> bool:
        timeline = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()["timeline"]
        return {entry["home"] for entry in timeline} == {"12 Oak St", "F2", None}

    await eventually(told)


async def test_homes_and_calls_are_told_by_the_names_that_the_streams_use(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Looks")
    home = {"ListingKey": "E1", "ListPrice": 400_000, "City": "Alpine"}
    await gateway.post("/v1/listings", user_of(Role.MANAGER), {"value": [home]})
    await gateway.post(f"/v1/leads/{lead_id}/wishes", AGENT, {"wishes": {"city": "Alpine"}})

    async def told() -> bool:
        detail = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()
        homes = [match["listing"] for match in detail["intelligence"]["matches"]["value"] or []]
        return [(one["ListingKey"], one["ListPrice"]) for one in homes] == [("E1", "400000")]

    await eventually(told)
    (said,) = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()["conversation"]
    assert said["call_seconds"] is None


async def test_an_answer_in_the_timeline_says_who_gave_it(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Wishes")
    before = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()["timeline"]
    assert {(entry["user_id"], entry["by"]) for entry in before} == {(None, None)}
    await gateway.post(f"/v1/leads/{lead_id}/wishes", AGENT, {"wishes": {"city": "Marfa"}})

    async def told() -> bool:
        timeline = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()["timeline"]
        by = [(entry["user_id"], entry["by"]) for entry in timeline if entry["type"] == "WishesCorrected"]
        return by == [(AGENT.user_id, AGENT.name)]

    await eventually(told)


# --- what many screens ask at once --------------------------------------------------------------------------------


class AgelessCache:
    """``live_ports.SharedCache`` to which no time passes; counts what is made."""

    def __init__(self) -> None:
        self._within = SingleFlight(seconds=lambda: 0.0)
        self.made: list[str] = []

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[bytes]], *, seconds: float) -> bytes:
        """Made once."""

        async def counting() -> bytes:
            self.made.append(key)
            return await make()

        return await self._within.get_or_make(key, counting, seconds=seconds * 100)


@contextmanager
def ageless_cache(gateway: Gateway) -> Iterator[AgelessCache]:
    cache, services = AgelessCache(), gateway.app.state.services
    gateway.app.state.services = replace(services, cache=cache)
    yield cache
    gateway.app.state.services = services


async def test_a_hundred_who_open_a_lead_at_once_share_one_answer(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Ana Popular")
    with ageless_cache(gateway) as cache:
        answers = await asyncio.gather(*(gateway.get(f"/v1/leads/{lead_id}", AGENT) for _ in range(100)))
        assert {answer.status_code for answer in answers} == {200}
        # On a slow machine the lead may be thought through once more meanwhile: that is another answer, made once too.
        assert len(cache.made) == len(set(cache.made)) < 5
        assert len({answer.text for answer in answers}) <= len(cache.made)
        assert answers[0].headers["content-type"] == "application/json"
        assert (await gateway.get("/v1/leads/nobody", AGENT)).status_code == 404


async def test_tenants_never_share_an_answer(gateway: Gateway) -> None:
    await gateway.deliver("ContactCreate", id="in-both", name="Ana of home")
    await gateway.deliver("ContactCreate", id="in-both", name="Ana of away", location_id=AWAY)
    users = [user_of(Role.AGENT, tenant) for tenant in (HOME, AWAY)]

    async def names(path: str, **params: str | int) -> list[str]:
        answers = await asyncio.gather(*(gateway.get(path, user, **params) for user in users * 10))
        return [answer.text for answer in answers]

    async def are_known() -> bool:
        return all("Ana of" in text for text in await names("/v1/leads", q="Ana of"))

    await eventually(are_known)
    with ageless_cache(gateway) as cache:
        for path in ("/v1/leads/in-both", "/v1/leads"):
            for number, text in enumerate(await names(path)):
                mine, other = ("home", "away") if number % 2 == 0 else ("away", "home")
                assert f"Ana of {mine}" in text
                assert f"Ana of {other}" not in text
        assert len(cache.made) == 4


async def test_what_a_stream_told_of_a_lead_is_in_the_answer_however_many_asked_before(
    gateway: Gateway,
) -> None:
    lead_id = await gateway.lead("Ana Talks")
    with ageless_cache(gateway):
        async with gateway.live(AGENT) as client:
            await client.say({"subscribe": [{"stream": Stream.CONVERSATION_FEED}]})
            await client.hear_until(lambda message: "subscribed" in message)
            for number in range(3):
                said = f"Message {number}"
                assert said not in (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).text
                await gateway.deliver(
                    "InboundMessage",
                    contactId=lead_id,
                    messageType="SMS",
                    direction="inbound",
                    body=said,
                    conversationId=f"c-{lead_id}",
                )
                await client.hear_until(lambda message, said=said: said in json.dumps(message))  # type: ignore[misc]
                assert said in (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).text


async def test_only_the_first_page_is_shared(gateway: Gateway) -> None:
    with ageless_cache(gateway) as cache:
        for params in ({"q": "a"}, {"offset": 1}, {"q": ""}):
            await listed(gateway, **params)
        assert cache.made == []
        for limit in (10, 10, 20):
            assert len(await listed(gateway, limit=limit)) <= limit
        assert len(cache.made) == 2


async def test_the_risk_curve_shows_fourteen_days_of_silence_ahead(gateway: Gateway) -> None:
    lead_id = await gateway.lead("Silvia Silent")
    curve = (await gateway.get(f"/v1/leads/{lead_id}/risk-curve", AGENT)).json()
    risks = [point["probability"] for point in curve["points"]]
    assert len(risks) == 57
    assert risks == sorted(risks)
    assert risks[0] < risks[-1]
    shown = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()["intelligence"]["churn"]["value"]
    assert curve["crossings"] == shown["crossings"]
    detail = (await gateway.get(f"/v1/leads/{lead_id}", AGENT)).json()
    first_at = datetime.fromisoformat(detail["timeline"][-1]["at"])
    assert datetime.fromisoformat(curve["stages_from"]) == first_at + KNOWN_FOR
    missing = await gateway.get("/v1/leads/nobody/risk-curve", AGENT)
    assert missing.status_code == 404
