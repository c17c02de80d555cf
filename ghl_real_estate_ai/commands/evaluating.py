"""What ``enterprisehub evaluate`` runs: options into questions, files into reports. Called by ``cli_learning.py``."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport
from ghl_real_estate_ai.ml.journey import JourneyQuestion, evaluate_journey
from ghl_real_estate_ai.ml.lapse import ChurnQuestion, evaluate_churn
from ghl_real_estate_ai.ml.list_ranking import RankingQuestion, evaluate_ranking
from ghl_real_estate_ai.ml.table_score import (
    LeadScoreQuestion,
    RollingCourse,
    evaluate_lead_score,
    evaluate_rolling,
)
from ghl_real_estate_ai.ml.tables import read_table

Say = Callable[[str], None]

_UNITS: Final = {"d": 1, "w": 7, "m": 30, "y": 365}


class Pair(NamedTuple):
    """Files to learn from and to judge on."""

    train: Path
    test: Path


def train_and_test(
    *, train: Path | None, test: Path | None, data: Path | None, window: int | None, start: int | None
) -> Pair:
    """Raises InputError when one of the two is missing, or an option of another way was given."""
    if data is not None:
        raise InputError(
            "--data goes with --rolling STEP --window N --start ROW; else give --train and --test"
        )
    for option, value in (("--window", window), ("--start", start)):
        if value is not None:
            raise InputError(
                f"{option} goes with --rolling STEP and --data FILE; leave it out, or give those"
            )
    if train is None or test is None:
        raise InputError("give --train FILE and --test FILE, or --data FILE with --rolling")
    return Pair(train, test)


def rolling_course(
    *,
    data: Path | None,
    train: Path | None,
    test: Path | None,
    step: int,
    window: int | None,
    start: int | None,
) -> tuple[Path, RollingCourse]:
    """Raises InputError when something of the course is missing."""
    if data is None or train is not None or test is not None:
        raise InputError("--rolling takes one table: give --data FILE, and neither --train nor --test")
    if window is None or start is None:
        raise InputError(
            "--rolling STEP needs --window N (rows to learn from) and --start ROW (first row judged)"
        )
    return data, RollingCourse(step=step, window=window, start=start)


def lead_score(pair: Pair, question: LeadScoreQuestion, *, say: Say) -> EvaluationReport:
    """Learn on one table, judge on the other."""
    titles = (str(pair.train), str(pair.test))
    return evaluate_lead_score(
        read_table(pair.train), read_table(pair.test), question, say=say, titles=titles
    )


def lead_score_rolling(
    course: tuple[Path, RollingCourse], question: LeadScoreQuestion, *, say: Say
) -> EvaluationReport:
    """Learn anew as the rows go by."""
    path, steps = course
    return evaluate_rolling(read_table(path), question, steps, say=say, title=str(path))


def churn_question(
    *,
    lead: str,
    time: str,
    value: str | None,
    type_column: str | None,
    train_cutoff: str,
    test_cutoff: str,
    horizon: str,
    active_within: str | None,
) -> ChurnQuestion:
    """Raises InputError that names the option which cannot be read."""
    return ChurnQuestion(
        lead=lead,
        time=time,
        value=value,
        type_column=type_column,
        train_cutoff=_moment(train_cutoff, "--train-cutoff"),
        test_cutoff=_moment(test_cutoff, "--test-cutoff"),
        horizon=_span(horizon, "--horizon"),
        active_within=None if active_within is None else _span(active_within, "--active-within"),
    )


def churn(train_events: Path, test_events: Path, question: ChurnQuestion, *, say: Say) -> EvaluationReport:
    """Learn before one date, judge after the other."""
    return evaluate_churn(read_table(train_events), read_table(test_events), question, say=say)


def journey_question(
    *, case: str, activity: str, time: str, outcome: str, cut: tuple[str, ...]
) -> JourneyQuestion:
    """Raises InputError when the outcome is not NAME=ACTIVITY."""
    name, equals, decides = outcome.partition("=")
    if not (name and equals and decides):
        raise InputError(f"--outcome {outcome!r}: give NAME=ACTIVITY, e.g. cancelled=A_CANCELLED")
    return JourneyQuestion(case=case, activity=activity, time=time, name=name, decided_by=decides, cut=cut)


def journey(
    train_events: Path, test_events: Path, question: JourneyQuestion, *, say: Say
) -> EvaluationReport:
    """Learn from ended cases, judge every prefix of later ones."""
    return evaluate_journey(read_table(train_events), read_table(test_events), question, say=say)


def ranking_question(*, label: str, group: str, features: str | None) -> RankingQuestion:
    """Comma-separated columns."""
    return RankingQuestion(
        label=label, group=_columns(group), features=None if features is None else _columns(features)
    )


def ranking(train: Path | None, test: Path, question: RankingQuestion, *, say: Say) -> EvaluationReport:
    """Order the lists of a table."""
    return evaluate_ranking(None if train is None else read_table(train), read_table(test), question, say=say)


def _columns(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _moment(text: str, option: str) -> datetime:
    """A date, or a date with a time; UTC where no zone is named."""
    try:
        if len(text) == len("2026-01-31"):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text!r}: give a date such as 2026-01-31, or 2026-01-31T12:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _span(text: str, option: str) -> timedelta:
    """``14d``, ``39w``, ``6m`` (30 days each) or ``1y`` (365); a bare number is days."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([dwmy]?)\s*", text.lower())
    if not found or float(found[1]) <= 0:
        raise InputError(f"{option} {text!r}: give a number of days or weeks such as 90d or 13w")
    return timedelta(days=float(found[1]) * _UNITS[found[2] or "d"])
