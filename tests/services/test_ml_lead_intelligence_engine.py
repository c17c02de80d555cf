"""Lead scores come with horizon and stamp, follow the lead's life, and can be explained to the last digit."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from ghl_real_estate_ai.ml.artifacts import BASE, shipped_model
from ghl_real_estate_ai.services.ml_lead_intelligence_engine import MlLeadIntelligenceEngine
from tests.support.city_history import busiest_lead


@pytest.mark.asyncio
async def test_a_score_names_its_model_and_says_that_it_knows_only_a_simulated_city() -> None:
    engine, lead = MlLeadIntelligenceEngine(model=shipped_model("lead_score")), busiest_lead()
    now = lead.activity.last_lead_at
    assert now is not None
    score = await engine.score(lead, now)
    assert 0 < score.probability < 1
    assert score.horizon_days == 14
    assert score.model == engine.model.stamp
    assert score.model.simulated


@pytest.mark.asyncio
async def test_silence_only_ever_lowers_the_score() -> None:
    engine, lead = MlLeadIntelligenceEngine(model=shipped_model("lead_score")), busiest_lead()
    now = lead.activity.last_lead_at
    assert now is not None
    # appointments that lie ahead pass by while the clock runs: that is an event of its own, not silence
    lead = lead.model_copy(update={"appointments": {}})
    scores = [(await engine.score(lead, now + timedelta(hours=6 * step))).probability for step in range(120)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < scores[0]


@pytest.mark.asyncio
async def test_an_explanation_adds_up_to_the_score_strongest_first() -> None:
    engine, lead = MlLeadIntelligenceEngine(model=shipped_model("lead_score")), busiest_lead()
    now = lead.activity.last_lead_at
    assert now is not None
    p = (await engine.score(lead, now)).probability
    shares = engine.explain(lead, now)
    assert sum(shares.values()) == pytest.approx(math.log(p / (1 - p)))
    assert BASE in shares
    assert [abs(v) for v in shares.values()] == sorted((abs(v) for v in shares.values()), reverse=True)
