"""A location learns from its own history: judged, stored for it alone, and honest about what is missing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from functools import cache

import pytest
from typer.testing import CliRunner

from ghl_real_estate_ai.bootstrap_learning import in_short
from ghl_real_estate_ai.cli import app
from ghl_real_estate_ai.commands.learning import LocationReport, train_on_location
from ghl_real_estate_ai.learning_ports import LearnedModel, ModelRole
from ghl_real_estate_ai.ml.contest import CHALLENGER, SHIPPED
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.services.model_learning import known_events
from ghl_real_estate_ai.services.tenant_models import TenantModels
from tests.support.city_history import LOCATION, as_if_real, busiest_lead, held_out_events
from tests.support.fake_memory import FakeMemory
from tests.support.tracing import untraced

pytestmark = pytest.mark.untraced
PLACE = LocationId(LOCATION)


async def with_history(events: list[RecordedEvent]) -> FakeMemory:
    memory = FakeMemory()
    await memory.write(lambda uow: uow.tenants.put_location(Location(location_id=PLACE, name="A place")))
    memory._state.log[PLACE] = events  # reason: appended one by one, each would be compared with all
    return memory


@dataclass(frozen=True)
class Learned:
    memory: FakeMemory
    report: LocationReport
    models: dict[str, list[LearnedModel]]


@cache
def _learned(days: int) -> Learned:
    async def learn() -> Learned:
        end = held_out_events()[0].event.occurred_at.timestamp() + days * 86_400
        history = [r for r in as_if_real(held_out_events()) if r.event.occurred_at.timestamp() < end]
        memory = await with_history(history)
        report = await train_on_location(memory, PLACE, progress=lambda: None)
        names = ("lead_score", "won", "churn_risk")
        models = {
            name: await memory.read(lambda uow, name=name: uow.learned.all(PLACE, name, limit=9))  # type: ignore[misc]
            for name in names
        }
        return Learned(memory, report, models)

    with untraced():
        return asyncio.run(learn())


@pytest.fixture(name="long", scope="module")
def _long() -> Learned:
    """130 days of real history."""
    return _learned(130)


@pytest.fixture(name="young", scope="module")
def _young() -> Learned:
    """45 days: too little for a fit."""
    return _learned(45)


def test_every_model_that_stood_is_judged_beside_the_baselines_on_the_same_rows(long: Learned) -> None:
    verdict = next(v for v in long.report.verdicts if v.name == "lead_score")
    assert set(verdict.figures) == {SHIPPED, CHALLENGER, "logistic", "recency"}
    assert verdict.rows > 500
    assert any(f"{CHALLENGER} against {SHIPPED}" in words for words in verdict.words)
    assert verdict.figures[verdict.winner].average_precision > verdict.figures["recency"].average_precision


def test_the_winner_is_stored_as_champion_and_a_challenger_that_lost_beside_it(long: Learned) -> None:
    roles = {name: sorted(model.role.value for model in models) for name, models in long.models.items()}
    for verdict in long.report.verdicts:
        expected = [ModelRole.CHAMPION.value]
        if verdict.loser is not None:
            expected.insert(0, ModelRole.CHALLENGER.value)
        # both are of one time: whichever is looked at tells how much history was known
        assert {known_events(model) for model in long.models[verdict.name]} == {long.report.events}
        assert roles[verdict.name] == sorted(expected)
        assert verdict.leads > 300
        assert verdict.prior_share < 0.2


def test_what_answers_from_now_on_says_whose_leads_it_has_learned_from(long: Learned) -> None:
    models = TenantModels(memory=long.memory)
    asyncio.run(models.refresh())
    lead = busiest_lead().model_copy(update={"simulated": False})
    model = models.of(lead, "lead_score")
    assert LOCATION in model.stamp.fitted_on
    assert model.recalibration is not None
    assert model.recalibration.leads > 300
    elsewhere = lead.model_copy(update={"location_id": LocationId("loc-2")})
    assert LOCATION not in models.of(elsewhere, "lead_score").stamp.fitted_on


def test_a_history_too_young_for_a_fit_still_moves_the_prior_and_says_what_is_missing(young: Learned) -> None:
    for verdict in young.report.verdicts:
        assert verdict.winner == SHIPPED
        assert any(words.startswith("no challenger: ") and "needed" in words for words in verdict.words)
        assert verdict.leads > 0
        assert verdict.figures == {}
    score = next(v for v in young.report.verdicts if v.name == "lead_score")
    assert 0 < score.prior_share < 0.5
    assert [model.role for model in young.models["lead_score"]] == [ModelRole.CHAMPION]


def test_the_report_is_for_people_and_for_scripts(long: Learned) -> None:
    table = long.report.table()
    for words in (LOCATION, "lead_score: ", "won: ", "churn_risk: ", "resolved", "prior", "logistic"):
        assert words in table
    data = json.loads(json.dumps(long.report.as_dict()))
    assert [model["name"] for model in data["models"]] == ["lead_score", "won", "churn_risk"]
    assert in_short(json.dumps(data).encode()).startswith(f"lead_score: {data['models'][0]['winner']} ")


def test_an_empty_history_stores_nothing() -> None:
    memory = asyncio.run(with_history([]))
    report = asyncio.run(train_on_location(memory, PLACE, progress=lambda: None))
    assert [verdict.leads for verdict in report.verdicts] == [0, 0, 0]
    assert asyncio.run(memory.read(lambda uow: uow.learned.champions())) == []


# --- the command --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "--location"), (["--location", "x", "--out", "y"], "--out is for a city's models")],
)
def test_a_command_without_a_clear_aim_is_refused(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["train", *arguments])
    assert result.exit_code != 0
    assert message in str(result.exception)
