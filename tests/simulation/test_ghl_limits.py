"""The fake's limits have GoHighLevel's numbers and header names, per app and location."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.simulation.ghl_limits import Limits
from tests.support.clock import FakeClock
from tests.support.fake_ghl import fake_ghl


def test_a_hundred_calls_in_ten_seconds_and_not_one_more() -> None:
    clock = FakeClock()
    limits = Limits(lambda: clock.now().timestamp())
    key = ("app", "location")
    allowances = [limits.take(key) for _ in range(101)]
    assert [allowance.granted for allowance in allowances].count(True) == 100
    assert allowances[0].headers == {
        "X-RateLimit-Max": "100",
        "X-RateLimit-Remaining": "99",
        "X-RateLimit-Interval-Milliseconds": "10000",
        "X-RateLimit-Limit-Daily": "200000",
        "X-RateLimit-Daily-Remaining": "199999",
    }
    assert allowances[100].headers["X-RateLimit-Remaining"] == "0"
    assert limits.take(("app", "another")).granted
    clock.set_forward(10)
    assert limits.take(key).granted


def test_the_days_limit_outlasts_the_short_one() -> None:
    clock = FakeClock()
    limits = Limits(lambda: clock.now().timestamp(), per_day=2, retry_after=True)
    key = ("app", "location")
    assert [limits.take(key).granted for _ in range(3)] == [True, True, False]
    clock.set_forward(20)
    assert limits.take(key).headers["Retry-After"] == "86380"
    clock.set_forward(86_380)
    assert limits.take(key).granted


@pytest.mark.asyncio
async def test_over_the_limit_a_call_gets_429_with_the_headers_and_nothing_is_done() -> None:
    clock = FakeClock()
    async with fake_ghl(now=clock.now, limits=True) as fake, fake.api() as http:
        await http.post("/_fake/limits", json={"per_interval": 2, "retry_after": True})
        path = f"/locations/{fake.location_id}/tags"
        assert [(await http.post(path, json={"name": str(n)})).status_code for n in range(3)] == [
            200,
            200,
            429,
        ]
        refused = await http.get(path)
        assert refused.status_code == 429
        assert refused.headers["X-RateLimit-Remaining"] == "0"
        assert refused.headers["Retry-After"] == "10"
        clock.set_forward(10)
        assert len((await http.get(path)).json()["tags"]) == 2


@pytest.mark.asyncio
async def test_limits_that_are_off_refuse_nothing_and_an_unknown_limit_is_named() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fake.vendor.limits.per_interval = 1
        codes = [(await http.get(f"/locations/{fake.location_id}")).status_code for _ in range(3)]
        assert codes == [200, 200, 200]
        answer = await http.post("/_fake/limits", json={"per_week": 1})
        assert (answer.status_code, "per_week" in answer.json()["message"]) == (400, True)
