"""A location's model answers for that location only, comes without a restart, and a bad one gives way to what ships."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.learning_ports import LearnedModel, ModelRole
from ghl_real_estate_ai.ml.artifacts import Model, content_version, shipped_model
from ghl_real_estate_ai.ml.features import vector
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.services.tenant_models import MODEL_NAMES, TenantModels, abroad
from tests.support.city_history import busiest_lead
from tests.support.facts import LOCATION, NOON
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio
ELSEWHERE = LocationId("loc-2")


def lead_of(location_id: LocationId) -> Lead:
    return busiest_lead().model_copy(update={"location_id": location_id, "simulated": False})


def learned(
    *, offset: float, location: LocationId = LOCATION, drift: dict[str, object] | None = None
) -> LearnedModel:
    """What ships, with a line of the location's own."""
    shipped = shipped_model("lead_score")
    belief = {**shipped.card["recalibration"], "offset": offset}  # type: ignore[dict-item]
    stamp = {**shipped.stamp.model_dump(), "version": content_version(shipped.text, belief)}
    card = {**shipped.card, "recalibration": belief, "stamp": stamp, "drift": drift}
    return LearnedModel(
        location_id=location,
        name="lead_score",
        version=str(stamp["version"]),
        role=ModelRole.CHAMPION,
        card=json.dumps(card),
        content=shipped.text,
        fitted_at=NOON,
    )


async def put(memory: FakeMemory, model: LearnedModel) -> None:
    await memory.write(lambda uow: uow.learned.put(model))


async def test_what_ships_answers_while_nothing_was_learned() -> None:
    models = TenantModels(memory=FakeMemory())
    await models.refresh()
    for name in MODEL_NAMES:
        assert models.of(busiest_lead(), name).stamp == shipped_model(name).stamp
    assert models.versions(LOCATION) == {name: shipped_model(name).stamp.version for name in MODEL_NAMES}
    assert models.alarms(LOCATION) == {}


async def test_a_champion_answers_for_its_own_location_and_for_no_other() -> None:
    memory = FakeMemory()
    models = TenantModels(memory=memory)
    before = models.of(lead_of(ELSEWHERE), "lead_score")
    champion = learned(offset=-6.0)
    await put(memory, champion)
    await models.refresh()
    assert models.of(lead_of(LOCATION), "lead_score").stamp.version == champion.version
    assert models.of(lead_of(ELSEWHERE), "lead_score") is before
    assert models.of(lead_of(LOCATION), "won").stamp == abroad(shipped_model("won")).stamp
    assert models.versions(LOCATION)["lead_score"] == champion.version
    assert models.versions(ELSEWHERE)["lead_score"] == shipped_model("lead_score").stamp.version


async def test_a_new_champion_is_swapped_in_and_one_that_is_gone_is_dropped() -> None:
    memory = FakeMemory()
    models = TenantModels(memory=memory)
    x = vector(lead_of(LOCATION), NOON)
    said = []
    for offset in (-6.0, -2.0):
        await put(memory, learned(offset=offset))
        await models.refresh()
        said.append(models.of(lead_of(LOCATION), "lead_score").predict(x))
    assert said[0] < said[1]
    await put(memory, learned(offset=-2.0).model_copy(update={"role": ModelRole.RETIRED}))
    await models.refresh()
    assert models.of(lead_of(LOCATION), "lead_score").stamp == abroad(shipped_model("lead_score")).stamp


async def test_a_champion_that_cannot_be_read_leaves_what_ships_in_place() -> None:
    memory = FakeMemory()
    models = TenantModels(memory=memory)
    good = learned(offset=-6.0)
    for bad in (
        good.model_copy(update={"content": "of an older version"}),
        good.model_copy(update={"card": "no card", "version": "other"}),
    ):
        await put(memory, bad)
        await models.refresh()
        assert models.of(lead_of(LOCATION), "lead_score").stamp == abroad(shipped_model("lead_score")).stamp


async def test_a_drift_alarm_on_the_card_is_told_for_its_location() -> None:
    memory = FakeMemory()
    models = TenantModels(memory=memory)
    await put(
        memory, learned(offset=-3.0, drift={"rings": True, "reasons": ["scores moved (PSI 0.31)", "x"]})
    )
    await put(memory, learned(offset=-3.5, location=ELSEWHERE, drift={"rings": False, "reasons": []}))
    await models.refresh()
    assert models.alarms(LOCATION) == {"lead_score": "scores moved (PSI 0.31); x"}
    assert models.alarms(ELSEWHERE) == {}


async def test_an_own_model_says_when_it_was_fitted_and_what_ships_says_nothing() -> None:
    memory = FakeMemory()
    champion = learned(offset=-6.0)
    await put(memory, champion)
    models = TenantModels(memory=memory)
    await models.refresh()
    assert models.fitted_at(LOCATION) == {"lead_score": champion.fitted_at}
    assert models.fitted_at(ELSEWHERE) == {}


async def test_of_a_real_lead_what_ships_speaks_by_the_prior_and_of_a_simulated_one_by_the_city() -> None:
    models = TenantModels()
    real, simulated = lead_of(LOCATION), busiest_lead()
    for name in ("lead_score", "won"):
        rows = [vector(real, NOON)]
        shares = [models.of(lead, name).answer(rows[0]).prior_share for lead in (real, simulated)]
        assert shares == [1.0, 0.0]
        assert models.of(real, name).stamp.simulated, "it still knows only a city"


async def test_without_a_documented_base_rate_doubt_alone_moves_no_answer() -> None:
    """Of a real lead the churn risk says what it says of a simulated one, only less surely, until own leads know better."""
    models = TenantModels()
    real, simulated = models.of(lead_of(LOCATION), "churn_risk"), models.of(busiest_lead(), "churn_risk")
    rows = [vector(busiest_lead(), NOON + timedelta(days=days)) for days in (0, 20, 30, 35, 40, 60, 90)]
    for row in rows:
        there, here = real.answer(row), simulated.answer(row)
        assert there.probability == pytest.approx(here.probability, abs=0.02)
        assert there.high - there.low > here.high - here.low
    assert real.stamp.version != simulated.stamp.version


async def test_the_loop_looks_again_and_outlives_a_database_that_is_away() -> None:
    class Away(FakeMemory):
        broken = True

        async def read[T](self, query: object) -> T:  # type: ignore[override]
            if self.broken:
                raise StorageUnavailable("down")
            return await super().read(query)  # type: ignore[arg-type]

    memory, turns = Away(), 0

    class Done(Exception):
        """The test has seen enough."""

    async def sleep(_: float) -> None:
        nonlocal turns
        turns += 1
        memory.broken = False
        if turns == 2:
            raise Done

    await put(memory, learned(offset=-6.0))
    models = TenantModels(memory=memory, sleep=sleep)
    with pytest.raises(Done):
        await models.run()
    assert models.versions(LOCATION)["lead_score"] == learned(offset=-6.0).version


async def test_models_share_nothing_but_their_trees() -> None:
    """The prior's view is made once, and asking it changes nothing for the city."""
    models = TenantModels()
    x = np.nan_to_num(vector(busiest_lead(), NOON))
    city: Model = models.of(busiest_lead(), "lead_score")
    before = city.predict(x)
    models.of(lead_of(LOCATION), "lead_score").predict(x)
    assert city.predict(x) == before
