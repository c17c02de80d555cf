"""Columns filled in after the outcome are found without being told, with numbers; strong honest columns are left alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from ghl_real_estate_ai.ml.availability import ENOUGH, late_columns
from ghl_real_estate_ai.ml.tables import read_table
from tests.support.late_tables import (
    HONEST,
    LATE,
    LateTable,
    bench,
    drawn,
    late_table,
    ordinal_table,
    small_table,
)
from tests.support.public_data import public_data

UNTOLD_BY_NUMBERS_ALONE = frozenset({"number_of_touches", "call_duration", "call_minutes", "decided_on"})
"""Without their names these look like honest columns that are strong: some of them are missed then, and that is right."""


@cache
def tables() -> tuple[LateTable, ...]:
    return tuple(bench(seed=1))


def found(case: LateTable, *, timed: bool = True) -> set[str]:
    flags = late_columns(case.table, case.y, case.table.columns, at=case.at if timed else None)
    return {flag.column for flag in flags}


# --- the bench ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timed", [True, False])
def test_what_is_planted_is_found_and_nothing_else(timed: bool) -> None:
    assert {case.title: found(case, timed=timed) for case in tables()} == {
        case.title: set(case.late) for case in tables()
    }


def test_without_telling_names_the_numbers_find_most_and_accuse_nobody() -> None:
    for case in tables():
        hidden = case.without_names()
        names = dict(zip(hidden.table.columns, case.table.columns, strict=True))
        flagged = {names[column] for column in found(hidden)}
        assert flagged <= case.late, case.title
        assert case.late - UNTOLD_BY_NUMBERS_ALONE <= flagged, case.title


def test_every_mechanism_and_every_honest_kind_is_on_the_bench() -> None:
    late: set[str] = set().union(*(case.late for case in tables()))
    assert late == set(LATE)
    assert all(set(HONEST) & set(case.table.columns) == set(HONEST) for case in tables()[:14])


# --- what a flag says ---------------------------------------------------------------------------------------------


def test_a_reason_names_its_evidence_in_plain_words_and_numbers() -> None:
    case = late_table("feedback", drawn(seed=5, rows=2000, base_rate=0.3), ("feedback",))
    (flag,) = late_columns(case.table, case.y, case.table.columns)
    assert (flag.column, flag.kind) == ("feedback", "late")
    won, lost = (float(flag.evidence[name]) for name in ("filled_won", "filled_lost"))
    assert won == pytest.approx(0.92, abs=0.02)
    assert lost == pytest.approx(0.08, abs=0.02)
    assert f"filled in for {100 * won:.0f} % of won and {100 * lost:.0f} % of lost leads" in flag.reason
    assert float(flag.evidence["weight"]) >= ENOUGH


def test_telling_words_alone_are_never_enough() -> None:
    case = late_table("nothing", drawn(seed=6, rows=2000, base_rate=0.3), ())
    noise = case.table["walk_score"]
    named = pl.DataFrame(
        {"lead_status": noise, "last_activity": noise, "close_reason": noise, "call_duration": noise}
    )
    assert late_columns(named, case.y, named.columns) == []


def test_the_same_numbers_weigh_less_in_what_the_lead_did_by_itself() -> None:
    d = drawn(seed=7, rows=3000, base_rate=0.2)
    strong = np.round(np.exp(1.0 + 0.7 * d.normal(1.8)), 2)
    others = late_table("others", d, ()).table.drop("minutes_on_site", "homes_viewed")
    by_name = {
        name: [flag.column for flag in late_columns(table, d.y, table.columns)]
        for name in ("call_duration", "minutes_on_website")
        for table in [others.with_columns(pl.Series(name, strong))]
    }
    assert by_name == {"call_duration": ["call_duration"], "minutes_on_website": []}


def test_a_column_that_only_drifts_with_the_base_rate_is_no_evidence() -> None:
    """An interest rate ranks the outcome over the years, and says nothing within a month."""
    chance = np.random.default_rng(8)
    period = np.repeat(np.arange(20), 200)
    y = (chance.random(4000) < 0.03 + 0.04 * period).astype(np.float64)
    table = pl.DataFrame({"rate": 9.0 - 0.3 * period, "clicks": chance.poisson(3, 4000)})
    assert late_columns(table, y, table.columns) == []


def test_a_promotion_in_which_all_were_won_is_no_evidence() -> None:
    chance = np.random.default_rng(9)
    y = (chance.random(4000) < 0.1).astype(np.float64)
    y[1000:1300] = 1.0
    month = np.repeat(np.arange(40), 100)
    table = pl.DataFrame({"month": [f"month {m}" for m in month], "clicks": chance.poisson(3, 4000)})
    assert late_columns(table, y, table.columns) == []


def test_columns_missing_together_with_a_flagged_one_are_judged_with_it() -> None:
    case = late_table(
        "index", drawn(seed=10, rows=4000, base_rate=0.35), ("engagement_index", "engagement_score")
    ).without_names()
    flags = {flag.column: flag for flag in late_columns(case.table, case.y, case.table.columns, at=case.at)}
    assert set(flags) == set(case.late)
    assert any("together" in flag.reason or "the same as" in flag.reason for flag in flags.values())


# --- the battery --------------------------------------------------------------------------------------------------


def test_the_table_is_left_as_it_was_and_the_answer_is_repeatable() -> None:
    case = tables()[13]
    before = case.table.clone()
    once, again = (late_columns(case.table, case.y, case.table.columns, at=case.at) for _ in range(2))
    assert once == again
    assert case.table.equals(before)


def test_the_order_of_columns_does_not_matter() -> None:
    case = tables()[13]
    there = late_columns(case.table, case.y, case.table.columns, at=case.at)
    back = late_columns(case.table, case.y, case.table.columns[::-1], at=case.at)
    assert {flag.column: flag.reason for flag in there} == {flag.column: flag.reason for flag in back}
    assert [flag.column for flag in back] == [name for name in case.table.columns[::-1] if name in case.late]


def test_rows_in_any_order_are_sorted_by_their_time() -> None:
    case = tables()[13]
    shuffled = np.random.default_rng(3).permutation(case.y.size)
    mixed = late_columns(case.table[shuffled], case.y[shuffled], case.table.columns, at=case.at[shuffled])
    assert {flag.column for flag in mixed} == set(case.late)


def test_labels_without_meaning_accuse_no_column() -> None:
    planted = tuple(
        name for name in LATE if not name.startswith("engagement")
    )  # an index ages whatever comes of it
    case = late_table("all", drawn(seed=11, rows=2000, base_rate=0.3), planted, ("source", "minutes_on_site"))
    for seed in range(5):
        y = np.random.default_rng(seed).permutation(case.y)
        assert late_columns(case.table, y, case.table.columns) == []


@pytest.mark.parametrize("y", [np.zeros(40), np.ones(40), np.r_[np.ones(5), np.zeros(35)]])
def test_with_hardly_any_outcome_nothing_is_judged(y: npt.NDArray[np.float64]) -> None:
    assert late_columns(pl.DataFrame({"status": y.astype(int)}), y, ["status"]) == []


def test_empty_constant_and_odd_columns_do_no_harm() -> None:
    chance = np.random.default_rng(4)
    y = (chance.random(500) < 0.3).astype(np.float64)
    table = pl.DataFrame(
        {
            "empty": pl.Series([None] * 500, dtype=pl.String),
            "blank": [""] * 500,
            "constant": [1] * 500,
            "nan": [float("nan")] * 500,
            "infinite": [float("inf"), 1.0] * 250,
            "identifier": [f"id-{number}" for number in range(500)],
            "flag": chance.random(500) < 0.5,
            "money": [f"${number:,}.00" for number in chance.integers(1, 10**6, 500)],
            "list": [[1, 2]] * 500,
        }
    )
    assert late_columns(table, y, table.columns) == []
    assert late_columns(table, y, []) == []


@pytest.mark.parametrize("seed", range(3))
def test_small_and_wide_tables_in_which_nothing_is_late_are_left_alone(seed: int) -> None:
    assert found(small_table(seed=seed)) == set()
    assert found(ordinal_table(seed=seed, rows=3000, columns=40, base_rate=0.06)) == set()


# --- public data --------------------------------------------------------------------------------------------------


def flagged_in(table: pl.DataFrame, y: npt.NDArray[np.bool_], drop: Sequence[str]) -> set[str]:
    columns = [name for name in table.columns if name not in drop]
    return {flag.column for flag in late_columns(table, y.astype(np.float64), columns)}


EDUCATION_LATE = {
    *("Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity"),
    *(f"Asymmetrique {what} {how}" for what in ("Activity", "Profile") for how in ("Index", "Score")),
}


@pytest.mark.data
@pytest.mark.parametrize("rows", [slice(None), slice(0, 4500), slice(1000, 6000)])
def test_what_staff_and_vendors_wrote_about_leads_of_a_school_is_found(rows: slice) -> None:
    table = read_table(public_data("x_education_leads/leads_oldest70.csv"))[rows]
    y = (table["Converted"] == 1).to_numpy()
    assert flagged_in(table, y, ("Converted", "Prospect ID", "Lead Number")) == EDUCATION_LATE


@pytest.mark.data
@pytest.mark.parametrize("first", [0, 12_000, 23_000])
def test_the_length_of_the_call_that_decided_is_found(first: int) -> None:
    table = read_table(public_data("bank_marketing/bank_additional_first70.csv"))[first : first + 5000]
    assert flagged_in(table, (table["y"] == "yes").to_numpy(), ("y",)) == {"duration"}


@pytest.mark.data
def test_what_a_shop_computes_from_its_sales_is_found() -> None:
    table = read_table(public_data("online_shoppers/online_shoppers_intention.csv"))
    y = (table["Revenue"].cast(pl.String).str.to_lowercase().is_in(["1", "true"])).to_numpy()
    assert flagged_in(table, y, ("Revenue",)) == {"PageValues"}
