"""Which tenants' screens stand still although Redis answers: it takes no writes, or no worker is at work.

Called by ``live_relay``. A fact of the log that screens want, and that nobody has published for a while, says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ghl_real_estate_ai.limits import SCREENS_STILL_S
from ghl_real_estate_ai.live_ports import Backplane
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork


class ScreenLag:
    """Remembers per tenant the next fact that is not published, and since when. ``types``: facts that screens want."""

    def __init__(self, *, backplane: Backplane, memory: Memory, clock: Clock, types: frozenset[str]) -> None:
        self._backplane = backplane
        self._memory = memory
        self._clock = clock
        self._types = types
        self._published: dict[LocationId, int] = {}  # nothing waits up to here
        self._waiting: dict[LocationId, tuple[int, datetime]] = {}

    async def look(self, shown: Mapping[LocationId, int]) -> dict[LocationId, datetime]:
        """Those whose next fact has waited for longer than SCREENS_STILL_S, and since when this gateway has seen it wait.

        ``shown``: the tenants, each with the position up to which the database was shown. Raises StorageUnavailable
        and BrokerUnavailable.
        """
        heads = await self._memory.read(lambda uow: uow.events.heads())
        grown = [
            location_id
            for location_id, position in shown.items()
            if heads.get(location_id, 0) > max(position, self._published.get(location_id, 0))
        ]
        ends = await self._backplane.ends(grown) if grown else []
        after = {
            location_id: max(shown[location_id], self._published.get(location_id, 0), position)
            for location_id, (_, position) in zip(grown, ends, strict=True)
        }
        waiting = await self._memory.read(lambda uow: self._next_facts(uow, after)) if after else {}
        self._remember(waiting)
        now = self._clock.now()
        return {
            location_id: since
            for location_id, (_, since) in self._waiting.items()
            if (now - since).total_seconds() > SCREENS_STILL_S
        }

    def _next_facts(self, uow: UnitOfWork, after: Mapping[LocationId, int]) -> dict[LocationId, int]:
        waiting = {}
        for location_id, position in after.items():
            later, upto = uow.events.read_types(location_id, after=position, limit=1, types=self._types)
            if later:
                waiting[location_id] = later[0].position
            self._published[location_id] = later[0].position - 1 if later else upto
        return waiting

    def _remember(self, waiting: Mapping[LocationId, int]) -> None:
        """A fact that waits as before keeps its time; one that came in its place has a new one."""
        now, before = self._clock.now(), self._waiting
        self._waiting = {
            location_id: before[location_id]
            if location_id in before and before[location_id][0] == position
            else (position, now)
            for location_id, position in waiting.items()
        }
