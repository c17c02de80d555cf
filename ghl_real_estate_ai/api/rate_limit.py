"""How often somebody may do something: one token bucket per key, a bounded number of keys.

Called by the routes that strangers reach: sign-ins, hints, returns from a consent page. In memory: the limit is per
process; with Redis it counts what comes while Redis does not answer.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from ghl_real_estate_ai.errors import TooManyRequests
from ghl_real_estate_ai.limits import RATE_KEYS_HELD
from ghl_real_estate_ai.ports import Clock


class RateLimiter:
    """``live_ports.RateLimit`` of one process: ``per_minute`` at once, refilled evenly.

    The least recently seen key is dropped when there are too many.
    """

    def __init__(self, *, per_minute: int, clock: Clock, keys: int = RATE_KEYS_HELD) -> None:
        self._most = float(per_minute)
        self._per_s = per_minute / 60
        self._clock = clock
        self._keys = keys
        self._buckets: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    async def spend(self, key: str) -> None:
        """Take one; raises TooManyRequests with the seconds until there is one again."""
        now = self._clock.now()
        left, since = self._buckets.pop(key, (self._most, now))
        left = min(self._most, left + (now - since).total_seconds() * self._per_s)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now)
        if len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)
        if not allowed:
            wait = (1 - left) / self._per_s
            raise TooManyRequests(f"too many attempts; try again in {wait:.0f} s", retry_after_s=wait)

    def __len__(self) -> int:
        return len(self._buckets)
