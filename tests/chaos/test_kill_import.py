"""kill -9 in the middle of an import: it goes on where it was, nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.simulation.ghl_city import apply_all
from tests.support.crm_city import connect, setup_of, small_city
from tests.support.fake_ghl import FakeGhl, fake_ghl
from tests.support.import_child import database, import_all
from tests.support.memory import sqlite_url

pytestmark = [pytest.mark.crash, pytest.mark.asyncio]

ROOT = Path(__file__).parents[2]


async def killed(url: str, fake: FakeGhl, moment: str, number: int) -> None:
    """Run the child until it kills itself."""
    command = [
        sys.executable,
        "-m",
        "tests.support.import_child",
        url,
        fake.url,
        fake.pit,
        moment,
        str(number),
    ]
    done = await asyncio.to_thread(
        lambda: subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


async def stored(memory: Memory, location: str) -> dict[str, int]:
    """Every event id in the log with its number of rows."""
    log = await memory.read(lambda uow: uow.events.read(LocationId(location), after=0, limit=100_000))
    assert [recorded.position for recorded in log] == list(range(1, len(log) + 1))
    ids = [recorded.event.event_id for recorded in log]
    return {event_id: ids.count(event_id) for event_id in ids}


async def undisturbed(fake: FakeGhl, folder: Path) -> dict[str, int]:
    """What an import without an accident stores."""
    folder.mkdir()
    async with database(sqlite_url(folder)) as memory:
        await connect(memory, setup_of(fake))
        await import_all(memory, ghl_url=fake.url, token=fake.pit)
        return await stored(memory, fake.location_id)


@pytest.mark.parametrize(("moment", "number"), [("before", 1), ("inside", 4), ("after", 4)])
async def test_an_import_that_was_killed_goes_on_without_loss_or_double(
    tmp_path: Path, moment: str, number: int
) -> None:
    async with fake_ghl() as fake:
        apply_all(fake.home, small_city().events())
        expected = await undisturbed(fake, tmp_path / "undisturbed")
        url = sqlite_url(tmp_path)
        async with database(url) as memory:
            await connect(memory, setup_of(fake))
        await killed(url, fake, moment, number)
        async with database(url) as memory:
            before = await stored(memory, fake.location_id)
            assert len(before) < len(expected)
            await import_all(memory, ghl_url=fake.url, token=fake.pit)
            assert await stored(memory, fake.location_id) == expected
            done = await memory.read(
                lambda uow: [uow.sync.progress(LocationId(fake.location_id), source) for source in SyncSource]
            )
            assert all(progress and progress.caught_up_at for progress in done)
