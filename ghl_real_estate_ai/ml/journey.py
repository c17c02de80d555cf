"""How a case will end, from the events so far. Called by ``enterprisehub evaluate journey``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport


@dataclass(frozen=True, slots=True)
class JourneyQuestion:
    """Columns of the log, the outcome's name, the activity that decides it, and activities at which a case is decided."""

    case: str
    activity: str
    time: str
    name: str
    decided_by: str
    cut: tuple[str, ...] = ()


def evaluate_journey(
    train: pl.DataFrame, test: pl.DataFrame, question: JourneyQuestion, *, say: Callable[[str], None]
) -> EvaluationReport:
    """Raises InputError when the log cannot be read."""
    raise NotImplementedError
