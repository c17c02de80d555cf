"""The served gateway is killed and started again while a vendor keeps sending: everything arrives, once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands import launch, records
from ghl_real_estate_ai.models.events import LeadIntelligenceUpdated, LeadWentQuiet
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.settings import Settings, load_settings
from ghl_real_estate_ai.simulation.city import City
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel, RetryPolicy, Tally
from tests.support.ports import port_of_its_own

pytestmark = pytest.mark.untraced

PLACE = LocationId("simulated-city")
KILLS = 3
KEY = b"a test's own key"
RETRIES = RetryPolicy(attempts=600, first_wait_s=0.1, factor=1.0)
"""A minute and more of patience, and no long sleep once the gateway is back."""


def city() -> City:
    """About a thousand events."""
    return City(
        seed=9, leads=25, listings=20, start=datetime(2026, 3, 2, tzinfo=UTC), days=4, history_days=10
    )


async def serve_place(settings: Settings) -> None:
    async with bootstrap.opened(settings) as memory:
        await records.add_location(memory, Location(location_id=PLACE, name="City"))


async def send_while_killing(settings: Settings) -> Tally:
    """The vendor retries what is not answered; the gateway dies KILLS times under it."""
    vendor = FakeGoHighLevel(gateway_url=settings.gateway_url, key_seed=KEY, retries=RETRIES)
    sent = 0

    def progress(done: int, _total: int | None) -> None:
        nonlocal sent
        sent = done

    log = settings.data_dir / "server.log"
    command = [sys.executable, "-m", "ghl_real_estate_ai.cli", "serve", "--no-dashboard"]
    async with asyncio.TaskGroup() as tasks:
        sending: asyncio.Task[Tally] | None = None
        for life in range(KILLS + 1):
            with launch.child(command, env=launch.environment(settings), log=log) as process:
                await asyncio.to_thread(
                    launch.wait_until_ready, f"{settings.gateway_url}/health/ready", process=process, log=log
                )
                if sending is None:
                    sending = tasks.create_task(
                        vendor.run(
                            city().events(), location_id=PLACE, speed=0, run_id="once", progress=progress
                        )
                    )
                enough = sent + 100
                while sent < enough and not sending.done():
                    await asyncio.sleep(0.005)
                if life < KILLS:
                    assert not sending.done(), "the city is too small to be killed so often"
                    os.kill(process.pid, signal.SIGKILL)
                else:
                    await sending
    assert sending is not None
    return sending.result()


async def check(settings: Settings, tally: Tally) -> None:
    """Handle what is left, then hold the log against what was sent."""
    async with bootstrap.running(settings) as services:
        memory = services.memory
        async with asyncio.timeout(60):
            # read in one still moment: silence is told by a timer, also while we look
            still = False
            while not still:
                while await services.bus.lag(PLACE):
                    await asyncio.sleep(0.02)
                before = await memory.read(lambda uow: uow.events.head(PLACE))
                events = [recorded async for recorded in records.log_events(memory, PLACE)]
                rebuilt = await records.rebuild(memory, PLACE, write=False)
                still = before == await memory.read(lambda uow: uow.events.head(PLACE))
        letters = await memory.read(lambda uow: uow.cursors.dead_letters())
    assert [recorded.position for recorded in events] == list(range(1, len(events) + 1))
    updates = [recorded.event for recorded in events if isinstance(recorded.event, LeadIntelligenceUpdated)]
    facts = [recorded for recorded in events if not isinstance(recorded.event, LeadIntelligenceUpdated)]
    told = [recorded for recorded in facts if not isinstance(recorded.event, LeadWentQuiet)]
    assert len(told) == tally.sent == sum(1 for _ in city().events())
    causes = Counter(update.intelligence.cause.event_id for update in updates)
    about_leads = [
        recorded for recorded in facts if recorded.event.type in records.APPLIED and recorded.event.lead_id
    ]
    assert causes == Counter(recorded.event.event_id for recorded in about_leads)
    assert rebuilt.different == ()
    assert letters == []


@pytest.mark.crash
def test_a_gateway_killed_under_load_loses_and_doubles_nothing(memory_url: str, tmp_path: Path) -> None:
    vendor = FakeGoHighLevel(gateway_url="", key_seed=KEY)
    settings = load_settings(
        data_dir=tmp_path,
        database_url=memory_url,
        port=port_of_its_own(),
        simulator_public_key=vendor.public_key,
    )
    asyncio.run(serve_place(settings))
    tally = asyncio.run(send_while_killing(settings))
    assert tally.balanced
    assert tally.stored + tally.duplicate == tally.sent
    assert tally.requests > tally.sent, "the kills were felt"
    asyncio.run(check(settings, tally))
