"""Which location has learnt an order of its own for its matches. Called by property_matching_service (``of``), bootstrap (``refresh``).

A location's order answers for no other location; without one, weights decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ghl_real_estate_ai.ml.match_rank import NAME, MatchRank
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.champions import Champions


class MatchRanking:
    """Each location's learned order. Answers at once; looks for news every minute."""

    def __init__(self, *, memory: Memory, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._own = Champions(memory=memory, loaders={NAME: MatchRank}, sleep=sleep)
        self.run, self.refresh = self._own.run, self._own.refresh

    def of(self, location_id: LocationId) -> MatchRank | None:
        """The location's learned order, if it has one."""
        return self._own.of(location_id, NAME)
