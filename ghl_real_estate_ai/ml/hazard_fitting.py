"""Fits a discrete-time hazard: LightGBM with monotone inputs on person-period rows, censored where a fold ends.

Called by ml/training.py only. lightgbm is imported inside, as in ml/fitting.py.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ghl_real_estate_ai.ml.bgnbd import Histories, fit_bgnbd
from ghl_real_estate_ai.ml.evaluation import Array, group_draws
from ghl_real_estate_ai.ml.features import FEATURE_NAMES, FEATURES
from ghl_real_estate_ai.ml.fitting import LIGHTGBM, MAX_TREES, PATIENCE_TREES, Predictor, Trees
from ghl_real_estate_ai.ml.hazard import PERIOD, PersonPeriods, event_log_odds, person_periods, with_period
from ghl_real_estate_ai.ml.history import History
from ghl_real_estate_ai.ml.targets import Outcomes, Target

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Spells:
    """Leads at origins, each with when its event came: what a hazard is fitted on."""

    x: Array
    """shape (rows, len(FEATURES)), as of the origin"""
    event_days: Array
    """From the origin to the event, inf where none is known, shape (rows,)"""
    at: Array
    """Origin of each row, POSIX seconds."""
    until: float
    """Until when all of them were followed, POSIX seconds: the end of the log, or of the fold."""
    draw: Array
    """As ``history.Table.draw``."""

    def where(self, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Spells:
        """The rows that the mask keeps."""
        return Spells(self.x[mask], self.event_days[mask], self.at[mask], self.until, self.draw[mask])

    def followed_until(self, end: float) -> Spells:
        """The same, as known at ``end``: what came later is not."""
        until = min(end, self.until)
        known = self.at + self.event_days * _DAY_S <= until
        return Spells(self.x, np.where(known, self.event_days, np.inf), self.at, until, self.draw)

    def person_periods(self, ends: Sequence[float]) -> PersonPeriods:
        """Rows to fit on."""
        return person_periods(self.x, self.event_days, (self.until - self.at) / _DAY_S, ends)

    def __len__(self) -> int:
        return int(self.at.size)


def spells(history: History, target: Target, place: int) -> Spells:
    """Every row of the target at ``place`` in the list that ``read_history`` was given, followed until the log's end.

    Unlike ``History.table`` it keeps the origins whose horizon is not over: they are censored, not unknown.
    """
    rows = [row for row in history.rows if row.asked[place]]
    until = math.nan if history.last_at is None else history.last_at.timestamp()
    at = np.array([row.at.timestamp() for row in rows], dtype=np.float64)
    return Spells(
        x=np.array([row.x for row in rows], dtype=np.float64).reshape(len(rows), len(FEATURES)),
        event_days=np.array(
            [_days_to(times_of(target, history.outcomes[row.lead_key]), row.at) for row in rows],
            dtype=np.float64,
        ),
        at=at,
        until=until,
        draw=group_draws(row.lead_key for row in rows),
    )


def _days_to(times: Sequence[datetime], at: datetime) -> float:
    """From ``at`` to the first of the rising ``times`` after it; inf where there is none."""
    place = bisect_right(times, at)
    return (times[place] - at).total_seconds() / _DAY_S if place < len(times) else math.inf


def times_of(target: Target, outcomes: Outcomes) -> list[datetime]:
    """Rising times of the target's event. Raises ValueError for a target that has none."""
    if target.event is None:
        raise ValueError(f"{target.name} has no event to wait for")
    return target.event(outcomes)


def fit_hazard(target: Target, train: Spells, validation: Spells, *, seed: int) -> Trees:
    """One LightGBM model of all periods, stopped early on the validation fold, on the inputs that it uses.

    Where the answer is that the event does not come, the hazard's own directions are the opposite of the target's. ``train``
    and ``validation`` are followed until their folds end and no further. Of the result, ``log_odds`` answers the question
    (from rows as of the origin, without PERIOD); ``inputs`` are the features, PERIOD comes after them in the model.
    """
    import lightgbm  # heavy start

    fold = train.person_periods(target.periods)
    judged = validation.person_periods(target.periods)
    sign = -1 if target.silence else 1
    inputs = FEATURE_NAMES
    while True:
        columns = [FEATURE_NAMES.index(name) for name in inputs]
        with_last = [*columns, len(FEATURE_NAMES)]
        names = [*inputs, PERIOD]
        data = lightgbm.Dataset(fold.x[:, with_last], fold.y, feature_name=names)
        booster = lightgbm.train(
            {
                **LIGHTGBM,
                "monotone_constraints": [
                    *(sign * target.direction(FEATURES[column]) for column in columns),
                    0,
                ],
                "seed": seed,
            },
            data,
            num_boost_round=MAX_TREES,
            valid_sets=[lightgbm.Dataset(judged.x[:, with_last], judged.y, reference=data)],
            callbacks=[lightgbm.early_stopping(PATIENCE_TREES, verbose=False)],
        )
        count = booster.best_iteration
        splits = booster.feature_importance("split", iteration=count)
        used = tuple(name for name, n in zip(inputs, splits[:-1], strict=True) if n > 0)
        if used == inputs:
            text = booster.model_to_string(num_iteration=count)
            return Trees(text, inputs, count, _log_odds(booster, columns, count, target))
        inputs = used


def fit_bgnbd_rule(train: Spells) -> Callable[..., Array]:
    """BG/NBD on active days, fitted to the newest row of each lead: (rows, days=) to P(no active day within so many days).

    The baseline that knows of people who stop for good.
    """
    newest = np.lexsort((train.at, train.draw))
    newest = newest[np.append(np.diff(train.draw[newest]) > 0, True)]
    model = fit_bgnbd(_histories(train.x[newest]))
    return lambda x, *, days: model.p_silent(_histories(x), days)


def _histories(x: Array) -> Histories:
    active, tenure, silence = (
        np.nan_to_num(np.expm1(x[:, FEATURE_NAMES.index(name)]))
        for name in ("active_days", "tenure_days", "silence_days")
    )
    repeats = np.maximum(active - 1.0, 0.0)
    return Histories(repeats, np.where(repeats > 0, tenure, 0.0), tenure + silence)


def _log_odds(booster: object, columns: list[int], count: int, target: Target) -> Predictor:
    sign = -1.0 if target.silence else 1.0

    def log_odds(x: Array) -> Array:
        each = [
            booster.predict(with_period(x[:, columns], number), raw_score=True, num_iteration=count)  # type: ignore[attr-defined]  # reason: lightgbm ships no types
            for number in range(len(target.periods))
        ]
        return sign * event_log_odds(np.column_stack(each))

    return log_odds
