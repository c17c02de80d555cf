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
from ghl_real_estate_ai.errors import EnterpriseHubError
from ghl_real_estate_ai.limits import LISTING_BATCH_ROWS, LISTINGS_CACHED, ROWS_SCANNED_INLINE
from ghl_real_estate_ai.ml.home_traits import Home
from ghl_real_estate_ai.ml.listing_segments import Segment
from ghl_real_estate_ai.ml.match_kernel import NUMPY, Kernel, compiled
from ghl_real_estate_ai.ml.property_matching import ListingIndex
from ghl_real_estate_ai.models.events import ListingsImported
from ghl_real_estate_ai.models.identifiers import ListingKey, LocationId
from ghl_real_estate_ai.ports import Memory, UnitOfWork

_IMPORTED: Final = frozenset({"ListingsImported"})
_IMPORTS_AT_ONCE: Final = 4  # of LISTING_BATCH_ROWS rows each: one read of the database stays short

_log = telemetry.get_logger("listing_indexes")


class _Held(NamedTuple):
    """Homes, the position of the log up to which its imports are in it, and how many wake-ups had come before it was read."""

    homes: ListingIndex
    position: int
    told: int


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
        self._told: defaultdict[LocationId, int] = defaultdict(
            int
        )  # wake-ups: what is held of fewer is behind
        self._loading: defaultdict[LocationId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._homes: OrderedDict[tuple[LocationId, ListingKey], Home] = OrderedDict()
        self._work = asyncio.Event()
        self.kernel: Kernel = NUMPY

    async def index(self, location_id: LocationId) -> ListingIndex:
        """The tenant's index, read or brought up to date if need be. Raises StorageUnavailable."""
        held = self._held.get(location_id)
        if held is None or self._behind(location_id, held):
            async with self._loading[location_id]:
                held = self._held.get(location_id)
                if held is None:
                    held = self._hold(location_id, await self._read(location_id))
                while self._behind(location_id, held):
                    held = await self._catch_up(location_id, held)
        return held.homes

    def position(self, location_id: LocationId) -> int:
        """Up to which position of the log the index holds imports. Only after ``index``."""
        return self._held[location_id].position

    def invalidate(self, location_id: LocationId) -> None:
        """The log holds a new import: whoever asks next reads what it names."""
        self._told[location_id] += 1
        self._work.set()

    def _behind(self, location_id: LocationId, held: _Held) -> bool:
        return held.told < self._told[location_id]

    async def homes(
        self, location_id: LocationId, listing_keys: Collection[ListingKey]
    ) -> dict[ListingKey, Home]:
        """These homes, from memory or the database. Raises StorageUnavailable."""
        found = {}
        for key in listing_keys:
            home = self._homes.get((location_id, key))
            if home is not None:
                self._homes.move_to_end((location_id, key))
                found[key] = home
        missing = [key for key in listing_keys if key not in found]
        if missing:
            held = self._held.get(location_id)
            read = await self._memory.read(partial(_homes, location_id=location_id, listing_keys=missing))
            found |= {home.listing.listing_key: home for home in read}
            if held is self._held.get(
                location_id
            ):  # else an import came in between: it may have changed them
                self._remember(location_id, read)
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
        after, position, told = "", None, self._told[location_id]
        while True:
            room = LISTINGS_CACHED - len(self._homes)
            page = await self._memory.read(partial(_page, location_id=location_id, after=after, homes=room))
            position = page.head if position is None else position
            pages.append(page.segment)
            self._remember(location_id, page.homes)
            if page.after is None:
                break
            after = page.after
        if len(pages) > 1:
            self.invalidate(location_id)
        return _Held(await asyncio.to_thread(ListingIndex.of_pages, pages), position or 0, told)

    async def _catch_up(self, location_id: LocationId, held: _Held) -> _Held:
        """One step from ``held`` on: the homes that the next imports name, as they are now."""
        told = self._told[location_id]
        step = await self._memory.read(partial(_next_imports, location_id=location_id, held=held))
        for key in step.changed:
            self._homes.pop((location_id, key), None)
        return self._hold(location_id, step.held if step.more else step.held._replace(told=told))

    def _hold(self, location_id: LocationId, held: _Held) -> _Held:
        self._held[location_id] = held
        if held.homes.wants_compaction or self._wants_kernel():
            self._work.set()
        return held

    def _remember(self, location_id: LocationId, homes: Iterable[Home]) -> None:
        for home in homes:
            key = (location_id, home.listing.listing_key)
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
            for location_id in list(self._held):
                try:
                    await self._tend(location_id)
                except (
                    EnterpriseHubError,
                    ValueError,
                ) as error:  # this tenant's: whoever asks next tries again
                    _log.warning("listings.late", location_id=location_id, reason=type(error).__name__)
            if self._wants_kernel():
                await self._load_kernel()

    async def _tend(self, location_id: LocationId) -> None:
        await self.index(location_id)
        held = self._held[location_id]
        if held.homes.wants_compaction:
            await self._compact(location_id, held)

    async def _compact(self, location_id: LocationId, held: _Held) -> None:
        """Queries use the old index meanwhile; what was imported since ``held`` is read from the log again."""
        compacted = held._replace(homes=await asyncio.to_thread(held.homes.compacted))
        async with self._loading[location_id]:
            compacted = await self._catch_up(location_id, compacted)
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


class _Page(NamedTuple):
    """``homes``: so many as were asked for, the first ones; ``after``: the key that the next page begins after, if there is one."""

    head: int
    segment: Segment
    homes: list[Home]
    after: str | None


def _page(uow: UnitOfWork, *, location_id: LocationId, after: str, homes: int) -> _Page:
    """Runs in the database's reader thread, as do the next two: the event loop stays free."""
    listings = uow.listings.page(location_id, after=after, limit=LISTING_BATCH_ROWS)
    return _Page(
        head=uow.events.head(location_id),
        segment=Segment.of(listings),
        homes=[Home.of(listing) for listing in listings[: max(0, homes)]],
        after=listings[-1].listing_key if len(listings) == LISTING_BATCH_ROWS else None,
    )


def _homes(uow: UnitOfWork, *, location_id: LocationId, listing_keys: Collection[ListingKey]) -> list[Home]:
    return [Home.of(listing) for listing in uow.listings.get_many(location_id, listing_keys)]


def _next_imports(uow: UnitOfWork, *, location_id: LocationId, held: _Held) -> _Step:
    imports, position = uow.events.read_types(
        location_id, after=held.position, limit=_IMPORTS_AT_ONCE, types=_IMPORTED
    )
    more = position < uow.events.head(
        location_id
    )  # rows that cannot be read are passed over, and not counted here
    changed = frozenset(
        key
        for recorded in imports
        if isinstance(recorded.event, ListingsImported)
        for key in recorded.event.listing_keys
    )
    if changed:
        held = held._replace(homes=held.homes.updated(uow.listings.get_many(location_id, changed)))
    return _Step(held._replace(position=position), changed, more)
