"""Columns that were filled in after the outcome: found by evidence, not by being told. Called by ml/table_score.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.ml.evaluation_report import FlaggedColumn


def late_columns(
    table: pl.DataFrame,
    y: npt.NDArray[np.float64],
    columns: Sequence[str],
    *,
    at: npt.NDArray[np.float64] | None,
) -> list[FlaggedColumn]:
    """Which of ``columns`` a lead would not have had yet when it was scored, each with its reason and evidence.

    ``y``: 0 or 1, shape (rows,). ``at``: POSIX seconds of each row, None when the table has no time (rows may still be in order).
    """
    raise NotImplementedError
