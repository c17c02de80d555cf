"""Answers that the screens of several gateways ask for at once are made once. Plugged in by ``bootstrap``."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from ghl_real_estate_ai.errors import BrokerUnavailable
from ghl_real_estate_ai.integrations.redis.connection import PREFIX
from ghl_real_estate_ai.integrations.redis.link import Link
from ghl_real_estate_ai.limits import ANSWER_LOCK_S, ANSWER_LOOK_S
from ghl_real_estate_ai.live_ports import SharedCache

_LOOK: Final = """
local answer = redis.call('GET', KEYS[1])
if answer then return answer end
if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000)
"""
"""The answer; else 0 while somebody makes it; else Redis's time in ms: it is the caller's to make."""

_SETTLE: Final = """
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
local time = redis.call('TIME')
local left = ARGV[3] - time[1] * 1000 - math.floor(time[2] / 1000)
if ARGV[2] ~= '' and left > 0 then redis.call('SET', KEYS[1], ARGV[2], 'PX', left) end
"""
"""Let others look. What the making took of the answer's time is over; an answer without any left is not kept."""


class RedisCache:
    """``live_ports.SharedCache`` over all processes, and ``within`` for each: one of a process asks Redis, the others wait.

    Of the time that an answer may be old, one half is spent in Redis and one in the process, so it is never older.
    """

    def __init__(
        self,
        link: Link,
        *,
        within: SharedCache,
        seconds: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._link = link
        self._within = within
        self._seconds = seconds
        self._sleep = sleep
        self._look = link.redis.register_script(_LOOK)
        self._settle = link.redis.register_script(_SETTLE)

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[bytes]], *, seconds: float) -> bytes:
        """The answer under this key, not older than so long; while Redis is away each process makes its own.

        What ``make`` raises reaches those who wait in this process and is not kept; another process makes it then.
        """
        half = seconds / 2
        return await self._within.get_or_make(
            key, lambda: self._over_all(key, make, seconds=half), seconds=half
        )

    async def _over_all(self, key: str, make: Callable[[], Awaitable[bytes]], *, seconds: float) -> bytes:
        name = f"{PREFIX}answer:{hashlib.sha256(key.encode()).hexdigest()}"
        mine = secrets.token_hex(8)
        try:
            found = await self._wait_for(name, mine)
        except BrokerUnavailable:
            found = 0
        if isinstance(found, bytes):
            return found
        if not found:
            return await make()
        answer = b""
        try:
            answer = await make()
        finally:
            await self._hand_over(name, mine, answer, until_ms=found + round(seconds * 1_000))
        return answer

    async def _wait_for(self, name: str, mine: str) -> bytes | int:
        """The answer; else the time in ms at which its making became ours; 0 when others have failed to make it in time."""
        keys, arguments = [name, f"{name}:maker"], (mine, round(ANSWER_LOCK_S * 1_000))
        patience_ends = self._seconds() + ANSWER_LOCK_S
        while True:
            found: bytes | int = await self._link.ask("cache", lambda: self._look(keys=keys, args=arguments))
            if found or self._seconds() >= patience_ends:
                return found
            await self._sleep(ANSWER_LOOK_S)

    async def _hand_over(self, name: str, mine: str, answer: bytes, *, until_ms: int) -> None:
        keys, arguments = [name, f"{name}:maker"], (mine, answer, until_ms)
        try:
            await self._link.ask("cache", lambda: self._settle(keys=keys, args=arguments))
        except BrokerUnavailable:
            return  # the lock ends by itself; the others make their own
