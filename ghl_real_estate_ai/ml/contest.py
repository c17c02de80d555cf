"""Which model shall answer for a location: its champion, what ships, or a challenger fitted on its own history.

Called by commands/learning.py (``enterprisehub train --location``).

All are judged on the newest rows, of leads that no fit has seen, after an embargo of one horizon. Each speaks as it would
serve: its trees, then the line that own resolved leads draw over its log-odds (ml/shrinkage.py), drawn from rows before the
embargo. The line is no matter of contest: whoever wins, it is drawn anew from every resolved row.

The rule: who answers now is replaced only by the one whose Brier score is better by more than CLEARLY standard errors, paired by
lead, and whose order is no worse (average precision).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.artifacts import Card, Model, content_version
from ghl_real_estate_ai.ml.evaluation import Array, Metrics, measure
from ghl_real_estate_ai.ml.history import History, Table
from ghl_real_estate_ai.ml.model_drift import Drift, drift_of
from ghl_real_estate_ai.ml.shrinkage import (
    Recalibration,
    believed_abroad,
    update,
)
from ghl_real_estate_ai.ml.targets import Target
from ghl_real_estate_ai.ml.training import (
    TRAIN_LEADS,
    Fitted,
    fit_target,
    judged_fold,
    log_odds_of,
    split,
)

CHAMPION: Final = "champion"
SHIPPED: Final = "shipped"
CHALLENGER: Final = "challenger"

CLEARLY: Final = 2.0
"""Standard errors of the Brier gain beyond which a rival is better. With one, an equal rival passes once in seven times."""

_DAY_S: Final = 86_400.0
_OWN: Final = "own_history"
"""Key of a card whose trees were fitted on the location's own history."""
_HELD_OUT: Final = "held_out"
"""Key of what the fit held out, before own leads moved the line."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one contest came to, for one target."""

    name: str
    winner: str
    text: str
    """The winner's trees."""
    card: Card
    """The winner's card, with the line that own leads draw now."""
    figures: Mapping[str, Metrics]
    """Of all who stood, and of the baselines, on the same rows; empty without a contest."""
    rows: int
    """That were judged."""
    leads: int
    """Whose answer is known."""
    prior_share: float
    """Of the documented prior, on an average lead."""
    words: tuple[str, ...]
    loser: tuple[str, Card] | None = None
    """A challenger that was fitted and did not win."""
    drift: Drift | None = None

    def as_dict(self) -> dict[str, object]:
        """Plain values, for ``--json``."""
        return {
            "name": self.name,
            "winner": self.winner,
            "version": _stamp(self.card)["version"],
            "judged_rows": self.rows,
            "resolved_leads": self.leads,
            "prior_share": round(self.prior_share, 4),
            "figures": {who: _rounded(metrics) for who, metrics in self.figures.items()},
            "verdict": list(self.words),
            "drift": None if self.drift is None else self.drift.as_dict(),
        }

    def lines(self) -> list[str]:
        """For people."""
        header = f"{'':12s} {'AUC':>6s} {'AP':>6s} {'Brier':>6s} {'ECE':>6s} {'lift@10':>8s}"
        rows = [
            f"{who:12s} {m.auc:6.3f} {m.average_precision:6.3f} {m.brier:6.4f} {m.ece:6.3f} {m.lift_at_10:8.2f}"
            for who, m in self.figures.items()
        ]
        alarm = [] if self.drift is None else [self.drift.in_words()]
        return [
            f"{self.name}: {self.winner} answers; {self.leads} leads resolved, {self.prior_share:.0%} of an average answer is prior",
            *([f"{self.rows} rows judged", header, *rows] if rows else []),
            *self.words,
            *alarm,
        ]


@dataclass(slots=True)
class _Contest:
    """One target of one location."""

    history: History
    place: int
    real: bool
    champion: Model | None
    shipped: Model
    words: list[str] = field(default_factory=list)

    @property
    def target(self) -> Target:
        return self.history.targets[self.place]


def contest(
    history: History,
    place: int,
    *,
    champion: Model | None,
    shipped: Model,
    fitted_on: str,
    seed: int = 0,
) -> Verdict:
    """Fit, judge and decide the target at ``place``. ``champion``: who answers there now, None while what ships does.

    A history that is too thin for a fit still draws the line; the words say what is missing.
    """
    if champion is not None and not champion.card.get(_OWN):
        champion = (
            None  # what ships, shrunk to own leads: today's own line over what ships today takes its place
        )
    ring = _Contest(history, place, not history.simulated, champion, shipped)
    days = line_days(history, place)
    known = history.table(ring.target, place, days=days)
    standing = {CHAMPION if champion else SHIPPED: champion or shipped}
    standing.setdefault(SHIPPED, shipped)
    fitted = _challenger(ring, seed=seed)
    if fitted is not None:
        card = fitted.card(history, fitted_on=fitted_on, simulated=history.simulated, seed=seed)
        standing[CHALLENGER] = Model(fitted.text, {**card, _OWN: True, "own_events": history.events})
    winner, figures, rows = _judge(ring, standing, fitted)
    model = standing[winner]
    line = line_over(model, known, target=ring.target, days=days, real=ring.real)
    drift = drift_of(model.recalibrated(line), known, days=days)
    loser = standing.get(CHALLENGER) if winner != CHALLENGER else None
    return Verdict(
        name=ring.target.name,
        winner=winner,
        text=model.text,
        card=_card_of(model, line, history, fitted_on=fitted_on, figures=figures, drift=drift),
        figures=figures,
        rows=rows,
        leads=int(np.unique(known.draw).size),
        prior_share=line.prior_share(line.center),
        words=tuple(ring.words),
        loser=None if loser is None else (loser.text, loser.card),
        drift=drift,
    )


# --- the line of own leads ----------------------------------------------------------------------------------------


def line_days(history: History, place: int) -> float:
    """Within how many days own answers are counted for the line: the horizon, or of a hazard in a young log a period's end.

    A period counts when half of the time since the first origin lies behind it: the longer one waits, the fewer know.
    """
    target = history.targets[place]
    origins = [row.at for row in history.rows if row.asked[place]]
    if not target.periods or not origins or history.last_at is None:
        return target.horizon_days
    span = (history.last_at - min(origins)).total_seconds() / _DAY_S
    return max((end for end in target.periods if end <= span / 2), default=target.periods[0])


def line_over(model: Model, rows: Table, *, target: Target, days: float, real: bool) -> Recalibration:
    """What own resolved rows say over the model's log-odds. Trees of the location's own history learn from rows after it."""
    base = base_of(model, real=real)
    if model.card.get(_OWN):
        fitted_until = _last_event(model.card)
        rows = rows.where((rows.at > fitted_until) & (rows.draw >= TRAIN_LEADS))
    if not len(rows):
        return base
    whole = log_odds_of(model, rows.x)
    sooner = (
        np.zeros_like(whole) if days >= target.horizon_days else log_odds_of(model, rows.x, days=days) - whole
    )
    return update(base, whole, rows.y, rows.draw, sooner=sooner)


def base_of(model: Model, *, real: bool) -> Recalibration:
    """What is believed before the first own lead is resolved."""
    held_out = _held_out(model)
    if not real or not model.stamp.simulated:
        return held_out
    return believed_abroad(
        model.stamp.name, np.array(model.card.get("scores", []), dtype=np.float64), held_out
    )


def _held_out(model: Model) -> Recalibration:
    """What the fit itself held out; a card that was recalibrated since keeps it beside."""
    kept = model.card.get(_HELD_OUT)
    if isinstance(kept, dict):
        return Recalibration.from_dict(kept)
    if model.recalibration is None:
        raise InputError(
            f"model {model.stamp.name} has no held-out figures; run `enterprisehub train` to fit it anew"
        )
    return model.recalibration


# --- the contest --------------------------------------------------------------------------------------------------


def _challenger(ring: _Contest, *, seed: int) -> Fitted | None:
    try:
        return fit_target(ring.history, ring.place, seed=seed)
    except InputError as error:
        ring.words.append(f"no challenger: {error}")
        return None


def _judge(
    ring: _Contest, standing: Mapping[str, Model], fitted: Fitted | None
) -> tuple[str, dict[str, Metrics], int]:
    """Who answers from now on, the figures of all, and the number of rows they were judged on."""
    now = next(iter(standing))
    if fitted is None:
        return now, {}, 0
    days, test = _test_fold(ring)
    before = ring.history.table(ring.target, ring.place, days=days)
    before = before.where(before.at <= float(test.at.min()) - days * _DAY_S)
    said = {}
    for who, model in standing.items():
        line = line_over(model, before, target=ring.target, days=days, real=ring.real)
        as_served = model.recalibrated(line)
        said[who] = np.array([as_served.within(row, days=days) for row in test.x], dtype=np.float64)
    figures = {who: measure(test.y, p) for who, p in said.items()}
    rules = {name: metrics for name, metrics in fitted.report.metrics.items() if name != "lightgbm"}
    winner = now
    for who in said:
        if who == now:
            continue
        gain, error = paired_gain(said[now], said[who], test)
        ordered = figures[who].average_precision >= figures[now].average_precision
        better = gain > CLEARLY * error and ordered
        ring.words.append(
            f"{who} against {now}: Brier {gain:+.4f} +- {error:.4f} (above 0: better), average precision "
            f"{figures[who].average_precision - figures[now].average_precision:+.3f}: "
            + ("clearly better" if better else "not clearly better")
        )
        if better and (winner == now or figures[who].brier < figures[winner].brier):
            winner = who
    ring.words.extend(_against_rules(winner, figures[winner], rules))
    return winner, {**figures, **rules}, len(test)


def _test_fold(ring: _Contest) -> tuple[float, Table]:
    if ring.target.periods:
        days, test, _ = judged_fold(ring.history, ring.place)
        return days, test
    return ring.target.horizon_days, split(ring.history.table(ring.target, ring.place), ring.target).test


def paired_gain(now: Array, other: Array, rows: Table) -> tuple[float, float]:
    """By how much ``other`` has the smaller Brier score, and the standard error of that; leads are the unit, not rows."""
    gain = (now - rows.y) ** 2 - (other - rows.y) ** 2
    mean = float(gain.mean())
    _, of_lead = np.unique(rows.draw, return_inverse=True)
    each = np.bincount(of_lead, gain - mean)
    return mean, float(np.sqrt((each**2).sum())) / rows.y.size


def _against_rules(who: str, ours: Metrics, rules: Mapping[str, Metrics]) -> list[str]:
    return [
        f"{who} does NOT beat the {name} baseline: average precision {ours.average_precision - rule.average_precision:+.3f}, "
        f"Brier {ours.brier - rule.brier:+.4f}"
        for name, rule in rules.items()
        if ours.average_precision <= rule.average_precision or ours.brier >= rule.brier
    ]


# --- cards --------------------------------------------------------------------------------------------------------


def _card_of(
    model: Model,
    line: Recalibration,
    history: History,
    *,
    fitted_on: str,
    figures: Mapping[str, Metrics],
    drift: Drift | None,
) -> Card:
    """The model's card with the line and what was found on this run."""
    belief = line.as_dict()
    stamp = {**_stamp(model.card), "version": content_version(model.text, belief)}
    if line.leads and not model.card.get(_OWN):
        stamp["fitted_on"] = f"{_first_words(model)}; shrunk to {line.leads} resolved leads of {fitted_on}"
    return {
        **model.card,
        "stamp": stamp,
        "recalibration": belief,
        _HELD_OUT: _held_out(model).as_dict(),
        "contest": {who: _rounded(metrics) for who, metrics in figures.items()},
        "own_events": history.events,
        "drift": None if drift is None else drift.as_dict(),
    }


def _first_words(model: Model) -> str:
    """What the trees were fitted on, without what an earlier line added."""
    return model.stamp.fitted_on.split("; shrunk to ")[0]


def _stamp(card: Card) -> dict[str, object]:
    stamp = card["stamp"]
    return dict(stamp) if isinstance(stamp, dict) else {}


def _last_event(card: Card) -> float:
    data = card.get("data")
    last = data.get("last_event") if isinstance(data, dict) else None
    return datetime.fromisoformat(last).timestamp() if isinstance(last, str) else math.inf


def _rounded(metrics: Metrics) -> dict[str, float]:
    return {name: round(value, 6) for name, value in metrics._asdict().items()}
