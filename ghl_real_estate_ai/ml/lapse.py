"""Who of an event log will stay silent, and how much the others will do. Called by ``enterprisehub evaluate churn``.

Learns from one log what was known at the training cutoff and in the horizon after it; judges on another (or the same, later)
what is known at the test cutoff. Events after the test cutoff are answers and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.evaluation import expected_count_correlation, figures, reliability
from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport, Figures, FlaggedColumn
from ghl_real_estate_ai.ml.event_logs import (
    EventLog,
    LogColumns,
    continued,
    read_log,
    shared_events,
    shared_leads,
)
from ghl_real_estate_ai.ml.fitting import sigmoid
from ghl_real_estate_ai.ml.lapse_features import Rows, counts_after, rows_at
from ghl_real_estate_ai.ml.lapse_fitting import fit_linear
from ghl_real_estate_ai.ml.lapse_model import LapseModel, fit_lapse, settle
from ghl_real_estate_ai.ml.protected_columns import protected_columns

Array = npt.NDArray[np.float64]
Say = Callable[[str], None]

TRAIN, TEST = "--train-events", "--test-events"
_DAY: Final = 86_400.0
_SAME_LOG: Final = 0.05
"""Share of events in common from which two logs are of the same leads: ids that merely coincide share next to none."""
_KNOWN_LEADS: Final = 0.3
"""Share of leads in common from which a log without time in common goes the other one on."""
_COVERED: Final = 0.5
"""Share of the horizon that the test log has to cover."""


@dataclass(frozen=True, slots=True)
class ChurnQuestion:
    """Columns of the log, the two dates at which rows stand, and the horizon. Churned: no event in (cutoff, cutoff + horizon]."""

    lead: str
    time: str
    train_cutoff: datetime
    test_cutoff: datetime
    horizon: timedelta
    value: str | None = None
    type_column: str | None = None
    active_within: timedelta | None = None


class _Span(NamedTuple):
    """The question in days since 1970."""

    train: float
    test: float
    horizon: float
    active_within: float | None


class _Logs(NamedTuple):
    """What is learnt from, what is judged on, and how far the answers of the first are known."""

    train: EventLog
    test: EventLog
    known_until: float
    notes: tuple[str, ...]


class _Answer(NamedTuple):
    """Of one model, for the judged rows."""

    silent: Array
    expected: Array


def evaluate_churn(
    train: pl.DataFrame, test: pl.DataFrame, question: ChurnQuestion, *, say: Say
) -> EvaluationReport:
    """Raises InputError when the log cannot be read, or holds too little on one side of a date.

    A value or type that is a protected class or stands for one is left out, and named in ``flagged``.
    """
    started = time.perf_counter()
    span = _span(question)
    say("reading the logs")
    flagged = protected_columns([name for name in (question.value, question.type_column) if name], train)
    logs = _read(train, test, _without(question, flagged), span)
    judged = rows_at(
        logs.test.where(logs.test.at <= span.test),
        span.test,
        horizon=span.horizon,
        model=None,
        active_within=span.active_within,
    )
    if not judged.lead.size:
        raise InputError(f"--active-within: no lead of {TEST} was active so shortly before the test cutoff")
    counts = counts_after(logs.test, judged, span.horizon)
    say("fitting")
    model = fit_lapse(logs.train, known_until=logs.known_until, horizon=span.horizon)
    if model is not None:
        model = settle(model, logs.train, origin=span.train, known_until=logs.known_until)
    say("judging")
    baselines = _baselines(logs, span, judged, model)
    forecast = (
        None if model is None else model.forecast(logs.test, span.test, active_within=span.active_within)
    )
    answer = baselines["recency"] if forecast is None else _Answer(forecast.silent, forecast.expected)
    y = (counts == 0).astype(np.float64)
    return EvaluationReport(
        task="churn",
        model=_name(model),
        figures=_figures(counts, answer),
        baselines={name: _figures(counts, said) for name, said in baselines.items()},
        used=() if forecast is None else tuple(feature.name for feature in forecast.rows.features),
        flagged=tuple(flagged),
        notes=(*logs.notes, *_thin(model), *_one_class(y)),
        details=_details(model, y, answer, logs, span),
        seconds=time.perf_counter() - started,
    )


# --- the logs -----------------------------------------------------------------------------------------------------


def _without(question: ChurnQuestion, flagged: Sequence[FlaggedColumn]) -> ChurnQuestion:
    refused = {flag.column for flag in flagged}
    return replace(
        question,
        value=None if question.value in refused else question.value,
        type_column=None if question.type_column in refused else question.type_column,
    )


def _span(question: ChurnQuestion) -> _Span:
    within = question.active_within
    return _Span(
        question.train_cutoff.timestamp() / _DAY,
        question.test_cutoff.timestamp() / _DAY,
        question.horizon.total_seconds() / _DAY,
        None if within is None else within.total_seconds() / _DAY,
    )


def _read(train: pl.DataFrame, test: pl.DataFrame, question: ChurnQuestion, span: _Span) -> _Logs:
    columns = LogColumns(question.lead, question.time, question.value, question.type_column)
    past = read_log(train, columns, source=TRAIN)
    one_file = train is test or train.equals(test)
    judged = past if one_file else read_log(test, columns, source=TEST, kinds=past.kinds)
    notes = [*past.notes, *(() if one_file else judged.notes)]
    shared = shared_events(past, judged)
    known_until = min(span.train + span.horizon, float(past.at.max()))
    same = shared is not None and shared >= _SAME_LOG
    if judged.at.min() > past.at.min() and (
        same or (shared is None and shared_leads(past, judged) >= _KNOWN_LEADS)
    ):
        before = past.where(past.at <= span.test)
        judged = continued(before, judged)
        notes.append(f"{TEST} goes on with leads of {TRAIN}: their earlier events there are read as history")
    if same and known_until > span.test:
        known_until = span.test
        notes.append(
            "the logs share leads and the test cutoff lies before the end of training: learnt up to the test cutoff only"
        )
    _require_both_sides(past, judged, span)
    if known_until < span.train + span.horizon - 1.0 and not (same and known_until == span.test):
        short = span.train + span.horizon - known_until
        notes.append(
            f"{TRAIN} ends {short:.0f} days before the training cutoff + horizon: learnt from what is there"
        )
    missing = span.test + span.horizon - float(judged.at.max())
    if missing > max(1.0, span.horizon / 20.0):
        notes.append(
            f"{TEST} ends {missing:.0f} days before the test cutoff + horizon: some who seem silent may not be"
        )
    return _Logs(past.where(past.at <= known_until), judged, known_until, tuple(notes))


def _require_both_sides(past: EventLog, judged: EventLog, span: _Span) -> None:
    """Raises InputError that names the option to change."""
    for log, source, cutoff, option in (
        (past, TRAIN, span.train, "--train-cutoff"),
        (judged, TEST, span.test, "--test-cutoff"),
    ):
        first, last = (np.datetime_as_string(_date(day)) for day in (log.at.min(), log.at.max()))
        if log.at.min() > cutoff:
            raise InputError(f"{option}: {source} holds no event up to then; it runs from {first} to {last}")
        if log.at.max() <= cutoff:
            raise InputError(f"{option}: {source} holds no event after it; it runs from {first} to {last}")
    covered = (float(judged.at.max()) - span.test) / span.horizon
    if covered < _COVERED:
        raise InputError(
            f"--horizon: {TEST} ends {covered * span.horizon:.0f} days after the test cutoff, less than half of the "
            f"{span.horizon:.0f} days asked for; take an earlier --test-cutoff or a shorter --horizon"
        )


def _date(day: float) -> np.datetime64:
    return np.datetime64(int(day), "D")


# --- the baselines ------------------------------------------------------------------------------------------------


def _baselines(logs: _Logs, span: _Span, judged: Rows, model: LapseModel | None) -> Mapping[str, _Answer]:
    """Fitted on rows at the training cutoff, or one horizon before the last known day if that is earlier."""
    origin = min(span.train, max(logs.known_until - span.horizon, float(logs.train.at.min())))
    learnt = rows_at(
        logs.train.where(logs.train.at <= origin),
        origin,
        horizon=span.horizon,
        model=None,
        active_within=span.active_within,
    )
    if not learnt.lead.size:
        raise InputError(f"--active-within: no lead of {TRAIN} was active so shortly before {_date(origin)}")
    counts = counts_after(logs.train, learnt, logs.known_until - origin)
    silent = (counts == 0).astype(np.float64)
    never = np.zeros(judged.lead.size)
    found = {"base_rate": _Answer(never + silent.mean(), never + counts.mean())}
    for name, columns in (("recency", slice(0, 1)), ("logistic", slice(None))):
        free = [0] * learnt.x[:, columns].shape[1]
        said = fit_linear(learnt.x[:, columns], silent, free)(judged.x[:, columns])
        many = fit_linear(learnt.x[:, columns], counts, free, kind="poisson")(judged.x[:, columns])
        found[name] = _Answer(sigmoid(said), np.exp(np.minimum(many, 20.0)))
    if model is not None:
        found["bg_nbd"] = _Answer(
            model.bgnbd.p_silent(judged.histories, span.horizon),
            model.bgnbd.expected(judged.histories, span.horizon),
        )
    return found


# --- the report ---------------------------------------------------------------------------------------------------


def _figures(counts: Array, answer: _Answer) -> Figures:
    correlation = expected_count_correlation(counts, answer.expected)
    return {
        **figures((counts == 0).astype(np.float64), answer.silent),
        "expected_count_correlation": correlation if np.isfinite(correlation) else None,
        "expected_count_rmse": float(np.sqrt(np.mean((counts - answer.expected) ** 2))),
    }


def _name(model: LapseModel | None) -> str:
    if model is None:
        return "recency rule"
    return "hazard" if model.hazard else "BG/NBD"


def _thin(model: LapseModel | None) -> list[str]:
    if model is None:
        return ["not enough data: too few leads to fit anything but the recency rule"]
    return [] if model.hazard else ["not enough data for the hazard: BG/NBD answers alone"]


def _one_class(y: Array) -> list[str]:
    if 0 < y.sum() < y.size:
        return []
    return [f"every judged lead {'stayed silent' if y.all() else 'came back'}: no ranking can be judged"]


def _details(
    model: LapseModel | None, y: Array, answer: _Answer, logs: _Logs, span: _Span
) -> Mapping[str, object]:
    found: dict[str, object] = {
        "train": {
            "events": len(logs.train),
            "leads": int(np.unique(logs.train.lead).size),
            "known_until": str(_date(logs.known_until)),
        },
        "reliability": [bin_._asdict() for bin_ in reliability(y, answer.silent)],
    }
    if model is not None:
        found["bg_nbd"] = {name: float(getattr(model.bgnbd, name)) for name in ("r", "alpha", "a", "b")}
        found["periods"] = model.periods
        found["companion"] = model.companion
        found["curve"] = list(model.curve)
    return found
