"""A table as plain arrays: numbers, and codes of words. Called by ml/table_score.py; encoded by ml/column_encoding.py.

What is read here of a row comes of that row alone, so rows may be cut into any folds afterwards. Only the list of words of a
text column is chosen from the training rows, by how common they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.ml.column_kinds import ColumnKind, cleaned, dates, decimal_mark, in_order, numbers

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

TEXT_WORDS: Final = 20
"""Words of a text column that become inputs."""
_DAY_S: Final = 86_400.0
_WORD: Final = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows of a table. ``numbers``: (rows, inputs), NaN where missing. ``codes``: (rows, inputs), -1 where missing."""

    numbers: Array
    number_columns: tuple[str, ...]
    """Of each number, the column that it was read from."""
    codes: Codes
    code_columns: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.numbers.shape[0])

    def take(self, rows: npt.NDArray[np.int64] | slice) -> Inputs:
        """Some of the rows."""
        return Inputs(self.numbers[rows], self.number_columns, self.codes[rows], self.code_columns)


def read_inputs(
    tables: Sequence[pl.DataFrame], kinds: Mapping[str, ColumnKind], *, moments: Sequence[Array | None]
) -> list[Inputs]:
    """The same inputs of each table; the first one is learnt from. ``moments``: POSIX seconds of each table's rows, or None.

    Columns are taken by name, in the order of the alphabet, so their order in a file changes nothing.
    """
    number_parts: list[list[Array]] = [[] for _ in tables]
    code_parts: list[list[Codes]] = [[] for _ in tables]
    number_columns: list[str] = []
    code_columns: list[str] = []
    for name in sorted(kinds):
        series = [cleaned(table[name]) for table in tables]
        numeric, coded = _read(series, kinds[name], moments)
        for values in numeric:
            number_columns.append(name)
            for numeric_part, found in zip(number_parts, values, strict=True):
                numeric_part.append(found)
        if coded is not None:
            code_columns.append(name)
            for part, codes in zip(code_parts, coded, strict=True):
                part.append(codes)
    return [
        Inputs(
            np.column_stack(values) if values else np.empty((table.height, 0)),
            tuple(number_columns),
            np.column_stack(codes) if codes else np.empty((table.height, 0), dtype=np.int64),
            tuple(code_columns),
        )
        for table, values, codes in zip(tables, number_parts, code_parts, strict=True)
    ]


def _read(
    series: list[pl.Series], kind: ColumnKind, moments: Sequence[Array | None]
) -> tuple[list[list[Array]], list[Codes] | None]:
    """Inputs of one column: each number as one array per table, and codes per table where the column is words."""
    if kind == ColumnKind.NUMBER:
        marks = [decimal_mark(one) for one in series]
        common = next(
            (mark for mark in marks if mark), None
        )  # a table that does not tell is written as the others
        return [[numbers(one, decimal=mark or common) for one, mark in zip(series, marks, strict=True)]], None
    if kind == ColumnKind.DATE:
        return _date_parts([dates(one) for one in series], moments), None
    if kind == ColumnKind.TEXT:
        return _text_words(series), None
    words = pl.concat([one.cast(pl.String) for one in series])
    levels = {word: code for code, word in enumerate(sorted(words.drop_nulls().unique()))}
    return [], [
        one.cast(pl.String)
        .replace_strict(levels, default=None, return_dtype=pl.Int64)
        .fill_null(-1)
        .to_numpy()
        for one in series
    ]


def _date_parts(found: list[Array], moments: Sequence[Array | None]) -> list[list[Array]]:
    """Parts of the calendar that the training rows have seen go round twice, and the age of the date.

    Age: days until the row's own time; without one, until the newest date of the table, unless the rows stand in the order
    of this date, for then it only tells how late a row is.
    """
    first = found[0][np.isfinite(found[0])]
    span = float(first.max() - first.min()) / _DAY_S if first.size else 0.0
    parts: list[list[Array]] = []
    if (np.mod(first, _DAY_S) != 0).any() and span >= 2:
        parts.append([np.floor(np.mod(one, _DAY_S) / 3_600) for one in found])  # hour
    if span >= 14:
        parts.append([np.mod(np.floor(one / _DAY_S) + 3, 7) for one in found])  # weekday, Monday is 0
    if span >= 730:
        parts.append([_month(one) for one in found])
    if moments[0] is not None:
        ages = [(at - one) / _DAY_S for at, one in zip(moments, found, strict=True) if at is not None]
        if len(ages) == len(found) and np.nanmax(np.abs(ages[0])) > 0:
            parts.append(ages)
    elif not in_order(found[0]):
        parts.append([(np.nanmax(one) - one) / _DAY_S if np.isfinite(one).any() else one for one in found])
    return parts


def _month(seconds: Array) -> Array:
    days = np.where(np.isfinite(seconds), np.floor(np.nan_to_num(seconds) / _DAY_S), 0).astype(
        "datetime64[D]"
    )
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    return np.where(np.isfinite(seconds), month.astype(np.float64), np.nan)


def _text_words(series: list[pl.Series]) -> list[list[Array]]:
    """Whether each of the commonest words stands there, and how long the text is."""
    seen = [[set(_WORD.findall(text.lower())) if text else set() for text in one.to_list()] for one in series]
    common: Counter[str] = Counter()
    for words in seen[0]:
        common.update(words)
    rows = max(len(seen[0]), 1)
    chosen = sorted(
        (word for word, n in common.items() if 0.01 * rows <= n <= 0.5 * rows and n >= 5),
        key=lambda word: (-common[word], word),
    )[:TEXT_WORDS]
    lengths = [one.str.len_chars().cast(pl.Float64).fill_null(np.nan).to_numpy() for one in series]
    return [lengths] + [
        [np.array([float(word in words) for words in one], dtype=np.float64) for one in seen]
        for word in chosen
    ]
