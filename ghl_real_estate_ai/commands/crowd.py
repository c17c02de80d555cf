"""The load test: many viewers, a steady stream of webhooks, and an exact count at the end. Called by ``enterprisehub load``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands import measuring, records
from ghl_real_estate_ai.commands.measuring import LOCATION, Say
from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.models.leads import Role, User
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.simulation.load import Viewer, paced, viewers
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel

PASSWORD = "bench-password-1"  # noqa: S105  # reason: of a throw-away installation
VIEWERS_PER_USER = 8
"""Below the limit of sockets per user."""

SETTLE_S = 10.0
"""Longest wait for the last publication after the last webhook."""


@dataclass(frozen=True)
class Load:
    """What was asked for."""

    viewers: int
    per_second: float
    seconds: float


async def add_users(settings: Settings, *, viewers: int) -> list[User]:
    """As many managers as it takes to hold the viewers' sockets."""
    async with bootstrap.opened(settings) as memory:
        return [
            await records.add_user(
                memory,
                location_id=LOCATION,
                email=f"viewer{number}@example.com",
                name=f"Viewer {number}",
                role=Role.MANAGER,
                password=PASSWORD,
            )
            for number in range(-(-viewers // VIEWERS_PER_USER))
        ]


async def sign_in(gateway: str, user: User) -> str:
    """An access token, got as a browser gets it."""
    async with httpx.AsyncClient(base_url=gateway) as client:
        answer = await client.post("/v1/sessions", json={"email": user.email, "password": PASSWORD})
        answer.raise_for_status()
        return str(answer.json()["access_token"])


def run(load: Load, *, say: Say) -> dict[str, object]:
    """Start a throw-away installation, put the load on it, and account for every publication at every viewer."""
    with measuring.installation() as (settings, vendor):
        users = asyncio.run(add_users(settings, viewers=load.viewers))
        with measuring.gateway(settings):
            say(f"{load.viewers} viewers, {load.per_second:g} events/s for {load.seconds:g} s")
            return asyncio.run(_put_load(settings, vendor, users, load))


async def _put_load(
    settings: Settings, vendor: FakeGoHighLevel, users: Sequence[User], load: Load
) -> dict[str, object]:
    tokens = [await sign_in(settings.gateway_url, user) for user in users]
    count = round(load.per_second * load.seconds)
    acks: list[float] = []

    async def one(client: httpx.AsyncClient, number: int) -> None:
        body = measuring.message_body(number)
        started = time.perf_counter()
        answer = await client.post(
            f"{settings.gateway_url}/webhooks/ghl", content=body, headers=vendor.headers(body)
        )
        answer.raise_for_status()
        acks.append((time.perf_counter() - started) * 1_000)

    feed = Stream.CONVERSATION_FEED  # the stream that must not lose: every viewer must get every message
    async with viewers(settings.gateway_url, tokens, load.viewers, watched=feed) as crowd:
        async with httpx.AsyncClient(timeout=30) as client, asyncio.TaskGroup() as tasks:
            async for number in paced(load.per_second, count):
                tasks.create_task(one(client, number))
        await _settled(crowd, count)
    return _account(crowd, acks, count, load)


async def _settled(crowd: Sequence[Viewer], count: int) -> None:
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline and any(len(viewer.keys) < count for viewer in crowd):  # noqa: ASYNC110  # reason: looks at plain counters
        await asyncio.sleep(0.05)


def _account(crowd: Sequence[Viewer], acks: Sequence[float], count: int, load: Load) -> dict[str, object]:
    ages = [age for viewer in crowd for age in viewer.age_ms]
    if not ages:
        raise ConfigurationError("no viewer got anything: see the gateway's log")
    return {
        "machine": measuring.machine(),
        "viewers": load.viewers,
        "events_sent": count,
        "events_acknowledged": len(acks),
        "publications_expected": count * len(crowd),
        "publications_received": sum(len(viewer.keys) for viewer in crowd),
        "gaps": sum(viewer.gaps for viewer in crowd),
        "webhook_ack_p50_ms": round(measuring.quantile(acks, 0.5), 2),
        "webhook_ack_p99_ms": round(measuring.quantile(acks, 0.99), 2),
        "publish_to_receive_p50_ms": round(measuring.quantile(ages, 0.5), 2),
        "publish_to_receive_p99_ms": round(measuring.quantile(ages, 0.99), 2),
    }
