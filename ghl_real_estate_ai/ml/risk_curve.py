"""The churn risk ahead: how it rises if the lead stays silent, and when it will cross a threshold.

Called by services/churn_prediction_service. No event arrives when a lead goes silent, so the crossing times are computed at each
event and kept as timers.

``features.vector`` is closed form in time, so a later instant without events is exactly what will be known then: silences
grow, counts fade, an appointment passes. Every feature that so moves is constrained in the model, so the risk never falls
under silence, and a crossing is found by bisection: some fifteen points instead of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.ml.artifacts import Model
from ghl_real_estate_ai.ml.features import vector
from ghl_real_estate_ai.models.intelligence import STAGE_THRESHOLDS, RiskStage
from ghl_real_estate_ai.models.leads import Lead

STEP: Final = timedelta(hours=6)
CURVE: Final = tuple(STEP * number for number in range(57))
"""From now to 14 days on: what a chart shows."""
GRID: Final = CURVE + tuple(timedelta(days=day) for day in range(15, 29))
"""Where crossings are looked for: 6-hourly for 14 days, then daily to 28."""


def risk_curve(model: Model, lead: Lead, now: datetime) -> list[tuple[datetime, float]]:
    """The risk at each point of CURVE if nothing happens. About 2 ms: on demand."""
    return [(now + ahead, model.predict(vector(lead, now + ahead))) for ahead in CURVE]


def crossing_times(
    model: Model, lead: Lead, now: datetime, *, risk: float, above: RiskStage = RiskStage.NONE
) -> dict[RiskStage, datetime]:
    """When the risk of a lead that stays silent first exceeds the thresholds of the stages after ``above``.

    ``risk``: the risk at ``now``. Stages whose threshold it exceeds already, or will not within GRID, are left out. Each
    time is the first point of GRID beyond the threshold: late by one step at most.
    """
    known = {0: risk}

    def at(place: int) -> float:
        if place not in known:
            known[place] = model.predict(vector(lead, now + GRID[place]))
        return known[place]

    last = len(GRID) - 1
    ahead = {
        stage: threshold
        for stage, threshold in sorted(STAGE_THRESHOLDS.items())
        if stage > above and threshold >= risk
    }
    return {
        stage: now + GRID[_first_over(at, known, threshold)]
        for stage, threshold in ahead.items()
        if at(last) > threshold
    }


def _first_over(at: Callable[[int], float], known: Mapping[int, float], threshold: float) -> int:
    """The first place whose risk exceeds the threshold; places that are known already narrow the search."""
    low = max(place for place, risk in known.items() if risk <= threshold)
    high = min(place for place, risk in known.items() if risk > threshold)
    while high - low > 1:
        middle = (low + high) // 2
        if at(middle) > threshold:
            high = middle
        else:
            low = middle
    return high
