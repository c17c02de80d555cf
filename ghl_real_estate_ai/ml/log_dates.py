"""A column of dates, however it is written, as days since 1970-01-01 UTC. Called by ml/event_logs.py; for any evaluation.

Reads dates, datetimes of any zone, text in the forms of ``DATE_FORMS``, epoch seconds to nanoseconds, and days written as
numbers (20260331). A column is read as a whole: one day above 12 in first place settles that days come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.errors import InputError

Array = npt.NDArray[np.float64]

DATE_FORMS: Final = "2026-03-31, 2026-03-31T14:05:00Z, 03/31/2026 2:05 PM, 31.03.2026, Mar 31 2026, 20260331 or seconds since 1970"
"""For whoever wrote something else."""
NO_VALUE: Final = ("", "na", "n/a", "nan", "nat", "null", "none")
"""Words, in lower case, that files write where they mean nothing."""

_HOURS: Final = ("", " %H:%M:%S%.f", " %H:%M", " %I:%M %p", " %I:%M:%S %p")
_ISO: Final = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d")
_NAMED: Final = ("%b %d %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y")
_MONTH_FIRST: Final = ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y", "%m/%d/%y")
_DAY_FIRST: Final = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%y")
_ZONED: Final = ("%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z")
_ORDER_MATTERS: Final = r"^\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}"

_EPOCH: Final = ((1e11, 86_400.0), (1e14, 86_400e3), (1e17, 86_400e6), (1e20, 86_400e9))
_EPOCH_FROM: Final = 1e8  # 1973: a smaller number counts something else
_WRITTEN_DAYS: Final = (19_000_101, 21_001_231)
_YEARS: Final = (1900, 2100)
_MICROSECONDS: Final = 86_400e6
_SAMPLE: Final = 50


class Days(NamedTuple):
    """A column of dates."""

    days: Array
    """Since 1970-01-01 UTC, NaN where the column is empty."""
    note: str | None
    """What had to be assumed, if anything."""


def event_days(column: pl.Series, *, source: str) -> Days:
    """``source`` (an option or a file) is named in errors. Raises InputError with the column and a value that is no date."""
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        return Days(_since_1970(column), None)
    if column.dtype.is_numeric():
        return Days(_numbered(column, source), None)
    if column.dtype == pl.String:
        return _written(column, source)
    raise InputError(f"{source}: column {column.name!r} holds no dates; write {DATE_FORMS}")


def without_blanks(texts: pl.Series) -> pl.Series:
    """Trimmed, and null where a text only says that there is none."""
    trimmed = texts.str.strip_chars()
    return trimmed.set(trimmed.str.to_lowercase().is_in(NO_VALUE).fill_null(value=False), None)


def _since_1970(moments: pl.Series) -> Array:
    if isinstance(moments.dtype, pl.Datetime) and moments.dtype.time_zone is not None:
        moments = moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    since = moments.cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.Float64) / _MICROSECONDS
    return np.asarray(since.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _numbered(column: pl.Series, source: str) -> Array:
    numbers = np.array(column.cast(pl.Float64).fill_null(float("nan")).to_numpy(), dtype=np.float64)
    known = numbers[np.isfinite(numbers)]
    if not known.size:
        return numbers
    low, high = float(known.min()), float(known.max())
    if _WRITTEN_DAYS[0] <= low and high <= _WRITTEN_DAYS[1]:
        return _written(column.cast(pl.Int64, strict=False).cast(pl.String), source).days
    for below, per_day in _EPOCH:
        if low >= _EPOCH_FROM and high < below:
            return numbers / per_day
    raise InputError(
        f"{source}: column {column.name!r} runs from {low:g} to {high:g}, which are no dates; write {DATE_FORMS}"
    )


def _written(column: pl.Series, source: str) -> Days:
    plain = _plain(column)
    texts = plain.drop_nulls().unique()
    moments, note = _read(texts, (*_ISO, *_NAMED, *_MONTH_FIRST)), None
    if moments.null_count() and texts.str.contains(_ORDER_MATTERS).any():
        moments = _read(texts, (*_ISO, *_NAMED, *_DAY_FIRST))
    elif (
        texts.str.contains(_ORDER_MATTERS).any()
        and not _read(texts, (*_ISO, *_NAMED, *_DAY_FIRST)).null_count()
    ):
        note = f"{source}: {column.name!r} was read month first; write 2026-03-31 where days come first"
    if moments.null_count():
        wrong = texts.filter(moments.is_null()).sort()[0]
        raise InputError(
            f"{source}: column {column.name!r} holds {wrong!r}, which is no date; write {DATE_FORMS}"
        )
    known = pl.DataFrame({"text": texts, "day": _since_1970(moments)})
    found = plain.rename("text").to_frame().join(known, on="text", how="left", maintain_order="left")["day"]
    return Days(np.array(found.fill_null(float("nan")).to_numpy(), dtype=np.float64), note)


def _plain(column: pl.Series) -> pl.Series:
    """One way to write what means the same: single spaces, no T and no commas, +0000 for Greenwich, AM and PM."""
    text = without_blanks(column).str.replace_all(r"[,\s]+", " ")
    text = text.str.replace(r"^(\d{4})(\d{2})(\d{2})($|[T ])", "$1-$2-$3$4").str.replace(
        r"(\d)[Tt](\d)", "$1 $2"
    )
    text = text.str.replace(r" ?(?:Z|UTC|GMT)$", "+0000").str.replace(
        r"(:\d\d(?:\.\d+)?) ?([+-]\d\d):?(\d\d)$", "$1$2$3"
    )
    return text.str.replace(r"(\d) ?([AaPp])\.?[Mm]\.?$", "$1 ${2}M").str.replace(r" ([ap])M$", " ${1}M")


def _read(texts: pl.Series, day_forms: Sequence[str]) -> pl.Series:
    """Each text by a form that reads it, null where none does. Looks for a form on a few texts, then reads all with it."""
    forms = (*_ZONED, *(day + hour for day in day_forms for hour in _HOURS))
    found = pl.Series(texts.name, [None], dtype=pl.Datetime("us")).new_from_index(0, texts.len())
    while found.null_count():
        few = texts.filter(found.is_null()).head(_SAMPLE)
        form = next((form for form in forms if _by(form, few).null_count() < few.len()), None)
        if form is None:
            break
        found = found.fill_null(_by(form, texts))
    return found


def _by(form: str, texts: pl.Series) -> pl.Series:
    if form in _ZONED:
        moments = texts.str.strptime(pl.Datetime("us", "UTC"), form, strict=False).dt.replace_time_zone(None)
    else:
        moments = texts.str.strptime(pl.Datetime("us"), form, strict=False)
    return moments.set(~moments.dt.year().is_between(*_YEARS), None)
