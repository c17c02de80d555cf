"""Clocks that move only when told to: by hand, or by whoever sleeps."""

from __future__ import annotations

import asyncio
import math
from datetime import datetime, timedelta

from tests.support.facts import NOON

_TURNS = 20
"""Turns of the event loop after which everything that could run has run."""


async def settle() -> None:
    """Let every task that is ready run on."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class FakeClock:
    """``ports.Clock``, and its ``sleep`` for those who take one."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """As last set."""
        return self._now

    def set_forward(self, seconds: float) -> None:
        """Move on without letting anybody run."""
        self._now += timedelta(seconds=seconds)

    async def advance(self, seconds: float) -> None:
        """Move on, stopping at each sleeper's time to let it run."""
        end = self._now + timedelta(seconds=seconds)
        await settle()
        while due := [sleeper for sleeper in self._sleepers if sleeper[0] <= end]:
            at, future = min(due, key=lambda sleeper: sleeper[0])
            self._sleepers.remove((at, future))
            self._now = max(self._now, at)
            if not future.done():
                future.set_result(None)
            await settle()
        self._now = end
        await settle()

    async def sleep(self, seconds: float) -> None:
        """Until the clock has moved on by so much."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + timedelta(seconds=seconds), future))
        await future


class HastyClock(FakeClock):
    """Nobody waits for it: a sleep ends at once, and so much time has passed for everybody."""

    def __init__(self, now: datetime = NOON) -> None:
        super().__init__(now)
        self._started = now

    def seconds(self) -> float:
        """Since the start."""
        return (self.now() - self._started).total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Two who sleep at once wake at their own times, not at the sum."""
        end = self.now() + timedelta(microseconds=math.ceil(seconds * 1e6))
        await asyncio.sleep(0)
        self.set_forward(max(0.0, (end - self.now()).total_seconds()))
