"""Redis's troubles in our words: what passes by itself is waited for, and what an operator must mend says how."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from redis.asyncio import Redis

from ghl_real_estate_ai.errors import BrokerUnavailable
from ghl_real_estate_ai.integrations.redis.connection import PREFIX, broker_errors, connected
from tests.support.redis import RedisServer

SOON_S = 60.0

pytestmark = pytest.mark.asyncio


async def trouble_of(call: Awaitable[object]) -> str:
    with pytest.raises(BrokerUnavailable) as caught, broker_errors("asking"):
        await call
    return str(caught.value)


async def blocked(client: Redis) -> int:
    """The number of the one client that waits in a blocking call."""
    async with asyncio.timeout(SOON_S):
        while True:
            waiting = [one for one in await client.client_list() if "b" in one["flags"]]
            if waiting:
                return int(waiting[0]["id"])
            await asyncio.sleep(0.01)


async def test_a_write_without_the_replicas_that_it_needs_is_waited_for(own_redis: RedisServer) -> None:
    async with connected(own_redis.url()) as client:
        await client.config_set("min-replicas-to-write", 1)
        assert "NOREPLICAS" in await trouble_of(client.set(f"{PREFIX}key", 1))


async def test_a_read_that_is_unblocked_by_a_failover_is_waited_for(own_redis: RedisServer) -> None:
    async with connected(own_redis.url()) as client, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(trouble_of(client.xread({f"{PREFIX}log": "$"}, block=15_000)))
        await client.client_unblock(await blocked(client), error=True)
        assert "UNBLOCKED" in await reading


async def test_a_wrong_password_names_the_setting(own_redis: RedisServer) -> None:
    async with connected(own_redis.url()) as client:
        await client.config_set("requirepass", "right")
    async with connected(own_redis.url().replace("redis://", "redis://:wrong@")) as client:
        said = await trouble_of(client.ping())
        assert "ENTERPRISEHUB_REDIS_URL" in said
        assert "wrong" not in said


async def test_a_user_who_may_not_do_it_names_the_setting(own_redis: RedisServer) -> None:
    async with connected(own_redis.url()) as client:
        await client.acl_setuser(
            "guest", enabled=True, nopass=True, keys=["other:*"], commands=["+get", "+ping"]
        )
    async with connected(own_redis.url().replace("redis://", "redis://guest:any@")) as client:
        assert "ENTERPRISEHUB_REDIS_URL" in await trouble_of(client.get(f"{PREFIX}key"))


async def test_a_full_redis_names_its_limit(own_redis: RedisServer) -> None:
    async with connected(own_redis.url()) as client:
        await client.config_set("maxmemory", 1)
        assert "maxmemory" in await trouble_of(client.set(f"{PREFIX}key", 1))
