"""Columns are read by what they hold, whatever they are called."""

from __future__ import annotations

import uuid
from datetime import time, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from ghl_real_estate_ai.ml.column_kinds import (
    ColumnKind,
    cleaned,
    dates,
    in_order,
    nested_columns,
    numbers,
    plain_table,
    read_kind,
)

N = 200
RNG = np.random.default_rng(5)


def kind_of(values: object, name: str = "c") -> ColumnKind:
    return read_kind(cleaned(pl.Series(name, values))).kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (RNG.normal(size=N), ColumnKind.NUMBER),
        (RNG.integers(0, 5, N), ColumnKind.NUMBER),
        (RNG.random(N) < 0.5, ColumnKind.NUMBER),
        ([f"${n:,}" for n in RNG.integers(1_000, 3_000_000, N)], ColumnKind.NUMBER),
        ([f"{n} %" for n in RNG.integers(0, 100, N)], ColumnKind.NUMBER),
        (RNG.choice(["web", "phone", "fair"], N).tolist(), ColumnKind.CATEGORY),
        ([f"2026-0{1 + n % 9}-1{n % 10}" for n in range(N)], ColumnKind.DATE),
        ([f"{1 + n % 12}/{1 + n % 28}/2025 5:30" for n in range(N)], ColumnKind.DATE),
        ([f"wants a house near {n} oaks and a garden" for n in range(N)], ColumnKind.TEXT),
        ([str(uuid.UUID(int=int(n) * 7919)) for n in range(N)], ColumnKind.IDENTIFIER),
        (list(range(500, 500 + N)), ColumnKind.IDENTIFIER),
        (list(range(9_000, 9_000 - 3 * N, -3)), ColumnKind.IDENTIFIER),
        (np.argsort(RNG.random(N)), ColumnKind.IDENTIFIER),
        (["same"] * N, ColumnKind.CONSTANT),
        ([None] * N, ColumnKind.CONSTANT),
        (["No"] * (N - 1) + ["Yes"], ColumnKind.CONSTANT),
    ],
)  # fmt: skip
def test_a_kind_is_told_by_the_cells(values: object, kind: ColumnKind) -> None:
    assert kind_of(values) == kind


def test_a_key_is_told_from_a_price_by_its_name_only() -> None:
    values = RNG.choice(10_000_000, N, replace=False)
    assert kind_of(values, "price") == ColumnKind.NUMBER
    assert kind_of(values, "leadId") == ColumnKind.IDENTIFIER
    assert kind_of([f"+1 555 {n:07d}" for n in values], "Phone") == ColumnKind.IDENTIFIER


def test_missing_is_a_value_and_unknown_is_a_word() -> None:
    column = cleaned(pl.Series("c", ["", " NA", "unknown", "none", "?", None]))
    assert column.to_list() == [None, None, "unknown", "none", None, None]


def test_numbers_are_read_as_people_write_them() -> None:
    column = pl.Series("c", ["$1,200", "12 %", "(30)", "true", "ten", None, "1e3", "12.5"])
    np.testing.assert_array_equal(numbers(column), [1200, 12, -30, 1, np.nan, np.nan, 1000, 12.5])


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["0,3064", "1,234", "-12,5", "7"], [0.3064, 1.234, -12.5, 7]),
        (["1.234,56 €", "1.234", "12"], [1234.56, 1234, 12]),
        (["1.200.000", "300.000"], [1_200_000, 300_000]),
        (["1,234.50", "1,200", "12,5"], [1234.5, 1200, 12.5]),
        (["1,200", "2,300,000"], [1200, 2_300_000]),
        (["1.234", "0.306"], [1.234, 0.306]),
        (["1,200"] * 30 + ["12,5"], [1200.0] * 30 + [12.5]),
    ],
)
def test_all_cells_of_a_column_tell_its_decimal_mark(cells: list[str], read: list[float]) -> None:
    np.testing.assert_array_equal(numbers(pl.Series("c", cells)), read)
    assert kind_of(cells * 10) == ColumnKind.NUMBER


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026/01/31",
        "31.01.2026",
        "1/31/2026",
        "31/01/2026",
        "2026-01-31T00:00:00Z",
        "2026-01-31 00:00",
    ],
)
def test_dates_are_read_in_the_common_layouts(text: str) -> None:
    assert dates(pl.Series("c", [text, None, "soon"])).tolist()[:1] == [1769817600.0]


def test_order_forgives_a_few_rows_out_of_place() -> None:
    values = np.arange(300, dtype=np.float64)
    values[50], values[51] = values[51], values[50]
    assert in_order(values)
    assert in_order(-values)
    assert not in_order(RNG.normal(size=300))


def test_spans_hours_and_nested_cells_become_plain() -> None:
    given = pl.DataFrame(
        {"span": [timedelta(minutes=2)], "at": [time(1)], "tags": [["a"]], "price": [Decimal("1.5")]}
    )
    assert nested_columns(given) == ["tags"]
    table = plain_table(given)
    assert table.rows() == [(120.0, 3_600.0, None, 1.5)]
