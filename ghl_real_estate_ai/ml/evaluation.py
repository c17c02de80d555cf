"""The protocol of every verdict in this house: which rows may judge, and how good an answer is. Numpy only.

Called by ml/training.py (model cards) and ``enterprisehub evaluate``. Figures are checked against scikit-learn in the tests.

*Figures* take ``y`` (0 or 1) and ``p`` (probabilities), both float64 of shape (n,), and return NaN where the question has
no answer (one class only, no rows). *Lists* are judged by graded labels, scores and a list's key per row. *Rows* are cut
by time: origins go forward, an embargo of one horizon lies between folds, and who trained does not judge. Nothing here
is random: a shuffled split of dated rows lets the future teach the past.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.errors import InputError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.int64] | npt.NDArray[np.str_]
"""One key per row: rows with equal keys belong together (a list, a lead)."""

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


def figures(y: Array, p: Array) -> dict[str, float | int | None]:
    """The same under the names of every JSON: n, base_rate, auc, ap, brier, ece, lift_at_10. None: no answer here."""
    found = measure(y, p)
    named: dict[str, float] = {
        "base_rate": float(y.mean()) if y.size else math.nan,
        "auc": found.auc,
        "ap": found.average_precision,
        "brier": found.brier,
        "ece": found.ece,
        "lift_at_10": found.lift_at_10,
    }
    return {
        "n": int(y.size),
        **{name: value if math.isfinite(value) else None for name, value in named.items()},
    }


def auc(y: Array, p: Array) -> float:
    """Area under the ROC curve; a tie counts half."""
    positives, n = float(y.sum()), y.size
    if positives in (0.0, float(n)):
        return math.nan
    ranks = mean_ranks(p)
    return float((ranks[y > 0].sum() - positives * (positives + 1) / 2) / (positives * (n - positives)))


def mean_ranks(values: Array) -> Array:
    """From 1, rising; ties share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[place], dtype=np.float64)


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
    """Rate of positives among the top tenth by prediction, over the base rate. Ties as in ``top_hits``."""
    if not y.size or not y.any():
        return math.nan
    top = max(1, round(TOP_SHARE * y.size))
    return float(top_hits(y, p, top) / top / y.mean())


def top_hits(y: Array, p: Array, top: int) -> float:
    """Positives among the ``top`` rows by prediction. A tie at the edge counts in part: the mean over all its orders."""
    if top >= y.size:
        return float(y.sum())
    edge = np.partition(p, y.size - top)[y.size - top]
    above, tied = p > edge, p == edge
    return float(y[above].sum() + (top - above.sum()) * y[tied].sum() / tied.sum())


def expected_count_correlation(actual: Array, expected: Array) -> float:
    """Pearson's correlation of expected with actual counts, one pair per lead. NaN when one of them never varies."""
    if actual.size < 2 or np.ptp(actual) == 0 or np.ptp(expected) == 0:
        return math.nan
    return float(np.corrcoef(actual, expected)[0, 1])


# --- lists --------------------------------------------------------------------------------------------------------


def ndcg_at_k(grades: Array, scores: Array, lists: Keys, *, k: int = 10) -> float:
    """Mean normalised discounted cumulative gain of the first ``k``, gain 2^grade - 1 (Burges et al. 2005).

    Equal scores share their places: the exact mean over all their orders, so no order of the file helps (McSherry and
    Najork 2008), and equal scores everywhere are the expectation of a random order. Lists without a grade above 0 judge
    nothing and are left out (``judged_lists``). NaN when no list is left.
    """
    gains = np.exp2(grades) - 1.0
    reached, best = (_dcg(gains, by, lists, k) for by in (scores, grades))
    relevant = best > 0
    return float(np.mean(reached[relevant] / best[relevant])) if relevant.any() else math.nan


def mrr(grades: Array, scores: Array, lists: Keys, *, relevant_from: float = 0.0) -> float:
    """Mean of 1 / place of the first item graded above ``relevant_from``; equal scores: the mean over all their orders.

    Lists without such an item are left out. NaN when no list is left.
    """
    order, starts = _sorted_lists(scores, lists)
    found = []
    for hits, ranked in zip(
        np.split((grades > relevant_from)[order], starts[1:]),
        np.split(scores[order], starts[1:]),
        strict=True,
    ):
        if hits.any():
            tied = ranked == ranked[int(np.argmax(hits))]
            found.append(_mean_reciprocal(int(np.argmax(tied)), int(tied.sum()), int(hits[tied].sum())))
    return float(np.mean(found)) if found else math.nan


def judged_lists(grades: Array, lists: Keys, *, relevant_from: float = 0.0) -> int:
    """How many lists hold something relevant: those that ``ndcg_at_k`` and ``mrr`` speak of."""
    return int(np.unique(lists[grades > relevant_from]).size)


def _dcg(gains: Array, scores: Array, lists: Keys, k: int) -> Array:
    """Per list, in the order of its key. Tied items earn the mean gain of their tie at each of its places."""
    order, starts = _sorted_lists(scores, lists)
    sizes = np.diff(np.append(starts, order.size))
    place = np.arange(order.size) - np.repeat(starts, sizes)
    discount = np.where(place < k, 1.0 / np.log2(place + 2.0), 0.0)
    ranked = scores[order]
    new_tie = np.append(True, ranked[1:] != ranked[:-1])
    new_tie[starts] = True
    tie = np.cumsum(new_tie) - 1
    mean_gain = (np.bincount(tie, gains[order]) / np.bincount(tie))[tie]
    return np.add.reduceat(mean_gain * discount, starts)


def _sorted_lists(scores: Array, lists: Keys) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows by list and falling score, and where each list starts in them."""
    _, code = np.unique(lists, return_inverse=True)
    order = np.lexsort((-scores, code))
    return order, np.flatnonzero(np.append(True, np.diff(code[order]) > 0))


def _mean_reciprocal(before: int, tied: int, hits: int) -> float:
    """Mean of 1 / place of the first hit, when ``hits`` of ``tied`` items stand in any order behind ``before`` others."""
    mean, none_yet = 0.0, 1.0
    for place in range(tied - hits + 1):
        here = hits / (tied - place)  # given that no hit came before
        mean += none_yet * here / (before + place + 1)
        none_yet *= 1.0 - here
    return mean


# --- rows ---------------------------------------------------------------------------------------------------------


class Folds(NamedTuple):
    """Masks over the rows. What lies in an embargo, or belongs to a lead of the other side, is in none of them."""

    train: Mask
    validation: Mask
    test: Mask


class Window(NamedTuple):
    """Rows to learn from, and the rows right after them to judge on."""

    train: slice
    judged: slice


def rolling_origins(first: float, last: float, step: float) -> Array:
    """The instants first, first + step, ... up to ``last``, in the unit that they are given in. Empty if last < first."""
    if not step > 0:
        raise InputError("rolling origins: the step must be above 0")
    return first + step * np.arange(max(0, math.floor((last - first) / step) + 1), dtype=np.float64)


def dated_folds(
    at: Array,
    *,
    horizon_s: float,
    shares: tuple[float, float],
    group: Array | None = None,
    train_groups: float = 0.6,
) -> Folds:
    """Train, validation and test one after the other in time, with an embargo of one horizon between them.

    ``at``: when each row was asked, POSIX seconds. A label looks ``horizon_s`` ahead, so rows that were asked within one
    horizon of the next fold are in no fold. ``shares``: where validation and test begin, as shares of the time from the
    first to the last row. ``group``: one number in [0, 1) per row, the same for all rows of a lead (``group_draws``): leads
    below ``train_groups`` train, the others judge. Folds may come out empty: the caller knows how much is enough.
    """
    if not at.size:
        nothing = np.zeros(0, dtype=np.bool_)
        return Folds(nothing, nothing, nothing)
    first, last = float(at.min()), float(at.max())
    validation_from, test_from = (first + share * (last - first) for share in shares)
    trains = np.ones(at.size, dtype=np.bool_) if group is None else group < train_groups
    judges = np.ones(at.size, dtype=np.bool_) if group is None else ~trains
    return Folds(
        train=(at <= validation_from - horizon_s) & (at < validation_from) & trains,
        validation=(at >= validation_from) & (at <= test_from - horizon_s) & (at < test_from) & judges,
        test=(at >= test_from) & judges,
    )


def group_draws(keys: Iterable[str]) -> Array:
    """One number in [0, 1) per key, by its hash: the same on every machine, in every run, in every order of the rows."""
    return np.array(
        [int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48 for key in keys], dtype=np.float64
    )


def rolling_windows(n: int, *, step: int, window: int, start: int) -> Iterator[Window]:
    """Over ``n`` rows, oldest first: learn from the ``window`` rows before each ``step`` rows from ``start`` on, judge those.

    The last step may be shorter; near the start the window may be. Raises InputError when nothing is left to do.
    """
    if step < 1 or window < 1:
        raise InputError("rolling windows: step and window must be 1 or more")
    if not 1 <= start < n:
        raise InputError(f"rolling windows: the first judged row must lie between 1 and {n - 1}, not {start}")
    return (
        Window(slice(max(0, place - window), place), slice(place, min(n, place + step)))
        for place in range(start, n, step)
    )
