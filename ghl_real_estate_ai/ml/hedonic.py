"""What homes like this one cost in the same table: a hedonic regression of log price, fitted without any judgement.

Called by ml/list_ranking.py. Source: Rosen (1974), hedonic prices; here boosted trees, out of fold, so that no home
explains its own price. heavy: lightgbm is imported inside.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.ml.evaluation import Array

FEWEST_HOMES: Final = 60
"""Below, "homes like this one" are too few to say what they cost."""
_FOLDS: Final = 5
_ROUNDS: Final = 150
_OUTLIERS: Final = 0.02  # at each end: a typing error of a zero must not stand first


def price_residual(x: Array, price: Array, *, seed: int = 7) -> Array | None:
    """log price - log of what its like costs, out of fold; negative is cheap. NaN where the price is unknown.

    ``x``: what describes the homes, (n, columns). None when fewer than FEWEST_HOMES have a price. Homes of all times are each
    other's like: a price is no judgement. Folds and the order of the fit come from what a row holds, so the order of the
    rows changes nothing, and a home listed twice does not explain itself.
    """
    priced = np.isfinite(price) & (price > 0)
    if priced.sum() < FEWEST_HOMES or not x.shape[1]:
        return None
    import lightgbm  # heavy start, see above

    places, fold = _folds(x, price, np.flatnonzero(priced))
    if not fold.any():
        return None  # one home many times
    log_price, rows = np.log(price[places]), x[places]
    expected = np.empty_like(log_price)
    for held in np.unique(fold):
        data = lightgbm.Dataset(rows[fold != held], log_price[fold != held])
        booster = lightgbm.train(_parameters(log_price.size, seed), data, num_boost_round=_ROUNDS)
        expected[fold == held] = booster.predict(rows[fold == held])
    found = np.full(price.shape, np.nan)
    residual = log_price - expected
    found[places] = np.clip(residual, *np.quantile(residual, [_OUTLIERS, 1 - _OUTLIERS]))
    return found


def _folds(
    x: Array, price: Array, places: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """``places`` in an order of their content, and the fold of each; equal rows share one."""
    content = np.column_stack([x[places], price[places]]) + 0.0  # no -0.0
    content[np.isnan(content)] = np.nan  # of one kind
    marks = np.array([zlib.crc32(row.tobytes()) for row in content])
    _, number = np.unique(marks, return_inverse=True)
    order = np.argsort(number, kind="stable")
    return places[order], number[order] % _FOLDS


def _parameters(rows: int, seed: int) -> dict[str, object]:
    return {
        "objective": "regression_l1",  # the median: one absurd price moves nothing
        "num_leaves": 15,
        "learning_rate": 0.06,
        "min_data_in_leaf": int(np.clip(rows // 60, 5, 30)),
        "feature_fraction": 0.8,
        "lambda_l2": 5.0,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }
