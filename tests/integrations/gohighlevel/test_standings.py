"""What answers tell beside their content: the newest figure of each kind, per account, whichever client was told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ghl_real_estate_ai.integrations.gohighlevel.account import GoHighLevelAccount
from ghl_real_estate_ai.integrations.gohighlevel.client import GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.oauth import GivenToken
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import Quota, RateLimiter
from ghl_real_estate_ai.integrations.gohighlevel.standings import Standing, Standings
from ghl_real_estate_ai.integrations.http import HttpClient
from ghl_real_estate_ai.limits import CRM_CALLS_PER_DAY
from ghl_real_estate_ai.models.identifiers import LocationId
from tests.support.clock import FakeClock
from tests.support.facts import NOON
from tests.support.fake_ghl import fake_ghl

OWNER = "loc1"
NOON_THERE = {"date": "Mon, 02 Mar 2026 12:01:30 GMT"}


def test_an_answer_without_figures_takes_none_away() -> None:
    standings = Standings()
    standings.learn(OWNER, {"x-ratelimit-max": "100", "x-ratelimit-remaining": "42", **NOON_THERE}, now=NOON)
    known = standings.of(OWNER)
    standings.learn(OWNER, {"x-ratelimit-remaining": "41"}, now=NOON + timedelta(seconds=5))
    standings.learn(OWNER, {}, now=NOON + timedelta(seconds=9))
    assert known.clock_skew is not None
    assert standings.of(OWNER) == Standing(Quota(per_interval=100, remaining=41), known.clock_skew)


def test_an_account_that_never_answered_has_no_figures() -> None:
    standings = Standings()
    standings.learn(OWNER, NOON_THERE, now=NOON)
    assert standings.of("loc2") == Standing(Quota(), None)


@pytest.mark.asyncio
async def test_what_one_client_was_told_another_may_show() -> None:
    async with fake_ghl(limits=True) as fake, HttpClient() as http:
        fake.faults.clock_skew_s = 400
        clock, limiter, standings = FakeClock(fake.vendor.clock.now()), RateLimiter(), Standings()
        polling, showing = (
            GoHighLevelClient(
                http=http,
                tokens=GivenToken(fake.pit),
                limiter=limiter,
                standings=standings,
                clock=clock,
                base_url=fake.url,
                urgent=urgent,
            )
            for urgent in (False, True)
        )
        await polling.search_contacts(fake.location_id, page_limit=1)
        use = GoHighLevelAccount(client=showing, clock=clock).use(LocationId(fake.location_id))
    assert (use.calls_per_day, use.calls_left_today) == (CRM_CALLS_PER_DAY, CRM_CALLS_PER_DAY - 1)
    assert use.clock_skew_s == pytest.approx(400, abs=5)
