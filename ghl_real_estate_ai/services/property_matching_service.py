"""Serves property matches: one in-memory index of each tenant's homes on the market, read again when they change.

Called by: realtime_lead_intelligence (``load``, ``matches``), bootstrap (``invalidate``, on ListingsImported).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime

from ghl_real_estate_ai.budgets import MATCHES_PER_LEAD
from ghl_real_estate_ai.ml.property_matching import Candidate, ListingIndex
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.matching_models import EnhancedPropertyMatch
from ghl_real_estate_ai.models.properties import Wishes
from ghl_real_estate_ai.ports import Memory


class PropertyMatchingService:
    """Matches of a lead among its tenant's listings."""

    def __init__(self, *, memory: Memory) -> None:
        self._memory = memory
        self._indexes: dict[LocationId, ListingIndex] = {}
        self._imports: defaultdict[LocationId, int] = defaultdict(int)
        self._loading: defaultdict[LocationId, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def load(self, location_id: LocationId) -> None:
        """Read and index the tenant's listings, unless that is done already. Raises StorageUnavailable."""
        if location_id in self._indexes:
            return
        async with self._loading[location_id]:
            while location_id not in self._indexes:
                imports = self._imports[location_id]
                # built in the database's reader thread: the event loop stays free
                index = await self._memory.read(lambda uow: ListingIndex.build(uow.listings.all(location_id)))
                if imports == self._imports[location_id]:
                    self._indexes[location_id] = index

    def invalidate(self, location_id: LocationId) -> None:
        """The tenant's listings have changed: the next ``load`` or ``matches`` reads them again."""
        self._imports[location_id] += 1
        self._indexes.pop(location_id, None)

    async def matches(
        self, lead: Lead, now: datetime, *, k: int = MATCHES_PER_LEAD
    ) -> tuple[EnhancedPropertyMatch, ...]:
        """The best ``k`` homes, best first; empty when the lead has stated no wish or nothing passes."""
        found = await self.candidates(lead.location_id, lead.wishes, k)
        return tuple(
            EnhancedPropertyMatch(
                lead_id=lead.lead_id,
                listing=candidate.listing,
                overall_score=candidate.score,
                wishes=candidate.wishes,
                match_rank=rank,
                generated_at=now,
            )
            for rank, candidate in enumerate(found, start=1)
        )

    async def candidates(self, location_id: LocationId, wishes: Wishes, k: int) -> list[Candidate]:
        """The exact best ``k`` homes of a tenant for these wishes, best first, each with its answer to every wish."""
        await self.load(location_id)
        return self._indexes[location_id].query(wishes, k)
