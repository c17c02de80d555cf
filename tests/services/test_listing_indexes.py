"""What keeping the indexes promises: whatever the log says is in them, and nobody waits for what can be done aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.limits import LISTING_BATCH_ROWS
from ghl_real_estate_ai.models.identifiers import ListingKey, LocationId
from ghl_real_estate_ai.models.properties import Wishes
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.listing_indexes import ListingIndexes
from tests.support.fake_memory import FakeMemory
from tests.support.listing_imports import homes, imported

pytestmark = pytest.mark.asyncio

OURS = LocationId("ours")
AUSTIN = Wishes(city="Austin")


def numbered(first: int, last: int) -> list[str]:
    return [f"K{number:06d}" for number in range(first, last)]


async def a_memory(count: int) -> FakeMemory:
    memory = FakeMemory()
    await memory.write(lambda uow: uow.listings.put_many(OURS, homes(*numbered(0, count))))
    return memory


@asynccontextmanager
async def running(indexes: ListingIndexes) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(indexes.run())
        yield
        task.cancel()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


async def keys(indexes: ListingIndexes, k: int = 3) -> list[str]:
    return [hit.listing_key for hit in (await indexes.index(OURS)).query(AUSTIN, k)]


async def test_a_tenant_of_several_pages_is_read_whole_with_what_came_in_between() -> None:
    class ImportsBetweenPages(FakeMemory):
        async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
            result = await super().read(query)
            if self.reads == 1:
                await imported(self, OURS, homes("K000000a"))  # before the second page
            return result

    memory = ImportsBetweenPages()
    names = numbered(0, LISTING_BATCH_ROWS + 7)
    await memory.write(lambda uow: uow.listings.put_many(OURS, homes(*names)))
    indexes = ListingIndexes(memory=memory, kernel_cache=None)
    assert len(await indexes.index(OURS)) == len(names) + 1
    assert await keys(indexes, 2) == ["K000000", "K000000a"]


async def test_an_import_reads_the_homes_that_it_names_and_no_others() -> None:
    class Reads(FakeMemory):
        async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
            result = await super().read(query)
            seen.append(result)
            return result

    seen: list[object] = []
    memory = Reads()
    await memory.write(lambda uow: uow.listings.put_many(OURS, homes(*numbered(0, 50))))
    indexes = ListingIndexes(memory=memory, kernel_cache=None)
    await indexes.index(OURS)
    sold = [home.model_copy(update={"standard_status": "Closed"}) for home in homes("K000000")]
    await imported(memory, OURS, [*sold, *homes("A")])
    indexes.invalidate(OURS)
    assert await keys(indexes) == ["A", "K000001", "K000002"]
    assert memory.reads == 2
    assert "changed=frozenset" in repr(seen[1])


async def test_many_imports_at_once_are_all_taken_in() -> None:
    memory = await a_memory(3)
    indexes = ListingIndexes(memory=memory, kernel_cache=None)
    await indexes.index(OURS)
    for number in range(11):
        await imported(memory, OURS, homes(f"N{number}"))
    indexes.invalidate(OURS)  # one wake-up for all: others were lost
    assert len(await indexes.index(OURS)) == 14


async def test_a_read_that_fails_is_made_up_for_by_the_next() -> None:
    memory = await a_memory(2)
    indexes = ListingIndexes(memory=memory, kernel_cache=None)
    await indexes.index(OURS)
    await imported(memory, OURS, homes("A"))
    indexes.invalidate(OURS)
    memory.away = True
    with pytest.raises(StorageUnavailable):
        await indexes.index(OURS)
    memory.away = False
    assert len(await indexes.index(OURS)) == 3


async def test_what_was_imported_is_read_in_the_background_and_a_failure_ends_nothing() -> None:
    memory = await a_memory(2)
    indexes = ListingIndexes(memory=memory, kernel_cache=None)
    await indexes.index(OURS)
    async with running(indexes):
        memory.away = True
        await imported(memory, OURS, homes("A"))
        indexes.invalidate(OURS)
        reads = memory.reads
        await until(lambda: memory.reads > reads)
        memory.away = False
        indexes.invalidate(OURS)
        await until(lambda: not indexes._behind(OURS, indexes._held[OURS]))
        assert await keys(indexes, 1) == ["A"]


async def test_a_large_change_becomes_one_segment_in_the_background_and_loses_nothing() -> None:
    memory = await a_memory(100)
    indexes = ListingIndexes(memory=memory, kernel_cache=None)
    await indexes.index(OURS)
    await imported(memory, OURS, homes(*(f"N{number:05d}" for number in range(3_000))))
    indexes.invalidate(OURS)
    assert (await indexes.index(OURS)).wants_compaction
    async with running(indexes):
        await imported(memory, OURS, homes("A"))
        indexes.invalidate(OURS)
        await until(lambda: not indexes._held[OURS].homes.wants_compaction)
        assert len(await indexes.index(OURS)) == 3_101
        assert await keys(indexes, 1) == ["A"]


async def test_the_compiled_kernel_is_loaded_once_a_tenant_is_large_and_answers_the_same(
    tmp_path: Path,
) -> None:
    memory = await a_memory(20)
    indexes = ListingIndexes(memory=memory, kernel_cache=tmp_path, compiled_from=20)
    before = (await indexes.index(OURS)).query(AUSTIN, 5, kernel=indexes.kernel)
    assert indexes.kernel.name == "numpy"
    async with running(indexes):
        await until(lambda: indexes.kernel.name == "numba")
    assert (await indexes.index(OURS)).query(AUSTIN, 5, kernel=indexes.kernel) == before
    assert [hit.listing_key for hit in before] == numbered(0, 5)


async def test_without_a_folder_for_the_kernel_matching_goes_on_in_numpy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    memory = await a_memory(20)
    indexes = ListingIndexes(memory=memory, kernel_cache=tmp_path / "file" / "kernels", compiled_from=1)
    await indexes.index(OURS)
    async with running(indexes):
        await until(lambda: indexes._kernel_cache is None)
        assert await keys(indexes, 1) == ["K000000"]
    assert indexes.kernel.name == "numpy"


async def test_homes_come_from_memory_and_only_missing_ones_from_the_database() -> None:
    memory = await a_memory(3)
    indexes = ListingIndexes(memory=memory, kernel_cache=None)
    await indexes.index(OURS)
    reads = memory.reads
    wanted = [ListingKey("K000000"), ListingKey("absent")]
    assert set(await indexes.homes(OURS, wanted[:1])) == {"K000000"}
    assert memory.reads == reads
    assert set(await indexes.homes(OURS, wanted)) == {"K000000"}
    assert memory.reads == reads + 1


async def test_an_import_that_cannot_be_read_takes_no_other_along() -> None:
    class OneUnreadable(FakeMemory):
        """As the database's log does: a row that cannot be read is passed over."""

        async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
            def passing_over(uow: UnitOfWork) -> T:
                log = uow.events
                read_types = log.read_types

                def readable(*args: Any, **kinds: Any) -> Any:
                    found, upto = read_types(*args, **kinds)
                    return [row for row in found if row.position != 2], upto

                log.read_types = readable  # type: ignore[method-assign]  # reason: a log with one broken row
                return query(uow)

            return await super().read(passing_over)

    memory = OneUnreadable()
    indexes = ListingIndexes(memory=memory, kernel_cache=None)
    await indexes.index(OURS)
    for number in range(8):
        await imported(memory, OURS, homes(f"N{number}"))
    indexes.invalidate(OURS)
    assert len(await indexes.index(OURS)) == 7
    assert "N7" in await keys(indexes, 9)


async def test_who_asks_while_an_import_is_read_waits_for_it() -> None:
    class Slow(FakeMemory):
        async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
            result = await super().read(query)
            reading.set()
            await go_on.wait()
            return result

    reading, go_on = asyncio.Event(), asyncio.Event()
    go_on.set()
    memory = Slow()
    await memory.write(lambda uow: uow.listings.put_many(OURS, homes("B")))
    indexes = ListingIndexes(memory=memory, kernel_cache=None)
    await indexes.index(OURS)
    await imported(memory, OURS, homes("A"))
    indexes.invalidate(OURS)
    go_on.clear()
    reading.clear()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(keys(indexes))
        await reading.wait()
        second = tasks.create_task(keys(indexes))
        await asyncio.sleep(0)
        assert not second.done()
        go_on.set()
    assert first.result() == second.result() == ["A", "B"]


async def test_a_tenant_whose_homes_cannot_be_indexed_takes_no_other_along() -> None:
    class Broken(FakeMemory):
        async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
            result = await super().read(query)
            if broken and "location_id='broken'" in repr(query):
                raise ValueError("16777216 homes on the market")
            return result

    broken = False
    memory = Broken()
    theirs = LocationId("broken")
    indexes = ListingIndexes(memory=memory, kernel_cache=None)
    await indexes.index(theirs)  # first in line
    await indexes.index(OURS)
    broken = True
    async with running(indexes):
        for place in (theirs, OURS):
            await imported(memory, place, homes("A"))
            indexes.invalidate(place)
        await until(lambda: not indexes._behind(OURS, indexes._held[OURS]))
    assert await keys(indexes) == ["A"]
    with pytest.raises(ValueError, match="homes on the market"):
        await indexes.index(theirs)
