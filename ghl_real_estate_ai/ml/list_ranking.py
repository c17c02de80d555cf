"""The order of items within lists, with and without training. Called by ``enterprisehub evaluate ranking``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport


@dataclass(frozen=True, slots=True)
class RankingQuestion:
    """The judgement's column, the columns that make a list, and the columns to use (None: all that may be used)."""

    label: str
    group: tuple[str, ...]
    features: tuple[str, ...] | None = None


def evaluate_ranking(
    train: pl.DataFrame | None, test: pl.DataFrame, question: RankingQuestion, *, say: Callable[[str], None]
) -> EvaluationReport:
    """Without ``train``: the untrained order. Raises InputError when the table cannot be read."""
    raise NotImplementedError
