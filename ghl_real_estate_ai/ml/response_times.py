"""How long leads wait for the first human: Kaplan-Meier curves that count those who still wait.

Called by services/team_response.

A lead that waits, or was closed unanswered, has waited *at least* so long. To leave it out would make a team the faster the more
it ignores, so it stays in the denominator until the minute up to which it was watched (Kaplan and Meier 1958). Intervals: Greenwood's
variance on the log-log scale (Kalbfleisch and Prentice), as ``scipy.stats.ecdf`` computes them, which the tests compare with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL: Final = 0.8
"""Certainty of the intervals, as everywhere in the house."""
_Z: Final = 1.2815515655446004
"""Standard normal quantile of (1 + LEVEL) / 2."""
POINTS: Final = 60
"""Most points of a curve that is drawn; a curve with more steps is thinned evenly over its height."""


class Span(NamedTuple):
    """The two ends of an interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Waits:
    """Some leads: ``minutes`` of shape (n,), >= 0, and whether the wait ended with an answer."""

    minutes: Floats
    answered: npt.NDArray[np.bool_]

    def of(self, rows: npt.NDArray[np.intp]) -> Waits:
        """Those in these rows."""
        return Waits(self.minutes[rows], self.answered[rows])


@dataclass(frozen=True, slots=True)
class AnsweredCurve:
    """The share answered after each time at which somebody was: a step function, one entry per distinct time, ascending."""

    minutes: Floats
    answered: Floats
    low: Floats
    high: Floats
    still_waiting: npt.NDArray[np.int64]
    """Leads that had waited at least so long and were not answered yet."""
    watched_min: float
    """The longest time that any lead was watched for: nothing is known beyond it."""


def answered_curve(waits: Waits) -> AnsweredCurve:
    """The curve; empty when nobody was answered."""
    order, answered = np.sort(waits.minutes), np.sort(waits.minutes[waits.answered])
    first = np.flatnonzero(np.diff(answered, prepend=-1.0))  # of each distinct time
    times, deaths = answered[first], np.diff(first, append=answered.size)
    at_risk = waits.minutes.size - np.searchsorted(order, times, side="left")
    left = at_risk - deaths
    unanswered = np.cumprod(left / np.maximum(at_risk, 1))
    low, high = _interval(unanswered, at_risk, deaths)
    watched = float(order[-1]) if order.size else 0.0
    return AnsweredCurve(times, 1.0 - unanswered, low, high, left.astype(np.int64), watched)


def _interval(
    unanswered: Floats, at_risk: npt.NDArray[np.int64], deaths: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Of the share answered. Once everybody is, the scale has no end: the high end is 1, the low end stays where it was;
    where there was none, it is that of n answers out of n (Clopper and Pearson).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths)))
        spread = _Z * np.sqrt(greenwood) / np.abs(np.log(unanswered))
        low, high = 1.0 - unanswered ** np.exp(-spread), 1.0 - unanswered ** np.exp(spread)
    if unanswered.size and unanswered[-1] == 0.0:
        low[-1] = low[-2] if low.size > 1 else ((1.0 - LEVEL) / 2) ** (1.0 / at_risk[-1])
        high[-1] = 1.0
    return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)


def seen(curve: AnsweredCurve, waits: Waits) -> AnsweredCurve:
    """The curve no higher than the share of leads that were answered at all; it ends with the step that gets there.

    What is above it is the estimate's word for those who still wait: it would tell a team that all are answered while some are not.
    """
    share = float(waits.answered.mean()) if waits.answered.size else 0.0
    steps = int(np.searchsorted(curve.answered, share - 1e-9)) + 1
    answered = np.minimum(curve.answered[:steps], share)
    return replace(
        curve,
        minutes=curve.minutes[:steps],
        answered=answered,
        low=np.minimum(curve.low[:steps], answered),
        high=curve.high[:steps],
        still_waiting=curve.still_waiting[:steps],
    )


def height_at(curve: AnsweredCurve, minutes: Floats) -> Floats:
    """The share answered by each of these times; 0 before the first answer."""
    return np.concatenate(([0.0], curve.answered))[np.searchsorted(curve.minutes, minutes, side="right")]


def minutes_until(curve: AnsweredCurve, share: float) -> float | None:
    """By when that share was answered. None: it never was, as far as leads were watched."""
    reached = np.flatnonzero(curve.answered >= share - 1e-12)
    return float(curve.minutes[reached[0]]) if reached.size else None


def share_within(curve: AnsweredCurve, minutes: float) -> float | None:
    """The share answered by then. None: nobody was watched for so long, and some were not answered."""
    reached = np.searchsorted(curve.minutes, minutes, side="right")
    share = float(curve.answered[reached - 1]) if reached else 0.0
    return None if curve.watched_min < minutes and share < 1.0 else share


def span_of_share(curve: AnsweredCurve, minutes: float, leads: int) -> Span:
    """Between what the share of so many ``leads`` answered by then lies, at LEVEL."""
    reached = np.searchsorted(curve.minutes, minutes, side="right")
    if not reached:  # none out of all of them (Clopper and Pearson)
        return Span(0.0, 1.0 - ((1.0 - LEVEL) / 2) ** (1.0 / max(1, leads)))
    return Span(float(curve.low[reached - 1]), float(curve.high[reached - 1]))


def span_of_minutes(curve: AnsweredCurve, share: float) -> Span:
    """Between what the time lies by when that share was answered (Brookmeyer and Crowley 1982); infinity: perhaps never."""
    soonest = minutes_until(replace(curve, answered=curve.high), share)
    latest = minutes_until(replace(curve, answered=curve.low), share)
    return Span(math.inf if soonest is None else soonest, math.inf if latest is None else latest)


def span_of_part(part: int, whole: int) -> Span:
    """Between what a share lies of which ``part`` of ``whole`` (> 0) were counted (Wilson 1927), at LEVEL."""
    rate, room = part / whole, _Z**2 / whole
    middle = (rate + room / 2) / (1 + room)
    half = math.sqrt(room * rate * (1 - rate) + room**2 / 4) / (1 + room)
    return Span(max(0.0, middle - half), min(1.0, middle + half))


def drawn(curve: AnsweredCurve) -> npt.NDArray[np.intp]:
    """The rows to draw: all, or POINTS of them evenly over the curve's height, its first and last among them."""
    steps = curve.minutes.size
    if steps <= POINTS:
        return np.arange(steps)
    heights = np.linspace(curve.answered[0], curve.answered[-1], POINTS)
    rows = np.searchsorted(curve.answered, heights - 1e-12)
    return np.array(sorted(set(np.clip(rows, 0, steps - 1).tolist())), dtype=np.intp)
