"""Serves property matches: the best homes on the market for a lead's stated wishes, and the cheapest ways to more.

Called by: realtime_lead_intelligence (``load``, ``matches``), api/routes/matches, bootstrap (``invalidate``, ``run``).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ghl_real_estate_ai.limits import CANDIDATES_INLINE, MATCHES_CACHED, MATCHES_PER_LEAD, ROWS_SCANNED_INLINE
from ghl_real_estate_ai.ml.home_traits import Home, traits_of
from ghl_real_estate_ai.ml.match_diversity import Folded, folded, spread, without
from ghl_real_estate_ai.ml.match_plan import Closeness, Weights, weight_of
from ghl_real_estate_ai.ml.match_rank import MatchRank, inputs_of
from ghl_real_estate_ai.ml.match_words import SAME_SCORE, WishedHome, answers, closeness_of
from ghl_real_estate_ai.ml.property_matching import Candidate, Hit, ListingIndex
from ghl_real_estate_ai.ml.relaxation import Relaxations, relaxations
from ghl_real_estate_ai.ml.wish_weights import Opinion, learned_of, opinions_of, weights_of
from ghl_real_estate_ai.models.identifiers import ListingKey, LocationId
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.matching_models import (
    WISH_WEIGHTS,
    EnhancedPropertyMatch,
    LearnedWeight,
    Verdict,
)
from ghl_real_estate_ai.models.properties import Listing, Wishes
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.listing_indexes import ListingIndexes
from ghl_real_estate_ai.services.match_ranking import MatchRanking

_POOL: Final = 3
"""Candidates looked at per home shown: some are folded into others, some stand back for less alike ones."""
_RANKED: Final = 200
"""Closest homes that a location's learned order puts anew."""
_LOOKS: Final = 3  # an import between two looks is rare; three in a row leave out the homes that changed


_Question = tuple[LocationId, int, Wishes, tuple[Opinion, ...], MatchRank | None, int]


class Fit(NamedTuple):
    """One home against a lead's wishes: by wish, and as a score by the lead's own weights (None: nothing is known)."""

    closeness: Closeness
    score: float | None


class PropertyMatchingService:
    """Matches of a lead among its tenant's listings."""

    def __init__(
        self, *, memory: Memory, kernel_cache: Path | None = None, ranking: MatchRanking | None = None
    ) -> None:
        """``kernel_cache``: where compiled kernels are kept; None: large tenants do with numpy too."""
        self._indexes = ListingIndexes(memory=memory, kernel_cache=kernel_cache)
        self._memory = memory
        self._ranking = MatchRanking(memory=memory) if ranking is None else ranking
        self._answered: OrderedDict[_Question, list[Folded]] = OrderedDict()  # the oldest go first

    async def load(self, location_id: LocationId) -> None:
        """Read and index the tenant's listings, unless that is done already. Raises StorageUnavailable."""
        await self._indexes.index(location_id)

    def invalidate(self, location_id: LocationId) -> None:
        """The tenant's listings have changed: the next ``load`` or ``matches`` reads what the log says of it."""
        self._indexes.invalidate(location_id)

    async def run(self) -> None:
        """Keep the indexes small and quick, and look for learned orders, until cancelled. Without it indexes are right too."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._indexes.run())
            tasks.create_task(self._ranking.run())

    async def matches(
        self, lead: Lead, now: datetime, *, k: int = MATCHES_PER_LEAD
    ) -> tuple[EnhancedPropertyMatch, ...]:
        """The best ``k`` homes by the lead's own weights, each once, spread a little; none that the lead passed on.

        Best first; empty when the lead has stated no wish or nothing passes.
        """
        if not lead.wishes.stated:
            return ()
        await self.load(lead.location_id)
        learned = self._ranking.of(lead.location_id)
        said = tuple(opinions_of(lead)) if _judges(lead) else ()
        # all that the homes follow from: an event that leaves it as it is needs no new search
        question = (lead.location_id, self._indexes.position(lead.location_id), lead.wishes, said, learned, k)
        best = self._answered.get(question)
        if best is None:
            best = await self._best(lead, learned, k)
        if k <= MATCHES_PER_LEAD:
            self._answered[question] = best
            self._answered.move_to_end(question)
            if len(self._answered) > MATCHES_CACHED:
                self._answered.popitem(last=False)
        return await _aside(
            len(best),
            lambda: tuple(_match(lead, home, rank=rank, now=now) for rank, home in enumerate(best, start=1)),
        )

    async def _best(self, lead: Lead, learned: MatchRank | None, k: int) -> list[Folded]:
        known = await self._judged(lead)
        passed = [home for key, home in known.items() if _passed(lead, key)]
        pool = max(k * _POOL, 0 if learned is None else _RANKED) + len(passed)
        found = await self.candidates(lead.location_id, lead.wishes, pool, weights=_weights(lead, known))

        def best() -> list[Folded]:
            homes = without(folded(found), passed)
            return spread(homes, _scores(homes, learned), k)

        return await _aside(len(found), best)

    async def fit(self, lead: Lead, home: Listing) -> Fit:
        """How well one home fits the lead now, whether or not it is on the market. Needs no index: any process may ask."""
        keys = [opinion.listing_key for opinion in opinions_of(lead)]
        known = await self._memory.read(lambda uow: uow.listings.get_many(lead.location_id, keys))
        weights = _weights(lead, {other.listing_key: Home.of(other) for other in known})
        closeness = closeness_of(lead.wishes, traits_of(home))
        stated = [(weight_of(wish, weights), near) for wish, near in closeness.items() if near is not None]
        weight = sum(one for one, _ in stated)
        return Fit(closeness, sum(one * near for one, near in stated) / weight if weight else None)

    async def homes(
        self, location_id: LocationId, listing_keys: Sequence[ListingKey]
    ) -> dict[ListingKey, Listing]:
        """Those of these homes that the tenant has, from memory or one read. Raises StorageUnavailable."""
        held = await self._indexes.homes(location_id, listing_keys)
        return {key: home.listing for key, home in held.items()}

    async def learned(self, lead: Lead) -> tuple[LearnedWeight, ...]:
        """What the homes that the lead judged, saved and viewed say of the weights of its wishes, in words."""
        return learned_of(lead.wishes, opinions_of(lead), _closeness(lead.wishes, await self._judged(lead)))

    async def _judged(self, lead: Lead) -> dict[ListingKey, Home]:
        """The homes that the lead has said something of, as they are now. Visits alone say nothing."""
        if not _judges(lead):
            return {}
        await self.load(lead.location_id)  # or what is held of them may be of before an import
        return await self._indexes.homes(lead.location_id, [one.listing_key for one in opinions_of(lead)])

    async def candidates(
        self, location_id: LocationId, wishes: Wishes, k: int, *, weights: Weights = WISH_WEIGHTS
    ) -> list[Candidate]:
        """The exact best ``k`` homes of a tenant for these wishes, best first, each with how close it comes to every wish.

        Homes are read after the index was asked. One that an import has changed in between is found out by its score.
        """
        found: list[Candidate] = []
        wished = WishedHome(wishes, weights)
        for _ in range(_LOOKS):
            index = await self._indexes.index(location_id)
            hits = await self._asked(
                index, wishes, partial(index.query, wishes, k, weights=weights, kernel=self._indexes.kernel)
            )
            homes = await self._indexes.homes(location_id, [hit.listing_key for hit in hits])
            found = await _aside(len(hits), partial(_candidates, hits, homes, wished))
            if len(found) == len(hits):
                break
            agreed: set[ListingKey] = {candidate.listing.listing_key for candidate in found}
            self._indexes.distrust(location_id, {hit.listing_key for hit in hits} - agreed)
        return found

    async def relaxations(self, lead: Lead) -> Relaxations:
        """How many homes meet every wish, and for each the smallest change that gives more; costs by the lead's own weights."""
        weights = _weights(lead, await self._judged(lead))
        index = await self._indexes.index(lead.location_id)
        ask = partial(relaxations, index, lead.wishes, weights=weights, kernel=self._indexes.kernel)
        return await self._asked(index, lead.wishes, ask)

    async def _asked[T](self, index: ListingIndex, wishes: Wishes, question: Callable[[], T]) -> T:
        if index.rows_to_scan(wishes) <= ROWS_SCANNED_INLINE:
            return question()
        return await asyncio.to_thread(question)


async def _aside[T](homes: int, work: Callable[[], T]) -> T:
    """Work on a few homes at once; on many in a thread, while the event loop does something else."""
    return work() if homes <= CANDIDATES_INLINE else await asyncio.to_thread(work)


def _judges(lead: Lead) -> bool:
    """Whether the lead has said something of homes: visits alone say nothing."""
    return bool(lead.judged or lead.saved)


def _candidates(hits: Sequence[Hit], homes: Mapping[ListingKey, Home], wished: WishedHome) -> list[Candidate]:
    """The hits with their homes; without those whose home, as it is now, would not score the same."""
    found = []
    for hit in hits:
        home = homes.get(hit.listing_key)
        said = None if home is None else wished.match(home.traits)
        if home is not None and said is not None and abs(said[0] - hit.score) <= SAME_SCORE:
            found.append(Candidate(home, hit.score, said[1]))
    return found


def _scores(homes: Sequence[Folded], learned: MatchRank | None) -> list[float]:
    """By the location's learned order, else by closeness."""
    if learned is None:
        return [home.candidate.score for home in homes]
    return learned.scores([inputs_of(home.candidate.closeness, home.candidate.score) for home in homes])


def _weights(lead: Lead, known: Mapping[ListingKey, Home]) -> Weights:
    if not known:
        return WISH_WEIGHTS
    return weights_of(lead.wishes, opinions_of(lead), _closeness(lead.wishes, known))


def _closeness(wishes: Wishes, known: Mapping[ListingKey, Home]) -> dict[ListingKey, Closeness]:
    wished = WishedHome(wishes)
    return {key: wished.closeness(home.traits) for key, home in known.items()}


def _passed(lead: Lead, listing_key: ListingKey) -> bool:
    judged = lead.judged.get(listing_key)
    return judged is not None and judged.verdict is Verdict.PASS


def _match(lead: Lead, home: Folded, *, rank: int, now: datetime) -> EnhancedPropertyMatch:
    candidate = home.candidate
    judged = [lead.judged[key] for key in (candidate.listing.listing_key, *home.also) if key in lead.judged]
    verdict = max(judged, key=lambda one: one.stamp.at).verdict if judged else Verdict.UNDO
    return EnhancedPropertyMatch(
        lead_id=lead.lead_id,
        listing=candidate.listing,
        overall_score=candidate.score,
        wishes=answers(lead.wishes, candidate.listing, candidate.closeness),
        match_rank=rank,
        generated_at=now,
        verdict=None if verdict is Verdict.UNDO else verdict,
        also_listed_as=home.also,
    )
