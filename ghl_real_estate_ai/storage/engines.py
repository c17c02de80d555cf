"""How a URL becomes connections: drivers, durability, lock waits, and which failures mean "try again".

Called by ``Database`` and ``GroupCommit``. Nothing here knows a table.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from ghl_real_estate_ai import limits
from ghl_real_estate_ai.errors import ConfigurationError, EnterpriseHubError, InputError, StorageUnavailable

Access = Literal["write", "read"]
DATABASE_ERRORS: Final = (sa.exc.SQLAlchemyError, sqlite3.Error)
"""What a transaction may raise that is not our own. Plain ``sqlite3`` errors come from the connect hook."""

_LOST_RACE: Final = "40"
"""SQLSTATE class of deadlocks and serialization failures: nothing is wrong with the change itself."""


class LostRace(StorageUnavailable):
    """Another process won a deadlock. The change may succeed when it is tried alone."""


class Line:
    """The connection that a thread is using, so that another one can cut it off from a server that does not answer."""

    def __init__(self) -> None:
        self.is_cut = False
        self._driver: Any = None
        self._since = monotonic()

    @contextmanager
    def begin(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        """A transaction; it can be cut off until it is committed."""
        self._since = monotonic()
        try:
            with engine.begin() as connection:
                self._driver = connection.connection.driver_connection
                yield connection
        finally:
            self._driver = None

    def cut(self, *, at_it_s: float = 0.0) -> None:
        """Whoever waits in the transaction gets an error now, if it began ``at_it_s`` ago. Files have no line to cut."""
        driver = self._driver
        if driver is None or not hasattr(driver, "fileno") or monotonic() - self._since < at_it_s:
            return
        self.is_cut = True
        # Closing it under the other thread would free the number of its socket for somebody else's.
        with suppress(OSError, sa.exc.DBAPIError), socket.socket(fileno=os.dup(driver.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


def make_engine(
    url: str, *, access: Access, connections: int, sqlite_synchronous: str, waits_for_disk: bool = True
) -> sa.Engine:
    """A pool of at most ``connections``. Connects lazily. Raises ConfigurationError for a URL that we cannot use.

    ``waits_for_disk`` False: a commit is whole and in order, but a power cut may take the newest ones. A later commit that
    waits takes them along: both kinds share one write-ahead log.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigurationError(
            "DATABASE_URL is not a URL; write postgresql://user:password@host/name"
        ) from error
    pool = {"pool_size": connections, "max_overflow": 0}
    match parsed.get_backend_name():
        case "sqlite":
            synchronous = sqlite_synchronous if waits_for_disk else "NORMAL"
            return _sqlite_engine(parsed, access=access, pool=pool, synchronous=synchronous)
        case "postgresql" | "postgres":
            return _postgresql_engine(parsed, access=access, pool=pool, waits_for_disk=waits_for_disk)
    raise ConfigurationError("DATABASE_URL must begin with postgresql:// or sqlite:///")


def _sqlite_engine(url: sa.URL, *, access: Access, pool: dict[str, int], synchronous: str) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError("DATABASE_URL: SQLite needs a file, as in sqlite:///data/enterprisehub.db")
    file = Path(url.database)
    file.parent.mkdir(parents=True, exist_ok=True)
    # It holds personal data, and SQLite gives its WAL the same mode. A file that exists keeps the operator's mode.
    file.touch(mode=0o600)
    engine = sa.create_engine(url, pool_size=pool["pool_size"], max_overflow=pool["max_overflow"])
    # A write takes the lock at once: a transaction that reads first and then wants to write would fail instead of wait.
    begin = "BEGIN IMMEDIATE" if access == "write" else "BEGIN DEFERRED"

    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself; see `begin`
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {int(limits.DATABASE_LOCK_WAIT_S * 1_000)}",
            "journal_mode = WAL",
            f"synchronous = {synchronous}",
            "foreign_keys = ON",
            "secure_delete = ON",
            f"query_only = {'OFF' if access == 'write' else 'ON'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _postgresql_engine(
    url: sa.URL, *, access: Access, pool: dict[str, int], waits_for_disk: bool
) -> sa.Engine:
    options = [
        # A plan that is kept from when a table was empty would walk through a tenant's whole log for each delivery.
        "-c plan_cache_mode=force_custom_plan",
        str(url.query.get("options", "")),
        f"-c lock_timeout={int(limits.DATABASE_LOCK_WAIT_S)}s",
    ]
    if not waits_for_disk:
        options.append("-c synchronous_commit=off")
    if access == "read":
        options.append("-c default_transaction_read_only=on")
        options.append(r"-c default_transaction_isolation=repeatable\ read")
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool["pool_size"],
        max_overflow=pool["max_overflow"],
        connect_args={
            "options": " ".join(options).strip(),
            "connect_timeout": int(limits.OUTBOUND_TIMEOUT_S),
            "tcp_user_timeout": int(limits.OUTBOUND_TIMEOUT_S * 1_000),
        },
    )


def our_error(error: sa.exc.SQLAlchemyError | sqlite3.Error) -> EnterpriseHubError | None:
    """The error of our tree that a database error stands for; None for one that is a bug of ours."""
    original = getattr(error, "orig", None) or error
    reason = str(original).partition("\n")[0]
    if str(getattr(original, "sqlstate", "")).startswith(_LOST_RACE):
        return LostRace(f"not stored, send again: {reason}")
    if isinstance(error, sa.exc.DataError):
        return InputError(f"a value does not fit the database: {reason}")
    if isinstance(error, (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.NotSupportedError)):
        return None
    if isinstance(error, (sa.exc.DBAPIError, sqlite3.Error)):
        return StorageUnavailable(f"the database is not available: {reason}")
    return None
