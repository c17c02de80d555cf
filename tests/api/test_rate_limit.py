"""The token bucket per key."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.api.rate_limit import RateLimiter
from ghl_real_estate_ai.errors import TooManyRequests
from tests.support.clock import FakeClock


@pytest.mark.asyncio
async def test_a_key_may_spend_its_minute_at_once_and_then_waits_for_the_refill() -> None:
    clock = FakeClock()
    limiter = RateLimiter(per_minute=10, clock=clock)
    for _ in range(10):
        await limiter.spend("a")
    with pytest.raises(TooManyRequests) as refused:
        await limiter.spend("a")
    assert refused.value.retry_after_s == pytest.approx(6.0)
    await limiter.spend("b")
    clock.set_forward(6)
    await limiter.spend("a")
    with pytest.raises(TooManyRequests):
        await limiter.spend("a")


@pytest.mark.asyncio
async def test_asking_while_refused_does_not_postpone_the_refill() -> None:
    clock = FakeClock()
    limiter = RateLimiter(per_minute=60, clock=clock)
    for _ in range(60):
        await limiter.spend("a")
    for _ in range(9):
        clock.set_forward(0.1)
        with pytest.raises(TooManyRequests):
            await limiter.spend("a")
    clock.set_forward(0.2)
    await limiter.spend("a")


@pytest.mark.asyncio
async def test_the_number_of_keys_is_bounded_and_the_longest_unseen_goes() -> None:
    limiter = RateLimiter(per_minute=1, clock=FakeClock(), keys=2)
    for key in ("a", "b", "c"):
        await limiter.spend(key)
    assert len(limiter) == 2
    await limiter.spend("a")
    with pytest.raises(TooManyRequests):
        await limiter.spend("c")
