"""Two gateways, two workers, Redis and PostgreSQL are killed in turn under load: nothing is lost, doubled or left on a screen."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands import launch, records
from ghl_real_estate_ai.limits import SNAPSHOT_ITEMS
from ghl_real_estate_ai.models.events import LeadIntelligenceUpdated, RecordedEvent, Source
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location, Role
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.settings import Settings, load_settings
from ghl_real_estate_ai.simulation.city import City
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel, RetryPolicy, Tally, VendorEvent
from tests.support.gateway import PASSWORD
from tests.support.ports import port_of_its_own
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.sockets import Screen

PLACE = LocationId("simulated-city")
KEY = b"a test's own key"
EMAIL = "ana@example.com"
PATIENCE = RetryPolicy(attempts=600, first_wait_s=0.1, factor=1.0)
ROUND_S = 3.0
SETTLED_S = 60.0
SHARED: tuple[Stream, ...] = tuple(stream for stream in Stream if stream is not Stream.SYSTEM_PERFORMANCE)
ROLES = ("worker", "worker", "gateway", "gateway")
FEED_FACTS = {"MessageReceived", "MessageSent"}


def events() -> list[VendorEvent]:
    """About six hundred."""
    city = City(
        seed=9, leads=25, listings=20, start=datetime(2026, 3, 2, tzinfo=UTC), days=4, history_days=10
    )
    return list(city.events())


# --- the processes ------------------------------------------------------------------------------------------------


@dataclass
class Member:
    """One process of the installation, whichever life it is in."""

    role: str
    settings: Settings
    log: Path
    stack: ExitStack
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "ghl_real_estate_ai.cli", "serve", "--no-dashboard"]
        command += ["--role", self.role]
        child = launch.child(command, env=launch.environment(self.settings), log=self.log)
        self.process = self.stack.enter_context(child)

    def wait(self) -> None:
        assert self.process is not None
        launch.wait_until_ready(f"{self.url}/health/ready", process=self.process, log=self.log)

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, f"the {self.role} ended by itself"
        self.process.kill()
        self.process.wait()

    @property
    def url(self) -> str:
        return self.settings.gateway_url


@contextmanager
def installation(base: Settings, folder: Path) -> Iterator[list[Member]]:
    """Two workers, two gateways, ready."""
    with ExitStack() as stack:
        members = []
        for number, role in enumerate(ROLES):
            own = base.model_copy(update={"port": port_of_its_own()})
            member = Member(role, own, folder / f"{role}-{number}.log", stack)
            member.start()
            members.append(member)
        for member in members:
            member.wait()
        yield members


async def furnish(settings: Settings) -> None:
    async with bootstrap.opened(settings) as memory:
        await records.add_location(memory, Location(location_id=PLACE, name="City"))
        await records.add_user(
            memory, location_id=PLACE, email=EMAIL, name="Ana", role=Role.AGENT, password=PASSWORD
        )


# --- who looks on -------------------------------------------------------------------------------------------------


class Watcher:
    """A screen that keeps its places and moves to the other gateway when it loses its own."""

    def __init__(self, gateways: Sequence[str], token: str) -> None:
        self.screens = {stream: Screen() for stream in SHARED}
        self.connections = 0
        self.recovered = 0
        self._gateways = gateways
        self._headers = {"Authorization": f"Bearer {token}"}

    async def run(self) -> None:
        """Until cancelled."""
        for gateway in itertools.cycle(self._gateways):
            with suppress(OSError, WebSocketException):  # it is gone: try the other one
                await self._watch(gateway.replace("http://", "ws://") + "/v1/realtime")
            await asyncio.sleep(0.1)

    async def _watch(self, url: str) -> None:
        async with connect(
            url, additional_headers=self._headers, compression=None, ping_interval=None
        ) as socket:
            await socket.send(json.dumps({"subscribe": [self._place(stream) for stream in SHARED]}))
            self.connections += 1
            async for text in socket:
                message = json.loads(text)
                if "ping" in message:
                    await socket.send(json.dumps({"pong": message["ping"]}))
                elif "subscribed" in message:
                    self.recovered += message["subscribed"]["recovered"]
                    self.screens[Stream(message["subscribed"]["stream"])].apply(message)
                elif "c" in message:
                    self.screens[Stream(message["c"])].apply(message)

    def _place(self, stream: Stream) -> dict[str, object]:
        screen = self.screens[stream]
        known = {} if screen.epoch is None else {"epoch": screen.epoch, "offset": screen.offset}
        return {"stream": stream, **known}


def differences(watchers: Sequence[Watcher], fresh: dict[Stream, dict[str, Any]]) -> list[str]:
    """In which streams a screen is not what somebody sees who comes now."""
    return [
        f"{stream} of screen {number}: offset {screen.offset}, fresh {now['offset']}"
        for number, watcher in enumerate(watchers)
        for stream, now in fresh.items()
        if (screen := watcher.screens[stream]).epoch != now["epoch"]
        or screen.offset != now["offset"]
        or screen.shown != now["items"]
    ]


async def snapshots(http: httpx.AsyncClient, gateway: str) -> dict[Stream, dict[str, Any]]:
    return {stream: (await http.get(f"{gateway}/v1/streams/{stream}")).json() for stream in SHARED}


# --- the bad minute -----------------------------------------------------------------------------------------------


@dataclass
class Vendors:
    """One per gateway; each sends every other event of a round, and again what is not answered."""

    gateways: Sequence[str]
    tallies: list[Tally] = field(default_factory=list)
    settled: int = 0

    async def send(self, number: int, name: str, own: Sequence[VendorEvent]) -> None:
        vendor = FakeGoHighLevel(
            gateway_url=self.gateways[number], key_seed=KEY, retries=PATIENCE, doubled=0.1
        )
        span = (own[-1].at - own[0].at).total_seconds()
        self.tallies.append(
            await vendor.run(
                own, location_id=PLACE, speed=span / ROUND_S, run_id=f"{name} {number}", progress=self._count
            )
        )

    def _count(self, _done: int, _total: int | None) -> None:
        self.settled += 1

    async def have_settled(self, count: int) -> None:
        async with asyncio.timeout(SETTLED_S):
            while self.settled < count:
                await asyncio.sleep(0.02)


async def kill_and_start(member: Member) -> None:
    """As it is with a supervisor."""
    member.kill()
    member.start()
    await asyncio.to_thread(member.wait)


async def kill_redis(redis: RedisServer) -> None:
    """It comes back empty, when the installation has noticed."""
    redis.kill()
    await asyncio.sleep(1.5)
    redis.start()


async def kill_postgres(postgres: PostgresServer) -> None:
    await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
    await asyncio.to_thread(postgres.start)


async def go_through_it(
    members: Sequence[Member], blows: Sequence[Callable[[], Awaitable[None]]]
) -> tuple[list[Tally], list[Watcher]]:
    """A round of sending for each blow, which falls in the middle of it. Afterwards nobody does anything."""
    gateways = [member.url for member in members if member.role == "gateway"]
    known, vendors = events(), Vendors(gateways)
    size = -(-len(known) // len(blows))
    async with httpx.AsyncClient(timeout=30) as http, asyncio.TaskGroup() as tasks:
        session = await http.post(f"{gateways[0]}/v1/sessions", json={"email": EMAIL, "password": PASSWORD})
        token = session.json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        watchers = [Watcher(order, token) for order in (gateways, gateways[::-1]) * 2]
        watching = [tasks.create_task(watcher.run()) for watcher in watchers]
        for number, blow in enumerate(blows):
            own, before = known[number * size : (number + 1) * size], vendors.settled
            async with asyncio.TaskGroup() as sending:
                for half in (0, 1):
                    sending.create_task(vendors.send(half, f"round {number}", own[half::2]))
                await vendors.have_settled(before + len(own) // 4)
                await blow()
        await until_handled(members[0].settings)
        for gateway in gateways:
            await until_alike(http, gateway, watchers)
        for task in watching:
            task.cancel()
    return vendors.tallies, watchers


async def until_alike(http: httpx.AsyncClient, gateway: str, watchers: Sequence[Watcher]) -> None:
    """Every screen shows what this gateway would show to a new one."""
    different = ["not looked yet"]
    try:
        async with asyncio.timeout(SETTLED_S):
            while different := differences(watchers, await snapshots(http, gateway)):
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"at {gateway}: {different}")


async def until_handled(settings: Settings) -> None:
    """By the stored cursors: no fact about a lead waits."""

    def waiting(uow: UnitOfWork) -> int:
        after = uow.cursors.position(PLACE, bootstrap.LEAD_INTELLIGENCE)
        return uow.events.count(PLACE, after=after, types=records.APPLIED)

    async with bootstrap.opened(settings) as memory, asyncio.timeout(SETTLED_S):
        while await memory.read(waiting):
            await asyncio.sleep(0.1)


# --- the account --------------------------------------------------------------------------------------------------


async def check(settings: Settings, tallies: Sequence[Tally], watchers: Sequence[Watcher]) -> None:
    async with bootstrap.opened(settings) as memory:
        log = [recorded async for recorded in records.log_events(memory, PLACE)]
        await check_log(memory, log)
    for tally in tallies:
        assert tally.balanced
        assert tally.stored + tally.duplicate == tally.sent, tally.reasons
    told = [recorded for recorded in log if recorded.event.source is not Source.HOUSE]
    assert len(told) == len(events()), "each acknowledged event is in the log, once"
    said = [recorded.event.event_id for recorded in log if recorded.event.type in FEED_FACTS]
    for watcher in watchers:
        feed = [item["event_id"] for item in watcher.screens[Stream.CONVERSATION_FEED].shown]
        assert Counter(feed) == Counter(said[-SNAPSHOT_ITEMS:]), "the feed holds every message, each once"


async def check_log(memory: Memory, log: Sequence[RecordedEvent]) -> None:
    assert [recorded.position for recorded in log] == list(range(1, len(log) + 1))
    """A lead may go quiet, by the house's own clock, after the last was handled: those behind the cursor are held to account."""
    handled = await memory.read(lambda uow: uow.cursors.position(PLACE, bootstrap.LEAD_INTELLIGENCE))
    from_outside = (it for it in log if it.event.source is not Source.HOUSE)
    assert all(it.position <= handled for it in from_outside if it.event.type in records.APPLIED)
    concluded = [it.event for it in log if isinstance(it.event, LeadIntelligenceUpdated)]
    causes = Counter(fact.intelligence.cause.event_id for fact in concluded)
    applied = (it for it in log if it.position <= handled and it.event.type in records.APPLIED)
    about_leads = [it.event for it in applied if it.event.lead_id]
    assert causes == Counter(event.event_id for event in about_leads), "one conclusion for each cause"
    rebuilt = await records.rebuild(memory, PLACE, write=False)
    assert rebuilt.different == ()
    assert await memory.read(lambda uow: uow.cursors.dead_letters()) == []


@pytest.mark.crash
@pytest.mark.postgres
@pytest.mark.untraced
def test_an_installation_whose_parts_are_killed_in_turn_loses_and_doubles_nothing_and_heals_by_itself(
    postgres_server: PostgresServer, postgres_url: str, own_redis: RedisServer, tmp_path: Path
) -> None:
    settings = load_settings(
        data_dir=tmp_path,
        database_url=postgres_url,
        redis_url=own_redis.url(),
        simulator_public_key=FakeGoHighLevel(gateway_url="", key_seed=KEY).public_key,
    )
    asyncio.run(furnish(settings))
    with installation(settings, tmp_path) as members:
        blows = (
            partial(kill_and_start, members[0]),  # a worker
            partial(kill_and_start, members[-1]),  # a gateway
            partial(kill_redis, own_redis),
            partial(kill_postgres, postgres_server),
        )
        tallies, watchers = asyncio.run(go_through_it(members, blows))
        for member in members:
            assert member.process is not None
            assert member.process.poll() is None, f"a {member.role} ended by itself"
    asyncio.run(check(settings, tallies, watchers))
    assert sum(tally.requests for tally in tallies) > sum(tally.sent for tally in tallies), "it was felt"
    assert any(watcher.connections > 1 for watcher in watchers), "some screens lost their gateway"
    assert not [log for log in tmp_path.glob("*.log") if "Traceback" in log.read_text()]
