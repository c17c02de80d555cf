"""Which columns of a table a score may use, and in which order its rows came. Called by ml/table_score.py.

Every column that is not used is flagged with its reason. What a protected class is, cannot be lifted by ``allow``.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.availability import late_columns
from ghl_real_estate_ai.ml.column_kinds import (
    ColumnKind,
    ReadColumn,
    cleaned,
    dates,
    in_order,
    numbers,
    read_kind,
)
from ghl_real_estate_ai.ml.evaluation_report import FlaggedColumn
from ghl_real_estate_ai.ml.protected_columns import protected_columns

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_READABLE: Final = 0.5
"""Share of a number or date column's filled cells that must still read as such in the judged table."""
_SAME_KIND: Final = {ColumnKind.NUMBER: numbers, ColumnKind.DATE: dates}
_AUTOCORRELATED: Final = 6.0
"""Standard errors by which neighbours must be alike before the order of the rows is believed to be time."""
_SORTED: Final = 0.9


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """What is used, as what, and what is not."""

    kinds: Mapping[str, ColumnKind]
    flagged: tuple[FlaggedColumn, ...]


@dataclass(frozen=True, slots=True)
class RowOrder:
    """The rows oldest first, and how that is known."""

    rows: Rows
    in_time: bool
    moments: Array | None
    """POSIX seconds (or whatever number rises with time) of each of ``rows``."""
    words: str
    index: tuple[str, ...] = ()
    """Columns that only number the rows as the file has them, where the file is sorted by outcome and they tell it."""


def choose_columns(
    train: pl.DataFrame,
    y: Array,
    *,
    judged: pl.DataFrame,
    never: Mapping[str, str],
    exclude: Sequence[str],
    allow: Sequence[str],
    at: Array | None,
    say: Callable[[str], None],
) -> ColumnChoice:
    """``never``: columns that are no inputs by their role (outcome, identifier, index, nested, time), by role. Of a date by which rows are ordered the calendar is an input."""
    both = sorted(set(exclude) & set(allow))
    if both:
        raise InputError(f"--exclude and --allow both name {both[0]!r}; give one of them")
    flags: dict[str, FlaggedColumn] = {}
    for name, role in never.items():
        if role == "identifier":
            flags[name] = FlaggedColumn(name, role, "it names the row")
        elif role == "index":
            flags[name] = FlaggedColumn(name, "identifier", "a running number of rows sorted by outcome")
        elif role == "nested":
            flags[name] = FlaggedColumn(
                name, role, "a cell holds lists or fields; give each a column of its own"
            )
        elif role == "time" and read_kind(cleaned(train[name])).kind != ColumnKind.DATE:
            flags[name] = FlaggedColumn(name, role, "it orders the rows")
    for name in exclude:
        flags.setdefault(name, FlaggedColumn(name, "excluded", "left out as asked"))
    left = [name for name in train.columns if name not in never]
    for flag in protected_columns(left, train.select(left)):
        asked = "; --allow cannot lift this" if flag.column in allow else ""
        flags[flag.column] = FlaggedColumn(flag.column, flag.kind, flag.reason + asked, flag.evidence)
    read = {name: read_kind(cleaned(train[name])) for name in left if name not in flags}
    for name, column in read.items():
        if column.kind == ColumnKind.CONSTANT or (column.kind == ColumnKind.IDENTIFIER and name not in allow):
            flags[name] = FlaggedColumn(name, column.kind.value, column.reason)
        elif (reason := unlike(judged, name, column)) is not None:
            flags[name] = FlaggedColumn(name, "absent", reason)
    say("looking for columns filled in after the outcome")
    usable = [name for name in left if name not in flags]
    for flag in late_columns(train.select(usable), y, usable, at=at) if usable else []:
        if flag.column not in allow:
            way = f"; if it was known before, use it with --allow {shlex.quote(flag.column)}"
            flags[flag.column] = replace(flag, reason=flag.reason + way)
    kinds = {name: _usable(read[name]) for name in usable if name not in flags}
    kinds |= {name: ColumnKind.DATE for name, kind in never.items() if kind == "time" and name not in flags}
    return ColumnChoice(kinds, tuple(sorted(flags.values(), key=lambda flag: (flag.kind, flag.column))))


def _usable(column: ReadColumn) -> ColumnKind:
    return ColumnKind.CATEGORY if column.kind == ColumnKind.IDENTIFIER else column.kind


def unlike(judged: pl.DataFrame, name: str, column: ReadColumn) -> str | None:
    """Why the judged table's column cannot be read as the training table's, or None."""
    if name not in judged.columns:
        return "the judged table has no such column, so it was not learnt from"
    reader = _SAME_KIND.get(column.kind)
    filled = cleaned(judged[name]).drop_nulls()
    if reader is None or filled.is_empty():
        return None
    share = float(np.isfinite(reader(filled)).mean())
    if share >= _READABLE:
        return None
    return f"a {column.kind.value} to learn from, but {1 - share:.0%} of the judged table's cells cannot be read as one"


def row_order(table: pl.DataFrame, y: Array, *, time: str | None) -> RowOrder:
    """By the time column; else none if sorted by outcome; else by a running number or date; else as they stand, in time if neighbours are alike."""
    rows = np.arange(table.height)
    if time is not None:
        moments = moments_of(table, time)
        order = np.argsort(moments, kind="stable")
        return RowOrder(order, in_time=True, moments=moments[order], words=f"rows in the order of {time}")
    if abs(_autocorrelation(y)) > _SORTED:
        return _spread(table)
    for name in sorted(table.columns):
        column = cleaned(table[name])
        kind = read_kind(column).kind
        if kind not in (ColumnKind.DATE, ColumnKind.IDENTIFIER):
            continue
        values = dates(column) if kind == ColumnKind.DATE else numbers(column)
        if np.isfinite(values).mean() > _SORTED and in_order(values):
            there = values[np.isfinite(values)]
            falls = there[0] > there[-1]
            return RowOrder(
                rows[::-1] if falls else rows, in_time=True, moments=None,
                words=f"rows oldest first, as {name} {'falls' if falls else 'rises'}",
            )  # fmt: skip
    if _neighbours_alike(table, y):
        return RowOrder(
            rows,
            in_time=True,
            moments=None,
            words="rows as they stand, taken as oldest first: neighbours are alike",
        )
    return RowOrder(
        rows,
        in_time=False,
        moments=None,
        words="the order of the rows says nothing, so folds are interleaved",
    )


def _spread(table: pl.DataFrame) -> RowOrder:
    """Rows of a table that is sorted by outcome, mixed evenly (golden ratio): a number that counts them was given afterwards."""
    spread = np.argsort(np.mod(np.arange(table.height) * 0.6180339887498949, 1.0), kind="stable")
    columns = [cleaned(table[name]) for name in table.columns]
    counted = [
        one for one in columns if read_kind(one).kind == ColumnKind.IDENTIFIER and in_order(numbers(one))
    ]
    return RowOrder(
        spread,
        in_time=False,
        moments=None,
        words="rows are sorted by outcome: their order says nothing",
        index=tuple(one.name for one in counted),
    )


def moments_of(table: pl.DataFrame, time: str) -> Array:
    """POSIX seconds, or the column's numbers. Raises InputError when it holds neither."""
    column = cleaned(table[time])
    found = dates(column)
    if np.isfinite(found).mean() < _READABLE:
        found = numbers(column)
    if np.isfinite(found).mean() < _READABLE:
        shown = column.drop_nulls().head(1).to_list()
        raise InputError(
            f"--time {time!r}: cannot read {shown[0] if shown else 'an empty column'!r} as a date; give ISO dates or numbers"
        )
    return found


def _neighbours_alike(table: pl.DataFrame, y: Array) -> bool:
    series = [y]
    for name in table.columns:
        column = cleaned(table[name])
        kind = read_kind(column).kind
        if kind == ColumnKind.NUMBER:
            series.append(_ranks(numbers(column)))
        elif kind == ColumnKind.CATEGORY:
            counts = column.cast(pl.String).fill_null("").value_counts(sort=True, name="n")
            common = counts.to_series(0)[0]
            series.append((column.cast(pl.String).fill_null("") == common).cast(pl.Float64).to_numpy())
    return any(abs(_autocorrelation(one)) * np.sqrt(one.size) > _AUTOCORRELATED for one in series)


def _ranks(values: Array) -> Array:
    there = np.isfinite(values)
    filled = np.where(there, values, np.median(values[there]) if there.any() else 0.0)
    return np.unique(filled, return_inverse=True)[1].astype(np.float64)


def _autocorrelation(values: Array) -> float:
    """Between neighbours; 0 for a constant."""
    centred = values - values.mean()
    power = float(centred @ centred)
    return float(centred[:-1] @ centred[1:]) / power if power > 0 else 0.0
