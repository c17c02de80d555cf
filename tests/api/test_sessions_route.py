"""Signing in."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from ghl_real_estate_ai.api.auth import hash_password
from ghl_real_estate_ai.limits import REQUEST_BODY_BYTES, SIGN_IN_ATTEMPTS_PER_MIN
from ghl_real_estate_ai.models.identifiers import UserId
from ghl_real_estate_ai.models.leads import Location, Role, User
from tests.support.gateway import AWAY, HOME, PASSWORD, Gateway, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def sign_in(gateway: Gateway, email: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    return await gateway.http.post("/v1/sessions", json={"email": email, "password": password, **more})


async def add(gateway: Gateway, email: str, **passwords: str) -> None:
    """One user with this email per location (home=..., away=...)."""
    for name, password in passwords.items():
        location_id = {"home": HOME, "away": AWAY}[name]
        user = User(
            location_id=location_id,
            user_id=UserId(f"{email}-{name}"),
            email=email,
            name=name,
            role=Role.AGENT,
        )
        digest = await hash_password(password)
        await gateway.services.memory.write(
            lambda uow, user=user, digest=digest: uow.tenants.add_user(user, password_hash=digest)  # type: ignore[misc]
        )


async def test_signing_in_gives_a_token_that_says_who_it_is(gateway: Gateway) -> None:
    manager = user_of(Role.MANAGER)
    response = await sign_in(gateway, f" {manager.email.upper()} ")
    assert response.status_code == 201
    session = response.json()
    assert session["user"] == {
        "user_id": manager.user_id,
        "name": manager.name,
        "email": manager.email,
        "role": "manager",
        "location_id": HOME,
        "location_name": HOME,
    }
    me = await gateway.http.get("/v1/me", headers={"Authorization": f"Bearer {session['access_token']}"})
    assert me.json() == session["user"]
    assert response.headers["cache-control"] == "no-store"


async def test_the_location_is_called_by_its_name(gateway: Gateway) -> None:
    await add(gateway, "named@example.com", away=PASSWORD)
    oak = Location(location_id=AWAY, name="Oak Realty")
    await gateway.services.memory.write(lambda uow: uow.tenants.put_location(oak))
    session = (await sign_in(gateway, "named@example.com")).json()
    assert session["user"]["location_name"] == "Oak Realty"
    assert (await renewed(gateway, session["access_token"])).json()["user"]["location_name"] == "Oak Realty"


async def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(gateway: Gateway) -> None:
    wrong = await sign_in(gateway, user_of(Role.AGENT).email, "wrong")
    unknown = await sign_in(gateway, "nobody@example.com")
    elsewhere = await sign_in(gateway, user_of(Role.AGENT).email, location_id=AWAY)
    assert wrong.status_code == unknown.status_code == elsewhere.status_code == 401
    assert wrong.json() == unknown.json() == elsewhere.json()
    assert wrong.headers["www-authenticate"] == "Bearer"


async def test_one_account_in_several_locations_must_name_one(gateway: Gateway) -> None:
    await add(gateway, "both@example.com", home="same", away="same")
    response = await sign_in(gateway, "both@example.com", "same")
    assert response.status_code == 400
    assert "location_id" in response.json()["error"]["message"]
    named = await sign_in(gateway, "both@example.com", "same", location_id=AWAY)
    assert named.json()["user"]["location_id"] == AWAY
    assert (await sign_in(gateway, "both@example.com", "wrong")).status_code == 401


async def test_the_password_itself_may_say_which_location_is_meant(gateway: Gateway) -> None:
    await add(gateway, "two@example.com", home="one", away="two")
    assert (await sign_in(gateway, "two@example.com", "two")).json()["user"]["location_id"] == AWAY


async def test_attempts_per_account_are_limited(gateway: Gateway) -> None:
    email = "target@example.com"
    spellings = (email.upper(), *[email] * SIGN_IN_ATTEMPTS_PER_MIN)
    # At once: one after the other they may take so long that one more is allowed again.
    answers = await asyncio.gather(*(sign_in(gateway, spelling) for spelling in spellings))
    (refused,) = [answer for answer in answers if answer.status_code != 401]
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (await sign_in(gateway, "another@example.com")).status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "a@example.com"}, "password"),
        ({"email": "a@example.com", "password": "x" * 1_025}, "password"),
        ({"email": "a@example.com", "password": "x", "is_admin": True}, "is_admin"),
        ("not an object", "body"),
    ],
)
async def test_an_unusable_request_is_refused_by_field_and_never_repeated(
    gateway: Gateway, body: object, field: str
) -> None:
    response = await gateway.http.post("/v1/sessions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_input"
    assert field in response.json()["error"]["message"]
    assert "xxx" not in response.text


async def test_a_body_above_the_limit_is_refused(gateway: Gateway) -> None:
    response = await sign_in(gateway, "a@example.com", "x" * REQUEST_BODY_BYTES)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "payload_too_large"


# --- staying signed in --------------------------------------------------------------------------------------------


async def renewed(gateway: Gateway, token: str) -> httpx.Response:
    return await gateway.http.post("/v1/sessions/renewal", headers={"Authorization": f"Bearer {token}"})


async def test_a_renewed_token_says_what_is_stored_now(gateway: Gateway) -> None:
    await add(gateway, "lasting@example.com", home=PASSWORD)
    first = (await sign_in(gateway, "lasting@example.com")).json()
    promoted = User(
        location_id=HOME,
        user_id=UserId("lasting@example.com-home"),
        email="lasting@example.com",
        name="Lasting Lee",
        role=Role.MANAGER,
    )
    await gateway.services.memory.write(lambda uow: uow.tenants.change_user(promoted))
    answer = await renewed(gateway, first["access_token"])
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    second = answer.json()
    assert (second["user"]["role"], second["user"]["name"]) == ("manager", "Lasting Lee")
    was, is_now = (gateway.doors.tokens.verify(one["access_token"]) for one in (first, second))
    assert was.signed_in_at == is_now.signed_in_at
    assert (await renewed(gateway, second["access_token"])).status_code == 201


async def test_a_user_whom_another_process_removed_is_not_renewed_and_out_here_from_then_on(
    gateway: Gateway,
) -> None:
    await add(gateway, "leaving@example.com", home=PASSWORD)
    token = (await sign_in(gateway, "leaving@example.com")).json()["access_token"]
    await gateway.services.memory.write(
        lambda uow: uow.tenants.remove_user(HOME, UserId("leaving@example.com-home"))
    )
    assert (await renewed(gateway, token)).status_code == 401
    me = await gateway.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert me.status_code == 401
    assert "removed" in me.json()["error"]["message"]


async def test_a_renewal_needs_a_token_that_is_still_good(gateway: Gateway) -> None:
    assert (await renewed(gateway, "x")).status_code == 401
    assert (await gateway.http.post("/v1/sessions/renewal")).status_code == 401


async def test_an_open_socket_takes_the_renewed_token(gateway: Gateway) -> None:
    agent = user_of(Role.AGENT)
    token = (await renewed(gateway, gateway.token(agent))).json()["access_token"]
    async with gateway.live(agent) as client:
        await client.say({"auth": token})
        heard = await client.hear_until(lambda message: "renewed" in message)
        assert heard["renewed"]["expires_at"]
