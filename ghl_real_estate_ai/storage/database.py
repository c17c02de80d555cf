"""Our memory: SQLite or PostgreSQL behind ``ports.Memory``.

Opened and closed by ``bootstrap``; every service reads and writes through it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

import sqlalchemy as sa

from ghl_real_estate_ai import limits
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.storage.compaction import compact
from ghl_real_estate_ai.storage.engines import DATABASE_ERRORS, Line, make_engine, our_error
from ghl_real_estate_ai.storage.group_commit import GroupCommit
from ghl_real_estate_ai.storage.migrations import migrate
from ghl_real_estate_ai.storage.unit_of_work import SqlUnitOfWork


class Database:
    """``ports.Memory``. Reads run in a few threads, each on a consistent view; writes go through the group commit."""

    def __init__(self, url: str, *, sqlite_synchronous: str = "FULL", answer_s: float | None = None) -> None:
        """Nothing is opened yet. Raises ConfigurationError for a URL that we cannot use.

        ``answer_s``: the longest that a read or write waits for the database; None: as long as it takes, as an operator's
        command may. Migration and compaction always do.
        """
        self._answer_s = answer_s
        self._reading: set[Line] = set()
        # Two writing connections: the group commit's own, and one for compaction.
        self._writer_engine: Final = make_engine(
            url, access="write", connections=2, sqlite_synchronous=sqlite_synchronous
        )
        self._quick_engine: Final = make_engine(
            url,
            access="write",
            connections=1,
            sqlite_synchronous=sqlite_synchronous,
            waits_for_disk=False,
        )
        self._reader_engine: Final = make_engine(
            url, access="read", connections=limits.DATABASE_READERS, sqlite_synchronous=sqlite_synchronous
        )
        self._readers: ThreadPoolExecutor | None = None
        self._writer: GroupCommit | None = None

    async def start(self) -> None:
        """Bring the tables up to date and open the doors. Raises StorageUnavailable or ConfigurationError."""
        loop = asyncio.get_running_loop()
        self._readers = ThreadPoolExecutor(limits.DATABASE_READERS, thread_name_prefix="storage-reader")
        try:
            await self._in_reader(lambda: migrate(self._writer_engine))
        except BaseException:  # whatever went wrong, cancelled too: leave no thread and no connection behind
            await self.aclose()
            raise
        self._writer = GroupCommit(
            self._writer_engine, loop, quick=self._quick_engine, answer_s=self._answer_s
        )

    async def aclose(self) -> None:
        """Commit what waits, let running reads end, close every connection. Later calls raise StorageUnavailable.

        What the database does not answer in time is cut off.
        """
        readers, writer = self._readers, self._writer
        self._readers = self._writer = None
        if writer is not None:
            await self._ended(writer.close, or_else=writer.give_up)
        if readers is not None:
            await self._ended(readers.shutdown, or_else=self._cut_reads)
        self._writer_engine.dispose()
        self._quick_engine.dispose()
        self._reader_engine.dispose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
        """Run a query on a consistent view; again, when the server was restarted since. Raises StorageUnavailable."""
        line = Line()
        try:
            async with asyncio.timeout(self._answer_s) as patience:
                return await self._in_reader(lambda: self._query(query, line))
        except TimeoutError as error:
            if not patience.expired():  # the query's own
                raise
            line.cut()
            raise StorageUnavailable(f"the database has not answered for {self._answer_s:g} s") from error

    async def write[T](self, change: Callable[[UnitOfWork], T]) -> T:
        """Run a change; returns when it is durable, and raises StorageUnavailable when it is not.

        What the change itself raises is raised here, and then nothing of it is stored. A caller that is cancelled
        while it waits does not know: the change may still become durable.
        """
        return await self._open_writer().write(change)

    async def derive[T](self, change: Callable[[UnitOfWork], T]) -> T:
        """As ``write``, for what can be made again from what is stored: a power cut, not a crash, may take the newest.

        A later ``write`` that returned has made it durable too.
        """
        return await self._open_writer().write(change, waits_for_disk=False)

    def _open_writer(self) -> GroupCommit:
        if self._writer is None:
            raise StorageUnavailable("the database is closed")
        return self._writer

    async def compact(self) -> None:
        """Make erased bytes leave the files; call it after ``forget``. Raises StorageUnavailable; safe to repeat.

        SQLite rewrites its file and empties its WAL; writers of this and other processes wait meanwhile. PostgreSQL
        vacuums the tables beside running writes; its own WAL segments and every backup age out by their retention.
        """
        await self._in_reader(lambda: compact(self._writer_engine))

    async def _in_reader[T](self, work: Callable[[], T]) -> T:
        if self._readers is None:
            raise StorageUnavailable("the database is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, work)
        except DATABASE_ERRORS as error:
            translated = our_error(error)
            if translated is None:
                raise
            raise translated from error

    def _query[T](self, query: Callable[[UnitOfWork], T], line: Line) -> T:
        self._reading.add(line)
        try:
            return self._query_once(query, line)
        except sa.exc.DBAPIError as error:
            if not error.connection_invalidated or line.is_cut:
                raise
            return self._query_once(query, line)
        finally:
            self._reading.discard(line)

    def _query_once[T](self, query: Callable[[UnitOfWork], T], line: Line) -> T:
        with line.begin(self._reader_engine) as connection:
            return query(SqlUnitOfWork(connection))

    def _cut_reads(self) -> None:
        for line in tuple(self._reading):
            line.cut()

    async def _ended(self, close: Callable[[], None], *, or_else: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            closing = tasks.create_task(asyncio.to_thread(close), name="storage: close")
            ended, _ = await asyncio.wait({closing}, timeout=self._answer_s)
            if not ended:
                or_else()
