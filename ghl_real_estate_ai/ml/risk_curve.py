"""The churn risk ahead: how it rises if the lead stays silent, and when it will cross a threshold.

Called by services/churn_prediction_service. No event arrives when a lead goes silent, so the crossing times are computed at each
event and kept as timers.

A lead's course is closed form in time (``features.Course``), so a later instant without events is exactly what will be known
then: silences grow, counts fade, an appointment passes. Every feature that so moves is constrained in the model, so the risk
never falls under silence, and a crossing is found by search: some twelve points instead of all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.ml.artifacts import Model
from ghl_real_estate_ai.ml.features import Course
from ghl_real_estate_ai.models.intelligence import STAGE_THRESHOLDS, RiskStage

STEP: Final = timedelta(hours=6)
CURVE: Final = tuple(STEP * number for number in range(57))
"""From now to 14 days on: what a chart shows."""
GRID: Final = CURVE + tuple(timedelta(days=day) for day in range(15, 29))
"""Where crossings are looked for: 6-hourly for 14 days, then daily to 28."""


def risk_curve(model: Model, course: Course) -> list[tuple[datetime, float]]:
    """The risk at each point of CURVE if nothing happens. About 2 ms: on demand."""
    points = (course.now + ahead for ahead in CURVE)
    return [(at, model.predict(course.at(at))) for at in points]


def crossing_times(
    model: Model,
    course: Course,
    *,
    risk: float,
    above: RiskStage = RiskStage.NONE,
    guesses: Mapping[RiskStage, datetime] | None = None,
) -> dict[RiskStage, datetime]:
    """When the risk of a lead that stays silent first exceeds the thresholds of the stages after ``above``.

    ``risk``: the risk at the course's now. Stages whose threshold it exceeds already, or will not within GRID, are left out.
    Each time is the first point of GRID beyond the threshold: late by one step at most. ``guesses``: where the search
    begins; they change its length, never what it finds.
    """
    known = {0: risk}

    def at(place: int) -> float:
        if place not in known:
            known[place] = model.predict(course.at(course.now + GRID[place]))
        return known[place]

    last = len(GRID) - 1
    ahead = {
        stage: threshold
        for stage, threshold in sorted(STAGE_THRESHOLDS.items())
        if stage > above and threshold >= risk
    }
    guessed = {
        stage: bisect_left(GRID, guess - course.now)
        for stage, guess in (guesses or {}).items()
        if stage in ahead
    }
    return {
        stage: course.now + GRID[_first_over(at, known, threshold, guessed.get(stage, 0))]
        for stage, threshold in ahead.items()
        if at(last) > threshold
    }


def _first_over(at: Callable[[int], float], known: Mapping[int, float], threshold: float, guess: int) -> int:
    """The first place whose risk exceeds the threshold; places that are known already narrow the search.

    From the guess in growing steps until the place lies in between (galloping), then by halves.
    """
    low = max(place for place, risk in known.items() if risk <= threshold)
    high = min(place for place, risk in known.items() if risk > threshold)
    stride = 1
    while high - low > 1:
        place = guess if low < guess < high else (low + high) // 2
        if at(place) > threshold:
            high, guess = place, guess - stride
        else:
            low, guess = place, guess + stride
        stride *= 2
    return high
