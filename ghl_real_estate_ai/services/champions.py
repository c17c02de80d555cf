"""The learned models that answer for a location, loaded, and swapped without a restart. One holder for any kind of model.

Called by services/tenant_models and services/match_ranking, each with the names it knows and how they are loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import ModelArtifactError, StorageUnavailable
from ghl_real_estate_ai.learning_ports import LearnedModel
from ghl_real_estate_ai.limits import CHAMPIONS_LOOK_S
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Memory

_log = telemetry.get_logger("champions")


class Champions[T]:
    """Holds each location's champion by name. Answers at once; looks for news every minute."""

    def __init__(
        self,
        *,
        memory: Memory | None,
        loaders: Mapping[str, Callable[[LearnedModel], T]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``memory``: where champions are; None: nobody has any. ``loaders``: by name; they raise ModelArtifactError."""
        self._memory = memory
        self._loaders = loaders
        self._sleep = sleep
        # None: of an older version of the house; the version is kept, so that it is read and warned of once
        self._held: dict[tuple[LocationId, str], tuple[str, T | None]] = {}

    def of(self, location_id: LocationId, name: str) -> T | None:
        """The location's champion, if it has one that can be read."""
        held = self._held.get((location_id, name))
        return None if held is None else held[1]

    async def run(self) -> None:
        """Look for new champions until cancelled."""
        while True:
            try:
                await self.refresh()
            except StorageUnavailable as error:
                _log.warning("champions.unread", reason=str(error))
            await self._sleep(CHAMPIONS_LOOK_S)

    async def refresh(self) -> None:
        """Swap in champions that are new, drop those that are gone. One short query unless something has changed."""
        if self._memory is None:
            return
        wanted = {
            (place, name): version
            for place, name, version in await self._memory.read(lambda uow: uow.learned.champions())
            if name in self._loaders
        }
        for key in [key for key in self._held if key not in wanted]:
            del self._held[key]
        for key, version in wanted.items():
            if key not in self._held or self._held[key][0] != version:
                await self._take(self._memory, *key)

    async def _take(self, memory: Memory, location_id: LocationId, name: str) -> None:
        found = await memory.read(lambda uow: uow.learned.champion(location_id, name))
        if found is None:
            return
        try:
            model = await asyncio.to_thread(self._loaders[name], found)
        except ModelArtifactError as error:
            # what answers without a champion answers until the next fit
            _log.warning("champion.unreadable", name=name, version=found.version, reason=str(error))
            self._held[(location_id, name)] = (found.version, None)
            return
        self._held[(location_id, name)] = (found.version, model)
        _log.info("champion.taken", name=name, version=found.version)
