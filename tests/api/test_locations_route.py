"""Which locations an admin runs: those that their email and password open as admin, and no others."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.api.auth import hash_password
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Role, User
from tests.support.facts import NOON
from tests.support.gateway import AWAY, HOME, Gateway, user_of
from tests.support.outbox_house import connection

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTH = "both@example.com"


async def account(gateway: Gateway, place: LocationId, email: str, password: str, role: Role) -> User:
    user = User(location_id=place, user_id=UserId(f"{email}-{place}"), email=email, name="Both", role=role)
    digest = await hash_password(password)
    await gateway.services.memory.write(lambda uow: uow.tenants.add_user(user, password_hash=digest))
    return user


async def listed(gateway: Gateway, email: str, password: str) -> list[str]:
    """By the session of who signs in at home."""
    body = {"email": email, "password": password, "location_id": HOME}
    token = (await gateway.http.post("/v1/sessions", json=body)).json()["access_token"]
    renewed = await gateway.http.post("/v1/sessions/renewal", headers={"Authorization": f"Bearer {token}"})
    headers = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    items = (await gateway.http.get("/v1/locations", headers=headers)).json()["items"]
    return [item["location_id"] for item in items]


async def test_an_admin_sees_how_their_own_location_stands(gateway: Gateway) -> None:
    await gateway.lead()
    await gateway.services.memory.write(
        lambda uow: uow.connections.put(connection(owner_id=HOME, obtained_at=NOON))
    )
    (item,) = (await gateway.get("/v1/locations", user_of(Role.ADMIN))).json()["items"]
    assert item == {
        "location_id": HOME,
        "name": HOME,
        "connection": "active",
        "leads": item["leads"],
        "here": True,
    }
    assert item["leads"] >= 1


async def test_the_same_email_and_password_open_several(gateway: Gateway) -> None:
    for place in (HOME, AWAY):
        await account(gateway, place, BOTH, "one horse battery", Role.ADMIN)
    assert await listed(gateway, BOTH, "one horse battery") == sorted([HOME, AWAY])


@pytest.mark.parametrize(
    ("email", "password", "role"),
    [
        ("elsewhere-other-password@example.com", "quite another battery", Role.ADMIN),
        ("elsewhere-agent@example.com", "one horse battery", Role.AGENT),
    ],
)
async def test_an_email_alone_or_a_lesser_role_elsewhere_opens_nothing(
    gateway: Gateway, email: str, password: str, role: Role
) -> None:
    await account(gateway, AWAY, email, password, role)
    await account(gateway, HOME, email, "one horse battery", Role.ADMIN)
    assert await listed(gateway, email, "one horse battery") == [HOME]


async def test_a_new_password_elsewhere_ends_the_sight_of_it(gateway: Gateway) -> None:
    email = "changed@example.com"
    await account(gateway, HOME, email, "one horse battery", Role.ADMIN)
    away = await account(gateway, AWAY, email, "one horse battery", Role.ADMIN)
    body = {"email": email, "password": "one horse battery", "location_id": HOME}
    token = (await gateway.http.post("/v1/sessions", json=body)).json()["access_token"]
    later = gateway.services.clock.now()
    await gateway.services.memory.write(lambda uow: uow.tenants.change_user(away, tokens_valid_after=later))
    answer = await gateway.http.get("/v1/locations", headers={"Authorization": f"Bearer {token}"})
    assert [item["location_id"] for item in answer.json()["items"]] == [HOME]
