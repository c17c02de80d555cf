"""The fake's tokens: single-use refresh, private tokens that rotate, scopes, versions, locations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.support.clock import FakeClock
from tests.support.fake_ghl import APRIL, COMPANY_ID, JULY, REDIRECT_URI, FakeGhl, fake_ghl

pytestmark = pytest.mark.asyncio


async def token_call(fake: FakeGhl, **said: str) -> httpx.Response:
    """POST /oauth/token of the date versions."""
    form = {"client_id": fake.client_id, "client_secret": fake.client_secret, **said}
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False) as http:
        return await http.post("/oauth/token", data=form)


async def refreshed(fake: FakeGhl, token: str) -> httpx.Response:
    return await token_call(fake, grant_type="refresh_token", refresh_token=token)


async def test_the_owners_page_says_yes_and_hands_code_and_state_back() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        query = {
            "client_id": fake.client_id,
            "redirect_uri": REDIRECT_URI,
            "state": "s&1",
            "scope": "contacts.readonly",
        }
        answer = await http.get("/v2/oauth/chooselocation", params=query)
        assert answer.status_code == 302
        back = parse_qs(urlsplit(answer.headers["location"]).query)
        assert back["state"] == ["s&1"]
        pair = (await token_call(fake, grant_type="authorization_code", code=back["code"][0])).json()
        assert (pair["locationId"], pair["scope"]) == (fake.location_id, "contacts.readonly")
        again = await token_call(fake, grant_type="authorization_code", code=back["code"][0])
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "broken", [{"client_id": "x"}, {"redirect_uri": ""}, {"location_id": "nowhere-000000"}]
)
async def test_the_owners_page_refuses_what_is_not_of_the_app(broken: dict[str, str]) -> None:
    async with fake_ghl() as fake, fake.api() as http:
        query = {"client_id": fake.client_id, "redirect_uri": REDIRECT_URI, **broken}
        assert (await http.get("/oauth/chooselocation", params=query)).status_code == 400


async def test_a_refresh_token_works_once() -> None:
    async with fake_ghl() as fake:
        first = (await token_call(fake, grant_type="authorization_code", code=fake.code())).json()
        second = (await refreshed(fake, first["refresh_token"])).json()
        assert second["refresh_token"] != first["refresh_token"]
        used = await refreshed(fake, first["refresh_token"])
        assert (used.status_code, used.json()["error"]) == (400, "invalid_grant")
        assert (await refreshed(fake, second["refresh_token"])).status_code == 200
        for token in (first["access_token"], second["access_token"]):
            async with fake.api(token) as http:
                assert (await http.get(f"/locations/{fake.location_id}")).status_code == 200


async def test_an_access_token_ends_after_its_day() -> None:
    clock = FakeClock()
    async with fake_ghl(now=clock.now) as fake, fake.api(fake.access_token()) as http:
        clock.set_forward(86_398)
        assert (await http.get(f"/locations/{fake.location_id}")).status_code == 200
        clock.set_forward(1)
        answer = await http.get(f"/locations/{fake.location_id}")
        assert (answer.status_code, answer.json()["message"]) == (
            401,
            "Invalid token: access token is invalid",
        )


async def test_wrong_credentials_and_missing_fields_are_told_apart() -> None:
    async with fake_ghl() as fake:
        wrong = await token_call(fake, client_secret="x", grant_type="refresh_token", refresh_token="x")
        assert wrong.status_code == 401
        assert (await token_call(fake, grant_type="password")).status_code == 422
        missing = await token_call(fake, grant_type="")
        assert (missing.status_code, missing.json()["message"]) == (422, ["grant_type should not be empty"])


async def test_v3_takes_json_and_camel_case_and_nothing_else() -> None:
    async with fake_ghl() as fake, httpx.AsyncClient(base_url=fake.url, trust_env=False) as http:
        said = {
            "clientId": fake.client_id,
            "clientSecret": fake.client_secret,
            "grantType": "authorization_code",
        }
        pair = await http.post("/oauth/token", json={**said, "code": fake.code()}, headers={"Version": "v3"})
        assert pair.json()["expiresIn"] == 86_399
        old_names = {
            "client_id": fake.client_id,
            "client_secret": fake.client_secret,
            "grant_type": "refresh_token",
        }
        assert (await http.post("/oauth/token", data=old_names, headers={"Version": "v3"})).status_code == 422


async def test_an_agency_gets_tokens_of_its_locations_but_reads_no_contacts_itself() -> None:
    async with fake_ghl(location_ids=("locA0000", "locB0000")) as fake:
        async with fake.api(fake.access_token("")) as http:
            form = {"companyId": COMPANY_ID, "locationId": "locB0000"}
            token = (await http.post("/oauth/location-token", data=form)).json()["accessToken"]
            search = {"locationId": "locB0000", "pageLimit": 1}
            assert (await http.post("/contacts/search", json=search)).status_code == 403
            other = await http.post("/oauth/location-token", data={**form, "locationId": "elsewhere"})
            assert other.status_code == 403
            query = {"companyId": COMPANY_ID, "appId": "any"}
            places = (await http.get("/oauth/installed-locations", params=query)).json()
            assert [place["isInstalled"] for place in places["items"]] == [True, True]
            assert (await http.get("/oauth/installed-locations")).status_code == 422
        async with fake.api(token) as http:
            assert (await http.post("/contacts/search", json=search)).status_code == 200
            assert (
                await http.post("/contacts/search", json={**search, "locationId": "locA0000"})
            ).status_code == 403
            assert (await http.post("/oauth/location-token", data=form)).status_code == 401


async def test_a_rotated_private_token_works_on_for_seven_days() -> None:
    clock = FakeClock()
    async with fake_ghl(now=clock.now) as fake, fake.api() as http:
        fresh = fake.vendor.authority.rotate(fake.pit)
        clock.set_forward(timedelta(days=7).total_seconds() - 1)
        assert (await http.get(f"/locations/{fake.location_id}")).status_code == 200
        clock.set_forward(1)
        assert (await http.get(f"/locations/{fake.location_id}")).status_code == 401
        answer = await http.get(
            f"/locations/{fake.location_id}", headers={"Authorization": f"Bearer {fresh}"}
        )
        assert answer.status_code == 200


@pytest.mark.parametrize(("version", "status"), [("v3", 403), (JULY, 401)])
async def test_a_call_outside_the_scopes_is_refused(version: str, status: int) -> None:
    async with fake_ghl() as fake:
        narrow = fake.vendor.authority.private_token(fake.location_id, ["locations.readonly"])
        async with fake.api(narrow, version=version) as http:
            answer = await http.get("/contacts/unknown00000")
            assert (answer.status_code, "scope" in answer.json()["message"]) == (status, True)


@pytest.mark.parametrize(
    ("path", "version", "status"),
    [
        ("/contacts/unknown00000", "", 400),
        ("/contacts/unknown00000", APRIL, 400),
        ("/contacts/unknown00000", JULY, 404),
        ("/conversations/unknown00000", JULY, 400),
        ("/conversations/unknown00000", APRIL, 404),
        ("/contacts/unknown00000", "v3", 404),
        ("/contacts/..%2Flocations", "v3", 404),
        ("/contacts/x", "v3", 500),
        ("/nothing", "v3", 404),
    ],
)
async def test_version_and_id_decide_how_an_unknown_thing_is_refused(
    path: str, version: str, status: int
) -> None:
    async with fake_ghl() as fake, fake.api(version=version) as http:
        if not version:
            del http.headers["Version"]
        answer = await http.get(path)
        assert answer.status_code == status
        assert answer.json()["statusCode"] == status


async def test_an_uninstalled_app_has_no_tokens_left() -> None:
    async with fake_ghl() as fake, fake.api(fake.access_token()) as http:
        fake.vendor.uninstall(fake.location_id)
        assert (await http.get(f"/locations/{fake.location_id}")).status_code == 401
        assert fake.vendor.authority.installed == {}


@pytest.mark.parametrize("action", ["revoke-access", "kill-refresh", "private", "rotate", "nonsense"])
async def test_tokens_are_steered_over_http_too(action: str) -> None:
    async with fake_ghl() as fake, fake.api() as http:
        pair: dict[str, Any] = (
            await token_call(fake, grant_type="authorization_code", code=fake.code())
        ).json()
        answer = await http.post(
            f"/_fake/tokens/{action}", json={"token": fake.pit, "scopes": ["contacts.readonly"]}
        )
        assert answer.status_code == (404 if action == "nonsense" else 200)
        still = (await http.get(f"/locations/{fake.location_id}")).status_code
        assert still == (401 if action == "revoke-access" else 200)
        assert (await refreshed(fake, pair["refresh_token"])).status_code == (
            400 if action == "kill-refresh" else 200
        )
