"""An account that is heard by signed webhooks and read by polling at once: nothing counts twice, nothing is missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghl_real_estate_ai.models.events import Source
from tests.support.crm_city import House, assert_same, house, in_parts, leads_by_webhooks, small_city
from tests.support.fake_ghl import FakeGhl, fake_ghl

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]


async def live_and_poll(home: House, *, webhooks_first: bool) -> None:
    """The city goes on while it is polled; either the webhooks or the polling come first, day by day."""
    for day in in_parts(small_city(), 5):
        home.live(day, quietly=False)
        if webhooks_first:
            await home.fake.vendor.webhooks.settled()
        await home.poll(4)


def disturbed(fake: FakeGhl) -> None:
    """Webhooks come twice and late, and SMS without the message's id, as on their published page."""
    fake.faults.doubled, fake.faults.shuffled, fake.faults.shuffle_s = 0.3, 0.5, 0.2
    fake.habits.texts_without_message_id = True


@pytest.mark.parametrize("webhooks_first", [True, False], ids=["webhooks first", "both at once"])
@pytest.mark.parametrize("stormy", [False, True], ids=["calm", "storm"])
async def test_both_doors_together_end_in_the_same_state_as_one(
    tmp_path: Path, *, webhooks_first: bool, stormy: bool
) -> None:
    expected = await leads_by_webhooks(tmp_path)
    async with fake_ghl() as fake, house(fake, tmp_path / "both", webhooks=True) as home:
        if stormy:
            disturbed(fake)
        await home.sync.import_history(home.location_id)
        await live_and_poll(home, webhooks_first=webhooks_first)
        assert_same(expected, await home.leads())
        doors = await by_door(home)
        assert doors[Source.APP_WEBHOOK] > 100
        assert webhooks_first or doors[Source.POLLING] > 100


async def test_webhooks_that_were_lost_are_made_up_for_by_polling(tmp_path: Path) -> None:
    expected = await leads_by_webhooks(tmp_path)
    async with fake_ghl() as fake, house(fake, tmp_path / "both", webhooks=True) as home:
        await home.sync.import_history(home.location_id)
        for number, day in enumerate(in_parts(small_city(), 5)):
            home.live(day, quietly=number % 2 == 1)
            await home.poll(4)
        assert_same(expected, await home.leads())


async def by_door(home: House) -> dict[Source, int]:
    """Stored facts per door."""
    log = await home.services.memory.read(
        lambda uow: uow.events.read(home.location_id, after=0, limit=100_000)
    )
    doors = [recorded.event.source for recorded in log]
    return {door: doors.count(door) for door in Source}
