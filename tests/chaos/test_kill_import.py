"""kill -9 in the middle of an import: it goes on where it was, nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.simulation.ghl_city import apply_all
from tests.support import import_child
from tests.support.crm_city import connect, setup_of, small_city
from tests.support.fake_ghl import FakeGhl, fake_ghl_in_thread
from tests.support.import_child import database, import_all
from tests.support.memory import sqlite_url
from tests.support.preloaded import exit_code

pytestmark = [pytest.mark.crash, pytest.mark.asyncio, pytest.mark.untraced]


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeGhl]:
    """An account in which the small city has lived."""
    with fake_ghl_in_thread() as running:
        apply_all(running.home, small_city().events())
        yield running


@pytest.fixture(scope="module")
def expected(fake: FakeGhl, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What an import without an accident stores."""
    return asyncio.run(undisturbed(fake, tmp_path_factory.mktemp("undisturbed")))


async def stored(memory: Memory, location: str) -> dict[str, int]:
    """Every event id in the log with its number of rows."""
    log = await memory.read(lambda uow: uow.events.read(LocationId(location), after=0, limit=100_000))
    assert [recorded.position for recorded in log] == list(range(1, len(log) + 1))
    ids = [recorded.event.event_id for recorded in log]
    return {event_id: ids.count(event_id) for event_id in ids}


async def undisturbed(fake: FakeGhl, folder: Path) -> dict[str, int]:
    async with database(sqlite_url(folder)) as memory:
        await connect(memory, setup_of(fake))
        await import_all(memory, ghl_url=fake.url, token=fake.pit)
        return await stored(memory, fake.location_id)


@pytest.mark.parametrize(("moment", "number"), [("before", 1), ("inside", 4), ("after", 4)])
async def test_an_import_that_was_killed_goes_on_without_loss_or_double(
    fake: FakeGhl, expected: dict[str, int], tmp_path: Path, moment: str, number: int
) -> None:
    url = sqlite_url(tmp_path)
    async with database(url) as memory:
        await connect(memory, setup_of(fake))
    assert exit_code(import_child.run, url, fake.url, fake.pit, moment, number) == -signal.SIGKILL
    async with database(url) as memory:
        before = await stored(memory, fake.location_id)
        assert len(before) < len(expected)
        await import_all(memory, ghl_url=fake.url, token=fake.pit)
        assert await stored(memory, fake.location_id) == expected
        done = await memory.read(
            lambda uow: [uow.sync.progress(LocationId(fake.location_id), source) for source in SyncSource]
        )
        assert all(progress and progress.caught_up_at for progress in done)
