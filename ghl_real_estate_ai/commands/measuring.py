"""The bench's instruments: throw-away installations, a bare peer, a paced sender, quantiles. Called by ``benchmarks``.

Everything measured is a real process on loopback, started as an operator starts it.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands import launch, records
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location, Role, User
from ghl_real_estate_ai.settings import Settings, load_settings
from ghl_real_estate_ai.simulation.load import paced
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel

Say = Callable[[str], None]

LOCATION = LocationId("bench-location")
VIEWER_PASSWORD = "bench-password-1"  # noqa: S105  # reason: of a throw-away installation

_BARE_PEER = """
import sys, uvicorn
from fastapi import FastAPI, Request
app = FastAPI()
@app.get("/health/ready")
async def ready() -> dict: return {}
@app.post("/webhooks/ghl")
async def webhook(request: Request) -> dict:
    await request.body()
    return {}
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


@dataclass(frozen=True)
class Start:
    """One start of a server."""

    pid: int
    seconds: float
    rss_mb: float


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile by nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def machine() -> str:
    """The machine, its load and the day: a figure without them says little."""
    return f"{day_and_machine()}, load {os.getloadavg()[0]:.1f}"


def day_and_machine() -> str:
    """What figures may be compared within."""
    cores = len(os.sched_getaffinity(0))
    return f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {cores} cores, Python {platform.python_version()}"


@contextmanager
def installation(*, database_url: str = "") -> Iterator[tuple[Settings, FakeGoHighLevel]]:
    """A fresh installation in a temporary folder that serves LOCATION, and the vendor whose key it trusts."""
    with tempfile.TemporaryDirectory(prefix="enterprisehub-bench-") as folder:
        port = launch.free_port(0)
        vendor = FakeGoHighLevel(gateway_url=f"http://127.0.0.1:{port}")
        settings = load_settings(
            data_dir=Path(folder),
            database_url=database_url,  # never the database, or the public address, that the operator's settings name
            public_url="",
            host="127.0.0.1",
            port=port,
            dashboard_port=launch.free_port(0),
            simulator_public_key=vendor.public_key,
            log_level="WARNING",
        )
        asyncio.run(_serve_location(settings))
        yield settings, vendor


async def _serve_location(settings: Settings) -> None:
    async with bootstrap.opened(settings) as memory:
        await records.add_location(memory, Location(location_id=LOCATION, name="Bench"))


@contextmanager
def gateway(settings: Settings) -> Iterator[Start]:
    """The gateway as an operator starts it, ready; what the start took."""
    command = [sys.executable, "-m", "ghl_real_estate_ai.cli", "serve", "--no-dashboard"]
    with server(command, settings, url=settings.gateway_url) as start:
        yield start


@contextmanager
def dashboard(settings: Settings) -> Iterator[str]:
    """The dashboard's URL; its process lives for the time of the block."""
    log = settings.data_dir / "dashboard.log"
    command = launch.dashboard_command(settings)
    with launch.child(command, env=launch.environment(settings), log=log) as process:
        launch.wait_until_ready(f"{settings.dashboard_url}/_stcore/health", process=process, log=log)
        yield settings.dashboard_url


async def add_viewer(settings: Settings) -> User:
    """A manager of LOCATION who signs in with VIEWER_PASSWORD."""
    async with bootstrap.opened(settings) as memory:
        return await records.add_user(
            memory,
            location_id=LOCATION,
            email="viewer@example.com",
            name="Viewer",
            role=Role.MANAGER,
            password=VIEWER_PASSWORD,
        )


@contextmanager
def bare_peer(settings: Settings) -> Iterator[tuple[str, Start]]:
    """A route that reads the body and stores nothing: its URL, and what its start took."""
    port = launch.free_port(0)
    url = f"http://127.0.0.1:{port}"
    with server([sys.executable, "-c", _BARE_PEER, str(port)], settings, url=url) as start:
        yield url, start


@contextmanager
def server(command: list[str], settings: Settings, *, url: str) -> Iterator[Start]:
    """A server process that answers at ``url``, and what its start took."""
    log = settings.data_dir / "server.log"
    with launch.child(command, env=launch.environment(settings), log=log) as process:
        seconds = launch.wait_until_ready(f"{url}/health/ready", process=process, log=log)
        time.sleep(0.5)
        yield Start(pid=process.pid, seconds=seconds, rss_mb=rss_mb(process.pid))


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def start_both(*, rounds: int) -> tuple[list[Start], list[Start]]:
    """Start the gateway and the bare peer in turn; one warm-up each is not counted."""
    ours: list[Start] = []
    bare: list[Start] = []
    with installation() as (settings, _):
        for _ in range(rounds + 1):
            with gateway(settings) as start:
                ours.append(start)
            with bare_peer(settings) as (_, peer):
                bare.append(peer)
    return ours[1:], bare[1:]


def acknowledge_both(*, per_second: float, seconds: float) -> tuple[list[float], list[float]]:
    """Milliseconds from sending to 200 of each of ``per_second * seconds`` signed webhooks, ours and the bare peer's."""
    with installation() as (settings, vendor):
        with gateway(settings):
            ours = asyncio.run(_acknowledge(vendor, settings.gateway_url, per_second, seconds))
        with bare_peer(settings) as (url, _):
            bare = asyncio.run(_acknowledge(vendor, url, per_second, seconds))
    return ours, bare


async def _acknowledge(vendor: FakeGoHighLevel, url: str, per_second: float, seconds: float) -> list[float]:
    taken: list[float] = []

    async def send(client: httpx.AsyncClient, number: int) -> None:
        body = message_body(number)
        started = time.perf_counter()
        answer = await client.post(f"{url}/webhooks/ghl", content=body, headers=vendor.headers(body))
        answer.raise_for_status()
        taken.append((time.perf_counter() - started) * 1_000)

    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(limits=limits) as client, asyncio.TaskGroup() as tasks:
        async for number in paced(per_second, round(per_second * seconds)):
            tasks.create_task(send(client, number))
    return taken[round(per_second) :]  # the first second opens the connections


def message_body(number: int, *, lead: str | None = None) -> bytes:
    """An InboundMessage as GHL words it, from one of 500 leads."""
    now = datetime.now(UTC).isoformat()
    return json.dumps(
        {
            "type": "InboundMessage",
            "locationId": LOCATION,
            "webhookId": f"bench-{time.time_ns()}-{number}",
            "timestamp": now,
            "contactId": lead or f"bench-lead-{number % 500}",
            "conversationId": f"bench-conversation-{number % 500}",
            "messageId": f"bench-message-{time.time_ns()}-{number}",
            "direction": "inbound",
            "messageType": "SMS",
            "body": "Is 12 Harbour Street still available? We could see it tomorrow after five.",
            "status": "delivered",
            "dateAdded": now,
        }
    ).encode()
