"""A column of dates is read however it is written, or refused by name."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.log_dates import event_days

MOMENTS = [datetime(2026, 3, 31, 14, 5, 9), datetime(2026, 12, 1, 0, 0, 0), datetime(1999, 1, 22, 23, 59, 0)]  # noqa: DTZ001  # reason: what a file without zones holds
DAYS = np.array([(moment - datetime(1970, 1, 1)) / timedelta(days=1) for moment in MOMENTS])  # noqa: DTZ001  # reason: the same


def read(*values: object) -> list[float]:
    return [
        float(day) for day in event_days(pl.Series("when", values, strict=False), source="--test-events").days
    ]


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M:%SZ",
        "%Y-%m-%d %H:%M:%S.%f",
        "%Y-%m-%dT%H:%M:%S+00:00",
        "%Y/%m/%d %H:%M:%S",
        "%m/%d/%Y %H:%M:%S",
        "%m/%d/%Y %I:%M:%S %p",
        "%d.%m.%Y %H:%M:%S",
        "%d/%m/%Y %H:%M:%S",
        "%b %d, %Y %I:%M:%S %p",
        "%d-%b-%Y %H:%M:%S",
    ],
)
def test_a_moment_is_the_same_in_every_form(form: str) -> None:
    assert read(*(moment.strftime(form) for moment in MOMENTS)) == pytest.approx(DAYS.tolist(), abs=1e-9)


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d.%m.%Y", "%Y%m%d", "%B %d %Y", "%d %b %Y"]
)
def test_a_day_is_the_same_in_every_form(form: str) -> None:
    assert read(*(moment.strftime(form) for moment in MOMENTS)) == np.floor(DAYS).tolist()


def test_dates_datetimes_and_numbers_mean_the_same_as_text() -> None:
    utc = [moment.replace(tzinfo=UTC) for moment in MOMENTS]
    assert read(*MOMENTS) == pytest.approx(DAYS.tolist())
    berlin = pl.Series("when", utc).dt.convert_time_zone("Europe/Berlin")
    assert event_days(berlin, source="log").days == pytest.approx(DAYS)
    assert read(*(moment.date() for moment in MOMENTS)) == np.floor(DAYS).tolist()
    assert read(*(int(moment.timestamp()) for moment in utc)) == pytest.approx(DAYS.tolist())
    assert read(*(int(moment.timestamp()) * 1_000 for moment in utc)) == pytest.approx(DAYS.tolist())
    assert read(*(int(moment.strftime("%Y%m%d")) for moment in MOMENTS)) == np.floor(DAYS).tolist()


def test_forms_may_be_mixed_and_cells_empty() -> None:
    found = read("2026-03-31", None, "03/31/2026 12:00", "", "NaT", " Mar 31, 2026 ")
    day = float((date(2026, 3, 31) - date(1970, 1, 1)).days)
    assert found[0] == found[5] == day
    assert found[2] == day + 0.5
    assert np.isnan([found[1], found[3], found[4]]).all()


def test_one_day_above_twelve_settles_that_days_come_first_and_doubt_is_told() -> None:
    first = event_days(pl.Series("when", ["03/04/2026", "25/04/2026"]), source="log")
    assert first.days.tolist() == read("2026-04-03", "2026-04-25")
    assert first.note is None
    doubtful = event_days(pl.Series("when", ["03/04/2026", "05/04/2026"]), source="log")
    assert doubtful.days.tolist() == read("2026-03-04", "2026-05-04")
    assert "month first" in str(doubtful.note)


def test_a_zone_in_the_text_counts() -> None:
    assert read("2026-03-31T02:00:00+02:00") == read("2026-03-31")


@pytest.mark.parametrize(
    "values", [("2026-03-31", "soon"), (1.0, 2.0), (True, False), ("2026-13-31",), ("0026-03-31",)], ids=str
)
def test_what_is_no_date_is_refused_by_column_with_the_forms_that_are(values: tuple[object, ...]) -> None:
    with pytest.raises(InputError, match=r"--test-events: column 'when' .*2026-03-31T14:05:00Z"):
        read(*values)
