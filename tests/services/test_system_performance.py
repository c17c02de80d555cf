"""The performance stream: measured, per tenant, never guessed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.limits import PERFORMANCE_INTERVAL_S
from ghl_real_estate_ai.models.events import DeadLetter
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.streams import PerformanceItem, Stream, StreamItem
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.system_performance import SystemPerformance
from tests.support.clock import FakeClock
from tests.support.facts import LOCATION, NOON, message
from tests.support.fake_memory import FakeMemory

ELSEWHERE = LocationId("loc-2")


class FakeScreens:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.items: list[tuple[LocationId, PerformanceItem]] = []

    def publish(self, location_id: LocationId, stream: Stream, item: StreamItem) -> None:
        assert stream is Stream.SYSTEM_PERFORMANCE
        assert isinstance(item, PerformanceItem)
        self.items.append((location_id, item))

    def connections_of(self, location_id: LocationId) -> int:
        return {LOCATION: 3}.get(location_id, 0)


class BrokenMemory(FakeMemory):
    """Fails as long as told to."""

    broken = True

    async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
        if self.broken:
            raise StorageUnavailable("down")
        return await super().read(query)


class Named:
    """One model answers for everybody, and one location's has drifted."""

    def versions(self, _: LocationId) -> dict[str, str]:
        return {"lead_score": "v1"}

    def alarms(self, location_id: LocationId) -> dict[str, str]:
        return {"lead_score": "scores moved (PSI 0.31)"} if location_id == LOCATION else {}

    def fitted_at(self, location_id: LocationId) -> dict[str, datetime]:
        return {"lead_score": NOON - timedelta(days=12)} if location_id == LOCATION else {}


def measured_by(memory: FakeMemory, screens: FakeScreens, clock: FakeClock) -> SystemPerformance:
    async def log_lag(location_id: LocationId) -> int:
        return {LOCATION: 5}.get(location_id, 0)

    return SystemPerformance(
        memory=memory,
        hub=screens,
        clock=clock,
        log_lag=log_lag,
        models=Named(),
        sleep=clock.sleep,
    )


async def two_locations(memory: FakeMemory) -> None:
    await memory.write(lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="One")))
    await memory.write(lambda uow: uow.tenants.put_location(Location(location_id=ELSEWHERE, name="Two")))


@pytest.mark.asyncio
async def test_each_location_gets_its_own_numbers() -> None:
    memory, screens, clock = FakeMemory(), FakeScreens(), FakeClock()
    await two_locations(memory)
    letter = DeadLetter(
        dead_letter_id=0,
        location_id=LOCATION,
        subscriber="inbox",
        delivery_id="d",
        reason="r",
        failed_at=NOON,
    )

    def bury(uow: UnitOfWork) -> None:
        for number in range(1_001):  # more than one page of them
            uow.cursors.bury(letter.model_copy(update={"delivery_id": f"d-{number}"}))

    await memory.write(bury)
    performance = measured_by(memory, screens, clock)
    await performance.measure(loop_delay_ms=1.5)
    for number in range(10):
        await memory.write(lambda uow, number=number: uow.events.append(message(f"m-{number}")))  # type: ignore[misc]
    clock.set_forward(4)
    await performance.measure(loop_delay_ms=2.5)

    first, _, second, elsewhere = screens.items
    assert first[1].events_per_s == 0.0
    location, item = second
    assert location == LOCATION
    assert (item.events_per_s, item.log_lag_events, item.connections, item.dead_letters) == (2.5, 5, 3, 1_001)
    assert (item.loop_delay_ms, item.model_versions, item.key) == (2.5, {"lead_score": "v1"}, "system")
    assert item.model_alarms == {"lead_score": "scores moved (PSI 0.31)"}
    assert item.model_ages_days == {"lead_score": pytest.approx(12.0, abs=0.1)}
    other = elsewhere[1]
    assert other.model_ages_days == {}
    assert other.model_alarms == {}
    assert (other.events_per_s, other.log_lag_events, other.connections, other.dead_letters) == (0.0, 0, 0, 0)


@pytest.mark.asyncio
async def test_latencies_are_those_that_were_observed() -> None:
    memory, screens, clock = FakeMemory(), FakeScreens(), FakeClock()
    await two_locations(memory)
    for _ in range(2_000):
        telemetry.event_to_publish.observe(12.0)
        telemetry.ingest.observe(3.0)
    await measured_by(memory, screens, clock).measure(loop_delay_ms=0.0)
    item = screens.items[0][1]
    assert (item.event_to_publish_p50_ms, item.event_to_publish_p95_ms, item.ingest_p95_ms) == (
        12.0,
        12.0,
        3.0,
    )


@pytest.mark.asyncio
async def test_it_measures_once_per_interval_and_outlives_a_database_that_is_away() -> None:
    memory, screens, clock = BrokenMemory(), FakeScreens(), FakeClock()
    running = asyncio.ensure_future(measured_by(memory, screens, clock).run())
    await clock.advance(PERFORMANCE_INTERVAL_S * 1.01)
    assert screens.items == []
    memory.broken = False
    await two_locations(memory)
    await clock.advance(PERFORMANCE_INTERVAL_S * 1.01)
    assert len(screens.items) == 2
    running.cancel()


@pytest.mark.asyncio
async def test_the_loop_delay_is_how_late_a_timer_came_back() -> None:
    memory, screens, clock = FakeMemory(), FakeScreens(), FakeClock()
    await two_locations(memory)
    waits = 0

    async def sleep(seconds: float) -> None:
        nonlocal waits
        waits += 1
        await asyncio.sleep(0)
        if waits == 1:
            time.sleep(seconds + 0.002)  # noqa: ASYNC251  # reason: holding the loop is what is measured

    async def no_lag(_: LocationId) -> int:
        return 0

    performance = SystemPerformance(
        memory=memory, hub=screens, clock=clock, log_lag=no_lag, models=Named(), sleep=sleep
    )
    running = asyncio.ensure_future(performance.run())
    while not screens.items:
        await asyncio.sleep(0)
    running.cancel()
    assert screens.items[0][1].loop_delay_ms >= 2.0
