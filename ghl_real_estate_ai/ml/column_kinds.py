"""What a column holds: numbers, words, dates, text, names of rows, or nothing; and its cells as plain values.

Called by ml/table_inputs.py, which makes a model's inputs of them. Nothing here looks at an outcome.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]

MISSING_WORDS: Final = frozenset({"", "na", "n/a", "nan", "null", "?", "-", "#n/a", "nat"})
"""Cells that say nothing. "unknown" and "none" are answers, and stay words."""
MOSTLY: Final = 0.95
"""Share of a column's filled cells that must read as one kind. The rest counts as missing."""
MANY_DISTINCT: Final = 0.95
"""Share of distinct values from which on a column names its rows."""
FEW_ROWS: Final = 30
"""Below this many filled cells all of them may differ by chance."""
_LEAST_ROWS: Final = 10
_LEAST_SHARE: Final = 0.01
"""Rows, and share of them, that must differ from the commonest value before anything can be learnt of them."""
_ID_WORDS: Final = frozenset({"id", "ids", "uuid", "guid", "key", "no", "nr", "number", "num", "code", "index", "idx", "row", "rownum",
                              "phone", "email", "mail", "url", "link", "ref", "reference"})  # fmt: skip
_DENSE: Final = 1.5
"""Distinct whole numbers that fill so narrow a span were counted, not measured."""
_IN_ORDER: Final = 0.98
_DATE_FORMATS: Final = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%d-%m-%Y", "%d-%b-%Y", "%b %d, %Y")  # fmt: skip
_TIME_TAILS: Final = ("%.f%#z", "%.fZ", "%.f", "")
_WORDS_OF_TEXT: Final = 3.0
_GROUPED: Final = {
    mark: rf"^[-+]?[1-9]\d{{0,2}}({group}\d{{3}})+({end}\d*)?$" for mark, group, end in ((".", ",", r"\."), (",", r"\.", ","))
}  # fmt: skip
"""Thousands in groups, by decimal mark."""
_TYPOS: Final = 0.05
"""Share of the cells with a comma that must tell it for a decimal mark; fewer are typing errors among thousands."""


def _only(decimal: str, group: str) -> str:
    """Cells whose mark can only be decimal: not three digits after it, no or four digits or a 0 before it, or groups of the other."""
    tail = r"([eE][-+]?\d+)?$"
    alone = rf"^[-+]?(\d*{decimal}(\d{{1,2}}|\d{{4,}})|(0*|\d{{4,}}){decimal}\d{{3}}){tail}"
    return rf"{alone}|^[-+]?\d{{1,3}}({group}\d{{3}})+{decimal}\d+$|^[-+]?\d{{1,3}}({group}\d{{3}}){{2,}}$"


_ONLY_POINT: Final = _only(r"\.", ",")
_ONLY_COMMA: Final = _only(",", r"\.")


class ColumnKind(StrEnum):
    """What a column is to a model."""

    NUMBER = "number"
    CATEGORY = "category"
    DATE = "date"
    TEXT = "text"
    IDENTIFIER = "identifier"
    CONSTANT = "constant"


class ReadColumn(NamedTuple):
    """A column's kind and, where it is none of a model's, why."""

    kind: ColumnKind
    reason: str = ""


def cleaned(column: pl.Series) -> pl.Series:
    """Words stripped, and null where a cell says nothing; numbers, truth values and dates as they are."""
    if column.dtype != pl.String:
        return column.fill_nan(None) if column.dtype.is_float() else column
    words = column.str.strip_chars()
    silent = words.str.to_lowercase().is_in(list(MISSING_WORDS))
    return words.to_frame().select(pl.when(~silent).then(pl.first())).to_series().alias(column.name)


def plain_table(table: pl.DataFrame) -> pl.DataFrame:
    """Columns of numbers, truth values, words, dates; spans in seconds; what is nested or binary is empty."""
    return table.select(_plain(table[name]) for name in table.columns)


def nested_columns(table: pl.DataFrame) -> list[str]:
    """Columns whose cells hold lists or fields."""
    return [name for name, kind in table.schema.items() if kind.is_nested()]


def _plain(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if kind == pl.Duration:
        return column.dt.total_microseconds().cast(pl.Float64) / 1e6
    if kind == pl.Time:
        return column.cast(pl.Int64).cast(pl.Float64) / 1e9
    if kind.is_decimal():
        return column.cast(pl.Float64)
    if kind in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    if kind.is_numeric() or kind.is_temporal() or kind in (pl.Boolean, pl.String):
        return column
    return pl.Series(column.name, [None] * column.len(), dtype=pl.String)


def read_kind(column: pl.Series) -> ReadColumn:
    """The kind of a cleaned column, in the order of its table's rows."""
    filled = column.drop_nulls()
    distinct = filled.n_unique()
    if distinct == 0:
        return ReadColumn(ColumnKind.CONSTANT, "no cell holds anything that can be read")
    if distinct == 1 and filled.len() == column.len():
        return ReadColumn(ColumnKind.CONSTANT, "every row has the same value")
    others = column.len() - _commonest(column)
    if others < min(_LEAST_ROWS, column.len() * _LEAST_SHARE):
        return ReadColumn(ColumnKind.CONSTANT, f"all but {others} of {column.len()} rows have the same value")
    if column.dtype.is_temporal():
        return ReadColumn(ColumnKind.DATE)
    if column.dtype == pl.Boolean:
        return ReadColumn(ColumnKind.NUMBER)
    if column.dtype != pl.String:
        return _number_or_name(column.name, numbers(column))
    if _share(numbers(filled)) >= MOSTLY:
        return _number_or_name(column.name, numbers(column))
    if _share(dates(filled)) >= MOSTLY:
        return ReadColumn(ColumnKind.DATE)
    return _words(filled, distinct)


def _commonest(column: pl.Series) -> int:
    """Rows with the commonest value; an empty cell is a value."""
    return int(column.value_counts(name="rows")["rows"].max())


def _words(filled: pl.Series, distinct: int) -> ReadColumn:
    spread = distinct / filled.len()
    words = float(filled.str.count_matches(r"\S+").mean() or 0.0)
    if words >= _WORDS_OF_TEXT and spread > 0.3 and filled.len() > FEW_ROWS:
        return ReadColumn(ColumnKind.TEXT)
    if filled.len() >= FEW_ROWS and spread >= MANY_DISTINCT:
        return ReadColumn(
            ColumnKind.IDENTIFIER,
            f"names its rows: {distinct} distinct values in {filled.len()} filled cells",
        )
    return ReadColumn(ColumnKind.CATEGORY)


def _number_or_name(name: str, values: Array) -> ReadColumn:
    """A row number, a key or a phone number is a number that measures nothing."""
    there = values[np.isfinite(values)]
    distinct = np.unique(there)
    if distinct.size == 0:
        return ReadColumn(ColumnKind.CONSTANT, "no cell can be read")
    whole = bool((there == np.round(there)).all())
    if there.size < FEW_ROWS or not whole or distinct.size < MANY_DISTINCT * there.size:
        return ReadColumn(ColumnKind.NUMBER)
    span = float(distinct[-1] - distinct[0] + 1)
    if in_order(there):
        return ReadColumn(ColumnKind.IDENTIFIER, "a running number: it only says where the row stands")
    if span <= _DENSE * distinct.size:
        return ReadColumn(ColumnKind.IDENTIFIER, f"a shuffled row number: {distinct.size} values fill a span of {span:.0f}")  # fmt: skip
    if _ID_WORDS & set(name_words(name)):
        return ReadColumn(ColumnKind.IDENTIFIER, f"names its rows: {distinct.size} distinct whole numbers in {there.size} cells")  # fmt: skip
    return ReadColumn(ColumnKind.NUMBER)


def in_order(values: Array) -> bool:
    """Whether values only rise, or only fall, down the table (a few out of place are forgiven)."""
    steps = np.diff(values[np.isfinite(values)])
    if steps.size < FEW_ROWS or not steps.any():
        return False
    return bool(max((steps >= 0).mean(), (steps <= 0).mean()) >= _IN_ORDER)


def name_words(name: str) -> list[str]:
    """``leadNumber``, ``lead_number`` and ``Lead Number`` are [lead, number]."""
    return re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())


def decimal_mark(column: pl.Series) -> str | None:
    """``,`` or ``.``, as more cells can only be read (0,31 and 1.234,5 against 0.31 and 1,234.5); None if no cell tells."""
    if column.dtype != pl.String:
        return None
    plain = _bare(column)
    point, comma = (int(plain.str.contains(form).sum()) for form in (_ONLY_POINT, _ONLY_COMMA))
    if comma > max(point, _TYPOS * plain.str.contains(",", literal=True).sum()):
        return ","
    return "." if point or comma else None


def numbers(column: pl.Series, *, decimal: str | None = None) -> Array:
    """Cells as float64, NaN where they cannot be read. ``$1,200``, ``12 %``, ``(30)`` and truth values are numbers.

    ``decimal``: the decimal mark; None lets all cells together decide, and is a point where none of them tells.
    """
    if column.dtype != pl.String:
        values = np.asarray(column.cast(pl.Float64, strict=False).fill_null(np.nan), dtype=np.float64)
        return np.where(np.isfinite(values), values, np.nan)
    mark = decimal or decimal_mark(column) or "."
    plain = _bare(column)
    grouped = plain.str.contains(_GROUPED[mark])  # 1,200,000
    cells = pl.DataFrame({"plain": plain, "grouped": grouped}).select(
        pl.when("grouped").then(pl.col("plain").str.replace_all("," if mark == "." else ".", "", literal=True)).otherwise("plain")
        .str.replace(",", ".", literal=True)  # no group: 12,5 among points is a decimal all the same
    ).to_series()  # fmt: skip
    found = cells.cast(pl.Float64, strict=False)
    truth = plain.str.to_lowercase().replace_strict(
        {"true": 1.0, "false": 0.0}, default=None, return_dtype=pl.Float64
    )
    values = found.fill_null(truth).fill_null(np.nan).to_numpy().astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _bare(column: pl.Series) -> pl.Series:
    """Without blanks, currencies and percent signs; an accountant's minus in front."""
    return column.str.replace_all(r"[\s'$€£%]", "").str.replace(r"^\((.*)\)$", "-$1")


def dates(column: pl.Series) -> Array:
    """Cells as POSIX seconds, NaN where they cannot be read; UTC where no zone is named. One format per column."""
    if column.dtype.is_temporal():
        moments = column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column
        seconds = moments.dt.epoch("us").cast(pl.Float64) / 1e6
        return np.asarray(seconds.fill_null(np.nan), dtype=np.float64)
    if column.dtype != pl.String:
        return np.full(column.len(), np.nan)
    best, found = 0.0, np.full(column.len(), np.nan)
    probe = column.drop_nulls().head(200)
    for layout in _layouts():
        if probe.len() and _readable(probe, layout) > best:
            moments = column.str.to_datetime(layout, strict=False, time_unit="us", time_zone="UTC" if "%#z" in layout else None)  # fmt: skip
            values = (moments.dt.epoch("us").cast(pl.Float64) / 1e6).fill_null(np.nan).to_numpy()
            if _share(values) > best:
                best, found = _share(values), values.astype(np.float64)
            if best == 1.0:
                break
    return found


def _layouts() -> list[str]:
    clocks = ["T%H:%M:%S", " %H:%M:%S", "T%H:%M", " %H:%M"]
    return [day + clock + tail for day in _DATE_FORMATS for clock in clocks for tail in _TIME_TAILS] + list(_DATE_FORMATS)  # fmt: skip


def _readable(probe: pl.Series, layout: str) -> float:
    try:
        moments = (
            probe.str.to_datetime(
                layout, strict=False, time_unit="us", time_zone="UTC" if "%#z" in layout else None
            )
            if "%H" in layout
            else probe.str.to_date(layout, strict=False)
        )
    except pl.exceptions.PolarsError:
        return 0.0
    return float(1.0 - moments.null_count() / probe.len())


def _share(values: Array) -> float:
    return float(np.isfinite(values).mean()) if values.size else 0.0
