"""A stage is entered after a dwell, left through a band, and never flaps; the lead's own sign of life counts at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.risk_stages import DWELL, EXIT_BAND, Standing, due_at, settle
from ghl_real_estate_ai.models.intelligence import STAGE_THRESHOLDS, RiskStage

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG_AGO = NOW - timedelta(days=300)
NONE, EARLY, ACTIVE, CRITICAL = RiskStage


def look(
    before: Standing | None,
    risk: float,
    now: datetime = NOW,
    *,
    own_act: bool = False,
    silent_since: datetime = NOW,
    not_before: datetime = LONG_AGO,
) -> Standing:
    return settle(before, risk, now, own_act=own_act, silent_since=silent_since, not_before=not_before)


def test_a_risk_above_a_threshold_enters_the_stage_only_after_the_dwell() -> None:
    standing = look(Standing(NONE, None), 0.4)
    assert standing == Standing(NONE, None, {EARLY: NOW})
    soon = look(standing, 0.45, NOW + DWELL - HOUR)
    assert soon == Standing(NONE, None, {EARLY: NOW})
    late = look(soon, 0.5, NOW + DWELL + 5 * HOUR)
    assert late == Standing(EARLY, NOW + DWELL, {})  # to the minute, however late it was looked at


def test_a_crossing_that_was_foretold_begins_the_dwell_when_it_came() -> None:
    foretold = Standing(NONE, None, {EARLY: NOW - 13 * HOUR, ACTIVE: NOW + 50 * HOUR})
    assert look(foretold, 0.35) == Standing(EARLY, NOW - HOUR, {})


def test_a_jump_to_critical_waits_for_its_dwell_and_for_nothing_else() -> None:
    in_early_since_an_hour = Standing(EARLY, NOW - HOUR)
    jumped = look(in_early_since_an_hour, 0.9)
    assert jumped == Standing(EARLY, NOW - HOUR, {ACTIVE: NOW, CRITICAL: NOW})
    assert look(jumped, 0.9, NOW + DWELL) == Standing(CRITICAL, NOW + DWELL, {})


@pytest.mark.parametrize(("risk", "stage"), [(0.55, ACTIVE), (0.501, ACTIVE), (0.49, EARLY), (0.19, NONE)])
def test_a_stage_is_left_through_the_band(risk: float, stage: RiskStage) -> None:
    assert look(Standing(ACTIVE, NOW - HOUR), risk).stage is stage


@pytest.mark.parametrize(("risk", "stage"), [(0.61, ACTIVE), (0.59, EARLY), (0.31, EARLY), (0.3, NONE)])
def test_the_leads_own_sign_of_life_needs_no_band(risk: float, stage: RiskStage) -> None:
    assert look(Standing(ACTIVE, NOW - HOUR), risk, own_act=True).stage is stage


def test_the_leads_own_sign_of_life_begins_the_dwell_anew() -> None:
    nearly = Standing(NONE, None, {EARLY: NOW - DWELL + HOUR})
    assert look(nearly, 0.4, own_act=True).over == {EARLY: NOW}


def test_news_of_an_old_sign_of_life_begins_the_dwell_when_it_was_given() -> None:
    read_late = look(Standing(NONE, None), 0.4, own_act=True, silent_since=NOW - timedelta(days=3))
    assert read_late == Standing(EARLY, NOW - timedelta(days=3) + DWELL, {})


def test_a_risk_that_fell_back_begins_its_dwell_anew() -> None:
    fell = look(Standing(NONE, None, {EARLY: NOW - 6 * HOUR}), 0.25)
    assert fell.over == {}
    assert look(fell, 0.4, NOW + HOUR).over == {EARLY: NOW + HOUR}


def test_who_is_looked_at_first_counts_as_above_since_its_last_sign_of_life() -> None:
    assert look(None, 0.9, silent_since=NOW - timedelta(days=40)) == Standing(CRITICAL, NOW, {})
    fresh = look(None, 0.4, silent_since=NOW)
    assert (fresh.stage, fresh.over) == (NONE, {EARLY: NOW})


def test_no_stage_begins_before_the_lead_is_known_long_enough() -> None:
    third_day = NOW + timedelta(days=2)
    waiting = look(Standing(NONE, None), 0.7, not_before=third_day)
    assert look(waiting, 0.7, NOW + timedelta(days=1), not_before=third_day).stage is NONE
    assert look(waiting, 0.7, third_day, not_before=third_day) == Standing(ACTIVE, third_day, {})
    assert due_at(NOW, third_day) == third_day


risks = st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(1, 40)), min_size=1, max_size=30)


@given(risks)
def test_a_stage_never_contradicts_the_risk_by_more_than_band_and_dwell(
    steps: list[tuple[float, bool, int]],
) -> None:
    standing, now = None, NOW
    for risk, own_act, hours in steps:
        now += timedelta(hours=hours)
        standing = look(standing, risk, now, own_act=own_act, silent_since=now)
        if standing.stage is not NONE:
            assert risk >= STAGE_THRESHOLDS[standing.stage] - EXIT_BAND
        for stage, since in standing.over.items():
            assert stage > standing.stage
            assert risk > STAGE_THRESHOLDS[stage]
            assert since <= now < since + DWELL


@given(risks)
def test_between_two_entries_of_a_stage_lies_a_dwell(steps: list[tuple[float, bool, int]]) -> None:
    standing, now, entered = Standing(NONE, None), NOW, dict[RiskStage, datetime]()
    for risk, own_act, hours in steps:
        now += timedelta(hours=hours)
        held, standing = standing, look(standing, risk, now, own_act=own_act, silent_since=now)
        if standing.stage > held.stage:
            assert standing.since is not None
            if standing.stage in entered:
                assert standing.since >= entered[standing.stage] + DWELL
            entered[standing.stage] = standing.since
