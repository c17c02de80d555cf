"""Tickets, limits and seats of several gateways on one real Redis, and what they do when it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from ghl_real_estate_ai.api.auth import TicketOffice
from ghl_real_estate_ai.api.rate_limit import RateLimiter
from ghl_real_estate_ai.errors import BrokerUnavailable, TooManyRequests, Unauthenticated
from ghl_real_estate_ai.integrations.redis.connection import PREFIX, connected
from ghl_real_estate_ai.integrations.redis.doors import RedisDoors, RedisLimit, RedisSeats
from ghl_real_estate_ai.integrations.redis.link import Link
from ghl_real_estate_ai.limits import CONNECTIONS_PER_USER, SEATS_PER_CALL
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from tests.support.clock import FakeClock
from tests.support.facts import LOCATION
from tests.support.gateway import eventually
from tests.support.redis import RedisServer
from tests.support.sockets import identity

pytestmark = pytest.mark.asyncio

SECRET = "k" * 40
ANA = UserId("ana")


@dataclass(frozen=True)
class Gateway:
    """What one gateway has of Redis: connections, a link and doors of its own; ``clock`` is its own, not Redis's."""

    redis: Redis
    clock: FakeClock
    doors: RedisDoors
    office: TicketOffice

    def limit(self, per_minute: int) -> RedisLimit:
        """The limit of sign-ins; its own bucket counts one a minute, so that one sees which of them counts."""
        own = RateLimiter(per_minute=1, clock=self.clock)
        return self.doors.limit("sign_ins", per_minute=per_minute, otherwise=own)


@asynccontextmanager
async def gateway_on(url: str) -> AsyncIterator[Gateway]:
    clock = FakeClock()
    async with connected(url) as redis:
        doors = RedisDoors(Link(redis, seconds=lambda: clock.now().timestamp()))
        office = TicketOffice(doors.tickets, secret=SECRET, clock=clock)
        yield Gateway(redis=redis, clock=clock, doors=doors, office=office)


@pytest_asyncio.fixture
async def pair(redis_url: str) -> AsyncIterator[tuple[Gateway, Gateway]]:
    async with gateway_on(redis_url) as here, gateway_on(redis_url) as there:
        yield here, there


async def everything_in(redis: Redis) -> bytes:
    """All keys with what they hold."""
    return b"\n".join([key + bytes(await redis.dump(key) or b"") async for key in redis.scan_iter()])


# --- tickets ------------------------------------------------------------------------------------------------------


async def test_a_ticket_of_one_gateway_works_once_at_another(pair: tuple[Gateway, Gateway]) -> None:
    here, there = pair
    ticket = await here.office.issue(identity(user="ana"))
    assert not ticket.startswith("sealed.")
    assert await there.office.redeem(ticket) == identity(user="ana")
    for office in (here.office, there.office):
        with pytest.raises(Unauthenticated):
            await office.redeem(ticket)


async def test_of_fifty_who_redeem_one_ticket_at_two_gateways_one_gets_in(
    pair: tuple[Gateway, Gateway],
) -> None:
    ticket = await pair[0].office.issue(identity())
    outcomes = await asyncio.gather(
        *(pair[n % 2].office.redeem(ticket) for n in range(50)), return_exceptions=True
    )
    assert [outcome for outcome in outcomes if not isinstance(outcome, Unauthenticated)] == [identity()]


async def test_a_storm_of_handshakes_waits_for_its_turn_and_all_get_in(
    pair: tuple[Gateway, Gateway],
) -> None:
    here, there = pair
    people = [identity(user=f"u-{n}") for n in range(500)]
    tickets = await asyncio.gather(*(here.office.issue(person) for person in people))
    assert await asyncio.gather(*(there.office.redeem(ticket) for ticket in tickets)) == people


async def test_redis_holds_no_ticket_and_forgets_an_unused_one(pair: tuple[Gateway, Gateway]) -> None:
    here, _ = pair
    ticket = await here.office.issue(identity())
    assert ticket.encode() not in await everything_in(here.redis)
    (key,) = [key async for key in here.redis.scan_iter()]
    assert key.startswith(PREFIX.encode())
    assert 0 < await here.redis.ttl(key) <= 30


async def test_a_ticket_of_another_version_of_the_house_is_an_unknown_one(
    pair: tuple[Gateway, Gateway],
) -> None:
    here, _ = pair
    ticket = await here.office.issue(identity())
    (key,) = [key async for key in here.redis.scan_iter()]
    await here.redis.set(key, '{"until": "2026-01-01T00:00:00Z", "identity": {"name": "Ana"}}')
    with pytest.raises(Unauthenticated):
        await here.office.redeem(ticket)


async def test_agents_get_in_at_any_gateway_while_redis_is_away_and_after_it(own_redis: RedisServer) -> None:
    async with gateway_on(own_redis.url()) as here, gateway_on(own_redis.url()) as there:
        kept = await here.office.issue(identity())
        own_redis.kill()
        with pytest.raises(Unauthenticated):
            await there.office.redeem(kept)
        sealed = await here.office.issue(identity())
        assert await there.office.redeem(sealed) == identity()
        with pytest.raises(Unauthenticated):
            await there.office.redeem(sealed)
        own_redis.start()
        late = await here.office.issue(identity())
        assert late.startswith("sealed."), "within a second nobody asks Redis again"
        for gateway in (here, there):
            gateway.clock.set_forward(1)
        again = await here.office.issue(identity())
        assert not again.startswith("sealed.")
        assert await there.office.redeem(again) == identity()
        assert await there.office.redeem(late) == identity()


# --- limits -------------------------------------------------------------------------------------------------------


async def test_a_limit_counts_what_all_gateways_take_together(pair: tuple[Gateway, Gateway]) -> None:
    here, there = (gateway.limit(20) for gateway in pair)
    outcomes = await asyncio.gather(
        *(limit.spend("a@example.com") for _ in range(20) for limit in (here, there)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert all(isinstance(refusal, TooManyRequests) for refusal in refused)
    # A bucket of twenty a minute gets one back in three seconds, should this take so long here.
    assert 15 <= len(refused) <= 20


async def test_limits_of_other_names_count_apart_and_their_keys_name_nobody(
    pair: tuple[Gateway, Gateway],
) -> None:
    here, _ = pair
    own = RateLimiter(per_minute=1, clock=here.clock)
    for name in ("sign_ins", "hints"):
        await here.doors.limit(name, per_minute=1, otherwise=own).spend("a@example.com")
    held = await everything_in(here.redis)
    assert b"example.com" not in held
    assert [0 < await here.redis.ttl(key) <= 60 async for key in here.redis.scan_iter()] == [True, True]


async def test_while_redis_is_away_each_gateway_counts_and_says_so_once(
    own_redis: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    async with gateway_on(own_redis.url()) as here:
        limit = here.limit(100)
        for _ in range(3):
            await limit.spend("a")
        own_redis.kill()
        await limit.spend("a")
        for _ in range(5):
            with pytest.raises(TooManyRequests):
                await limit.spend("a")
        for _ in range(3):  # and asks again each second, in vain
            here.clock.set_forward(1)
            with pytest.raises(TooManyRequests):
                await limit.spend("a")
        own_redis.start()
        here.clock.set_forward(1)
        for _ in range(3):
            await limit.spend("a")
    said = capsys.readouterr().out
    assert (said.count("doors.alone"), said.count("doors.together")) == (1, 1)


async def test_a_redis_that_hangs_holds_up_the_first_who_ask_and_nobody_after_them(
    own_redis: RedisServer,
) -> None:
    async with gateway_on(own_redis.url()) as here:
        await here.office.issue(identity())
        async with connected(own_redis.url()) as operator:
            await operator.client_pause(4_000)
        async with asyncio.timeout(30):
            tickets = await asyncio.gather(*(here.office.issue(identity()) for _ in range(200)))
        assert all(ticket.startswith("sealed.") for ticket in tickets)

        async def is_shared_again() -> bool:
            here.clock.set_forward(1)
            return not (await here.office.issue(identity())).startswith("sealed.")

        await eventually(is_shared_again)


# --- seats --------------------------------------------------------------------------------------------------------


async def test_a_users_seats_are_counted_over_all_gateways(pair: tuple[Gateway, Gateway]) -> None:
    here, there = (gateway.doors.seats for gateway in pair)
    taken = await asyncio.gather(
        *(seats.take(LOCATION, ANA, f"{n}") for n, seats in enumerate([here, there] * CONNECTIONS_PER_USER))
    )
    assert taken.count(True) == CONNECTIONS_PER_USER
    await here.leave(LOCATION, ANA, str(taken.index(True)))
    assert await there.take(LOCATION, ANA, "one more")


async def test_the_seats_of_a_gateway_that_died_become_free_and_those_that_are_kept_stay(
    redis_url: str,
) -> None:
    async with AsyncExitStack() as stack:
        dead, alive = [
            RedisSeats(Link(await stack.enter_async_context(connected(redis_url))), life_s=2.0)
            for _ in range(2)
        ]
        kept = [(LOCATION, ANA, f"alive {n}") for n in range(3)]
        for n in range(CONNECTIONS_PER_USER - len(kept)):
            assert await dead.take(LOCATION, ANA, f"dead {n}")
        for seat in kept:
            assert await alive.take(*seat)
        assert not await alive.take(LOCATION, ANA, "more 0")

        taken: set[str] = set()

        async def all_of_the_dead_are_taken() -> bool:
            for n in range(CONNECTIONS_PER_USER):
                if f"more {n}" not in taken and await alive.take(LOCATION, ANA, f"more {n}"):
                    taken.add(f"more {n}")
            await alive.keep([*kept, *((LOCATION, ANA, seat) for seat in taken)])
            return len(taken) >= CONNECTIONS_PER_USER - len(kept)

        await eventually(all_of_the_dead_are_taken)
        assert len(taken) == CONNECTIONS_PER_USER - len(kept), "the kept ones still count"


async def test_a_seat_that_was_left_is_not_taken_by_keeping_it(pair: tuple[Gateway, Gateway]) -> None:
    seats = pair[0].doors.seats
    stays, left = (LOCATION, ANA, "stays"), (LOCATION, ANA, "left")
    for seat in (stays, left):
        await seats.take(*seat)
    await seats.leave(*left)
    assert await seats.keep([stays, left]) == [left]
    assert await pair[0].redis.zrange((await pair[0].redis.keys("*seats*"))[0], 0, -1) == [b"stays"]


async def test_whoever_keeps_seats_hears_which_of_them_redis_has_forgotten(
    own_redis: RedisServer,
) -> None:
    async with gateway_on(own_redis.url()) as here:
        seats = here.doors.seats
        held = [
            (LocationId(f"loc-{n % 7}"), UserId(f"u-{n // 10}"), f"s{n}")
            for n in range(SEATS_PER_CALL * 2 + 9)
        ]
        for n in range(CONNECTIONS_PER_USER):
            held.append((LOCATION, ANA, f"ana {n}"))
        assert await seats.keep(held) == held
        for seat in held:
            assert await seats.take(*seat)
        assert await seats.keep(held) == []
        own_redis.kill()
        for call in (
            seats.take(LOCATION, ANA, "x"),
            seats.keep(held),
            seats.leave(LOCATION, ANA, "ana 0"),
        ):
            with pytest.raises(BrokerUnavailable):
                await call
        own_redis.start()
        here.clock.set_forward(1)
        for seat in await seats.keep(held):
            await seats.take(*seat)
        assert not await seats.take(LOCATION, ANA, "one more")
        assert await here.redis.dbsize() == len({(place, user) for place, user, _ in held})
        assert all([await here.redis.pttl(key) > 0 async for key in here.redis.scan_iter()])
