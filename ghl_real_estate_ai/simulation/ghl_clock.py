"""The fake GoHighLevel's clock: real time, unless a city that is played faster, or a fault, pushes it ahead.

Called by everything of the fake that stamps or waits.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def real_time() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class VendorClock:
    """``now`` stamps what happens; ``steady_s`` counts waits and limits, which no city and no fault may shorten."""

    def __init__(self, base: Callable[[], datetime] = real_time) -> None:
        self._base = base
        self._ahead = timedelta()
        self.skew_s = 0.0

    def now(self) -> datetime:
        """The vendor's time."""
        return self._base() + self._ahead + timedelta(seconds=self.skew_s)

    def steady_s(self) -> float:
        """Seconds of the clock underneath."""
        return self._base().timestamp()

    def follow(self, at: datetime) -> None:
        """Something happened at ``at``: never be behind it."""
        behind = at - (self._base() + self._ahead)
        if behind > timedelta():
            self._ahead += behind


def milliseconds(at: datetime) -> int:
    """Epoch milliseconds."""
    return round(at.timestamp() * 1_000)
