"""Exact matching of homes to a buyer's stated wishes, over a million columns in a millisecond.

Called by: services/property_matching_service; relaxation asks for the segments.

Hard filters (a home known to break one is no match): on the market, the wished city, the price band and its tolerance,
at most one bed- or bathroom short, the wished type. What remains is ranked by weighted closeness of the wishes that
are known of it. A field that the listing leaves out is neither met nor missed: it passes the filter and adds no weight,
and among equal scores the home with more known weight stands first. Nothing but stated wishes steers a match.

A large sorted segment never changes. What changes lies in a small one, and its old row is marked dead; ``compacted`` makes
one of both. Every answer is the one that an index built afresh would give.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from ghl_real_estate_ai.ml.home_traits import Home
from ghl_real_estate_ai.ml.listing_segments import Codes, Flags, Segment
from ghl_real_estate_ai.ml.match_kernel import NUMPY, Kernel, Rows, unpacked
from ghl_real_estate_ai.ml.match_plan import NOISE, Closeness, Weights, plan_of
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.matching_models import WISH_WEIGHTS
from ghl_real_estate_ai.models.properties import Listing, Wishes

_CHANGED_SHARE: Final = 0.02
_CHANGED_LEAST: Final = 2_000


class Hit(NamedTuple):
    """A home that passed the filters, and its score (0 to 1). ``order`` sorts best first: score, known weight, key."""

    listing_key: ListingKey
    score: float
    order: tuple[int, int, ListingKey]


class Candidate(NamedTuple):
    """A hit with its home, and how close that comes to each stated wish."""

    home: Home
    score: float
    closeness: Closeness

    @property
    def listing(self) -> Listing:
        """The home as it is listed."""
        return self.home.listing


class _Part(NamedTuple):
    segment: Segment
    dead: Flags

    def rows(self) -> Rows:
        segment = self.segment
        return Rows(segment.price, segment.area, segment.codes, segment.rank, self.dead)


class ListingIndex:
    """The homes on the market of one tenant. Immutable: ``updated`` and ``compacted`` give another one."""

    def __init__(self, segment: Segment, *, dead: Flags | None = None, recent: Segment | None = None) -> None:
        """``dead`` rows of the segment count no more; ``recent`` holds what came since."""
        recent = Segment.of(()) if recent is None else recent
        self._main = _Part(segment, np.zeros(len(segment), dtype=np.uint8) if dead is None else dead)
        self._recent = _Part(recent, np.zeros(len(recent), dtype=np.uint8))
        self._dead = int(np.count_nonzero(self._main.dead))

    @classmethod
    def of_pages(cls, pages: Sequence[Segment]) -> ListingIndex:
        """Index pages of a tenant's listings; no key is on two of them."""
        return cls(Segment.merged([(page, np.zeros(len(page), dtype=np.uint8)) for page in pages]))

    def __len__(self) -> int:
        return len(self._main.segment) - self._dead + len(self._recent.segment)

    @property
    def parts(self) -> tuple[tuple[Segment, Rows], ...]:
        """The segments with their columns, for scans of other kinds."""
        return tuple((part.segment, part.rows()) for part in (self._main, self._recent))

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        return sum(part.segment.nbytes + part.dead.nbytes for part in (self._main, self._recent))

    # --- asking ---------------------------------------------------------------------------------------------------

    def rows_to_scan(self, wishes: Wishes) -> int:
        """At most so many rows does a query look at, prices aside: whether it belongs into a thread."""
        ranges = (part.segment.market_rows(wishes.city) for part in (self._main, self._recent))
        return int(sum((stops - starts).sum() for starts, stops in ranges))

    def query(
        self,
        wishes: Wishes,
        k: int,
        *,
        weights: Weights = WISH_WEIGHTS,
        kernel: Kernel = NUMPY,
    ) -> list[Hit]:
        """The exact best ``k``: by score, then known weight, then listing key. Empty when no wish is stated.

        A home of which no stated wish is known is no match. Half a millisecond in a market, some ten without a city: then in
        a thread.
        """
        if not wishes.stated or k < 1:
            return []
        hits: list[Hit] = []
        for part in (self._main, self._recent):
            starts, stops = part.segment.market_rows(wishes.city)
            if not len(starts):
                continue
            plan = plan_of(wishes, part.segment, weights)
            orders = kernel.best(plan, part.rows(), starts, stops, k)
            hits += _hits(part.segment, orders)
        return sorted(hits, key=lambda hit: hit.order)[:k]

    # --- changing -------------------------------------------------------------------------------------------------

    def updated(self, listings: Collection[Listing]) -> ListingIndex:
        """The index with these listings as they are now: on the market or not any more."""
        newest = {home.listing_key: home for home in listings}
        dead, gone = self._main.dead.copy(), self._recent.dead.copy()
        for key in newest:
            for segment, flags in ((self._main.segment, dead), (self._recent.segment, gone)):
                row = segment.row(key)
                if row is not None:
                    flags[row] = 1
        fresh = Segment.of(newest.values())
        recent = Segment.merged([(self._recent.segment, gone), (fresh, np.zeros(len(fresh), dtype=np.uint8))])
        return ListingIndex(self._main.segment, dead=dead, recent=recent)

    @property
    def wants_compaction(self) -> bool:
        """Whether more has changed than a small segment should hold: 2 % of the homes."""
        changed = self._dead + len(self._recent.segment)
        return changed > max(_CHANGED_LEAST, _CHANGED_SHARE * len(self))

    def compacted(self) -> ListingIndex:
        """The same homes in one segment. Takes a second for a million: call it in a thread."""
        return ListingIndex(Segment.merged([self._main, self._recent]))


def _hits(segment: Segment, orders: Codes) -> Iterator[Hit]:
    steps, known, places = unpacked(orders)
    for score, share, key in zip(steps.tolist(), known.tolist(), segment.keys[places].tolist(), strict=True):
        yield Hit(key, min(1.0, score * NOISE), (-score, -share, key))
