"""What an operator's commands need of a memory, on SQLite and on PostgreSQL: users renewed, events moved, raw texts."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Role, User
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LEAD, LOCATION, message

ANA = User(location_id=LOCATION, user_id=UserId("u-1"), email="ana@example.com", name="Ana", role=Role.AGENT)


@pytest.mark.asyncio
async def test_a_user_is_changed_in_their_own_location_only(memory: Database) -> None:
    elsewhere = ANA.model_copy(update={"location_id": LocationId("loc-2")})
    for user in (ANA, elsewhere):
        await memory.write(lambda uow, one=user: uow.tenants.add_user(one, password_hash="old"))
    changed = ANA.model_copy(update={"role": Role.MANAGER})
    assert await memory.write(lambda uow: uow.tenants.change_user(changed, password_hash="new"))
    assert [user.role for user in await memory.read(lambda uow: uow.tenants.users(LOCATION))] == [
        Role.MANAGER
    ]
    known = await memory.read(lambda uow: uow.tenants.credentials("ana@example.com"))
    assert [(user.location_id, digest) for user, digest in known] == [(LOCATION, "new"), ("loc-2", "old")]
    nobody = ANA.model_copy(update={"user_id": UserId("u-2")})
    assert not await memory.write(lambda uow: uow.tenants.change_user(nobody, password_hash="x"))


@pytest.mark.asyncio
async def test_a_withdrawn_event_is_appended_anew_and_stays_one_event(memory: Database) -> None:
    first = message("m").model_copy(update={"raw": '{"body": "Hello"}'})
    await memory.write(lambda uow: uow.events.append(first))

    def move(uow: UnitOfWork) -> Delivery | None:
        old = uow.events.withdraw(LOCATION, 1)
        assert old is not None
        uow.events.append(old.model_copy(update={"delivery_id": "revived"}))
        return old

    assert await memory.write(move) == first
    found = await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=10))
    assert [(recorded.position, recorded.delivery_id) for recorded in found] == [(2, "revived")]
    assert await memory.read(lambda uow: uow.events.raw_of_lead(LOCATION, LEAD)) == {2: '{"body": "Hello"}'}
    assert await memory.write(lambda uow: uow.events.append(first)) is None, "still a duplicate"
    assert await memory.write(lambda uow: uow.events.withdraw(LOCATION, 1)) is None, "the row holds nothing"
