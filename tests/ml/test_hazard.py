"""A hazard counts who was followed for a while only, answers one probability, and says what each input adds to it."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.hazard import (
    event_log_odds,
    event_log_odds_of_one,
    person_periods,
    shares_of_answer,
)

ENDS = (1.0, 2.0, 4.0, 7.0, 14.0)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-z))


def test_a_row_is_in_each_period_it_entered_and_was_followed_through() -> None:
    x = np.array([[10.0], [20.0], [30.0], [40.0]])
    event = np.array([0.5, 3.0, math.inf, 2.5])
    seen = np.array([14.0, 14.0, 5.0, 3.0])
    rows = person_periods(x, event, seen, ENDS)
    held = sorted(zip(rows.row.tolist(), rows.x[:, 1].tolist(), rows.y.tolist(), strict=True))
    assert held == [
        (0, 0.0, 1.0),
        (1, 0.0, 0.0),
        (1, 1.0, 0.0),
        (1, 2.0, 1.0),
        (2, 0.0, 0.0),
        (2, 1.0, 0.0),
        (2, 2.0, 0.0),
        (3, 0.0, 0.0),
        (3, 1.0, 0.0),  # the third period was seen in part: its event does not count
    ]
    assert rows.x[:, 0].tolist() == [float(x[row, 0]) for row in rows.row]


def test_an_event_at_the_end_of_a_period_belongs_to_it() -> None:
    rows = person_periods(np.zeros((1, 1)), np.array([2.0]), np.array([14.0]), ENDS)
    assert rows.y.tolist() == [0.0, 1.0]


def test_censored_lives_teach_the_same_hazard_as_whole_ones() -> None:
    """Exponential waits followed for random times: the hazards are those of the law, not of the cut-off lives."""
    rng = np.random.default_rng(3)
    n, rate = 40_000, 0.12
    event, seen = rng.exponential(1 / rate, n), rng.uniform(0.0, 20.0, n)
    known = np.where(event <= seen, event, np.inf)
    rows = person_periods(np.zeros((n, 1)), known, seen, ENDS)
    survival = 1.0
    for number, (begin, end) in enumerate(pairwise((0.0, *ENDS))):
        hazard = rows.y[rows.x[:, -1] == number].mean()
        assert hazard == pytest.approx(1 - math.exp(-rate * (end - begin)), abs=0.02)
        survival *= 1 - hazard
    assert survival == pytest.approx(math.exp(-rate * 14), abs=0.015)


log_odds = st.lists(st.floats(-30, 30), min_size=1, max_size=6)


@given(log_odds)
def test_the_answer_is_one_minus_the_product_of_what_is_left(hazards: list[float]) -> None:
    z = np.array(hazards)
    expected = 1 - np.prod(1 - _sigmoid(z))
    assert _sigmoid(event_log_odds(z)) == pytest.approx(expected, abs=1e-12)
    assert event_log_odds_of_one(hazards) == pytest.approx(float(event_log_odds(z)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("extreme", [-800.0, 800.0])
def test_certain_hazards_give_no_infinity(extreme: float) -> None:
    for answer in (event_log_odds_of_one([extreme] * 5), float(event_log_odds(np.full(5, extreme)))):
        assert math.isfinite(answer)
        assert math.copysign(1, answer) == math.copysign(1, extreme)


@given(st.integers(1, 5), st.integers(1, 4), st.randoms(use_true_random=False))
def test_shares_and_base_add_up_and_keep_their_sign(periods: int, inputs: int, random) -> None:  # type: ignore[no-untyped-def]  # reason: hypothesis' own random
    base = np.array([random.uniform(-5, 5) for _ in range(periods)])
    shares = np.array([[random.uniform(-3, 3) for _ in range(inputs)] for _ in range(periods)])
    shares[:, 0] = -np.abs(shares[:, 0])  # an input that lowers every hazard
    each, rest = shares_of_answer(shares, base)
    assert each.sum() + rest == pytest.approx(float(event_log_odds(base + shares.sum(axis=1))), abs=1e-9)
    assert rest == pytest.approx(float(event_log_odds(base)), abs=0.05)
    assert each[0] <= 0
