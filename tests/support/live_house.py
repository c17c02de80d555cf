"""Gateways and workers around one Redis and one database, in the test's own loop: hub, relay, bus, and a log to write.

Used by the tests of what several processes show.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from ghl_real_estate_ai.integrations.redis.backplane import RedisBackplane
from ghl_real_estate_ai.integrations.redis.connection import connected
from ghl_real_estate_ai.models.events import LEAD_FACTS
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.streams import Publication, Stream, StreamItem
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.churn_prediction_service import ChurnPredictionService
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.live_relay import PROJECTED, SCREENS, LiveRelay, ScreenProjector
from ghl_real_estate_ai.services.ml_lead_intelligence_engine import MlLeadIntelligenceEngine
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from ghl_real_estate_ai.services.realtime_lead_intelligence import RealtimeLeadIntelligence
from ghl_real_estate_ai.services.tenant_models import TenantModels
from ghl_real_estate_ai.services.topic_log import Snapshot
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.facts import LOCATION, NOON, contact
from tests.support.sockets import FakeSocket, Screen
from tests.support.stream_items import item

SHARED: tuple[Stream, ...] = tuple(stream for stream in Stream if stream is not Stream.SYSTEM_PERFORMANCE)
SOON_S = 90.0


class WallClock:
    """The machine's."""

    def now(self) -> datetime:
        """Now."""
        return datetime.now(UTC)


async def soon(is_so: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for something that others bring about."""
    async with asyncio.timeout(SOON_S):
        while True:
            answer = is_so()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


class Gateway:
    """A hub and what fills it, with a connection to Redis of their own."""

    def __init__(self, memory: Memory, backplane: RedisBackplane) -> None:
        self.relay: LiveRelay
        self.hub = WebSocketManager(clock=WallClock(), prepare=lambda place: self.relay.prepare(place))
        self.relay = LiveRelay(hub=self.hub, backplane=backplane, memory=memory, clock=WallClock())

    def snapshots(self, location: LocationId = LOCATION) -> list[Snapshot]:
        """Of every shared stream."""
        return [self.hub.snapshot(location, stream) for stream in SHARED]

    def rings(self, location: LocationId = LOCATION) -> list[tuple[str, ...]]:
        """All frames that are held of each stream."""
        rings = []
        for snapshot in self.snapshots(location):
            for after in range(snapshot.offset + 1):
                held = self.hub.history(location, snapshot.stream, epoch=snapshot.epoch, after=after)
                if held.recovered:
                    rings.append(held.frames)
                    break
        return rings


@asynccontextmanager
async def gateway(url: str, memory: Memory, *, runs: bool = True) -> AsyncIterator[Gateway]:
    """A running gateway; without ``runs`` it does not follow yet."""
    async with connected(url) as redis:
        one = Gateway(memory, RedisBackplane(redis))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(one.relay.run()) if runs else None
            try:
                yield one
            finally:
                if running is not None:
                    running.cancel()


class Log:
    """Facts that screens have no use for, each with the publications that a test wants at its position."""

    def __init__(self, memory: Memory, backplane: RedisBackplane) -> None:
        self.memory = memory
        self.backplane = backplane
        self._number = 0

    async def position(self, location: LocationId = LOCATION) -> int:
        """Of one more fact."""
        self._number += 1
        fact = contact(f"fact-{self._number}", location=location)
        recorded = await self.memory.write(lambda uow: uow.events.append(fact))
        assert recorded is not None
        return recorded.position

    async def publish(self, *items: tuple[Stream, StreamItem], location: LocationId = LOCATION) -> None:
        """These at the position of one more fact."""
        position = await self.position(location)
        told = [Publication.of(stream, it) for stream, it in items]
        await self.backplane.publish(location, told, position=position, at_ms=NOON.timestamp() * 1_000)

    async def one_of_each(self, key: str, number: int, *, location: LocationId = LOCATION) -> None:
        """An item of every shared stream."""
        await self.publish(*((stream, item(stream, key, number)) for stream in SHARED), location=location)


@asynccontextmanager
async def worker(url: str, memory: Memory) -> AsyncIterator[EventBus]:
    """The durable side of the house: intelligence, then screens."""
    async with connected(url) as redis:
        clock = WallClock()
        bus = EventBus(memory=memory, clock=clock, poll_s=0.1)
        intelligence = RealtimeLeadIntelligence(
            memory=memory,
            engine=MlLeadIntelligenceEngine(models=TenantModels()),
            churn=ChurnPredictionService(models=TenantModels()),
            matching=PropertyMatchingService(memory=memory),
            clock=clock,
            deadline_s=SOON_S,
        )
        bus.subscribe_durable("lead_intelligence", intelligence, types=LEAD_FACTS)
        projector = ScreenProjector(backplane=RedisBackplane(redis), memory=memory, clock=clock)
        bus.subscribe_durable(SCREENS, projector, types=PROJECTED, on_rollback=projector.look_again)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bus.run())
            try:
                yield bus
            finally:
                running.cancel()


def follow(socket: FakeSocket, stream: Stream) -> Screen:
    """The screen of a client that was told everything so far."""
    screen = Screen()
    for told in socket.heard:
        if told.get("c") == stream or told.get("subscribed", {}).get("stream") == stream:
            screen.apply(told)
    return screen


def alike(*gateways: Gateway, offset: int | None = None) -> bool:
    """Whether they all show the same, epoch and offset included."""
    shown = [one.snapshots() for one in gateways]
    at = {snapshot.offset for snapshot in shown[0]}
    return all(other == shown[0] for other in shown) and (offset is None or at == {offset})
