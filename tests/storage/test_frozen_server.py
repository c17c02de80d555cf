"""A PostgreSQL whose processes are stopped, not gone: every call ends with an error, and the next connection works."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
import pytest

from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LOCATION, message

ANSWER_S = 0.5
SOON_S = 90.0

pytestmark = pytest.mark.asyncio


def head(uow: UnitOfWork) -> int:
    return uow.events.head(LOCATION)


@contextmanager
def frozen(url: str) -> Iterator[None]:
    """The server's processes that serve this database stand still; new ones do not."""
    with psycopg.connect(url) as connection:
        serving = connection.execute(
            "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchall()
    for (pid,) in serving:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for (pid,) in serving:
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def used(url: str) -> AsyncIterator[Database]:
    """A database with a connection of each kind."""
    database = Database(url, answer_s=ANSWER_S)
    await database.start()
    try:
        await database.write(head)
        await database.derive(head)
        await database.read(head)
        yield database
    finally:
        await database.aclose()


async def test_no_call_waits_for_ever_and_the_next_ones_get_a_connection_that_answers(
    postgres_url: str,
) -> None:
    async with asyncio.timeout(SOON_S), used(postgres_url) as database:
        with frozen(postgres_url):
            with pytest.raises(StorageUnavailable, match="not known"):
                await database.write(lambda uow: uow.events.append(message("m")))
            with pytest.raises(StorageUnavailable, match="not answered"):
                await database.read(head)
            assert await answered(database) == 0
            with pytest.raises(StorageUnavailable, match="not known"):
                await database.derive(head)


async def answered(database: Database) -> int:
    """Read and write on connections that took the place of those that were cut."""
    while True:
        try:
            await database.read(head)
            return await database.write(head)
        except StorageUnavailable:
            await asyncio.sleep(0.01)


async def test_closing_does_not_wait_for_ever(postgres_url: str) -> None:
    async with asyncio.timeout(SOON_S):
        database = Database(postgres_url, answer_s=ANSWER_S)
        await database.start()
        await database.write(head)
        await database.read(head)
        with frozen(postgres_url):
            calls = [asyncio.ensure_future(call(head)) for call in (database.write, database.read)]
            await asyncio.sleep(0)
            await database.aclose()
            assert all(
                isinstance(outcome, StorageUnavailable)
                for outcome in await asyncio.gather(*calls, return_exceptions=True)
            )


async def test_a_timeout_of_the_change_itself_stays_what_it_is(sqlite_memory: Database) -> None:
    def late(_: UnitOfWork) -> None:
        raise TimeoutError("of its own")

    for call in (sqlite_memory.write, sqlite_memory.read):
        with pytest.raises(TimeoutError, match="of its own"):
            await call(late)
