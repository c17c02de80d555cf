"""How many deliveries came in by which door, and what became of them: counted in memory, written down every few seconds.

``event_inbox`` and the webhook routes count; ``doctor`` and the health page read the days from memory. A crash loses the
counts of a few seconds, never a delivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import NamedTuple

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.limits import TALLY_FLUSH_S
from ghl_real_estate_ai.models.events import Source
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.synchronization import DeliveryTally
from ghl_real_estate_ai.ports import Clock, Memory

NOBODYS = LocationId("")
"""Location of a delivery that was refused before anybody knew whose it was."""

_log = telemetry.get_logger("delivery_tally")


class _Kind(NamedTuple):
    day: date
    location_id: LocationId
    source: Source
    outcome: str


class DeliveryCounter:
    """One per process. ``run`` writes the counts down; what cannot be written waits for the next time."""

    def __init__(
        self,
        *,
        memory: Memory,
        clock: Clock,
        flush_s: float = TALLY_FLUSH_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._memory = memory
        self._clock = clock
        self._flush_s = flush_s
        self._sleep = sleep
        self._counts: dict[_Kind, tuple[int, datetime]] = {}

    def count(
        self, source: Source, outcome: str, location_id: LocationId = NOBODYS, *, times: int = 1
    ) -> None:
        """Note deliveries. Costs no more than a dict."""
        now = self._clock.now()
        self._add(_Kind(now.date(), location_id, source, outcome), times, now)

    async def flush(self) -> None:
        """Write down what was counted. Raises StorageUnavailable; then nothing is lost."""
        counts, self._counts = self._counts, {}
        if not counts:
            return
        tallies = [
            DeliveryTally(
                day=kind.day,
                location_id=kind.location_id,
                source=kind.source.value,
                outcome=kind.outcome,
                count=number,
                last_at=at,
            )
            for kind, (number, at) in counts.items()
        ]
        try:
            await self._memory.write(lambda uow: uow.sync.add_tallies(tallies))
        except StorageUnavailable:
            for kind, (number, at) in counts.items():
                self._add(kind, number, at)
            raise

    async def run(self) -> None:
        """Flush until cancelled, and once more then."""
        try:
            while True:
                await self._sleep(self._flush_s)
                await self._try_to_flush()
        finally:
            await self._try_to_flush()

    async def _try_to_flush(self) -> None:
        try:
            await self.flush()
        except StorageUnavailable as error:
            _log.warning("flush.delayed", reason=str(error))

    def _add(self, kind: _Kind, times: int, at: datetime) -> None:
        known, last_at = self._counts.get(kind, (0, at))
        self._counts[kind] = (known + times, max(last_at, at))
