"""How a case will end, from the events so far. Called by ``enterprisehub evaluate journey``.

One row of the figures is one prefix: the question is asked after each event of a case, until the event that decides it.
The prefix right before the decision is the easiest of a case, and nobody knows at the time that it is the last; so the
figures of last prefixes stand in the details, beside those by length and by time since the start.

Nothing that happened after the first judged case began is learnt from, and no case that is judged trains.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.evaluation import Array, Mask, auc, figures, reliability
from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport, Figures
from ghl_real_estate_ai.ml.fitting import sigmoid
from ghl_real_estate_ai.ml.journey_columns import ChosenColumns, choose_columns
from ghl_real_estate_ai.ml.journey_features import Codes, Vocabulary
from ghl_real_estate_ai.ml.journey_log import (
    CaseLog,
    Ending,
    EndingRule,
    ending_rule,
    observation_weights,
    read_cases,
    same_cases,
)
from ghl_real_estate_ai.ml.journey_model import (
    FEWEST_CASES,
    FEWEST_FOR_TREES,
    JourneyModel,
    Rows,
    after_each_event,
    build_prefixes,
    fit_journey,
    in_silence,
)

LENGTHS: Final = (1, 2, 3, 5, 8, 12, 20, 30, 50)
"""Prefix lengths in the details."""
ELAPSED_DAYS: Final = (0.0, 1 / 24, 1.0, 3.0, 7.0, 14.0, 30.0)
"""Days since the first event in the details: cases that were undecided then, by their events and silence so far."""
WITHIN: Final = 40
"""Lengths over which the AUC within equal lengths is averaged, as the literature does (Teinemaa et al. 2019)."""
_ENOUGH_LEFT: Final = 0.5
_PRIOR_ROWS: Final = 20.0


@dataclass(frozen=True, slots=True)
class JourneyQuestion:
    """Columns of the log, the outcome's name, the activity that decides it, and activities at which a case is decided."""

    case: str
    activity: str
    time: str
    name: str
    decided_by: str
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answers:
    """Every judged prefix: what came true, what was said, whose it is, how long."""

    y: Array
    p: Array
    case: Codes
    length: Codes
    last: Mask
    """Whether it is the case's last visible prefix."""
    known: Mask
    """Whether the case's answer is known."""
    by_days: Mapping[float, tuple[Array, Array]]
    """Days after the first event: y and p of the known cases that were undecided then."""
    others: Mapping[str, Array]
    """The baselines' probabilities."""


def evaluate_journey(
    train: pl.DataFrame, test: pl.DataFrame, question: JourneyQuestion, *, say: Callable[[str], None]
) -> EvaluationReport:
    """Raises InputError when the log cannot be read."""
    began = time.perf_counter()
    notes: list[str] = []
    judged = _read(test, question, "--test-events", notes)
    own = _without(_read(train, question, "--train-events", notes), judged, notes)
    taught = _as_of(own, judged, question, notes)
    rule = ending_rule(taught, outcome=question.decided_by, cut=question.cut)
    say("learning")
    ending = rule.applied(taught)
    test_ending = rule.applied(judged)
    chosen = choose_columns(taught, ending, judged.first_events(test_ending.visible).table)
    model, baselines = _learn(taught, ending, chosen)
    say("judging")
    if not question.cut:
        notes.append(
            "no --cut: open cases cannot be told from ended ones, all without the outcome count as ended"
        )
        test_ending = test_ending._replace(known_at=np.full(len(judged), judged.at.max()))
    answers = _answers(judged, test_ending, model, baselines)
    _note_cases(notes, ending, test_ending)
    _note_cuts(notes, question, taught, rule)
    return EvaluationReport(
        task=f"journey: {question.name} = {question.decided_by}, one row per event",
        model=" + ".join(model.members) or "base rate",
        figures={
            **figures(answers.y[answers.known], answers.p[answers.known]),
            "cases": int(np.unique(answers.case[answers.known]).size),
            "auc_last_prefix": auc(
                *(values[answers.known & answers.last] for values in (answers.y, answers.p))
            ),
        },
        baselines={
            name: figures(answers.y[answers.known], p[answers.known]) for name, p in answers.others.items()
        },
        used=(question.activity, question.time, *chosen.used),
        flagged=chosen.flagged,
        notes=tuple(notes),
        details=_details(answers, ending, test_ending),
        seconds=time.perf_counter() - began,
    )


def _read(table: pl.DataFrame, question: JourneyQuestion, source: str, notes: list[str]) -> CaseLog:
    log = read_cases(table, case=question.case, activity=question.activity, time=question.time, source=source)
    notes.extend(log.notes)
    return log


def _without(train: CaseLog, judged: CaseLog, notes: list[str]) -> CaseLog:
    """The training log without the cases that judge. The same number in both logs need not be the same case."""
    both = same_cases(train, judged)
    if strangers := len(set(train.names) & set(judged.names)) - len(both):
        notes.append(
            f"{strangers:,} case ids stand in both logs without an event in common, and neither goes on with the other: "
            "taken as different cases"
        )
    if len(both) == len(train):
        raise InputError(
            "--train-events: every case also stands in --test-events; no case may train and judge"
        )
    if both:
        notes.append(f"{len(both):,} cases stand in both logs; they judge and do not train")
        return train.cases(np.array([name not in both for name in train.names]))
    return train


def _as_of(train: CaseLog, judged: CaseLog, question: JourneyQuestion, notes: list[str]) -> CaseLog:
    """The training log as it was when the first judged case began, if that leaves enough of it."""
    begin = float(judged.at.min())
    before = train.at < begin
    if before.all():
        return train
    decided = (train.activity == question.decided_by).to_numpy()
    left = train.where(before) if (before & decided).any() or not decided.any() else None
    if left is None or len(left) < _ENOUGH_LEFT * len(train):
        notes.append("the logs run side by side: the training log's later events were learnt from too")
        return train
    notes.append(
        f"{int((~before).sum()):,} events of the training log came after the first judged case began; not learnt from"
    )
    return left


def _learn(
    log: CaseLog, ending: Ending, chosen: ChosenColumns
) -> tuple[JourneyModel, Mapping[str, Callable[[Rows, Vocabulary], Array]]]:
    """The model and what it has to beat, from the visible part of the cases that have ended."""
    use = ending.known & (ending.visible > 0)
    if not use.any():
        raise InputError(
            "--train-events: no case has both an ending and an event before it; give a longer log"
        )
    taught = log.cases(use).first_events(ending.visible[use])
    y, weight = ending.outcome[use].astype(np.float64), observation_weights(log, ending)[use]
    model = fit_journey(
        taught,
        y,
        weight,
        decided_at=ending.decided_at[use],
        columns=chosen.columns,
        transition=chosen.transition,
    )
    return model, _fit_baselines(taught, y, model)


def _fit_baselines(
    taught: CaseLog, y: Array, model: JourneyModel
) -> Mapping[str, Callable[[Rows, Vocabulary], Array]]:
    """The rate among all prefixes; among those with the same last kind of event; among those of the same length."""
    sums = {"last_activity": np.zeros((2, 0)), "prefix_length": np.zeros((2, 0))}
    for block in build_prefixes(taught, model.vocabulary, after_each_event(taught)):
        for name, codes in _groups(block.x, model.vocabulary).items():
            size = max(sums[name].shape[1], int(codes.max()) + 1)
            grown = np.zeros((2, size))
            grown[:, : sums[name].shape[1]] = sums[name]
            grown[0] += np.bincount(codes, minlength=size)
            grown[1] += np.bincount(codes, y[block.case], minlength=size)
            sums[name] = grown
    base = float(sums["prefix_length"][1].sum() / sums["prefix_length"][0].sum())
    rates = {name: (total[1] + _PRIOR_ROWS * base) / (total[0] + _PRIOR_ROWS) for name, total in sums.items()}

    def looked_up(name: str) -> Callable[[Rows, Vocabulary], Array]:
        def rate(x: Rows, vocabulary: Vocabulary) -> Array:
            codes = _groups(x, vocabulary)[name]
            return np.where(
                codes < rates[name].size, rates[name][np.minimum(codes, rates[name].size - 1)], base
            )

        return rate

    return {"base_rate": lambda x, _: np.full(x.shape[0], base), **{name: looked_up(name) for name in rates}}


def _groups(x: Rows, vocabulary: Vocabulary) -> dict[str, Codes]:
    """What the two rules look at; lengths as powers of the square root of two."""
    length = np.floor(2.0 * np.log2(x[:, vocabulary.names.index("events")])).astype(np.int64)
    return {
        "last_activity": x[:, vocabulary.names.index("last_kind_1")].astype(np.int64),
        "prefix_length": length,
    }


def _answers(
    log: CaseLog,
    ending: Ending,
    model: JourneyModel,
    baselines: Mapping[str, Callable[[Rows, Vocabulary], Array]],
) -> _Answers:
    seen = ending.visible > 0
    if not seen.any():
        raise InputError(
            "--test-events: every case begins with the event that decides it; nothing can be judged"
        )
    shown = log.cases(seen).first_events(ending.visible[seen])
    said: dict[str, list[Array]] = {"": []}
    for block in build_prefixes(shown, model.vocabulary, after_each_event(shown)):
        members = {name: member(block.x) for name, member in model.members.items()}
        base = np.full(block.case.size, model.base_rate)
        said[""].append(sigmoid(np.mean(list(members.values()), axis=0)) if members else base)
        for name, rule in baselines.items():
            said.setdefault(name, []).append(rule(block.x, model.vocabulary))
        if len(members) > 1:  # else the model itself
            for name, odds in members.items():
                said.setdefault(name, []).append(sigmoid(odds))
    found = {name: np.concatenate(parts) for name, parts in said.items()}
    case = shown.case
    last = np.append(case[1:] != case[:-1], True)
    return _Answers(
        y=ending.outcome[seen][case].astype(np.float64),
        p=found.pop(""),
        case=case,
        length=np.arange(case.size) - shown.first[:-1][case] + 1,
        last=last,
        known=ending.known[seen][case],
        by_days=_by_days(shown, ending.outcome[seen], ending.known[seen], ending.decided_at[seen], model),
        others=found,
    )


def _by_days(
    shown: CaseLog, outcome: Mask, known: Mask, decided_at: Array, model: JourneyModel
) -> dict[float, tuple[Array, Array]]:
    """What was said on given days of the cases that were undecided then, whether or not an event came on that day."""
    found = {}
    for days in ELAPSED_DAYS:
        asked = in_silence(shown, np.where(known, decided_at, -np.inf), days=(days,))
        blocks = list(build_prefixes(shown, model.vocabulary, asked))
        case = np.concatenate([block.case for block in blocks])
        p = np.concatenate([model.predict(block.x) for block in blocks])
        found[days] = (outcome[case].astype(np.float64), p)
    return found


def _details(answers: _Answers, ending: Ending, test_ending: Ending) -> dict[str, object]:
    y, p, known = answers.y, answers.p, answers.known
    return {
        "row": "one prefix of a case whose ending is known: all events up to one of them, before the deciding event",
        "last_prefix": figures(y[known & answers.last], p[known & answers.last]),
        "auc_within_lengths": _auc_within_lengths(answers),
        "by_length": [
            {"events": n, **_short(y[rows], p[rows])}
            for n, rows in ((n, known & (answers.length == n)) for n in LENGTHS)
        ],
        "by_days_since_start": [
            {"days": round(days, 4), **_short(*then)} for days, then in answers.by_days.items()
        ],
        "open_cases_as_without": figures(y, p),
        "reliability": [bin_._asdict() for bin_ in reliability(y[known], p[known])],
        "cases": {
            "train": int(ending.known.size),
            "train_open": int((~ending.known).sum()),
            "test": int(test_ending.known.size),
            "test_open": int((~test_ending.known).sum()),
            "test_decided_at_once": int((test_ending.visible == 0).sum()),
        },
    }


def _auc_within_lengths(answers: _Answers) -> float | None:
    """Mean AUC of prefixes of one length, weighted by their number: long cases do not tell themselves by their length."""
    found: list[tuple[float, int]] = []
    for length in range(1, WITHIN + 1):
        rows = answers.known & (answers.length == length)
        value = auc(answers.y[rows], answers.p[rows])
        if math.isfinite(value):
            found.append((value, int(rows.sum())))
    total = sum(rows for _, rows in found)
    return round(sum(value * rows for value, rows in found) / total, 6) if total else None


def _short(y: Array, p: Array) -> Figures:
    found = figures(y, p)
    return {name: found[name] for name in ("n", "base_rate", "auc", "brier", "ece")}


def _note_cases(notes: list[str], ending: Ending, test_ending: Ending) -> None:
    for where, found in (("training", ending), ("judged", test_ending)):
        if n := int((~found.known).sum()):
            notes.append(f"{n:,} of {found.known.size:,} {where} cases are still open; they are left out")
    if n := int((test_ending.visible == 0).sum()):
        notes.append(f"{n:,} judged cases begin with a deciding event; nothing can be asked of them")
    rarer = int(min(ending.outcome[ending.known].sum(), (~ending.outcome[ending.known]).sum()))
    if rarer < FEWEST_CASES:
        notes.append(
            f"not enough data: {rarer} cases of the rarer ending, {FEWEST_CASES} needed; every answer is the base rate"
        )
    elif rarer < FEWEST_FOR_TREES:
        notes.append(f"few data: {rarer} cases of the rarer ending; logistic regression answers alone")


def _note_cuts(notes: list[str], question: JourneyQuestion, taught: CaseLog, rule: EndingRule) -> None:
    seen = set(taught.activity.unique())
    for name in question.cut:
        if name not in seen:
            notes.append(f"--cut {name}: the training log has no such activity")
        elif name not in rule.final and name != question.decided_by:
            notes.append(
                f"--cut {name}: the outcome may still come after it, so it hides events but ends no case"
            )
