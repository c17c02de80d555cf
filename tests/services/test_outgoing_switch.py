"""The kill switch: off, nothing is sent by any process, what waits goes on waiting, and goes when it is on again."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.switches import Switch
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.services.crm_outbox import CrmOutbox
from ghl_real_estate_ai.services.switches import turn
from ghl_real_estate_ai.storage.database import Database
from tests.support.clock import FakeClock
from tests.support.facts import LOCATION, NOON
from tests.support.outbox_house import FakeWriter, House, connected

pytestmark = pytest.mark.asyncio
ELSEWHERE = LocationId("loc-2")
ADMIN = UserId("u-1")


async def turned(house: House, *, on: bool) -> None:
    await house.memory.write(lambda uow: turn(uow, LOCATION, Switch.OUTGOING, on=on, by=ADMIN, now=NOON))


async def test_off_nothing_is_sent_and_on_again_everything_that_waited_is() -> None:
    house = await connected()
    for name in ("a", "b"):
        await house.want(ChangeKind.NOTE, name)
    await turned(house, on=False)
    for _ in range(3):
        assert await house.outbox.step() == 0
        house.clock.set_forward(3_600)
    assert house.writer.calls == []
    waiting = await house.change("a")
    assert (waiting.status, waiting.attempts) == (ChangeStatus.PENDING, 0)
    await turned(house, on=True)
    assert await house.outbox.step() == 2
    assert sorted(house.writer.made) == ["a", "b"]


async def test_it_is_asked_before_each_change_also_in_the_middle_of_a_batch() -> None:
    house = await connected()
    for name in ("a", "b", "c"):
        await house.want(ChangeKind.NOTE, name)

    class Turning(FakeWriter):
        async def apply(self, change: CrmChange) -> str | None:
            await turned(house, on=False)
            return await super().apply(change)

    house.writer = Turning()
    house.outbox = house.new_outbox()
    await house.outbox.step()
    assert house.writer.made == ["a"]
    assert (await house.change("b")).attempts == 0


async def test_another_location_goes_on_sending() -> None:
    house = await connected()
    await house.connect(ELSEWHERE)
    await house.want(ChangeKind.NOTE, "here")
    await house.want(ChangeKind.NOTE, "there", location=ELSEWHERE)
    await turned(house, on=False)
    await house.outbox.step()
    assert house.writer.made == ["there"]


async def test_one_process_turns_it_and_no_other_sends_any_more(memory: Database, memory_url: str) -> None:
    house = House()
    house.memory = memory  # type: ignore[assignment]  # reason: the house of dicts on a real database
    await house.connect()
    for name in ("a", "b"):
        await house.want(ChangeKind.NOTE, name)
    async with Database(memory_url) as second:
        writer, clock = FakeWriter(), FakeClock()
        outbox = CrmOutbox(memory=second, writer=writer, clock=clock, sleep=clock.sleep)
        await turned(house, on=False)
        assert await outbox.step() == 0
        await turned(house, on=True)
        assert await outbox.step() == 2
    assert sorted(writer.made) == ["a", "b"]
