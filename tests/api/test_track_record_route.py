"""The track record over HTTP: figures and rows of the caller's own location, for those who lead a team."""

from __future__ import annotations

import csv
import io

import pytest

from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.track_record import TrackRecord
from tests.support.gateway import AWAY, HOME, Gateway, user_of
from tests.support.said import history

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(name="answers", scope="module")
def _answers() -> int:
    return 120


async def fill(gateway: Gateway, leads: int) -> None:
    rows = [row.model_copy(update={"location_id": HOME}) for row in history(leads)]
    await gateway.services.memory.write(lambda uow: uow.record.add(rows))


async def test_a_manager_reads_figures_beside_rules_and_every_row(gateway: Gateway, answers: int) -> None:
    await fill(gateway, answers)
    manager = user_of(Role.MANAGER)
    told = await gateway.get("/v1/track-record", manager)
    record = TrackRecord.model_validate(told.json())
    assert record.location_id == HOME
    score = next(target for target in record.targets if target.target == "lead_score")
    assert score.rows == 3 * answers
    assert {one.name for one in score.compared} == {"recency rule", "base rate"}
    rows = await gateway.get("/v1/track-record.csv", manager)
    assert rows.headers["content-type"].startswith("text/csv")
    read = list(csv.DictReader(io.StringIO(rows.text)))
    assert len(read) == 3 * answers
    assert {"lead_id", "target", "made_at", "probability", "outcome", "model_version"} <= set(read[0])


async def test_since_narrows_both(gateway: Gateway, answers: int) -> None:
    await fill(gateway, answers)
    admin = user_of(Role.ADMIN)
    told = (await gateway.get("/v1/track-record", admin, since="2026-04-15")).json()
    score = next(target for target in told["targets"] if target["target"] == "lead_score")
    assert 0 < score["rows"] < 3 * answers
    rows = (await gateway.get("/v1/track-record.csv", admin, since="2026-04-15")).text
    assert len(rows.splitlines()) == score["rows"] + 1
    assert (await gateway.get("/v1/track-record", admin, since="soon")).status_code == 400


async def test_another_tenant_has_a_record_of_its_own(gateway: Gateway, answers: int) -> None:
    await fill(gateway, answers)
    told = (await gateway.get("/v1/track-record", user_of(Role.ADMIN, AWAY))).json()
    assert all(target["rows"] == 0 for target in told["targets"])
    assert all(target["verdict"].startswith("not enough data") for target in told["targets"])


async def test_rows_come_question_by_question_and_none_is_lost_between_pages(gateway: Gateway) -> None:
    await fill(gateway, 400)  # more than a page
    rows = [
        row.model_copy(update={"location_id": HOME, "target": "churn_risk"}) for row in history(2, seed=9)
    ]
    await gateway.services.memory.write(lambda uow: uow.record.add(rows))
    told = (await gateway.get("/v1/track-record.csv", user_of(Role.ADMIN))).text
    read = list(csv.DictReader(io.StringIO(told)))
    assert len({(row["lead_id"], row["target"], row["made_at"]) for row in read}) == len(read)
    assert [sum(row["target"] == name for row in read) for name in ("lead_score", "churn_risk")] == [1_200, 6]
    for name in ("lead_score", "churn_risk"):
        made = [row["made_at"] for row in read if row["target"] == name]
        assert made == sorted(made)


async def test_a_report_that_was_just_made_is_not_made_again(gateway: Gateway, answers: int) -> None:
    await fill(gateway, answers)
    manager = user_of(Role.MANAGER)
    first, second = [(await gateway.get("/v1/track-record", manager)).json() for _ in range(2)]
    assert first["as_of"] == second["as_of"]
    assert first["targets"][0]["rows"] > 0
    other = (await gateway.get("/v1/track-record", manager, since="2100-01-01")).json()
    assert other["targets"][0]["rows"] == 0
