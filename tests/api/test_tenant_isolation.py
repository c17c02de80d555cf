"""Every route and every stream, called by the wrong people. A new route without a case here fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from starlette.routing import BaseRoute, Route, WebSocketRoute

from ghl_real_estate_ai.models.events import DeadLetter
from ghl_real_estate_ai.models.identifiers import UserId
from ghl_real_estate_ai.models.leads import Role, User
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.models.switches import Switch
from tests.support.facts import NOON
from tests.support.gateway import AWAY, HOME, PASSWORD, Gateway, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET_NAME = "Zenobia Unmistakable"
OPEN_TO_ALL = {
    "GET /client/{name}",  # the client module and its example: plain files, no data
    "GET /oauth/ghl/callback",  # its own tests; does nothing without a state that we gave out
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "GET /openapi.json",
    "POST /v1/sessions",  # its own tests; gives nothing without a password
    "POST /webhooks/ghl",  # its own tests; takes nothing without a signature
    "POST /webhooks/ghl/workflow/{key}",  # its own tests; the secret in the URL is the tenant
}
SIGNED_IN = {
    "GET /v1/connections",
    "GET /v1/health/crm",
    "POST /v1/connections/install-url",
    "GET /v1/me",
    "POST /v1/ws-ticket",
    "GET /v1/leads",
    "GET /v1/leads/{lead_id}",
    "GET /v1/leads/{lead_id}/matches",
    "POST /v1/leads/{lead_id}/listings/{listing_key}/judgement",
    "GET /v1/leads/{lead_id}/risk-curve",
    "GET /v1/leads/{lead_id}/suggested-reply",
    "POST /v1/leads/{lead_id}/actions/{action_id}/acknowledge",
    "POST /v1/leads/{lead_id}/actions/{action_id}/answered",
    "POST /v1/leads/{lead_id}/actions/{action_id}/not-mine",
    "POST /v1/leads/{lead_id}/actions/{action_id}/reopen",
    "POST /v1/leads/{lead_id}/actions/{action_id}/snooze",
    "POST /v1/leads/{lead_id}/wishes",
    "GET /v1/streams/{stream}",
    "GET /v1/streams/{stream}/history",
    "POST /v1/listings",
    "POST /v1/listings/check",
    "GET /v1/listings/{listing_key}",
    "GET /v1/team",
    "GET /v1/team/response",
    "GET /v1/track-record",
    "GET /v1/track-record.csv",
    "POST /v1/sessions/renewal",
    "GET /v1/first-steps",
    "GET /v1/switches",
    "POST /v1/switches/{switch}",
    "GET /v1/users",
    "POST /v1/users",
    "POST /v1/users/{user_id}",
    "POST /v1/users/{user_id}/removal",
    "GET /v1/locations",
    "GET /v1/dead-letters",
    "POST /v1/dead-letters/replay",
    "POST /v1/dead-letters/{dead_letter_id}/replay",
}
BODIES: dict[str, object] = {
    "POST /v1/listings": {"value": [{"ListingKey": "intruder", "ListPrice": 1, "City": "Austin"}]},
    "POST /v1/listings/check": {"value": [{"ListingKey": "secret-home", "ListPrice": 1, "City": "Austin"}]},
    "POST /v1/leads/{lead_id}/listings/{listing_key}/judgement": {"verdict": "like"},
    "POST /v1/leads/{lead_id}/actions/{action_id}/snooze": {"until": "2026-11-24T12:00:00Z"},
    "POST /v1/leads/{lead_id}/wishes": {"wishes": {"city": "Austin"}},
    "POST /v1/switches/{switch}": {"on": False},
    "POST /v1/users": {"email": "intruder@example.com", "role": "agent", "password": PASSWORD},
    "POST /v1/users/{user_id}": {"name": "Intruder"},
}
SOCKETS = {"WS /v1/realtime"}
MANAGERS_ONLY = {"POST /v1/listings", "POST /v1/listings/check"}
MANAGERS_READ = {"GET /v1/team/response", "GET /v1/track-record", "GET /v1/track-record.csv"}
ADMINS_ONLY = {
    "GET /v1/connections",
    "GET /v1/health/crm",
    "POST /v1/connections/install-url",
    "POST /v1/switches/{switch}",
    "GET /v1/users",
    "POST /v1/users",
    "POST /v1/users/{user_id}",
    "POST /v1/users/{user_id}/removal",
    "GET /v1/locations",
    "GET /v1/dead-letters",
    "POST /v1/dead-letters/replay",
    "POST /v1/dead-letters/{dead_letter_id}/replay",
}
SECRET_USER = User(
    location_id=HOME,
    user_id=UserId("secret-user"),
    email="secret-user@example.com",
    name=SECRET_NAME,
    role=Role.MANAGER,
)


@dataclass(frozen=True)
class Secrets:
    """What belongs to the home tenant."""

    lead_id: str
    action_id: str
    dead_letter_id: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secrets(gateway: Gateway) -> Secrets:
    lead_id = await gateway.lead(SECRET_NAME)
    await gateway.post("/v1/listings", user_of(Role.ADMIN), {"value": [home_listing("secret-home")]})
    detail = (await gateway.get(f"/v1/leads/{lead_id}", user_of(Role.ADMIN))).json()
    letter = DeadLetter(
        dead_letter_id=0,
        location_id=HOME,
        subscriber="inbox",
        delivery_id="secret-letter",
        reason=SECRET_NAME,
        raw="{",
        failed_at=NOON,
    )
    await gateway.services.memory.write(
        lambda uow: (uow.cursors.bury(letter), uow.tenants.add_user(SECRET_USER, password_hash="x"))
    )
    return Secrets(
        lead_id,
        detail["intelligence"]["next_action"]["action_id"],
        await number_of(gateway),
    )


async def number_of(gateway: Gateway) -> int:
    """The home tenant's letter."""
    held = await gateway.services.memory.read(lambda uow: uow.cursors.dead_letters(HOME))
    return next(one.dead_letter_id for one in held if one.delivery_id == "secret-letter")


def home_listing(key: str) -> dict[str, object]:
    return {"ListingKey": key, "ListPrice": 1, "City": "Austin", "UnparsedAddress": SECRET_NAME}


def served(routes: list[BaseRoute]) -> Iterator[str]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from served(included.routes)
        elif isinstance(route, WebSocketRoute):
            yield f"WS {route.path}"
        elif isinstance(route, Route):
            yield from (f"{method} {route.path}" for method in (route.methods or ()) if method != "HEAD")
        else:
            yield repr(route)  # of a kind that this test does not know: it fails, and somebody looks


async def call(
    gateway: Gateway, route: str, secrets: Secrets, headers: dict[str, str]
) -> list[httpx.Response]:
    method, pattern = route.split(" ")
    streams = list(Stream) if "{stream}" in pattern else [Stream.LEAD_SCORES]
    answers = []
    for stream in streams:
        path = pattern.format(
            lead_id=secrets.lead_id,
            action_id=secrets.action_id,
            dead_letter_id=secrets.dead_letter_id,
            stream=stream,
            listing_key="secret-home",
            user_id=SECRET_USER.user_id,
            switch=Switch.LEARNING.value,
        )
        body = BODIES.get(route)
        params = {"epoch": "x", "after": 0} if pattern.endswith("history") else {"location_id": HOME}
        answers.append(await gateway.http.request(method, path, params=params, json=body, headers=headers))
    return answers


async def test_every_route_is_in_exactly_one_of_the_lists(gateway: Gateway) -> None:
    assert set(served(list(gateway.app.routes))) == OPEN_TO_ALL | SIGNED_IN | SOCKETS


@pytest.mark.parametrize("route", sorted(SIGNED_IN))
async def test_without_a_valid_token_a_route_gives_nothing(
    gateway: Gateway, route: str, secrets: Secrets
) -> None:
    token = gateway.token(user_of(Role.ADMIN))
    for headers in (
        {},
        {"Authorization": f"Bearer {token}x"},
        {"Authorization": f"Basic {token}"},
        {"Authorization": "Bearer"},
        {"Cookie": f"access_token={token}"},
    ):
        for answer in await call(gateway, route, secrets, headers):
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize("route", sorted(SIGNED_IN - MANAGERS_ONLY))
@pytest.mark.parametrize("role", Role)
async def test_another_tenants_user_of_any_role_sees_nothing(
    gateway: Gateway, route: str, role: Role, secrets: Secrets
) -> None:
    stranger = user_of(role, AWAY)
    for answer in await call(gateway, route, secrets, gateway.bearer(stranger)):
        assert answer.status_code in {200, 201, 403, 404}
        for private in (SECRET_NAME, secrets.lead_id, HOME, "secret-home", SECRET_USER.email):
            assert private not in answer.text


async def test_a_strangers_import_changes_only_their_own_tenant(gateway: Gateway, secrets: Secrets) -> None:
    (answer,) = await call(gateway, "POST /v1/listings", secrets, gateway.bearer(user_of(Role.ADMIN, AWAY)))
    assert answer.status_code == 200
    assert (await gateway.get("/v1/listings/intruder", user_of(Role.ADMIN, HOME))).status_code == 404


async def test_a_strangers_admin_turns_removes_and_replays_only_their_own(
    gateway: Gateway, secrets: Secrets
) -> None:
    stranger = gateway.bearer(user_of(Role.ADMIN, AWAY))
    for route in sorted(ADMINS_ONLY):
        await call(gateway, route, secrets, stranger)
    memory = gateway.services.memory
    assert await memory.read(lambda uow: uow.switches.is_on(HOME, Switch.LEARNING))
    kept = await memory.read(lambda uow: uow.tenants.access_of(HOME, SECRET_USER.user_id))
    assert kept is not None
    assert kept.user == SECRET_USER
    assert await number_of(gateway) == secrets.dead_letter_id


@pytest.mark.parametrize("route", sorted(MANAGERS_ONLY | MANAGERS_READ | ADMINS_ONLY))
async def test_an_agent_is_refused_where_a_manager_is_needed(
    gateway: Gateway, route: str, secrets: Secrets
) -> None:
    for answer in await call(gateway, route, secrets, gateway.bearer(user_of(Role.AGENT))):
        assert answer.status_code == 403


@pytest.mark.parametrize("route", sorted(ADMINS_ONLY))
async def test_a_manager_is_refused_where_an_admin_is_needed(
    gateway: Gateway, route: str, secrets: Secrets
) -> None:
    for answer in await call(gateway, route, secrets, gateway.bearer(user_of(Role.MANAGER))):
        assert answer.status_code == 403


async def test_a_stranger_cannot_sign_in_here(gateway: Gateway) -> None:
    stranger = user_of(Role.ADMIN, AWAY)
    body = {"email": stranger.email, "password": PASSWORD, "location_id": HOME}
    assert (await gateway.http.post("/v1/sessions", json=body)).status_code == 401


@pytest.mark.parametrize("stream", Stream)
async def test_no_stream_crosses_tenants(gateway: Gateway, stream: Stream) -> None:
    stranger: User = user_of(Role.ADMIN, AWAY)
    async with gateway.live(stranger) as client:
        await client.say({"subscribe": [{"stream": stream}]})
        opening = await client.hear_until(lambda m: "subscribed" in m)
        assert SECRET_NAME not in str(opening)
        await gateway.lead(f"{SECRET_NAME} the {stream}")
        own = await gateway.lead("Own Lead", location_id=AWAY)
        heard = await client.hear_until(
            lambda m: m.get("e", {}).get("lead_id") == own or m.get("c") == Stream.SYSTEM_PERFORMANCE
        )
        assert SECRET_NAME not in str(heard)
        # Nobody else's publications are in between: one lead has at most a few of its own.
        assert heard["o"] - opening["subscribed"]["offset"] <= 3
