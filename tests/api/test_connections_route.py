"""Coming back from the CRM's consent page, and what an admin sees of the connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from ghl_real_estate_ai.api.rate_limit import RateLimiter
from ghl_real_estate_ai.api.routes.connections import CALLBACK_PATH
from ghl_real_estate_ai.limits import INSTALL_CALLBACKS_PER_MIN
from ghl_real_estate_ai.models.connections import Connection
from ghl_real_estate_ai.models.leads import Role
from tests.support.fake_ghl import FakeGhl, fake_ghl
from tests.support.gateway import AWAY, HOME, Gateway, eventually, furnish, served, settings_for, user_of
from tests.support.ghl import GhlSigner

pytestmark = pytest.mark.asyncio(loop_scope="module")
ADMIN = user_of(Role.ADMIN)


@dataclass(frozen=True)
class Front:
    """A gateway whose CRM is the fake one."""

    gateway: Gateway
    fake: FakeGhl

    async def come_back(self, **query: str) -> httpx.Response:
        """As the owner's browser does, with the visits of other tests forgotten."""
        limiter = RateLimiter(per_minute=INSTALL_CALLBACKS_PER_MIN, clock=self.gateway.services.clock)
        self.gateway.app.state.doors = replace(self.gateway.doors, installs=limiter)
        return await self.gateway.http.get(CALLBACK_PATH, params=query)

    async def consent(self) -> dict[str, str]:
        """An admin starts, the owner says yes: what the browser brings back."""
        url = (await self.gateway.post("/v1/connections/install-url", ADMIN)).json()["url"]
        async with httpx.AsyncClient(trust_env=False) as browser:
            page = await browser.get(url)
        return {
            name: values[0] for name, values in parse_qs(urlsplit(page.headers["location"]).query).items()
        }

    async def stored(self) -> Connection | None:
        """The connection of the home location."""
        return await self.gateway.services.memory.read(lambda uow: uow.connections.get(HOME))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    signer = GhlSigner()
    async with fake_ghl(location_ids=(HOME,)) as fake:
        fake.home.name = "Home & <b>Hearth</b> Realty"
        settings = settings_for(tmp_path_factory.mktemp("front"), signer).model_copy(
            update={
                "ghl_api_url": fake.url,
                "ghl_install_url": f"{fake.url}/v2/oauth/chooselocation",
                "ghl_client_id": fake.client_id,
                "ghl_client_secret": fake.client_secret,
                "encryption_key": "e" * 40,
            }
        )
        async with served(settings, signer) as gateway:
            await furnish(gateway.services)
            yield Front(gateway, fake)


async def test_the_owner_who_consents_reads_what_is_connected_and_what_to_do_next(front: Front) -> None:
    back = await front.consent()
    page = await front.come_back(**back)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "Home &amp; &lt;b&gt;Hearth&lt;/b&gt; Realty" in page.text, "names are text, not HTML"
    assert "enterprisehub connect" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    for never in ("<script", "http://", "https://", back["code"], back["state"]):
        assert never not in page.text


async def test_a_second_visit_connects_nothing_and_says_how_to_start_again(front: Front) -> None:
    back = await front.consent()
    await front.come_back(**back)
    page = await front.come_back(**back)
    assert page.status_code == 400
    assert "Start again from `enterprisehub connect`" in page.text


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"code": "stolen-code-123"},
        {"code": "stolen-code-123", "state": "made-up-state-456"},
        {"error": "access_denied<script>", "state": "made-up-state-456"},
    ],
)
async def test_without_a_state_of_ours_the_page_says_where_to_start_and_echoes_nothing(
    front: Front, query: dict[str, str]
) -> None:
    page = await front.come_back(**query)
    assert page.status_code == 400
    assert "enterprisehub connect" in page.text
    assert "<script" not in page.text
    assert not any(value in page.text for value in query.values())


async def test_a_code_that_the_crm_does_not_know_is_a_page_too(front: Front) -> None:
    back = await front.consent()
    page = await front.come_back(code="made-up-code", state=back["state"])
    assert page.status_code == 502
    assert "no longer knows this consent" in page.text
    assert "made-up-code" not in page.text


async def test_a_crm_that_is_down_is_a_page_too(front: Front) -> None:
    back = await front.consent()
    front.fake.faults.fail_next, front.fake.faults.only_path = 9, "/oauth/token"
    page = await front.come_back(**back)
    front.fake.faults.fail_next = 0
    assert page.status_code in {502, 503}
    assert "enterprisehub connect" in page.text


async def test_visits_are_limited(front: Front) -> None:
    await front.come_back()
    answers = [await front.gateway.http.get(CALLBACK_PATH) for _ in range(INSTALL_CALLBACKS_PER_MIN)]
    assert answers[-1].status_code == 429
    assert "Wait a minute" in answers[-1].text


async def test_an_admin_sees_the_own_connection_without_tokens(front: Front) -> None:
    await front.come_back(**await front.consent())
    answer = await front.gateway.get("/v1/connections", ADMIN)
    (seen,) = answer.json()["connections"]
    assert (seen["owner_id"], seen["kind"], seen["status"]) == (HOME, "oauth", "active")
    assert seen["rotation"] == {"state": "not_needed", "due_at": None}
    assert seen["simulated"] is True
    assert "contacts.readonly" in seen["scopes"]
    stored = await front.stored()
    assert stored is not None
    assert not {"access_token", "refresh_token"} & seen.keys()
    assert stored.access_token not in answer.text


async def test_another_tenants_admin_sees_none_of_it(front: Front) -> None:
    await front.come_back(**await front.consent())
    stranger = user_of(Role.ADMIN, AWAY)
    answer = await front.gateway.get("/v1/connections", stranger)
    assert answer.json() == {"connections": []}


@pytest.mark.parametrize("role", [Role.AGENT, Role.MANAGER])
async def test_only_an_admin_sees_and_starts_connections(front: Front, role: Role) -> None:
    assert (await front.gateway.get("/v1/connections", user_of(role))).status_code == 403
    assert (await front.gateway.post("/v1/connections/install-url", user_of(role))).status_code == 403


async def test_a_signed_uninstall_ends_the_connection(front: Front) -> None:
    """The signer here is GoHighLevel's; the connection is simulated, which no real key has to respect."""
    await front.come_back(**await front.consent())
    app_id = front.fake.client_id.rpartition("-")[0]
    now = front.gateway.services.clock.now().isoformat()
    answer = await front.gateway.deliver("UNINSTALL", appId=app_id, timestamp=now)
    assert answer.json()["status"] == "stored"

    async def closed() -> bool:
        stored = await front.stored()
        return stored is not None and stored.status.value == "uninstalled" and not stored.access_token

    await eventually(closed)
