"""Real databases for the tests, started and migrated.

Gives the fixtures ``memory_url`` and ``memory`` (each test runs on SQLite and on PostgreSQL) and ``sqlite_memory``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from ghl_real_estate_ai.storage.database import Database


def sqlite_url(folder: Path) -> str:
    """The URL of a SQLite file in the folder."""
    return f"sqlite:///{folder / 'enterprisehub.db'}"


def spoil(folder: Path, change: sa.Update) -> None:
    """Change rows of the SQLite file in the folder as a later version, or a failing disk, would."""
    engine = sa.create_engine(sqlite_url(folder))
    with engine.begin() as connection:
        connection.execute(change)
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def memory_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh, empty database; once per kind."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return sqlite_url(tmp_path)


@pytest_asyncio.fixture
async def memory(memory_url: str) -> AsyncIterator[Database]:
    """A started memory; once per kind of database."""
    async with Database(memory_url) as database:
        yield database


@pytest_asyncio.fixture
async def sqlite_memory(tmp_path: Path) -> AsyncIterator[Database]:
    """A started memory on SQLite, for tests to which the database is a means."""
    async with Database(sqlite_url(tmp_path), sqlite_synchronous="NORMAL") as database:
        yield database
