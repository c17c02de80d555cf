"""GoHighLevel's limits on calls, per app and location: 100 in 10 seconds and 200,000 a day, with its header names.

Called by ghl_front_desk.py. How GoHighLevel cuts its windows is not published: here one starts with its first call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_DAY_S: Final = 86_400.0

Key = tuple[str, str]
"""App and location (or company)."""


@dataclass
class _Window:
    began: float
    used: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one call left over."""

    granted: bool
    headers: dict[str, str]


@dataclass
class Limits:
    """``on`` False: nothing is refused, the headers say that all is left. ``retry_after``: a 429 carries the header."""

    steady_s: Callable[[], float]
    on: bool = True
    per_interval: int = 100
    interval_s: float = 10.0
    per_day: int = 200_000
    retry_after: bool = False
    _short: dict[Key, _Window] = field(default_factory=dict)
    _daily: dict[Key, _Window] = field(default_factory=dict)

    def take(self, key: Key) -> Allowance:
        """Count one call."""
        now = self.steady_s()
        short = _current(self._short, key, now, self.interval_s)
        daily = _current(self._daily, key, now, _DAY_S)
        granted = not self.on or (short.used < self.per_interval and daily.used < self.per_day)
        if granted and self.on:
            short.used += 1
            daily.used += 1
        headers = {
            "X-RateLimit-Max": str(self.per_interval),
            "X-RateLimit-Remaining": str(self.per_interval - short.used),
            "X-RateLimit-Interval-Milliseconds": str(round(self.interval_s * 1_000)),
            "X-RateLimit-Limit-Daily": str(self.per_day),
            "X-RateLimit-Daily-Remaining": str(self.per_day - daily.used),
        }
        if not granted and self.retry_after:
            waits = short.began + self.interval_s - now
            if daily.used >= self.per_day:
                waits = daily.began + _DAY_S - now
            headers["Retry-After"] = str(max(1, math.ceil(waits)))
        return Allowance(granted, headers)

    def forget(self) -> None:
        """Start all windows anew."""
        self._short.clear()
        self._daily.clear()


def _current(windows: dict[Key, _Window], key: Key, now: float, length_s: float) -> _Window:
    window = windows.get(key)
    if window is None or now - window.began >= length_s:
        window = windows[key] = _Window(now)
    return window
