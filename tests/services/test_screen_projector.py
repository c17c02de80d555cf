"""What a worker publishes for screens when Redis and the database do not tell the same story."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from ghl_real_estate_ai.integrations.redis.backplane import RedisBackplane
from ghl_real_estate_ai.integrations.redis.connection import PREFIX, connected
from ghl_real_estate_ai.limits import SNAPSHOT_ITEMS
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.streams import Publication, Stream
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.live_relay import PROJECTED, SCREENS, ScreenProjector
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LOCATION, message
from tests.support.live_house import Gateway, WallClock, follow, gateway, soon
from tests.support.redis import RedisServer
from tests.support.sockets import connected as socket_at
from tests.support.stream_items import item

pytestmark = pytest.mark.asyncio

FEED = Stream.CONVERSATION_FEED


@asynccontextmanager
async def projecting(redis: Redis, memory: Database) -> AsyncIterator[EventBus]:
    """A worker that does nothing else."""
    bus = EventBus(memory=memory, clock=WallClock(), poll_s=0.1)
    projector = ScreenProjector(backplane=RedisBackplane(redis), memory=memory, clock=WallClock())
    bus.subscribe_durable(SCREENS, projector, types=PROJECTED, on_rollback=projector.look_again)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bus.run())
        try:
            yield bus
        finally:
            running.cancel()


async def stored(memory: Database, *names: str) -> list[RecordedEvent]:
    recorded = await memory.write(lambda uow: [uow.events.append(message(name)) for name in names])
    return [fact for fact in recorded if fact is not None]


def feed_shows(one: Gateway, number: int) -> bool:
    return len(one.hub.snapshot(LOCATION, FEED).items) == number


# --- a Redis that is new to the house -----------------------------------------------------------------------------


async def test_a_past_from_before_there_was_redis_does_not_pass_over_the_screens(
    redis_url: str, sqlite_memory: Database
) -> None:
    await stored(sqlite_memory, *(f"past-{number}" for number in range(SNAPSHOT_ITEMS + 50)))
    async with (
        connected(redis_url) as redis,
        gateway(redis_url, sqlite_memory) as one,
        socket_at(one.hub) as socket,
    ):
        await socket.say({"subscribe": [{"stream": FEED}]})
        await soon(lambda: len(follow(socket, FEED).shown) == SNAPSHOT_ITEMS)
        async with projecting(redis, sqlite_memory) as bus:
            backplane = RedisBackplane(redis)
            await soon(lambda: position_is(backplane, SNAPSHOT_ITEMS + 50))
            await bus.publish([message("news")])
            await soon(lambda: follow(socket, FEED).offset == 1)
            await soon(lambda: one.hub.snapshot(LOCATION, FEED).offset == 1)
            # On a busy machine the hub follows a moment later and tells the news by a snapshot.
            assert len([told for told in socket.heard if told.get("c") == FEED]) <= 1, "the news and no past"


async def test_what_is_not_more_than_a_snapshot_holds_is_published(
    redis_url: str, sqlite_memory: Database
) -> None:
    await stored(sqlite_memory, "a", "b")
    async with connected(redis_url) as redis, projecting(redis, sqlite_memory):
        await soon(lambda: position_is(RedisBackplane(redis), 2))
        assert (await RedisBackplane(redis).held(LOCATION)).heads[FEED] == 2


async def position_is(backplane: RedisBackplane, position: int) -> bool:
    return (await backplane.held(LOCATION)).position == position


# --- a database that was set back ---------------------------------------------------------------------------------


async def test_a_log_that_is_ahead_of_the_database_takes_its_facts_all_the_same(
    redis_url: str, sqlite_memory: Database
) -> None:
    async with connected(redis_url) as redis:
        backplane = RedisBackplane(redis)
        stranger = Publication.of(Stream.LEAD_SCORES, item(Stream.LEAD_SCORES, "of-a-later-day"))
        await backplane.publish(LOCATION, [stranger], position=900, at_ms=0.0)
        async with projecting(redis, sqlite_memory) as bus:
            await bus.publish([message("a")])
            await soon(lambda: position_is(backplane, 1))
            assert (await backplane.held(LOCATION)).heads == {FEED: 1}


async def test_a_log_that_gets_ahead_while_a_worker_publishes_takes_the_next_fact(
    redis_url: str, sqlite_memory: Database
) -> None:
    async with (
        connected(redis_url) as redis,
        gateway(redis_url, sqlite_memory) as one,
        projecting(redis, sqlite_memory) as bus,
    ):
        await one.relay.prepare(LOCATION)
        await bus.publish([message("a")])
        await soon(lambda: feed_shows(one, 1))
        await RedisBackplane(redis).publish(LOCATION, [], position=900, at_ms=0.0)
        await bus.publish([message("b")])
        await soon(lambda: feed_shows(one, 2))


# --- a Redis that was set back ------------------------------------------------------------------------------------


async def test_a_gateway_misses_nothing_when_a_new_worker_publishes_first_after_redis_fell_back(
    redis_url: str, sqlite_memory: Database
) -> None:
    async with connected(redis_url) as redis, gateway(redis_url, sqlite_memory) as one:
        backplane = RedisBackplane(redis)
        await one.relay.prepare(LOCATION)
        async with projecting(redis, sqlite_memory) as bus:
            await bus.publish([message("a")])
            await soon(lambda: feed_shows(one, 1))
            before = {key: await redis.dump(key) or b"" async for key in redis.scan_iter(f"{PREFIX}screens*")}
            await bus.publish([message("b")])
            await soon(lambda: feed_shows(one, 2))
        await sqlite_memory.write(lambda uow: uow.cursors.advance(LOCATION, SCREENS, 2))
        for key, dumped in before.items():
            await redis.restore(key, 0, dumped, replace=True)
        epoch = (await backplane.held(LOCATION)).epoch
        async with projecting(redis, sqlite_memory) as bus:
            await bus.publish([message("c")])
            await soon(lambda: feed_shows(one, 3))
        assert (await backplane.held(LOCATION)).epoch != epoch


# --- a Redis that refuses -----------------------------------------------------------------------------------------


async def test_a_fact_for_screens_is_no_dead_letter_because_redis_refuses_it(
    own_redis: RedisServer, sqlite_memory: Database
) -> None:
    async with connected(own_redis.url()) as redis:
        backplane = RedisBackplane(redis)
        await redis.config_set("min-replicas-to-write", "1")
        refused = asyncio.Event()
        bus = EventBus(memory=sqlite_memory, clock=WallClock(), poll_s=0.1, retry_delays_s=(0.0,))
        projector = ScreenProjector(backplane=backplane, memory=sqlite_memory, clock=WallClock())

        def rolled_back() -> None:
            refused.set()
            projector.look_again()

        bus.subscribe_durable(SCREENS, projector, types=PROJECTED, on_rollback=rolled_back)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bus.run())
            await bus.publish([message("a")])
            await asyncio.wait_for(refused.wait(), 20)
            await redis.config_set("min-replicas-to-write", "0")
            await soon(lambda: position_is(backplane, 1))
            running.cancel()
        letters = await sqlite_memory.read(lambda uow: uow.cursors.dead_letters(LOCATION))
        assert letters == []
