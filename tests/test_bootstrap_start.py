"""A restart begins with what was learned: no waiting event is answered by what ships where a champion stands."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.bootstrap import ProcessRole
from ghl_real_estate_ai.learning_ports import LearnedModel, ModelRole
from ghl_real_estate_ai.ml.artifacts import content_version, shipped_model
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.settings import Settings
from tests.support.facts import LOCATION, NOON, message

WAITING = 12


def champion(name: str) -> LearnedModel:
    """What ships, with a line of the location's own."""
    shipped = shipped_model(name)
    belief = {**shipped.card["recalibration"], "offset": -3.0}  # type: ignore[dict-item]
    version = content_version(shipped.text, belief)
    stamp = {**shipped.stamp.model_dump(), "version": version}
    card = {**shipped.card, "recalibration": belief, "stamp": stamp}
    return LearnedModel(
        location_id=LOCATION,
        name=name,
        version=version,
        role=ModelRole.CHAMPION,
        card=json.dumps(card),
        content=shipped.text,
        fitted_at=NOON,
    )


CHAMPIONS = tuple(champion(name) for name in ("lead_score", "won", "churn_risk"))


def _stopped(uow: UnitOfWork) -> None:
    uow.tenants.put_location(Location(location_id=LOCATION, name="x"))
    for model in CHAMPIONS:
        uow.learned.put(model)
    for number in range(WAITING):
        uow.events.append(message(f"m{number}", lead=LeadId(f"lead-{number}")))


async def _answers(memory: Memory) -> list[LeadIntelligence]:
    while True:
        found = await memory.read(
            lambda uow: [
                uow.leads.intelligence(LOCATION, LeadId(f"lead-{number}")) for number in range(WAITING)
            ]
        )
        if all(found):
            return [shown for shown in found if shown is not None]
        await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_events_that_waited_over_a_restart_are_answered_by_the_champions(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with bootstrap.opened(settings) as memory:
        await memory.write(_stopped)
    async with bootstrap.running(settings) as services, asyncio.timeout(60):
        said = await _answers(services.memory)
    versions = {(part.model.name, part.model.version) for one in said for part in (one.score.value, one.won.value, one.churn.value) if part}  # fmt: skip
    assert versions == {(model.name, model.version) for model in CHAMPIONS}


@pytest.mark.asyncio
async def test_a_process_that_shares_the_work_begins_with_the_champions_too(
    tmp_path: Path, redis_url: str
) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    settings = Settings(data_dir=tmp_path, redis_url=redis_url, database_url=url)
    async with bootstrap.opened(settings) as memory:
        await memory.write(_stopped)
    async with bootstrap.running(settings, ProcessRole.GATEWAY) as services:
        # nothing has run since the start: no loop has looked
        assert services.models.versions(LOCATION) == {model.name: model.version for model in CHAMPIONS}
