"""Which model answers for which lead: the location's own champion, else what ships, and as sure as it may be there.

Called by the scoring services (``of``) and bootstrap (``run``). A location's model answers for no other location.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import numpy as np

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import ModelArtifactError, StorageUnavailable
from ghl_real_estate_ai.learning_ports import LearnedModel
from ghl_real_estate_ai.limits import CHAMPIONS_LOOK_S
from ghl_real_estate_ai.ml.artifacts import Model, shipped_model
from ghl_real_estate_ai.ml.shrinkage import prior_only
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.ports import Memory

_log = telemetry.get_logger("tenant_models")

MODEL_NAMES: Final = ("lead_score", "won", "churn_risk")


class TenantModels:
    """Holds what ships, and each champion that the memory knows. Answers at once; looks for news every minute."""

    def __init__(
        self,
        *,
        memory: Memory | None = None,
        shipped: Mapping[str, Model] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``memory``: where champions are; None: what ships answers for everybody."""
        self._memory = memory
        self._sleep = sleep
        self._shipped = dict(shipped or {name: shipped_model(name) for name in MODEL_NAMES})
        self._abroad = {name: abroad(model) for name, model in self._shipped.items()}
        self._own: dict[tuple[LocationId, str], tuple[str, Model]] = {}

    def of(self, lead: Lead, name: str) -> Model:
        """The model that answers ``name`` for this lead. What ships knows a simulated city: of a real lead its answer is
        shrunk to the documented prior.
        """
        own = self._own.get((lead.location_id, name))
        if own is not None:
            return own[1]
        return self._shipped[name] if lead.simulated else self._abroad[name]

    def versions(self, location_id: LocationId) -> dict[str, str]:
        """Version of each model that answers for the location."""
        return {name: model.stamp.version for name, model in self._all(location_id).items()}

    def alarms(self, location_id: LocationId) -> dict[str, str]:
        """What has drifted, by model: from the location's own cards; empty where nothing has."""
        told = {name: alarm_of(model) for name, model in self._all(location_id).items()}
        return {name: alarm for name, alarm in told.items() if alarm}

    def _all(self, location_id: LocationId) -> dict[str, Model]:
        own = {name: self._own.get((location_id, name)) for name in self._shipped}
        return {name: found[1] if found else self._shipped[name] for name, found in own.items()}

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
            if name in self._shipped
        }
        for key in [key for key in self._own if key not in wanted]:
            del self._own[key]
        for key, version in wanted.items():
            if key not in self._own or self._own[key][0] != version:
                await self._take(*key)

    async def _take(self, location_id: LocationId, name: str) -> None:
        memory = self._memory
        found = None if memory is None else await memory.read(lambda u: u.learned.champion(location_id, name))
        if found is None:
            return
        try:
            model = await asyncio.to_thread(learned, found)
        except ModelArtifactError as error:
            # of an older version of the house: what ships answers until the next fit
            _log.warning("champion.unreadable", name=name, version=found.version, reason=str(error))
            self._own.pop((location_id, name), None)
            return
        self._own[(location_id, name)] = (found.version, model)
        _log.info("champion.taken", name=name, version=found.version)


def learned(found: LearnedModel) -> Model:
    """A stored model, ready to answer. Raises ModelArtifactError."""
    try:
        card = json.loads(found.card)
    except ValueError as error:
        raise ModelArtifactError(f"model card of {found.name}: {error}; run `enterprisehub train`") from error
    return Model(found.content, card)


def abroad(model: Model) -> Model:
    """What ships, as it may speak of real leads: by the documented prior, where its target has one."""
    scores = model.card.get("scores")
    if not model.stamp.simulated or not isinstance(scores, list):
        return model
    prior = prior_only(model.stamp.name, np.array(scores, dtype=np.float64))
    return model if prior is None else model.recalibrated(prior)


def alarm_of(model: Model) -> str | None:
    """The card's drift alarm in words, if it rings."""
    drift = model.card.get("drift")
    if not isinstance(drift, dict) or not drift.get("rings"):
        return None
    return "; ".join(str(reason) for reason in drift.get("reasons", ()))
