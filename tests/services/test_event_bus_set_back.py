"""The bus on a database that came back a little older: what takes the place of lost facts is handled like any other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from ghl_real_estate_ai.models.events import NoteAdded, RecordedEvent, Source
from ghl_real_estate_ai.models.identifiers import EventId
from ghl_real_estate_ai.ports import DurableWork, Memory, UnitOfWork
from ghl_real_estate_ai.services.event_bus import EventBus
from tests.support.clock import FakeClock
from tests.support.facts import LOCATION, NOON, delivery, message
from tests.support.fake_memory import FakeMemory
from tests.support.running_bus import dispatching, eventually

MESSAGES = frozenset({"MessageReceived"})


def make_bus(memory: Memory) -> EventBus:
    return EventBus(memory=memory, clock=FakeClock(), poll_s=0.02)


class Collector:
    """A durable handler that remembers what it saw, and wants a note of each; or nothing: then it stores no cursor."""

    def __init__(self, *, wants: bool = True) -> None:
        self.seen: list[str] = []
        self.rollbacks = 0
        self._wants = wants

    async def __call__(self, recorded: RecordedEvent) -> DurableWork | None:
        self.seen.append(recorded.delivery_id)
        if not self._wants:
            return None
        event = NoteAdded(
            event_id=EventId(f"note:{recorded.event.event_id}"),
            location_id=LOCATION,
            occurred_at=NOON,
            correlation_id="c",
            source=Source.HOUSE,
            text="note",
        )

        def work(uow: UnitOfWork) -> Sequence[RecordedEvent]:
            fact = uow.events.append(delivery(f"note:{recorded.delivery_id}", event))
            return [fact] if fact else []

        return work

    def rolled_back(self) -> None:
        self.rollbacks += 1


@asynccontextmanager
async def set_back(memory: FakeMemory) -> AsyncIterator[None]:
    """What the block stores is gone after it, as when an older standby takes over."""
    before = memory.keep()
    yield
    memory.go_back(before)


@pytest.mark.asyncio
async def test_what_takes_the_place_of_lost_facts_is_handled_although_its_position_was_passed() -> None:
    memory = FakeMemory()
    bus, collector, passing = make_bus(memory), Collector(), Collector(wants=False)
    bus.subscribe_durable("collector", collector, types=MESSAGES, on_rollback=collector.rolled_back)
    bus.subscribe_durable(
        "passing", passing, types=MESSAGES, on_rollback=passing.rolled_back
    )  # no cursor is stored: no fence is met
    async with dispatching(bus):
        async with set_back(memory):
            await bus.publish([message("m1")])
            await eventually(lambda: collector.seen == passing.seen == ["m1"])
            await eventually(lambda: bus.passed(LOCATION) == 2)  # the note, too
        rollbacks = collector.rollbacks
        await eventually(lambda: collector.rollbacks > rollbacks)  # it found a log that is shorter
        await make_bus(memory).publish([message("m2")])
        await eventually(lambda: "m2" in collector.seen and "m2" in passing.seen)
        await eventually(lambda: bus.passed(LOCATION) == 2)


@pytest.mark.asyncio
async def test_after_an_outage_nothing_remembered_counts_even_if_the_log_is_as_long_as_it_was() -> None:
    memory = FakeMemory()
    bus, collector, passing = make_bus(memory), Collector(), Collector(wants=False)
    bus.subscribe_durable("collector", collector, types=MESSAGES, on_rollback=collector.rolled_back)
    bus.subscribe_durable("passing", passing, types=MESSAGES, on_rollback=passing.rolled_back)
    async with dispatching(bus):
        async with set_back(memory):
            await bus.publish([message("m1"), message("n1")])
            await eventually(lambda: bus.passed(LOCATION) == 4)
            memory.away = True
            rollbacks = passing.rollbacks
            await eventually(lambda: passing.rollbacks > rollbacks)
        memory.away = False
        await make_bus(memory).publish([message(f"o{number}") for number in range(4)])
        lost = {"o0", "o1", "o2", "o3"}
        await eventually(lambda: lost <= set(collector.seen) and lost <= set(passing.seen))


@pytest.mark.asyncio
async def test_a_follower_hears_what_took_the_place_of_lost_facts() -> None:
    memory, heard = FakeMemory(), list[str]()
    bus = make_bus(memory)
    bus.subscribe_follower("listings", lambda fact: heard.append(fact.delivery_id), types=MESSAGES)
    await make_bus(memory).publish([message("before")])
    async with dispatching(bus):
        await eventually(lambda: memory.reads > 0)
        async with set_back(memory):
            await make_bus(memory).publish([message("m1"), message("m2")])
            await eventually(lambda: heard == ["m1", "m2"])
            reads = memory.reads
        await eventually(lambda: memory.reads > reads + 1)
        await make_bus(memory).publish([message("m3")])
        await eventually(lambda: "m3" in heard)


@pytest.mark.asyncio
async def test_a_follower_hears_again_what_came_since_it_began_when_the_database_was_away() -> None:
    memory, heard = FakeMemory(), list[str]()
    bus = make_bus(memory)
    bus.subscribe_follower("listings", lambda fact: heard.append(fact.delivery_id), types=MESSAGES)
    await make_bus(memory).publish([message("before")])
    async with dispatching(bus):
        await eventually(lambda: memory.reads > 0)
        async with set_back(memory):
            await make_bus(memory).publish([message("m1")])
            await eventually(lambda: heard == ["m1"])
            memory.away = True
            reads = memory.reads
            await eventually(lambda: memory.reads > reads + 1)
        memory.away = False
        await make_bus(memory).publish([message("m2")])
        await eventually(lambda: "m2" in heard)
    assert "before" not in heard
