"""What the CRM side costs: history per second, calls a day, webhooks per second. Called by ``benchmarks``.

The account is the simulated one, behind real HTTP in a process of its own, its limits off: our side is what is measured.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Final

from ghl_real_estate_ai import bootstrap, budgets
from ghl_real_estate_ai.commands import crowd, measuring, private_postgres, senders
from ghl_real_estate_ai.commands.measuring import Say
from ghl_real_estate_ai.commands.rows import Row
from ghl_real_estate_ai.crm_ports import CrmPage
from ghl_real_estate_ai.models.connections import Connection, ConnectionKind, LocationSetup, OwnerKind
from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.ports import UnreadableDelivery
from ghl_real_estate_ai.services.crm_sync import CrmSync, SyncStep
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from ghl_real_estate_ai.settings import Settings, load_settings
from ghl_real_estate_ai.simulation.ghl_server import serving
from ghl_real_estate_ai.simulation.ghl_vendor import LOCATION_ID, Vendor
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel

IMPORTED_MESSAGES: Final = 20_000
_LEADS: Final = 400
_LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS: Final = "Hi, is the house on Elm Street still for sale? We could come and see it on Saturday morning."


@contextmanager
def account_of(messages: int) -> Iterator[tuple[str, str]]:
    """A simulated account with so many messages, served by a process of its own; its URL and a private token."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve_account, args=(theirs, messages), daemon=True)
    process.start()
    try:
        url, token = ours.recv()
        yield url, token
    finally:
        ours.send(None)
        process.join(10)


def _serve_account(pipe: Pipe, messages: int) -> None:
    asyncio.run(_serve(pipe, _filled(messages)))


def _filled(messages: int) -> Vendor:
    vendor = Vendor.build()
    vendor.limits.on = False
    vendor.habits.index_lag_s = 0.0
    home = vendor.account.first
    for number in range(_LEADS):
        home.put_contact({"id": f"simulatedLead{number:07}", "firstName": "Sim"}, at=_LONG_AGO)
    for number in range(messages):
        said = {
            "contactId": f"simulatedLead{number % _LEADS:07}",
            "messageId": f"simulatedText{number:07}",
            "direction": "outbound" if number % 3 == 0 else "inbound",
            "messageType": "SMS",
            "body": f"{_WORDS} ({number})",
            **({"source": "app", "userId": "simAgentAlex00000001"} if number % 3 == 0 else {}),
        }
        home.put_message(said, at=_LONG_AGO + timedelta(minutes=number))
    return vendor


async def _serve(pipe: Pipe, vendor: Vendor) -> None:
    async with serving(vendor) as url:
        pipe.send((url, vendor.authority.private_token(LOCATION_ID)))
        await asyncio.to_thread(pipe.recv)


def import_rate(say: Say) -> Row:
    """Messages per second from the first page asked for to the last one committed, on SQLite with every commit on disk."""
    say(f"IMPORT_MESSAGES_PER_S: {IMPORTED_MESSAGES} messages, 3 rounds")
    rates = []
    for _ in range(3):
        with (
            account_of(IMPORTED_MESSAGES) as (url, token),
            tempfile.TemporaryDirectory(prefix="enterprisehub-bench-") as folder,
        ):
            settings = load_settings(
                data_dir=Path(folder), database_url="", ghl_api_url=url, log_level="WARNING"
            )
            stored, seconds = asyncio.run(import_messages(settings, token))
            rates.append(stored / seconds)
    return Row(
        name="IMPORT_MESSAGES_PER_S",
        what="messages of an account's history read by API and stored",
        measured=statistics.median(rates),
        unit="/s",
        budget=budgets.IMPORT_MESSAGES_PER_S,
        samples=3 * IMPORTED_MESSAGES,
        more_is_better=True,
    )


async def import_messages(settings: Settings, token: str) -> tuple[int, float]:
    """Connect the account and import its history; messages stored, and the seconds that they took."""
    location_id, stored, times = LocationId(LOCATION_ID), 0, list[float]()

    def note(step: SyncStep) -> None:
        nonlocal stored
        if step.source is SyncSource.APPOINTMENTS:  # read just before
            times.append(time.perf_counter())
        elif step.source is SyncSource.MESSAGES:
            times.append(time.perf_counter())
            stored += step.stored

    async with bootstrap.connected(settings) as (memory, _, crm):
        await crm.connections.connect_private_token(location_id, token)
        await memory.write(lambda uow: uow.connections.put_setup(LocationSetup(location_id=location_id)))
        await crm.sync.import_history(location_id, progress=note)
    return stored, times[-1] - times[0]


# --- calls a day ----------------------------------------------------------------------------------------------------


def polling_calls(say: Say) -> Row:
    """API calls of one location in a simulated day in which there is always more to read: the most there can be."""
    say("POLL_CALLS_PER_DAY: one simulated day")
    calls = asyncio.run(_calls_of_a_day())
    return Row(
        name="POLL_CALLS_PER_DAY",
        what="API calls that keep one location up to date for a day, at most",
        measured=float(calls),
        unit="calls",
        budget=budgets.POLL_CALLS_PER_DAY,
        samples=calls,
    )


class _Day:
    """A clock that runs when everybody sleeps."""

    def __init__(self) -> None:
        self._now = _LONG_AGO
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        """The simulated time."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Until then."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._numbers), future))
        await future

    async def pass_by(self, span: timedelta, *, sleepers: int) -> None:
        """Go from one sleeper's time to the next, each time all ``sleepers`` sleep, until the span is over."""
        end = self._now + span
        while True:
            while len(self._sleepers) < sleepers:  # noqa: ASYNC110  # reason: others sleep here, and nobody tells
                await asyncio.sleep(0.0001)
            if self._sleepers[0][0] >= end:
                return
            self._now, _, future = heapq.heappop(self._sleepers)
            future.set_result(None)


class _EndlessCrm:
    """A reader that always has more: no call is ever spared."""

    async def page(
        self,
        setup: LocationSetup,
        source: SyncSource,
        *,
        cursor: str,
        since: datetime | None,
        received_at: datetime,
    ) -> CrmPage:
        """An empty page that promises another."""
        return CrmPage(deliveries=(), items=0, cursor=str(int(cursor or 0) + 1), more=True)

    async def lead(
        self, setup: LocationSetup, lead_id: LeadId, *, received_at: datetime
    ) -> Sequence[Delivery | UnreadableDelivery]:
        """Nobody asks."""
        return ()


async def _calls_of_a_day() -> int:
    location_id, day = LocationId(LOCATION_ID), _Day()
    connection = Connection(
        owner_id=location_id,
        owner_kind=OwnerKind.LOCATION,
        kind=ConnectionKind.PRIVATE_TOKEN,
        obtained_at=day.now(),
        simulated=True,
    )
    setup = LocationSetup(location_id=location_id, calendars=("c1", "c2"), activity_object="visits")
    with tempfile.TemporaryDirectory(prefix="enterprisehub-bench-") as folder:
        settings = load_settings(data_dir=Path(folder), database_url="", sqlite_synchronous="NORMAL")
        async with bootstrap.opened(settings) as memory:
            await memory.write(
                lambda uow: uow.tenants.put_location(Location(location_id=location_id, name="Bench"))
            )
            await memory.write(lambda uow: uow.connections.put(connection))
            await memory.write(lambda uow: uow.connections.put_setup(setup))
            inbox = EventInbox(memory=memory, bus=EventBus(memory=memory, clock=day), clock=day)
            sync = CrmSync(memory=memory, reader=_EndlessCrm(), inbox=inbox, clock=day, sleep=day.sleep)
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(sync.run())
                await day.pass_by(timedelta(days=1), sleepers=2)
                running.cancel()
    return sync.calls[location_id]


# --- webhooks per second --------------------------------------------------------------------------------------------

_BURST: Final = 5_000
_WARM_UP: Final = 500


@dataclass(frozen=True)
class Burst:
    """What one burst of webhooks showed."""

    per_s: float
    p99_ms: float


def webhook_throughput(say: Say) -> Row:
    """Signed webhooks per second from 16 senders at once, each answered after its commit; beside a route that stores nothing."""
    say(f"WEBHOOKS_PER_S: {_BURST} webhooks from {senders.BURST_SENDERS} senders, 3 rounds each")
    ours = _median([burst_at_gateway() for _ in range(3)])
    bare = _median([burst_at_bare_peer() for _ in range(3)])
    return Row(
        name="WEBHOOKS_PER_S",
        what="signed webhooks answered 2xx after their commit, SQLite",
        measured=ours.per_s,
        unit="/s",
        budget=budgets.WEBHOOKS_PER_S,
        samples=3 * _BURST,
        peer="bare FastAPI route that stores nothing",
        peer_measured=bare.per_s,
        more_is_better=True,
        beside={
            "p99": f"{ours.p99_ms:.0f} ms (at most {budgets.WEBHOOK_ACK_P99_MS:g})",
            "with a screen on every stream": _told(burst_at_gateway(screens=1)),
            "PostgreSQL": _on_postgres(),
        },
    )


def _median(bursts: Sequence[Burst]) -> Burst:
    return sorted(bursts, key=lambda burst: burst.per_s)[len(bursts) // 2]


def _on_postgres() -> str:
    programs = private_postgres.programs()
    if programs is None:
        return "not measured: its server programs are not installed"
    with private_postgres.private_postgres(programs) as url:
        return _told(burst_at_gateway(database_url=url))


def _told(burst: Burst) -> str:
    return f"{burst.per_s:.0f} /s, p99 {burst.p99_ms:.0f} ms"


def burst_at_gateway(*, database_url: str = "", size: int = _BURST, screens: int = 0) -> Burst:
    """One burst at a fresh gateway, as an operator starts it, whose vendor has one key as the real one has.

    ``screens`` follow every stream. With none the feed's rows are not made before somebody looks.
    """
    with measuring.installation(database_url=database_url) as (settings, vendor):
        trusting = settings.model_copy(
            update={"ghl_public_keys": (vendor.public_key,), "simulator_public_key": ""}
        )
        with measuring.gateway(trusting):
            return asyncio.run(_watched_burst(settings, vendor, size, screens))


async def _watched_burst(settings: Settings, vendor: FakeGoHighLevel, size: int, screens: int) -> Burst:
    async with crowd.screens(settings, screens):
        return await _burst(vendor, settings.port, size)


def burst_at_bare_peer(*, size: int = _BURST) -> Burst:
    """The same burst at a route that reads the body and stores nothing."""
    with measuring.installation() as (settings, vendor), measuring.bare_peer(settings) as (url, _):
        return asyncio.run(_burst(vendor, int(url.rpartition(":")[2]), size))


async def _burst(vendor: FakeGoHighLevel, port: int, size: int) -> Burst:
    warm_up = [senders.signed_request(vendor, number) for number in range(_WARM_UP)]
    requests = [senders.signed_request(vendor, number) for number in range(size)]
    await senders.burst(warm_up, port=port)
    started = time.perf_counter()
    taken = await senders.burst(requests, port=port)
    seconds = time.perf_counter() - started
    return Burst(per_s=size / seconds, p99_ms=measuring.quantile(taken, 0.99))
