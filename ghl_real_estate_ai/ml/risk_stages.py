"""Stages of churn risk that do not flap: entered after a dwell, left through a band, at once by the lead's own sign of life.

Called by services/churn_prediction_service (``settle``) and services/silence_watch (``due_at``). Pure.

Scored every 12 hours, a risk near a threshold would enter and leave its stage again and again (docs/adr/0025). So a stage is
entered when the risk has been above its threshold for DWELL, however high the stage: there is no cool-down to wait behind.
It is left when the risk is below the threshold by more than EXIT_BAND. What the lead does itself counts at once: it leaves
every stage whose threshold is not exceeded any more, and starts the dwell of the others anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.models.intelligence import STAGE_THRESHOLDS, ChurnRisk, RiskStage

EXIT_BAND: Final = 0.10
"""How far below its threshold a risk must be to leave a stage without the lead's own doing."""
DWELL: Final = timedelta(hours=12)
"""How long a risk must be above a threshold to enter the stage."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A lead's stage, and what it stands before."""

    stage: RiskStage
    since: datetime | None
    over: Mapping[RiskStage, datetime] = field(default_factory=dict)
    """Of stages not entered: since when the risk is above their threshold. Later than now: not yet."""

    @classmethod
    def of(cls, risk: ChurnRisk) -> Standing:
        """As it was last shown."""
        return cls(risk.stage, risk.stage_since, {ahead.stage: ahead.at for ahead in risk.crossings})


def settle(
    before: Standing | None,
    risk: float,
    now: datetime,
    *,
    own_act: bool,
    silent_since: datetime,
    not_before: datetime,
) -> Standing:
    """The standing at ``now``, of a lead that stood ``before`` (None: it was never looked at).

    ``own_act``: news of a sign of life of the lead. ``silent_since``: its last one; who is looked at for the first time
    counts as above the thresholds since then, too. ``not_before``: when the earliest stage may begin.
    """
    held = RiskStage.NONE if before is None else before.stage
    kept = max(stage for stage in RiskStage if stage <= held and _stays(stage, risk, own_act=own_act))
    since = before.since if before is not None and kept is held else now
    over = {
        stage: _over_since(before, stage, now, own_act=own_act, silent_since=silent_since)
        for stage, threshold in STAGE_THRESHOLDS.items()
        if stage > kept and risk > threshold
    }
    entries = {stage: due_at(at, not_before) for stage, at in over.items()}
    entered = max((stage for stage, due in entries.items() if due <= now), default=kept)
    if entered is not kept:
        since = now if before is None else entries[entered]  # exact, however late it is looked at
    return Standing(entered, since, {stage: at for stage, at in over.items() if stage > entered})


def due_at(crossed_at: datetime, not_before: datetime) -> datetime:
    """When a stage begins whose threshold was crossed then, if the risk stays above it."""
    return max(crossed_at + DWELL, not_before)


def _stays(stage: RiskStage, risk: float, *, own_act: bool) -> bool:
    if stage is RiskStage.NONE:
        return True
    threshold = STAGE_THRESHOLDS[stage]
    return risk > threshold if own_act else risk >= threshold - EXIT_BAND


def _over_since(
    before: Standing | None, stage: RiskStage, now: datetime, *, own_act: bool, silent_since: datetime
) -> datetime:
    if before is None or own_act:  # which may be older than its news: histories are read, webhooks come late
        return min(silent_since, now)
    return min(before.over.get(stage, now), now)
