"""What a search of leads finds, on SQLite and on a real PostgreSQL: names in any case and without accents, parts of phones."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.leads import Contact, Lead
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.storage.database import Database
from ghl_real_estate_ai.storage.schema import leads
from tests.support.facts import LOCATION
from tests.support.memory import spoil

pytestmark = pytest.mark.asyncio

EVERYONE = ("Ada Lovelace", "ADA 100%", "Émile Zola", "a_b", "acb")


async def put(memory: Database) -> None:
    def everyone(uow: UnitOfWork) -> None:
        for name in EVERYONE:
            contact = Contact(name=name, phone="+15125550142")
            uow.leads.put(Lead(location_id=LOCATION, lead_id=LeadId(name), contact=contact), None)

    await memory.write(everyone)


async def found(memory: Database, query: str) -> set[str]:
    rows = await memory.read(lambda uow: uow.leads.newest(LOCATION, limit=10, query=query))
    return {lead.lead_id for lead, _ in rows}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ada", {"Ada Lovelace", "ADA 100%"}),
        ("ÉMILE", {"Émile Zola"}),
        ("emile z", {"Émile Zola"}),
        ("E\u0301mile", {"Émile Zola"}),
        ("Àda", {"Ada Lovelace", "ADA 100%"}),
        ("100%", {"ADA 100%"}),
        ("%", {"ADA 100%"}),
        ("a_b", {"a_b"}),
        ("nobody", set()),
    ],
)
async def test_names_are_found_in_any_case_and_without_accents(
    memory: Database, query: str, expected: set[str]
) -> None:
    await put(memory)
    assert await found(memory, query) == expected


@pytest.mark.parametrize("query", ["(((", "+--", "(..", "(5-1", "\u0301", "\x00"])
async def test_signs_and_two_digits_find_nobody(memory: Database, query: str) -> None:
    await put(memory)
    assert await found(memory, query) == set()


@pytest.mark.parametrize("query", ["512", "(512) 555", "555-0142"])
async def test_three_digits_of_a_phone_find_it_however_they_are_written(memory: Database, query: str) -> None:
    await put(memory)
    assert await found(memory, query) == set(EVERYONE)


async def test_a_row_that_was_written_with_its_accents_is_found_by_them(
    sqlite_memory: Database, tmp_path: Path
) -> None:
    await put(sqlite_memory)
    spoil(
        tmp_path, sa.update(leads).where(leads.c.lead_id == "Émile Zola").values(search_name="émile zola\n")
    )
    assert await found(sqlite_memory, "Émile") == {"Émile Zola"}
