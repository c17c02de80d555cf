"""Which model answers for which lead: the location's own champion, else what ships, and as sure as it may be there.

Called by the scoring services (``of``) and bootstrap (``refresh``, ``run``). A location's model answers for no other location.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

import numpy as np

from ghl_real_estate_ai.errors import ModelArtifactError
from ghl_real_estate_ai.learning_ports import LearnedModel
from ghl_real_estate_ai.ml.artifacts import Model, shipped_model
from ghl_real_estate_ai.ml.shrinkage import believed_abroad
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.champions import Champions

MODEL_NAMES: Final = ("lead_score", "won", "churn_risk")

FITTED_AT: Final = "fitted_at"
"""The card of a learned model, once loaded, says when it was fitted."""


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
        self._shipped = dict(shipped or {name: shipped_model(name) for name in MODEL_NAMES})
        self._abroad = {name: abroad(model) for name, model in self._shipped.items()}
        self._own = Champions(memory=memory, loaders=dict.fromkeys(self._shipped, learned), sleep=sleep)
        self.run, self.refresh = self._own.run, self._own.refresh

    def of(self, lead: Lead, name: str) -> Model:
        """The model that answers ``name`` for this lead. What ships knows a simulated city: of a real lead its answer is
        shrunk to the documented prior.
        """
        own = self._own.of(lead.location_id, name)
        if own is not None:
            return own
        return self._shipped[name] if lead.simulated else self._abroad[name]

    def versions(self, location_id: LocationId) -> dict[str, str]:
        """Version of each model of the location's own, else of what ships (``abroad``'s view of it has another)."""
        return {name: model.stamp.version for name, model in self._all(location_id).items()}

    def fitted_at(self, location_id: LocationId) -> dict[str, datetime]:
        """When each model of the location's own was fitted. What ships is left out: a simulated city has no date."""
        told = {name: model.card.get(FITTED_AT) for name, model in self._all(location_id).items()}
        return {name: datetime.fromisoformat(at) for name, at in told.items() if isinstance(at, str)}

    def alarms(self, location_id: LocationId) -> dict[str, str]:
        """What has drifted, by model: from the location's own cards; empty where nothing has."""
        told = {name: alarm_of(model) for name, model in self._all(location_id).items()}
        return {name: alarm for name, alarm in told.items() if alarm}

    def _all(self, location_id: LocationId) -> dict[str, Model]:
        return {name: self._own.of(location_id, name) or shipped for name, shipped in self._shipped.items()}


def learned(found: LearnedModel) -> Model:
    """A stored model, ready to answer. Raises ModelArtifactError."""
    try:
        card = {**json.loads(found.card), FITTED_AT: found.fitted_at.isoformat()}
    except (TypeError, ValueError) as error:
        raise ModelArtifactError(f"model card of {found.name}: {error}; run `enterprisehub train`") from error
    return Model(found.content, card)


def abroad(model: Model) -> Model:
    """What ships, as it may speak of real leads: by the documented prior, else by its own answers in wider doubt."""
    scores = model.card.get("scores")
    if not model.stamp.simulated or not isinstance(scores, list):
        return model
    if model.recalibration is None:
        return model
    belief = believed_abroad(model.stamp.name, np.array(scores, dtype=np.float64), model.recalibration)
    return model.recalibrated(belief)


def alarm_of(model: Model) -> str | None:
    """The card's drift alarm in words, if it rings."""
    drift = model.card.get("drift")
    if not isinstance(drift, dict) or not drift.get("rings"):
        return None
    return "; ".join(str(reason) for reason in drift.get("reasons", ()))
