"""Which location has learnt an order of its own for its matches. Called by property_matching_service (``of``), bootstrap (``run``).

A location's order answers for no other location; without one, weights decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import ModelArtifactError, StorageUnavailable
from ghl_real_estate_ai.limits import CHAMPIONS_LOOK_S
from ghl_real_estate_ai.ml.match_rank import NAME, MatchRank
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Memory

_log = telemetry.get_logger("match_ranking")


class MatchRanking:
    """Holds each location's champion. Answers at once; looks for news every minute."""

    def __init__(self, *, memory: Memory, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._memory = memory
        self._sleep = sleep
        self._own: dict[LocationId, MatchRank] = {}
        self._unreadable: set[tuple[LocationId, str]] = set()

    def of(self, location_id: LocationId) -> MatchRank | None:
        """The location's learned order, if it has one."""
        return self._own.get(location_id)

    async def run(self) -> None:
        """Look for new champions until cancelled."""
        while True:
            try:
                await self.refresh()
            except StorageUnavailable as error:
                _log.warning("orders.unread", reason=str(error))
            await self._sleep(CHAMPIONS_LOOK_S)

    async def refresh(self) -> None:
        """Swap in orders that are new, drop those that are gone. One short query unless something has changed."""
        champions = await self._memory.read(lambda uow: uow.learned.champions())
        wanted = {place: version for place, name, version in champions if name == NAME}
        self._own = {place: rank for place, rank in self._own.items() if place in wanted}
        for place, version in wanted.items():
            held = self._own.get(place)
            if (held is None or held.version != version) and (place, version) not in self._unreadable:
                await self._take(place)

    async def _take(self, location_id: LocationId) -> None:
        found = await self._memory.read(lambda uow: uow.learned.champion(location_id, NAME))
        if found is None:
            return
        try:
            self._own[location_id] = await asyncio.to_thread(MatchRank, found)
        except ModelArtifactError as error:
            self._own.pop(location_id, None)
            self._unreadable.add((location_id, found.version))
            _log.warning("order.unreadable", version=found.version, reason=str(error))
        else:
            _log.info("order.taken", version=found.version)
