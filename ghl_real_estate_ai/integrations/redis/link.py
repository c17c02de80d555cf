"""Short questions to Redis: so many at once, each with a time limit, and an immediate no while Redis is away.

Called by the adapters beside it whose callers have another way: doors and cache. One per process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from redis.asyncio import Redis

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import BrokerUnavailable
from ghl_real_estate_ai.integrations.redis.connection import broker_errors
from ghl_real_estate_ai.limits import BROKER_AGAIN_S, BROKER_QUESTIONS, BROKER_TIMEOUT_S

_log = telemetry.get_logger("doors")


class Link:
    """Whether Redis answers, as this process has seen it last: each loss and each return is logged once."""

    def __init__(self, redis: Redis, *, seconds: Callable[[], float] = monotonic) -> None:
        self.redis: Final = redis
        self._seconds = seconds
        self._turns = asyncio.Semaphore(BROKER_QUESTIONS)
        self._lost_at: float | None = None
        self._again_at = 0.0

    async def ask[T](self, what: str, question: Callable[[], Awaitable[T]]) -> T:
        """Redis's answer. Raises BrokerUnavailable: at once, but for one question in BROKER_AGAIN_S, while it is away."""
        self._refuse_while_away(what)
        async with self._turns:
            self._refuse_while_away(what)  # it may have gone while others had their turn
            if self._lost_at is not None:
                self._again_at = self._seconds() + BROKER_AGAIN_S  # this question finds out for all
            try:
                with broker_errors(what):
                    async with asyncio.timeout(BROKER_TIMEOUT_S):
                        answer = await question()
            except BrokerUnavailable as error:
                self._lose(error)
                raise
        self._find()
        return answer

    def _refuse_while_away(self, what: str) -> None:
        if self._lost_at is not None and self._seconds() < self._again_at:
            raise BrokerUnavailable(f"{what}: Redis did not answer a moment ago")

    def _lose(self, error: BrokerUnavailable) -> None:
        now = self._seconds()
        self._again_at = now + BROKER_AGAIN_S
        if self._lost_at is None:
            self._lost_at = now
            _log.warning(
                "doors.alone", reason=str(error), meanwhile="this process counts and answers by itself"
            )

    def _find(self) -> None:
        if self._lost_at is not None:
            _log.info("doors.together", alone_for_s=round(self._seconds() - self._lost_at, 1))
            self._lost_at = None
