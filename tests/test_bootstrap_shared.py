"""What a process that shares its work with others is plugged to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.bootstrap import LEAD_INTELLIGENCE, SystemClock
from ghl_real_estate_ai.bootstrap_redis import sharing
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.settings import Settings
from tests.support.facts import LOCATION, message
from tests.support.fake_memory import FakeMemory


@pytest.mark.asyncio
async def test_the_lag_that_is_shown_counts_what_nobody_has_handled(tmp_path: Path, redis_url: str) -> None:
    memory, settings = FakeMemory(), Settings(data_dir=tmp_path, redis_url=redis_url)

    def handled_elsewhere(uow: UnitOfWork) -> None:
        uow.tenants.put_location(Location(location_id=LOCATION, name="x"))
        for name in ("m1", "m2", "m3"):
            uow.events.append(message(name))
        uow.cursors.advance(LOCATION, LEAD_INTELLIGENCE, 2)

    await memory.write(handled_elsewhere)
    async with sharing(settings, handles=True, clock=SystemClock()) as shared:
        services = bootstrap.compose(settings, memory, shared=shared)
        await services.performance.measure(loop_delay_ms=0.0)
        (item,) = services.hub.snapshot(LOCATION, Stream.SYSTEM_PERFORMANCE).items
    assert json.loads(item)["log_lag_events"] == 1
