"""The writer: what shares a commit, whom a failure reaches, and what the callers are told."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from ghl_real_estate_ai import limits
from ghl_real_estate_ai.errors import Conflict, StorageUnavailable
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.storage.database import Database
from ghl_real_estate_ai.storage.engines import make_engine
from ghl_real_estate_ai.storage.group_commit import GroupCommit
from tests.support.facts import LOCATION, message
from tests.support.memory import sqlite_url

pytestmark = pytest.mark.asyncio


class Door:
    """A change that keeps the writer busy until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, _: UnitOfWork) -> None:
        self.entered.set()
        assert self.opened.wait(30)

    async def wait_inside(self) -> None:
        await asyncio.to_thread(self.entered.wait, 30)


async def behind_a_door(memory: Database, *changes: Callable[[UnitOfWork], object]) -> list[object]:
    """Run changes that all wait at the same time, so that they form one group."""
    door = Door()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(memory.write(door))
        await door.wait_inside()
        waiting = [asyncio.ensure_future(memory.write(change)) for change in changes]
        await asyncio.sleep(0)
        door.opened.set()
        return await asyncio.gather(*waiting, return_exceptions=True)


async def test_changes_that_wait_together_share_a_transaction(sqlite_memory: Database) -> None:
    stores: list[object] = []

    await behind_a_door(sqlite_memory, *[lambda uow: stores.append(uow.events)] * 5)

    assert len(stores) == 5
    assert len({id(store) for store in stores}) == 1


async def test_no_group_is_larger_than_the_limit(sqlite_memory: Database) -> None:
    stores: list[object] = []

    await behind_a_door(
        sqlite_memory, *[lambda uow: stores.append(uow.events)] * (limits.GROUP_COMMIT_MAX + 1)
    )

    assert [stores.count(store) for store in dict.fromkeys(stores)] == [limits.GROUP_COMMIT_MAX, 1]


async def test_changes_run_in_the_writers_thread(sqlite_memory: Database) -> None:
    names = {await sqlite_memory.write(lambda _: threading.current_thread().name) for _ in range(3)}

    assert names == {"storage-writer"}


async def test_only_the_guilty_change_of_a_group_fails(sqlite_memory: Database) -> None:
    def guilty(uow: UnitOfWork) -> None:
        uow.events.append(message("guilty"))
        raise Conflict("of its own making")

    outcomes = await behind_a_door(
        sqlite_memory,
        lambda uow: uow.events.append(message("before")) is not None,
        guilty,
        lambda uow: uow.events.append(message("after")) is not None,
    )

    assert outcomes[0] is outcomes[2] is True
    assert isinstance(outcomes[1], Conflict)
    stored = await sqlite_memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=10))
    assert [(fact.position, fact.delivery_id) for fact in stored] == [(1, "before"), (2, "after")]


async def test_even_an_interrupt_inside_a_change_reaches_its_caller_only(sqlite_memory: Database) -> None:
    class Stop(BaseException):
        pass

    def stop(_: UnitOfWork) -> None:
        raise Stop

    with pytest.raises(Stop):
        await sqlite_memory.write(stop)
    assert await sqlite_memory.write(lambda uow: uow.events.head(LOCATION)) == 0


async def test_a_cancelled_caller_disturbs_nobody(sqlite_memory: Database) -> None:
    door = Door()
    busy = asyncio.ensure_future(sqlite_memory.write(door))
    await door.wait_inside()
    gone = asyncio.ensure_future(sqlite_memory.write(lambda uow: uow.events.append(message("gone"))))
    there = asyncio.ensure_future(sqlite_memory.write(lambda uow: uow.events.head(LOCATION)))
    await asyncio.sleep(0)
    gone.cancel()
    door.opened.set()

    assert await there == 1
    await busy
    assert gone.cancelled()


async def test_a_full_queue_refuses_at_once(sqlite_memory: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WRITE_QUEUE", 2)
    door = Door()
    waiting = [asyncio.ensure_future(sqlite_memory.write(door))]
    await door.wait_inside()
    waiting += [
        asyncio.ensure_future(sqlite_memory.write(lambda uow: uow.events.head(LOCATION))) for _ in "ab"
    ]
    await asyncio.sleep(0)

    with pytest.raises(StorageUnavailable, match="too many writes"):
        await sqlite_memory.write(lambda uow: uow.events.head(LOCATION))
    door.opened.set()
    assert await asyncio.gather(*waiting) == [None, 0, 0]


async def test_closing_commits_what_waits(tmp_path: Path) -> None:
    memory = Database(sqlite_url(tmp_path))
    await memory.start()
    door = Door()
    busy = asyncio.ensure_future(memory.write(door))
    await door.wait_inside()
    late = asyncio.ensure_future(memory.write(lambda uow: uow.events.append(message("late"))))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(memory.aclose())
    await asyncio.sleep(0)
    door.opened.set()
    await closing

    assert await late is not None
    await busy
    async with Database(sqlite_url(tmp_path)) as again:
        assert await again.read(lambda uow: uow.events.head(LOCATION)) == 1


async def test_a_closed_memory_says_so(tmp_path: Path) -> None:
    memory = Database(sqlite_url(tmp_path))
    with pytest.raises(StorageUnavailable, match="closed"):
        await memory.write(lambda uow: uow.events.head(LOCATION))
    await memory.start()
    await memory.aclose()
    await memory.aclose()

    with pytest.raises(StorageUnavailable, match="closed"):
        await memory.write(lambda uow: uow.events.head(LOCATION))
    with pytest.raises(StorageUnavailable, match="closed"):
        await memory.read(lambda uow: uow.events.head(LOCATION))


async def test_a_locked_file_fails_the_whole_group_and_then_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DATABASE_LOCK_WAIT_S", 0.05)
    async with Database(sqlite_url(tmp_path)) as memory:
        other = sqlite3.connect(tmp_path / "enterprisehub.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        outcomes = await asyncio.gather(
            *(memory.write(lambda uow, n=n: uow.events.append(message(f"d-{n}"))) for n in range(3)),
            return_exceptions=True,
        )
        other.execute("ROLLBACK")
        other.close()

        assert [type(outcome) for outcome in outcomes] == [StorageUnavailable] * 3
        assert all("locked" in str(outcome) for outcome in outcomes)
        assert await memory.write(lambda uow: uow.events.append(message("d-0"))) is not None


def fill(uow: UnitOfWork) -> None:
    """Meet the end of the disk."""
    uow.tenants._connection.exec_driver_sql("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]
    uow.tenants.put_location(Location(location_id=LOCATION, name="x" * 1_000_000))


async def test_when_the_database_goes_while_each_is_tried_alone_the_rest_fail_too(
    sqlite_memory: Database,
) -> None:
    def guilty(_: UnitOfWork) -> None:
        raise Conflict("of its own making")

    outcomes = await behind_a_door(sqlite_memory, guilty, fill, lambda uow: uow.events.head(LOCATION))

    assert [type(outcome) for outcome in outcomes] == [Conflict, StorageUnavailable, StorageUnavailable]
    assert outcomes[1] is not outcomes[2]


async def test_a_change_that_loses_a_race_is_tried_again_a_few_times(sqlite_memory: Database) -> None:
    tries: list[int] = []

    def lose(times: int) -> Callable[[UnitOfWork], int]:
        def change(_: UnitOfWork) -> int:
            tries.append(times)
            if tries.count(times) <= times:
                raise sa.exc.OperationalError("UPDATE", None, psycopg.errors.DeadlockDetected("deadlock"))
            return times

        return change

    assert await sqlite_memory.write(lose(2)) == 2
    with pytest.raises(StorageUnavailable, match="deadlock"):
        await sqlite_memory.write(lose(99))
    assert tries.count(99) < 9


async def test_a_bug_in_a_statement_is_shown_as_it_is(sqlite_memory: Database) -> None:
    def broken(_: UnitOfWork) -> None:
        raise sa.exc.ProgrammingError("SELEC", None, sqlite3.ProgrammingError("syntax"))

    with pytest.raises(sa.exc.ProgrammingError):
        await sqlite_memory.write(broken)
    with pytest.raises(sa.exc.ProgrammingError):
        await sqlite_memory.read(broken)


async def test_a_start_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "enterprisehub.db").write_text(
        "this is no database, and it is long enough to be read as one" * 20
    )
    memory = Database(sqlite_url(tmp_path))

    with pytest.raises(StorageUnavailable, match="not a database"):
        await memory.start()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("storage-")]


async def test_a_writer_whose_loop_is_gone_ends_quietly(tmp_path: Path) -> None:
    engine = make_engine(sqlite_url(tmp_path), access="write", connections=1, sqlite_synchronous="NORMAL")
    door = Door()

    def leave_without_closing() -> GroupCommit:
        loop = asyncio.new_event_loop()
        writer = GroupCommit(engine, loop)
        task = loop.create_task(writer.write(door))
        loop.run_until_complete(door.wait_inside())
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        return writer

    writer = await asyncio.to_thread(leave_without_closing)
    door.opened.set()
    await asyncio.to_thread(writer.close)
    engine.dispose()


async def test_a_full_disk_is_storage_unavailable(sqlite_memory: Database) -> None:
    with pytest.raises(StorageUnavailable, match="full"):
        await sqlite_memory.write(fill)


async def test_a_query_cannot_write(sqlite_memory: Database) -> None:
    with pytest.raises(StorageUnavailable, match="readonly"):
        await sqlite_memory.read(lambda uow: uow.events.append(message("d-1")))


async def test_what_can_be_made_again_keeps_its_order_among_what_waits_for_the_disk(memory: Database) -> None:
    for number in range(6):
        keep = memory.derive if number % 2 else memory.write
        recorded = await keep(lambda uow, n=number: uow.events.append(message(f"m-{n}")))  # type: ignore[misc]
        assert recorded is not None
        assert recorded.position == number + 1
    together = await asyncio.gather(
        memory.derive(lambda uow: uow.events.head(LOCATION)),
        memory.write(lambda uow: uow.events.head(LOCATION)),
    )
    assert together == [6, 6]
