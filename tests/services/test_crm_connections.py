"""Connecting accounts and losing them, over a simulated GoHighLevel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from ghl_real_estate_ai.errors import (
    ConfigurationError,
    GrantRefused,
    InputError,
    NeedsReconnect,
    ScopeMissing,
)
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.oauth import SCOPES
from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import AppCredentials
from ghl_real_estate_ai.integrations.gohighlevel.sealing import ACCESS
from ghl_real_estate_ai.models.connections import Connection, ConnectionKind, ConnectionStatus, OwnerKind
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange, RereadRequest
from ghl_real_estate_ai.services.admission import Outcome
from ghl_real_estate_ai.services.crm_connections import CrmConnections
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from tests.support.clock import FakeClock
from tests.support.crm_access import CALLBACK, CrmTools, crm_tools
from tests.support.fake_ghl import COMPANY_ID, LOCATION_ID, FakeGhl, fake_ghl, noon
from tests.support.fake_memory import FakeMemory
from tests.support.ghl import GhlSigner, encoded, reader_of, webhook

pytestmark = pytest.mark.asyncio
SECOND = "simulatedLocation002"


@dataclass
class Office:
    """The service over a fake account and a memory of dicts, with bus and inbox."""

    fake: FakeGhl
    clock: FakeClock
    memory: FakeMemory
    tools: CrmTools
    service: CrmConnections
    bus: EventBus
    inbox: EventInbox
    vendor: GhlSigner = field(default_factory=GhlSigner)
    simulator: GhlSigner = field(default_factory=GhlSigner)

    async def state(self) -> str:
        """Of an installation that has begun."""
        return parse_qs(urlsplit(await self.service.install_url()).query)["state"][0]

    async def stored(self, owner_id: str = LOCATION_ID) -> Connection | None:
        """As the memory has it."""
        return await self.memory.read(lambda uow: uow.connections.get(owner_id))

    async def served(self) -> dict[str, str]:
        """Locations and their names."""
        places = await self.memory.read(lambda uow: uow.tenants.locations())
        return {place.location_id: place.name for place in places}

    async def deliver(self, by: GhlSigner | None = None, **fields: str) -> Outcome:
        """A signed UNINSTALL; by the simulator unless somebody else signs."""
        body = webhook("UNINSTALL", **fields)
        body = {name: value for name, value in body.items() if value != ""}
        body["appId"] = fields.get("appId", AppCredentials(self.fake.client_id, "").app_id)
        body["timestamp"] = fields.get("timestamp", self.clock.now().isoformat())
        raw, signer = encoded(body), by or self.simulator
        reader = reader_of(vendor=self.vendor, simulator=self.simulator)
        delivery = reader.read(raw, signer.headers(raw), received_at=self.clock.now())
        return (await self.inbox.receive(delivery)).outcome

    @asynccontextmanager
    async def dispatching(self) -> AsyncIterator[None]:
        """With the bus running; left when everything was handled."""
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.bus.run())
            yield
            for place in (LOCATION_ID, SECOND, COMPANY_ID):
                async with asyncio.timeout(30):
                    while await self.bus.lag(LocationId(place)):
                        await asyncio.sleep(0.005)
            running.cancel()


@pytest_asyncio.fixture(params=ApiProfile)
async def office(request: pytest.FixtureRequest) -> AsyncIterator[Office]:
    clock, memory = FakeClock(noon()), FakeMemory()
    async with fake_ghl(location_ids=(LOCATION_ID, SECOND), now=clock.now) as fake:
        app = AppCredentials(fake.client_id, fake.client_secret)
        async with crm_tools(memory, fake.url, app, clock=clock, api=request.param) as tools:
            service = CrmConnections(
                memory=memory,
                access=tools.access,
                clock=clock,
                app_id=app.app_id,
                adopt=tools.keeper.token,
                sleep=clock.sleep,
            )
            bus = EventBus(memory=memory, clock=clock, poll_s=0.02)
            bus.subscribe_durable(
                "crm_connections", service.uninstalled, types=frozenset({"CrmAppUninstalled"})
            )
            yield Office(
                fake, clock, memory, tools, service, bus, EventInbox(memory=memory, bus=bus, clock=clock)
            )


# --- consent --------------------------------------------------------------------------------------------------------


async def test_the_install_url_holds_what_the_consent_page_needs(office: Office) -> None:
    asked = parse_qs(urlsplit(await office.service.install_url()).query)
    assert asked["client_id"] == [office.fake.client_id]
    assert asked["redirect_uri"] == [CALLBACK]
    assert asked["response_type"] == ["code"]
    assert asked["scope"] == [" ".join(SCOPES)]
    assert len(asked["state"][0]) >= 40
    assert await office.state() != await office.state()


async def test_an_owner_who_consents_has_a_connected_and_served_location(office: Office) -> None:
    url = await office.service.install_url()
    async with httpx.AsyncClient(trust_env=False) as browser:
        page = await browser.get(f"{url}&location_id={LOCATION_ID}")
    back = parse_qs(urlsplit(page.headers["location"]).query)
    connected = await office.service.finish_install(code=back["code"][0], state=back["state"][0])
    assert [place.location_id for place in connected.locations] == [LOCATION_ID]
    assert await office.served() == {LOCATION_ID: office.fake.home.name}
    stored = await office.stored()
    assert stored is not None
    assert (stored.kind, stored.status, stored.simulated) == (
        ConnectionKind.OAUTH,
        ConnectionStatus.ACTIVE,
        True,
    )
    assert stored.expires_at is not None
    assert (await office.tools.client.get_location(LOCATION_ID)).id == LOCATION_ID


async def test_a_state_is_good_once_for_ten_minutes_and_only_if_we_made_it(office: Office) -> None:
    state = await office.state()
    with pytest.raises(InputError, match="enterprisehub connect"):
        await office.service.finish_install(code=office.fake.code(), state="made up")
    await office.service.finish_install(code=office.fake.code(), state=state)
    with pytest.raises(InputError):
        await office.service.finish_install(code=office.fake.code(), state=state)
    old = await office.state()
    office.clock.set_forward(600)
    with pytest.raises(InputError):
        await office.service.finish_install(code=office.fake.code(), state=old)


async def test_a_void_code_connects_nothing(office: Office) -> None:
    with pytest.raises(GrantRefused):
        await office.service.finish_install(code="made up", state=await office.state())
    assert await office.memory.read(lambda uow: uow.connections.all()) == []
    assert await office.served() == {}


async def test_an_agency_brings_its_locations_each_with_a_token_of_its_own(office: Office) -> None:
    connected = await office.service.finish_install(code=office.fake.code(""), state=await office.state())
    assert connected.owner_kind is OwnerKind.COMPANY
    assert [place.location_id for place in connected.locations] == [LOCATION_ID, SECOND]
    assert set(await office.served()) == {LOCATION_ID, SECOND}
    for place in (LOCATION_ID, SECOND):
        stored = await office.stored(place)
        assert stored is not None
        assert stored.company_id == COMPANY_ID
        assert (await office.tools.client.get_location(place)).id == place


async def test_a_location_of_an_agency_that_gets_no_token_now_is_served_and_gets_it_later(
    office: Office,
) -> None:
    office.fake.faults.fail_next, office.fake.faults.only_path = 4, "/oauth/location"
    connected = await office.service.finish_install(code=office.fake.code(""), state=await office.state())
    assert [place.location_id for place in connected.locations] == [SECOND]
    assert [place.location_id for place in connected.later] == [LOCATION_ID]
    assert (await office.tools.client.get_location(LOCATION_ID)).id == LOCATION_ID


class SlowAccess:
    """The office's access; a location's token takes 15 s."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def __getattr__(self, name: str) -> Any:
        return getattr(self._office.tools.access, name)

    async def of_company(self, company: Connection, location_id: LocationId) -> Connection:
        self._office.clock.set_forward(15)
        return await self._office.tools.access.of_company(company, location_id)


async def test_a_second_installation_reaches_the_locations_that_the_first_had_no_time_for(
    office: Office,
) -> None:
    third = "simulatedLocation003"
    async with fake_ghl(location_ids=(LOCATION_ID, SECOND, third), now=office.clock.now) as fake:
        app = AppCredentials(fake.client_id, fake.client_secret)
        async with crm_tools(office.memory, fake.url, app, clock=office.clock) as tools:
            office.tools = tools
            service = CrmConnections(
                memory=office.memory,
                access=SlowAccess(office),
                clock=office.clock,
                app_id=app.app_id,
                adopt=tools.keeper.token,
            )
            office.service = service
            first = await service.finish_install(code=fake.code(""), state=await office.state())
            assert [place.location_id for place in first.later] == [third]
            again = await service.finish_install(code=fake.code(""), state=await office.state())
    assert again.later == ()
    assert await office.stored(third) is not None


async def test_the_gateway_gives_an_agencys_locations_the_tokens_that_they_still_lack(
    office: Office,
) -> None:
    places = [LocationId(LOCATION_ID), LocationId(SECOND), LocationId("office-of-files")]
    for place in places:
        served = Location(location_id=place, name=place)
        await office.memory.write(lambda uow, served=served: uow.tenants.put_location(served))  # type: ignore[misc]
    await office.service.adopt_served()
    assert await office.memory.read(lambda uow: uow.connections.all()) == [], "there is no agency to ask"

    office.fake.faults.fail_next, office.fake.faults.only_path = 99, "/oauth/location"
    await office.service.finish_install(code=office.fake.code(""), state=await office.state())
    assert await office.stored() is None
    office.fake.faults.fail_next = 0
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(office.service.run())
        async with asyncio.timeout(30):
            while not (await office.stored() and await office.stored(SECOND)):
                await asyncio.sleep(0.01)
        running.cancel()
    assert (await office.tools.client.get_location(SECOND)).id == SECOND
    assert await office.stored("office-of-files") is None


async def test_a_location_that_no_agency_has_is_asked_for_once_an_hour_and_holds_up_no_other(
    office: Office,
) -> None:
    await office.service.finish_install(code=office.fake.code(""), state=await office.state())
    asked: list[str] = []

    async def refused(location_id: LocationId) -> None:
        asked.append(location_id)
        raise NeedsReconnect("not of this agency")

    service = CrmConnections(
        memory=office.memory, access=office.tools.access, clock=office.clock, app_id="", adopt=refused
    )
    for name in ("files-1", "files-2"):
        place = Location(location_id=LocationId(name), name=name)
        await office.memory.write(lambda uow, place=place: uow.tenants.put_location(place))  # type: ignore[misc]
    for _ in range(3):
        await service.adopt_served()
        office.clock.set_forward(1_799)
    assert asked == ["files-1", "files-2"]
    office.clock.set_forward(3)
    await service.adopt_served()
    assert asked == ["files-1", "files-2"] * 2


async def test_of_several_processes_one_asks_for_a_locations_token(office: Office) -> None:
    await office.service.finish_install(code=office.fake.code(""), state=await office.state())
    asked: list[tuple[str, str]] = []

    def of_process(name: str, mine: str) -> CrmConnections:
        async def adopt(location_id: LocationId) -> None:
            asked.append((name, location_id))
            raise NeedsReconnect("not of this agency")

        return CrmConnections(
            memory=office.memory,
            access=office.tools.access,
            clock=office.clock,
            app_id="",
            adopt=adopt,
            mine=lambda location_id: location_id == mine,
        )

    for name in ("files-1", "files-2"):
        place = Location(location_id=LocationId(name), name=name)
        await office.memory.write(lambda uow, place=place: uow.tenants.put_location(place))  # type: ignore[misc]
    for service in (of_process("a", "files-1"), of_process("b", "files-2")):
        await service.adopt_served()
    assert asked == [("a", "files-1"), ("b", "files-2")]


async def test_without_an_app_the_error_names_the_settings_and_the_other_way(office: Office) -> None:
    async with crm_tools(office.memory, office.fake.url, AppCredentials("", "")) as tools:
        service = CrmConnections(
            memory=office.memory,
            access=tools.access,
            clock=office.clock,
            app_id="",
            adopt=tools.keeper.token,
        )
        with pytest.raises(
            ConfigurationError, match=r"ENTERPRISEHUB_GHL_CLIENT_ID.*private integration token"
        ):
            await service.install_url()


async def test_connecting_again_puts_a_newer_generation_in_place(office: Office) -> None:
    for generation in (1, 2):
        await office.service.finish_install(code=office.fake.code(), state=await office.state())
        stored = await office.stored()
        assert stored is not None
        assert stored.generation == generation


# --- private tokens -------------------------------------------------------------------------------------------------


async def test_a_private_token_is_checked_sealed_and_its_location_served(office: Office) -> None:
    connected = await office.service.connect_private_token(LocationId(LOCATION_ID), office.fake.pit)
    assert connected.locations == (Location(location_id=LocationId(LOCATION_ID), name=office.fake.home.name),)
    stored = await office.service.of_location(LocationId(LOCATION_ID))
    assert stored is not None
    assert (stored.kind, stored.expires_at) == (ConnectionKind.PRIVATE_TOKEN, None)
    assert stored.company_id == COMPANY_ID
    assert office.fake.pit not in stored.access_token
    opened = office.tools.seal.open(stored.access_token, owner_id=LOCATION_ID, field=ACCESS)
    assert opened == office.fake.pit


async def test_a_private_token_that_is_not_accepted_is_not_stored(office: Office) -> None:
    with pytest.raises(NeedsReconnect):
        await office.service.connect_private_token(LocationId(LOCATION_ID), "pit-wrong")
    with pytest.raises((ScopeMissing, NeedsReconnect)):  # of another location
        await office.service.connect_private_token(LocationId(SECOND), office.fake.pit)
    with pytest.raises(ConfigurationError, match="copy it again"):
        await office.service.connect_private_token(LocationId(LOCATION_ID), "pit-\u201cquoted\u201d")
    assert await office.memory.read(lambda uow: uow.connections.all()) == []


# --- UNINSTALL ------------------------------------------------------------------------------------------------------


async def install(office: Office, owner: str = LOCATION_ID) -> None:
    """By consent; '' for the whole agency. One change waits to be sent."""
    await office.service.finish_install(code=office.fake.code(owner), state=await office.state())
    change = CrmChange.model_validate(
        {
            "location_id": LOCATION_ID,
            "change_id": "tags:lead-1",
            "lead_id": "lead-1",
            "kind": ChangeKind.TAGS,
            "content": {},
            "due_at": office.clock.now(),
            "created_at": office.clock.now(),
        }
    )
    await office.memory.write(lambda uow: uow.changes.want(change))


async def changes(office: Office) -> dict[ChangeStatus, int]:
    return await office.memory.read(lambda uow: uow.changes.counts(LocationId(LOCATION_ID)))


async def test_uninstall_deletes_the_tokens_drops_what_waits_and_keeps_the_row(office: Office) -> None:
    await install(office)
    place = LocationId(LOCATION_ID)
    hint = RereadRequest(location_id=place, lead_id=LeadId("lead-1"), requested_at=noon(), due_at=noon())
    await office.memory.write(lambda uow: uow.sync.request_reread(hint))
    async with office.dispatching():
        assert await office.deliver(locationId=LOCATION_ID) is Outcome.STORED
        assert await office.deliver(locationId=LOCATION_ID) is Outcome.DUPLICATE
    stored = await office.stored()
    assert stored is not None
    assert stored.status is ConnectionStatus.UNINSTALLED
    assert (stored.access_token, stored.refresh_token, stored.expires_at) == ("", "", None)
    assert stored.generation == 2, "once"
    assert await changes(office) == {ChangeStatus.FAILED: 1}
    assert await office.memory.read(lambda uow: uow.sync.waiting_rereads(place)) == 0
    with pytest.raises(NeedsReconnect, match="uninstalled"):
        await office.tools.client.get_location(LOCATION_ID)


async def test_an_agencys_uninstall_without_location_closes_it_and_all_of_its_locations(
    office: Office,
) -> None:
    await install(office, "")
    async with office.dispatching():
        assert await office.deliver(locationId="", companyId=COMPANY_ID) is Outcome.STORED
    for owner in (COMPANY_ID, LOCATION_ID, SECOND):
        stored = await office.stored(owner)
        assert stored is not None
        assert (stored.status, stored.access_token) == (ConnectionStatus.UNINSTALLED, "")
    assert await changes(office) == {ChangeStatus.FAILED: 1}


async def test_an_agencys_uninstall_that_a_crash_left_unhandled_is_handled_at_the_next_start(
    office: Office,
) -> None:
    await install(office, "")
    await office.deliver(locationId="", companyId=COMPANY_ID)  # stored; nobody dispatches yet
    async with office.dispatching():
        pass
    stored = await office.stored(COMPANY_ID)
    assert stored is not None
    assert stored.status is ConnectionStatus.UNINSTALLED


async def test_one_location_of_an_agency_may_leave_alone(office: Office) -> None:
    await install(office, "")
    async with office.dispatching():
        await office.deliver(locationId=SECOND, companyId=COMPANY_ID)
    found = [await office.stored(owner) for owner in (COMPANY_ID, LOCATION_ID, SECOND)]
    assert [one.status.value for one in found if one] == ["active", "active", "uninstalled"]


async def test_an_agency_that_is_not_connected_is_not_served(office: Office) -> None:
    await install(office)
    assert await office.deliver(locationId="", companyId="anotherCompany") is Outcome.IGNORED


@pytest.mark.parametrize("case", ["another app", "no app", "an old notice", "a private token", "a simulator"])
async def test_an_uninstall_that_is_not_meant_for_the_connection_ends_nothing(
    office: Office, case: str
) -> None:
    await install(office)
    fields, signer = {"locationId": LOCATION_ID}, office.simulator
    if case == "another app":
        fields["appId"] = "somebodyElsesApp"
    if case == "no app":
        fields["appId"] = ""
    if case == "an old notice":
        fields["timestamp"] = (office.clock.now() - timedelta(minutes=10)).isoformat()
    if case == "a private token":
        await office.service.connect_private_token(LocationId(LOCATION_ID), office.fake.pit)
    if case == "a simulator":
        stored = await office.stored()
        assert stored is not None
        real = stored.model_copy(update={"simulated": False})
        await office.memory.write(lambda uow: uow.connections.put(real))
    async with office.dispatching():
        assert await office.deliver(signer, **fields) is Outcome.STORED
    stored = await office.stored()
    assert stored is not None
    assert stored.status is ConnectionStatus.ACTIVE
    assert await changes(office) == {ChangeStatus.PENDING: 1}


async def test_gohighlevels_own_key_ends_a_real_connection(office: Office) -> None:
    await install(office)
    stored = await office.stored()
    assert stored is not None
    real = stored.model_copy(update={"simulated": False})
    await office.memory.write(lambda uow: uow.connections.put(real))
    async with office.dispatching():
        await office.deliver(office.vendor, locationId=LOCATION_ID)
    stored = await office.stored()
    assert stored is not None
    assert stored.status is ConnectionStatus.UNINSTALLED
