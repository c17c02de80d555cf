"""Any table of events becomes the same arrays, whatever its order, its ids and its lines per event."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.event_logs import (
    MOST_KINDS,
    OTHER_KIND,
    EventLog,
    LogColumns,
    continued,
    read_log,
    shared_events,
    shared_leads,
)

COLUMNS = LogColumns("who", "when", "worth", "what")
TABLE = pl.DataFrame(
    {
        "who": ["b", "a", "a", None, "b", "a"],
        "when": ["2026-01-05", "2026-01-02", "2026-01-02", "2026-01-03", None, "2026-01-01"],
        "worth": [7.0, 1.5, 2.0, 9.0, 9.0, -4.0],
        "what": ["call", "visit", "visit", "call", "call", "return"],
    }
)


def log_of(*events: tuple[str, int]) -> EventLog:
    """Events as lead and day of January 2026."""
    table = pl.DataFrame(
        {"who": [who for who, _ in events], "when": [f"2026-01-{day:02d}" for _, day in events]}
    )
    return read_log(table, LogColumns("who", "when"), source="log")


def same(one: EventLog, other: EventLog) -> bool:
    arrays = ("lead", "at", "rows", "value", "kind")
    return (one.leads, one.kinds) == (other.leads, other.kinds) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays
    )


def test_rows_of_one_lead_at_one_time_are_one_event_with_their_values_summed() -> None:
    log = read_log(TABLE, COLUMNS, source="--train-events")
    assert log.leads == ("a", "b")
    assert log.lead.tolist() == [0, 0, 1]
    assert np.diff(log.at).tolist() == [1.0, 3.0]
    assert log.rows.tolist() == [1.0, 2.0, 1.0]
    assert log.value is not None
    assert log.value.tolist() == [-4.0, 3.5, 7.0]
    assert log.kind is not None
    assert [log.kinds[place] for place in log.kind] == ["return", "visit", "call"]


def test_what_is_left_out_or_joined_is_told() -> None:
    notes = read_log(TABLE, COLUMNS, source="--train-events").notes
    assert any("1 rows without 'who' left out" in note for note in notes)
    assert any("1 rows without 'when' left out" in note for note in notes)
    assert any("4 rows are 3 events" in note for note in notes)


def test_the_order_of_rows_and_columns_is_irrelevant() -> None:
    turned = TABLE.reverse().select(reversed(TABLE.columns))
    assert same(read_log(TABLE, COLUMNS, source="log"), read_log(turned, COLUMNS, source="log"))


@pytest.mark.parametrize(
    "ids", [[17850, 18], [17850.0, 18.0], ["17850 ", "18"]], ids=["int", "float", "text"]
)
def test_an_id_is_the_same_however_a_file_holds_it(ids: list[object]) -> None:
    table = pl.DataFrame({"who": ids, "when": ["2026-01-01", "2026-01-02"]})
    assert read_log(table, LogColumns("who", "when"), source="log").leads == ("17850", "18")


def test_amounts_may_carry_signs_of_money_but_words_are_refused() -> None:
    table = TABLE.with_columns(worth=pl.Series(["$1,200.50", "3", "", None, "1", "2"]))
    log = read_log(table, COLUMNS, source="log")
    assert log.value is not None
    assert log.value.tolist() == [2.0, 3.0, 1200.5]
    with pytest.raises(InputError, match=r"log: column 'worth' holds 'a lot'"):
        read_log(TABLE.with_columns(worth=pl.lit("a lot")), COLUMNS, source="log")


def test_amounts_that_are_no_numbers_count_as_none() -> None:
    odd = [float("nan"), float("inf"), 2.0, 9.0, 9.0, None]
    log = read_log(TABLE.with_columns(worth=pl.Series(odd)), COLUMNS, source="log")
    assert log.value is not None
    assert log.value.tolist() == [0.0, 2.0, 0.0]


def test_rare_kinds_and_those_of_another_log_become_one() -> None:
    many = pl.DataFrame(
        {
            "who": [str(n) for n in range(60)],
            "when": ["2026-01-01"] * 60,
            "what": ["common"] * 10 + [f"k{n:02d}" for n in range(50)],
        }
    )
    columns = LogColumns("who", "when", kind="what")
    log = read_log(many, columns, source="log")
    assert len(log.kinds) == MOST_KINDS
    assert (log.kinds[0], log.kinds[-1]) == ("common", OTHER_KIND)
    other = read_log(many.head(1).with_columns(what=pl.lit("new")), columns, source="log", kinds=log.kinds)
    assert other.kind is not None
    assert other.kinds[int(other.kind[0])] == OTHER_KIND


def test_a_missing_column_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="no column 'whom'; did you mean 'who'"):
        read_log(TABLE, LogColumns("whom", "when"), source="log")
    with pytest.raises(InputError, match="no row has both"):
        read_log(TABLE.with_columns(who=pl.lit(None, dtype=pl.String)), COLUMNS, source="log")


def test_logs_of_the_same_leads_are_told_from_logs_whose_ids_only_coincide() -> None:
    first = log_of(("1", 1), ("1", 9), ("2", 3), ("3", 20))
    assert shared_events(first, log_of(("1", 9), ("2", 3), ("9", 30))) == 1.0
    assert shared_events(first, log_of(("1", 2), ("2", 4), ("3", 19))) == 0.0
    assert shared_events(first, log_of(("1", 25), ("2", 26))) is None
    assert shared_leads(first, log_of(("1", 25), ("8", 26))) == 0.5


def test_a_log_that_goes_on_is_read_with_its_past() -> None:
    whole = [("a", 1), ("b", 2), ("a", 12), ("c", 13)]
    assert same(continued(log_of(*whole[:3]), log_of(*whole[2:])), log_of(*whole))
