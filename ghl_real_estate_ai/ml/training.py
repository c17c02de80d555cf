"""Fits every model on a log of events, beside the baselines it has to beat, and writes artifacts with their cards.

Called by ``enterprisehub train`` (commands/learning.py) and ml/contest.py. Never by the gateway.

Protocol: rows at rolling origins, as of then, by the serving code; train, validation and test follow each other in
time with an embargo of one horizon between them, so no label looks into the next fold, and no lead that trained also judges.
A hazard needs no embargo: its folds are followed until they end, and what was not over by then is censored.
Validation picks the number of trees and whether to calibrate; test is looked at once, for the card.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.artifacts import Card, Model, content_version, save_model
from ghl_real_estate_ai.ml.churn_risk import CHURN_RISK
from ghl_real_estate_ai.ml.evaluation import Array, dated_folds, measure, reliability
from ghl_real_estate_ai.ml.fitting import (
    Calibration,
    Predictor,
    Trees,
    calibration,
    fit_logistic,
    fit_logistic_hazard,
    fit_recency,
    fit_recency_hazard,
    fit_trees,
    sigmoid,
)
from ghl_real_estate_ai.ml.hazard_fitting import Spells, fit_bgnbd_rule, fit_hazard, spells
from ghl_real_estate_ai.ml.history import History, Table, read_history
from ghl_real_estate_ai.ml.lead_scoring import LEAD_SCORE, WON
from ghl_real_estate_ai.ml.model_card import ModelReport, TrainingReport, write_card
from ghl_real_estate_ai.ml.shrinkage import Recalibration, at_home
from ghl_real_estate_ai.ml.targets import Target
from ghl_real_estate_ai.models.events import RecordedEvent

TARGETS: Final = (LEAD_SCORE, WON, CHURN_RISK)
MIN_OF_EACH_ANSWER: Final = 20
"""Rows of the rarer answer in every fold: below it, neither a fit nor a verdict means anything."""
TRAIN_LEADS: Final = 0.6
"""Share of leads, by hash, that train; the others judge."""
VALIDATION_FROM, TEST_FROM = 0.58, 0.78
"""Where, between the first and last origin, validation and test begin."""
JUDGED_SHARE: Final = 1 / 3
"""Of its horizon, a hazard is judged within so much at least; a history that is shorter yet is refused."""
SPAN_SHARE: Final = 0.37
"""... and at most so much of the history, or the training fold would not see the last period even once."""
_DAY_S: Final = 86_400.0
SCORE_QUANTILES: Final = 41
"""Log-odds on the card: how the model's answers spread over leads like those it was fitted on."""


@dataclass(frozen=True, slots=True)
class Folds:
    """Train, validation and test of one target."""

    train: Table
    validation: Table
    test: Table


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model before it is written."""

    target: Target
    text: str
    report: ModelReport
    scores: Array
    """Quantiles of the log-odds over the test fold, horizon's own."""
    held_out: Recalibration
    """How well the test fold holds the log-odds where they are."""

    def card(self, history: History, *, fitted_on: str, simulated: bool, seed: int) -> Card:
        """The card to write beside the text."""
        card = write_card(
            self.report,
            self.text,
            history,
            recalibration=self.held_out,
            fitted_on=fitted_on,
            simulated=simulated,
            seed=seed,
        )
        return {**card, "scores": [round(float(score), 6) for score in self.scores]}


def train(
    events: Iterable[RecordedEvent],
    *,
    out_dir: Path,
    fitted_on: str,
    simulated: bool,
    seed: int = 0,
    targets: tuple[Target, ...] = TARGETS,
) -> TrainingReport:
    """Fit every target on an ordered log; write ``<name>.json`` and ``<name>.lgb.txt`` to ``out_dir``.

    ``fitted_on`` and ``simulated`` go into the stamp that every score carries. The same events and seed give the same
    files. Raises InputError, before anything is written, when the log holds too little to fit and to judge on.
    """
    started = time.perf_counter()
    history = read_history(events, targets)
    fitted = [fit_target(history, place, seed=seed) for place in range(len(targets))]
    for model in fitted:
        card = model.card(history, fitted_on=fitted_on, simulated=simulated, seed=seed)
        save_model(model.text, card, out_dir)
    return TrainingReport(
        models=tuple(model.report for model in fitted),
        events=history.events,
        leads=len(history.outcomes),
        seconds=time.perf_counter() - started,
        fitted_on=fitted_on,
        simulated=simulated,
    )


def fit_target(history: History, place: int, *, seed: int) -> Fitted:
    """Fit and judge the target at ``place`` in the history's. Raises InputError when the history is too thin for it."""
    target = history.targets[place]
    return (_fit_hazard if target.periods else _fit_at_once)(history, target, place, seed=seed)


def _fit_at_once(history: History, target: Target, place: int, *, seed: int) -> Fitted:
    folds = split(history.table(target, place), target)
    trees = fit_trees(target, folds.train, folds.validation, seed=seed)
    curve = calibration(trees.log_odds(folds.validation.x), folds.validation)
    rules = {"logistic": fit_logistic(folds.train), "recency": fit_recency(folds.train)}
    rows = {"train": len(folds.train), "validation": len(folds.validation), "test": len(folds.test)}
    return _judged(target, trees, curve, folds.test, rules=rules, rows=rows, days=target.horizon_days)


def _fit_hazard(history: History, target: Target, place: int, *, seed: int) -> Fitted:
    """Judged within the longest time for which enough answers are known: a young history can teach that much."""
    days, test, (validation_from, test_from) = judged_fold(history, place)
    known = spells(history, target, place)
    judges = known.draw >= TRAIN_LEADS
    learnt = known.where((known.at < validation_from) & ~judges).followed_until(validation_from)
    checked = known.where((known.at >= validation_from) & (known.at < test_from) & judges)
    checked = checked.followed_until(test_from)
    lessons = learnt.person_periods(target.periods)
    for name, y in (("train", lessons.y), ("validation", checked.person_periods(target.periods).y)):
        _refuse_thin(target, name, y)
    trees = fit_hazard(target, learnt, checked, seed=seed)
    bare = bare_model(target, trees, Calibration())
    curve = Calibration()
    for end in reversed(target.periods):  # the longest time whose answers the validation fold knows
        fold = _within(checked, target, end)
        if _fewest(fold.y) >= MIN_OF_EACH_ANSWER:
            curve = calibration(log_odds_of(bare, fold.x, days=end), fold)
            break
    rules = {
        "logistic": partial(fit_logistic_hazard(lessons, target), days=days),
        "recency": partial(fit_recency_hazard(lessons, target), days=days),
    }
    if target.silence:
        rules["bg_nbd"] = partial(fit_bgnbd_rule(learnt), days=days)
    rows = {"train": len(learnt), "validation": len(checked), "test": len(test)}
    return _judged(target, trees, curve, test, rules=rules, rows=rows, days=days)


def _judged(
    target: Target,
    trees: Trees,
    curve: Calibration,
    test: Table,
    *,
    rules: Mapping[str, Predictor],
    rows: dict[str, int],
    days: float,
) -> Fitted:
    """On the test fold, beside the baselines, as it will serve."""
    model = bare_model(target, trees, curve)
    log_odds, at_horizon = log_odds_of(model, test.x, days=days), log_odds_of(model, test.x)
    held_out = at_home(log_odds, test.y, test.draw)
    answers = {"lightgbm": sigmoid(log_odds), **{name: rule(test.x) for name, rule in rules.items()}}
    report = ModelReport(
        name=target.name,
        question=target.question,
        horizon_days=target.horizon_days,
        judged_days=days,
        periods=target.periods,
        silence=target.silence,
        inputs=trees.inputs,
        trees=trees.count,
        calibration=curve,
        rows=rows,
        base_rate=float(test.y.mean()),
        metrics={name: measure(test.y, p) for name, p in answers.items()},
        reliability=reliability(test.y, answers["lightgbm"]),
    )
    center = float(at_horizon.mean())
    return Fitted(
        target=target,
        text=trees.text,
        report=report,
        scores=np.quantile(at_horizon, np.linspace(0.0, 1.0, SCORE_QUANTILES)),
        held_out=replace(held_out, center=center, offset=center),
    )


def bare_model(target: Target, trees: Trees, curve: Calibration) -> Model:
    """The trees as they will serve, before anything is known of how good they are."""
    card: Card = {
        "stamp": {
            "name": target.name,
            "version": content_version(trees.text),
            "fitted_on": "not said yet",
            "simulated": True,
        },
        "feature_names": list(trees.inputs),
        "horizon_days": target.horizon_days,
        "calibration": [curve.slope, curve.offset],
        "periods": list(target.periods),
        "silence": target.silence,
    }
    return Model(trees.text, card)


def log_odds_of(model: Model, x: Array, *, days: float = math.inf) -> Array:
    """Row by row, by the code that serves."""
    return np.array([model.log_odds(row, days=days) for row in x], dtype=np.float64)


def judged_fold(history: History, place: int) -> tuple[float, Table, tuple[float, float]]:
    """Of a hazard: within how many days it can be judged, the test fold with those answers, where validation and test begin.

    Raises InputError when even the shortest time that means something (JUDGED_SHARE) leaves too few answers.
    """
    target = history.targets[place]
    origins = [row.at for row in history.rows if row.asked[place]]
    span = (history.last_at - min(origins)).total_seconds() / _DAY_S if origins and history.last_at else 0.0
    possible = [
        end for end in target.periods if JUDGED_SHARE * target.horizon_days <= end <= SPAN_SHARE * span
    ]
    for days in reversed(possible):
        table = history.table(target, place, days=days)
        first, last = float(table.at.min()), float(table.at.max())
        begins = (first + VALIDATION_FROM * (last - first), first + TEST_FROM * (last - first))
        test = table.where((table.at >= begins[1]) & (table.draw >= TRAIN_LEADS))
        if _fewest(test.y) >= MIN_OF_EACH_ANSWER:
            return days, test, begins
    least = min(end for end in target.periods if end >= JUDGED_SHARE * target.horizon_days)
    raise InputError(
        f"{target.name}: a history of {span:.0f} days after the first two weeks is too short or too small: {least / SPAN_SHARE:.0f} "
        f"days are needed, and {MIN_OF_EACH_ANSWER} rows of the rarer answer in every fold"
    )


def _within(known: Spells, target: Target, days: float) -> Table:
    """The spells whose answer within ``days`` is known, as a table."""
    done = known.at + days * _DAY_S <= known.until
    fold = known.where(done)
    y = ((fold.event_days <= days) != target.silence).astype(np.float64)
    return Table(fold.x, y, fold.at, fold.draw)


def split(table: Table, target: Target) -> Folds:
    """Cut by time with an embargo of one horizon, and by lead. Raises InputError when a fold is too thin."""
    if not len(table):
        raise InputError(
            f"{target.name}: the history is too short; the answers to its last {target.horizon_days} days "
            "are not known yet, and models need some weeks before them"
        )
    masks = dated_folds(
        table.at,
        horizon_s=target.horizon_days * _DAY_S,
        shares=(VALIDATION_FROM, TEST_FROM),
        group=table.draw,
        train_groups=TRAIN_LEADS,
    )
    folds = Folds(*(table.where(mask) for mask in masks))
    for name, fold in (("train", folds.train), ("validation", folds.validation), ("test", folds.test)):
        _refuse_thin(target, name, fold.y)
    return folds


def _refuse_thin(target: Target, name: str, y: Array) -> None:
    if _fewest(y) < MIN_OF_EACH_ANSWER:
        raise InputError(
            f"{target.name}: the {name} fold holds {_fewest(y)} rows of the rarer answer, {MIN_OF_EACH_ANSWER} are needed; "
            "train on a longer or larger history"
        )


def _fewest(y: Array) -> int:
    """Rows of the rarer answer."""
    return int(min(y.sum(), y.size - y.sum()))
