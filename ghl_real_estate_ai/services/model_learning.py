"""Has each location's models learned anew from its own history, at most once a day, in a process of their own.

Run by ``bootstrap`` on workers. Fitting itself is ``enterprisehub train --location ID --challenge``: LightGBM's start and
hunger stay out of this process. What was learned is found by services/tenant_models.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import EnterpriseHubError, StorageUnavailable
from ghl_real_estate_ai.learning_ports import LearnedModel
from ghl_real_estate_ai.limits import LEARN_LOOK_S
from ghl_real_estate_ai.models.events import LEAD_FACTS, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.switches import Switch
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork

AT_MOST_EVERY: Final = timedelta(days=1)
FIRST_AFTER: Final = timedelta(days=28)
"""Two weeks to know who is silent, two more until the first answers are known (ml/history.py)."""
NEW_FACTS: Final = 100
NEW_SHARE: Final = 0.02
"""So many facts about leads, and such a share of all, must have come since the last time."""
ASKED_OF: Final = "lead_score"
"""All models are learned together: the newest of this name tells when."""

Learn = Callable[[LocationId], Awaitable[str]]
"""Trains a location's models and stores what won; the outcome in words. Raises EnterpriseHubError when it fails."""

_log = telemetry.get_logger("model_learning")


class ModelLearning:
    """One loop; one location after the other, so that training never takes more than one core."""

    def __init__(
        self,
        *,
        memory: Memory,
        clock: Clock,
        learn: Learn,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        mine: Callable[[LocationId], bool] = lambda _location_id: True,
    ) -> None:
        """``mine``: whether a location is this process's to look after, as things stand now."""
        self._memory = memory
        self._clock = clock
        self._learn = learn
        self._sleep = sleep
        self._mine = mine
        self._tried: dict[LocationId, datetime] = {}

    async def run(self) -> None:
        """Look until cancelled; the first time after one interval, when the start is over."""
        while True:
            await self._sleep(LEARN_LOOK_S)
            try:
                await self.look()
            except StorageUnavailable as error:
                _log.warning("learning.unread", reason=str(error))

    async def look(self) -> list[LocationId]:
        """Learn where it is due; returns where it was. A location whose training fails waits a day and takes none along."""
        learned = []
        for place in await self._memory.read(lambda uow: uow.tenants.locations()):
            location_id = place.location_id
            if not self._mine(location_id) or not await self._is_due(location_id):
                continue
            self._tried[location_id] = self._clock.now()
            learned.append(location_id)
            try:
                outcome = await self._learn(location_id)
            except EnterpriseHubError as error:
                _log.warning("learning.failed", location_id=location_id, reason=str(error))
            else:
                _log.info("learning.done", location_id=location_id, outcome=outcome)
        return learned

    async def _is_due(self, location_id: LocationId) -> bool:
        now = self._clock.now()
        tried = self._tried.get(location_id)
        if tried is not None and now - tried < AT_MOST_EVERY:
            return False

        def look(
            uow: UnitOfWork,
        ) -> tuple[bool, list[RecordedEvent], list[RecordedEvent], list[LearnedModel]]:
            return (
                uow.switches.is_on(location_id, Switch.LEARNING),
                uow.events.read_types(location_id, after=0, limit=1, types=LEAD_FACTS)[0],
                uow.events.newest(location_id, after=0, limit=1, types=LEAD_FACTS),
                uow.learned.all(location_id, ASKED_OF, limit=1),
            )

        on, first, newest, models = await self._memory.read(look)
        # a simulated city has nothing to teach that does not ship
        if not on or not newest or newest[0].event.simulated:
            return False
        if now - first[0].event.occurred_at < FIRST_AFTER:
            return False
        if models and now - models[0].fitted_at < AT_MOST_EVERY:
            return False
        known = known_events(models[0]) if models else 0
        facts = await self._memory.read(lambda uow: uow.events.count(location_id, after=0, types=LEAD_FACTS))
        return facts - known >= max(NEW_FACTS, NEW_SHARE * known)


def known_events(model: LearnedModel) -> int:
    """How many facts the location had when the model was learned; 0 where its card does not say."""
    try:
        found = json.loads(model.card).get("own_events", 0)
    except (ValueError, AttributeError):
        return 0
    return found if isinstance(found, int) else 0
