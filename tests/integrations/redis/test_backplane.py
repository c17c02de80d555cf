"""The shared log of screens in Redis: dense, once, bounded, and gone where it must be gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from ghl_real_estate_ai.errors import BrokerUnavailable
from ghl_real_estate_ai.integrations.redis.backplane import RedisBackplane
from ghl_real_estate_ai.integrations.redis.connection import PREFIX, connected
from ghl_real_estate_ai.live_ports import Heard
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, lead_hash
from ghl_real_estate_ai.models.streams import LeadRemovedItem, Publication, Stream
from tests.support.facts import LOCATION, NOON
from tests.support.redis import RedisServer
from tests.support.stream_items import item

ELSEWHERE = LocationId("loc-2")
AT_MS = 1_772_452_800_000.125
SOON_S = 60.0

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    async with connected(redis_url) as redis:
        yield redis


@pytest.fixture
def backplane(client: Redis) -> RedisBackplane:
    return RedisBackplane(client)


def publication(stream: Stream = Stream.LEAD_SCORES, key: str = "lead-1", number: int = 0) -> Publication:
    return Publication.of(stream, item(stream, key, number))


async def publish(
    backplane: RedisBackplane,
    position: int,
    *publications: Publication,
    location: LocationId = LOCATION,
    after: int = 0,
) -> bool:
    told = publications or (publication(number=position),)
    return await backplane.publish(location, told, position=position, at_ms=AT_MS, after=after)


def offsets(entries: Sequence[Heard], stream: Stream) -> list[int]:
    placed = [placed for entry in entries for placed in entry.placed]
    return [it.offset for it in placed if it.publication.stream is stream]


def shown(entries: Sequence[Heard]) -> list[Publication]:
    return [placed.publication for entry in entries for placed in entry.placed]


async def everything_in(redis: Redis) -> bytes:
    """All keys and values, as one text."""
    found: list[bytes] = []
    async for key in redis.scan_iter():
        found.append(key)
        kind = await redis.type(key)
        if kind == b"stream":
            found.append(repr(await redis.xrange(key)).encode())
        elif kind == b"hash":
            found.append(repr(await redis.hgetall(key)).encode())
        else:
            raise AssertionError(f"a key of an unexpected kind: {key!r} {kind!r}")
    return b"\n".join(found)


# --- publishing ---------------------------------------------------------------------------------------------------


async def test_what_was_published_is_held_with_dense_offsets_per_topic(backplane: RedisBackplane) -> None:
    score, feed = publication(), publication(Stream.CONVERSATION_FEED)
    removal = Publication.of(
        Stream.LEAD_SCORES, LeadRemovedItem(key="l", at=NOON, simulated=False, lead_id=LeadId("l"))
    )
    assert await backplane.publish(LOCATION, [score, feed], position=3, at_ms=AT_MS, received_ms=1.5)
    assert await publish(backplane, 7, removal)
    held = await backplane.held(LOCATION)
    assert shown(held.entries) == [score, feed, removal]
    assert [placed.at_ms for entry in held.entries for placed in entry.placed] == [AT_MS] * 3
    assert [(entry.position, entry.received_ms) for entry in held.entries] == [(3, 1.5), (7, None)]
    assert {entry.epoch for entry in held.entries} == {held.epoch}
    assert held.heads == {Stream.LEAD_SCORES: 2, Stream.CONVERSATION_FEED: 1}
    assert (held.position, held.mark) == (7, held.entries[-1].mark)


async def test_a_position_that_was_published_is_ignored(backplane: RedisBackplane) -> None:
    assert await publish(backplane, 2)
    assert not await publish(backplane, 2)
    assert not await publish(backplane, 1)
    assert await publish(backplane, 3)
    held = await backplane.held(LOCATION)
    assert [entry.position for entry in held.entries] == [2, 3]


async def test_a_fact_without_anything_to_show_is_noted(backplane: RedisBackplane) -> None:
    before = await backplane.held(LOCATION)
    assert await backplane.publish(LOCATION, [], position=2, at_ms=AT_MS)
    held = await backplane.held(LOCATION)
    assert (held.epoch, held.position, held.entries, held.heads) == (before.epoch, 2, (), {})
    assert not await publish(backplane, 1)


async def test_many_who_publish_the_same_log_at_once_leave_it_once_and_in_order(redis_url: str) -> None:
    facts, workers = 150, 5
    streams = (Stream.LEAD_SCORES, Stream.CHURN_RISK, Stream.CONVERSATION_FEED)

    async def work(backplane: RedisBackplane) -> int:
        done = 0
        for position in range(1, facts + 1):
            told = [publication(stream, f"lead-{position % 7}", position) for stream in streams]
            done += await publish(backplane, position, *told)
        return done

    async with AsyncExitStack() as stack:
        backplanes = [
            RedisBackplane(await stack.enter_async_context(connected(redis_url))) for _ in range(workers)
        ]
        done = await asyncio.gather(*map(work, backplanes))
        held = await backplanes[0].held(LOCATION)
    assert sum(done) == facts
    for stream in streams:
        assert offsets(held.entries, stream) == list(range(1, facts + 1))
    assert [entry.position for entry in held.entries] == list(range(1, facts + 1))


async def test_a_redis_without_memory_takes_nothing_of_a_fact_and_all_of_it_later(
    own_redis: RedisServer,
) -> None:
    async with connected(own_redis.url()) as redis:
        backplane = RedisBackplane(redis)
        await publish(backplane, 1)
        await redis.config_set("maxmemory", "1")
        with pytest.raises(BrokerUnavailable):
            await publish(backplane, 2, publication(), publication(Stream.CHURN_RISK))
        await redis.config_set("maxmemory", "0")
        assert (await backplane.held(LOCATION)).heads == {Stream.LEAD_SCORES: 1}
        assert await publish(backplane, 2, publication(), publication(Stream.CHURN_RISK))


# --- reading ------------------------------------------------------------------------------------------------------


async def test_gateways_that_come_before_the_first_fact_share_its_epoch(backplane: RedisBackplane) -> None:
    first, second = await asyncio.gather(backplane.held(LOCATION), backplane.held(LOCATION))
    assert first == second
    assert (first.heads, first.entries, first.position) == ({}, (), 0)
    await publish(backplane, 1)
    assert await backplane.ends([LOCATION, ELSEWHERE]) == [(first.epoch, 1), (None, 0)]
    [(_, [heard])] = await backplane.read({LOCATION: first.mark})
    assert heard.epoch == first.epoch


async def test_reading_goes_on_after_a_mark(backplane: RedisBackplane) -> None:
    await publish(backplane, 1)
    mark = (await backplane.held(LOCATION)).mark
    await publish(backplane, 2)
    await publish(backplane, 3)
    [(location, heard)] = await backplane.read({LOCATION: mark})
    assert (location, [entry.position for entry in heard]) == (LOCATION, [2, 3])
    assert await backplane.read({LOCATION: heard[-1].mark}) == []


async def test_whoever_waits_hears_what_is_published_meanwhile(
    backplane: RedisBackplane, redis_url: str
) -> None:
    async with connected(redis_url) as other, asyncio.timeout(SOON_S):
        mark = (await backplane.held(LOCATION)).mark

        async def next_one() -> list[Heard]:
            while True:
                for _, heard in await backplane.read({LOCATION: mark}):
                    return heard

        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(next_one())
            await asyncio.sleep(0)
            await publish(RedisBackplane(other), 1)
    assert [entry.position for entry in waiting.result()] == [1]


async def test_a_read_ends_when_it_is_woken_and_forgets_nothing(backplane: RedisBackplane) -> None:
    await backplane.wake()
    assert await backplane.read({}) == []
    await publish(backplane, 1)
    assert len(await backplane.read({LOCATION: "0-0"})) == 1


async def test_tenants_do_not_meet(backplane: RedisBackplane, client: Redis) -> None:
    """Even where one's name looks like the other's key."""
    names = [LOCATION, ELSEWHERE, LocationId("head:loc-1"), LocationId("loc-1:head"), LocationId("")]
    for number, name in enumerate(names, start=1):
        assert await publish(backplane, number, publication(key=f"of-{number}"), location=name)
    for number, name in enumerate(names, start=1):
        held = await backplane.held(name)
        assert [it.key for it in shown(held.entries)] == [f"of-{number}"]
    assert [location for location, _ in await backplane.read({ELSEWHERE: "0-0"})] == [ELSEWHERE]
    assert len(await client.keys()) == len(await client.keys(f"{PREFIX}*")) > 0


# --- bounds -------------------------------------------------------------------------------------------------------


async def test_entries_are_bounded_and_the_newest_stay(client: Redis) -> None:
    backplane = RedisBackplane(client, entries=100)
    for position in range(1, 501):
        await publish(backplane, position)
    held = await backplane.held(LOCATION)
    assert 100 <= len(held.entries) <= 200  # Redis cuts whole nodes of a hundred
    kept = offsets(held.entries, Stream.LEAD_SCORES)
    assert kept == list(range(501 - len(kept), 501))
    assert held.heads == {Stream.LEAD_SCORES: 500}


async def test_bytes_are_bounded_and_the_newest_stay(client: Redis) -> None:
    size = len(publication(number=1).item.encode())
    backplane = RedisBackplane(client, size_bytes=20 * size)
    for position in range(1, 121):
        await publish(backplane, position)
    held = await backplane.held(LOCATION)
    bytes_held = sum(len(it.item.encode()) for it in shown(held.entries))
    assert 18 * size <= bytes_held <= 21 * size
    assert offsets(held.entries, Stream.LEAD_SCORES)[-1] == 120


async def test_a_tenant_without_news_leaves_redis(backplane: RedisBackplane, client: Redis) -> None:
    await publish(backplane, 1)
    await backplane.held(ELSEWHERE)
    await backplane.forget(LOCATION, "hash", position=2)
    await backplane.wake()
    assert all([await client.ttl(key) > 0 for key in await client.keys()])


# --- forgetting ---------------------------------------------------------------------------------------------------


async def test_nothing_of_a_forgotten_lead_stays_in_redis(backplane: RedisBackplane, client: Redis) -> None:
    gone, stays = "lead-gone", "lead-stays"
    for position, key in enumerate((gone, stays, gone), start=1):
        told = [
            publication(stream, key, position) for stream in Stream if stream is not Stream.SYSTEM_PERFORMANCE
        ]
        await publish(backplane, position, *told)
    before = await backplane.held(LOCATION)
    assert gone.encode() in await everything_in(client)
    await backplane.forget(LOCATION, lead_hash(LOCATION, LeadId(gone)), position=4)
    assert gone.encode() not in await everything_in(client)
    after = await backplane.held(LOCATION)
    assert after.epoch != before.epoch
    [(_, [word])] = await backplane.read({LOCATION: before.mark})
    assert (word.forgotten, word.position) == (lead_hash(LOCATION, LeadId(gone)), 4)
    assert (word.epoch, word.placed) == (after.epoch, ())


async def test_offsets_begin_anew_when_a_lead_is_forgotten(backplane: RedisBackplane) -> None:
    await publish(backplane, 1)
    await backplane.forget(LOCATION, "hash", position=2)
    epoch = (await backplane.held(LOCATION)).epoch
    assert not await publish(backplane, 1), "an older fact must not bring anything back"
    assert await publish(backplane, 3)
    held = await backplane.held(LOCATION)
    assert (held.epoch, held.heads) == (epoch, {Stream.LEAD_SCORES: 1})


async def test_an_erasure_counts_also_where_redis_is_ahead_of_the_database(
    backplane: RedisBackplane, client: Redis
) -> None:
    """The database was set back; the position stays, for facts before it must not come twice."""
    await publish(backplane, 900, publication(key="lead-gone"))
    before = await backplane.held(LOCATION)
    await backplane.forget(LOCATION, lead_hash(LOCATION, LeadId("lead-gone")), position=5)
    assert b"lead-gone" not in await everything_in(client)
    after = await backplane.held(LOCATION)
    assert (after.epoch != before.epoch, after.position, after.heads) == (True, 900, {})


async def test_a_log_begins_anew_at_a_position_and_names_nobody(backplane: RedisBackplane) -> None:
    mark = (await backplane.held(LOCATION)).mark
    await backplane.begin(LOCATION, position=70)
    held = await backplane.held(LOCATION)
    [(_, [word])] = await backplane.read({LOCATION: mark})
    assert (word.epoch, word.position, word.placed, word.forgotten) == (held.epoch, 70, (), None)
    assert not await publish(backplane, 70)
    assert await publish(backplane, 71)


async def test_whatever_redis_refuses_can_be_tried_again(backplane: RedisBackplane, client: Redis) -> None:
    """A fact for screens is never to blame."""
    await publish(backplane, 1)
    for key in await client.keys(f"{PREFIX}screens-head*"):
        await client.set(key, "not what it should be")
    with pytest.raises(BrokerUnavailable):
        await publish(backplane, 2)
    with pytest.raises(BrokerUnavailable):
        await backplane.held(LOCATION)


async def test_a_reader_misses_nothing_however_fast_forgetting_and_publishing_follow_each_other(
    backplane: RedisBackplane,
) -> None:
    """Ids of Redis count milliseconds: a log that began anew within one must not fall behind its reader's mark."""
    position, mark = 0, "0-0"
    for _ in range(50):
        position += 2
        await publish(backplane, position - 1)
        await backplane.forget(LOCATION, "hash", position=position)
        [(_, heard)] = await backplane.read({LOCATION: mark})
        assert heard[-1].position == position
        mark = heard[-1].mark


async def test_a_redis_that_was_set_back_begins_a_new_epoch(backplane: RedisBackplane) -> None:
    """Restarted from an older file: offsets that gateways have shown must not come again for other facts."""
    await publish(backplane, 4)
    before = await backplane.held(LOCATION)
    assert await publish(backplane, 9, after=4)
    assert (await backplane.held(LOCATION)).epoch == before.epoch
    assert await publish(backplane, 12, after=11)
    held = await backplane.held(LOCATION)
    assert held.epoch != before.epoch
    assert (held.heads, held.position, len(held.entries)) == ({Stream.LEAD_SCORES: 1}, 12, 1)
    [(_, heard)] = await backplane.read({LOCATION: before.mark})
    assert [entry.position for entry in heard] == [12]


async def test_an_epoch_that_a_gateway_began_is_kept_by_who_published_before(
    backplane: RedisBackplane,
) -> None:
    """Gateways began it with what the database knows: nothing is missing in it."""
    epoch = (await backplane.held(LOCATION)).epoch
    assert await publish(backplane, 12, after=11)
    assert (await backplane.held(LOCATION)).epoch == epoch


async def test_a_log_of_another_database_is_dropped_once(backplane: RedisBackplane) -> None:
    await publish(backplane, 900)
    epoch = (await backplane.held(LOCATION)).epoch
    await backplane.drop(LOCATION, epoch=epoch)
    assert await publish(backplane, 1)
    await backplane.drop(LOCATION, epoch=epoch)  # by somebody who comes later
    assert (await backplane.held(LOCATION)).position == 1


# --- a Redis that goes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keeps", [False, True], ids=["empty", "with its data"])
async def test_after_a_crash_of_redis_the_log_goes_on_or_begins_anew(
    own_redis: RedisServer, *, keeps: bool
) -> None:
    own_redis.stop()
    own_redis.start(keeps=keeps)
    async with connected(own_redis.url()) as redis:
        backplane = RedisBackplane(redis)
        await publish(backplane, 1)
        before = await backplane.held(LOCATION)
        own_redis.kill()
        for call in (
            publish(backplane, 2),
            backplane.forget(LOCATION, "hash", position=2),
            backplane.held(LOCATION),
            backplane.ends([LOCATION]),
            backplane.read({LOCATION: before.mark}),
            backplane.wake(),
            backplane.drop(LOCATION, epoch=before.epoch),
        ):
            with pytest.raises(BrokerUnavailable):
                await call
        own_redis.start(keeps=keeps)
        assert await backplane.ends([LOCATION]) == [(before.epoch, 1) if keeps else (None, 0)]
        assert await publish(backplane, 2)
        [(_, [heard])] = await backplane.read({LOCATION: before.mark})
        assert (heard.epoch == before.epoch, heard.placed[0].offset) == ((True, 2) if keeps else (False, 1))
