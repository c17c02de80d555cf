"""BG/NBD: buying at a rate of one's own, until one day after some event one stops for good. Called by ml/lapse.py.

Fader, Hardie, Lee: "Counting Your Customers" the Easy Way, Marketing Science 24 (2005). Events come as a Poisson process
whose rate differs between leads (gamma, shape r, rate alpha); after each event the lead drops out with a chance that differs
between leads (beta, a and b). Three numbers per lead are enough: see ``Histories``. Plain arrays, nothing of our models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.errors import InputError

Array = npt.NDArray[np.float64]

PRIOR_SPREAD: Final = 3.0
"""Standard deviation of the weak prior on each log-parameter: nothing at 500 leads, and 20 leads still give finite answers."""
_BOUND: Final = 9.0  # log-parameters stay within +-9 of the prior's centre: a model without dropout has a = 0
_POLE: Final = 1e-5  # the published expectation divides by a - 1, though its limit exists
_FEWEST: Final = 2


class Histories(NamedTuple):
    """What the model knows of each lead; float64 arrays of shape (n,), times in one unit (days)."""

    repeats: Array
    """Events after the first (x)."""
    span: Array
    """From the first event to the last (t_x); 0 where there is no repeat."""
    age: Array
    """From the first event to now (T), at least the span."""


@dataclass(frozen=True, slots=True)
class BgNbd:
    """Fitted parameters; ``alpha`` in the unit of the times. The published fit on CDNOW is (.243, 4.414, .793, 2.426) in weeks."""

    r: float
    alpha: float
    a: float
    b: float

    def p_alive(self, of: Histories) -> Array:
        """P(the lead has not stopped for good). 1 without a repeat: in this model nobody stops after the first event."""
        return 1.0 / (1.0 + self._odds_dead(of))

    def p_silent(self, of: Histories, horizon: float) -> Array:
        """P(no event within the horizon from now): stopped, or alive and merely quiet for so long."""
        quiet = ((self.alpha + of.age) / (self.alpha + of.age + horizon)) ** (self.r + of.repeats)
        return 1.0 - self.p_alive(of) * (1.0 - quiet)

    def expected(self, of: Histories, horizon: float) -> Array:
        """Expected number of events within the horizon from now, given the history.

        The paper's equation 10 after Euler's transformation of its hypergeometric function: many repeats then stand in one
        denominator only, where scipy stays exact.
        """
        from scipy.special import hyp2f1

        a = self.a if abs(self.a - 1.0) > _POLE else 1.0 + _POLE
        past = self.alpha + of.age
        share = horizon / (past + horizon)
        series = hyp2f1(a + self.b - 1.0 - self.r, a - 1.0, a + self.b + of.repeats - 1.0, share)
        alive = (a + self.b + of.repeats - 1.0) / (a - 1.0) * (1.0 - (1.0 - share) ** (a - 1.0) * series)
        return np.maximum(np.asarray(alive, dtype=np.float64) * self.p_alive(of), 0.0)

    def _odds_dead(self, of: Histories) -> Array:
        repeated = of.repeats > 0
        longer = np.log((self.alpha + of.age) / (self.alpha + of.span)) * (self.r + of.repeats)
        with np.errstate(over="ignore"):  # long dead: the odds are infinite, and the chance to live is 0
            odds = self.a / np.maximum(self.b + of.repeats - 1.0, 1e-12) * np.exp(longer)
        return np.where(repeated, odds, 0.0)


def fit_bgnbd(of: Histories, weight: Array | None = None) -> BgNbd:
    """Maximum likelihood under a weak prior, by the closed form of the paper (equation 6).

    ``weight``: how many leads have each history, 1 if left out. Raises InputError for fewer than two leads, or when
    nothing has aged.
    """
    from scipy.optimize import minimize  # 0.2 s of import, which a gateway need not pay

    counts = np.ones_like(of.age) if weight is None else weight
    if of.age.size < _FEWEST or not (of.age > 0).any():
        raise InputError("BG/NBD needs two leads or more, and time that has passed since their first events")
    unit = float(np.average(of.age, weights=counts))  # in units of the mean age every parameter is of order 1
    scaled = Histories(of.repeats, of.span / unit, of.age / unit)
    total = float(counts.sum())

    def loss(log_parameters: Array) -> float:
        r, alpha, a, b = np.exp(log_parameters)
        likelihood = float(counts @ log_likelihood(BgNbd(r, alpha, a, b), scaled))
        return (0.5 * float(np.sum((log_parameters / PRIOR_SPREAD) ** 2)) - likelihood) / total

    found = minimize(loss, np.zeros(4), method="L-BFGS-B", bounds=[(-_BOUND, _BOUND)] * 4)
    r, alpha, a, b = (float(value) for value in np.exp(found.x))
    return BgNbd(r=r, alpha=alpha * unit, a=a, b=b)


def log_likelihood(model: BgNbd, of: Histories) -> Array:
    """Of each lead's history, shape (n,)."""
    from scipy.special import betaln, gammaln

    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    events = r + of.repeats
    alive = -events * np.log(alpha + of.age)
    with np.errstate(divide="ignore"):
        stopped = np.log(a) - np.log(np.maximum(b + of.repeats - 1.0, 0.0)) - events * np.log(alpha + of.span)
    either = np.where(of.repeats > 0, np.logaddexp(alive, stopped), alive)
    constant = gammaln(events) - gammaln(r) + r * np.log(alpha) + betaln(a, b + of.repeats) - betaln(a, b)
    return np.asarray(constant + either, dtype=np.float64)
