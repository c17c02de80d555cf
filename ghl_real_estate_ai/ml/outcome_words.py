"""Which cells of an outcome column are 1 and which are 0. Called by ml/table_score.py.

0 and 1, yes and no, true and false, won and lost are known; of two other words the rarer one is 1, and a note says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.column_kinds import cleaned

Array = npt.NDArray[np.float64]

_YES: Final = frozenset({"1", "yes", "y", "true", "t", "won", "win", "converted", "conversion", "success", "successful", "sold", "closed won",
                         "bought", "booked", "accepted", "positive", "subscribed", "purchased", "qualified"})  # fmt: skip
_NO: Final = frozenset({"0", "no", "n", "false", "f", "lost", "lose", "not converted", "failure", "failed", "unsold", "closed lost", "declined",
                        "rejected", "negative", "abandoned", "unqualified"})  # fmt: skip
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class OutcomeWords:
    """The word that counts as 1; every other filled cell is 0."""

    column: str
    positive: str
    note: str

    def read(self, table: pl.DataFrame) -> Array:
        """1, 0, or NaN where the cell is empty. Shape (rows,)."""
        words = _words(table[self.column])
        return np.asarray((words == self.positive).cast(pl.Float64).fill_null(np.nan), dtype=np.float64)


def outcome_words(tables: Sequence[pl.DataFrame], column: str) -> OutcomeWords:
    """From all tables together. Raises InputError when the column holds no outcome of two kinds."""
    words = pl.concat([_words(table[column]) for table in tables]).drop_nulls()
    counts = {str(word): int(n) for word, n in words.value_counts(sort=True, name="n").iter_rows()}
    if not counts:
        raise InputError(f"outcome {column!r}: every cell is empty")
    if len(counts) > 2:
        shown = ", ".join(repr(word) for word in list(counts)[:_SHOWN])
        raise InputError(
            f"outcome {column!r}: holds {len(counts)} different values ({shown} ...); give a column of two, such as 0 and 1 or yes and no"
        )
    if len(counts) == 2 and all(_is_number(word) for word in counts) and set(counts) != {"0", "1"}:
        first, second = sorted(counts, key=float)
        return OutcomeWords(column, second, f"outcome: the greater number {second} counts as 1, {first} as 0")
    yes = [word for word in counts if word in _YES]
    no = [word for word in counts if word in _NO]
    if len(yes) == 1:
        return OutcomeWords(
            column, yes[0], "" if len(no) == len(counts) - 1 else f"outcome: {yes[0]!r} counts as 1"
        )
    if len(counts) == 1:
        (word,) = counts
        if no:
            return OutcomeWords(column, "1", f"outcome: every row is {word!r}")
        raise InputError(f"outcome {column!r}: every row is {word!r}; nothing says whether that is 1 or 0")
    if len(no) == 1:
        (other,) = (word for word in counts if word not in no)
        return OutcomeWords(column, other, f"outcome: {other!r} counts as 1, {no[0]!r} as 0")
    rarer, commoner = sorted(counts, key=lambda word: (counts[word], word))
    return OutcomeWords(column, rarer, f"outcome: the rarer word {rarer!r} counts as 1, {commoner!r} as 0")


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _words(column: pl.Series) -> pl.Series:
    """Lower case; 1.0 is 1."""
    found = cleaned(column)
    if found.dtype.is_float():
        whole = found.drop_nulls()
        found = found.cast(pl.Int64, strict=False) if (whole == whole.round()).all() else found
    words = found.cast(pl.String).str.to_lowercase()
    return words.str.replace(r"^(-?\d+)\.0+$", "$1").alias("word")
