"""The lead score on any table. Called by ``enterprisehub evaluate lead-score``.

A table comes in, a report goes out: what was used and what was not, figures beside baselines, whether later rows have moved.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.ml.drift import DriftAlarm, drift_alarm
from ghl_real_estate_ai.ml.evaluation import Window, figures, reliability, rolling_windows, top_hits
from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport, FlaggedColumn
from ghl_real_estate_ai.ml.table_baselines import baseline_answers
from ghl_real_estate_ai.ml.table_inputs import Inputs
from ghl_real_estate_ai.ml.table_model import ENOUGH_RARE, TableModel, fit_table_model, one_thread
from ghl_real_estate_ai.ml.table_preparation import Cases, LeadScoreQuestion, prepare_course, prepare_pair

__all__ = ["LeadScoreQuestion", "RollingCourse", "evaluate_lead_score", "evaluate_rolling"]

Array = npt.NDArray[np.float64]
Say = Callable[[str], None]

MODEL: Final = "lead score"
INTERVAL: Final = 0.8
_SHOWN: Final = 6
_COSTLY: Final = 0.1
"""AUC by which a late column alone must be ahead of the model before a note asks whether it was known in time."""
_LOOKED_AT: Final = 1_000
"""Rows over which a column's effect is averaged."""


@dataclass(frozen=True, slots=True)
class RollingCourse:
    """Rows oldest first: from row ``start`` on, learn from the ``window`` rows before each ``step`` rows, and judge those."""

    step: int
    window: int
    start: int


def evaluate_lead_score(
    train: pl.DataFrame,
    test: pl.DataFrame,
    question: LeadScoreQuestion,
    *,
    say: Say,
    titles: tuple[str, str] = ("the training table", "the judged table"),
) -> EvaluationReport:
    """``titles``: what errors call the tables. Raises InputError when a column is missing or the outcome cannot be read."""
    began = clock.perf_counter()
    ready = prepare_pair(train, test, question, say=say, titles=titles)
    learn, judge = ready.cases
    say("fitting")
    with one_thread():
        model = fit_table_model(learn.inputs, learn.y, in_time=ready.order.in_time)
        p = model.probabilities(judge.inputs)
        say("baselines")
        baselines = baseline_answers(learn.inputs, learn.y, judge.inputs, times=_times(learn, judge))
        alarm = _alarm(model, learn, judge)
        effects = contributions(model, learn.inputs, judge.inputs)
    found = _figures(judge.y, p, question.top)
    notes = [*ready.notes, *_costly(ready.flagged, found["auc"]), *_thin(learn.y, judge.y), _in_words(alarm)]
    return EvaluationReport(
        task="lead score",
        model=MODEL,
        figures=found,
        baselines={name: _figures(judge.y, one, question.top) for name, one in baselines.answers.items()},
        used=_used(learn.inputs),
        flagged=ready.flagged,
        notes=tuple(notes),
        details={
            "rows_learnt": learn.y.size,
            "base_rate_learnt": round(float(learn.y.mean()), 6),
            "order": ready.order.words,
            "best_single_column": baselines.single,
            "members": _members(model),
            **_calibration(judge.y, p),
            "contribution": effects,
            "drift": alarm.as_dict(),
        },
        seconds=clock.perf_counter() - began,
    )


def evaluate_rolling(
    table: pl.DataFrame,
    question: LeadScoreQuestion,
    course: RollingCourse,
    *,
    say: Say,
    title: str = "the table",
) -> EvaluationReport:
    """Raises InputError as above, or when the course is longer than the table.

    Beside the model that learns anew stands ``static``: fitted once, before the first judged row, with the drift alarm that
    tells when it should have been fitted again.
    """
    began = clock.perf_counter()
    ready = prepare_course(table, question, start=course.start, step=course.step, say=say, title=title)
    (rows,) = ready.cases
    windows = list(rolling_windows(rows.y.size, step=course.step, window=course.window, start=course.start))
    with one_thread():
        answers, alarms = _roll(rows, windows, say=say)
    truth = rows.y[course.start :]
    p = answers.pop(MODEL)
    judged = _figures(truth, p, question.top)
    thin = _thin(rows.y[windows[0].train], truth)
    notes = [*ready.notes, *_costly(ready.flagged, judged["auc"]), *thin, _when_it_rang(alarms)]
    return EvaluationReport(
        task="lead score, rolling",
        model=MODEL,
        figures=judged,
        baselines={name: _figures(truth, one, question.top) for name, one in answers.items()},
        used=_used(rows.inputs),
        flagged=ready.flagged,
        notes=tuple(notes),
        details={
            "windows": len(windows),
            "order": ready.order.words,
            **_calibration(truth, p),
            "static_alarm": {
                "rings": any(alarm.rings for _, alarm in alarms),
                "steps": [{"from_row": row, **alarm.as_dict(most=_SHOWN)} for row, alarm in alarms],
            },
        },
        seconds=clock.perf_counter() - began,
    )


def _roll(
    rows: Cases, windows: list[Window], *, say: Say
) -> tuple[dict[str, Array], list[tuple[int, DriftAlarm]]]:
    """Probabilities of all judged rows by who said them, and for each window what the static model's alarm says of it."""
    answers: dict[str, list[Array]] = {}
    alarms: list[tuple[int, DriftAlarm]] = []
    beginning = rows.cut(windows[0].train)
    static: TableModel | None = None
    for number, window in enumerate(windows, 1):
        say(f"window {number} of {len(windows)}")
        learn, judge = rows.cut(window.train), rows.cut(window.judged)
        model = fit_table_model(learn.inputs, learn.y, in_time=True)
        model = model.levelled(learn.inputs, learn.y, half_life=min(max(judge.y.size, 200), learn.y.size / 4))
        static = static or model
        found = baseline_answers(learn.inputs, learn.y, judge.inputs, times=_times(learn, judge)).answers
        found |= {MODEL: model.probabilities(judge.inputs), "static": static.probabilities(judge.inputs)}
        for name, p in found.items():
            answers.setdefault(name, []).append(p)
        alarms.append((window.judged.start, _alarm(static, beginning, judge)))
    return {name: np.concatenate(parts) for name, parts in answers.items()}, alarms


def contributions(model: TableModel, learn: Inputs, judge: Inputs) -> dict[str, float]:
    """Mean change of the log-odds when a column's cells say what is usual (median, commonest word), strongest first."""
    some = judge.take(np.unique(np.linspace(0, len(judge) - 1, min(len(judge), _LOOKED_AT)).astype(np.int64)))
    usual_numbers = np.array(
        [np.median(one[np.isfinite(one)]) if np.isfinite(one).any() else np.nan for one in learn.numbers.T]
    )
    usual_codes = np.array([np.bincount(one + 1).argmax() - 1 for one in learn.codes.T], dtype=np.int64)
    said = model.log_odds(some)
    found = {}
    for name in _used(judge):
        numbers, codes = some.numbers.copy(), some.codes.copy()
        mine = np.array([column == name for column in some.number_columns], dtype=bool)
        numbers[:, mine] = usual_numbers[mine]
        mine = np.array([column == name for column in some.code_columns], dtype=bool)
        codes[:, mine] = usual_codes[mine]
        changed = Inputs(numbers, some.number_columns, codes, some.code_columns)
        found[name] = round(float(np.mean(np.abs(model.log_odds(changed) - said))), 6)
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))


def _used(inputs: Inputs) -> tuple[str, ...]:
    return tuple(sorted({*inputs.number_columns, *inputs.code_columns}))


def _times(learn: Cases, judge: Cases) -> tuple[Array, Array] | None:
    return None if learn.moments is None or judge.moments is None else (learn.moments, judge.moments)


def _figures(y: Array, p: Array, top: int | None) -> dict[str, float | int | None]:
    found = figures(y, p)
    if top is not None:
        hits = top_hits(y, p, top)
        found["hits"] = (
            int(hits) if hits.is_integer() else hits
        )  # a part only where equal answers share the last places
    return found


def _calibration(y: Array, p: Array) -> dict[str, object]:
    """Reliability bins with the interval within which 80 % of such bins fall if what was said is true."""
    from scipy.stats import binom  # heavy start

    bins = []
    for one in reliability(y, p):
        low, high = (float(binom.ppf(tail, one.rows, one.mean_predicted)) / one.rows for tail in (0.1, 0.9))
        bins.append({
            "rows": one.rows, "said": round(one.mean_predicted, 6), "came_true": round(one.observed, 6),
            "low": round(low, 6), "high": round(high, 6),
        })  # fmt: skip
    inside = [one["low"] <= one["came_true"] <= one["high"] for one in bins]
    return {
        "reliability": bins,
        "interval": INTERVAL,
        "bins_inside_interval": round(float(np.mean(inside)), 4) if bins else None,
    }


def _members(model: TableModel) -> list[dict[str, object]]:
    return [
        {"name": one.name, "setting": one.setting, "weight": round(one.weight, 4)} for one in model.members
    ]


def _alarm(model: TableModel, learn: Cases, judge: Cases) -> DriftAlarm:
    columns: dict[str, tuple[Array, Array, bool]] = {}
    for place, name in enumerate(learn.inputs.number_columns):
        columns[_new(name, columns)] = (learn.inputs.numbers[:, place], judge.inputs.numbers[:, place], False)
    for place, name in enumerate(learn.inputs.code_columns):
        then, now = (
            np.where(one < 0, np.nan, one)
            for one in (learn.inputs.codes[:, place], judge.inputs.codes[:, place])
        )
        columns[_new(name, columns)] = (then, now, True)
    return drift_alarm(
        columns, (model.log_odds(learn.inputs), model.log_odds(judge.inputs)),
        outcomes=(learn.y, judge.y), said=model.probabilities(judge.inputs),
    )  # fmt: skip


def _new(name: str, taken: Mapping[str, object]) -> str:
    """The parts of one column get numbers."""
    if name not in taken:
        return name
    return next(part for number in count(2) if (part := f"{name} ({number})") not in taken)


def _in_words(alarm: DriftAlarm) -> str:
    if not alarm.rings:
        return "no drift: the judged rows look like those learnt from"
    return "drift alarm: " + "; ".join(alarm.reasons)


def _when_it_rang(alarms: list[tuple[int, DriftAlarm]]) -> str:
    rang = [(row, alarm) for row, alarm in alarms if alarm.rings]
    if not rang:
        return f"static: the drift alarm stayed silent over {len(alarms)} steps"
    row, first = rang[0]
    return (
        f"static: the drift alarm rings in {len(rang)} of {len(alarms)} steps, first by the rows from {row} on: "
        + "; ".join(first.reasons)
    )


def _costly(flagged: Sequence[FlaggedColumn], reached: float | None) -> list[str]:
    """Late columns without which far less is known: one that was known in time is worth a look."""
    if reached is None:
        return []
    alone = {flag.column: float(flag.evidence.get("auc", 0.0)) for flag in flagged if flag.kind == "late"}
    costly = {name: found for name, found in alone.items() if found >= reached + _COSTLY}
    if not costly:
        return []
    shown = ", ".join(
        f"{name} (alone AUC {found:.2f})" for name, found in sorted(costly.items(), key=lambda one: -one[1])
    )
    return [
        f"leaving out late columns costs much: {shown}, against {reached:.2f} without; if one was known before the outcome, use it with --allow"
    ]


def _thin(learnt: Array, judged: Array) -> list[str]:
    notes = []
    rare = int(min(learnt.sum(), learnt.size - learnt.sum()))
    if rare == 0:
        notes.append(
            "not enough data: the rows learnt from have one outcome only, so every row gets the base rate"
        )
    elif rare < ENOUGH_RARE:
        notes.append(
            f"not enough data: {rare} rows of the rarer outcome to learn from; one strongly restrained logistic regression answers"
        )
    if not 0 < judged.sum() < judged.size:
        notes.append("the judged rows have one outcome only: nothing tells how well they are ranked")
    return notes
