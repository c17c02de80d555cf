"""What guards the doors, twice: in the process itself, and shared by Redis. The same suite holds for both."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio

from ghl_real_estate_ai.api.auth import OwnTickets
from ghl_real_estate_ai.api.rate_limit import RateLimiter
from ghl_real_estate_ai.errors import NotFound, TooManyRequests
from ghl_real_estate_ai.integrations.redis.cache import RedisCache
from ghl_real_estate_ai.integrations.redis.connection import connected
from ghl_real_estate_ai.integrations.redis.doors import RedisDoors
from ghl_real_estate_ai.integrations.redis.link import Link
from ghl_real_estate_ai.limits import CONNECTIONS_PER_USER
from ghl_real_estate_ai.live_ports import RateLimit, Seats, SharedCache, TicketStore
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.services.seats import LocalSeats
from ghl_real_estate_ai.services.single_flight import SingleFlight
from tests.support.clock import FakeClock, settle
from tests.support.facts import LOCATION, NOON
from tests.support.gateway import eventually
from tests.support.sockets import identity

pytestmark = pytest.mark.asyncio

ANA, BO = UserId("ana"), UserId("bo")
UNTIL = NOON + timedelta(seconds=30)
FOR_EVER_S = 3_600.0


@dataclass(frozen=True)
class Doors:
    """One implementation of each port."""

    tickets: TicketStore
    seats: Seats
    cache: SharedCache
    limit: Callable[[int], RateLimit]
    pass_time: Callable[[float], Awaitable[None]]


@pytest_asyncio.fixture(params=["own", "redis"])
async def doors(request: pytest.FixtureRequest) -> AsyncIterator[Doors]:
    clock = FakeClock()

    async def set_forward(seconds: float) -> None:
        clock.set_forward(seconds)

    if request.param == "own":
        yield Doors(
            tickets=OwnTickets(clock=clock),
            seats=LocalSeats(),
            cache=SingleFlight(seconds=lambda: clock.now().timestamp()),
            limit=lambda per_minute: RateLimiter(per_minute=per_minute, clock=clock),
            pass_time=set_forward,
        )
        return
    async with connected(request.getfixturevalue("redis_url")) as redis:
        link = Link(redis)
        shared = RedisDoors(link)
        yield Doors(
            tickets=shared.tickets,
            seats=shared.seats,
            cache=RedisCache(link, within=SingleFlight()),
            limit=lambda per_minute: shared.limit(
                "test", per_minute=per_minute, otherwise=RateLimiter(per_minute=1, clock=clock)
            ),
            pass_time=asyncio.sleep,
        )


# --- tickets ------------------------------------------------------------------------------------------------------


async def test_what_is_kept_is_taken_once_whole_and_by_its_digest_only(doors: Doors) -> None:
    ana, bo = identity(user="ana"), identity(user="bo", location=LocationId("loc-2"))
    await doors.tickets.keep(b"a" * 32, ana, until=UNTIL)
    await doors.tickets.keep(b"b" * 32, bo, until=UNTIL + timedelta(seconds=1))
    assert await doors.tickets.take(b"c" * 32) is None
    assert await doors.tickets.take(b"b" * 32) == (UNTIL + timedelta(seconds=1), bo)
    assert await doors.tickets.take(b"a" * 32) == (UNTIL, ana)
    assert await doors.tickets.take(b"a" * 32) is None


async def test_of_fifty_who_take_at_once_one_gets_it(doors: Doors) -> None:
    await doors.tickets.keep(b"a" * 32, identity(), until=UNTIL)
    taken = await asyncio.gather(*(doors.tickets.take(b"a" * 32) for _ in range(50)))
    assert [one for one in taken if one is not None] == [(UNTIL, identity())]


# --- limits -------------------------------------------------------------------------------------------------------


async def test_a_key_has_its_minute_at_once_and_each_key_its_own(doors: Doors) -> None:
    limit = doors.limit(10)
    outcomes = await asyncio.gather(
        *(limit.spend("a@example.com") for _ in range(25)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, TooManyRequests)]
    assert [outcome for outcome in outcomes if outcome is not None] == refused
    assert len(refused) == 15
    assert all(0 < refusal.retry_after_s <= 6 for refusal in refused)
    await limit.spend("b@example.com")


async def spend_all(limit: RateLimit, key: str) -> tuple[int, TooManyRequests]:
    """How many there were, and what was told then."""
    for spent in itertools.count():
        try:
            await limit.spend(key)
        except TooManyRequests as refusal:
            return spent, refusal
    raise AssertionError


async def test_after_the_time_that_it_told_there_is_one_again(doors: Doors) -> None:
    limit = doors.limit(60)
    spent, refusal = await spend_all(limit, "a")
    assert spent >= 60
    await doors.pass_time(refusal.retry_after_s)
    await limit.spend("a")


# --- seats --------------------------------------------------------------------------------------------------------


async def test_a_user_has_so_many_seats_and_one_who_leaves_makes_room(doors: Doors) -> None:
    seats = doors.seats
    tries = [f"s{n}" for n in range(CONNECTIONS_PER_USER + 5)]
    allowed = await asyncio.gather(*(seats.take(LOCATION, ANA, seat) for seat in tries))
    taken = [seat for seat, is_allowed in zip(tries, allowed, strict=True) if is_allowed]
    assert len(taken) == CONNECTIONS_PER_USER
    assert await seats.take(LOCATION, BO, "of bo")
    assert await seats.take(LocationId("loc-2"), ANA, "elsewhere")
    await seats.keep([(LOCATION, ANA, seat) for seat in taken])
    assert not await seats.take(LOCATION, ANA, "one more")
    await seats.leave(LOCATION, ANA, taken[0])
    assert await seats.take(LOCATION, ANA, "one more")
    assert not await seats.take(LOCATION, ANA, "yet one more")


async def test_users_whose_names_run_together_have_seats_of_their_own(doors: Doors) -> None:
    for n in range(CONNECTIONS_PER_USER):
        assert await doors.seats.take(LocationId("a"), UserId("b:c"), f"s{n}")
    assert await doors.seats.take(LocationId("a:b"), UserId("c"), "s")


# --- answers ------------------------------------------------------------------------------------------------------


class Kitchen:
    """Makes answers and counts them."""

    def __init__(self) -> None:
        self.made = 0
        self.begun = 0
        self.go_on = asyncio.Event()
        self.fails: Exception | None = None

    async def make(self) -> bytes:
        """The next answer, when it may."""
        self.begun += 1
        await self.go_on.wait()
        if self.fails is not None:
            raise self.fails
        self.made += 1
        return f"answer {self.made}".encode()

    async def is_busy(self) -> bool:
        """Somebody has come as far as here."""
        return self.begun > 0


async def test_of_a_hundred_who_ask_at_once_one_makes_it(doors: Doors) -> None:
    kitchen = Kitchen()
    async with asyncio.TaskGroup() as tasks:
        asking = [
            tasks.create_task(doors.cache.get_or_make("key", kitchen.make, seconds=FOR_EVER_S))
            for _ in range(100)
        ]
        await eventually(kitchen.is_busy)
        kitchen.go_on.set()
    assert {task.result() for task in asking} == {b"answer 1"}
    assert kitchen.begun == 1
    assert await doors.cache.get_or_make("key", kitchen.make, seconds=FOR_EVER_S) == b"answer 1"
    assert await doors.cache.get_or_make("other", kitchen.make, seconds=FOR_EVER_S) == b"answer 2"


async def test_an_answer_whose_time_is_over_is_made_again(doors: Doors) -> None:
    kitchen = Kitchen()
    kitchen.go_on.set()
    assert await doors.cache.get_or_make("key", kitchen.make, seconds=0.05) == b"answer 1"
    await doors.pass_time(0.06)
    assert await doors.cache.get_or_make("key", kitchen.make, seconds=0.05) == b"answer 2"


async def test_the_makers_error_reaches_all_who_wait_and_is_not_kept(doors: Doors) -> None:
    kitchen = Kitchen()
    kitchen.fails = NotFound("no such lead")

    async def ask() -> bytes | NotFound:
        try:
            return await doors.cache.get_or_make("key", kitchen.make, seconds=FOR_EVER_S)
        except NotFound as error:
            return error

    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(ask()) for _ in range(20)]
        await eventually(kitchen.is_busy)
        kitchen.go_on.set()
    assert {task.result() for task in asking} == {kitchen.fails}
    assert kitchen.begun == 1
    kitchen.fails = None
    assert await ask() == b"answer 1"


async def test_one_who_stops_waiting_takes_the_answer_from_nobody(doors: Doors) -> None:
    kitchen = Kitchen()
    async with asyncio.TaskGroup() as tasks:
        asking = [
            tasks.create_task(doors.cache.get_or_make("key", kitchen.make, seconds=FOR_EVER_S))
            for _ in range(3)
        ]
        await eventually(kitchen.is_busy)
        await settle()
        asking[1].cancel()
        await settle()
        kitchen.go_on.set()
    assert asking[1].cancelled()
    assert (asking[0].result(), asking[2].result()) == (b"answer 1", b"answer 1")
    assert kitchen.begun == 1


async def test_when_the_maker_itself_is_cancelled_the_next_one_makes_it(doors: Doors) -> None:
    kitchen = Kitchen()
    async with asyncio.TaskGroup() as tasks:
        asking = [
            tasks.create_task(doors.cache.get_or_make("key", kitchen.make, seconds=FOR_EVER_S))
            for _ in range(3)
        ]
        await eventually(kitchen.is_busy)
        asking[0].cancel()
        kitchen.go_on.set()
    assert asking[0].cancelled()
    assert (asking[1].result(), asking[2].result()) == (b"answer 1", b"answer 1")
    assert kitchen.begun == 2
