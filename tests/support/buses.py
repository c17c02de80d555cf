"""Buses over one database, as the contract suite meets them: alone, sharing by Redis, or rivals that know nothing of each other.

Gives the fixture ``install``. Each process appends notes under ids of its own: a doubled effect would be seen, for nothing
but the fence prevents it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.integrations.redis.connection import connected
from ghl_real_estate_ai.integrations.redis.work_share import RedisWorkShare
from ghl_real_estate_ai.models.events import NoteAdded, RecordedEvent, Source
from ghl_real_estate_ai.models.identifiers import CorrelationId, EventId, LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.ports import DurableWork, Memory, UnitOfWork
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LOCATION, NOON, delivery
from tests.support.memory import sqlite_url

MESSAGES = frozenset({"MessageReceived"})
PLACES = tuple(LocationId(f"loc-{number}") for number in range(6))
SOON_S = 90.0
LEASE_S = 0.5

Fail = Callable[[RecordedEvent], None]


class Handler:
    """Appends a note about each event, under an id of its process; hangs where it is told to."""

    def __init__(self, subscriber: str, process: str, goes_on: asyncio.Event, fail: Fail) -> None:
        self.seen: list[str] = []
        self.rollbacks = 0
        self.hangs_at: str | None = None
        self.is_hanging = False
        self._subscriber = subscriber
        self._process = process
        self._goes_on = goes_on
        self._fail = fail

    async def __call__(self, recorded: RecordedEvent) -> DurableWork | None:
        self._fail(recorded)
        self.seen.append(recorded.delivery_id)
        if recorded.delivery_id == self.hangs_at:
            self.is_hanging = True
            await self._goes_on.wait()
        return self._note(recorded)

    def rolled_back(self) -> None:
        self.rollbacks += 1

    def _note(self, cause: RecordedEvent) -> DurableWork:
        def work(uow: UnitOfWork) -> Sequence[RecordedEvent]:
            event = NoteAdded(
                event_id=EventId(f"{self._subscriber}:{self._process}:{cause.delivery_id}"),
                location_id=cause.event.location_id,
                occurred_at=NOON,
                correlation_id=CorrelationId("c"),
                source=Source.HOUSE,
                text=f"{self._subscriber} {cause.delivery_id}",
            )
            fact = uow.events.append(delivery(event.event_id, event))
            return [fact] if fact else []

        return work


@dataclass(eq=False)
class Process:
    """A bus on a memory of its own. ``goes_on`` cleared: it hangs, where its handlers hang, and renews nothing."""

    name: str
    memory: Memory
    bus: EventBus
    goes_on: asyncio.Event
    share: RedisWorkShare | None = None
    handlers: dict[str, Handler] = field(default_factory=dict)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.bus.run())
            if self.share is not None:
                bus = self.bus
                tasks.create_task(self.share.run(look=bus.look, let_go=bus.let_go, passed=bus.passed))


@dataclass(eq=False)
class Installation:
    """Everybody on one database. Publishers may be handlers too."""

    publishers: list[Process]
    workers: list[Process]

    @property
    def bus(self) -> EventBus:
        """Where facts come in."""
        return self.publishers[0].bus

    @property
    def memory(self) -> Memory:
        return self.publishers[0].memory

    def subscribe(self, name: str, *, fail: Fail = lambda _recorded: None) -> list[Handler]:
        """The same subscriber in every process that handles."""
        made = []
        for process in self.workers:
            handler = Handler(name, process.name, process.goes_on, fail)
            process.handlers[name] = handler
            process.bus.subscribe_durable(name, handler, types=MESSAGES, on_rollback=handler.rolled_back)
            made.append(handler)
        return made

    async def shared_out(self) -> None:
        """Every process that handles holds some of the tenants."""

        async def is_so() -> bool:
            shares = [process.share for process in self.workers if process.share is not None]
            return all(any(share.holds(place) for place in PLACES) for share in shares)

        await until(is_so)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        everybody = dict.fromkeys([*self.publishers, *self.workers])
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(process.run()) for process in everybody]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()

    async def notes(self, place: LocationId = LOCATION) -> list[str]:
        """The effects in a tenant's log, in its order."""
        facts = await self.memory.read(lambda uow: uow.events.read(place, after=0, limit=10_000))
        return [fact.event.text or "" for fact in facts if isinstance(fact.event, NoteAdded)]

    async def position(self, subscriber: str, place: LocationId = LOCATION) -> int:
        return await self.memory.read(lambda uow: uow.cursors.position(place, subscriber))


Install = Callable[[], Awaitable[Installation]]


@pytest_asyncio.fixture(
    params=[
        "embedded",
        "rivals",
        pytest.param("shared", marks=pytest.mark.postgres),
    ]
)
async def install(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Install]:
    """Makes installations on one database, one after the other: the later one finds what the earlier one left."""
    kind = request.param
    url = request.getfixturevalue("postgres_url") if kind == "shared" else sqlite_url(tmp_path)
    redis_url = request.getfixturevalue("redis_url") if kind == "shared" else ""
    numbers = itertools.count()
    async with AsyncExitStack() as stack:

        async def process(role: str, *, handles: bool = True) -> Process:
            name = f"{role}{next(numbers)}"  # of this process in this life
            memory = await stack.enter_async_context(Database(url, sqlite_synchronous="NORMAL"))
            goes_on = asyncio.Event()
            goes_on.set()

            async def sleep(seconds: float) -> None:
                await asyncio.sleep(seconds)
                await goes_on.wait()

            share = None
            if kind == "shared":
                client = await stack.enter_async_context(connected(redis_url))
                share = RedisWorkShare(
                    client,
                    worker=name,
                    handles=handles,
                    lease_s=LEASE_S,
                    renew_s=0.05,
                    sleep=sleep,
                )
            bus = EventBus(
                memory=memory, clock=SystemClock(), poll_s=0.1, retry_delays_s=(0.001, 0.001), share=share
            )
            return Process(name, memory, bus, goes_on, share)

        async def make() -> Installation:
            if kind == "embedded":
                alone = await process("alone")
                installation = Installation([alone], [alone])
            else:
                workers = [await process("a"), await process("b")]
                publishers = (
                    [await process("g", handles=False), await process("h", handles=False)]
                    if kind == "shared"
                    else workers
                )
                installation = Installation(publishers, workers)
            await installation.memory.write(_serve_all)
            return installation

        yield make


def _serve_all(uow: UnitOfWork) -> None:
    for place in (LOCATION, *PLACES):
        uow.tenants.put_location(Location(location_id=place, name="x"))


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON_S):
        while not await check():
            await asyncio.sleep(0.01)
