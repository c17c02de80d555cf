"""Discrete-time hazard: when does it happen? One row per lead and period, and from the hazards back to one probability.

Called by ml/hazard_fitting.py (rows to fit on) and ml/artifacts.py (answers). Arrays in, arrays out.

A hazard is the chance that the event comes in a period, given that it has not come before. Who was followed only for a
while counts in the periods that were seen whole, so a young log teaches what it can and nothing is guessed (Allison
1982, "Discrete-time methods for the analysis of event histories"). P(event within the horizon) = 1 - prod(1 - h_k).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

PERIOD: Final = "period"
"""Name of the last input of a hazard model: the number of the period, from 0."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_PATH: Final = (_NODES + 1.0) / 2.0  # on [0, 1]
_PATH_WEIGHTS: Final = _WEIGHTS / 2.0


@dataclass(frozen=True, slots=True)
class PersonPeriods:
    """Rows to fit a hazard on."""

    x: Array
    """shape (m, inputs + 1): the inputs at the origin, then PERIOD"""
    y: Array
    """1 in the period in which the event came, shape (m,)"""
    row: npt.NDArray[np.intp]
    """Which of the given rows each one comes from, shape (m,)"""


def person_periods(x: Array, event_days: Array, seen_days: Array, ends: Sequence[float]) -> PersonPeriods:
    """Rows of the periods (0, e1], (e1, e2] ... that a lead entered without the event and was followed through.

    ``x``: shape (n, inputs), as of the origin. ``event_days``: days from there to the event, inf where none came, shape
    (n,). ``seen_days``: for how many days the lead was followed, shape (n,). ``ends``: ends of the periods in days,
    rising. A period that was seen in part is left out even when the event came in it: only events would be counted.
    """
    begins = (0.0, *ends[:-1])
    parts = []
    for number, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        row = np.flatnonzero((event_days > begin) & (seen_days >= end))
        parts.append(
            PersonPeriods(
                x=with_period(x[row], number), y=(event_days[row] <= end).astype(np.float64), row=row
            )
        )
    return PersonPeriods(
        x=np.concatenate([part.x for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        row=np.concatenate([part.row for part in parts]),
    )


def with_period(x: Array, number: int) -> Array:
    """The rows with the number of the period as their last input."""
    return np.column_stack([x, np.full(len(x), float(number))])


def event_log_odds(hazards: Array) -> Array:
    """Log-odds that the event comes in any of the periods, from the hazards' log-odds, shape (..., periods).

    With the cumulated hazard c = sum(-log(1 - h)) the odds are exp(c) - 1. Exact at both ends: no probability is formed.
    """
    cumulated = np.logaddexp(0.0, hazards).sum(axis=-1)
    return np.asarray(cumulated + np.log(-np.expm1(-np.maximum(cumulated, 1e-300))), dtype=np.float64)


def event_log_odds_of_one(hazards: Sequence[float]) -> float:
    """The same for one lead, without numpy's cost per call."""
    cumulated = math.fsum(z + math.log1p(math.exp(-z)) if z > 0 else math.log1p(math.exp(z)) for z in hazards)
    return cumulated + math.log(-math.expm1(-max(cumulated, 1e-300)))


def shares_of_answer(shares: Array, base: Array) -> tuple[Array, float]:
    """What each input adds to the event's log-odds, and what is left as base, from what it adds to each hazard's.

    ``shares``: shape (periods, inputs), ``base``: shape (periods,), both in log-odds. The answer's slope in each hazard
    is averaged on the straight way from the base to the lead (Aumann-Shapley), so that base and shares add up to
    ``event_log_odds`` exactly. Signs hold: an input that lowers every hazard lowers the answer.
    """
    moved = shares.sum(axis=1)
    on_way = base[None, :] + _PATH[:, None] * moved[None, :]  # shape (nodes, periods)
    cumulated = np.logaddexp(0.0, on_way).sum(axis=1, keepdims=True)
    slopes = 1.0 / (1.0 + np.exp(-on_way)) / -np.expm1(-np.maximum(cumulated, 1e-300))
    each = (_PATH_WEIGHTS @ slopes) @ shares
    return each, float(event_log_odds(base + moved) - each.sum())
