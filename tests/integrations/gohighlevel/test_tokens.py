"""The keeper of tokens against a GoHighLevel with single-use refresh tokens, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from ghl_real_estate_ai.errors import (
    ConfigurationError,
    LocationInactive,
    NeedsReconnect,
    OutcomeUnknown,
    Unreachable,
)
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import AppCredentials
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import RateLimiter
from ghl_real_estate_ai.limits import PRIVATE_TOKEN_PAUSE_S, TOKEN_LEASE_S
from ghl_real_estate_ai.models.connections import Connection, ConnectionKind, ConnectionStatus, OwnerKind
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location
from tests.support.clock import FakeClock
from tests.support.crm_access import CrmTools, crm_tools, sealed
from tests.support.fake_ghl import COMPANY_ID, LOCATION_ID, FakeGhl, fake_ghl, noon
from tests.support.fake_memory import FakeMemory
from tests.support.scripted_server import Reply, Seen, answering

pytestmark = pytest.mark.asyncio
DAY_S = 86_399


@dataclass
class Scene:
    """A fake account, a memory, a clock that both go by."""

    fake: FakeGhl
    clock: FakeClock
    memory: FakeMemory
    slept: list[float]

    async def sleep(self, seconds: float) -> None:
        """Waits cost no time but the clock's."""
        self.slept.append(seconds)
        self.clock.set_forward(seconds)
        await asyncio.sleep(0)

    @asynccontextmanager
    async def tools(self, **fields: object) -> AsyncIterator[CrmTools]:
        """Wired to the fake."""
        app = AppCredentials(self.fake.client_id, self.fake.client_secret)
        limiter = RateLimiter(seconds=lambda: self.clock.now().timestamp(), sleep=self.sleep)
        wanted = {"app": app, "clock": self.clock, "sleep": self.sleep, "limiter": limiter} | fields
        async with crm_tools(self.memory, self.fake.url, **wanted) as tools:  # type: ignore[arg-type]
            yield tools

    async def connect(self, tools: CrmTools, owner_id: str = LOCATION_ID, **fields: object) -> Connection:
        """Store a connection with tokens that the fake gave out."""
        issued = self.fake.vendor.authority.exchange(
            self.fake.code("" if owner_id == COMPANY_ID else owner_id)
        )
        kind = OwnerKind.COMPANY if owner_id == COMPANY_ID else OwnerKind.LOCATION
        now = self.clock.now()
        connection = sealed(
            owner_id,
            seal=tools.seal,
            access=issued.access,
            refresh=issued.refresh,
            at=now,
            **{"owner_kind": kind, "expires_at": now + timedelta(seconds=DAY_S)} | fields,
        )
        await self.memory.write(lambda uow: uow.connections.put(connection))
        return connection

    async def connect_privately(self, tools: CrmTools, token: str) -> Connection:
        """Store a connection by a private token."""
        kind, at = ConnectionKind.PRIVATE_TOKEN, self.clock.now()
        connection = sealed(LOCATION_ID, seal=tools.seal, access=token, at=at, kind=kind)
        await self.memory.write(lambda uow: uow.connections.put(connection))
        return connection

    async def stored(self, owner_id: str = LOCATION_ID) -> Connection:
        """As the memory has it."""
        found = await self.memory.read(lambda uow: uow.connections.get(owner_id))
        assert found is not None
        return found

    async def lease_is_taken(self) -> None:
        """Until a renewal is under way: the next that it writes are the new tokens."""
        async with asyncio.timeout(30):
            while LOCATION_ID not in self.memory._state.crm.leases:
                await asyncio.sleep(0.001)


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    clock = FakeClock(noon())
    async with fake_ghl(now=clock.now) as fake:
        yield Scene(fake, clock, FakeMemory(), [])


@pytest.fixture
def logs() -> Iterator[list[dict[str, object]]]:
    with capture_logs() as captured:
        yield captured  # type: ignore[misc]


# --- beforehand -----------------------------------------------------------------------------------------------------


async def test_a_token_is_renewed_five_minutes_before_it_expires_and_not_earlier(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools)
        scene.clock.set_forward(DAY_S - 301)
        assert (await tools.keeper.token(LOCATION_ID)).generation == 1
        scene.clock.set_forward(1)
        fresh = await tools.keeper.token(LOCATION_ID)
        assert fresh.generation == 2
        assert scene.fake.vendor.authority.grant_of(fresh.value) is not None
        again = await tools.keeper.token(LOCATION_ID)
        assert (again.generation, again.value) == (2, fresh.value)
        assert (await scene.stored()).expires_at == scene.clock.now() + timedelta(seconds=DAY_S)


async def test_an_early_renewal_that_fails_leaves_the_good_token_in_use(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools)
        scene.clock.set_forward(DAY_S - 200)
        scene.fake.faults.fail_next, scene.fake.faults.only_path = 99, "/oauth/token"
        assert (await tools.keeper.token(LOCATION_ID)).generation == 1
        scene.clock.set_forward(200)
        with pytest.raises((Unreachable, OutcomeUnknown)):
            await tools.keeper.token(LOCATION_ID)
        assert (await scene.stored()).status is ConnectionStatus.ACTIVE
        scene.fake.faults.fail_next = 0
        assert (await tools.keeper.token(LOCATION_ID)).generation == 2


# --- after a 401 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ApiProfile)
async def test_fifty_parallel_401s_make_one_renewal_and_no_failed_call(scene: Scene, api: ApiProfile) -> None:
    async with scene.tools(api=api) as tools:
        await scene.connect(tools)
        scene.fake.vendor.authority.revoke_access()
        places = await asyncio.gather(*(tools.client.get_location(LOCATION_ID) for _ in range(50)))
        assert {place.id for place in places} == {LOCATION_ID}
        assert (await scene.stored()).generation == 2


async def test_who_comes_late_with_an_old_generation_gets_the_new_token_without_a_renewal(
    scene: Scene,
) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools)
        first = await tools.keeper.renewed(LOCATION_ID, generation=1)
        late = await tools.keeper.renewed(LOCATION_ID, generation=1)
        assert (late.generation, late.value) == (2, first.value)


async def test_a_waiter_that_gives_up_does_not_lose_the_tokens_that_are_on_their_way(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools)
        scene.fake.faults.slow_s = 0.2
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await tools.keeper.renewed(LOCATION_ID, generation=1)
        assert (await tools.keeper.renewed(LOCATION_ID, generation=1)).generation == 2
        assert (await tools.keeper.renewed(LOCATION_ID, generation=2)).generation == 3


async def test_an_error_of_somebody_else_leaves_the_block_as_it_is_and_loses_no_tokens(scene: Scene) -> None:
    async def fail_while_renewing() -> None:
        async with scene.tools() as tools:
            await scene.connect(tools)
            scene.fake.faults.slow_s = 0.2
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await tools.keeper.renewed(LOCATION_ID, generation=1)
            raise KeyError("of the caller")

    with pytest.raises(KeyError):
        await fail_while_renewing()
    assert (await scene.stored()).generation == 2


# --- what a refusal means -------------------------------------------------------------------------------------------


async def test_a_void_refresh_token_asks_for_a_new_connection_and_says_so_once(
    scene: Scene, logs: list[dict[str, object]]
) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools)
        scene.fake.vendor.authority.kill_refresh_tokens()
        scene.fake.vendor.authority.revoke_access()
        outcomes = await asyncio.gather(
            *(tools.client.get_location(LOCATION_ID) for _ in range(9)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {NeedsReconnect}
        assert (await scene.stored()).status is ConnectionStatus.NEEDS_RECONNECT
        with pytest.raises(NeedsReconnect, match="enterprisehub connect"):
            await tools.keeper.token(LOCATION_ID)
    assert [entry["event"] for entry in logs].count("connection.lost") == 1


async def test_a_paused_location_is_no_void_grant_and_comes_back(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools)
        scene.fake.faults.inactive_locations = [LOCATION_ID]
        with pytest.raises(LocationInactive):
            await tools.keeper.renewed(LOCATION_ID, generation=1)
        assert (await scene.stored()).status is ConnectionStatus.ACTIVE
        scene.fake.faults.inactive_locations = []
        assert (await tools.keeper.renewed(LOCATION_ID, generation=1)).generation == 2


async def test_errors_of_the_server_are_waited_out_with_growing_pauses(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools)
        scene.fake.faults.fail_next, scene.fake.faults.only_path = 3, "/oauth/token"
        assert (await tools.keeper.renewed(LOCATION_ID, generation=1)).generation == 2
        assert scene.slept == [0.5, 1.0, 2.0]


async def test_a_server_that_stays_down_ends_the_attempt_within_the_lease(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools)
        scene.fake.faults.fail_next, scene.fake.faults.only_path = 999, "/oauth/token"
        with pytest.raises((Unreachable, OutcomeUnknown)):
            await tools.keeper.renewed(LOCATION_ID, generation=1)
        assert sum(scene.slept) < TOKEN_LEASE_S
        assert (await scene.stored()).status is ConnectionStatus.ACTIVE
        scene.fake.faults.fail_next = 0
        assert (await tools.keeper.renewed(LOCATION_ID, generation=1)).generation == 2, (
            "the lease was given back"
        )


async def test_a_wrong_client_secret_is_the_operators_to_mend_and_costs_no_connection(scene: Scene) -> None:
    async with scene.tools(app=AppCredentials(scene.fake.client_id, "wrong")) as tools:
        await scene.connect(tools)
        with pytest.raises(ConfigurationError, match="ENTERPRISEHUB_GHL_CLIENT_SECRET"):
            await tools.keeper.renewed(LOCATION_ID, generation=1)
        assert (await scene.stored()).status is ConnectionStatus.ACTIVE


async def test_a_private_token_that_is_refused_cannot_be_renewed(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect_privately(tools, "pit-of-yesteryear")
        scene.clock.set_forward(80 * DAY_S)
        assert (await tools.keeper.token(LOCATION_ID)).value == "pit-of-yesteryear"
        with pytest.raises(NeedsReconnect):
            await tools.client.get_location(LOCATION_ID)
        assert (await scene.stored()).status is ConnectionStatus.NEEDS_RECONNECT


class Doorman:
    """An account that refuses a token so many times, then accepts it."""

    def __init__(self, *refusals: Reply) -> None:
        self.refusals = list(refusals)

    def __call__(self, seen: Seen) -> Reply:
        if self.refusals:
            return self.refusals.pop(0)
        return Reply(200, {"location": {"id": LOCATION_ID, "name": "Home"}})


REFUSED = Reply(401, {"message": "Invalid JWT"})


@pytest.mark.parametrize(
    ("refusals", "status", "calls"),
    [
        ([REFUSED], ConnectionStatus.ACTIVE, 3),
        ([REFUSED, Reply(401, {"message": "not authorized for this scope"})], ConnectionStatus.ACTIVE, 3),
        ([REFUSED, REFUSED], ConnectionStatus.NEEDS_RECONNECT, 2),
    ],
    ids=["one hiccup", "accepted without the scope", "refused twice"],
)
async def test_a_private_token_is_lost_by_a_second_refusal_only(
    scene: Scene, refusals: list[Reply], status: ConnectionStatus, calls: int
) -> None:
    async with answering(otherwise=Doorman(*refusals)) as server:
        app, asked = AppCredentials("", ""), server.seen
        async with crm_tools(scene.memory, server.url, app, clock=scene.clock, sleep=scene.sleep) as tools:
            connection = await scene.connect_privately(tools, "pit-good")
            if status is ConnectionStatus.ACTIVE:
                assert (await tools.client.get_location(LOCATION_ID)).id == LOCATION_ID
            else:
                with pytest.raises(NeedsReconnect):
                    await tools.client.get_location(LOCATION_ID)
        stored = await scene.stored()
        assert (stored.status, stored.generation, len(asked)) == (status, 2, calls)
        assert scene.slept == [PRIVATE_TOKEN_PAUSE_S]
        assert stored.obtained_at == connection.obtained_at, "it is not younger for having been tried"
        assert {seen.headers["authorization"] for seen in asked} == {"Bearer pit-good"}


async def test_a_server_that_is_away_costs_no_private_token(scene: Scene) -> None:
    away = [Reply(503)] * 9
    async with answering(otherwise=Doorman(REFUSED, *away)) as server:
        async with crm_tools(
            scene.memory, server.url, AppCredentials("", ""), clock=scene.clock, sleep=scene.sleep
        ) as tools:
            connection = await scene.connect_privately(tools, "pit-good")
            with pytest.raises(Unreachable):
                await tools.client.get_location(LOCATION_ID)
        assert await scene.stored() == connection


async def test_a_scope_that_is_missing_renews_nothing(scene: Scene) -> None:
    async with scene.tools(api=ApiProfile.DATES) as tools:
        pit = scene.fake.vendor.authority.private_token(LOCATION_ID, ["contacts.readonly"])
        connection = sealed(
            LOCATION_ID,
            seal=tools.seal,
            access=pit,
            at=scene.clock.now(),
            kind=ConnectionKind.PRIVATE_TOKEN,
        )
        await scene.memory.write(lambda uow: uow.connections.put(connection))
        with pytest.raises(Exception, match="scope"):
            await tools.client.get_location(LOCATION_ID)
        assert (await scene.stored()).status is ConnectionStatus.ACTIVE


# --- by the agency --------------------------------------------------------------------------------------------------


async def test_a_location_whose_own_renewal_fails_gets_a_token_from_its_agency(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools, COMPANY_ID)
        await scene.connect(tools, company_id=COMPANY_ID)
        scene.fake.faults.lose_next, scene.fake.faults.only_path = 1, "/oauth/token"
        fresh = await tools.keeper.renewed(LOCATION_ID, generation=1)  # used up, but the answer was lost
        assert fresh.generation == 2
        place = await tools.client.get_location(LOCATION_ID)
        assert place.id == LOCATION_ID
        assert (await scene.stored()).company_id == COMPANY_ID
        assert (await tools.keeper.renewed(LOCATION_ID, generation=2)).generation == 3, (
            "by its own refresh token"
        )


async def test_an_agencys_own_dead_token_is_renewed_on_the_way(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools, COMPANY_ID)
        await scene.connect(tools, company_id=COMPANY_ID, refresh_token="")
        scene.fake.vendor.authority.revoke_access()
        assert (await tools.client.get_location(LOCATION_ID)).id == LOCATION_ID
        assert (await scene.stored(COMPANY_ID)).generation == 2


async def test_a_served_location_without_a_connection_is_adopted_by_its_agency_on_demand(
    scene: Scene,
) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools, COMPANY_ID)
        with pytest.raises(NeedsReconnect, match="not connected"):
            await tools.keeper.token(LOCATION_ID)  # nobody asked us to serve it
        for name in (LOCATION_ID, "somebodyElses"):
            place = Location(location_id=LocationId(name), name=name)
            await scene.memory.write(lambda uow, place=place: uow.tenants.put_location(place))  # type: ignore[misc]
        places = await asyncio.gather(*(tools.client.get_location(LOCATION_ID) for _ in range(5)))
        assert len(places) == 5
        assert (await scene.stored()).company_id == COMPANY_ID
        with pytest.raises(NeedsReconnect, match="not connected"):
            await tools.keeper.token("somebodyElses")


# --- several processes ----------------------------------------------------------------------------------------------


async def test_a_lease_of_a_process_that_died_is_taken_over_when_it_ends(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools)
        now = scene.clock.now()
        until = now + timedelta(seconds=TOKEN_LEASE_S)
        assert await scene.memory.write(
            lambda uow: uow.connections.lease(LOCATION_ID, generation=1, holder="dead", now=now, until=until)
        )
        assert (await tools.keeper.renewed(LOCATION_ID, generation=1)).generation == 2
        assert until <= scene.clock.now() < until + timedelta(seconds=1)


async def test_the_wait_for_another_process_has_an_end(scene: Scene) -> None:
    async with scene.tools(wait_s=10.0) as tools:
        await scene.connect(tools)
        now = scene.clock.now()
        await scene.memory.write(
            lambda uow: uow.connections.lease(
                LOCATION_ID, generation=1, holder="slow", now=now, until=now + timedelta(hours=1)
            )
        )
        with pytest.raises(Unreachable, match="another process"):
            await tools.keeper.renewed(LOCATION_ID, generation=1)
        assert timedelta(seconds=10) <= scene.clock.now() - now < timedelta(seconds=11)


async def test_a_database_that_is_away_for_a_moment_loses_no_tokens(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools)
        scene.fake.faults.slow_s = 0.1
        renewal = asyncio.ensure_future(tools.keeper.renewed(LOCATION_ID, generation=1))
        await scene.lease_is_taken()
        scene.memory.fail_writes = 3
        assert (await renewal).generation == 2
        assert scene.memory.fail_writes == 0
        scene.fake.faults.slow_s = 0.0
        assert (await tools.keeper.renewed(LOCATION_ID, generation=2)).generation == 3


async def test_tokens_that_arrive_after_an_uninstall_are_thrown_away(scene: Scene) -> None:
    async with scene.tools() as tools:
        connection = await scene.connect(tools)
        closed = connection.model_copy(
            update={
                "status": ConnectionStatus.UNINSTALLED,
                "access_token": "",
                "refresh_token": "",
                "generation": 2,
            }
        )
        scene.fake.faults.slow_s = 0.1
        renewal = asyncio.ensure_future(tools.keeper.renewed(LOCATION_ID, generation=1))
        await scene.lease_is_taken()
        await scene.memory.write(lambda uow: uow.connections.put(closed))
        with pytest.raises(NeedsReconnect, match="uninstalled"):
            await renewal
        assert await scene.stored() == closed


async def test_another_key_of_the_seal_is_said_and_costs_no_connection(scene: Scene) -> None:
    async with scene.tools() as tools:
        await scene.connect(tools)
    async with scene.tools(secret="another secret, long enough to be taken") as tools:
        with pytest.raises(ConfigurationError, match="ENTERPRISEHUB_ENCRYPTION_KEY"):
            await tools.keeper.token(LOCATION_ID)
        with pytest.raises(ConfigurationError):
            await tools.keeper.renewed(LOCATION_ID, generation=1)
    assert (await scene.stored()).status is ConnectionStatus.ACTIVE


async def test_what_goes_wrong_while_the_keeper_is_open_leaves_it_by_its_own_class(scene: Scene) -> None:
    with pytest.raises(LocationInactive, match="a matter of the block's"):
        async with scene.tools():
            raise LocationInactive("a matter of the block's")
