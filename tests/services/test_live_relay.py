"""Gateways that follow one shared log: alike in every epoch, offset and item, whatever happens to Redis meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.integrations.redis.backplane import RedisBackplane
from ghl_real_estate_ai.integrations.redis.connection import PREFIX, connected
from ghl_real_estate_ai.limits import FOLLOW_TENANTS
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, derived_id
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.streams import LeadRemovedItem, Publication, Stream
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.services.live_relay import SCREENS
from ghl_real_estate_ai.services.topic_log import Snapshot
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LOCATION, NOON, contact, message
from tests.support.live_house import SHARED, SOON_S, Gateway, Log, alike, follow, gateway, soon, worker
from tests.support.redis import RedisServer
from tests.support.sockets import FakeSocket, identity
from tests.support.sockets import connected as socket_at
from tests.support.stream_items import item

pytestmark = pytest.mark.asyncio

ELSEWHERE = LocationId("loc-2")


# --- several gateways ---------------------------------------------------------------------------------------------


async def test_gateways_end_with_the_same_epochs_offsets_frames_and_snapshots(
    redis_url: str, sqlite_memory: Database
) -> None:
    """The second comes late, the third when all is over."""
    async with gateway(redis_url, sqlite_memory) as first, connected(redis_url) as redis:
        log = Log(sqlite_memory, RedisBackplane(redis))
        await first.relay.prepare(LOCATION)
        for number in range(40):
            await log.one_of_each(f"lead-{number % 6}", number)
        async with gateway(redis_url, sqlite_memory) as second:
            await second.relay.prepare(LOCATION)
            for number in range(40, 100):
                await log.one_of_each(f"lead-{number % 9}", number)
            async with gateway(redis_url, sqlite_memory) as third:
                await third.relay.prepare(LOCATION)
                await soon(lambda: alike(first, second, third, offset=100))
                frames = first.rings()
                assert [len(ring) for ring in frames] == [100] * len(SHARED)
                assert second.rings() == frames
                assert third.rings() == frames


async def test_a_place_of_one_gateway_is_a_place_of_every_other(
    redis_url: str, sqlite_memory: Database
) -> None:
    async with (
        gateway(redis_url, sqlite_memory) as left,
        gateway(redis_url, sqlite_memory) as right,
        connected(redis_url) as redis,
    ):
        log = Log(sqlite_memory, RedisBackplane(redis))
        await log.one_of_each("lead-1", 1)
        await left.relay.prepare(LOCATION)
        place = left.hub.snapshot(LOCATION, Stream.CONVERSATION_FEED)
        for number in range(2, 6):
            await log.one_of_each("lead-1", number)
        await right.relay.prepare(LOCATION)
        missed = right.hub.history(LOCATION, Stream.CONVERSATION_FEED, epoch=place.epoch, after=place.offset)
        assert missed.recovered
        assert [f'"o":{offset},' in frame for offset, frame in enumerate(missed.frames, start=2)] == [
            True
        ] * 4


async def test_what_workers_conclude_reaches_every_gateway(redis_url: str, sqlite_memory: Database) -> None:
    async with (
        gateway(redis_url, sqlite_memory) as early,
        gateway(redis_url, sqlite_memory) as late,
        worker(redis_url, sqlite_memory) as bus,
    ):
        await early.relay.prepare(LOCATION)
        for number in range(12):
            await bus.publish([message(f"m-{number}", lead=LeadId(f"lead-{number % 4}"))])
        await soon(lambda: told(early, Stream.LEAD_SCORES, offset=12))
        await soon(lambda: told(early, Stream.CONVERSATION_FEED, offset=12))
        await late.relay.prepare(LOCATION)
        assert alike(early, late)


def told(one: Gateway, stream: Stream, *, offset: int) -> bool:
    return (one.hub.snapshot(LOCATION, stream)).offset == offset


@pytest.mark.parametrize("seed", range(4))
async def test_a_screen_that_applies_what_it_hears_shows_what_a_late_gateway_shows(
    redis_url: str, sqlite_memory: Database, seed: int
) -> None:
    """For every stream, with removals, forgotten leads and a Redis that is emptied in between."""
    chance = random.Random(seed)
    async with gateway(redis_url, sqlite_memory) as old, connected(redis_url) as redis:
        log = Log(sqlite_memory, RedisBackplane(redis))
        async with socket_at(old.hub) as socket:
            await socket.say({"subscribe": [{"stream": stream} for stream in SHARED]})
            for number in range(60):
                lead = LeadId(f"lead-{chance.randrange(5)}")
                what = chance.random()
                if what < 0.04:
                    await log.backplane.forget(LOCATION, f"hash-{number}", position=await log.position())
                elif what < 0.06:
                    await redis.flushdb()
                elif what < 0.2:
                    removal = LeadRemovedItem(key=lead, at=NOON, simulated=False, lead_id=lead)
                    keyed = [stream for stream in SHARED if stream is not Stream.CONVERSATION_FEED]
                    await log.publish(*((stream, removal) for stream in keyed))
                else:
                    await log.one_of_each(lead, number)
            await log.one_of_each("lead-last", 99)
            async with gateway(redis_url, sqlite_memory) as fresh:
                await fresh.relay.prepare(LOCATION)
                await soon(lambda: alike(old, fresh))
                for snapshot in fresh.snapshots():
                    await soon(lambda it=snapshot: shows(socket, it))  # type: ignore[misc]


def shows(socket: FakeSocket, snapshot: Snapshot) -> bool:
    screen = follow(socket, snapshot.stream)
    at_the_same_place = (screen.epoch, screen.offset) == (snapshot.epoch, snapshot.offset)
    return at_the_same_place and [it["key"] for it in screen.shown] == keys_of(snapshot)


def keys_of(snapshot: Snapshot) -> list[str]:
    return [str(key) for key in map(key_in, snapshot.items)]


def key_in(text: str) -> str:
    start = text.index('"key":"') + len('"key":"')
    return text[start : text.index('"', start)]


async def test_tenants_do_not_meet(redis_url: str, sqlite_memory: Database) -> None:
    async with gateway(redis_url, sqlite_memory) as one, connected(redis_url) as redis:
        log = Log(sqlite_memory, RedisBackplane(redis))
        await one.relay.prepare(LOCATION)
        await one.relay.prepare(ELSEWHERE)
        await log.one_of_each("ours", 1)
        await log.one_of_each("theirs", 1, location=ELSEWHERE)
        await soon(lambda: told(one, Stream.LEAD_SCORES, offset=1))
        for location, key in ((LOCATION, "ours"), (ELSEWHERE, "theirs")):
            await soon(lambda it=location: has_items(one, it))  # type: ignore[misc]
            for snapshot in one.snapshots(location):
                assert [found.split("-")[0] for found in keys_of(snapshot)] == [key]


def has_items(one: Gateway, location: LocationId) -> bool:
    return all(snapshot.items for snapshot in one.snapshots(location))


async def test_more_tenants_than_one_reader_takes_are_all_followed(
    redis_url: str, sqlite_memory: Database
) -> None:
    tenants = [LocationId(f"loc-{number}") for number in range(2 * FOLLOW_TENANTS + 10)]
    async with gateway(redis_url, sqlite_memory) as one, connected(redis_url) as redis:
        log = Log(sqlite_memory, RedisBackplane(redis))
        async with asyncio.TaskGroup() as tasks:
            for tenant in tenants:
                tasks.create_task(one.relay.prepare(tenant))
        for tenant in tenants:
            await log.publish((Stream.LEAD_SCORES, item(Stream.LEAD_SCORES, tenant)), location=tenant)
        for tenant in tenants:
            await soon(lambda it=tenant: one.hub.snapshot(it, Stream.LEAD_SCORES).offset == 1)  # type: ignore[misc]
            assert keys_of(one.hub.snapshot(tenant, Stream.LEAD_SCORES)) == [tenant]


async def test_the_performance_of_a_process_stays_its_own(redis_url: str, sqlite_memory: Database) -> None:
    async with gateway(redis_url, sqlite_memory) as one, gateway(redis_url, sqlite_memory) as other:
        for each in (one, other):
            await each.relay.prepare(LOCATION)
        one.hub.publish(LOCATION, Stream.SYSTEM_PERFORMANCE, item(Stream.SYSTEM_PERFORMANCE, "system"))
        mine = one.hub.snapshot(LOCATION, Stream.SYSTEM_PERFORMANCE)
        theirs = other.hub.snapshot(LOCATION, Stream.SYSTEM_PERFORMANCE)
        assert (len(mine.items), len(theirs.items)) == (1, 0)
        assert mine.epoch != theirs.epoch


# --- taking a tenant up -------------------------------------------------------------------------------------------


class Meanwhile:
    """A memory in which something happens right after the first read."""

    def __init__(self, memory: Memory, then: Callable[[], Awaitable[None]]) -> None:
        self._memory = memory
        self._then: Callable[[], Awaitable[None]] | None = then

    async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
        answer = await self._memory.read(query)
        if self._then is not None:
            then, self._then = self._then, None
            await then()
        return answer

    async def write[T](self, change: Callable[[UnitOfWork], T]) -> T:
        return await self._memory.write(change)

    async def derive[T](self, change: Callable[[UnitOfWork], T]) -> T:
        return await self._memory.derive(change)

    async def compact(self) -> None:
        await self._memory.compact()


async def test_a_lead_forgotten_while_a_tenant_is_taken_up_is_not_shown(
    redis_url: str, sqlite_memory: Database
) -> None:
    lead = LeadId("lead-gone")
    async with worker(redis_url, sqlite_memory) as bus, connected(redis_url) as redis:
        backplane = RedisBackplane(redis)
        await sqlite_memory.write(
            lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="Home"))
        )
        await bus.publish([contact("c", lead=lead), message("m", lead=lead)])
        await soon(lambda: published(backplane, 4))

        async def forget() -> None:
            await records.forget_lead(sqlite_memory, LOCATION, lead)
            await soon(lambda: published(backplane, 5))

        async with gateway(redis_url, Meanwhile(sqlite_memory, forget)) as one:
            await one.relay.prepare(LOCATION)
            assert [snapshot.items for snapshot in one.snapshots()] == [()] * len(SHARED)


async def published(backplane: RedisBackplane, position: int) -> bool:
    return (await backplane.held(LOCATION)).position >= position


async def test_many_who_ask_for_a_tenant_at_once_take_it_up_once(
    redis_url: str, sqlite_memory: Database
) -> None:
    async with gateway(redis_url, sqlite_memory) as one:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(50):
                tasks.create_task(one.relay.prepare(LOCATION))
        epochs = {snapshot.epoch for snapshot in one.snapshots()}
        assert len(epochs) == 1


async def test_a_log_that_another_database_wrote_is_dropped(redis_url: str, sqlite_memory: Database) -> None:
    """A restored backup: Redis would take no fact below the position that it has seen."""
    async with gateway(redis_url, sqlite_memory) as one, connected(redis_url) as redis:
        backplane = RedisBackplane(redis)
        stranger = Publication.of(Stream.LEAD_SCORES, item(Stream.LEAD_SCORES, "of-a-later-day"))
        await backplane.publish(LOCATION, [stranger], position=900, at_ms=0.0)
        await one.relay.prepare(LOCATION)
        await Log(sqlite_memory, backplane).one_of_each("lead-1", 1)
        await soon(lambda: told(one, Stream.LEAD_SCORES, offset=1))
        assert keys_of(one.hub.snapshot(LOCATION, Stream.LEAD_SCORES)) == ["lead-1"]


async def test_a_gateway_that_was_away_for_longer_than_what_is_held_takes_the_tenant_up_anew(
    redis_url: str, sqlite_memory: Database
) -> None:
    async with gateway(redis_url, sqlite_memory, runs=False) as slow, connected(redis_url) as redis:
        log = Log(sqlite_memory, RedisBackplane(redis, size_bytes=20_000))
        await log.one_of_each("lead-1", 0)
        async with socket_at(slow.hub) as socket:
            await socket.say({"subscribe": [{"stream": Stream.LEAD_SCORES}]})
            await soon(lambda: follow(socket, Stream.LEAD_SCORES).offset == 1)
            for number in range(1, 60):
                await log.one_of_each(f"lead-{number % 3}", number)
            async with asyncio.TaskGroup() as tasks, gateway(redis_url, sqlite_memory) as late:
                running = tasks.create_task(slow.relay.run())
                await late.relay.prepare(LOCATION)
                await soon(lambda: alike(slow, late, offset=60))
                await soon(lambda: follow(socket, Stream.LEAD_SCORES).offset == 60)
                running.cancel()


# --- a lead that is forgotten -------------------------------------------------------------------------------------


async def test_a_forgotten_lead_leaves_redis_and_every_gateway(
    redis_url: str, sqlite_memory: Database
) -> None:
    gone, stays = LeadId("lead-gone"), LeadId("lead-stays")
    async with (
        gateway(redis_url, sqlite_memory) as left,
        gateway(redis_url, sqlite_memory) as right,
        worker(redis_url, sqlite_memory) as bus,
    ):
        await sqlite_memory.write(
            lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="Home"))
        )
        async with socket_at(left.hub), socket_at(right.hub) as socket:
            await socket.say({"subscribe": [{"stream": stream} for stream in SHARED]})
            for lead in (gone, stays):
                await bus.publish([contact(f"c-{lead}", lead=lead), message(f"m-{lead}", lead=lead)])
            await soon(lambda: told(right, Stream.LEAD_SCORES, offset=4))
            await records.forget_lead(sqlite_memory, LOCATION, gone)
            await soon(lambda: nobody_shows(gone, left, right))
            await soon(lambda: alike(left, right))
            assert keys_of(right.hub.snapshot(LOCATION, Stream.LEAD_SCORES)) == [stays]
            screens = [follow(socket, stream) for stream in SHARED]
            assert all(shown["lead_id"] == stays for screen in screens for shown in screen.shown)
    async with connected(redis_url) as redis:
        async for key in redis.scan_iter():
            assert gone.encode() not in (await redis.dump(key) or b"")


def nobody_shows(lead: LeadId, *gateways: Gateway) -> bool:
    shown = [text for one in gateways for snapshot in one.snapshots() for text in snapshot.items]
    return not any(lead in text for text in shown)


# --- a Redis that was set back -----------------------------------------------------------------------------------


async def set_back(redis: Redis, before: dict[bytes, bytes]) -> None:
    """As a Redis that was restarted from an older file: everybody loses the connection, and finds what was then."""
    async with redis.pipeline(
        transaction=True
    ) as pipe:  # nobody may write between the two, as none could at a start
        pipe.flushdb()
        for key, dumped in before.items():
            pipe.restore(key, 0, dumped, replace=True)
        await pipe.execute()
    for client in await redis.client_list():
        if client["id"] != str(await redis.client_id()):
            await redis.client_kill_filter(_id=client["id"], skipme=True)


async def dumped(redis: Redis) -> dict[bytes, bytes]:
    return {key: await redis.dump(key) or b"" async for key in redis.scan_iter(f"{PREFIX}screens*")}


async def test_offsets_that_screens_have_seen_do_not_come_again_for_other_facts(
    own_redis: RedisServer, sqlite_memory: Database
) -> None:
    url = own_redis.url()
    async with (
        gateway(url, sqlite_memory) as one,
        connected(url) as redis,
        worker(url, sqlite_memory) as bus,
        socket_at(one.hub) as socket,
    ):
        await socket.say({"subscribe": [{"stream": Stream.CONVERSATION_FEED}]})
        await bus.publish([message("a")])
        await soon(lambda: shows_messages(socket, 1))
        before = await dumped(redis)
        await bus.publish([message("b")])
        await soon(lambda: shows_messages(socket, 2))
        epoch = follow(socket, Stream.CONVERSATION_FEED).epoch
        await set_back(redis, before)
        await bus.publish([message("c")])
        await soon(lambda: shows_messages(socket, 3))
        assert follow(socket, Stream.CONVERSATION_FEED).epoch != epoch


async def test_a_gateway_that_comes_after_redis_lost_facts_shows_them_from_the_database(
    redis_url: str, sqlite_memory: Database
) -> None:
    """The worker counts them as published, and will not publish them again."""
    async with connected(redis_url) as redis:
        async with worker(redis_url, sqlite_memory) as bus:
            await bus.publish([message("a")])
            await soon(lambda: published(RedisBackplane(redis), 2))
            before = await dumped(redis)
            await bus.publish([message("b")])
            await soon(lambda: published(RedisBackplane(redis), 4))
        await sqlite_memory.write(lambda uow: uow.cursors.advance(LOCATION, SCREENS, 4))
        await redis.flushdb()
        for key, value in before.items():
            await redis.restore(key, 0, value)
        async with gateway(redis_url, sqlite_memory) as one:
            await one.relay.prepare(LOCATION)
            assert len(one.hub.snapshot(LOCATION, Stream.CONVERSATION_FEED).items) == 2
            score = one.hub.snapshot(LOCATION, Stream.LEAD_SCORES).items[0]
            assert derived_id(LOCATION, "b") in score, "its cause is the newest message"


async def test_facts_that_show_nothing_do_not_look_like_lost_ones(
    redis_url: str, sqlite_memory: Database
) -> None:
    nobody = message("of nobody")
    nobody = nobody.model_copy(update={"event": nobody.event.model_copy(update={"lead_id": None})})
    async with connected(redis_url) as redis, worker(redis_url, sqlite_memory) as bus:
        backplane = RedisBackplane(redis)
        await bus.publish([message("a")])
        await soon(lambda: published(backplane, 2))
        epoch = (await backplane.held(LOCATION)).epoch
        await bus.publish([nobody])
        await soon(lambda: published(backplane, 3))
        await sqlite_memory.write(lambda uow: uow.cursors.advance(LOCATION, SCREENS, 3))
        async with gateway(redis_url, sqlite_memory) as one:
            await one.relay.prepare(LOCATION)
            assert one.hub.snapshot(LOCATION, Stream.LEAD_SCORES).epoch == epoch


async def test_an_offset_that_is_given_again_makes_a_gateway_take_the_tenant_up_anew(
    redis_url: str, sqlite_memory: Database
) -> None:
    """Whoever published first after Redis fell back did not know what had been published."""
    async with gateway(redis_url, sqlite_memory) as one, connected(redis_url) as redis:
        log = Log(sqlite_memory, RedisBackplane(redis))
        await one.relay.prepare(LOCATION)
        await log.one_of_each("lead-1", 1)
        await soon(lambda: told(one, Stream.NEXT_ACTIONS, offset=1))
        before = await dumped(redis)
        await log.one_of_each("lead-2", 2)
        await soon(lambda: told(one, Stream.NEXT_ACTIONS, offset=2))
        for key, value in before.items():
            await redis.restore(key, 0, value, replace=True)
        await log.one_of_each("lead-3", 3)
        await soon(lambda: "lead-3" in keys_of(one.hub.snapshot(LOCATION, Stream.LEAD_SCORES)))


# --- a Redis that goes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keeps", [False, True], ids=["empty", "with its data"])
async def test_a_redis_that_was_killed_leaves_no_hole(
    own_redis: RedisServer, sqlite_memory: Database, *, keeps: bool
) -> None:
    """With its data clients go on where they were; without, they take one snapshot that the database made."""
    own_redis.stop()
    own_redis.start(keeps=keeps)
    url = own_redis.url()
    async with (
        gateway(url, sqlite_memory) as left,
        gateway(url, sqlite_memory) as right,
        worker(url, sqlite_memory) as bus,
        socket_at(left.hub) as socket,
        socket_at(right.hub, identity(user="u-2")),
    ):
        await socket.say({"subscribe": [{"stream": Stream.CONVERSATION_FEED}]})
        await bus.publish([message("before")])
        await soon(lambda: told(left, Stream.CONVERSATION_FEED, offset=1))
        await soon(lambda: told(right, Stream.CONVERSATION_FEED, offset=1))
        before = left.hub.snapshot(LOCATION, Stream.CONVERSATION_FEED)
        own_redis.kill()
        await bus.publish([message("meanwhile")])
        await soon(lambda: any(told.get("delayed") for told in socket.heard))
        own_redis.start(keeps=keeps)
        await soon(lambda: socket.heard[-1] == {"delayed": None} or shows_messages(socket, 2))
        await bus.publish([message("after")])
        await soon(lambda: shows_messages(socket, 3))
        await soon(lambda: alike(left, right))
        await soon(lambda: {"delayed": None} in socket.heard)
        now = right.hub.snapshot(LOCATION, Stream.CONVERSATION_FEED)
        assert (now.epoch == before.epoch) is keeps
        snapshots = [told for told in socket.heard if "snapshot" in told]
        assert len(snapshots) == (1 if keeps else 2)


def shows_messages(socket: FakeSocket, number: int) -> bool:
    return len(follow(socket, Stream.CONVERSATION_FEED).shown) == number


async def test_without_redis_a_tenant_is_shown_as_the_database_knows_it(
    own_redis: RedisServer, sqlite_memory: Database
) -> None:
    url = own_redis.url()
    await sqlite_memory.write(lambda uow: uow.events.append(message("said")))
    own_redis.kill()
    async with gateway(url, sqlite_memory) as one, socket_at(one.hub) as socket:
        await socket.say({"subscribe": [{"stream": Stream.CONVERSATION_FEED}]})
        await soon(lambda: shows_messages(socket, 1))
        await soon(lambda: any(told.get("delayed") for told in socket.heard))
        own_redis.start()
        async with worker(url, sqlite_memory) as bus:
            await bus.publish([message("said later")])
            await soon(lambda: shows_messages(socket, 2))
        await soon(lambda: {"delayed": None} in socket.heard)


async def test_screens_hear_it_when_redis_does_not_answer(
    own_redis: RedisServer, sqlite_memory: Database
) -> None:
    """It hangs, but its connections stay open."""
    async with (
        gateway(own_redis.url(), sqlite_memory) as one,
        connected(own_redis.url()) as redis,
        socket_at(one.hub) as socket,
    ):
        await soon(lambda: len(socket.heard) > 0)
        await redis.client_pause(4_000)
        await soon(lambda: any(told.get("delayed") for told in socket.heard))
        since = next(told["delayed"]["since_ms"] for told in socket.heard if told.get("delayed"))
        assert abs(datetime.now(UTC).timestamp() * 1_000 - since) < SOON_S * 1_000
        await soon(lambda: {"delayed": None} in socket.heard)
