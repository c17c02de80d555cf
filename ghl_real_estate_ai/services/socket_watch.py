"""The one watch over all sockets: whose heartbeat or token's end is due, by a wheel of seconds.

Called by ``websocket_manager``. A look costs what is due, not what is open.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Protocol

from ghl_real_estate_ai.limits import WATCH_INTERVAL_S


class Watched(Protocol):
    """Something that wants to be looked at."""

    @property
    def due(self) -> datetime:
        """When next."""
        ...

    def look(self, now: datetime) -> None:
        """It is time: act, and be due later."""
        ...


class SocketWatch:
    """Everybody is in the slot of the second in which they are due."""

    def __init__(self) -> None:
        self._slots: dict[int, set[Watched]] = {}
        self._slot_of: dict[Watched, int] = {}

    def __len__(self) -> int:
        return len(self._slot_of)

    def add(self, watched: Watched) -> None:
        """Begin, or follow to where it is due now."""
        self.remove(watched)
        slot = _slot(watched.due)
        self._slot_of[watched] = slot
        self._slots.setdefault(slot, set()).add(watched)

    def remove(self, watched: Watched) -> None:
        """End."""
        slot = self._slot_of.pop(watched, None)
        if slot is not None:
            self._slots[slot].discard(watched)
            if not self._slots[slot]:
                del self._slots[slot]

    def look(self, now: datetime) -> None:
        """Let everybody act who is due."""
        current = _slot(now)
        begun = sorted(slot for slot in self._slots if slot <= current)
        for slot, watched in [(begin, watched) for begin in begun for watched in self._slots[begin]]:
            is_due = watched.due <= now
            if is_due:
                watched.look(now)
            if is_due or slot < current:  # who has become due later is not asked again each second
                self.add(watched)


def _slot(at: datetime) -> int:
    return math.floor(at.timestamp() / WATCH_INTERVAL_S)
