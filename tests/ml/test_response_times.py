"""The curve of response times: the reference's numbers, leads that wait counted, nothing said beyond what was seen."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ghl_real_estate_ai.ml.response_times import (
    LEVEL,
    POINTS,
    Waits,
    answered_curve,
    drawn,
    minutes_until,
    share_within,
)


def waits(*answered: float, waiting: tuple[float, ...] = ()) -> Waits:
    return Waits(
        np.array([*answered, *waiting], dtype=np.float64),
        np.array([True] * len(answered) + [False] * len(waiting), dtype=np.bool_),
    )


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=2, max_size=60).filter(
        lambda rows: any(answered for _, answered in rows)
    )
)
def test_curve_and_intervals_are_those_of_the_reference(rows: list[tuple[int, bool]]) -> None:
    minutes = np.array([minute for minute, _ in rows], dtype=np.float64)
    answered = np.array([was for _, was in rows], dtype=np.bool_)
    curve = answered_curve(Waits(minutes, answered))
    data = stats.CensoredData(uncensored=minutes[answered], right=minutes[~answered])
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where all are answered it has no interval, and says so
        reference = stats.ecdf(data).sf
        span = reference.confidence_interval(confidence_level=LEVEL, method="log-log")
    at = np.isin(reference.quantiles, curve.minutes)
    assert curve.answered == pytest.approx(1.0 - reference.probabilities[at])
    inside = curve.answered < 1.0
    assert curve.low[inside] == pytest.approx(1.0 - span.high.probabilities[at][inside])
    assert curve.high[inside] == pytest.approx(1.0 - span.low.probabilities[at][inside])
    assert np.all(curve.low <= curve.answered + 1e-12)
    assert np.all(curve.answered <= curve.high + 1e-12)


def test_to_drop_those_who_wait_would_make_a_team_that_ignores_people_a_fast_one() -> None:
    some, all_of_them = waits(1, 2, 3), waits(1, 2, 3, waiting=(600, 700, 800, 900, 1_000, 1_100, 1_200))
    dropped, counted = answered_curve(some), answered_curve(all_of_them)
    assert minutes_until(dropped, 0.5) == 2
    assert share_within(dropped, 5) == 1.0
    assert minutes_until(counted, 0.5) is None
    assert share_within(counted, 5) == pytest.approx(0.3)


def test_a_lead_that_has_just_come_says_nothing_of_later_minutes() -> None:
    curve = answered_curve(waits(10, 20, waiting=(1, 1, 15)))
    assert curve.answered == pytest.approx([1 / 3, 1.0])
    assert curve.still_waiting.tolist() == [2, 0]


def test_nothing_is_said_of_minutes_for_which_nobody_was_watched() -> None:
    curve = answered_curve(waits(1, waiting=(2, 3)))
    assert share_within(curve, 3) == pytest.approx(1 / 3)
    assert share_within(curve, 5) is None
    assert share_within(answered_curve(waits(1, 2)), 5) == 1.0


@pytest.mark.parametrize("who", [waits(), waits(waiting=(5, 90))])
def test_without_an_answer_there_is_no_curve_and_no_median(who: Waits) -> None:
    curve = answered_curve(who)
    assert curve.minutes.size == 0
    assert drawn(curve).size == 0
    assert minutes_until(curve, 0.5) is None


def test_of_leads_that_wait_longer_than_asked_none_is_answered() -> None:
    assert share_within(answered_curve(waits(waiting=(5, 90))), 5) == 0.0


@pytest.mark.parametrize(("answers", "low"), [(1, 0.1), (3, 0.1 ** (1 / 3))])
def test_when_all_are_answered_at_once_the_low_end_is_that_of_so_many_answers(
    answers: int, low: float
) -> None:
    curve = answered_curve(waits(*[4.0] * answers))
    assert curve.answered.tolist() == [1.0]
    assert curve.low == pytest.approx([low])
    assert curve.high.tolist() == [1.0]


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    curve = answered_curve(waits(*range(1_000)))
    rows = drawn(curve)
    assert rows.size == POINTS
    assert (rows[0], rows[-1]) == (0, 999)
    gaps = np.diff(curve.answered[rows])
    assert gaps.max() < 2 / POINTS
