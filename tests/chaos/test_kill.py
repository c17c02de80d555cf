"""kill -9 at named points of ingest and handling: no acknowledged event is lost, none is applied twice."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.models.events import LeadIntelligenceUpdated, RecordedEvent
from ghl_real_estate_ai.models.leads import ActivityKind
from ghl_real_estate_ai.settings import load_settings
from tests.support import crash_child
from tests.support.crash_child import LEADS, ROUNDS, deliveries
from tests.support.facts import LOCATION
from tests.support.preloaded import exit_code

pytestmark = pytest.mark.untraced

POINTS = [
    (phase, moment, number)
    for phase in ("ingest", "handling")
    for moment in ("before", "inside", "after")
    for number in (1, 3, 8)
]


def crash(url: str, data_dir: Path, point: tuple[str, str, int]) -> set[str]:
    """Run the child until it kills itself; the ids of the deliveries that it had acknowledged."""
    acked = data_dir / "acked"
    acked.touch()
    assert exit_code(crash_child.run, url, str(data_dir), acked, point) == -signal.SIGKILL
    return set(acked.read_text().split())


async def recover(url: str, data_dir: Path, acked: set[str]) -> None:
    """Start again on what is left, send everything once more as the vendor would, and check every promise."""
    settings = load_settings(database_url=url, data_dir=data_dir)
    async with bootstrap.running(settings) as services:
        memory = services.memory
        before = await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=1_000))
        assert acked <= {recorded.delivery_id for recorded in before}, "an acknowledged event was lost"
        for delivery in deliveries():
            await services.inbox.receive(delivery)

        async def updates() -> list[RecordedEvent]:
            log = await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=1_000))
            return [recorded for recorded in log if isinstance(recorded.event, LeadIntelligenceUpdated)]

        async with asyncio.timeout(30):
            while len(await updates()) < len(deliveries()):
                await asyncio.sleep(0.02)
        log = await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=1_000))
        assert [recorded.position for recorded in log] == list(range(1, len(log) + 1))
        counts = Counter(recorded.delivery_id for recorded in log)
        assert all(counts[delivery.delivery_id] == 1 for delivery in deliveries())
        causes = Counter(
            recorded.event.intelligence.cause.event_id
            for recorded in log
            if isinstance(recorded.event, LeadIntelligenceUpdated)
        )
        assert sorted(causes) == sorted(delivery.event.event_id for delivery in deliveries())
        assert set(causes.values()) == {1}, "an event was applied twice"
        for lead_id in LEADS:
            lead = await memory.read(lambda uow, wanted=lead_id: uow.leads.get(LOCATION, wanted))
            assert lead is not None
            assert lead.activity.counts[ActivityKind.MESSAGE_IN] == ROUNDS - 1
        rebuilt = await records.rebuild(memory, LOCATION, write=False)
        assert rebuilt.different == ()


@pytest.mark.crash
@pytest.mark.parametrize("point", POINTS, ids=lambda p: f"{p[0]}-{p[1]}-{p[2]}")
def test_kill_9_loses_nothing_acknowledged_and_applies_nothing_twice(
    memory_url: str, tmp_path: Path, point: tuple[str, str, int]
) -> None:
    acked = crash(memory_url, tmp_path, point)
    asyncio.run(recover(memory_url, tmp_path, acked))
