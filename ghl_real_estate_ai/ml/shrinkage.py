"""How sure a probability is, and how much of it is a prior: a tenant's log-odds as a line over the model's log-odds.

Called by ml/artifacts.py (``Recalibration.answer``, on every score), ml/training.py (``at_home``, ``update``) and
services/tenant_models.py (``believed_abroad``).

    tenant's log-odds = offset + slope * (model's log-odds - center)

A Gaussian prior on (offset, slope) is moved by the tenant's own resolved leads: MAP by Newton's method, covariance by
Laplace's approximation. From no lead at all (the documented prior, wide) to thousands (the prior's share near 0) it is
the same formula. An interval is about the rate among leads with this score, not about the one lead's fate.

Rows of one lead are not independent: the likelihood is tempered, by the leads' sizes while there are few, else by the
sandwich of the leads' own scores (Ribatet, Cooley, Davison 2012: magnitude adjustment of a composite likelihood).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEVEL: Final = 0.8
"""Certainty of every interval."""
Z: Final = 1.2815515655446004
"""Standard deviations of a Gaussian to either side that hold LEVEL of it."""

SLOPE_ABROAD: Final = (0.7, 0.3)
"""Mean and deviation of the slope where a model speaks of a place it was not fitted on: some of its order is lost there.
Our own judgement, and wide: no study was found that says how much."""
SLOPE_AT_HOME: Final = (1.0, 0.3)
OFFSET_AT_HOME: Final = 1.0
"""Deviation of the offset before any held-out row was seen: a model may be off by a factor of 3 in odds."""
MISFIT: Final = 0.15
"""Deviation, in log-odds, of the true curve from our line: what remains with any number of rows (measured in cities)."""
FLAT_BOTTOM: Final = 0.6
"""Per unit of log-odds below the center the interval's lower end reaches lower by so much: boosted trees shrink towards the
mean and stay above the true rate of the quietest leads (measured in cities: .5 % said, .15 % true)."""
SLOPE_LEAST: Final = 0.05
"""A tenant's rows may flatten a model's order, never turn it round."""
LEADS_FOR_SANDWICH: Final = 100
OUTCOMES_FOR_SANDWICH: Final = 20
"""Leads, and leads of the rarer answer, from which on the rows' dependence is measured instead of assumed to be full."""

_WIDENINGS: Final = 12
_STEP: Final = 0.25
_REACH: Final = 12.0
"""The curve is tabulated at these log-odds around the center; between them it is as good as straight."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


class Prior(NamedTuple):
    """A base rate before any own lead is resolved: with 80 % certainty between ``low`` and ``high``."""

    low: float
    high: float
    source: str

    @property
    def rate(self) -> float:
        """The median, halfway in log-odds."""
        return float(_sigmoid(np.array((_logit(self.low) + _logit(self.high)) / 2.0)))

    @property
    def deviation(self) -> float:
        """Of the log-odds."""
        return (_logit(self.high) - _logit(self.low)) / (2.0 * Z)


PRIORS: Final[Mapping[str, Prior]] = {
    "lead_score": Prior(
        0.01,
        0.15,
        "our own judgement: no public figure was found for a new appointment within 14 days of an active lead",
    ),
    "won": Prior(
        0.003,
        0.04,
        "published lead-to-close rates of online real-estate leads, 0.4-1.2 % overall and 1-4 % for portals; "
        "secondary sources, so taken as a range only",
    ),
}


class Answer(NamedTuple):
    """A probability, its interval, and the share of the documented prior in it."""

    probability: float
    low: float
    high: float
    prior_share: float


@dataclass(frozen=True)
class Recalibration:
    """What is believed of (offset, slope), ready to answer. ``variances``: of offset, of slope, and their covariance.

    ``prior_variances``: of offset and slope before own leads; None where the documented prior has no part in it.
    """

    center: float
    offset: float
    slope: float
    variances: tuple[float, float, float]
    prior_variances: tuple[float, float] | None = None
    leads: int = 0
    rows: int = 0
    _curve: tuple[tuple[float, float, float], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_curve", self._tabulated())

    def answer(self, log_odds: float) -> Answer:
        """For a model's log-odds. Microseconds; rises with ``log_odds``, never falls."""
        part, below, above = self._around(log_odds)
        mean, low, high = (
            1.0 / (1.0 + math.exp(-(a + part * (b - a)))) for a, b in zip(below, above, strict=True)
        )
        return Answer(mean, low, high, self.prior_share(log_odds))

    def probability(self, log_odds: float) -> float:
        """The answer's probability alone: of a curve of many points nothing else is asked."""
        part, below, above = self._around(log_odds)
        return 1.0 / (1.0 + math.exp(-(below[0] + part * (above[0] - below[0]))))

    def _around(
        self, log_odds: float
    ) -> tuple[float, tuple[float, float, float], tuple[float, float, float]]:
        place = min(max((log_odds - self.center + _REACH) / _STEP, 0.0), len(self._curve) - 1.000001)
        index = int(place)
        return place - index, self._curve[index], self._curve[index + 1]

    def prior_share(self, log_odds: float) -> float:
        """Prior precision over all precision of the tenant's log-odds there: 1 without own leads, towards 0 with many."""
        if self.prior_variances is None:
            return 0.0
        away = log_odds - self.center
        offset, slope = self.prior_variances
        return min(1.0, self._variance(away) / (offset + away * away * slope))

    def as_dict(self) -> dict[str, object]:
        """For a model's card, rounded."""
        return {
            "center": round(self.center, 6),
            "offset": round(self.offset, 6),
            "slope": round(self.slope, 6),
            "variances": [round(value, 8) for value in self.variances],
            "prior_variances": self.prior_variances and [round(value, 8) for value in self.prior_variances],
            "leads": self.leads,
            "rows": self.rows,
        }

    @classmethod
    def from_dict(cls, card: Mapping[str, object]) -> Recalibration:
        """What ``as_dict`` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        variances, prior = _numbers(card["variances"]), card["prior_variances"]
        offset, slope, both = variances
        before = None if prior is None else _numbers(prior)
        return cls(
            center=float(str(card["center"])),
            offset=float(str(card["offset"])),
            slope=float(str(card["slope"])),
            variances=(offset, slope, both),
            prior_variances=None if before is None else (before[0], before[1]),
            leads=int(str(card["leads"])),
            rows=int(str(card["rows"])),
        )

    def _variance(self, away: float) -> float:
        offset, slope, both = self.variances
        return max(0.0, offset + 2.0 * away * both + away * away * slope)

    def mean_log_odds(self, away: Array) -> Array:
        """Log-odds of the mean probability, so far from the center."""
        line, spread = self._line(away)
        mean = _sigmoid(line[:, None] + spread[:, None] * _NODES) @ (_WEIGHTS / _WEIGHTS.sum())
        return np.asarray(np.log(mean / (1.0 - mean)), dtype=np.float64)

    def _line(self, away: Array) -> tuple[Array, Array]:
        """Middle and deviation of the tenant's log-odds."""
        spread = np.sqrt([self._variance(float(a)) + MISFIT**2 for a in away])
        return self.offset + self.slope * away, spread

    def _tabulated(self) -> tuple[tuple[float, float, float], ...]:
        """Log-odds of the mean probability and of the interval's ends, made monotone: far out, where only the slope's
        doubt grows, the mean of a wide belief would else turn back towards one half.
        """
        away = np.arange(-_REACH, _REACH + _STEP / 2.0, _STEP)
        line, spread = self._line(away)
        low = line - Z * spread - FLAT_BOTTOM * np.maximum(0.0, -away)
        high = line + Z * spread
        middle = np.clip(self.mean_log_odds(away), low, high)
        middle, low, high = (_rising(curve, away) for curve in (middle, low, high))
        return tuple(zip(middle.tolist(), low.tolist(), high.tolist(), strict=True))


def prior_only(name: str, scores: Array) -> Recalibration | None:
    """The documented prior for target ``name`` where no own lead is resolved; None where there is none.

    ``scores``: log-odds of the model over leads like those it was fitted on. The offset is set so that their mean
    probability is the prior's rate.
    """
    prior = PRIORS.get(name)
    if prior is None or not scores.size:
        return None
    slope, slope_deviation = SLOPE_ABROAD
    center = float(scores.mean())
    away = scores - center
    variances = (prior.deviation**2, slope_deviation**2)
    return Recalibration(
        center=center,
        offset=_offset_for(prior.rate, slope * away),
        slope=slope,
        variances=(*variances, 0.0),
        prior_variances=variances,
    )


def believed_abroad(name: str, scores: Array, held_out: Recalibration) -> Recalibration:
    """What a model may be believed to say of leads of another place before one of theirs is resolved: the documented prior
    (``prior_only``); where no base rate is known, what it says at home, in wide doubt.
    """
    prior = prior_only(name, scores)
    if prior is not None:
        return prior
    doubt = (OFFSET_AT_HOME**2, SLOPE_AT_HOME[1] ** 2, 0.0)
    return _widened(held_out, doubt, scores if scores.size else np.array([held_out.center]))


def _widened(belief: Recalibration, variances: tuple[float, float, float], scores: Array) -> Recalibration:
    """The same probabilities at ``scores`` in another doubt. Doubt alone draws a mean towards one half, so the line moves
    outwards until the means agree: Gauss-Newton in log-odds, where a mean moves as the line does, but less.
    """
    away = scores - belief.center
    design = np.column_stack([np.ones_like(away), away])
    wanted = belief.mean_log_odds(away)
    found = replace(belief, variances=variances, prior_variances=None, leads=0, rows=0)
    for _ in range(_WIDENINGS):
        step, *_ = np.linalg.lstsq(design, wanted - found.mean_log_odds(away), rcond=None)
        found = replace(found, offset=found.offset + float(step[0]), slope=found.slope + float(step[1]))
    return found


def at_home(scores: Array, y: Array, leads: npt.NDArray[np.generic]) -> Recalibration:
    """For leads like those that the model was fitted on: its log-odds as they are, and how well held-out rows hold them."""
    center = float(scores.mean())
    design = np.column_stack([np.ones_like(scores), scores - center])
    before = np.diag([1.0 / OFFSET_AT_HOME**2, 1.0 / SLOPE_AT_HOME[1] ** 2])
    p = _sigmoid(scores)
    weight = _row_weight(design, y - p, p * (1.0 - p), leads)
    covariance = np.linalg.inv(before + weight * _information(design, p))
    return Recalibration(
        center=center,
        offset=center,
        slope=1.0,
        variances=_three(covariance),
        leads=int(np.unique(leads).size),
        rows=int(y.size),
    )


def update(
    prior: Recalibration,
    scores: Array,
    y: Array,
    leads: npt.NDArray[np.generic],
    *,
    sooner: Array | None = None,
) -> Recalibration:
    """The belief after rows whose answer is known: model log-odds, 0 or 1, and whose each is; all of shape (rows,).

    ``sooner``: where the answers are those of a shorter time than the horizon, what that takes off the log-odds by the model.
    """
    if not y.size:
        return prior
    given = np.zeros_like(scores) if sooner is None else sooner
    design = np.column_stack([np.ones_like(scores), scores - prior.center])
    mean = np.array([prior.offset, prior.slope])
    offset, slope, both = prior.variances
    precision = np.linalg.inv(np.array([[offset, both], [both, slope]]))
    weight, found = 1.0, mean
    for _ in range(2):  # the rows' weight depends on the fit, and a little the other way round
        p = _sigmoid(design @ found + given)
        weight = _row_weight(design, y - p, p * (1.0 - p), leads)
        found = _map(design, y, given=given, weight=weight, mean=mean, precision=precision)
    p = _sigmoid(design @ found + given)
    covariance = np.linalg.inv(precision + weight * _information(design, p))
    return Recalibration(
        center=prior.center,
        offset=float(found[0]),
        slope=max(SLOPE_LEAST, float(found[1])),
        variances=_three(covariance),
        prior_variances=prior.prior_variances,
        leads=prior.leads + int(np.unique(leads).size),
        rows=prior.rows + int(y.size),
    )


def _map(design: Array, y: Array, *, given: Array, weight: float, mean: Array, precision: Array) -> Array:
    """The most likely (offset, slope), by Newton's method with halved steps: the objective is concave."""

    def loss(at: Array) -> float:
        line = design @ at + given
        fit = float(np.sum(np.logaddexp(0.0, line) - y * line))
        return weight * fit + 0.5 * float((at - mean) @ precision @ (at - mean))

    at = mean.copy()
    for _ in range(50):
        p = _sigmoid(design @ at + given)
        slope = weight * (design.T @ (y - p)) - precision @ (at - mean)
        step = np.linalg.solve(weight * _information(design, p) + precision, slope)
        while loss(at + step) > loss(at) and float(np.abs(step).max()) > 1e-12:
            step = step / 2.0
        at = at + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return at


def _row_weight(design: Array, residual: Array, noise: Array, leads: npt.NDArray[np.generic]) -> float:
    """How much of an independent row each row is worth: between 1 / the size of a lead, and 1."""
    _, of_lead, sizes = np.unique(leads, return_inverse=True, return_counts=True)
    least = float(sizes.sum() / (sizes.astype(np.float64) ** 2).sum())
    each = np.column_stack([np.bincount(of_lead, design[:, k] * residual) for k in range(2)])
    # a residual above 0 is an outcome: how many leads have one at all
    with_outcome = int((np.bincount(of_lead, residual > 0) > 0).sum())
    rarer = min(with_outcome, sizes.size - with_outcome)
    if sizes.size < LEADS_FOR_SANDWICH or rarer < OUTCOMES_FOR_SANDWICH:
        return least
    information = (design * noise[:, None]).T @ design
    widened = float(np.trace(np.linalg.solve(information, each.T @ each)))
    return float(np.clip(2.0 / max(widened, 1e-9), least, 1.0))


def _information(design: Array, p: Array) -> Array:
    return np.asarray((design * (p * (1.0 - p))[:, None]).T @ design, dtype=np.float64)


def _three(covariance: Array) -> tuple[float, float, float]:
    return float(covariance[0, 0]), float(covariance[1, 1]), float(covariance[0, 1])


def _offset_for(rate: float, line: Array) -> float:
    """So that the mean of sigmoid(offset + line) is ``rate``; by bisection."""
    low, high = -30.0, 30.0
    for _ in range(80):
        middle = (low + high) / 2.0
        if float(_sigmoid(middle + line).mean()) < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _rising(curve: Array, away: Array) -> Array:
    """From the middle outwards no step back; a hair of slope keeps what is apart, apart."""
    middle = away.size // 2
    up = np.maximum.accumulate(curve[middle:])
    down = np.minimum.accumulate(curve[: middle + 1][::-1])[::-1]
    return np.asarray(np.concatenate([down[:-1], up]) + 1e-6 * away, dtype=np.float64)


def _numbers(value: object) -> list[float]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list of numbers, found {type(value).__name__}")
    return [float(str(one)) for one in value]


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def _sigmoid(z: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(z, -500.0, 500.0))), dtype=np.float64)
