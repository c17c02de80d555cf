"""Who of an event log will stay silent, and how much the others will do. Called by ``enterprisehub evaluate churn``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport


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


def evaluate_churn(
    train: pl.DataFrame, test: pl.DataFrame, question: ChurnQuestion, *, say: Callable[[str], None]
) -> EvaluationReport:
    """Raises InputError when the log cannot be read, or holds too little on one side of a date."""
    raise NotImplementedError
