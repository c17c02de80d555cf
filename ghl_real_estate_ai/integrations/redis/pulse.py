"""Whether Redis answers and takes what is written, and since when it does not. Run by ``bootstrap``, read by the health route."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from redis.asyncio import Redis

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import BrokerUnavailable
from ghl_real_estate_ai.integrations.redis.connection import PREFIX, broker_errors
from ghl_real_estate_ai.limits import BROKER_PULSE_S, BROKER_TIMEOUT_S
from ghl_real_estate_ai.ports import Clock

_KEY: Final = f"{PREFIX}pulse"
_KEPT_S: Final = 60

_log = telemetry.get_logger("redis")


class Pulse:
    """``silent_since``: None while Redis takes writes. One log line when it falls silent, one when it is back."""

    def __init__(
        self,
        client: Redis,
        *,
        place: str,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``place``: host and port, for people."""
        self._client = client
        self._place = place
        self._clock = clock
        self._sleep = sleep
        self.silent_since: datetime | None = None

    async def run(self) -> None:
        """Feel it until cancelled."""
        while True:
            await self.feel()
            await self._sleep(BROKER_PULSE_S)

    async def feel(self) -> None:
        """Write once: a Redis that is full, or a replica by now, still answers, and is of no use."""
        asked_at = self._clock.now()
        try:
            with broker_errors("feeling the pulse"):
                async with asyncio.timeout(BROKER_TIMEOUT_S):
                    await self._client.set(_KEY, 1, ex=_KEPT_S)
        except BrokerUnavailable as error:
            if self.silent_since is None:
                self.silent_since = asked_at
                _log.warning(
                    "redis.silent", place=self._place, reason=str(error), meanwhile="webhooks are stored"
                )
        else:
            if self.silent_since is not None:
                _log.info("redis.answers", place=self._place, silent_since=self.silent_since.isoformat())
            self.silent_since = None
