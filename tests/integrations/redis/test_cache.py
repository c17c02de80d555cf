"""Answers that processes share: made once for all, never too old, and made alone where Redis does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ghl_real_estate_ai.errors import NotFound
from ghl_real_estate_ai.integrations.redis.cache import RedisCache
from ghl_real_estate_ai.integrations.redis.connection import connected
from ghl_real_estate_ai.integrations.redis.link import Link
from ghl_real_estate_ai.services.single_flight import SingleFlight
from tests.support.clock import FakeClock, HastyClock
from tests.support.gateway import eventually
from tests.support.redis import RedisServer

pytestmark = pytest.mark.asyncio

FOR_EVER_S = 3_600.0


@asynccontextmanager
async def process_on(
    url: str,
    *,
    seconds: Callable[[], float] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[RedisCache]:
    """The cache of one process. ``seconds``: its own clock."""
    own = seconds or asyncio.get_running_loop().time
    async with connected(url) as redis:
        yield RedisCache(Link(redis, seconds=own), within=SingleFlight(seconds=own), seconds=own, sleep=sleep)


class Kitchen:
    """Makes answers and counts them; ``open`` clear: it takes its time."""

    def __init__(self) -> None:
        self.begun = 0
        self.open = asyncio.Event()
        self.open.set()

    async def make(self) -> bytes:
        """The next answer."""
        self.begun += 1
        number = self.begun
        await self.open.wait()
        return f"answer {number}".encode()

    async def fail(self) -> bytes:
        """No answer."""
        await self.make()
        raise NotFound("no such lead")

    async def is_busy(self) -> bool:
        """Somebody has come as far as here."""
        return self.begun > 0


async def test_of_a_hundred_who_ask_at_once_in_two_processes_one_makes_it(redis_url: str) -> None:
    kitchen = Kitchen()
    kitchen.open.clear()
    async with process_on(redis_url) as here, process_on(redis_url) as there, asyncio.TaskGroup() as tasks:
        asking = [
            tasks.create_task(cache.get_or_make("key", kitchen.make, seconds=FOR_EVER_S))
            for _ in range(50)
            for cache in (here, there)
        ]
        await eventually(kitchen.is_busy)
        kitchen.open.set()
        assert {await task for task in asking} == {b"answer 1"}
    assert kitchen.begun == 1


async def test_an_answer_spends_half_of_its_time_in_redis_and_half_in_the_process(redis_url: str) -> None:
    """So that one who asks never gets one that is older than what they allow."""
    clock, kitchen, seconds = FakeClock(), Kitchen(), 60.0
    async with (
        process_on(redis_url) as maker,
        process_on(redis_url, seconds=lambda: clock.now().timestamp()) as other,
        connected(redis_url) as redis,
    ):
        assert await maker.get_or_make("key", kitchen.make, seconds=seconds) == b"answer 1"
        (key,) = [key async for key in redis.scan_iter()]
        assert 0 < await redis.pttl(key) <= 30_000
        assert await other.get_or_make("key", kitchen.make, seconds=seconds) == b"answer 1"
        await redis.delete(key)  # as if its half were over
        clock.set_forward(29.9)
        assert await other.get_or_make("key", kitchen.make, seconds=seconds) == b"answer 1"
        clock.set_forward(0.2)
        assert await other.get_or_make("key", kitchen.make, seconds=seconds) == b"answer 2"


async def test_an_answer_that_took_longer_than_it_may_be_old_is_not_kept(redis_url: str) -> None:
    kitchen = Kitchen()
    kitchen.open.clear()
    async with process_on(redis_url) as cache, asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(cache.get_or_make("key", kitchen.make, seconds=0.02))
        await eventually(kitchen.is_busy)
        await asyncio.sleep(0.02)
        kitchen.open.set()
        assert await asking == b"answer 1"
        async with connected(redis_url) as redis:
            assert await redis.dbsize() == 0, "neither the answer nor the mark of its maker"


async def test_what_one_process_fails_to_make_the_next_one_makes(redis_url: str) -> None:
    kitchen = Kitchen()
    kitchen.open.clear()
    async with process_on(redis_url) as here, process_on(redis_url) as there, asyncio.TaskGroup() as tasks:
        failing = tasks.create_task(outcome(here.get_or_make("key", kitchen.fail, seconds=FOR_EVER_S)))
        await eventually(kitchen.is_busy)
        waiting = tasks.create_task(outcome(there.get_or_make("key", kitchen.make, seconds=FOR_EVER_S)))
        kitchen.open.set()
        assert isinstance(await failing, NotFound)
        assert await waiting == b"answer 2"


async def outcome(asked: Awaitable[bytes]) -> bytes | NotFound:
    try:
        return await asked
    except NotFound as error:
        return error


async def test_a_maker_that_died_holds_the_others_up_until_its_lock_ends(redis_url: str) -> None:
    dead, alive, time = Kitchen(), Kitchen(), HastyClock()
    dead.open.clear()
    async with (
        connected(redis_url) as redis,
        process_on(redis_url) as gone,
        process_on(redis_url, seconds=time.seconds, sleep=time.sleep) as other,
        asyncio.TaskGroup() as tasks,
    ):
        dying = tasks.create_task(gone.get_or_make("key", dead.make, seconds=FOR_EVER_S))
        await eventually(dead.is_busy)
        (lock,) = [key async for key in redis.scan_iter()]
        assert 0 < await redis.pttl(lock) <= 2_000
        assert await other.get_or_make("key", alive.make, seconds=FOR_EVER_S) == b"answer 1"
        assert time.seconds() < 3, "by its own clock too: it does not wait for one maker after another"
        dying.cancel()


async def test_the_maker_that_is_cancelled_gives_the_making_up(redis_url: str) -> None:
    kitchen = Kitchen()
    kitchen.open.clear()
    async with process_on(redis_url) as here, connected(redis_url) as redis, asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(here.get_or_make("key", kitchen.make, seconds=FOR_EVER_S))
        await eventually(kitchen.is_busy)
        asking.cancel()
        await asyncio.wait([asking])
        assert await redis.dbsize() == 0


async def test_while_redis_is_away_each_process_makes_its_own(own_redis: RedisServer) -> None:
    kitchen, clock = Kitchen(), FakeClock()
    kitchen.open.clear()
    async with process_on(own_redis.url(), seconds=lambda: clock.now().timestamp()) as cache:
        own_redis.kill()
        async with asyncio.TaskGroup() as tasks:
            asking = [
                tasks.create_task(cache.get_or_make("key", kitchen.make, seconds=1.0)) for _ in range(100)
            ]
            await eventually(kitchen.is_busy)
            kitchen.open.set()
        assert {task.result() for task in asking} == {b"answer 1"}
        own_redis.start()
        clock.set_forward(1)
        assert await cache.get_or_make("key", kitchen.make, seconds=1.0) == b"answer 2"
        async with process_on(own_redis.url()) as other:
            assert await other.get_or_make("key", kitchen.make, seconds=FOR_EVER_S) == b"answer 2"


async def test_a_redis_that_goes_while_an_answer_is_made_takes_it_from_nobody(own_redis: RedisServer) -> None:
    kitchen = Kitchen()
    kitchen.open.clear()
    async with process_on(own_redis.url()) as cache, asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(cache.get_or_make("key", kitchen.make, seconds=FOR_EVER_S))
        await eventually(kitchen.is_busy)
        own_redis.kill()
        kitchen.open.set()
        assert await asking == b"answer 1"
