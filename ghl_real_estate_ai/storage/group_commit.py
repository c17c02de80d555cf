"""The writer: one thread, one commit for all the changes that wait at the same time.

Owned by ``Database``. With 64 callers one fsync serves them all; a lone caller waits for nobody, and a group of changes that
can all be made again (``derive``) does not wait for the disk either.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Final, Protocol

import sqlalchemy as sa

from ghl_real_estate_ai import limits
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.storage.engines import DATABASE_ERRORS, Line, LostRace, our_error
from ghl_real_estate_ai.storage.unit_of_work import SqlUnitOfWork

_RACES: Final = 3
"""How often a change that lost a race against another process is tried again."""


class _Waiting(Protocol):
    """A change of any result type, on its way through the writer."""

    failure: BaseException | None
    waits_for_disk: bool

    def apply(self, uow: UnitOfWork) -> None: ...
    def tell(self) -> None: ...


class _Change[T]:
    """One caller's change, its result or failure, and the future that the caller awaits."""

    def __init__(
        self, change: Callable[[UnitOfWork], T], future: asyncio.Future[T], *, waits_for_disk: bool
    ) -> None:
        self.failure: BaseException | None = None
        self.waits_for_disk = waits_for_disk
        self._change = change
        self._future = future
        self._results: list[T] = []

    def apply(self, uow: UnitOfWork) -> None:
        """Run the change in the open transaction (again, when its group was rolled back)."""
        self._results = [self._change(uow)]

    def tell(self) -> None:
        """In the event loop: hand over what became of it. The caller may be gone (cancelled); the change stands."""
        if self._future.done():
            return
        if self.failure is not None:
            self._future.set_exception(self.failure)
        else:
            self._future.set_result(self._results[0])


class GroupCommit:
    """Takes changes from the event loop, commits them in groups in its own thread, and then tells the callers."""

    def __init__(
        self,
        engine: sa.Engine,
        loop: asyncio.AbstractEventLoop,
        *,
        quick: sa.Engine | None = None,
        answer_s: float | None = None,
    ) -> None:
        """``quick``: an engine on the same database that does not wait for the disk; None: every commit waits.

        ``answer_s``: the longest that a caller waits; None: as long as it takes.
        """
        self._engine = engine
        self._quick = quick or engine
        self._loop = loop
        self._answer_s = answer_s
        self._line = Line()
        self._given_up = False
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)
        self._thread.start()

    async def write[T](self, change: Callable[[UnitOfWork], T], *, waits_for_disk: bool = True) -> T:
        """Returns after the commit. Raises StorageUnavailable when nothing was stored, else what the change raised.

        When there is no answer in time, nobody knows: it may still be stored.
        """
        if self._queue.qsize() >= limits.WRITE_QUEUE:
            raise StorageUnavailable("too many writes are waiting; send again in a moment")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Change(change, future, waits_for_disk=waits_for_disk))
        try:
            async with asyncio.timeout(self._answer_s) as patience:
                return await future
        except TimeoutError as error:
            if not patience.expired():  # the change's own
                raise
            # Not when the writer is busy with later changes: then this one waited for its turn.
            self._line.cut(at_it_s=(self._answer_s or 0.0) / 2)
            raise StorageUnavailable(
                f"the database has not answered for {self._answer_s:g} s, and whether it was stored is not known; "
                "send again"
            ) from error

    def close(self) -> None:
        """Commit what waits, then stop. Blocks; the event loop must run meanwhile, for it tells the callers."""
        self._queue.put(None)
        self._thread.join()

    def give_up(self) -> None:
        """The database hangs: ``close`` shall end, and what waits fail."""
        self._given_up = True
        self._line.cut()

    def _run(self) -> None:
        closing = False
        while not closing:
            first = self._queue.get()
            group = [] if first is None else [first]
            closing = first is None
            while not closing and len(group) < limits.GROUP_COMMIT_MAX:
                try:
                    item = self._queue.get_nowait()
                except Empty:
                    break
                if item is None:
                    closing = True
                else:
                    group.append(item)
            if group:
                self._settle(group)
                try:
                    self._loop.call_soon_threadsafe(_tell, group)
                except RuntimeError:  # the loop was closed without us, and took every caller with it
                    return

    def _settle(self, group: Sequence[_Waiting]) -> None:
        """Commit them together; when one spoils it, commit each alone, so that only the guilty one fails."""
        if self._given_up:
            _fail(group, StorageUnavailable("the database is closed"))
            return
        failure = self._commit(group)
        if failure is None:
            return
        if _database_is_away(failure):
            _fail(group, failure)
            return
        if len(group) == 1 and not isinstance(failure, LostRace):
            group[0].failure = failure
            return
        for number, change in enumerate(group):
            failure = self._commit_alone(change)
            if failure is not None and _database_is_away(failure):
                _fail(group[number:], failure)
                return
            change.failure = failure

    def _commit_alone(self, change: _Waiting) -> BaseException | None:
        """Again after a lost race: of two that wait for each other the database lets one pass each time."""
        failure = self._commit([change])
        for _ in range(_RACES):
            if not isinstance(failure, LostRace):
                break
            failure = self._commit([change])
        return failure

    def _commit(self, group: Sequence[_Waiting]) -> BaseException | None:
        """One transaction. Returns why it was rolled back, None when it is durable."""
        engine = self._engine if any(change.waits_for_disk for change in group) else self._quick
        try:
            with self._line.begin(engine) as connection:
                uow = SqlUnitOfWork(connection)
                for change in group:
                    change.apply(uow)
        except DATABASE_ERRORS as error:
            translated = our_error(error)
            if translated is None:
                return error
            translated.__cause__ = error
            return translated
        except BaseException as error:  # noqa: BLE001  # like any executor: what a change raises belongs to its caller
            return error
        return None


def _database_is_away(failure: BaseException) -> bool:
    """Then trying each change alone would only wait for it again and again."""
    return isinstance(failure, StorageUnavailable) and not isinstance(failure, LostRace)


def _fail(group: Iterable[_Waiting], failure: BaseException) -> None:
    """Each caller gets an error of its own: one that is raised in many places collects all their tracebacks."""
    for change in group:
        change.failure = StorageUnavailable(str(failure))
        change.failure.__cause__ = failure.__cause__


def _tell(group: Iterable[_Waiting]) -> None:
    for change in group:
        change.tell()
