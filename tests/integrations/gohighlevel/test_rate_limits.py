"""Turns under GoHighLevel's limits: never too many in any interval, in order, bounded, and learned from its answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.errors import TooManyRequests
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import (
    Quota,
    RateLimiter,
    quota_of,
    retry_after_s,
)
from tests.support.clock import FakeClock, settle

OWNER = "loc1"
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Queue:
    """A limiter on a set clock, and when each of its turns came."""

    def __init__(self, longest_wait_s: float = 60.0) -> None:
        self.clock = FakeClock()
        self._started = self.clock.now()
        self.limiter = RateLimiter(
            seconds=self.seconds, sleep=self.clock.sleep, longest_wait_s=longest_wait_s
        )
        self.came: list[tuple[int, float]] = []

    def seconds(self) -> float:
        return (self.clock.now() - self._started).total_seconds()

    async def come(self, number: int, *, urgent: bool = False) -> None:
        await self.limiter.turn(OWNER, urgent=urgent)
        self.came.append((number, self.seconds()))

    async def come_all(self, count: int, *, within_s: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                tasks.create_task(self.come(number))
            await self.clock.advance(within_s)


# --- the interval -------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_ninety_go_at_once_and_the_next_ones_an_interval_later_in_their_order() -> None:
    queue = Queue()
    await queue.come_all(200, within_s=30)
    assert [number for number, _ in queue.came] == list(range(200))
    assert [at for _, at in queue.came] == [0.0] * 90 + [10.5] * 90 + [21.0] * 20


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 4), min_size=1, max_size=300))
def test_no_ten_seconds_hold_more_than_ninety_however_they_come(pauses: list[float]) -> None:
    async def run() -> list[float]:
        queue = Queue(longest_wait_s=10_000)
        async with asyncio.TaskGroup() as tasks:
            for number, pause in enumerate(pauses):
                tasks.create_task(queue.come(number))
                if number % 40 == 0:
                    await queue.clock.advance(pause)
            await queue.clock.advance(1_000)
        return [at for _, at in queue.came]

    times = asyncio.run(run())
    assert len(times) == len(pauses)
    assert all(late - early >= 10 for early, late in zip(times, times[90:], strict=False))


@pytest.mark.asyncio
async def test_each_location_has_a_limit_of_its_own() -> None:
    queue = Queue()
    await queue.come_all(90, within_s=0)
    await queue.limiter.turn("loc2")  # would wait for ever on a clock that stands still


@pytest.mark.asyncio
async def test_who_would_wait_too_long_is_refused_at_once_and_told_how_long() -> None:
    queue = Queue(longest_wait_s=15)
    async with asyncio.TaskGroup() as tasks:
        for number in range(180):
            tasks.create_task(queue.come(number))
        await settle()
        with pytest.raises(TooManyRequests, match="used up for 21 s; nothing was sent") as caught:
            await queue.come(999)
        await queue.clock.advance(21)
    assert caught.value.retry_after_s == 21
    assert len(queue.came) == 180


@pytest.mark.asyncio
async def test_who_gives_up_waiting_leaves_the_place_to_others() -> None:
    queue = Queue()
    await queue.come_all(90, within_s=0)
    gone = asyncio.ensure_future(queue.come(90))
    await settle()
    gone.cancel()
    await settle()
    async with asyncio.TaskGroup() as tasks:
        for number in range(90):
            tasks.create_task(queue.come(number))
        await queue.clock.advance(11)
    assert [at for _, at in queue.came[90:]] == [10.5] * 90


# --- learning -----------------------------------------------------------------------------------------------------


def test_the_figures_of_an_answer_are_read_by_their_real_names() -> None:
    headers = {
        "x-ratelimit-max": "100",
        "x-ratelimit-remaining": "42",
        "x-ratelimit-interval-milliseconds": "10000",
        "x-ratelimit-limit-daily": "200000",
        "x-ratelimit-daily-remaining": "199000",
    }
    assert quota_of(headers) == Quota(100, 42, 10.0, 200_000, 199_000)
    assert quota_of({"x-ratelimit-max": "many"}) == Quota()


@pytest.mark.asyncio
async def test_a_smaller_limit_is_believed() -> None:
    queue = Queue()
    queue.limiter.learn(OWNER, Quota(per_interval=10, interval_s=2.0))
    await queue.come_all(20, within_s=10)
    assert [at for _, at in queue.came] == [0.0] * 9 + [2.5] * 9 + [5.0] * 2


@pytest.mark.asyncio
async def test_calls_of_somebody_else_count_as_ours() -> None:
    queue = Queue()
    await queue.come(0)
    queue.limiter.learn(OWNER, Quota(per_interval=100, remaining=19))  # 81 are used, one of them by us
    await queue.come_all(20, within_s=30)
    assert [at for _, at in queue.came] == [0.0] * 10 + [10.5] * 11


@pytest.mark.asyncio
async def test_after_a_refusal_nobody_goes_before_the_wait_is_over_and_the_order_stays() -> None:
    queue = Queue()
    async with asyncio.TaskGroup() as tasks:
        for number in range(100):
            tasks.create_task(queue.come(number))
        await settle()
        assert queue.limiter.pause(OWNER, 25.0) == 25.0
        await queue.clock.advance(40)
    assert [number for number, _ in queue.came] == list(range(100))
    assert [at for _, at in queue.came[90:]] == [25.0] * 10


@pytest.mark.asyncio
async def test_who_waits_when_a_long_refusal_comes_is_refused_too_and_gives_the_place_back() -> None:
    queue = Queue()
    refused: list[TooManyRequests] = []

    async def come(number: int) -> None:
        try:
            await queue.come(number)
        except TooManyRequests as error:
            refused.append(error)

    async with asyncio.TaskGroup() as tasks:
        for number in range(100):
            tasks.create_task(come(number))
        await settle()
        queue.limiter.pause(OWNER, 3_600.0)
        await queue.clock.advance(60)
        assert (len(queue.came), len(refused)) == (90, 10), "within the longest wait, not an hour later"
    assert refused[0].retry_after_s == pytest.approx(3_589.5)
    queue.clock.set_forward(3_540)
    await queue.come_all(90, within_s=0)
    assert len(queue.came) == 180, "nobody who was refused holds a place"


@pytest.mark.asyncio
async def test_many_short_refusals_do_not_add_up_to_a_wait_without_end() -> None:
    queue = Queue()
    await queue.come_all(90, within_s=0)
    async with asyncio.TaskGroup() as tasks:

        async def come() -> None:
            with pytest.raises(TooManyRequests):
                await queue.come(90)

        waiting = tasks.create_task(come())
        for _ in range(8):
            await queue.clock.advance(9)
            queue.limiter.pause(OWNER, 30.0)
        await queue.clock.advance(30)
        assert waiting.done()


@pytest.mark.asyncio
async def test_without_a_named_wait_a_refusal_closes_one_interval() -> None:
    queue = Queue()
    queue.limiter.learn(OWNER, Quota(interval_s=3.0))
    assert queue.limiter.pause(OWNER, None) == 3.0
    await queue.come_all(1, within_s=5)
    assert queue.came == [(0, 3.0)]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 26 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 26 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Thu, 26 Nov 2026 15:00:30 GMT", "date": "Thu, 26 Nov 2026 15:00:00 GMT"}, 30.0),
    ],
    ids=["absent", "seconds", "unreadable", "date", "past", "date by the vendor's own clock"],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers, now=NOW) == expected


# --- the day ------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_reserve_of_the_day_is_for_urgent_calls() -> None:
    queue = Queue()
    queue.limiter.learn(OWNER, Quota(per_day=200_000, remaining_today=10_000))
    with pytest.raises(TooManyRequests, match="the rest is kept for urgent calls"):
        await queue.come(0)
    await queue.come(1, urgent=True)
    queue.limiter.learn(OWNER, Quota(per_day=200_000, remaining_today=0))
    with pytest.raises(TooManyRequests):
        await queue.come(2, urgent=True)


@pytest.mark.asyncio
async def test_one_call_in_ten_minutes_asks_whether_the_day_is_over() -> None:
    queue = Queue()
    queue.limiter.learn(OWNER, Quota(per_day=200_000, remaining_today=5))
    with pytest.raises(TooManyRequests) as caught:
        await queue.come(0)
    assert caught.value.retry_after_s == 600
    queue.clock.set_forward(600)
    await queue.come(1)
    with pytest.raises(TooManyRequests):
        await queue.come(2)
    queue.limiter.learn(OWNER, Quota(per_day=200_000, remaining_today=200_000))
    await queue.come(3)


@pytest.mark.asyncio
async def test_without_figures_our_own_count_ends_with_the_day() -> None:
    queue = Queue()
    queue.limiter.learn(OWNER, Quota(remaining_today=10_001))
    await queue.come(0)
    with pytest.raises(TooManyRequests):
        await queue.come(1)
    queue.clock.set_forward(86_400)
    await queue.come(2)
    await queue.come(3)
