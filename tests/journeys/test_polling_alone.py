"""An account without webhooks: polling alone ends in the state that signed webhooks would have brought about."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghl_real_estate_ai.limits import POLL_CALLS_PER_CYCLE
from ghl_real_estate_ai.models.synchronization import SyncSource
from tests.support.crm_city import assert_same, house, in_parts, leads_by_webhooks, small_city
from tests.support.fake_ghl import fake_ghl

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]


async def test_polling_alone_ends_in_the_same_state_as_webhooks(tmp_path: Path) -> None:
    expected = await leads_by_webhooks(tmp_path)
    async with fake_ghl() as fake, house(fake, tmp_path / "polling", webhooks=False) as home:
        past, *days = in_parts(small_city(), 6)
        home.live(past, quietly=True)
        await home.sync.import_history(home.location_id)
        for day in days:
            home.live(day, quietly=True)
            await home.poll(3)
        before = home.sync.calls[home.location_id]
        await home.poll(4)
        assert home.sync.calls[home.location_id] - before <= 4 * POLL_CALLS_PER_CYCLE
        assert_same(expected, await home.leads())
        assert not await home.services.memory.read(
            lambda uow: uow.cursors.dead_letter_count(home.location_id)
        )


async def test_an_import_alone_ends_in_the_same_state_as_webhooks(tmp_path: Path) -> None:
    expected = await leads_by_webhooks(tmp_path)
    async with fake_ghl() as fake, house(fake, tmp_path / "import", webhooks=False) as home:
        home.live(list(small_city().events()), quietly=True)
        read = await home.sync.import_history(home.location_id)
        assert set(read) == set(SyncSource)
        assert all(progress.caught_up_at for progress in read.values())
        stored = await home.logged()
        assert_same(expected, await home.leads())
        await home.sync.import_history(home.location_id)
        await home.poll(3)
        assert await home.logged() == stored
