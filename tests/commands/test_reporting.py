"""``report scores``: the record for a terminal, a script and a spreadsheet."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.cli import app
from ghl_real_estate_ai.commands import reporting
from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.learning_ports import ScoreRecord
from ghl_real_estate_ai.ml.track_report import Asked, target_record
from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.track_record import TrackRecord
from ghl_real_estate_ai.settings import load_settings
from tests.support.city_history import village_events
from tests.support.facts import LOCATION, NOON
from tests.support.said import columns, history, said

ASKED = Asked("lead_score", "P(a new appointment is booked within 14 days)", 14)


def report(*records: ScoreRecord) -> str:
    target = target_record(ASKED, columns(records))
    return reporting.in_words(TrackRecord(location_id=LOCATION, as_of=NOON, targets=(target,)))


def test_a_person_reads_figures_months_points_and_the_verdict() -> None:
    words = report(*history(300))
    assert "900 answers about 300 leads are resolved" in words
    for part in (
        "As shown",
        "recency rule",
        "base rate",
        "2026-03",
        "said",
        "came true",
        "80 % certain",
        "on average",
        "models: v1",
    ):
        assert part in words
    assert "better than the recency rule" in words


def test_an_empty_record_says_what_is_missing() -> None:
    assert report().endswith("not enough data: nothing was said of a lead yet")


def test_a_figure_without_an_answer_is_a_dash() -> None:
    assert " -" in report(said(outcome=True))


def test_a_replay_needs_no_record_and_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTERPRISEHUB_DATA_DIR", str(tmp_path))

    async def import_village() -> None:
        async with bootstrap.opened(load_settings()) as memory:
            place = LocationId("simulated-city")
            await memory.write(lambda uow: uow.tenants.put_location(Location(location_id=place, name="x")))
            deliveries = [
                Delivery(delivery_id=one.delivery_id, event=one.event, received_at=one.received_at)
                for one in village_events()
            ]
            await memory.write(lambda uow: uow.events.append_page(deliveries))

    asyncio.run(import_village())
    result = CliRunner().invoke(app, ["report", "scores", "--replayed", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told["kind"] == "replayed"
    by_name = {target["target"]: target for target in told["targets"]}
    assert by_name["lead_score"]["rows"] > 20
    assert by_name["lead_score"]["simulated"]
    assert by_name["won"]["verdict"].startswith("not enough data")  # 30 days hold no horizon of 180


def test_a_bad_date_names_the_option() -> None:
    with pytest.raises(InputError, match="--since 'soon'"):
        reporting.day_of("soon")


async def fill() -> None:
    async with bootstrap.opened(load_settings()) as memory:
        await memory.write(lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="x")))
        due = said(target="churn_risk", lead="due")  # its horizon was over long ago
        await memory.write(lambda uow: uow.record.add([*history(50), due]))


def test_the_command_resolves_reports_and_writes_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTERPRISEHUB_DATA_DIR", str(tmp_path))
    asyncio.run(fill())
    rows = tmp_path / "out" / "rows.csv"
    result = CliRunner().invoke(app, ["report", "scores", "--json", "--csv", str(rows)])
    assert result.exit_code == 0, result.output
    told = {target["target"]: target for target in json.loads(result.output)["targets"]}
    assert told["lead_score"]["rows"] == 150
    assert told["churn_risk"]["rows"] == 1
    with rows.open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 151
