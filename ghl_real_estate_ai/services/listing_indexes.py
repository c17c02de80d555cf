"""Keeps one index of each tenant's homes on the market, as the log says, and the homes last shown.

Called by: property_matching_service.

The log is the truth: every import is a fact in it, with its keys. An index knows up to which position it holds them, so a
lost wake-up, another process or an import during a load costs nothing but the next look. Small changes go into a small
segment at once; the two are made one, and the compiled kernel is loaded, in the background: no query waits for that.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.limits import LISTING_BATCH_ROWS, LISTINGS_CACHED, ROWS_SCANNED_INLINE
from ghl_real_estate_ai.ml.listing_segments import Segment
from ghl_real_estate_ai.ml.match_kernel import NUMPY, Kernel, compiled
from ghl_real_estate_ai.ml.property_matching import ListingIndex
from ghl_real_estate_ai.models.events import ListingsImported
from ghl_real_estate_ai.models.identifiers import ListingKey, LocationId
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.ports import Memory, UnitOfWork

_IMPORTED: Final = frozenset({"ListingsImported"})
_IMPORTS_AT_ONCE: Final = 4  # of LISTING_BATCH_ROWS rows each: one read of the database stays short

_log = telemetry.get_logger("listing_indexes")


class _Held(NamedTuple):
    """Homes, and the position of the log up to which its imports are in it."""

    homes: ListingIndex
    position: int


class ListingIndexes:
    """Everything is changed in the event loop; what takes long is made in threads and then put in its place."""

    def __init__(
        self, *, memory: Memory, kernel_cache: Path | None, compiled_from: int = ROWS_SCANNED_INLINE
    ) -> None:
        """``kernel_cache``: the folder of compiled kernels; None: numpy for tenants of any size."""
        self._memory = memory
        self._kernel_cache = kernel_cache
        self._compiled_from = compiled_from
        self._held: dict[LocationId, _Held] = {}
        self._behind: set[LocationId] = set()
        self._loading: defaultdict[LocationId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._homes: OrderedDict[tuple[LocationId, ListingKey], Listing] = OrderedDict()
        self._work = asyncio.Event()
        self.kernel: Kernel = NUMPY

    async def index(self, location_id: LocationId) -> ListingIndex:
        """The tenant's index, read or brought up to date if need be. Raises StorageUnavailable."""
        if location_id not in self._held or location_id in self._behind:
            async with self._loading[location_id]:
                if location_id not in self._held:
                    self._hold(location_id, await self._read(location_id))
                while location_id in self._behind:
                    await self._catch_up(location_id, self._held[location_id])
        return self._held[location_id].homes

    def invalidate(self, location_id: LocationId) -> None:
        """The log holds a new import: whoever asks next reads what it names."""
        self._behind.add(location_id)
        self._work.set()

    async def homes(
        self, location_id: LocationId, listing_keys: Collection[ListingKey]
    ) -> dict[ListingKey, Listing]:
        """These homes, from memory or the database. Raises StorageUnavailable."""
        found = {key: home for key in listing_keys if (home := self._homes.get((location_id, key)))}
        missing = [key for key in listing_keys if key not in found]
        if missing:
            held = self._held.get(location_id)
            read = await self._memory.read(lambda uow: uow.listings.get_many(location_id, missing))
            found |= {home.listing_key: home for home in read}
            if held is not self._held.get(location_id):  # an import came in between: it may have changed them
                return found
        self._remember(location_id, found.values())
        return found

    def distrust(self, location_id: LocationId, listing_keys: Iterable[ListingKey]) -> None:
        """Index and homes do not agree on these: look at the log and read them again."""
        for key in listing_keys:
            self._homes.pop((location_id, key), None)
        self.invalidate(location_id)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _read(self, location_id: LocationId) -> _Held:
        """All homes, page by page. What is imported meanwhile is in the log after ``position``, and is read once more."""
        pages: list[Segment] = []
        after, position = "", None
        while True:
            head, homes, page = await self._memory.read(partial(_page, location_id=location_id, after=after))
            position = head if position is None else position
            pages.append(page)
            if len(self._homes) < LISTINGS_CACHED:
                self._remember(location_id, homes)
            if len(homes) < LISTING_BATCH_ROWS:
                break
            after = homes[-1].listing_key
        if len(pages) > 1:
            self._behind.add(location_id)
        return _Held(await asyncio.to_thread(ListingIndex.of_pages, pages), position)

    async def _catch_up(self, location_id: LocationId, held: _Held) -> None:
        """One step from ``held`` on: the homes that the next imports name, as they are now."""
        self._behind.discard(location_id)
        try:
            step = await self._memory.read(partial(_next_imports, location_id=location_id, held=held))
        except BaseException:  # cancelled too
            self._behind.add(location_id)
            raise
        if step.more:
            self._behind.add(location_id)
        for key in step.changed:
            self._homes.pop((location_id, key), None)
        self._hold(location_id, step.held)

    def _hold(self, location_id: LocationId, held: _Held) -> None:
        self._held[location_id] = held
        if held.homes.wants_compaction or self._wants_kernel():
            self._work.set()

    def _remember(self, location_id: LocationId, homes: Iterable[Listing]) -> None:
        for home in homes:
            key = (location_id, home.listing_key)
            self._homes[key] = home
            self._homes.move_to_end(key)
        while len(self._homes) > LISTINGS_CACHED:
            self._homes.popitem(last=False)

    # --- in the background ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read what was imported before somebody asks, make segments one, load the kernel. Until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                for location_id in self._behind & self._held.keys():
                    await self.index(location_id)
                for location_id, held in list(self._held.items()):
                    if held.homes.wants_compaction:
                        await self._compact(location_id, held)
            except StorageUnavailable as error:  # whoever asks next tries again
                _log.warning("listings.late", reason=str(error))
            if self._wants_kernel():
                await self._load_kernel()

    async def _compact(self, location_id: LocationId, held: _Held) -> None:
        """Queries use the old index meanwhile; what was imported since ``held`` is read from the log again."""
        compacted = _Held(await asyncio.to_thread(held.homes.compacted), held.position)
        async with self._loading[location_id]:
            await self._catch_up(location_id, compacted)
        _log.info("listings.compacted", location_id=location_id, homes=len(compacted.homes))

    def _wants_kernel(self) -> bool:
        return (
            self.kernel is NUMPY
            and self._kernel_cache is not None
            and any(len(held.homes) >= self._compiled_from for held in self._held.values())
        )

    async def _load_kernel(self) -> None:
        cache, self._kernel_cache = self._kernel_cache, None  # one attempt
        if cache is None:
            return
        try:
            self.kernel = await asyncio.to_thread(compiled, cache)
        except (ImportError, OSError, RuntimeError) as error:
            _log.warning("kernel.unavailable", reason=type(error).__name__)
        else:
            _log.info("kernel.loaded", engine=self.kernel.name)


class _Step(NamedTuple):
    held: _Held
    changed: frozenset[ListingKey]
    more: bool


def _page(uow: UnitOfWork, *, location_id: LocationId, after: str) -> tuple[int, list[Listing], Segment]:
    """Runs in the database's reader thread, as does the next: the event loop stays free."""
    homes = uow.listings.page(location_id, after=after, limit=LISTING_BATCH_ROWS)
    return uow.events.head(location_id), homes, Segment.of(homes)


def _next_imports(uow: UnitOfWork, *, location_id: LocationId, held: _Held) -> _Step:
    imports, position = uow.events.read_types(
        location_id, after=held.position, limit=_IMPORTS_AT_ONCE, types=_IMPORTED
    )
    changed = frozenset(
        key
        for recorded in imports
        if isinstance(recorded.event, ListingsImported)
        for key in recorded.event.listing_keys
    )
    if not changed:
        return _Step(held._replace(position=position), changed, more=False)
    index = held.homes.updated(uow.listings.get_many(location_id, changed))
    return _Step(_Held(index, position), changed, more=len(imports) == _IMPORTS_AT_ONCE)
