"""Names for the ids that leads are assigned to, and which of them somebody who signed in is."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.identifiers import UserId
from ghl_real_estate_ai.models.leads import StageRole
from ghl_real_estate_ai.services.team_directory import Directory, directory, keep_people
from tests.support.facts import LOCATION
from tests.support.fake_memory import FakeMemory
from tests.support.team_leads import put, worked_lead

ANA = AccountUser(user_id=UserId("crm-ana"), name="Ana Diaz", email=" Ana@Example.com ")
ZOE = AccountUser(user_id=UserId("crm-zoe"), name="zoe adams")
US = UserId("our-user")


def test_members_are_those_of_the_account_and_those_whom_leads_are_assigned_to_by_name() -> None:
    people = Directory(known=(ZOE, ANA), assignees=(UserId("crm-zoe"), UserId("crm-left-0042")))
    told = people.team_of(US, "nobody@example.com")
    assert [(one.user_id, one.name) for one in told.members] == [
        ("crm-left-0042", "agent 0042"),
        ("crm-ana", "Ana Diaz"),
        ("crm-zoe", "zoe adams"),
    ]
    assert told.me is None


@pytest.mark.parametrize(
    ("email", "linked", "me"),
    [
        ("ANA@example.COM", {}, "crm-ana"),
        ("ana@example.com", {US: UserId("crm-zoe")}, "crm-zoe"),
        ("ana@example.com", {UserId("another"): UserId("crm-zoe")}, "crm-ana"),
        ("ana@example.org", {}, None),
        ("", {}, None),
    ],
)
def test_somebody_is_who_an_admin_linked_else_who_has_the_address(
    email: str, linked: dict[UserId, UserId], me: str | None
) -> None:
    assert Directory(known=(ZOE, ANA), linked=linked).team_of(US, email).me == me


@pytest.mark.asyncio
async def test_people_who_were_read_are_kept_and_nothing_else_of_the_setup_changes() -> None:
    memory = FakeMemory()
    before = LocationSetup(
        location_id=LOCATION, stages={"s": StageRole.NEW}, linked_users={US: UserId("crm-ana")}
    )
    await memory.write(lambda uow: uow.connections.put_setup(before))
    await put(memory, worked_lead("a", agent="crm-left-0042"))
    assert await keep_people(memory, LOCATION, [ANA, ZOE])
    assert not await keep_people(memory, LOCATION, [ANA, ZOE])
    assert not await keep_people(memory, LOCATION, [])  # no scope for it: the names stay
    after = await memory.read(lambda uow: uow.connections.setup(LOCATION))
    assert after == before.model_copy(update={"crm_users": (ANA, ZOE)})
    assert await directory(memory, LOCATION) == Directory(
        known=(ANA, ZOE), assignees=(UserId("crm-left-0042"),), linked=before.linked_users
    )


@pytest.mark.asyncio
async def test_a_location_that_nobody_has_set_up_stays_so() -> None:
    memory = FakeMemory()
    assert await directory(memory, LOCATION) == Directory()
    assert not await keep_people(memory, LOCATION, [ANA])
    assert await memory.read(lambda uow: uow.connections.setup(LOCATION)) is None
