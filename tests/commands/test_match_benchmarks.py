"""The bench of matching: invented homes that repeat, engines that agree, and a row that fails when one does not."""

from __future__ import annotations

import numpy as np
import pytest

from ghl_real_estate_ai.commands.match_benchmarks import (
    Measured,
    match_row,
    measure,
    synthetic_homes,
    synthetic_wishes,
)

pytestmark = pytest.mark.untraced


def test_invented_homes_are_skewed_over_markets_and_the_same_each_time() -> None:
    one, other = (synthetic_homes(30_000) for _ in range(2))
    assert np.array_equal(one.price, other.price)
    assert np.array_equal(one.codes, other.codes)
    sizes = np.diff(one.starts)
    assert 0.2 < sizes.max() / len(one) < 0.3
    assert len(sizes) == 400
    wished = synthetic_wishes(one, 50)
    assert wished == synthetic_wishes(other, 50)
    assert {wish.max_list_price is None for wish in wished} == {True, False}


def test_all_engines_give_the_same_scores() -> None:
    run = measure(lambda _: None, homes=20_000, queries=48)
    assert run.disagree == ""
    assert {len(taken) for taken in run.peers.values()} == {12}
    assert "DuckDB" in run.peers
    assert len(run.ours) == 3 * 48


def test_a_row_whose_engines_disagree_does_not_count() -> None:
    peers = {"numpy, all homes": [5.0, 5.0]}
    row = match_row("MATCH_P50_MS", Measured([0.5, 0.7], peers, {}, ""), 0.5)
    assert (row.passed, row.peer_measured, row.budget) == (True, 5.0, 1.0)
    assert not match_row("MATCH_P99_MS", Measured([0.5], peers, {}, "DuckDB gives other scores"), 0.99).passed
