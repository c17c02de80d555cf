"""What is still to do first: what is done is seen, admins get commands and pages, others whom to ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location, Role, StageRole, User
from ghl_real_estate_ai.services.first_steps import Known, first_steps, known_of
from tests.support.facts import LOCATION
from tests.support.fake_memory import FakeMemory
from tests.support.gateway import Gateway, served, settings_for, user_of
from tests.support.ghl import GhlSigner
from tests.support.outbox_house import connection
from tests.support.team_leads import put, worked_lead

NEW = LocationId("loc-new")
ADMIN, AGENT, MANAGER = (user_of(role, NEW) for role in (Role.ADMIN, Role.AGENT, Role.MANAGER))


async def steps(gateway: Gateway, user: User) -> dict[str, dict[str, Any]]:
    answer = await gateway.get("/v1/first-steps", user)
    assert answer.status_code == 200, answer.text
    return {step["name"]: step for step in answer.json()["steps"]}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_location_is_simulated_while_all_of_its_leads_are() -> None:
    memory = FakeMemory()

    async def simulated() -> bool:
        return (await memory.read(lambda uow: known_of(uow, LOCATION))).simulated

    assert not await simulated()
    await put(memory, worked_lead("made-up", simulated=True))
    assert await simulated()
    await put(memory, worked_lead("real"))
    assert not await simulated()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_new_location_is_told_each_step_until_all_are_done(gateway: Gateway) -> None:
    memory = gateway.services.memory
    await memory.write(
        lambda uow: (
            uow.tenants.put_location(Location(location_id=NEW, name="New")),
            uow.tenants.add_user(ADMIN, password_hash="x"),
        )
    )
    found = await steps(gateway, ADMIN)
    assert list(found) == ["connect", "stages", "history", "listings", "team"]
    assert not any(step["done"] for step in found.values())
    assert (
        found["connect"]["how"]
        == f"On the server: `enterprisehub connect --location {NEW}`. It asks for what it needs."
    )
    assert "client_id=appTest-client" in found["connect"]["href"]
    assert (await steps(gateway, ADMIN))["connect"]["href"] == found["connect"]["href"], (
        "not one for each look"
    )
    assert "On the page Admin" in found["team"]["how"]

    await memory.write(lambda uow: uow.tenants.add_user(AGENT, password_hash="x"))
    await memory.write(lambda uow: uow.connections.put(connection(owner_id=NEW)))
    setup = LocationSetup(location_id=NEW, stages={"s-1": StageRole.WON})
    await memory.write(lambda uow: uow.connections.put_setup(setup))
    found = await steps(gateway, ADMIN)
    assert {name for name, step in found.items() if step["done"]} == {"connect", "stages", "team"}
    assert found["connect"]["href"] is None

    await gateway.lead(location_id=NEW)
    await gateway.post(
        "/v1/listings", ADMIN, {"value": [{"ListingKey": "h-1", "ListPrice": 1, "City": "Austin"}]}
    )
    answer = (await gateway.get("/v1/first-steps", AGENT)).json()
    assert (answer["complete"], answer["leads"], answer["listings"]) == (True, 1, 1)


def told(role: Role, *users: User) -> dict[str, tuple[str, str | None]]:
    known = Known(connected=False, leads=0, listings=0, users=users, stages=False)
    made = first_steps(
        known,
        location_id=NEW,
        role=role,
        install_url="https://crm/install",
    )
    assert not made.complete
    return {step.name: (step.how, step.href) for step in made.steps}


def test_an_admin_imports_homes_on_a_page_and_all_others_are_told_whom_to_ask() -> None:
    ask = (f"Ask {ADMIN.name} (admin).", None)
    assert told(Role.AGENT, ADMIN, AGENT) == {"setup": ask}
    assert set(told(Role.MANAGER, ADMIN).values()) == {ask}
    homes, _ = told(Role.ADMIN, ADMIN)["listings"]
    assert homes.startswith("On the page Admin, under Homes: ")
    assert not any("TOKEN" in how for how, _ in told(Role.ADMIN, ADMIN).values())
    assert told(Role.AGENT, AGENT)["setup"][0] == "Ask whoever runs EnterpriseHub for you."


@pytest.mark.asyncio
async def test_without_an_app_there_is_no_page_to_click_on(tmp_path: Path) -> None:
    signer = GhlSigner()
    settings = settings_for(tmp_path, signer).model_copy(
        update={"ghl_client_id": "", "ghl_client_secret": ""}
    )
    async with served(settings, signer) as gateway:
        await gateway.services.memory.write(
            lambda uow: uow.tenants.put_location(Location(location_id=NEW, name="New"))
        )
        assert (await steps(gateway, ADMIN))["connect"]["href"] is None
