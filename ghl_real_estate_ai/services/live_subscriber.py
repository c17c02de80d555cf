"""One live subscriber of the bus: a bounded queue of facts that became true, told soon, and never in the way of others.

Owned by ``event_bus``. Nothing is remembered: what is dropped under pressure is in the log.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.limits import LIVE_QUEUE, LIVE_TURN_S
from ghl_real_estate_ai.models.events import RecordedEvent

_log = telemetry.get_logger("event_bus")


@dataclass(eq=False)
class LiveSubscriber:
    """``hear`` is called with each fact of these types, in order; beyond LIVE_QUEUE the oldest are dropped and counted."""

    name: str
    hear: Callable[[RecordedEvent], None]
    types: frozenset[str]
    _queue: deque[RecordedEvent] = field(init=False, default_factory=lambda: deque(maxlen=LIVE_QUEUE))
    _wake: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def offer(self, recorded: RecordedEvent) -> None:
        """Take it. Never blocks."""
        if len(self._queue) == self._queue.maxlen:
            telemetry.live_dropped.labels(self.name).inc()
        self._queue.append(recorded)
        self._wake.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        now = asyncio.get_running_loop().time
        while True:
            await self._wake.wait()
            self._wake.clear()
            enough = now() + LIVE_TURN_S
            while self._queue:
                # Facts come as many as a commit had: the first are on screens before the last is told.
                if now() >= enough:
                    await asyncio.sleep(0)
                    enough = now() + LIVE_TURN_S
                self._tell(self._queue.popleft())
            await asyncio.sleep(0)

    def _tell(self, recorded: RecordedEvent) -> None:
        try:
            self.hear(recorded)
        except Exception as error:  # noqa: BLE001  # reason: bus handler; a screen's trouble must not stop the others
            _log.error(
                "live.failed",
                subscriber=self.name,
                type=recorded.event.type,
                **telemetry.crash_of(error),
            )
