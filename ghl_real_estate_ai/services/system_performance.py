"""How the house itself is doing, measured every PERFORMANCE_INTERVAL_S and published to each location's screens.

Run by ``bootstrap``. Every number is measured: events and lag from the log, latencies from ``telemetry``'s windows,
the loop's delay from how late its own timers fire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, Protocol

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.limits import PERFORMANCE_INTERVAL_S
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.streams import PerformanceItem, Stream, StreamItem
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork

_log = telemetry.get_logger("system_performance")

_DAY_S: Final = 86_400

_LOOP_SAMPLES: Final = 20
"""Timers per interval; the worst delay of them is shown."""


class Screens(Protocol):
    """The hub, as far as it is needed here."""

    def publish(self, location_id: LocationId, stream: Stream, item: StreamItem) -> None: ...

    def connections_of(self, location_id: LocationId) -> int: ...


class Models(Protocol):
    """Which models answer for a location, as far as it is needed here."""

    def versions(self, location_id: LocationId) -> dict[str, str]: ...

    def alarms(self, location_id: LocationId) -> dict[str, str]: ...

    def fitted_at(self, location_id: LocationId) -> dict[str, datetime]: ...


class SystemPerformance:
    """One loop for all locations. A location's numbers are its own; latencies and loop delay are the process's."""

    def __init__(
        self,
        *,
        memory: Memory,
        hub: Screens,
        clock: Clock,
        log_lag: Callable[[LocationId], Awaitable[int]],
        models: Models,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._memory = memory
        self._hub = hub
        self._clock = clock
        self._log_lag = log_lag
        self._models = models
        self._sleep = sleep
        self._heads: dict[LocationId, tuple[datetime, int]] = {}

    async def run(self) -> None:
        """Measure and publish until cancelled."""
        while True:
            loop_delay_ms = await self._loop_delay_ms()
            try:
                await self.measure(loop_delay_ms=loop_delay_ms)
            except StorageUnavailable as error:
                _log.warning("performance.unmeasured", reason=str(error))

    async def measure(self, *, loop_delay_ms: float) -> None:
        """Publish one item per location."""
        for place in await self._memory.read(lambda uow: uow.tenants.locations()):
            item = await self._item(place.location_id, loop_delay_ms)
            self._hub.publish(place.location_id, Stream.SYSTEM_PERFORMANCE, item)

    async def _item(self, location_id: LocationId, loop_delay_ms: float) -> PerformanceItem:
        def look(uow: UnitOfWork) -> tuple[int, int]:
            return uow.events.head(location_id), uow.cursors.dead_letter_count(location_id)

        head, dead_letters = await self._memory.read(look)
        now = self._clock.now()
        return PerformanceItem(
            key="system",
            at=now,
            simulated=False,
            events_per_s=self._rate(location_id, head, now),
            event_to_publish_p50_ms=telemetry.event_to_publish.quantile(0.50),
            event_to_publish_p95_ms=telemetry.event_to_publish.quantile(0.95),
            ingest_p95_ms=telemetry.ingest.quantile(0.95),
            log_lag_events=await self._log_lag(location_id),
            connections=self._hub.connections_of(location_id),
            dead_letters=dead_letters,
            loop_delay_ms=loop_delay_ms,
            model_versions=self._models.versions(location_id),
            model_ages_days={
                name: round((now - fitted_at).total_seconds() / _DAY_S, 2)
                for name, fitted_at in self._models.fitted_at(location_id).items()
            },
            model_alarms=self._models.alarms(location_id),
        )

    def _rate(self, location_id: LocationId, head: int, now: datetime) -> float:
        """Events recorded per second since the last look; 0 at the first, which has nothing to compare with."""
        then, before = self._heads.get(location_id, (now, head))
        self._heads[location_id] = (now, head)
        elapsed = (now - then).total_seconds()
        return round((head - before) / elapsed, 3) if elapsed > 0 else 0.0

    async def _loop_delay_ms(self) -> float:
        """Sleep one interval in small steps; how late the latest step came back."""
        step = PERFORMANCE_INTERVAL_S / _LOOP_SAMPLES
        loop = asyncio.get_running_loop()
        worst = 0.0
        for _ in range(_LOOP_SAMPLES):
            due = loop.time() + step
            await self._sleep(step)
            worst = max(worst, loop.time() - due)
        return round(worst * 1_000, 3)
