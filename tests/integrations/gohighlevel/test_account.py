"""A look at an account of the fake GoHighLevel, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.errors import LocationInactive, NeedsReconnect, ScopeMissing
from ghl_real_estate_ai.integrations.gohighlevel.account import GoHighLevelAccount
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.client import GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.oauth import GivenToken
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import RateLimiter
from ghl_real_estate_ai.integrations.gohighlevel.standings import Standings
from ghl_real_estate_ai.integrations.http import HttpClient
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.simulation.ghl_oauth import ALL_SCOPES
from tests.support.fake_ghl import FakeGhl, fake_ghl

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def looking(
    fake: FakeGhl, token: str | None = None, *, api: ApiProfile = ApiProfile.V3
) -> AsyncIterator[GoHighLevelAccount]:
    clock = SystemClock()
    async with HttpClient() as http:
        client = GoHighLevelClient(
            http=http,
            tokens=GivenToken(token or fake.pit),
            limiter=RateLimiter(),
            standings=Standings(),
            clock=clock,
            api=api,
            base_url=fake.url,
        )
        yield GoHighLevelAccount(client=client, clock=clock)


@pytest.mark.parametrize("api", ApiProfile)
async def test_an_account_is_described_in_both_versions(api: ApiProfile) -> None:
    async with fake_ghl(limits=True) as fake, looking(fake, api=api) as account:
        found = await account.describe(LocationId(fake.location_id), stated=())
        use = account.use(LocationId(fake.location_id))
    assert found.name == fake.home.name
    assert found.pipelines
    assert all(pipeline.stages for pipeline in found.pipelines)
    assert [user.name for user in found.users] == [agent.name for agent in fake.home.users]
    assert {user.email for user in found.users} >= {"alex.rivera@example.com"}
    assert found.calendars
    assert found.objects == ("custom_objects.property_activity",)
    granted = {check.scope: check.granted for check in found.scopes}
    assert granted.pop("contacts.write") is None
    assert granted.pop("locations/customFields.write") is None
    assert set(granted.values()) == {True}
    assert use.calls_left_today is not None
    assert use.calls_per_day == 200_000
    assert use.clock_skew_s is not None
    assert abs(use.clock_skew_s) < 5


@pytest.mark.parametrize("api", ApiProfile)
async def test_each_missing_scope_is_named_with_what_it_costs_and_the_rest_is_read(api: ApiProfile) -> None:
    async with fake_ghl() as fake:
        token = fake.vendor.authority.private_token(
            fake.location_id, ALL_SCOPES - {"opportunities.readonly", "users.readonly"}
        )
        async with looking(fake, token, api=api) as account:
            found = await account.describe(LocationId(fake.location_id), stated=())
    assert {check.scope for check in found.may_not()} == {"opportunities.readonly", "users.readonly"}
    assert all(check.without for check in found.may_not())
    assert found.pipelines == ()
    assert found.users == ()
    assert found.calendars


@pytest.mark.parametrize("api", ApiProfile)
async def test_people_are_read_with_their_addresses_whether_or_not_the_company_is_known(
    api: ApiProfile,
) -> None:
    async with fake_ghl() as fake, looking(fake, api=api) as account:
        place = LocationId(fake.location_id)
        described = await account.describe(place, stated=())
        assert await account.people(place, company_id=None) == described.users
        assert await account.people(place, company_id=described.company_id) == described.users


async def test_people_that_may_not_be_read_are_an_error_that_names_the_scope() -> None:
    async with fake_ghl() as fake:
        token = fake.vendor.authority.private_token(fake.location_id, ALL_SCOPES - {"users.readonly"})
        async with looking(fake, token) as account:
            with pytest.raises(ScopeMissing):
                await account.people(LocationId(fake.location_id), company_id=None)


async def test_what_the_crm_stated_with_the_token_tells_of_scopes_that_no_read_shows() -> None:
    async with fake_ghl() as fake, looking(fake) as account:
        found = await account.describe(LocationId(fake.location_id), stated=("contacts.write",))
    granted = {check.scope: check.granted for check in found.scopes}
    assert granted["contacts.write"] is True
    assert granted["locations/customFields.write"] is False
    assert granted["contacts.readonly"] is True


async def test_a_token_that_is_not_accepted_is_no_matter_of_scopes() -> None:
    async with fake_ghl() as fake, looking(fake, "pit-wrong") as account:
        with pytest.raises(NeedsReconnect):
            await account.describe(LocationId(fake.location_id), stated=())


async def test_an_inactive_location_says_so() -> None:
    async with fake_ghl() as fake, looking(fake) as account:
        fake.faults.inactive_locations.append(fake.location_id)
        with pytest.raises(LocationInactive):
            await account.describe(LocationId(fake.location_id), stated=())


async def test_the_clocks_difference_is_seen() -> None:
    async with fake_ghl() as fake, looking(fake) as account:
        fake.faults.clock_skew_s = 400
        await account.describe(LocationId(fake.location_id), stated=())
        skew = account.use(LocationId(fake.location_id)).clock_skew_s
    assert skew is not None
    assert 395 < skew < 405
