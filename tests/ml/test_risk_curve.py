"""Under silence the risk never falls, and the crossings found by bisection are those that scoring every point would find."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.artifacts import shipped_model
from ghl_real_estate_ai.ml.churn_risk import eligible
from ghl_real_estate_ai.ml.features import Course, Vector, vector
from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.ml.risk_curve import CURVE, GRID, STEP, crossing_times, risk_curve
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import EventId
from ghl_real_estate_ai.models.intelligence import STAGE_THRESHOLDS, RiskStage
from ghl_real_estate_ai.models.leads import Appointment, Lead, Stamp
from tests.support.city_history import held_out_events
from tests.support.lead_events import logs

pytestmark = pytest.mark.untraced

MODEL = shipped_model("churn_risk")


@cache
def active_leads() -> tuple[list[Lead], datetime]:
    """Leads of the held-out city that may go silent, late in its life."""
    leads: dict[str, Lead] = {}
    for recorded in held_out_events()[:30_000]:
        leads[str(recorded.event.lead_id)] = apply(leads.get(str(recorded.event.lead_id)), recorded)
        now = recorded.event.occurred_at
    return [lead for lead in leads.values() if eligible(lead, now)], now


def risk_at(lead: Lead, at: datetime) -> float:
    return MODEL.predict(vector(lead, at))


def test_crossings_are_those_that_scoring_every_point_finds() -> None:
    leads, now = active_leads()
    assert len(leads) > 200
    found = 0
    for lead in leads:
        risks = [risk_at(lead, now + ahead) for ahead in GRID]
        crossings = crossing_times(MODEL, Course(lead, now), risk=risks[0])
        expected = {
            stage: next(now + ahead for ahead, risk in zip(GRID, risks, strict=True) if risk > threshold)
            for stage, threshold in STAGE_THRESHOLDS.items()
            if risks[0] <= threshold < risks[-1]
        }
        assert crossings == expected
        found += len(crossings)
    assert found > 200


def test_a_guess_shortens_the_search_and_never_changes_what_it_finds() -> None:
    class Counted:
        asked = 0

        def predict(self, x: Vector) -> float:
            self.asked += 1
            return MODEL.predict(x)

    leads, now = active_leads()
    asked = {"none": 0, "right": 0}
    for lead in leads[::3]:
        course = Course(lead, now)
        risk, model = MODEL.predict(course.x), Counted()
        crossings = crossing_times(model, course, risk=risk)  # type: ignore[arg-type]
        asked["none"] += model.asked
        model.asked = 0
        assert crossing_times(model, course, risk=risk, guesses=crossings) == crossings  # type: ignore[arg-type]
        asked["right"] += model.asked
        for wrong in (timedelta(days=-9), timedelta(hours=-7), timedelta(hours=5), timedelta(days=40)):
            guesses = {stage: at + wrong for stage, at in crossings.items()}
            assert crossing_times(MODEL, course, risk=risk, guesses=guesses) == crossings
    assert asked["right"] < 0.6 * asked["none"]


def test_no_crossing_is_told_of_a_stage_that_was_entered() -> None:
    leads, now = active_leads()
    for lead in leads[:50]:
        risk = risk_at(lead, now)
        crossings = crossing_times(MODEL, Course(lead, now), risk=risk, above=RiskStage.ACTIVE)
        assert set(crossings) <= {RiskStage.CRITICAL}


def test_the_risk_of_a_citys_leads_never_falls_under_silence() -> None:
    leads, now = active_leads()
    for lead in leads[::4]:
        for at in (lead.activity.last_lead_at or now, now):
            curve = [risk for _, risk in risk_curve(MODEL, Course(lead, at))]
            assert all(later >= earlier for earlier, later in pairwise(curve))


@given(logs(), st.integers(0, 40), st.integers(1, 700))
@settings(max_examples=150, deadline=None)
def test_the_risk_of_any_lead_never_falls_under_silence(
    log: list[RecordedEvent], days: int, hours: int
) -> None:
    lead = None
    for recorded in log:
        lead = apply(lead, recorded)
    if lead is not None:
        now = max(recorded.event.occurred_at for recorded in log) + timedelta(days=days)
        assert risk_at(lead, now + timedelta(hours=hours)) >= risk_at(lead, now)


def test_an_appointment_that_passes_is_rolled_forward() -> None:
    leads, now = active_leads()
    lead = next(lead for lead in leads if not lead.appointments)
    stamp = Stamp(at=now, event_id=EventId("e"))
    meeting = Appointment(stamp=stamp, status="confirmed", start_time=now + timedelta(days=3))
    booked = lead.model_copy(update={"appointments": {"a": meeting}})
    ahead = dict(risk_curve(MODEL, Course(booked, now)))
    without = dict(risk_curve(MODEL, Course(lead, now)))
    assert ahead[now] < without[now]
    assert ahead[now + timedelta(days=3)] == without[now + timedelta(days=3)]


def test_the_curve_is_six_hourly_for_fourteen_days() -> None:
    assert (len(CURVE), CURVE[-1], STEP) == (57, timedelta(days=14), timedelta(hours=6))
    assert list(GRID) == sorted(set(GRID))
    assert GRID[-1] == timedelta(days=28)
