"""The learners: LightGBM with monotone inputs, the baselines it has to beat, and Platt's calibration.

Called by ml/training.py only. lightgbm and scikit-learn are imported inside the functions: together they take about 4 s
to import, and whatever else imports this room must not pay for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from ghl_real_estate_ai.ml.evaluation import Array
from ghl_real_estate_ai.ml.features import FEATURE_NAMES, FEATURES
from ghl_real_estate_ai.ml.hazard import PersonPeriods
from ghl_real_estate_ai.ml.history import Table
from ghl_real_estate_ai.ml.targets import Target

MAX_TREES: Final = 120
MAX_LEAVES: Final = 11
PATIENCE_TREES: Final = 15
"""Trees without progress on the validation fold before fitting stops."""
CLEAR_GAIN: Final = 2.0
"""Standard errors by which calibration must better the Brier score before it is used."""
RECENCY_INPUT: Final = "silence_days"
LIGHTGBM: Final[Mapping[str, object]] = {
    "objective": "binary",
    "num_leaves": MAX_LEAVES,
    "learning_rate": 0.06,
    "min_data_in_leaf": 80,
    "lambda_l2": 20.0,
    "feature_fraction": 0.5,
    "monotone_constraints_method": "intermediate",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,  # the same sums in the same order on every machine
    "verbosity": -1,
}

Predictor = Callable[[Array], Array]
"""Feature rows, shape (n, len(FEATURES)), to probabilities, shape (n,)."""


class HazardPredictor(Protocol):
    """Feature rows to the probability of the answer within ``days``, a period's end."""

    def __call__(self, x: Array, *, days: float) -> Array: ...


@dataclass(frozen=True, slots=True)
class Trees:
    """A fitted LightGBM model."""

    text: str
    inputs: tuple[str, ...]
    count: int
    log_odds: Predictor
    """As Predictor, but log-odds before calibration."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """p = sigmoid(slope * log-odds + offset); (1, 0) changes nothing."""

    slope: float = 1.0
    offset: float = 0.0

    def applied(self, log_odds: Array) -> Array:
        """Probabilities."""
        return sigmoid(self.slope * log_odds + self.offset)

    @property
    def changes(self) -> bool:
        """Whether it does anything."""
        return (self.slope, self.offset) != (1.0, 0.0)


def fit_trees(target: Target, train: Table, validation: Table, *, seed: int) -> Trees:
    """LightGBM, stopped early on the validation fold, on the inputs that it uses.

    Inputs that no tree splits on are left out and the rest is fitted again, until every named input moves the output.
    """
    import lightgbm  # heavy start, see above

    inputs = FEATURE_NAMES
    while True:
        columns = [FEATURE_NAMES.index(name) for name in inputs]
        directions = [target.direction(FEATURES[column]) for column in columns]
        names = list(inputs)
        data = lightgbm.Dataset(train.x[:, columns], train.y, feature_name=names)
        booster = lightgbm.train(
            {**LIGHTGBM, "monotone_constraints": directions, "seed": seed},
            data,
            num_boost_round=MAX_TREES,
            valid_sets=[lightgbm.Dataset(validation.x[:, columns], validation.y, reference=data)],
            callbacks=[lightgbm.early_stopping(PATIENCE_TREES, verbose=False)],
        )
        count = booster.best_iteration
        splits = booster.feature_importance("split", iteration=count)
        used = tuple(name for name, n in zip(inputs, splits, strict=True) if n > 0)
        if used == inputs:
            text = booster.model_to_string(num_iteration=count)
            return Trees(text, inputs, count, _raw(booster, columns, count))
        inputs = used


def _raw(booster: object, columns: list[int], count: int) -> Predictor:
    def log_odds(x: Array) -> Array:
        found = booster.predict(x[:, columns], raw_score=True, num_iteration=count)  # type: ignore[attr-defined]  # reason: lightgbm ships no types
        return np.asarray(found, dtype=np.float64)

    return log_odds


def fit_logistic(train: Table) -> Predictor:
    """Logistic regression on all features, standardised; unknown counts as 0."""
    return _logistic(train.x, train.y)


def fit_recency(train: Table) -> Predictor:
    """The rule every agent knows, days since the last sign of life, as a probability."""
    place = FEATURE_NAMES.index(RECENCY_INPUT)
    fitted = _logistic(train.x[:, [place]], train.y)
    return lambda x: fitted(x[:, [place]])


def _logistic(x: Array, y: Array) -> Predictor:
    from sklearn.linear_model import LogisticRegression  # heavy start, see above
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000))
    model.fit(np.nan_to_num(x), y)
    return lambda rows: np.asarray(model.predict_proba(np.nan_to_num(rows))[:, 1], dtype=np.float64)


def fit_logistic_hazard(fold: PersonPeriods, target: Target) -> HazardPredictor:
    """Logistic regression on person-period rows: all features, standardised, and one level per period."""
    return _logistic_hazard(fold, target, list(range(len(FEATURE_NAMES))))


def fit_recency_hazard(fold: PersonPeriods, target: Target) -> HazardPredictor:
    """The recency rule as a hazard: days since the last sign of life, and one level per period."""
    return _logistic_hazard(fold, target, [FEATURE_NAMES.index(RECENCY_INPUT)])


def _logistic_hazard(fold: PersonPeriods, target: Target, columns: list[int]) -> HazardPredictor:
    ends = target.periods

    def design(x: Array, number: Array) -> Array:
        return np.column_stack([x[:, columns], number[:, None] == np.arange(len(ends))])

    hazard = _logistic(design(fold.x, fold.x[:, -1]), fold.y)

    def within(x: Array, *, days: float) -> Array:
        stays_away = np.ones(len(x))
        for number in range(max(1, sum(end <= days for end in ends))):
            stays_away *= 1.0 - hazard(design(x, np.full(len(x), float(number))))
        return stays_away if target.silence else 1.0 - stays_away

    return within


def calibration(log_odds: Array, fold: Table) -> Calibration:
    """Platt's curve, if fitted on half of the fold's leads it clearly betters the Brier score of the other half.

    Else the identity: recalibrating a calibrated model makes it worse, and a small fold always shows some chance gain.
    """
    half = fold.draw < np.median(fold.draw)  # all rows of a lead share their draw, so they stay together
    plain = (sigmoid(log_odds) - fold.y) ** 2
    curved = np.empty_like(plain)
    for learnt_on in (half, ~half):
        curve = _platt(log_odds[learnt_on], fold.y[learnt_on])
        curved[~learnt_on] = (curve.applied(log_odds[~learnt_on]) - fold.y[~learnt_on]) ** 2
    gain = plain - curved
    clear = gain.mean() > CLEAR_GAIN * gain.std() / np.sqrt(gain.size)
    return _platt(log_odds, fold.y) if clear else Calibration()


def _platt(log_odds: Array, y: Array) -> Calibration:
    """Newton's method for the two parameters; converges in a handful of steps."""
    design = np.column_stack([log_odds, np.ones_like(log_odds)])
    weights = np.zeros(2)  # from a flat curve Newton converges; from a steep wrong one it can run away
    for _ in range(25):
        p = sigmoid(design @ weights)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (y - p))
        weights = weights + step
        if float(np.abs(step).max()) < 1e-10:
            break
    return Calibration(float(weights[0]), float(weights[1]))


def sigmoid(z: Array) -> Array:
    """Log-odds to probabilities."""
    return 1.0 / (1.0 + np.exp(-np.clip(z, -500.0, 500.0)))
