"""The people of the demo and of a simulated city: names for ids, and an agent to sign in as who has leads."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands import records, showcase
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.services.team_directory import directory
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.simulation.city import AGENTS
from tests.support.scripted_crm import connected

pytestmark = pytest.mark.asyncio

CITY = LocationId("simulated-city")
NAMES = [agent.name for agent in AGENTS]


@pytest.fixture(name="settings")
def _settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, sqlite_synchronous="NORMAL", jwt_secret="s" * 40)


def source(settings: Settings, gateway: str | None = None) -> showcase.Source:
    return showcase.Source(gateway or settings.gateway_url, CITY, 0.0, settings.data_dir)


async def setup_of(settings: Settings) -> LocationSetup | None:
    async with bootstrap.opened(settings) as memory:
        return await memory.read(lambda uow: uow.connections.setup(CITY))


async def serve(settings: Settings) -> None:
    async with bootstrap.opened(settings) as memory:
        await records.add_location(memory, Location(location_id=CITY, name="City"))


async def test_the_agent_of_the_demo_is_one_of_the_citys(settings: Settings) -> None:
    await showcase.demo_people(settings, "a long password")
    async with bootstrap.opened(settings) as memory:
        users = {user.email: user for user in await memory.read(lambda uow: uow.tenants.users(CITY))}
        people = await directory(memory, CITY)
    agent, manager = users["agent@example.com"], users["manager@example.com"]
    assert (agent.name, manager.name) == ("Alex Rivera", "Morgan Manager")
    team = people.team_of(agent.user_id, agent.email)
    assert team.me == AGENTS[0].user_id
    assert [member.name for member in team.members] == NAMES
    assert people.team_of(manager.user_id, manager.email).me is None


async def test_a_city_that_is_sent_to_this_installation_brings_its_names(settings: Settings) -> None:
    assert not await showcase.introduce(settings, source(settings))
    assert not (settings.data_dir / "enterprisehub.db").exists()  # none is made for it
    await serve(settings)
    assert not await showcase.introduce(settings, source(settings, "https://elsewhere.example.com"))
    assert await setup_of(settings) is None
    assert await showcase.introduce(settings, source(settings))
    setup = await setup_of(settings)
    assert setup is not None
    assert [user.name for user in setup.crm_users] == NAMES
    assert setup.crm_users[0].email == "alex.rivera@example.com"


async def test_names_that_an_account_gave_are_not_overwritten(settings: Settings) -> None:
    await serve(settings)
    own = AccountUser(user_id=UserId("crm-ana"), name="Ana Diaz")
    async with bootstrap.opened(settings) as memory:
        await connected(memory, CITY, crm_users=[own.model_dump()])
    assert not await showcase.introduce(settings, source(settings))
    setup = await setup_of(settings)
    assert setup is not None
    assert setup.crm_users == (own,)
