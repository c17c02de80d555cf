"""What a lead score has to beat on a table. Called by ml/table_score.py and ml/rolling.py."""

from __future__ import annotations

import warnings
from typing import Final, NamedTuple

import numpy as np

from ghl_real_estate_ai.ml.column_encoding import LEVELS, fit_encoder
from ghl_real_estate_ai.ml.evaluation import auc
from ghl_real_estate_ai.ml.table_inputs import Array, Inputs
from ghl_real_estate_ai.ml.table_model import sigmoid

_SMOOTHING: Final = 0.5


class Baselines(NamedTuple):
    """Probabilities of the judged rows, by baseline, and which column alone was best."""

    answers: dict[str, Array]
    single: str


def baseline_answers(
    learn: Inputs, y: Array, judge: Inputs, *, times: tuple[Array, Array] | None
) -> Baselines:
    """``times``: POSIX seconds or any rising number of the rows learnt from and judged; None leaves recency out."""
    rate = (float(y.sum()) + _SMOOTHING) / (y.size + 2 * _SMOOTHING)
    constant = np.full(len(judge), rate)
    answers = {"base_rate": constant}
    both = 0 < y.sum() < y.size
    answers["logistic"] = _logistic(*_plain(learn, judge), y) if both else constant
    answers["best_single_column"], single = _single(learn, y, judge) if both else (constant, "")
    if times is not None:
        then, now = (_standard(one, times[0])[:, None] for one in times)
        answers["recency"] = _logistic(then, now, y) if both else constant
    return Baselines(answers, single)


def _single(learn: Inputs, y: Array, judge: Inputs) -> tuple[Array, str]:
    """Rate of outcomes by level or decile of the one column that ranked later training rows best by the rows above them."""
    encoder, design = fit_encoder(learn, y, np.ones(y.size))
    names = encoder.rate_columns(learn)
    if not names:
        return np.full(len(judge), float(y.mean())), ""
    ordered = design.linear[:, -len(names) :]
    late = slice(y.size // 3, None)  # the first rows have nothing above them
    ranked = [auc(y[late], one) for one in ordered[late].T]
    best = int(np.argmax(np.nan_to_num(ranked)))
    base = float(np.log(y.mean() / (1 - y.mean())))
    return sigmoid(base + encoder.encode(judge).linear[:, -len(names) :][:, best]), names[best]


def _plain(learn: Inputs, judge: Inputs) -> tuple[Array, Array]:
    """Standardised numbers, missing at the mean, none beyond those learnt from; and one column for each common word."""
    parts: list[tuple[Array, Array]] = []
    for place, column in enumerate(learn.numbers.T):
        there = column[np.isfinite(column)]
        low, high = (there.min(), there.max()) if there.size else (0.0, 0.0)
        within = np.clip(judge.numbers[:, place], low, high)
        parts.append((_standard(column, column), _standard(within, column)))
    for then, now in zip(learn.codes.T, judge.codes.T, strict=True):
        levels, counts = np.unique(then, return_counts=True)
        common = levels[np.argsort(-counts, kind="stable")][:LEVELS]
        parts += [((then == one).astype(np.float64), (now == one).astype(np.float64)) for one in common]
    if not parts:
        return np.zeros((len(learn), 1)), np.zeros((len(judge), 1))
    return np.column_stack([one for one, _ in parts]), np.column_stack([one for _, one in parts])


def _standard(values: Array, reference: Array) -> Array:
    there = reference[np.isfinite(reference)]
    if not there.size:
        return np.zeros(values.size)
    size = float(np.abs(there).max()) or 1.0  # first, so that squares of enormous numbers stay finite
    centre, width = (there / size).mean(), (there / size).std()
    return np.nan_to_num((values / size - centre) / (width or 1.0))


def _logistic(then: Array, now: Array, y: Array) -> Array:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression  # heavy start

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # as it comes, without care: that is what it stands for
        found = LogisticRegression(max_iter=200).fit(then, y)
    return sigmoid(np.asarray(found.decision_function(now), dtype=np.float64))
