"""Encodings learn from training rows alone, a row never sees its own outcome, and odd cells survive."""

from __future__ import annotations

import numpy as np
import polars as pl

from ghl_real_estate_ai.ml.column_encoding import fit_encoder
from ghl_real_estate_ai.ml.column_kinds import ColumnKind
from ghl_real_estate_ai.ml.evaluation import auc
from ghl_real_estate_ai.ml.table_inputs import Inputs, read_inputs

N = 600
RNG = np.random.default_rng(3)


def inputs(table: pl.DataFrame, **kinds: ColumnKind) -> Inputs:
    (read,) = read_inputs([table], kinds, moments=[None])
    return read


def test_rates_of_random_groups_tell_nothing_about_the_rows_they_were_learnt_from() -> None:
    groups = inputs(
        pl.DataFrame({"agent": [f"a{n}" for n in RNG.integers(0, 150, N)]}), agent=ColumnKind.CATEGORY
    )
    y = (RNG.random(N) < 0.3).astype(np.float64)
    encoder, design = fit_encoder(groups, y, np.ones(N))
    assert abs(auc(y, design.linear[:, -1]) - 0.5) < 0.08
    assert auc(y, encoder.encode(groups).linear[:, -1]) > 0.7  # what the leak would have looked like


def test_a_rows_own_outcome_never_enters_its_encoding() -> None:
    groups = inputs(
        pl.DataFrame({"agent": [f"a{n}" for n in RNG.integers(0, 20, N)]}), agent=ColumnKind.CATEGORY
    )
    y = (RNG.random(N) < 0.3).astype(np.float64)
    later = 401 + int(np.flatnonzero(y[401:] != y[400])[0])
    swapped = y.copy()
    swapped[[400, later]] = y[[later, 400]]  # the base rate stays
    _, design = fit_encoder(groups, y, np.ones(N))
    _, changed = fit_encoder(groups, swapped, np.ones(N))
    np.testing.assert_array_equal(design.linear[:401], changed.linear[:401])


def test_missing_and_unseen_cells_are_encoded_without_a_hole() -> None:
    train = pl.DataFrame({"n": [*RNG.normal(size=N - 50), *[None] * 50], "c": ["x", "y", None] * (N // 3)})
    later = pl.DataFrame({"n": [None, 1e12, -1e12], "c": ["never seen", None, "x"]}, strict=False)
    first, second = read_inputs(
        [train, later], {"n": ColumnKind.NUMBER, "c": ColumnKind.CATEGORY}, moments=[None, None]
    )
    encoder, design = fit_encoder(first, (RNG.random(N) < 0.4).astype(np.float64), np.ones(N))
    shown = encoder.encode(second)
    assert np.isfinite(design.linear).all()
    assert np.isfinite(shown.linear).all()
    assert np.abs(shown.linear).max() < 5  # far values say no more than the furthest known ones


def test_a_level_never_seen_counts_as_average() -> None:
    train = pl.DataFrame({"c": ["x"] * 300 + ["y"] * 300})
    first, second = read_inputs(
        [train, pl.DataFrame({"c": ["z", "x"]})], {"c": ColumnKind.CATEGORY}, moments=[None, None]
    )
    encoder, _ = fit_encoder(first, np.repeat([1.0, 0.0], 300), np.ones(N))
    rates = encoder.encode(second).linear[:, -1]
    assert rates[0] == 0.0
    assert rates[1] > 2.0


def test_dates_become_parts_of_the_calendar_that_came_round_twice_and_an_age() -> None:
    days = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 3, 1), "1h", eager=True)
    seconds = days.dt.epoch("s").to_numpy().astype(np.float64)
    read = read_inputs([pl.DataFrame({"d": days})], {"d": ColumnKind.DATE}, moments=[seconds + 86_400.0])[0]
    assert read.number_columns == ("d",) * 3  # hour, weekday, age; a year has not come round
    np.testing.assert_allclose(read.numbers[:, 2], 1.0)
    assert set(read.numbers[:, 0]) == set(range(24))
