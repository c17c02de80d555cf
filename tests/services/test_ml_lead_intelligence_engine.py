"""Lead scores come with horizon, stamp and interval, follow the lead's life, and can be explained to the last digit."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest

from ghl_real_estate_ai.ml.artifacts import BASE, shipped_model
from ghl_real_estate_ai.ml.features import Course
from ghl_real_estate_ai.ml.shrinkage import PRIORS
from ghl_real_estate_ai.models.leads import Lead, LeadActivity, Opportunity, OpportunityStatus
from ghl_real_estate_ai.services.ml_lead_intelligence_engine import (
    NOTHING_SEEN,
    SCORE,
    WON,
    WON_ALREADY,
    MlLeadIntelligenceEngine,
)
from ghl_real_estate_ai.services.tenant_models import TenantModels
from tests.support.city_history import busiest_lead

pytestmark = pytest.mark.asyncio


@pytest.fixture(name="engine", scope="module")
def _engine() -> MlLeadIntelligenceEngine:
    return MlLeadIntelligenceEngine(models=TenantModels())


def seen(lead: Lead) -> datetime:
    assert lead.activity.last_lead_at is not None
    return lead.activity.last_lead_at


def real(lead: Lead) -> Lead:
    return lead.model_copy(update={"simulated": False})


async def test_an_answer_names_its_model_and_says_that_it_knows_only_a_simulated_city(
    engine: MlLeadIntelligenceEngine,
) -> None:
    lead = busiest_lead()
    score, won = await engine.score(Course(lead, seen(lead))), await engine.won(Course(lead, seen(lead)))
    for said, name, days in ((score, SCORE, 14), (won, WON, 180)):
        assert 0 < said.probability < 1
        assert said.horizon_days == days
        assert said.model == shipped_model(name).stamp
        assert said.model.simulated


async def test_each_answer_says_how_sure_it_is(engine: MlLeadIntelligenceEngine) -> None:
    lead = busiest_lead()
    for said in (await engine.score(Course(lead, seen(lead))), await engine.won(Course(lead, seen(lead)))):
        assert said.interval is not None
        assert 0 < said.interval.low < said.probability < said.interval.high < 1
        assert said.interval.level == 0.8
        assert said.prior_share == 0.0, "a simulated lead is at home in the city that the model knows"


async def test_of_a_real_lead_what_ships_says_little_more_than_the_documented_prior(
    engine: MlLeadIntelligenceEngine,
) -> None:
    """Whose own leads nobody has seen yet: a wide answer around the base rate, and it says that it is all prior."""
    lead = busiest_lead()
    for name, at_home, abroad in (
        (
            SCORE,
            await engine.score(Course(lead, seen(lead))),
            await engine.score(Course(real(lead), seen(lead))),
        ),
        (WON, await engine.won(Course(lead, seen(lead))), await engine.won(Course(real(lead), seen(lead)))),
    ):
        assert abroad.prior_share == 1.0
        assert abroad.probability < at_home.probability
        assert abroad.interval is not None
        assert at_home.interval is not None
        width = [
            math.log(i.high / (1 - i.high)) - math.log(i.low / (1 - i.low))
            for i in (abroad.interval, at_home.interval)
        ]
        assert width[0] > 2 * width[1]
        quiet = real(lead)
        late = await (engine.score if name == SCORE else engine.won)(
            Course(quiet, seen(lead) + timedelta(days=55))
        )
        assert late.probability < PRIORS[name].high


async def test_silence_only_ever_lowers_both_answers(engine: MlLeadIntelligenceEngine) -> None:
    # appointments that lie ahead pass by while the clock runs: that is an event of its own, not silence
    lead = busiest_lead().model_copy(update={"appointments": {}})
    for of in (lead, real(lead)):
        for ask in (engine.score, engine.won):
            found = [await ask(Course(of, seen(lead) + timedelta(hours=6 * step))) for step in range(120)]
            said = [score.probability for score in found]
            assert said == sorted(said, reverse=True)
            assert said[-1] < said[0]


async def test_of_a_lead_that_nobody_has_seen_or_that_has_bought_nothing_is_said(
    engine: MlLeadIntelligenceEngine,
) -> None:
    lead = busiest_lead()
    deal = Opportunity(stamp=next(iter(lead.stamps.values())), status=OpportunityStatus.WON)
    assert engine.no_odds(lead.model_copy(update={"opportunities": {"o": deal}})) == WON_ALREADY
    assert (
        engine.no_odds(lead.model_copy(update={"activity": LeadActivity(), "opportunities": {}}))
        == NOTHING_SEEN
    )
    assert engine.no_odds(lead.model_copy(update={"opportunities": {}})) is None


async def test_an_explanation_adds_up_to_the_answer_strongest_first(engine: MlLeadIntelligenceEngine) -> None:
    lead = busiest_lead()
    for of in (lead, real(lead)):
        for name, said in (
            (SCORE, await engine.score(Course(of, seen(lead)))),
            (WON, await engine.won(Course(of, seen(lead)))),
        ):
            shares = engine.explain(of, seen(lead), name=name)
            p = said.probability
            assert sum(shares.values()) == pytest.approx(math.log(p / (1 - p)))
            assert BASE in shares
            assert [abs(v) for v in shares.values()] == sorted(
                (abs(v) for v in shares.values()), reverse=True
            )
