"""From a webhook at one gateway to the screens of another: two gateways, two workers, PostgreSQL, Redis, on this machine.

Called by ``benchmarks``. Beside it the same in one process, as most installations run it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop
from websockets.asyncio.client import connect

from ghl_real_estate_ai import budgets
from ghl_real_estate_ai.commands import (
    crowd,
    launch,
    measuring,
    private_postgres,
    private_redis,
    rig,
    senders,
)
from ghl_real_estate_ai.commands.measuring import Say
from ghl_real_estate_ai.commands.rows import Row
from ghl_real_estate_ai.errors import EnterpriseHubError
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.simulation.load import paced
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel

_NAME: Final = "ACROSS_PROCESSES_P95_MS"
_WHAT: Final = (
    "signed webhook at one gateway to its lead's new score on a screen of another, p95, 100 screens"
)
_SCREENS: Final = 100
_PER_S: Final = 10.0
_EVENTS: Final = 200
_WARM_UP: Final = 40
_LEADS: Final = 10
_ROLES: Final = ("worker", "worker", "gateway", "gateway")
_WAIT_S: Final = 30.0


@dataclass(frozen=True)
class House:
    """A running installation: where webhooks go in, where screens look, and the process of each role."""

    vendor: FakeGoHighLevel
    door: Settings
    screens: Settings
    pids: dict[str, list[int]]


def across_processes(say: Say) -> Row:
    """p95 over the events after a warm-up; left out without PostgreSQL's or Redis's programs."""
    programs, redis = private_postgres.programs(), private_redis.program()
    if programs is None or redis is None:
        missing = "PostgreSQL's server programs" if programs is None else "Redis"
        return Row.left_out(_NAME, _WHAT, why=f"{missing} not installed")
    say(f"{_NAME}: 2 gateways, 2 workers, {_SCREENS} screens, {_PER_S:g} events/s; then one process alone")
    with several(programs, redis) as house:
        seen = uvloop.run(_watch(house))
    with alone() as house:
        peer = uvloop.run(_watch(house))
    return Row(
        name=_NAME,
        what=_WHAT,
        measured=measuring.quantile(seen.ages_ms, 0.95),
        unit="ms",
        budget=budgets.ACROSS_PROCESSES_P95_MS,
        samples=len(seen.ages_ms),
        peer="one process on SQLite, itself",
        peer_measured=measuring.quantile(peer.ages_ms, 0.95),
        stages={"p50": measuring.quantile(seen.ages_ms, 0.5), "p99": measuring.quantile(seen.ages_ms, 0.99)},
        beside={
            "CPU per event": ", ".join(f"{role} {ms:.1f} ms" for role, ms in seen.cpu_ms.items()),
            "CPU per event, one process": ", ".join(f"{ms:.1f} ms" for ms in peer.cpu_ms.values()),
        },
    )


@contextmanager
def several(programs: Path, redis: str) -> Iterator[House]:
    """Two gateways and two workers; webhooks go to the first gateway, screens look at the second."""
    with (
        private_postgres.private_postgres(programs) as database_url,
        private_redis.private_redis(redis) as redis_url,
        measuring.installation(database_url=database_url) as (settings, vendor),
        ExitStack() as stack,
    ):
        shared = settings.model_copy(update={"redis_url": redis_url})
        pids: dict[str, list[int]] = {}
        gateways: list[Settings] = []
        for role in _ROLES:
            own = shared.model_copy(update={"port": launch.free_port(0)})
            command = [
                sys.executable,
                "-m",
                "ghl_real_estate_ai.cli",
                "serve",
                "--no-dashboard",
                "--role",
                role,
            ]
            start = stack.enter_context(measuring.server(command, own, url=own.gateway_url))
            pids.setdefault(role, []).append(start.pid)
            if role == "gateway":
                gateways.append(own)
        yield House(vendor, gateways[0], gateways[1], pids)


@contextmanager
def alone() -> Iterator[House]:
    """One process on SQLite."""
    with measuring.installation() as (settings, vendor), measuring.gateway(settings) as start:
        yield House(vendor, settings, settings, {"all": [start.pid]})


@dataclass(frozen=True)
class _Seen:
    """Ms from sending each webhook to its score's arrival, and ms of CPU per event of each role's processes together."""

    ages_ms: list[float]
    cpu_ms: dict[str, float]


async def _watch(house: House) -> _Seen:
    """One screen is read message by message, the others account for what they get."""
    sent: dict[str, list[float]] = {}
    arrived: dict[str, list[float]] = {}
    async with crowd.screens(house.screens, _SCREENS - 1) as others, asyncio.TaskGroup() as tasks:
        served = asyncio.Event()
        reading = tasks.create_task(_read(house.screens, arrived, served))
        async with asyncio.timeout(_WAIT_S):
            await served.wait()
        sender = senders.Sender(house.door.port)
        async for number in paced(_PER_S, _WARM_UP + _EVENTS):
            if number == _WARM_UP:
                before = {role: _cpu(pids) for role, pids in house.pids.items()}
            lead = f"lead-{number % _LEADS}"
            request = senders.signed_request(house.vendor, number, lead=lead)
            sent.setdefault(lead, []).append(time.time() * 1_000)
            await sender.post(request)
        await _all_there(sent, arrived)
        cpu_ms = {role: (_cpu(pids) - before[role]) * 1_000 / _EVENTS for role, pids in house.pids.items()}
        sender.close()
        reading.cancel()
        trouble = others.trouble()
    if trouble:
        raise EnterpriseHubError(f"the other screens: {trouble}")
    rounds = _WARM_UP // _LEADS
    ages = [
        seen - at
        for lead, times in sent.items()
        for at, seen in list(zip(times, arrived[lead], strict=True))[rounds:]
    ]
    return _Seen(ages, cpu_ms)


def _cpu(pids: list[int]) -> float:
    return sum(map(rig.cpu_seconds, pids))


async def _read(settings: Settings, arrived: dict[str, list[float]], served: asyncio.Event) -> None:
    """Note when each lead's score arrives."""
    headers = {"Authorization": f"Bearer {rig.tokens(settings, 1)[0]}"}
    url = settings.gateway_url.replace("http", "ws", 1) + "/v1/realtime"
    async with connect(url, additional_headers=headers, compression=None, max_size=None) as socket:
        await socket.send(json.dumps({"subscribe": [{"stream": Stream.LEAD_SCORES}]}))
        async for text in socket:
            now = time.time() * 1_000
            message = json.loads(text)
            if "subscribed" in message:
                served.set()
            elif "ping" in message:
                await socket.send(json.dumps({"pong": message["ping"]}))
            elif message.get("c") == Stream.LEAD_SCORES and "e" in message:
                arrived.setdefault(message["e"]["lead_id"], []).append(now)


async def _all_there(sent: dict[str, list[float]], arrived: dict[str, list[float]]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while any(len(arrived.get(lead, ())) < len(times) for lead, times in sent.items()):
        if time.monotonic() > deadline:
            raise EnterpriseHubError("not every event came to the screen")
        await asyncio.sleep(0.02)
