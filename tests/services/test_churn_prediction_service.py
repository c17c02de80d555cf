"""Churn risks come with stage and stamp, rise while nothing happens, foretell their stages, and can be explained to the last digit."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest

from ghl_real_estate_ai.ml.artifacts import shipped_model
from ghl_real_estate_ai.ml.churn_risk import KNOWN_FOR
from ghl_real_estate_ai.ml.features import Course
from ghl_real_estate_ai.ml.risk_stages import DWELL
from ghl_real_estate_ai.models.identifiers import EventId
from ghl_real_estate_ai.models.intelligence import ChurnRisk, RiskStage, risk_stage
from ghl_real_estate_ai.models.leads import Lead, Opportunity, OpportunityStatus, Stamp
from ghl_real_estate_ai.services.churn_prediction_service import ChurnPredictionService
from ghl_real_estate_ai.services.tenant_models import TenantModels
from tests.support.city_history import busiest_lead

HOUR = timedelta(hours=1)


def a_service() -> ChurnPredictionService:
    return ChurnPredictionService(models=TenantModels())


def a_lead() -> tuple[Lead, datetime]:
    """One with a rich history, at its last sign of life."""
    lead = busiest_lead().model_copy(update={"appointments": {}})
    assert lead.activity.last_lead_at is not None
    return lead, lead.activity.last_lead_at


@pytest.mark.asyncio
async def test_risk_rises_through_the_stages_while_the_lead_is_silent() -> None:
    service, (lead, now) = a_service(), a_lead()
    risks = [await service.risk(Course(lead, now + 6 * HOUR * step)) for step in range(120)]
    probabilities = [risk.probability for risk in risks]
    assert probabilities == sorted(probabilities)
    assert risks[-1].stage is RiskStage.CRITICAL
    assert all(risk.stage is risk_stage(risk.probability) for risk in risks)


@pytest.mark.asyncio
async def test_a_watched_lead_enters_each_stage_when_its_crossing_foretold() -> None:
    service, (lead, now) = a_service(), a_lead()
    first = risk = await service.watch(Course(lead, now), shown=None, own_act=True)
    assert risk.stage is RiskStage.NONE
    assert [ahead.stage for ahead in risk.crossings] == [
        RiskStage.EARLY,
        RiskStage.ACTIVE,
        RiskStage.CRITICAL,
    ]
    for ahead in first.crossings:
        before = await service.watch(Course(lead, ahead.at + DWELL - 2 * HOUR), shown=risk, own_act=False)
        assert before.stage < ahead.stage
        assert ahead in before.crossings
        risk = await service.watch(Course(lead, ahead.at + DWELL), shown=before, own_act=False)
        assert risk.stage >= ahead.stage
        assert risk.stage_since == ahead.at + DWELL
    assert risk.crossings == ()


@pytest.mark.asyncio
async def test_a_lead_that_just_arrived_enters_no_stage_before_it_is_known() -> None:
    service, (lead, _) = a_service(), a_lead()
    first = lead.activity.first_at
    assert first is not None
    shown: ChurnRisk | None = None
    for hours in range(1, 72, 6):
        shown = await service.watch(Course(lead, first + hours * HOUR), shown=shown, own_act=False)
        assert shown.stage is RiskStage.NONE
    assert KNOWN_FOR == 72 * HOUR


@pytest.mark.asyncio
async def test_a_lead_whose_deal_is_done_has_a_risk_but_no_stage() -> None:
    service, (lead, now) = a_service(), a_lead()
    won = Opportunity(stamp=Stamp(at=now, event_id=EventId("e")), status=OpportunityStatus.WON)
    risk = await service.watch(
        Course(lead.model_copy(update={"opportunities": {"o": won}}), now + 900 * HOUR),
        shown=None,
        own_act=False,
    )
    assert risk.probability > 0.5
    assert (risk.stage, risk.crossings) == (RiskStage.NONE, ())


@pytest.mark.asyncio
async def test_a_risk_names_its_model_and_horizon() -> None:
    service, (lead, now) = a_service(), a_lead()
    risk = await service.risk(Course(lead, now + 96 * HOUR))
    assert risk.horizon_days == 14
    assert risk.model == shipped_model("churn_risk").stamp
    assert risk.model.simulated


@pytest.mark.asyncio
async def test_the_curve_ahead_begins_at_the_risk_and_rises() -> None:
    service, (lead, now) = a_service(), a_lead()
    points = service.ahead(lead, now)
    assert len(points) == 57
    assert (points[0].at, points[0].probability) == (now, (await service.risk(Course(lead, now))).probability)
    assert [p.probability for p in points] == sorted(p.probability for p in points)


@pytest.mark.asyncio
async def test_an_explanation_adds_up_to_the_risk() -> None:
    service, (lead, now) = a_service(), a_lead()
    p = (await service.risk(Course(lead, now + 72 * HOUR))).probability
    assert sum(service.explain(lead, now + 72 * HOUR).values()) == pytest.approx(math.log(p / (1 - p)))
