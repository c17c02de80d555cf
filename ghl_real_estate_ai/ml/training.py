"""Fits both models on a log of events, beside the baselines they have to beat, and writes artifacts with their cards.

Called by ``enterprisehub train`` (learning.py). Never by the gateway.

Protocol: rows at rolling origins, as of then, by the serving code; train, validation and test follow each other in
time with an embargo of one horizon between them, so no label looks into the next fold, and no lead that trained also judges.
Validation picks the number of trees and whether to calibrate; test is looked at once, for the card.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.artifacts import save_model
from ghl_real_estate_ai.ml.churn_risk import CHURN_RISK
from ghl_real_estate_ai.ml.evaluation import dated_folds, measure, reliability
from ghl_real_estate_ai.ml.fitting import calibration, fit_logistic, fit_recency, fit_trees
from ghl_real_estate_ai.ml.history import Table, read_history
from ghl_real_estate_ai.ml.lead_scoring import LEAD_SCORE
from ghl_real_estate_ai.ml.model_card import ModelReport, TrainingReport, write_card
from ghl_real_estate_ai.ml.targets import Target
from ghl_real_estate_ai.models.events import RecordedEvent

TARGETS: Final = (LEAD_SCORE, CHURN_RISK)
MIN_OF_EACH_ANSWER: Final = 20
"""Rows of the rarer answer in every fold: below it, neither a fit nor a verdict means anything."""
TRAIN_LEADS: Final = 0.6
"""Share of leads, by hash, that train; the others judge."""
VALIDATION_FROM, TEST_FROM = 0.58, 0.78
"""Where, between the first and last origin, validation and test begin."""


@dataclass(frozen=True, slots=True)
class Folds:
    """Train, validation and test of one target."""

    train: Table
    validation: Table
    test: Table


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
    folds = [split(history.table(target, place), target) for place, target in enumerate(targets)]
    fitted = [_fit(target, cut, seed=seed) for target, cut in zip(targets, folds, strict=True)]
    for text, report in fitted:
        card = write_card(report, text, history, fitted_on=fitted_on, simulated=simulated, seed=seed)
        save_model(text, card, out_dir)
    return TrainingReport(
        models=tuple(report for _, report in fitted),
        events=history.events,
        leads=len(history.outcomes),
        seconds=time.perf_counter() - started,
        fitted_on=fitted_on,
        simulated=simulated,
    )


def _fit(target: Target, folds: Folds, *, seed: int) -> tuple[str, ModelReport]:
    trees = fit_trees(target, folds.train, folds.validation, seed=seed)
    logistic = fit_logistic(folds.train)
    recency = fit_recency(folds.train)
    curve = calibration(trees.log_odds(folds.validation.x), folds.validation)
    test = folds.test
    answers = {
        "lightgbm": curve.applied(trees.log_odds(test.x)),
        "logistic": logistic(test.x),
        "recency": recency(test.x),
    }
    report = ModelReport(
        name=target.name,
        question=target.question,
        horizon_days=target.horizon_days,
        inputs=trees.inputs,
        trees=trees.count,
        calibration=curve,
        rows={"train": len(folds.train), "validation": len(folds.validation), "test": len(test)},
        base_rate=float(test.y.mean()),
        metrics={name: measure(test.y, p) for name, p in answers.items()},
        reliability=reliability(test.y, answers["lightgbm"]),
    )
    return trees.text, report


def split(table: Table, target: Target) -> Folds:
    """Cut by time with an embargo of one horizon, and by lead. Raises InputError when a fold is too thin."""
    if not len(table):
        raise InputError(
            f"{target.name}: the history is too short; the answers to its last {target.horizon_days} days "
            "are not known yet, and models need some weeks before them"
        )
    masks = dated_folds(
        table.at,
        horizon_s=target.horizon_days * 86_400.0,
        shares=(VALIDATION_FROM, TEST_FROM),
        group=table.draw,
        train_groups=TRAIN_LEADS,
    )
    folds = Folds(*(table.where(mask) for mask in masks))
    for name, fold in (("train", folds.train), ("validation", folds.validation), ("test", folds.test)):
        fewest = int(min(fold.y.sum(), len(fold) - fold.y.sum()))
        if fewest < MIN_OF_EACH_ANSWER:
            raise InputError(
                f"{target.name}: the {name} fold holds {fewest} rows of the rarer answer, {MIN_OF_EACH_ANSWER} are needed; "
                "train on a longer or larger history"
            )
    return folds
