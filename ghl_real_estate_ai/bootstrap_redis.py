"""What the processes of one installation share by Redis, plugged together. Called by ``bootstrap``.

Opening needs no Redis: each adapter makes its connections when it needs them, and goes on when Redis is back.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ghl_real_estate_ai.integrations.redis.backplane import RedisBackplane
from ghl_real_estate_ai.integrations.redis.cache import RedisCache
from ghl_real_estate_ai.integrations.redis.connection import connected, place_of
from ghl_real_estate_ai.integrations.redis.doors import RedisDoors
from ghl_real_estate_ai.integrations.redis.link import Link
from ghl_real_estate_ai.integrations.redis.pulse import Pulse
from ghl_real_estate_ai.integrations.redis.work_share import RedisWorkShare
from ghl_real_estate_ai.ports import Clock
from ghl_real_estate_ai.services.single_flight import SingleFlight
from ghl_real_estate_ai.settings import Settings


@dataclass(frozen=True)
class Shared:
    """The adapters of one process, on one connection pool."""

    pulse: Pulse
    work: RedisWorkShare
    backplane: RedisBackplane
    doors: RedisDoors
    cache: RedisCache


@asynccontextmanager
async def sharing(settings: Settings, *, handles: bool, clock: Clock) -> AsyncIterator[Shared | None]:
    """The shared side while the block runs; None without Redis. ``handles``: this process takes its part of the tenants.

    Raises ConfigurationError for a bad URL.
    """
    if not settings.redis_url:
        yield None
        return
    async with connected(settings.redis_url) as client:
        link = Link(client)
        yield Shared(
            pulse=Pulse(client, place=place_of(settings.redis_url), clock=clock),
            work=RedisWorkShare(client, worker=_new_name(), handles=handles),
            backplane=RedisBackplane(client),
            doors=RedisDoors(link),
            cache=RedisCache(link, within=SingleFlight()),
        )


def _new_name() -> str:
    """Of this process in this life: who comes back after a crash is somebody else."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
