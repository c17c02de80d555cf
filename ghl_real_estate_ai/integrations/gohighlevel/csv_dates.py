"""Dates as GoHighLevel's exports and spreadsheets write them: ISO, US order, or with the month's name. Called by csv_export.py."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Final

DATE_FORMS: Final = (
    "2026-03-31, 2026-03-31T14:05:00Z, 03/31/2026 2:05 PM (month first) or Mar 31 2026 2:05 PM"
)
"""What is read, for whoever wrote something else."""

_DAYS: Final = ("%m/%d/%Y", "%m-%d-%Y", "%b %d %Y", "%B %d %Y", "%d %b %Y", "%m/%d/%y")
_HOURS: Final = ("", " %I:%M %p", " %I:%M:%S %p", " %H:%M", " %H:%M:%S")
_FORMATS: Final = tuple(day + hour for day in _DAYS for hour in _HOURS)
_RUN: Final = re.compile(r"\d+|[A-Za-z]+")
_ORDINAL: Final = re.compile(r"(?<=\d)(st|nd|rd|th)\b", re.IGNORECASE)
_HALF: Final = re.compile(r"(?<=\d)\s*([ap])\.?m\.?$", re.IGNORECASE)
_EPOCH_MS: Final = re.compile(r"\d{12,14}")
_YEARS: Final = range(1990, 2101)


def moment(text: str, zone: tzinfo) -> datetime | None:
    """Aware UTC; ``zone`` holds for texts that name none. None: not one of DATE_FORMS."""
    found = _iso(text, zone) or _written(text, zone)
    return found if found is not None and found.year in _YEARS else None


def _iso(text: str, zone: tzinfo) -> datetime | None:
    if _EPOCH_MS.fullmatch(text):
        return datetime.fromtimestamp(int(text) / 1_000, UTC)
    if not text[:4].isdigit():
        return None
    try:
        return _utc(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError):
        return None


def _shape(text: str) -> str:
    """Digits as 9 and letters as a, however many: ``9/9/9 9:9 a``."""
    return _RUN.sub(lambda run: "9" if run[0][0].isdigit() else "a", text)


_SAMPLE: Final = datetime(2026, 12, 22, 10, 33, 44, tzinfo=UTC)
_BY_SHAPE: Final = {
    shape: tuple(form for form in _FORMATS if _shape(_SAMPLE.strftime(form)) == shape)
    for shape in {_shape(_SAMPLE.strftime(form)) for form in _FORMATS}
}
"""The formats that a text of this shape may have: trying all of them takes ten times as long."""


def _written(text: str, zone: tzinfo) -> datetime | None:
    plain = _HALF.sub(r" \1M", _ORDINAL.sub("", text.replace(",", " ")))
    plain = " ".join(plain.split())
    for form in _BY_SHAPE.get(_shape(plain), ()):
        try:
            return _utc(datetime.strptime(plain, form), zone)  # noqa: DTZ007  # reason: the zone is given next
        except (ValueError, OverflowError):
            continue
    return None


def _utc(when: datetime, zone: tzinfo) -> datetime:
    return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)
