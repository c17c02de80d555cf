"""Whether Redis answers, and since when it does not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from ghl_real_estate_ai.integrations.redis.connection import connected
from ghl_real_estate_ai.integrations.redis.pulse import Pulse
from tests.support.redis import RedisServer

pytestmark = pytest.mark.asyncio


class Clock:
    """Set by hand."""

    hour = 12

    def now(self) -> datetime:
        return datetime(2026, 3, 2, self.hour, tzinfo=UTC)


async def test_a_silence_is_dated_from_the_first_question_without_answer_and_said_once(
    own_redis: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    async with connected(own_redis.url()) as client:
        pulse = Pulse(client, place="redis.example:6379", clock=clock)
        await pulse.feel()
        assert pulse.silent_since is None
        own_redis.kill()
        for hour in (13, 14, 15):
            clock.hour = hour
            await pulse.feel()
        assert pulse.silent_since == datetime(2026, 3, 2, 13, tzinfo=UTC)
        own_redis.start()
        await pulse.feel()
        assert pulse.silent_since is None
    said = "".join(capsys.readouterr())
    assert said.count("redis.silent") == 1
    assert said.count("redis.answers") == 1
    assert "redis.example:6379" in said


async def test_a_redis_that_takes_no_writes_is_silent(own_redis: RedisServer) -> None:
    clock = Clock()
    async with connected(own_redis.url()) as client:
        pulse = Pulse(client, place="x", clock=clock)
        await client.config_set("maxmemory", "1")
        await pulse.feel()
        assert pulse.silent_since == clock.now()
        await client.config_set("maxmemory", "0")
        await pulse.feel()
        assert pulse.silent_since is None
        assert all([0 < await client.ttl(key) <= 60 for key in await client.keys()])


async def test_it_is_felt_again_and_again_until_cancelled(own_redis: RedisServer) -> None:
    felt = asyncio.Semaphore(0)

    async def sleep(_seconds: float) -> None:
        felt.release()
        await asyncio.sleep(0)

    async with connected(own_redis.url()) as client:
        running = asyncio.create_task(Pulse(client, place="x", clock=Clock(), sleep=sleep).run())
        async with asyncio.timeout(20):
            for _ in range(3):
                await felt.acquire()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
