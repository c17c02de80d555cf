"""A table of homes as numbers: concepts by name, values of every kind, and what is left out."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.list_columns import Concept, concept_of, oldest_first, read_columns


@pytest.mark.parametrize(
    ("name", "concept"),
    [
        ("price", Concept.PRICE),
        ("ListPrice", Concept.PRICE),
        ("list_price", Concept.PRICE),
        ("monthly rent", Concept.PRICE),
        ("ClosePrice", Concept.OF_A_PRICE),
        ("PricePerSqft", Concept.OF_A_PRICE),
        ("original_list_price", Concept.OF_A_PRICE),
        ("PhotosCount", Concept.PHOTOS),
        ("PublicRemarks", Concept.TEXT),
        ("DaysOnMarket", Concept.AGE),
        ("latitude", Concept.PLACE),
        ("neighborhood", Concept.PLACE),
        ("distance_city", None),
        ("storage", None),
        ("V17", None),
    ],
)
def test_a_name_says_what_a_column_holds(name: str, concept: Concept | None) -> None:
    assert concept_of(name) is concept


def table(**columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame(columns)


def test_money_dates_categories_and_texts_become_numbers_and_the_unknown_stays_unknown() -> None:
    found = read_columns(
        None,
        table(
            price=["$1,200", "$950", None] * 10,
            listed=["2026-01-02", "2026-01-03", None] * 10,
            kind=["condo", "house", "house"] * 10,
            remarks=["bright home with words"] * 29 + [""],
        ),
        names=("price", "listed", "kind", "remarks"),
        forbidden=(),
    )
    by_name = {column.name: column.test for column in found.usable}
    assert list(by_name["price"][:2]) == [1200, 950]
    assert np.isnan(by_name["price"][2])
    assert by_name["listed"][1] - by_name["listed"][0] == 1
    assert set(by_name["kind"]) == {0.0, 1.0}


def test_a_category_that_was_never_seen_is_unknown_not_an_error() -> None:
    train, test = table(kind=["a", "b"] * 10), table(kind=["a", "z"] * 10)
    column = read_columns(train, test, names=("kind",), forbidden=()).usable[0]
    assert column.test[0] == 0.0
    assert np.isnan(column.test[1])


def test_what_cannot_help_is_flagged_with_its_kind() -> None:
    n = 100
    train = table(
        x=list(range(n)), same=[1] * n, fold=["train", "test"] * 50, row_id=list(range(n)), month=[4, 5] * 50, gone=[1, 2] * 50
    ).with_columns(x=pl.col("x") % 7)  # fmt: skip
    test = train.drop("gone").with_columns(month=pl.lit(6))
    found = read_columns(train, test, names=train.columns, forbidden=())
    assert {flag.column: flag.kind for flag in found.flagged} == {
        "same": "constant", "fold": "split", "row_id": "identifier", "month": "new", "gone": "missing",
    }  # fmt: skip
    assert [column.name for column in found.usable] == ["x"]


def test_a_table_with_nothing_to_order_by_is_refused() -> None:
    with pytest.raises(InputError, match="no column is left"):
        read_columns(None, table(same=[1, 1, 1]), names=("same",), forbidden=())


def test_rows_are_put_in_the_order_of_the_date_listed() -> None:
    rows = table(price=[1, 2, 3], date_posted=["2026-03-01", "2026-01-01", "2026-02-01"])
    assert list(oldest_first(rows)) == [1, 2, 0]
