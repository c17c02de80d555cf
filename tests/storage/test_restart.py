"""A PostgreSQL that goes away and comes back: nothing is acknowledged meanwhile, and everything works after."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LOCATION, message
from tests.support.postgres import PostgresServer, required_programs

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A cluster of one's own: others must not feel the restart."""
    with tempfile.TemporaryDirectory(prefix="enterprisehub-postgres-") as folder:
        made = PostgresServer(required_programs(), Path(folder))
        made.create()
        made.start()
        yield made
        made.stop()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_writes_fail_while_the_server_is_away_and_recover_after(
    server: PostgresServer, how: signal.Signals
) -> None:
    async with Database(server.url(server.new_database())) as memory:
        await memory.write(lambda uow: uow.events.append(message("d-1")))
        await memory.read(lambda uow: uow.events.head(LOCATION))
        server.stop(how)
        with pytest.raises(StorageUnavailable):
            await memory.write(lambda uow: uow.events.append(message("d-2")))
        with pytest.raises(StorageUnavailable):
            await memory.read(lambda uow: uow.events.head(LOCATION))
        server.start()

        assert await memory.read(lambda uow: uow.events.head(LOCATION)) == 1
        again = await memory.write(lambda uow: uow.events.append(message("d-2")))
        assert again is not None
        assert again.position == 2


async def test_a_server_that_restarted_unnoticed_costs_one_write_at_most(server: PostgresServer) -> None:
    async with Database(server.url(server.new_database())) as memory:
        await memory.write(lambda uow: uow.events.append(message("d-1")))
        server.stop(signal.SIGQUIT)
        server.start()

        with pytest.raises(StorageUnavailable):
            await memory.write(lambda uow: uow.events.append(message("d-2")))
        assert await memory.write(lambda uow: uow.events.append(message("d-2"))) is not None
