"""How good a set of probabilities is: ranking, accuracy and calibration, in numpy.

Called by ml/training.py (model cards) and ``enterprisehub evaluate``. Checked against scikit-learn in the tests.

Every function takes ``y`` (0 or 1) and ``p`` (probabilities), both float64 of shape (n,), and returns NaN where the
question has no answer (one class only, no rows).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

CALIBRATION_BINS: Final = 15
"""Quantile bins of the calibration error: fine enough for 1,000 rows, coarse enough not to measure noise."""
TOP_SHARE: Final = 0.10
"""An agent who can call one lead in ten: the share that lift looks at."""


class Metrics(NamedTuple):
    """One model on one fold. Higher is better for auc, average_precision, lift_at_10; lower for brier and ece."""

    auc: float
    average_precision: float
    brier: float
    ece: float
    lift_at_10: float


class ReliabilityBin(NamedTuple):
    """One bin of predictions: how many, what was said on average, what came true."""

    rows: int
    mean_predicted: float
    observed: float


def measure(y: Array, p: Array) -> Metrics:
    """All metrics at once."""
    return Metrics(auc(y, p), average_precision(y, p), brier(y, p), ece(y, p), lift_at_10(y, p))


def auc(y: Array, p: Array) -> float:
    """Area under the ROC curve; a tie counts half."""
    positives, n = float(y.sum()), y.size
    if positives in (0.0, float(n)):
        return math.nan
    _, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2.0)[inverse]  # mean rank of each tie group, from 1
    return float((ranks[y > 0].sum() - positives * (positives + 1) / 2) / (positives * (n - positives)))


def average_precision(y: Array, p: Array) -> float:
    """Mean precision over recall steps; equal predictions form one step."""
    positives = float(y.sum())
    if positives == 0:
        return math.nan
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(y[order])
    ends = np.append(np.flatnonzero(np.diff(p[order])), y.size - 1)
    precision = hits[ends] / (ends + 1)
    return float(np.sum(np.diff(hits[ends], prepend=0.0) * precision) / positives)


def brier(y: Array, p: Array) -> float:
    """Mean squared error of the probabilities."""
    return float(np.mean((p - y) ** 2)) if y.size else math.nan


def ece(y: Array, p: Array, *, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error: mean |said - came true| over quantile bins, weighted by their size."""
    table = reliability(y, p, bins=bins)
    if not table:
        return math.nan
    return sum(bin_.rows * abs(bin_.mean_predicted - bin_.observed) for bin_ in table) / y.size


def reliability(y: Array, p: Array, *, bins: int = CALIBRATION_BINS) -> tuple[ReliabilityBin, ...]:
    """The calibration curve over quantile bins, lowest predictions first. Equal predictions share a bin."""
    if not y.size:
        return ()
    edges = np.unique(np.quantile(p, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    which = np.searchsorted(edges, p, side="left")
    return tuple(
        ReliabilityBin(int(inside.sum()), float(p[inside].mean()), float(y[inside].mean()))
        for inside in (which == number for number in range(edges.size + 1))
        if inside.any()
    )


def lift_at_10(y: Array, p: Array) -> float:
    """Rate of positives among the top tenth by prediction, over the base rate."""
    if not y.size or not y.any():
        return math.nan
    top = max(1, round(TOP_SHARE * y.size))
    return float(y[np.argsort(-p, kind="stable")[:top]].mean() / y.mean())
