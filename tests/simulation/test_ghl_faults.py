"""The fake's bad days: refusals, failures, lost and slow answers, inactive locations, a wrong clock."""

from __future__ import annotations

from dataclasses import fields
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ghl_real_estate_ai.simulation.ghl_knobs import Faults, Habits
from tests.support.clock import FakeClock
from tests.support.fake_ghl import FakeGhl, fake_ghl

pytestmark = pytest.mark.asyncio


async def tag(fake: FakeGhl, http: httpx.AsyncClient, name: str) -> int:
    """A write whose effect can be counted."""
    return (await http.post(f"/locations/{fake.location_id}/tags", json={"name": name})).status_code


async def test_refusals_and_failures_are_counted_down_and_nothing_is_done() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fake.faults.refuse_next, fake.faults.fail_next = 2, 1
        assert [await tag(fake, http, str(n)) for n in range(4)] == [429, 429, 503, 200]
        assert list(fake.home.tags) == ["3"]


async def test_a_share_of_calls_fails() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fake.faults.fail_share = 0.5
        codes = [await tag(fake, http, "x") for _ in range(60)]
        assert 15 < codes.count(503) < 45
        assert set(codes) == {200, 503}


async def test_a_lost_answer_means_that_it_was_done() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fake.faults.lose_next = 1
        with pytest.raises(httpx.RemoteProtocolError):
            await tag(fake, http, "done")
        assert list(fake.home.tags) == ["done"]
        assert await tag(fake, http, "more") == 200


async def test_a_silently_lost_answer_leaves_the_client_waiting() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fake.faults.lose_next, fake.faults.lose_silently = 1, True
        http.timeout = httpx.Timeout(0.2)
        with pytest.raises(httpx.ReadTimeout):
            await tag(fake, http, "done")
        assert list(fake.home.tags) == ["done"]


async def test_a_500_may_come_after_it_was_done() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fake.faults.fail_after_next = 1
        assert await tag(fake, http, "done") == 500
        assert list(fake.home.tags) == ["done"]


async def test_faults_touch_only_the_calls_they_are_for() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fake.faults.fail_share, fake.faults.only_method, fake.faults.only_path = 1.0, "POST", "/tags"
        assert await tag(fake, http, "x") == 503
        assert (await http.get(f"/locations/{fake.location_id}/tags")).status_code == 200
        assert (
            await http.post("/contacts/search", json={"locationId": fake.location_id, "pageLimit": 1})
        ).status_code == 200


async def test_every_call_is_noted_with_owner_and_status() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fake.faults.fail_next = 1
        path = f"/locations/{fake.location_id}"
        await http.get(path)
        await http.get(path)
        await http.get(path, headers={"Authorization": "Bearer nobody"})
        await http.get("/_fake/state")
        noted = [(call.owner, call.method, call.path, call.status) for call in fake.vendor.calls]
        place = fake.location_id
        assert noted == [(place, "GET", path, 503), (place, "GET", path, 200), ("", "GET", path, 401)]


async def test_answers_can_be_slow() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fake.faults.slow_s = 0.3
        http.timeout = httpx.Timeout(0.1)
        with pytest.raises(httpx.ReadTimeout):
            await tag(fake, http, "x")


async def test_an_inactive_location_is_a_400_for_calls_and_refreshes() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        issued = fake.vendor.authority.exchange(fake.code())
        fake.faults.inactive_locations = [fake.location_id]
        answer = await http.get(f"/locations/{fake.location_id}")
        assert (answer.status_code, answer.json()["message"]) == (400, "Location is not active")
        form = {"client_id": fake.client_id, "client_secret": fake.client_secret, "grant_type": "refresh_token",
                "refresh_token": issued.refresh}  # fmt: skip
        refresh = await http.post("/oauth/token", data=form, headers={"Version": "2021-07-28"})
        assert (refresh.status_code, refresh.json()["message"]) == (400, "Location is not active")
        fake.faults.inactive_locations = []
        assert (
            await http.post("/oauth/token", data=form, headers={"Version": "2021-07-28"})
        ).status_code == 200


async def test_a_wrong_clock_shows_in_the_date_header_and_in_stamps() -> None:
    clock = FakeClock()
    async with fake_ghl(now=clock.now) as fake, fake.api() as http:
        fake.faults.clock_skew_s = 3_600
        answer = await http.post("/contacts/", json={"locationId": fake.location_id, "firstName": "Ann"})
        ahead = parsedate_to_datetime(answer.headers["Date"]) - clock.now()
        assert ahead.total_seconds() == 3_600
        assert answer.json()["contact"]["dateAdded"] == "2026-03-02T13:00:00.000Z"


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("faults", {"refuse_later": 1}, "refuse_later"),
        ("faults", {"refuse_next": "many"}, "refuse_next"),
        ("faults", {"refuse_next": True}, "refuse_next"),
        ("habits", {"nested_messages": 1}, "nested_messages"),
        ("faults", [], "object"),
    ],
)
async def test_a_wrong_knob_is_named_and_turns_nothing(path: str, body: Any, word: str) -> None:
    async with fake_ghl() as fake, fake.api() as http:
        answer = await http.post(f"/_fake/{path}", json=body)
        assert (answer.status_code, word in answer.json()["message"]) == (400, True)
        assert fake.faults.refuse_next == 0


async def test_knobs_are_turned_and_reset_over_http() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        assert (await http.post("/_fake/faults", json={"refuse_next": 1, "slow_s": 0})).json()[
            "refuse_next"
        ] == 1
        assert (await http.post("/_fake/habits", json={"index_lag_s": 3})).json()["index_lag_s"] == 3
        state = (await http.get("/_fake/state")).json()
        assert (state["simulated"], state["faults"]["refuse_next"]) == (True, 1)
        await http.delete("/_fake/faults")
        assert await tag(fake, http, "x") == 200
        assert (await http.post("/_fake/faults", content=b"{")).status_code == 400


async def test_every_knob_is_on_its_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "fake-gohighlevel.md").read_text()
    missing = [
        knob.name for kind in (Habits, Faults) for knob in fields(kind) if f"`{knob.name}`" not in page
    ]
    assert missing == []
