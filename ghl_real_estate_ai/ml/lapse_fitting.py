"""The learners of lapse: linear models that keep their directions, and trees that do. Called by ml/lapse_model.py.

lightgbm, scipy and threadpoolctl (it comes with scikit-learn) are imported inside the functions: whoever only serves must
not pay for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.ml.fitting import sigmoid

Array = npt.NDArray[np.float64]
Scores = Callable[[Array], Array]
"""Rows, shape (n, inputs), to log-odds (logistic) or log-means (poisson), shape (n,)."""

RIDGE: Final = 1.0
"""Weight of the squared coefficients, on standardised inputs, against the sum over the rows."""
_EXTREME: Final = 6.0  # standard deviations at which an input is cut off: beyond it nothing was learnt
_TREES: Final[Mapping[str, object]] = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.05,
    "min_data_in_leaf": 60,
    "lambda_l2": 10.0,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "monotone_constraints_method": "intermediate",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,  # the same sums in the same order on every machine
    "verbosity": -1,
}
_ROUNDS: Final = 150


@dataclass(frozen=True, slots=True)
class Linear:
    """A ridge model on standardised inputs; an unknown input counts as the mean."""

    mean: Array
    scale: Array
    weights: Array
    """The constant first."""

    def __call__(self, x: Array) -> Array:
        return np.asarray(_standardised(x, self.mean, self.scale) @ self.weights, dtype=np.float64)


def fit_linear(
    x: Array,
    y: Array,
    directions: Sequence[int],
    *,
    kind: Literal["logistic", "poisson"] = "logistic",
    offset: Array | None = None,
) -> Linear:
    """Ridge regression whose coefficients keep their signs (0: free). Answers 0 or 1, or counts for ``poisson``.

    ``offset``: log-odds or log-means that are known already; the fitted model adds to them.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    known = np.isfinite(x)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, x - mean, 0.0) ** 2).sum(axis=0) / count)
    scale = np.where(spread > 1e-9, spread, np.inf)  # what never varies says nothing
    design = _standardised(x, mean, scale)
    start = np.zeros_like(y) if offset is None else offset
    penalty = np.append(0.0, np.full(x.shape[1], RIDGE))

    def loss(weights: Array) -> tuple[float, Array]:
        score = np.clip(design @ weights + start, -30.0, 30.0)
        if kind == "logistic":
            said, each = sigmoid(score), np.logaddexp(0.0, score) - y * score
        else:
            said = np.exp(score)
            each = said - y * score
        slope = design.T @ (said - y) + penalty * weights
        return (float(each.sum()) + 0.5 * float(penalty @ weights**2)) / y.size, slope / y.size

    sides = {1: (0.0, None), -1: (None, 0.0), 0: (None, None)}
    bounds = [(None, None), *(sides[direction] for direction in directions)]
    with threadpool_limits(1, "blas"):  # small products: threads triple the CPU and change the last digits
        found = minimize(
            loss, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}
        )
    return Linear(mean, scale, np.asarray(found.x, dtype=np.float64))


def fit_trees(x: Array, y: Array, directions: Sequence[int], *, seed: int) -> Scores:
    """LightGBM on answers 0 or 1, monotone where a direction says so."""
    import lightgbm  # 1 s of import

    fit = {**_TREES, "monotone_constraints": list(directions), "seed": seed}
    booster = lightgbm.train(fit, lightgbm.Dataset(x, y), num_boost_round=_ROUNDS)

    def scores(rows: Array) -> Array:
        return np.asarray(booster.predict(rows, raw_score=True), dtype=np.float64)

    return scores


def log_odds(p: Array) -> Array:
    """Probabilities to log-odds, kept finite."""
    inside = np.clip(p, 1e-6, 1.0 - 1e-6)
    return np.asarray(np.log(inside / (1.0 - inside)), dtype=np.float64)


def _standardised(x: Array, mean: Array, scale: Array) -> Array:
    z = np.where(np.isfinite(x), (x - mean) / scale, 0.0)
    return np.column_stack([np.ones(x.shape[0]), np.clip(z, -_EXTREME, _EXTREME)])
