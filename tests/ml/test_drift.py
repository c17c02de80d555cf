"""The alarm rings for what has moved, names it, and stays silent for chance."""

from __future__ import annotations

import numpy as np
import pytest

from ghl_real_estate_ai.ml.drift import PSI_ALARM, drift_alarm, moved

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("rows", [60, 300, 5_000])
def test_the_same_world_seen_again_stays_silent(rows: int) -> None:
    columns = {f"c{k}": (RNG.normal(size=rows), RNG.normal(size=rows), False) for k in range(40)}
    columns["words"] = (
        RNG.integers(0, 15, rows).astype(float),
        RNG.integers(0, 15, rows).astype(float),
        True,
    )
    y = (RNG.random(2 * rows) < 0.3).astype(np.float64)
    alarm = drift_alarm(
        columns, (RNG.normal(size=rows), RNG.normal(size=rows)),
        outcomes=(y[:rows], y[rows:]), said=np.full(rows, 0.3),
    )  # fmt: skip
    assert not alarm.rings, alarm.reasons


def test_a_shift_of_one_deviation_rings_and_names_the_column() -> None:
    then, now = RNG.normal(size=2_000), RNG.normal(size=1_000)
    alarm = drift_alarm({"rate": (then, now + 1, False), "calm": (then, now, False)}, (then, now))
    assert alarm.rings
    assert "rate" in alarm.reasons[0]
    assert "calm" not in alarm.reasons[0]
    assert alarm.moved[1].name == "rate"


def test_new_words_and_a_column_that_empties_move() -> None:
    words = RNG.integers(0, 4, 1_000).astype(np.float64)
    assert moved("w", words, words + 2, levels=True).psi > PSI_ALARM
    holes = np.where(RNG.random(1_000) < 0.5, np.nan, words)
    assert moved("w", words, holes, levels=True).rings
    assert moved("n", words + 0.5, np.full(1_000, np.nan)).rings


def test_the_index_agrees_with_its_definition() -> None:
    then, now = np.repeat([0.0, 1.0], [600, 400]), np.repeat([0.0, 1.0], [300, 700])
    expected = (0.3 - 0.6) * np.log(0.3 / 0.6) + (0.7 - 0.4) * np.log(0.7 / 0.4)
    assert moved("b", then, now, levels=True).psi == pytest.approx(expected, rel=0.02)
    assert moved("b", then, now, levels=True).ks == pytest.approx(0.3, abs=0.01)


def test_a_base_rate_that_moves_and_words_that_do_not_come_true_ring() -> None:
    same = RNG.normal(size=1_000)
    y = (np.arange(1_000) % 10 == 0).astype(np.float64)
    now = (np.arange(1_000) % 5 == 0).astype(np.float64)
    alarm = drift_alarm({}, (same, same), outcomes=(y, now), said=np.full(1_000, 0.1))
    assert [reason.split()[0] for reason in alarm.reasons] == ["the", "10.0%"]


def test_nothing_to_compare_is_no_alarm() -> None:
    nothing = np.array([])
    assert not drift_alarm({}, (nothing, nothing), outcomes=(nothing, nothing), said=nothing).rings


def test_the_stability_index_counts_shares_not_sizes_and_knows_the_unknown() -> None:
    rng = np.random.default_rng(3)
    before, same, later = rng.normal(size=4_000), rng.normal(size=900), rng.normal(1.0, 1.0, 900)
    assert moved("x", before, same).psi < 0.05
    assert moved("x", before, later).psi > 0.5
    assert moved("x", np.zeros(100), np.zeros(50)).psi == pytest.approx(0.0, abs=0.01)
    assert moved("x", np.zeros(100), np.full(50, np.nan)).psi > 1.0
