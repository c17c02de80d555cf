"""URLs that become connections, and database errors that become ours."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from ghl_real_estate_ai.errors import ConfigurationError, EnterpriseHubError, InputError, StorageUnavailable
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.storage.database import Database
from ghl_real_estate_ai.storage.engines import LostRace, make_engine, our_error


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:", "postgres"]
)
def test_an_unusable_url_is_a_configuration_error_that_names_the_variable(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        Database(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_urls_get_the_installed_driver(scheme: str) -> None:
    engine = make_engine(f"{scheme}://u:p@h/n", access="read", connections=1, sqlite_synchronous="FULL")

    assert engine.dialect.driver == "psycopg"
    assert engine.url.database == "n"


def test_the_sqlite_files_folder_is_made(tmp_path: Path) -> None:
    make_engine(f"sqlite:///{tmp_path}/a/b/hub.db", access="write", connections=1, sqlite_synchronous="FULL")

    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.asyncio
async def test_only_the_owner_may_read_the_sqlite_files(tmp_path: Path) -> None:
    async with Database(f"sqlite:///{tmp_path}/hub.db") as memory:
        await memory.write(
            lambda uow: uow.tenants.put_location(Location(location_id=LocationId("l"), name="n"))
        )
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}

    assert modes == {"hub.db": 0o600, "hub.db-wal": 0o600, "hub.db-shm": 0o600}


@pytest.mark.parametrize(("level", "number"), [("FULL", 2), ("NORMAL", 1)])
def test_sqlite_is_durable_in_wal_and_wipes_what_it_deletes(tmp_path: Path, level: str, number: int) -> None:
    engine = make_engine(
        f"sqlite:///{tmp_path}/hub.db", access="write", connections=1, sqlite_synchronous=level
    )
    with engine.connect() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "busy_timeout")
        ]
    engine.dispose()

    assert values == ["wal", number, 1, 1, 5_000]


def wrapped(kind: type[sa.exc.DBAPIError], original: Exception) -> sa.exc.DBAPIError:
    return kind("SELECT 1", None, original)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (wrapped(sa.exc.OperationalError, sqlite3.OperationalError("disk I/O error")), StorageUnavailable),
        (wrapped(sa.exc.InterfaceError, sqlite3.InterfaceError("gone")), StorageUnavailable),
        (wrapped(sa.exc.DatabaseError, sqlite3.DatabaseError("malformed")), StorageUnavailable),
        (sqlite3.OperationalError("database is locked"), StorageUnavailable),
        (wrapped(sa.exc.OperationalError, psycopg.errors.DeadlockDetected("deadlock")), LostRace),
        (wrapped(sa.exc.DataError, psycopg.DataError("NUL")), InputError),
        (wrapped(sa.exc.IntegrityError, sqlite3.IntegrityError("unique")), None),
        (wrapped(sa.exc.ProgrammingError, sqlite3.ProgrammingError("syntax")), None),
        (sa.exc.ArgumentError("not a statement"), None),
    ],
)
def test_errors_are_translated_by_what_the_caller_can_do(
    error: sa.exc.SQLAlchemyError | sqlite3.Error, ours: type[EnterpriseHubError] | None
) -> None:
    translated = our_error(error)

    assert type(translated) is (ours or type(None))


def test_a_translated_error_is_one_line() -> None:
    original = psycopg.OperationalError("connection to server failed\nIs the server running?")

    assert str(our_error(wrapped(sa.exc.OperationalError, original))) == (
        "the database is not available: connection to server failed"
    )


@pytest.mark.parametrize(("waits", "level"), [(True, 2), (False, 1)])
def test_a_commit_waits_for_the_disk_unless_what_it_stores_can_be_made_again(
    tmp_path: Path, waits: bool, level: int
) -> None:
    engine = make_engine(
        f"sqlite:///{tmp_path / 'one.db'}",
        access="write",
        connections=1,
        sqlite_synchronous="FULL",
        waits_for_disk=waits,
    )
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
    engine.dispose()


@pytest.mark.postgres
@pytest.mark.parametrize(("waits", "answer"), [(True, "on"), (False, "off")])
def test_the_same_on_postgresql(postgres_url: str, waits: bool, answer: str) -> None:
    engine = make_engine(
        postgres_url, access="write", connections=1, sqlite_synchronous="FULL", waits_for_disk=waits
    )
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == answer
    engine.dispose()
