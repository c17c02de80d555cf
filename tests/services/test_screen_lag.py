"""Screens that stand still although Redis answers: their agents hear that what they see is old."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.integrations.redis.backplane import RedisBackplane
from ghl_real_estate_ai.integrations.redis.connection import connected
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.services.live_relay import PROJECTED
from ghl_real_estate_ai.services.screen_lag import ScreenLag
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LOCATION, contact, message
from tests.support.live_house import WallClock, follow, gateway, soon, worker
from tests.support.redis import RedisServer
from tests.support.sockets import FakeSocket, identity
from tests.support.sockets import connected as socket_at

pytestmark = pytest.mark.asyncio

ELSEWHERE = LocationId("loc-2")


def shows_messages(socket: FakeSocket, number: int) -> bool:
    return len(follow(socket, Stream.CONVERSATION_FEED).shown) == number


async def test_screens_hear_it_when_nobody_publishes_their_news(
    redis_url: str, sqlite_memory: Database
) -> None:
    """All workers are dead; Redis is well, and other tenants have no news."""
    async with (
        gateway(redis_url, sqlite_memory) as one,
        socket_at(one.hub) as socket,
        socket_at(one.hub, identity(location=ELSEWHERE)) as quiet,
    ):
        await sqlite_memory.write(lambda uow: uow.events.append(message("of nobody's interest yet")))
        await sqlite_memory.write(lambda uow: uow.events.append(contact("c", location=ELSEWHERE)))
        await soon(lambda: any(told.get("delayed") for told in socket.heard))
        async with worker(redis_url, sqlite_memory):
            await soon(lambda: {"delayed": None} in socket.heard)
        assert not any(told.get("delayed") for told in quiet.heard)


async def test_screens_hear_it_when_redis_takes_no_writes(
    own_redis: RedisServer, sqlite_memory: Database
) -> None:
    url = own_redis.url()
    async with (
        gateway(url, sqlite_memory) as one,
        connected(url) as redis,
        worker(url, sqlite_memory) as bus,
        socket_at(one.hub) as socket,
    ):
        await socket.say({"subscribe": [{"stream": Stream.CONVERSATION_FEED}]})
        await bus.publish([message("a")])
        await soon(lambda: shows_messages(socket, 1))
        await redis.config_set("maxmemory", "1")
        await bus.publish([message("b")])
        await soon(lambda: any(told.get("delayed") for told in socket.heard))
        assert not shows_messages(socket, 2)
        await redis.config_set("maxmemory", "0")
        await soon(lambda: shows_messages(socket, 2))
        await soon(lambda: socket.heard[-1] == {"delayed": None})


async def test_a_tenant_of_whom_redis_knows_nothing_is_not_called_delayed(
    redis_url: str, sqlite_memory: Database
) -> None:
    """What the database knew when the tenant was taken up is shown, whoever published it."""
    await sqlite_memory.write(lambda uow: uow.events.append(message("long ago")))
    async with connected(redis_url) as redis:
        lag = ScreenLag(
            backplane=RedisBackplane(redis), memory=sqlite_memory, clock=WallClock(), types=PROJECTED
        )
        assert await lag.look({LOCATION: 1}) == {}
        assert lag._waiting == {}
        await lag.look({LOCATION: 0})
        assert [*lag._waiting] == [LOCATION]
