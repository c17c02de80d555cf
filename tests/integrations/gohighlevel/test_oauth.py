"""What GoHighLevel's answers about access mean, from a server that answers by script."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ghl_real_estate_ai.errors import (
    ConfigurationError,
    CrmRefused,
    CrmUnreadable,
    EnterpriseHubError,
    GrantRefused,
    LocationInactive,
    OutcomeUnknown,
)
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import AppCredentials
from ghl_real_estate_ai.models.connections import OwnerKind
from tests.support.clock import FakeClock
from tests.support.crm_access import crm_tools, sealed
from tests.support.facts import NOON
from tests.support.fake_memory import FakeMemory
from tests.support.scripted_server import Reply, Seen, answering

pytestmark = pytest.mark.asyncio
APP = AppCredentials("6578278e879ad2646715ba9c-lr902vxy", "of-nobody")


@pytest.mark.parametrize(
    ("status", "content", "meaning"),
    [
        (400, {"statusCode": 400, "message": "Invalid grant: refresh token is invalid"}, GrantRefused),
        (400, {"error": "invalid_grant", "error_description": "This refresh token is invalid"}, GrantRefused),
        (401, {"error": "invalid_grant"}, GrantRefused),
        (400, {"statusCode": 400, "message": "Location is not active"}, LocationInactive),
        (400, {"statusCode": 400, "message": "Invalid parameter: grantType"}, CrmRefused),
        (422, {"statusCode": 422, "message": ["clientId should not be empty"]}, CrmRefused),
        (
            401,
            {"error": "UnAuthorized!", "error_description": "Invalid client credentials!"},
            ConfigurationError,
        ),
        (500, {"message": "Internal server error"}, OutcomeUnknown),
        (502, b"<html>invalid grant</html>", OutcomeUnknown),
    ],
)
async def test_only_a_definite_word_makes_a_refresh_token_void(
    status: int, content: object, meaning: type[EnterpriseHubError]
) -> None:
    async with (
        answering(otherwise=lambda seen: Reply(status, content)) as server,
        crm_tools(FakeMemory(), server.url, APP, clock=FakeClock()) as tools,
    ):
        connection = sealed("loc-1", seal=tools.seal, access="a-secret", refresh="r-secret", at=NOON)
        with pytest.raises(meaning) as error:
            await tools.access.renewed(connection)
        assert type(error.value) is meaning
        assert "secret" not in str(error.value).replace("ENTERPRISEHUB_GHL_CLIENT_SECRET", "")
        assert [seen.form.get("refreshToken") for seen in server.seen] == ["r-secret"], "asked once"


@pytest.mark.parametrize("field", ["locationId", "companyId"])
async def test_tokens_of_another_account_are_never_stored_as_ours(field: str) -> None:
    kind = OwnerKind.LOCATION if field == "locationId" else OwnerKind.COMPANY
    answer = {"accessToken": "a", "refreshToken": "r", "expiresIn": 86_399, field: "somebodyElse"}
    async with (
        answering(otherwise=lambda seen: Reply(200, answer)) as server,
        crm_tools(FakeMemory(), server.url, APP, clock=FakeClock()) as tools,
    ):
        connection = sealed("ours", seal=tools.seal, access="a", refresh="r", at=NOON, owner_kind=kind)
        with pytest.raises(CrmUnreadable, match="another account"):
            await tools.access.renewed(connection)


def pages_v3(seen: Seen) -> Reply:
    page = int(seen.query.get("pageToken", "0"))
    items = [{"_id": f"loc-{page}-{n}", "name": f"Office {n}", "isInstalled": n != 1} for n in range(2)]
    more = {"nextPageToken": str(page + 1)} if page < 2 else {}
    return Reply(200, {"items": items, "pagination": {"totalRecords": 6, **more}})


def pages_dated(seen: Seen) -> Reply:
    skip = int(seen.query.get("skip", "0"))
    names = [f"loc-{n}" for n in range(skip, min(skip + 2, 5))]
    return Reply(200, {"locations": [{"_id": name, "name": name} for name in names], "count": 5})


@pytest.mark.parametrize(
    ("api", "pages", "found"),
    [
        (ApiProfile.V3, pages_v3, ["loc-0-0", "loc-1-0", "loc-2-0"]),
        (ApiProfile.DATES, pages_dated, [f"loc-{n}" for n in range(5)]),
    ],
)
async def test_every_page_of_an_agencys_locations_is_read_and_only_those_with_the_app_count(
    api: ApiProfile, pages: Callable[[Seen], Reply], found: list[str]
) -> None:
    async with (
        answering(otherwise=pages) as server,
        crm_tools(FakeMemory(), server.url, APP, clock=FakeClock(), api=api) as tools,
    ):
        company = sealed("company-1", seal=tools.seal, access="a", at=NOON, owner_kind=OwnerKind.COMPANY)
        places = await tools.access.places(company)
        assert [place.location_id for place in places] == found
        assert {seen.query["appId"] for seen in server.seen} == {"6578278e879ad2646715ba9c"}


async def test_a_list_that_says_the_same_for_ever_ends() -> None:
    same = {"items": [{"_id": "loc-1"}], "pagination": {"totalRecords": 9, "nextPageToken": "again"}}
    async with (
        answering(otherwise=lambda seen: Reply(200, same)) as server,
        crm_tools(FakeMemory(), server.url, APP, clock=FakeClock()) as tools,
    ):
        company = sealed("company-1", seal=tools.seal, access="a", at=NOON, owner_kind=OwnerKind.COMPANY)
        assert [place.location_id for place in await tools.access.places(company)] == ["loc-1"]
        assert len(server.seen) == 2


async def test_the_apps_id_is_its_client_id_without_the_last_part() -> None:
    assert APP.app_id == "6578278e879ad2646715ba9c"
    assert AppCredentials("no_hyphen", "").app_id == "no_hyphen"
    assert AppCredentials("", "").app_id == ""
