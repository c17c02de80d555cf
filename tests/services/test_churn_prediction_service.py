"""Churn risks come with stage and stamp, rise while nothing happens, and can be explained to the last digit."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from ghl_real_estate_ai.ml.artifacts import shipped_model
from ghl_real_estate_ai.models.intelligence import RiskStage, risk_stage
from ghl_real_estate_ai.services.churn_prediction_service import ChurnPredictionService
from tests.support.city_history import busiest_lead


@pytest.mark.asyncio
async def test_risk_rises_through_the_stages_while_the_lead_is_silent() -> None:
    service, lead = ChurnPredictionService(model=shipped_model("churn_risk")), busiest_lead()
    now = lead.activity.last_lead_at
    assert now is not None
    lead = lead.model_copy(update={"appointments": {}})
    risks = [await service.risk(lead, now + timedelta(hours=6 * step)) for step in range(120)]
    probabilities = [risk.probability for risk in risks]
    assert probabilities == sorted(probabilities)
    assert risks[-1].stage is RiskStage.CRITICAL
    assert all(risk.stage is risk_stage(risk.probability) for risk in risks)


@pytest.mark.asyncio
async def test_a_risk_names_its_model_and_horizon() -> None:
    service, lead = ChurnPredictionService(model=shipped_model("churn_risk")), busiest_lead()
    assert lead.activity.first_at is not None
    risk = await service.risk(lead, lead.activity.first_at + timedelta(days=4))
    assert risk.horizon_days == 14
    assert risk.model == service.model.stamp
    assert risk.model.simulated


@pytest.mark.asyncio
async def test_an_explanation_adds_up_to_the_risk() -> None:
    service, lead = ChurnPredictionService(model=shipped_model("churn_risk")), busiest_lead()
    assert lead.activity.last_lead_at is not None
    now = lead.activity.last_lead_at + timedelta(days=3)
    p = (await service.risk(lead, now)).probability
    assert sum(service.explain(lead, now).values()) == pytest.approx(math.log(p / (1 - p)))
