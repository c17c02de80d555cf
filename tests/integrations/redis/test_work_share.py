"""Tenants shared out between workers: fairly, to one at a time, and taken over from whoever is gone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic

import pytest
from redis.asyncio import Redis

from ghl_real_estate_ai.integrations.redis.connection import PREFIX, connected
from ghl_real_estate_ai.integrations.redis.work_share import RedisWorkShare
from ghl_real_estate_ai.limits import WORK_TOLD
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId
from tests.support.facts import NOON, message
from tests.support.redis import RedisServer

PLACES = tuple(LocationId(f"loc-{number}") for number in range(60))
LEASE_S = 0.6
RENEW_S = 0.05
SOON_S = 60.0

pytestmark = pytest.mark.asyncio


def fact(location_id: LocationId, position: int = 1) -> RecordedEvent:
    delivery = message(f"m{position}", location=location_id)
    return RecordedEvent(
        position=position,
        delivery_id=delivery.delivery_id,
        received_at=NOON,
        recorded_at=NOON,
        event=delivery.event,
    )


class Worker:
    """A share with what its bus would remember, and a switch that stops its renewing: a process that hangs."""

    def __init__(self, client: Redis, name: str, *, handles: bool = True) -> None:
        self.looked = Counter[LocationId | None]()
        self.let_go = 0
        self.passed: dict[LocationId, int] = {}
        self.passed_by_others = 0
        self.holds_none = False
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.share = RedisWorkShare(
            client,
            worker=name,
            handles=handles,
            lease_s=LEASE_S,
            renew_s=RENEW_S,
            gone_s=0.2,
            sleep=self._sleep,
            seconds=self._seconds,
        )

    def _seconds(self) -> float:
        """Its clock; while it ``holds_none`` no lease that it has is good any more."""
        return monotonic() + 2 * LEASE_S * self.holds_none

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.goes_on.wait()

    def _let_go(self) -> None:
        self.let_go += 1

    @property
    def held(self) -> set[LocationId]:
        return {place for place in PLACES if self.share.holds(place)}

    async def run(self) -> None:
        await self.share.run(
            look=lambda place: self.looked.update([place]),
            let_go=self._let_go,
            passed=lambda place: self.passed.get(place, self.passed_by_others),
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Worker]:
        task = asyncio.create_task(self.run())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def eventually(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not check():
            await asyncio.sleep(0.01)


async def pending(client: Redis) -> int:
    """Entries that somebody took and did not acknowledge."""
    keys = [key async for key in client.scan_iter(f"{PREFIX}work:[0-9]*")]
    return sum([(await client.xpending(key, "workers"))["pending"] for key in keys])


async def waiting(client: Redis) -> int:
    """The number of a client that waits in a blocking call."""
    async with asyncio.timeout(SOON_S):
        while True:
            found = [one for one in await client.client_list() if "b" in one["flags"]]
            if found:
                return int(found[0]["id"])
            await asyncio.sleep(0.01)


async def test_a_lone_worker_soon_holds_every_tenant_and_looks_at_all(redis_url: str) -> None:
    async with connected(redis_url) as client, Worker(client, "a").working() as lone:
        assert not lone.held
        await eventually(lambda: lone.held == set(PLACES))
        assert lone.looked[None] == 1


async def test_a_gateway_tells_the_worker_and_holds_nothing(redis_url: str) -> None:
    async with (
        connected(redis_url) as client,
        Worker(client, "a").working() as worker,
        Worker(client, "g", handles=False).working() as gateway,
    ):
        await eventually(lambda: worker.held == set(PLACES))
        gateway.share.tell([fact(PLACES[0], 1), fact(PLACES[0], 2), fact(PLACES[1], 7)])
        await eventually(lambda: worker.looked[PLACES[0]] > 0 and worker.looked[PLACES[1]] > 0)
        assert not gateway.held


async def test_an_entry_is_acknowledged_and_gone_only_after_its_position_was_passed(redis_url: str) -> None:
    place = PLACES[0]
    async with (
        connected(redis_url) as client,
        Worker(client, "a").working() as worker,
        Worker(client, "g", handles=False).working() as gateway,
    ):
        await eventually(lambda: worker.held == set(PLACES))
        worker.passed[place] = 4
        gateway.share.tell([fact(place, 5)])
        await eventually(lambda: worker.looked[place] > 0)
        worker.passed[PLACES[1]] = 1
        gateway.share.tell([fact(PLACES[1], 1)])
        await eventually(lambda: worker.looked[PLACES[1]] > 0)
        async with asyncio.timeout(SOON_S):
            while await pending(client) != 1:
                await asyncio.sleep(0.01)
        worker.passed[place] = 5
        async with asyncio.timeout(SOON_S):
            while await pending(client):
                await asyncio.sleep(0.01)
        lengths = [await client.xlen(key) async for key in client.scan_iter(f"{PREFIX}work:[0-9]*")]
        assert sum(lengths) == 0


async def test_workers_share_fairly_and_a_newcomer_gets_its_part_soon(redis_url: str) -> None:
    async with connected(redis_url) as client, Worker(client, "a").working() as first:
        await eventually(lambda: first.held == set(PLACES))
        async with Worker(client, "b").working() as second, Worker(client, "c").working() as third:
            workers = (first, second, third)

            async def parts() -> list[int]:
                return sorted(Counter((await client.hgetall(f"{PREFIX}work:owners")).values()).values())

            async with asyncio.timeout(SOON_S):
                while await parts() != [10, 11, 11]:
                    await asyncio.sleep(0.01)
            await eventually(lambda: set.union(*(worker.held for worker in workers)) == set(PLACES))
            await eventually(lambda: sum(len(worker.held) for worker in workers) == len(PLACES))
            assert first.let_go >= 1, "it gave tenants back and must forget what it knew of them"
        await eventually(lambda: first.held == set(PLACES))


async def test_who_leaves_cleanly_is_followed_at_once_long_before_the_lease_ends(redis_url: str) -> None:
    async with connected(redis_url) as client:
        async with Worker(client, "a").working() as first:
            await eventually(lambda: first.held == set(PLACES))
        assert await client.zcard(f"{PREFIX}work:workers") == 0
        async with Worker(client, "b").working() as second:
            await eventually(lambda: second.held == set(PLACES))


async def test_what_a_hanging_worker_had_taken_is_taken_over_and_it_notices_by_its_own_clock(
    redis_url: str,
) -> None:
    place = PLACES[0]
    async with (
        connected(redis_url) as client,
        Worker(client, "a").working() as hanging,
        Worker(client, "g", handles=False).working() as gateway,
    ):
        await eventually(lambda: hanging.held == set(PLACES))
        gateway.share.tell([fact(place, 3)])
        await eventually(lambda: hanging.looked[place] > 0)
        hanging.goes_on.clear()
        await eventually(lambda: not hanging.held)
        async with Worker(client, "b").working() as heir:
            await eventually(lambda: heir.held == set(PLACES) and heir.looked[place] > 0)
            heir.passed[place] = 3
            async with asyncio.timeout(SOON_S):
                while await pending(client):
                    await asyncio.sleep(0.01)
            hanging.goes_on.set()
            await eventually(lambda: bool(hanging.held) and not hanging.held & heir.held)
            assert hanging.let_go >= 1


async def test_the_names_of_dead_workers_leave_the_groups(redis_url: str) -> None:
    async def names(client: Redis) -> set[bytes]:
        keys = [key async for key in client.scan_iter(f"{PREFIX}work:[0-9]*")]
        return {one["name"] for key in keys for one in await client.xinfo_consumers(key, "workers")}

    async with connected(redis_url) as client, Worker(client, "g", handles=False).working() as gateway:
        async with Worker(client, "dead").working() as dead:
            await eventually(lambda: dead.held == set(PLACES))
            gateway.share.tell([fact(place) for place in PLACES])
            await eventually(lambda: all(dead.looked[place] for place in PLACES))
        assert await names(client) == {b"dead"}
        async with Worker(client, "alive").working() as alive:
            await eventually(lambda: all(alive.looked[place] for place in PLACES))
            async with asyncio.timeout(SOON_S):
                while await names(client) != {b"alive"}:
                    await asyncio.sleep(0.05)


async def test_a_worker_without_redis_keeps_what_it_holds_to_the_end_of_its_lease_and_no_longer(
    own_redis: RedisServer,
) -> None:
    async with connected(own_redis.url()) as client, Worker(client, "a").working() as worker:
        await eventually(lambda: worker.held == set(PLACES))
        own_redis.kill()
        assert worker.held == set(PLACES)
        await eventually(lambda: not worker.held)
        await eventually(lambda: worker.let_go == 1)
        own_redis.start()
        await eventually(lambda: worker.held == set(PLACES))
        worker.looked.clear()
        async with Worker(client, "g", handles=False).working() as gateway:
            gateway.share.tell([fact(PLACES[0], 9)])
            await eventually(lambda: worker.looked[PLACES[0]] > 0)


async def test_a_redis_that_comes_back_empty_within_the_lease_is_shared_out_anew(
    own_redis: RedisServer,
) -> None:
    async with connected(own_redis.url()) as client, Worker(client, "a").working() as worker:
        await eventually(lambda: worker.held == set(PLACES))
        own_redis.kill()
        own_redis.start()
        async with Worker(client, "g", handles=False).working() as gateway:

            def told() -> bool:
                gateway.share.tell([fact(PLACES[0], 9)])
                return worker.looked[PLACES[0]] > 0

            await eventually(told)
        assert worker.held == set(PLACES)


async def test_telling_never_waits_and_holds_no_more_tenants_than_its_bound(own_redis: RedisServer) -> None:
    own_redis.kill()
    async with (
        connected(own_redis.url()) as client,
        Worker(client, "g", handles=False).working() as gateway,
    ):
        began = monotonic()
        for number in range(WORK_TOLD + 500):
            gateway.share.tell([fact(LocationId(f"t-{number}"))])
        assert monotonic() - began < SOON_S
        own_redis.start()
        async with Worker(client, "a").working() as worker:
            worker.passed_by_others = 9

            def told() -> bool:
                gateway.share.tell([fact(PLACES[0], 2)])
                return worker.looked[PLACES[0]] > 0

            await eventually(told)
        count = sum([await client.xlen(key) async for key in client.scan_iter(f"{PREFIX}work:[0-9]*")])
        assert count <= WORK_TOLD + 500


async def test_a_flush_while_a_worker_waits_ends_nothing(own_redis: RedisServer) -> None:
    async with connected(own_redis.url()) as client, Worker(client, "a").working() as worker:
        await eventually(lambda: worker.held == set(PLACES))
        await waiting(client)
        await client.flushall()
        async with Worker(client, "g", handles=False).working() as gateway:

            def told() -> bool:
                gateway.share.tell([fact(PLACES[0], 2)])
                return worker.looked[PLACES[0]] > 0

            await eventually(told)


async def test_a_failover_while_a_worker_waits_ends_nothing(own_redis: RedisServer) -> None:
    async with connected(own_redis.url()) as client, Worker(client, "a").working() as worker:
        await eventually(lambda: worker.held == set(PLACES))
        await client.client_unblock(await waiting(client), error=True)
        async with Worker(client, "g", handles=False).working() as gateway:
            gateway.share.tell([fact(PLACES[0], 2)])
            await eventually(lambda: worker.looked[PLACES[0]] > 0)


async def test_what_came_while_its_lease_was_over_is_looked_at_after_it_was_renewed(redis_url: str) -> None:
    async with connected(redis_url) as client:
        worker = Worker(client, "a")
        async with worker.working():
            await eventually(lambda: worker.held == set(PLACES))
            await waiting(client)
            worker.goes_on.clear()
            worker.holds_none = True  # it was too late to renew, and does so now
            async with Worker(client, "g", handles=False).working() as gateway:
                gateway.share.tell([fact(PLACES[0], 2)])
                async with asyncio.timeout(SOON_S):
                    while await pending(client) == 0:
                        await asyncio.sleep(0.01)
            assert worker.looked[PLACES[0]] == 0
            worker.holds_none = False
            worker.goes_on.set()
            await eventually(lambda: worker.looked[PLACES[0]] > 0)
            worker.passed[PLACES[0]] = 2
            async with asyncio.timeout(SOON_S):
                while await pending(client):
                    await asyncio.sleep(0.01)
