"""Users by the API: who may sign in, what ends their sessions, and the admin whom nobody can take away."""

from __future__ import annotations

import itertools

import httpx
import pytest

from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Location, Role, User
from ghl_real_estate_ai.models.streams import CloseCode
from tests.support.gateway import AWAY, HOME, PASSWORD, Gateway, served, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN = user_of(Role.ADMIN)
_numbers = itertools.count(1)


async def add(gateway: Gateway, role: Role = Role.AGENT, by: User = ADMIN, **more: object) -> User:
    """Somebody of their own, with the password of all."""
    email = f"user-{next(_numbers)}@example.com"
    answer = await gateway.post(
        "/v1/users", by, {"email": email, "name": "Una", "role": role.value, "password": PASSWORD, **more}
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return User(
        location_id=by.location_id,
        user_id=UserId(made["user_id"]),
        email=made["email"],
        name=made["name"],
        role=Role(made["role"]),
    )


async def session_of(gateway: Gateway, user: User, password: str = PASSWORD) -> dict[str, str]:
    """The header of somebody who has signed in."""
    answer = await gateway.http.post(
        "/v1/sessions", json={"email": user.email, "password": password, "location_id": user.location_id}
    )
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def change(gateway: Gateway, user: User, **wanted: object) -> httpx.Response:
    return await gateway.post(f"/v1/users/{user.user_id}", ADMIN, wanted)


async def remove(gateway: Gateway, user: User, by: User = ADMIN) -> httpx.Response:
    return await gateway.post(f"/v1/users/{user.user_id}/removal", by)


async def test_an_added_user_is_listed_and_signs_in(gateway: Gateway) -> None:
    user = await add(gateway, Role.MANAGER)
    listed = (await gateway.get("/v1/users", ADMIN)).json()["items"]
    assert {
        "user_id": user.user_id,
        "name": "Una",
        "email": user.email,
        "role": "manager",
        "crm_user_id": None,
    } in listed
    assert "password" not in str(listed)
    me = await gateway.http.get("/v1/me", headers=await session_of(gateway, user))
    assert me.json()["role"] == "manager"


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"email": "nobody"}, 400, "not an address"),
        ({"email": "z\x00@example.com"}, 400, "not an address"),
        ({"email": "a b@example.com"}, 400, "not an address"),
        ({"name": "New\x00"}, 400, "control character"),
        ({"password": "short"}, 400, "password is too short"),
        ({"role": "owner"}, 400, "role"),
        ({"email": ADMIN.email}, 409, "already"),
        ({"is_god": True}, 400, "is_god"),
    ],
)
async def test_a_user_who_cannot_be_is_refused_with_the_reason(
    gateway: Gateway, fields: dict[str, object], status: int, words: str
) -> None:
    body = {"email": "new@example.com", "name": "New", "role": "agent", "password": PASSWORD} | fields
    answer = await gateway.post("/v1/users", ADMIN, body)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert PASSWORD not in answer.text


async def test_a_removed_user_is_out_at_once_with_token_socket_and_renewal(gateway: Gateway) -> None:
    user = await add(gateway)
    headers = await session_of(gateway, user)
    ticket = (await gateway.http.post("/v1/ws-ticket", headers=headers)).json()["ticket"]
    async with gateway.socket(headers=headers) as client:
        await client.hear_until(lambda message: "hello" in message)
        assert (await remove(gateway, user)).json()["email"] == user.email
        assert await client.code() == CloseCode.TOKEN_EXPIRED
    assert (await gateway.http.get("/v1/me", headers=headers)).status_code == 401
    assert (await gateway.http.post("/v1/sessions/renewal", headers=headers)).status_code == 401
    async with gateway.socket(f"?ticket={ticket}") as client:
        assert await client.code() == CloseCode.AUTHENTICATION_NEEDED
    body = {"email": user.email, "password": PASSWORD}
    assert (await gateway.http.post("/v1/sessions", json=body)).status_code == 401
    assert (await remove(gateway, user)).status_code == 404


async def test_somebody_who_comes_back_has_a_new_session_and_not_the_old_one(gateway: Gateway) -> None:
    user = await add(gateway)
    old = await session_of(gateway, user)
    await remove(gateway, user)
    body = {"email": user.email, "name": "Una", "role": "agent", "password": PASSWORD}
    assert (await gateway.post("/v1/users", ADMIN, body)).status_code == 201
    assert (await gateway.http.get("/v1/me", headers=old)).status_code == 401
    new = await session_of(gateway, user)
    assert (await gateway.http.get("/v1/me", headers=new)).status_code == 200
    assert (await gateway.http.post("/v1/sessions/renewal", headers=new)).status_code == 201


async def test_a_new_password_and_a_lesser_role_end_older_sessions_and_other_changes_do_not(
    gateway: Gateway,
) -> None:
    user = await add(gateway, Role.MANAGER)
    for wanted, ends in (
        ({"name": "Una Again"}, False),
        ({"role": "admin"}, False),
        ({"role": "agent"}, True),
        ({"password": "another horse battery"}, True),
    ):
        password = PASSWORD
        headers = await session_of(gateway, user, password)
        assert (await change(gateway, user, **wanted)).status_code == 200
        status = (await gateway.http.get("/v1/me", headers=headers)).status_code
        assert status == (401 if ends else 200), wanted
    assert (await session_of(gateway, user, "another horse battery"))["Authorization"]
    assert (await change(gateway, user, password="short")).status_code == 400


async def test_the_last_admin_is_neither_removed_nor_demoted(gateway: Gateway) -> None:
    for answer in (await remove(gateway, ADMIN), await change(gateway, ADMIN, role="agent")):
        assert answer.status_code == 409
        assert "last admin" in answer.json()["error"]["message"]
    second = await add(gateway, Role.ADMIN)
    assert (await change(gateway, second, role="manager")).status_code == 200
    assert (await gateway.get("/v1/users", ADMIN)).status_code == 200


async def test_a_link_to_the_crms_user_is_given_and_taken(gateway: Gateway) -> None:
    place = LocationId("loc-linked")
    admin = user_of(Role.ADMIN, place)
    people = (
        AccountUser(user_id=UserId("crm-1"), name="Ana", email=admin.email.upper()),
        AccountUser(user_id=UserId("crm-2"), name="Bo"),
    )
    setup = LocationSetup(location_id=place, crm_users=people)
    await gateway.services.memory.write(
        lambda uow: (
            uow.tenants.put_location(Location(location_id=place, name="Linked")),
            uow.tenants.add_user(admin, password_hash="x"),
            uow.connections.put_setup(setup),
        )
    )

    async def linked(user_id: str) -> object:
        items = (await gateway.get("/v1/users", admin)).json()["items"]
        return next(item["crm_user_id"] for item in items if item["user_id"] == user_id)

    assert await linked(admin.user_id) == "crm-1", "the email address tells"
    user = await add(gateway, by=admin, crm_user_id="crm-2")
    assert await linked(user.user_id) == "crm-2"
    unknown = await gateway.post(f"/v1/users/{user.user_id}", admin, {"crm_user_id": "crm-9"})
    assert unknown.status_code == 400
    assert "crm-1 (Ana)" in unknown.json()["error"]["message"]
    await gateway.post(f"/v1/users/{user.user_id}", admin, {"name": "Still linked"})
    assert await linked(user.user_id) == "crm-2"
    await gateway.post(f"/v1/users/{user.user_id}", admin, {"crm_user_id": None})
    assert await linked(user.user_id) is None
    await gateway.post(f"/v1/users/{user.user_id}", admin, {"crm_user_id": "crm-2"})
    await remove(gateway, user, by=admin)
    kept = await gateway.services.memory.read(lambda uow: uow.connections.setup(place))
    assert kept is not None
    assert kept.linked_users == {}


async def test_an_admin_of_another_tenant_reaches_nobody_here(gateway: Gateway) -> None:
    user = await add(gateway)
    stranger = user_of(Role.ADMIN, AWAY)
    assert (await gateway.post(f"/v1/users/{user.user_id}", stranger, {"name": "X"})).status_code == 404
    assert (await remove(gateway, user, by=stranger)).status_code == 404
    assert user.email not in (await gateway.get("/v1/users", stranger)).text
    assert HOME not in (await gateway.get("/v1/users", stranger)).text


async def test_a_removed_user_is_out_at_every_other_gateway_after_its_next_look(
    gateway: Gateway,
) -> None:
    user = await add(gateway)
    headers = await session_of(gateway, user)
    settings = gateway.services.settings
    async with served(settings, gateway.signer) as second:
        assert (await second.http.get("/v1/me", headers=headers)).status_code == 200
        async with second.socket(headers=headers) as client:
            await client.hear_until(lambda message: "hello" in message)
            await remove(gateway, user)
            await second.services.access.look()
            assert await client.code() == CloseCode.TOKEN_EXPIRED
        assert (await second.http.get("/v1/me", headers=headers)).status_code == 401
