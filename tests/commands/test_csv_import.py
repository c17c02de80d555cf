"""An exported file on a real SQLite installation: what comes in, what is refused, what a second import does."""

from __future__ import annotations

import csv
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.commands.csv_import import CsvImport, Summary, take_in
from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.integrations.gohighlevel.csv_export import CsvExportReader
from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.models.connections import Connection, ConnectionKind, LocationSetup, OwnerKind
from ghl_real_estate_ai.models.events import LeadUpserted, OpportunityChanged, RecordedEvent
from ghl_real_estate_ai.models.identifiers import lead_hash
from ghl_real_estate_ai.models.leads import StageRole
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LEAD, LOCATION, NOON

pytestmark = pytest.mark.asyncio

HEADER = "Contact Id,First Name,Email,Created\n"
DEALS = (
    "Opportunity Name,Contact Name,email,stage,Lead Value,Created on,status,Opportunity ID,Contact ID,Pipeline Stage ID\n"
    "Elm,Ana,ana@example.com,Hot Lead,450000,2026-03-01,open,o-1,c-1,st-1\n"
    "Oak,Bo,bo@example.com,Step Two,1,2026-03-01,open,o-2,c-2,st-2\n"
)


async def imported(memory: Database, file: Path, **fields: Any) -> Summary:
    job = CsvImport(file=file, location_id=LOCATION, **fields)
    return await take_in(memory, CsvExportReader(wish_fields={}), job, clock=SystemClock())


async def log(memory: Database) -> list[RecordedEvent]:
    return await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=10_000))


def export(folder: Path, text: str) -> Path:
    file = folder / "contacts.csv"
    file.write_text(text)
    return file


async def test_a_second_import_of_the_same_file_is_all_duplicates(
    sqlite_memory: Database, tmp_path: Path
) -> None:
    rows = "".join(f"c-{n},Ana {n},a{n}@example.com,2026-03-01T10:00:00Z\n" for n in range(1_203))
    file = export(tmp_path, HEADER + rows)
    seen: list[tuple[int, int]] = []
    job = CsvImport(file=file, location_id=LOCATION)
    first = await take_in(
        sqlite_memory,
        CsvExportReader(wish_fields={}),
        job,
        clock=SystemClock(),
        progress=lambda done, total: seen.append((done, total)),
    )
    again = await imported(sqlite_memory, file)
    assert (first.rows, first.events) == (1_203, {"stored": 2_406})
    assert (again.rows, again.events) == (1_203, {"duplicate": 2_406})
    assert seen == [(500, 1_203), (1_000, 1_203), (1_203, 1_203)]
    assert len(await log(sqlite_memory)) == 2_406


@pytest.mark.parametrize("name", ["Anna", "Bea", "Cleo", "Dora"])
async def test_a_newer_export_changes_a_contact_and_creates_none_twice(
    sqlite_memory: Database, tmp_path: Path, name: str
) -> None:
    header = HEADER.replace("Created", "Created,Last Activity")
    for hour, first_name in enumerate(("Ana", name)):
        file = export(tmp_path, f"{header}c-1,{first_name},a@example.com,2026-03-01,2026-03-02\n")
        os.utime(file, (NOON.timestamp() + 3_600 * hour,) * 2)
        summary = await imported(sqlite_memory, file)
    assert summary.events == {"duplicate": 1, "stored": 1}
    lead = None
    for recorded in await log(sqlite_memory):
        lead = apply(lead, recorded)
    assert lead is not None
    assert lead.contact.first_name == name


async def test_a_newer_export_changes_a_deal_and_whose_it_is(sqlite_memory: Database, tmp_path: Path) -> None:
    header, ana, _ = DEALS.splitlines()
    for hour, row in enumerate((ana, ana.replace("450000", "460000").replace("Ana,", "Anna,"))):
        file = export(tmp_path, f"{header}\n{row}\n")
        os.utime(file, (NOON.timestamp() + 3_600 * hour,) * 2)
        summary = await imported(sqlite_memory, file)
    assert summary.events == {"duplicate": 1, "stored": 2}
    lead = None
    for recorded in await log(sqlite_memory):
        lead = apply(lead, recorded)
    assert lead is not None
    assert (lead.contact.name, lead.opportunities["o-1"].monetary_value) == ("Anna", 460_000)
    assert lead.activity.first_at == datetime(2026, 3, 1, tzinfo=UTC), "when the deal was made"


async def test_refused_rows_go_to_a_file_of_their_own_that_can_be_mended_and_imported(
    sqlite_memory: Database, tmp_path: Path
) -> None:
    file = export(tmp_path, HEADER + "c-1,Ana,,2026-03-01\nc-2,Bo,,someday\n,Cy,,2026-03-01\n")
    summary = await imported(sqlite_memory, file)
    rejects = tmp_path / "contacts.rejects.csv"
    assert (summary.refusals, summary.events) == (2, {"stored": 2})
    assert [(bad.row, bad.field) for bad in summary.refused] == [(3, "Created"), (4, "Contact Id")]
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
    with rejects.open(newline="") as opened:
        header, *rows = list(csv.reader(opened))
    assert header == ["row", "field", "fix", "Contact Id", "First Name", "Email", "Created"]
    assert rows[0][:2] == ["3", "Created"]
    assert rows[0][3:] == ["c-2", "Bo", "", "someday"]
    lines = summary.lines(CsvImport(file=file, location_id=LOCATION))
    assert any(line.startswith("row 3, Created: write dates as") for line in lines)
    rejects.write_text(rejects.read_text().replace("someday", "2026-03-02"))
    mended = await imported(sqlite_memory, rejects)
    assert (mended.refusals, mended.events) == (1, {"stored": 2})
    await imported(sqlite_memory, export(tmp_path, HEADER + "c-1,Ana,,2026-03-01\n"))
    assert not rejects.exists(), "what an earlier import left would be read as this one's"


async def test_the_rejects_never_replace_the_import(sqlite_memory: Database, tmp_path: Path) -> None:
    file = export(tmp_path, HEADER + "c-1,Ana,,2026-03-01\n")
    with pytest.raises(InputError, match="name another file"):
        await imported(sqlite_memory, file, rejects=file)
    assert file.exists()


async def test_a_forgotten_lead_stays_forgotten(sqlite_memory: Database, tmp_path: Path) -> None:
    await sqlite_memory.write(
        lambda uow: uow.leads.forget(LOCATION, LEAD, lead_hash=lead_hash(LOCATION, LEAD))
    )
    summary = await imported(sqlite_memory, export(tmp_path, HEADER + f"{LEAD},Ana,,2026-03-01\n"))
    assert summary.events == {"ignored": 2}
    assert await log(sqlite_memory) == []


async def test_times_without_a_zone_are_read_in_the_zone_that_was_named(
    sqlite_memory: Database, tmp_path: Path
) -> None:
    file = export(tmp_path, HEADER + "c-1,Ana,,03/01/2026 9:15 AM\n")
    await imported(sqlite_memory, file, zone="America/Chicago")
    recorded, _ = await log(sqlite_memory)
    assert recorded.event.occurred_at == datetime(2026, 3, 1, 15, 15, tzinfo=UTC)
    with pytest.raises(InputError, match="IANA name"):
        await imported(sqlite_memory, file, zone="Chicago time")


async def test_a_stage_means_what_was_said_then_what_the_setup_says_then_its_name(
    sqlite_memory: Database, tmp_path: Path
) -> None:
    setup = LocationSetup(location_id=LOCATION, stages={"st-1": StageRole.APPOINTMENT})
    await sqlite_memory.write(lambda uow: uow.connections.put_setup(setup))
    summary = await imported(sqlite_memory, export(tmp_path, DEALS), stages={"Step Two": StageRole.WORKING})
    deals = [one.event for one in await log(sqlite_memory) if isinstance(one.event, OpportunityChanged)]
    people = [one.event for one in await log(sqlite_memory) if isinstance(one.event, LeadUpserted)]
    assert [deal.stage_role for deal in deals] == [StageRole.APPOINTMENT, StageRole.WORKING]
    assert [person.contact.get("name") for person in people] == [None, "Ana", None, "Bo"]
    assert summary.stages_by_name == set()


async def test_the_summary_says_what_was_assumed(sqlite_memory: Database, tmp_path: Path) -> None:
    text = "Opportunity Name,email,stage,Assigned\nElm,ana@example.com,Hot Lead,Sam Agent\n"
    file = export(tmp_path, text)
    summary = await imported(sqlite_memory, file)
    said = "\n".join(summary.lines(CsvImport(file=file, location_id=LOCATION)))
    assert "1 rows of opportunities" in said
    assert "read as UTC" in said
    assert "nothing is taken from: Assigned" in said
    assert "id was made of email or phone" in said
    assert "have no date" in said
    assert "'Hot Lead' was read by its name as: working" in said
    told = summary.as_dict()
    assert told["events"] == {"stored": 2, "duplicate": 0}
    assert told["stages_read_by_name"] == {"Hot Lead": "working"}


async def test_the_file_of_a_simulated_account_holds_simulated_leads(
    sqlite_memory: Database, tmp_path: Path
) -> None:
    connection = Connection(
        owner_id=LOCATION,
        owner_kind=OwnerKind.LOCATION,
        kind=ConnectionKind.PRIVATE_TOKEN,
        obtained_at=NOON,
        simulated=True,
    )
    await sqlite_memory.write(lambda uow: uow.connections.put(connection))
    await imported(sqlite_memory, export(tmp_path, HEADER + "c-1,Ana,,2026-03-01\n"))
    assert {recorded.event.simulated for recorded in await log(sqlite_memory)} == {True}
