"""What the suite over both caches (tests/contracts/test_door_ports.py) cannot see: what is held, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from ghl_real_estate_ai.services.single_flight import SingleFlight
from tests.support.clock import FakeClock
from tests.support.gateway import eventually

pytestmark = pytest.mark.asyncio

FOR_EVER_S = 3_600.0


async def answer() -> bytes:
    return b"answer"


async def test_of_too_many_answers_the_oldest_goes() -> None:
    cache = SingleFlight(most=2)
    for key in ("a", "b", "a", "c"):
        await cache.get_or_make(key, answer, seconds=FOR_EVER_S)
    assert len(cache) == 2

    async def never() -> bytes:
        raise AssertionError("it is held")

    for key in ("b", "c"):
        assert await cache.get_or_make(key, never, seconds=FOR_EVER_S) == b"answer"


async def test_an_answer_leaves_the_memory_when_its_time_is_over() -> None:
    cache = SingleFlight()
    await cache.get_or_make("key", answer, seconds=0.01)

    async def is_gone() -> bool:
        return len(cache) == 0

    await eventually(is_gone)


async def test_who_asks_long_after_a_slow_making_began_does_not_wait_for_it() -> None:
    clock = FakeClock()
    cache = SingleFlight(seconds=lambda: clock.now().timestamp())
    go_on = asyncio.Event()

    async def slow() -> bytes:
        await go_on.wait()
        return b"old"

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(cache.get_or_make("key", slow, seconds=0.5))
        await asyncio.sleep(0)
        clock.set_forward(0.5)
        assert await cache.get_or_make("key", answer, seconds=0.5) == b"answer"
        go_on.set()
    assert first.result() == b"old"
    assert await cache.get_or_make("key", slow, seconds=0.5) == b"answer", "the newer one stays"
