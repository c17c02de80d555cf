"""A city's webhooks over real HTTP, once in order and once doubled and shuffled: the leads end in the same state."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue

from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.models.leads import Lead, Role
from ghl_real_estate_ai.settings import load_settings
from ghl_real_estate_ai.simulation.city import City
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel, Tally
from tests.support.dashboard import OFFICE, LiveGateway, live_gateway
from tests.support.ports import port_of_its_own

pytestmark = pytest.mark.untraced

KEY = b"a test's own key"


def city() -> City:
    """A small city, the same each time."""
    return City(seed=3, leads=12, listings=40, start=datetime(2026, 3, 2, tzinfo=UTC), days=6, history_days=6)


def leads_after(folder: Path, *, doubled: float, shuffled: float) -> tuple[dict[str, Lead], Tally]:
    """The leads as stored after the whole city was sent and handled."""
    vendor = FakeGoHighLevel(gateway_url="", key_seed=KEY)
    settings = load_settings(
        data_dir=folder,
        port=port_of_its_own(),
        simulator_public_key=vendor.public_key,
        sqlite_synchronous="NORMAL",
    )
    with live_gateway(settings) as gateway:
        gateway.add_user(email="agent@example.com", role=Role.AGENT)
        sender = FakeGoHighLevel(
            gateway_url=settings.gateway_url,
            key_seed=KEY,
            concurrency=8,
            doubled=doubled,
            shuffled=shuffled,
            luck_seed=5,
        )
        tally = asyncio.run(sender.run(city().events(), location_id=OFFICE, speed=0, run_id="same"))
        return handled(gateway), tally


def handled(gateway: LiveGateway) -> dict[str, Lead]:
    """The leads once nothing waits any more."""

    async def wait_and_read(services: Services) -> dict[str, Lead]:
        memory, bus = services.memory, services.bus
        async with asyncio.timeout(85):
            while await bus.lag(OFFICE):
                await asyncio.sleep(0.05)
        found = await memory.read(lambda uow: uow.leads.newest(OFFICE, limit=1_000))
        return {lead.lead_id: lead for lead, _ in found}

    return gateway.do(wait_and_read)


def same(one: JsonValue, other: JsonValue) -> bool:
    """Equal, floats up to the rounding of sums taken in another order."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_doubled_and_shuffled_deliveries_end_in_the_same_state(tmp_path: Path) -> None:
    (tmp_path / "calm").mkdir()
    (tmp_path / "storm").mkdir()
    calm, in_order = leads_after(tmp_path / "calm", doubled=0, shuffled=0)
    storm, disturbed = leads_after(tmp_path / "storm", doubled=0.3, shuffled=0.5)
    assert in_order.balanced
    assert disturbed.balanced
    assert disturbed.duplicate > 50
    assert disturbed.stored == in_order.stored
    assert calm.keys() == storm.keys()
    for lead_id, lead in calm.items():
        expected = lead.model_dump(mode="json", exclude={"position"})
        found = storm[lead_id].model_dump(mode="json", exclude={"position"})
        assert same(expected, found), lead_id
