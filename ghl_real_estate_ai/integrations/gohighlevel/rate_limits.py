"""GoHighLevel's limits kept on our side: a call waits for its turn here instead of being refused there.

Called by exchange.py around every call. One limiter per app; within it each location (or company) has its own window.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from ghl_real_estate_ai.errors import TooManyRequests
from ghl_real_estate_ai.limits import (
    CRM_CALLS_PER_DAY,
    CRM_CALLS_PER_INTERVAL,
    CRM_DAILY_PROBE_S,
    CRM_DAILY_RESERVE,
    CRM_INTERVAL_S,
    CRM_QUEUE_WAIT_S,
)

_MARGIN: Final = 0.9
"""Part of the vendor's own limit that we use: its window and ours do not start at the same moment."""

_LATENESS_S: Final = 0.5
"""Added to the interval: a call that travels slowly is counted later there than here."""

_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Quota:
    """What the answers said of the limits, the newest figure of each kind; None: not said yet."""

    per_interval: int | None = None
    remaining: int | None = None
    interval_s: float | None = None
    per_day: int | None = None
    remaining_today: int | None = None

    def updated(self, newer: Quota) -> Quota:
        """With every figure that a newer answer tells."""
        said = {field.name: getattr(newer, field.name) for field in fields(newer)}
        return replace(self, **{name: value for name, value in said.items() if value is not None})


def quota_of(headers: Mapping[str, str]) -> Quota:
    """The figures in an answer's headers (names in lower case)."""
    interval = _number(headers, "x-ratelimit-interval-milliseconds")
    return Quota(
        per_interval=_number(headers, "x-ratelimit-max"),
        remaining=_number(headers, "x-ratelimit-remaining"),
        interval_s=interval / 1_000 if interval else None,
        per_day=_number(headers, "x-ratelimit-limit-daily"),
        remaining_today=_number(headers, "x-ratelimit-daily-remaining"),
    )


def retry_after_s(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """``Retry-After`` in seconds, from a number or an HTTP date; None when absent or unreadable.

    A date is compared with the answer's own ``Date``: both come from the same clock, ours may differ.
    """
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    until, sent = http_date(said), http_date(headers.get("date", "")) or now
    return None if until is None else max(0.0, (until - sent).total_seconds())


def http_date(text: str) -> datetime | None:
    """An HTTP date; None when it is none."""
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class RateLimiter:
    """Turns, in the order in which they were asked for."""

    def __init__(
        self,
        *,
        seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        longest_wait_s: float = CRM_QUEUE_WAIT_S,
    ) -> None:
        self._seconds: Final = seconds
        self._sleep: Final = sleep
        self._longest_wait_s: Final = longest_wait_s
        self._windows: Final[dict[str, _Window]] = {}

    async def turn(self, owner_id: str, *, urgent: bool = False) -> None:
        """Return when the call may be sent. Raises TooManyRequests as soon as that is too far away."""
        window, asked_at = self._window(owner_id), self._seconds()
        window.check_the_day(asked_at, urgent=urgent)
        turn = window.reserve(window.next_free(asked_at))
        try:
            await self._wait_for(turn, asked_at)
        except (asyncio.CancelledError, TooManyRequests):
            window.give_back(turn)
            raise

    async def _wait_for(self, turn: _Turn, asked_at: float) -> None:
        """Looks again after each sleep: a refusal in the meantime has moved the turn, perhaps too far."""
        while (wait := turn.at - self._seconds()) > 0:
            if turn.at - asked_at > self._longest_wait_s:
                raise TooManyRequests(
                    f"the CRM's limit is used up for {wait:.0f} s; nothing was sent", retry_after_s=wait
                )
            await self._sleep(wait)

    def learn(self, owner_id: str, quota: Quota) -> None:
        """Believe what an answer said."""
        self._window(owner_id).learn(quota, self._seconds())

    def pause(self, owner_id: str, wait_s: float | None) -> float:
        """The vendor said 429: nobody goes before ``wait_s`` (None: one interval) is over. Returns that wait."""
        window = self._window(owner_id)
        wait_s = window.interval_s if wait_s is None else wait_s
        window.pause(self._seconds(), wait_s)
        return wait_s

    def _window(self, owner_id: str) -> _Window:
        if owner_id not in self._windows:
            self._windows[owner_id] = _Window(self._seconds())
        return self._windows[owner_id]


@dataclass(slots=True, eq=False)
class _Turn:
    """When a call was, or will be, sent."""

    at: float


class _Window:
    """The turns of one owner: at most ``_calls`` in any ``interval_s``.

    A bucket that fills up while its calls run lets nearly two limits through in one interval; counting the turns
    themselves does not. Turns of the future are in the same list: a place in it is a place in the queue.
    """

    def __init__(self, now: float) -> None:
        self.interval_s = CRM_INTERVAL_S
        self._calls = CRM_CALLS_PER_INTERVAL
        self._per_day = CRM_CALLS_PER_DAY
        self._turns: list[_Turn] = []
        self._closed_until = now
        self._left_today = CRM_CALLS_PER_DAY
        self._day_started = now
        self._asked_at = now

    @property
    def _span_s(self) -> float:
        return self.interval_s + _LATENESS_S

    def next_free(self, now: float) -> float:
        """The earliest time for one more call, behind all that wait."""
        self._forget_old(now)
        last = self._turns[-1].at if self._turns else now
        full = self._turns[-self._calls].at + self._span_s if len(self._turns) >= self._calls else now
        return max(now, self._closed_until, last, full)

    def reserve(self, at: float) -> _Turn:
        """Take the place that ``next_free`` named."""
        turn = _Turn(at)
        self._turns.append(turn)
        self._left_today -= 1
        return turn

    def give_back(self, turn: _Turn) -> None:
        """Who waited has gone; those behind keep their times."""
        if turn in self._turns:
            self._turns.remove(turn)
            self._left_today += 1

    def pause(self, now: float, wait_s: float) -> None:
        """Nobody goes before the wait is over; those who wait keep their order and their distance."""
        end = now + wait_s
        waiting = self._turns[self._first_after(now) :]
        late = end - min((turn.at for turn in waiting), default=end)
        if late > 0:
            for turn in waiting:
                turn.at += late
        self._closed_until = max(self._closed_until, end)

    def learn(self, quota: Quota, now: float) -> None:
        """The vendor's figures replace ours; what it counted and we did not was sent by somebody else."""
        if quota.interval_s:
            self.interval_s = quota.interval_s
        if quota.per_day:
            self._per_day = quota.per_day
        if quota.remaining_today is not None:
            self._left_today, self._asked_at = quota.remaining_today, now
        if not quota.per_interval:
            return
        self._calls = max(1, int(quota.per_interval * _MARGIN))
        if quota.remaining is not None:
            self._forget_old(now)
            place = self._first_after(now)
            elsewhere = min(quota.per_interval - quota.remaining - place, self._calls)
            self._turns[place:place] = [_Turn(now) for _ in range(elsewhere)]

    def check_the_day(self, now: float, *, urgent: bool) -> None:
        """Raises TooManyRequests when an ordinary call would use the reserve, or any call more than the day has."""
        if now - self._day_started >= _DAY_S:
            self._left_today, self._day_started = self._per_day, now
        reserve = min(CRM_DAILY_RESERVE, self._per_day // 10)
        if self._left_today > (0 if urgent else reserve):
            return
        # Nobody says when the vendor's day ends: one call in a while finds out.
        since = now - self._asked_at
        if since >= CRM_DAILY_PROBE_S:
            self._asked_at = now
            return
        raise TooManyRequests(
            "the CRM's daily limit is nearly used up; the rest is kept for urgent calls",
            retry_after_s=CRM_DAILY_PROBE_S - since,
        )

    def _forget_old(self, now: float) -> None:
        del self._turns[: bisect_right(self._turns, now - self._span_s, key=lambda turn: turn.at)]

    def _first_after(self, now: float) -> int:
        return bisect_right(self._turns, now, key=lambda turn: turn.at)


def _number(headers: Mapping[str, str], name: str) -> int | None:
    said = headers.get(name, "").strip()
    return int(said) if said.isdecimal() else None
