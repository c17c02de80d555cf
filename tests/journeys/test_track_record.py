"""A city's webhooks in, weeks pass on its own time line, and a manager sees in the browser what came true."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.track_record import TrackRecord
from ghl_real_estate_ai.simulation.city import City
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel
from tests.support.browser import open_page
from tests.support.dashboard import (
    OFFICE,
    dashboard,
    dashboard_settings,
    live_gateway,
    sign_in,
    wait_until_live,
)

pytestmark = [pytest.mark.untraced, pytest.mark.browser]

DAYS = 26.0
KEY = b"a test's own key"


async def resolved(services: Services) -> TrackRecord:
    """Once everything was handled and what is due was looked up."""
    async with asyncio.timeout(85):
        while await services.bus.lag(OFFICE):
            await asyncio.sleep(0.05)
    await services.record.resolve(OFFICE)
    return await services.record.report(OFFICE)


def test_what_was_said_is_shown_beside_what_came_true(tmp_path: Path) -> None:
    vendor = FakeGoHighLevel(gateway_url="", key_seed=KEY)
    settings = dashboard_settings(tmp_path).model_copy(update={"simulator_public_key": vendor.public_key})
    city = City(
        seed=3, leads=12, listings=40, start=datetime(2026, 3, 2, tzinfo=UTC), days=DAYS, history_days=DAYS
    )
    with live_gateway(settings) as gateway:
        gateway.add_user(email="mo@example.com", role=Role.MANAGER)
        gateway.add_user(email="dana@example.com", role=Role.AGENT)
        sender = FakeGoHighLevel(gateway_url=settings.gateway_url, key_seed=KEY, concurrency=8)
        asyncio.run(sender.run(city.events(), location_id=OFFICE, speed=0, run_id="record"))
        record = gateway.do(resolved)
        score = next(target for target in record.targets if target.target == "lead_score")
        assert score.rows > 20
        assert score.waiting > 0, "the last two weeks are not over"
        assert score.simulated
        with dashboard(settings) as url, open_page() as page:
            sign_in(page, url, email="mo@example.com")
            wait_until_live(page)
            page.get_by_role("button", name="Track record").click()
            page.get_by_text("This record is of simulated leads: it says nothing about people.").wait_for()
            page.get_by_text("Said against came true").wait_for()
            page.get_by_text("Every figure").click()
            page.get_by_test_id("stMetricValue").get_by_text(f"{score.rows:,}", exact=True).first.wait_for()
            page.locator(".pages a", has_text="Live").click()
            page.locator(".hub").wait_for()
            wait_until_live(page)
        with dashboard(settings) as url, open_page() as page:
            sign_in(page, url, email="dana@example.com")
            wait_until_live(page)
            assert page.get_by_role("button", name="Track record").count() == 0
