"""The lead score on any table. Called by ``enterprisehub evaluate lead-score``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport


@dataclass(frozen=True, slots=True)
class LeadScoreQuestion:
    """What is asked of a table: its outcome, who a row is, when it was, and which columns are left out or allowed by name."""

    outcome: str
    id_column: str | None = None
    time: str | None = None
    exclude: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    top: int | None = None


@dataclass(frozen=True, slots=True)
class RollingCourse:
    """Rows oldest first: from row ``start`` on, learn from the ``window`` rows before each ``step`` rows, and judge those."""

    step: int
    window: int
    start: int


def evaluate_lead_score(
    train: pl.DataFrame, test: pl.DataFrame, question: LeadScoreQuestion, *, say: Callable[[str], None]
) -> EvaluationReport:
    """Raises InputError when a column is missing or the outcome cannot be read."""
    raise NotImplementedError


def evaluate_rolling(
    table: pl.DataFrame, question: LeadScoreQuestion, course: RollingCourse, *, say: Callable[[str], None]
) -> EvaluationReport:
    """Raises InputError as above, or when the course is longer than the table."""
    raise NotImplementedError
