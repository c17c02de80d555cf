"""Sessions end when the account does: at once here, within one look elsewhere, and not for who comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from ghl_real_estate_ai.limits import ACCESS_LOOK_S
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Identity, Role, User
from ghl_real_estate_ai.services.access_watch import AccessWatch
from tests.support.clock import FakeClock
from tests.support.facts import LOCATION, NOON
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio

ANA = User(location_id=LOCATION, user_id=UserId("u-1"), email="ana@example.com", name="Ana", role=Role.AGENT)
MOMENT = timedelta(microseconds=1)


class House:
    """A watch, and the sockets that it has ended."""

    def __init__(self, memory: FakeMemory | None = None) -> None:
        self.memory, self.clock = memory or FakeMemory(), FakeClock()
        self.open: list[Identity] = []
        self.watch = AccessWatch(
            memory=self.memory, clock=self.clock, end_sockets=self.end_sockets, sleep=self.clock.sleep
        )

    def end_sockets(self, location_id: LocationId, is_over: Callable[[Identity], bool]) -> None:
        self.open = [one for one in self.open if one.location_id != location_id or not is_over(one)]

    async def add(self, user: User = ANA) -> None:
        await self.memory.write(lambda uow: uow.tenants.add_user(user, password_hash="x"))


def session(began: timedelta = timedelta(), user: User = ANA, hours: int = 8) -> Identity:
    return Identity(
        **user.model_dump(),
        signed_in_at=NOON + began,
        expires_at=NOON + timedelta(hours=hours),
    )


async def test_a_session_goes_on_while_nothing_has_changed() -> None:
    house = House()
    await house.add()
    assert not house.watch.is_over(session())
    await house.watch.look()
    assert not house.watch.is_over(session())


async def test_what_is_told_here_counts_at_once_and_ends_the_sockets() -> None:
    house = House()
    await house.add()
    other = ANA.model_copy(update={"user_id": UserId("u-2")})
    house.open = [session(), session(user=other)]
    house.watch.end(LOCATION, ANA.user_id, upto=None)
    assert house.watch.is_over(session())
    assert house.open == [session(user=other)]


async def test_a_newer_session_outlives_the_end_of_older_ones() -> None:
    house = House()
    await house.add()
    house.watch.end(LOCATION, ANA.user_id, upto=NOON)
    assert house.watch.is_over(session())
    assert not house.watch.is_over(session(MOMENT))


async def test_what_another_process_did_counts_after_one_look() -> None:
    house = House()
    await house.add()
    house.open = [session()]
    assert not house.watch.is_over(session())
    await house.memory.write(lambda uow: uow.tenants.change_user(ANA, tokens_valid_after=NOON))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(house.watch.run())
        await house.clock.advance(ACCESS_LOOK_S)
        running.cancel()
    assert house.watch.is_over(session())
    assert house.open == []


async def test_a_user_whom_another_process_removed_is_out_and_in_again_when_added_again() -> None:
    house = House()
    await house.add()
    house.watch.is_over(session())
    await house.memory.write(lambda uow: uow.tenants.remove_user(LOCATION, ANA.user_id))
    await house.watch.look()
    assert house.watch.is_over(session())
    await house.memory.write(
        lambda uow: uow.tenants.add_user(ANA, password_hash="y", tokens_valid_after=NOON)
    )
    await house.watch.look()
    assert house.watch.is_over(session())
    assert not house.watch.is_over(session(MOMENT))


async def test_a_token_that_was_not_seen_before_its_user_was_removed_here_is_refused() -> None:
    house = House()
    house.watch.end(LOCATION, ANA.user_id, upto=None)
    await house.watch.look()
    assert house.watch.is_over(session())


class Slow(FakeMemory):
    """Something happens between the reading and the answer."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def read[T](self, query: Callable[..., T]) -> T:
        answer = await super().read(query)
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        return answer


async def test_a_look_that_began_before_somebody_was_removed_does_not_let_them_in_again() -> None:
    memory = Slow()
    house = House(memory)
    await house.add()
    house.watch.is_over(session())

    async def removed() -> None:
        await memory.write(lambda uow: uow.tenants.remove_user(LOCATION, ANA.user_id))
        house.watch.end(LOCATION, ANA.user_id, upto=None)

    memory.meanwhile = removed
    await house.watch.look()
    assert house.watch.is_over(session())


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("place", [LOCATION, LocationId("loc-other")])
async def test_who_comes_in_during_a_look_stays_in(place: LocationId, told: bool) -> None:
    """Of another location, or just added: what was read says nothing of them."""
    memory = Slow()
    house = House(memory)
    await house.add()
    house.watch.is_over(session())
    bo = ANA.model_copy(update={"location_id": place, "user_id": UserId("u-2"), "email": "bo@example.com"})

    async def comes_in() -> None:
        await house.add(bo)
        if told:
            house.watch.end(LOCATION, ANA.user_id, upto=NOON)
        assert not house.watch.is_over(session(user=bo))

    memory.meanwhile = comes_in
    await house.watch.look()
    assert not house.watch.is_over(session(user=bo))


async def test_nobody_is_remembered_longer_than_their_tokens() -> None:
    house = House()
    await house.add()
    house.watch.is_over(session(hours=1))
    reads = house.memory.reads
    house.clock.set_forward(3_600)
    await house.watch.look()
    assert house.memory.reads == reads, "nobody is left to ask about"


async def test_a_database_that_is_away_is_asked_again_and_nobody_is_let_in_meanwhile() -> None:
    house = House()
    await house.add()
    house.watch.end(LOCATION, ANA.user_id, upto=NOON)
    house.memory.away = True
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(house.watch.run())
        await house.clock.advance(ACCESS_LOOK_S)
        assert house.watch.is_over(session())
        assert not running.done()
        running.cancel()
