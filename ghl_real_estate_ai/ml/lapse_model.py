"""How likely each lead of a log is to stay silent, and how many events are to come: fitted, then asked. Called by ml/lapse.py.

A discrete-time hazard. The horizon is cut into periods; the model learns, from rows that stand at the start of periods up
to the last known day, whether the lead does anything in the period. Silence over the horizon is silence in each period:
the product of (1 - hazard), with the inputs of the later periods read as if nothing had happened until then. So the model
learns from answers up to the last known day, not only from those that are a whole horizon old, and its rows have histories
as long as those that it will be asked about. BG/NBD is an input, a companion in the answer, and stands in when data are thin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.ml.bgnbd import BgNbd, fit_bgnbd
from ghl_real_estate_ai.ml.evaluation import group_draws
from ghl_real_estate_ai.ml.event_logs import EventLog
from ghl_real_estate_ai.ml.fitting import sigmoid
from ghl_real_estate_ai.ml.lapse_features import Rows, counts_after, rows_at
from ghl_real_estate_ai.ml.lapse_fitting import Linear, Scores, fit_linear, fit_trees, log_odds

Array = npt.NDArray[np.float64]

PERIODS: Final = 6
"""Of one horizon; fewer where the log holds whole days and a period would be shorter than a day."""
MOST_ORIGINS: Final = 24
MOST_ROWS: Final = 200_000
"""Above it only a share of the leads, by hash, trains."""
FEWEST_EVENTS: Final = 100
"""Periods with an event, and periods without one, that the hazard needs to be fitted at all."""
FEWEST_LEADS: Final = 20
"""Below it not even BG/NBD is fitted."""
COMPANION: Final = 1 / 3
"""Share of BG/NBD in the log-odds where no fold can settle it."""
EXPOSURES: Final = (1.0, 0.5)
"""Horizons before the last known day at which the rows of the expected counts stand."""
_CLEAR_GAIN: Final = 2.0  # standard errors
_FIRST_ORIGIN: Final = 0.3  # of the known time: earlier rows have no past to speak of
_OWN, _CORRECTING = "bgnbd", "bgnbd_expected"  # names, or beginnings of names, of inputs that are left out
_NEAR_ZERO: Final = 1e-9
_MOST: Final = 20.0  # log of an expected count


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of the leads in ``rows``; arrays of shape (n,)."""

    rows: Rows
    silent: Array
    """P(no event within the horizon)."""
    expected: Array
    """Expected number of events within the horizon."""


class Counts(NamedTuple):
    """Two Poisson regressions whose geometric mean with BG/NBD's own expectation is the expected count.

    BG/NBD keeps its head where histories are longer than any that was learnt from; the regressions see what it does not.
    """

    own: Linear
    """Log of the expected count, from the inputs that are not BG/NBD's."""
    correction: Linear
    """Log of what BG/NBD's expectation has to be multiplied by, from all inputs but that one."""

    def expected(self, rows: Rows, structural: Array) -> Array:
        """``structural``: BG/NBD's expectation."""
        known = np.log(structural + _NEAR_ZERO)
        logs = (known, self.own(_inputs(rows, _OWN)), known + self.correction(_inputs(rows, _CORRECTING)))
        return np.asarray(np.exp(np.minimum(sum(logs) / len(logs), _MOST)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class LapseModel:
    """Fitted on what was known up to a day. Times in days."""

    horizon: float
    bgnbd: BgNbd
    periods: int = PERIODS
    hazard: tuple[Scores, ...] = ()
    """Log-odds of an event in the next period; none: data were thin, BG/NBD answers alone."""
    counts: Counts | None = None
    companion: float = COMPANION
    curve: tuple[float, float] = (1.0, 0.0)
    """Slope and offset of Platt's curve; (1, 0) changes nothing."""

    def forecast(self, log: EventLog, at: float, *, active_within: float | None = None) -> Forecast:
        """For the leads known at ``at``; nothing after it is read."""
        past = log.where(log.at <= at)
        rows = rows_at(past, at, horizon=self.horizon, model=self.bgnbd, active_within=active_within)
        structural = self.bgnbd.p_silent(rows.histories, self.horizon)
        expected = self.bgnbd.expected(rows.histories, self.horizon)
        if self.counts is not None:
            expected = self.counts.expected(rows, expected)
        slope, offset = self.curve
        return Forecast(rows, sigmoid(slope * self._log_odds(past, rows, structural) + offset), expected)

    def _log_odds(self, past: EventLog, rows: Rows, structural: Array) -> Array:
        if not self.hazard:
            return log_odds(structural)
        learnt = log_odds(self.survival(past, rows))
        return (1.0 - self.companion) * learnt + self.companion * log_odds(structural)

    def survival(self, past: EventLog, rows: Rows) -> Array:
        """P(silent through every period), by the hazard alone."""
        total = np.zeros(rows.lead.size)
        for start in np.arange(self.periods) * self.horizon / self.periods:
            later = rows_at(past, rows.origin + float(start), horizon=self.horizon, model=self.bgnbd)
            x = later.x[np.searchsorted(later.lead, rows.lead)]
            total -= np.logaddexp(0.0, np.mean([scores(x) for scores in self.hazard], axis=0))
        return np.asarray(np.exp(total), dtype=np.float64)


def fit_lapse(log: EventLog, *, known_until: float, horizon: float, seed: int = 0) -> LapseModel | None:
    """Fit on the events up to ``known_until``. None: fewer than FEWEST_LEADS leads, or no time has passed.

    Where the periods with or without an event are fewer than FEWEST_EVENTS, the answer is BG/NBD alone.
    """
    known = log.where(log.at <= known_until)
    now = rows_at(known, known_until, horizon=horizon, model=None)
    if now.lead.size < FEWEST_LEADS or not (now.histories.age > 0).any():
        return None
    bgnbd = fit_bgnbd(now.histories)
    model = LapseModel(horizon=horizon, bgnbd=bgnbd, periods=_periods(known, horizon))
    period = horizon / model.periods
    origins = _origins(known, known_until, horizon, period=period)
    if not origins:
        return model
    sample = _sample(known, len(origins))
    tables = [rows_at(sample, at, horizon=horizon, model=bgnbd) for at in origins]
    acts = np.concatenate([counts_after(sample, rows, period) > 0 for rows in tables])
    if min(acts.sum(), acts.size - acts.sum()) < FEWEST_EVENTS:
        return model
    x, y = np.vstack([rows.x for rows in tables]), acts.astype(np.float64)
    directions = [-feature.direction for feature in tables[0].features]
    return replace(
        model,
        hazard=(fit_linear(x, y, directions), fit_trees(x, y, directions, seed=seed)),
        counts=_fit_counts(sample, known_until, model, first=min(origins)),
    )


def settle(
    model: LapseModel, log: EventLog, *, origin: float, known_until: float, seed: int = 0
) -> LapseModel:
    """Let an embargoed fold decide how much BG/NBD has to say, and whether Platt's curve is applied.

    The fold: a model that knows nothing after ``origin``, asked at ``origin``, judged by the horizon after it. The curve has
    to win across time: learnt at a fold one horizon earlier, it must clearly better the Brier score at ``origin``. A season
    moves all leads of a fold together, so leads held out of the same fold would call it a clear win every time.
    """
    if not model.hazard or origin + model.horizon > known_until:
        return model
    newer = _fold(log, origin, model.horizon, seed=seed)
    if newer is None:
        return model
    companion = _share(newer)
    settled = replace(model, companion=companion)
    older = _fold(log, origin - model.horizon, model.horizon, seed=seed)
    if older is None:
        return settled
    before, after = older.mixed(_share(older)), newer.mixed(companion)
    slope, offset = _platt(before, older.y)
    gain = (sigmoid(after) - newer.y) ** 2 - (sigmoid(slope * after + offset) - newer.y) ** 2
    if gain.mean() <= _CLEAR_GAIN * gain.std() / np.sqrt(gain.size):
        return settled
    return replace(settled, curve=_platt(after, newer.y))


@dataclass(frozen=True, slots=True)
class _Fold:
    """What a model that knew nothing later said, and what came true."""

    y: Array
    learnt: Array
    structural: Array

    def mixed(self, companion: float) -> Array:
        return (1.0 - companion) * self.learnt + companion * self.structural


def _fold(log: EventLog, origin: float, horizon: float, *, seed: int) -> _Fold | None:
    early = fit_lapse(log, known_until=origin, horizon=horizon, seed=seed)
    if early is None or not early.hazard:
        return None
    past = log.where(log.at <= origin)
    rows = rows_at(past, origin, horizon=horizon, model=early.bgnbd)
    y = (counts_after(log, rows, horizon) == 0).astype(np.float64)
    if min(y.sum(), y.size - y.sum()) < FEWEST_EVENTS:
        return None
    structural = early.bgnbd.p_silent(rows.histories, horizon)
    return _Fold(y, log_odds(early.survival(past, rows)), log_odds(structural))


def _share(fold: _Fold) -> float:
    """Of BG/NBD, the one with the best log-likelihood."""
    shares = np.linspace(0.0, 1.0, 21)
    losses = [
        float(np.mean(np.logaddexp(0.0, z) - fold.y * z))
        for z in (fold.mixed(float(share)) for share in shares)
    ]
    return float(shares[int(np.argmin(losses))])


def _platt(z: Array, y: Array) -> tuple[float, float]:
    line = fit_linear(z[:, None], y, [1])
    slope = float(line.weights[1] / line.scale[0])
    return slope, float(line.weights[0] - slope * line.mean[0])


def _periods(known: EventLog, horizon: float) -> int:
    whole_days = bool((known.at == np.floor(known.at)).all())
    return max(1, min(PERIODS, int(horizon))) if whole_days else PERIODS


def _origins(known: EventLog, known_until: float, horizon: float, *, period: float) -> list[float]:
    """Starts of periods, newest first, from when there is some past to read."""
    begin = float(known.at.min())
    first = begin + min(horizon, _FIRST_ORIGIN * (known_until - begin))
    starts = (known_until - period * (1 + place) for place in range(MOST_ORIGINS))
    return [start for start in starts if start >= first]


def _sample(known: EventLog, origins: int) -> EventLog:
    """A share of the leads, by hash, where all of them would make more than MOST_ROWS rows."""
    share = MOST_ROWS / (origins * len(np.unique(known.lead)))
    return known if share >= 1.0 else known.where((group_draws(known.leads) < share)[known.lead])


def _fit_counts(known: EventLog, known_until: float, model: LapseModel, *, first: float) -> Counts | None:
    own, correcting, counts, whole, already = [], [], [], [], []
    for exposure in EXPOSURES:
        span = exposure * model.horizon
        if known_until - span < first:
            continue
        rows = rows_at(known, known_until - span, horizon=model.horizon, model=model.bgnbd)
        own.append(_inputs(rows, _OWN))
        correcting.append(_inputs(rows, _CORRECTING))
        counts.append(counts_after(known, rows, span))
        already.append(np.log(model.bgnbd.expected(rows.histories, span) + _NEAR_ZERO))
        whole.append(np.log(model.bgnbd.expected(rows.histories, model.horizon) + _NEAR_ZERO))
    if not counts:
        return None
    offset = np.concatenate(already)
    return Counts(
        own=_poisson(own, counts, offset - np.concatenate(whole)),
        correction=_poisson(correcting, counts, offset),
    )


def _poisson(x: list[Array], counts: list[Array], offset: Array) -> Linear:
    rows = np.vstack(x)
    return fit_linear(rows, np.concatenate(counts), [0] * rows.shape[1], kind="poisson", offset=offset)


def _inputs(rows: Rows, without: str) -> Array:
    return rows.x[:, [not feature.name.startswith(without) for feature in rows.features]]
