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
    height_at,
    minutes_until,
    seen,
    share_within,
    span_of_minutes,
    span_of_part,
    span_of_share,
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


def test_the_curve_that_is_shown_rises_no_higher_than_the_share_that_was_answered() -> None:
    some = waits(10, 20, 40, waiting=(15,))
    curve = answered_curve(some)
    assert curve.answered == pytest.approx([0.25, 0.625, 1.0])
    shown = seen(curve, some)
    assert shown.minutes.tolist() == [10, 20, 40]
    assert shown.answered == pytest.approx([0.25, 0.625, 0.75])  # three of four were answered
    assert shown.watched_min == 40  # to here the line goes on, level
    assert minutes_until(shown, 0.9) is None
    everybody = waits(10, 20)
    assert seen(answered_curve(everybody), everybody).answered[-1] == 1.0
    nobody = waits(waiting=(5,))
    assert seen(answered_curve(nobody), nobody).minutes.size == 0
    assert seen(answered_curve(waits()), waits()).minutes.size == 0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=40))
def test_nobody_is_shown_as_answered_who_still_waits(rows: list[tuple[int, bool]]) -> None:
    some = waits(
        *(minute for minute, was in rows if was), waiting=tuple(minute for minute, was in rows if not was)
    )
    shown = seen(answered_curve(some), some)
    assert max(shown.answered, default=0.0) == pytest.approx(some.answered.mean())
    assert np.all(shown.low <= shown.answered)
    assert np.all(shown.answered <= shown.high + 1e-12)
    assert (minutes_until(shown, 0.9) is None) == (some.answered.mean() < 0.9 - 1e-9)


def test_the_height_of_the_curve_is_that_of_the_step_before() -> None:
    curve = answered_curve(waits(10, 20, waiting=(30, 30)))
    assert height_at(curve, np.array([5.0, 10.0, 15.0, 29.0])) == pytest.approx([0.0, 0.25, 0.25, 0.5])
    assert height_at(answered_curve(waits(waiting=(5,))), np.array([3.0])) == pytest.approx([0.0])


@pytest.mark.parametrize(("part", "whole"), [(0, 20), (1, 20), (17, 404), (30, 30)])
def test_the_interval_of_a_counted_share_is_the_references(part: int, whole: int) -> None:
    reference = stats.binomtest(part, whole).proportion_ci(confidence_level=LEVEL, method="wilson")
    assert span_of_part(part, whole) == pytest.approx((reference.low, reference.high))


def test_the_interval_of_a_median_holds_it_and_is_open_where_perhaps_no_half_is_answered() -> None:
    curve = answered_curve(waits(*range(1, 41)))
    low, high = span_of_minutes(curve, 0.5)
    assert 10 < low < 20 < high < 30
    few = answered_curve(waits(*range(1, 21), waiting=(500,) * 19))
    low, high = span_of_minutes(few, 0.5)
    assert low < 20
    assert np.isinf(high)


def test_where_nobody_was_answered_in_time_the_share_may_still_be_above_none() -> None:
    low, high = span_of_share(answered_curve(waits(*[60] * 20)), 5, 20)
    assert low == 0.0
    assert 0.05 < high < 0.15
    low, high = span_of_share(answered_curve(waits(*[2] * 10, waiting=(60,) * 10)), 5, 20)
    assert low < 0.5 < high
