"""What is asked of a memory once for a whole page: on SQLite, on a real PostgreSQL, and in the tests' own memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, lead_hash
from ghl_real_estate_ai.models.synchronization import ChangeKind, CrmChange
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LEAD, LOCATION, NOON, contact, message
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio
OTHER = LocationId("loc-2")
TWO, NOBODY = LeadId("lead-2"), LeadId("nobody")
MINUTE = timedelta(minutes=1)


@pytest_asyncio.fixture(params=["sql", "fake"])
async def any_memory(request: pytest.FixtureRequest, memory: Database) -> AsyncIterator[Memory]:
    yield memory if request.param == "sql" else FakeMemory()


async def test_the_log_tells_which_deliveries_and_facts_it_holds(any_memory: Memory) -> None:
    held, twin = message("a"), message("a").model_copy(update={"delivery_id": "another"})
    await any_memory.write(lambda uow: uow.events.append(held))
    page = [held, twin, message("b")]
    known = await any_memory.read(lambda uow: uow.events.known_ids(LOCATION, page))
    assert known == {"a", held.event.event_id}
    assert await any_memory.read(lambda uow: uow.events.known_ids(OTHER, page)) == set()
    assert await any_memory.read(lambda uow: uow.events.known_ids(LOCATION, [])) == set()


async def test_the_newest_of_some_types_are_had_without_what_came_before(any_memory: Memory) -> None:
    for number in range(4):
        for one in (contact(f"c{number}"), message(f"m{number}")):
            await any_memory.write(lambda uow, it=one: uow.events.append(it))  # type: ignore[misc]

    async def newest(*, after: int = 0, limit: int = 9) -> list[str]:
        found = await any_memory.read(
            lambda uow: uow.events.newest(
                LOCATION, after=after, limit=limit, types=frozenset({"MessageReceived"})
            )
        )
        return [fact.delivery_id for fact in found]

    assert await newest() == ["m0", "m1", "m2", "m3"]
    assert await newest(limit=2) == ["m2", "m3"]
    assert await newest(after=6) == ["m3"]
    assert await newest(after=8) == []


async def test_many_leads_are_had_at_once_with_what_they_do_not_hold_yet(any_memory: Memory) -> None:
    for number, lead in enumerate((LEAD, TWO)):
        first = await any_memory.write(
            lambda uow, n=number, i=lead: uow.events.append(contact(f"c{n}", lead=i))
        )  # type: ignore[misc]
        assert first is not None
        await any_memory.write(lambda uow, one=first: uow.leads.put(apply(None, one), None))  # type: ignore[misc]
    for name, at in (("m1", NOON + 2 * MINUTE), ("m2", NOON + MINUTE)):
        await any_memory.write(lambda uow, n=name, t=at: uow.events.append(message(n, at=t)))  # type: ignore[misc]
    await any_memory.write(lambda uow: uow.events.append(message("unborn", lead=NOBODY)))

    asked = {LEAD, TWO, NOBODY}
    leads = await any_memory.read(lambda uow: uow.leads.get_many(LOCATION, asked))
    assert {lead_id: lead.position for lead_id, lead in leads.items()} == {LEAD: 1, TWO: 2}
    behind = await any_memory.read(lambda uow: uow.leads.unapplied(LOCATION, asked))
    assert behind == {LEAD: {"MessageReceived": NOON + 2 * MINUTE}}
    assert await any_memory.read(lambda uow: uow.leads.get_many(OTHER, asked)) == {}
    assert await any_memory.read(lambda uow: uow.leads.unapplied(LOCATION, ())) == {}


async def test_the_forgotten_among_many_are_known(any_memory: Memory) -> None:
    gone, stays = lead_hash(LOCATION, LEAD), lead_hash(LOCATION, TWO)
    await any_memory.write(lambda uow: uow.leads.forget(LOCATION, LEAD, lead_hash=gone))
    assert await any_memory.read(lambda uow: uow.tenants.forgotten(LOCATION, {gone, stays})) == {gone}
    assert await any_memory.read(lambda uow: uow.tenants.forgotten(OTHER, {gone, stays})) == set()
    assert await any_memory.read(lambda uow: uow.tenants.forgotten(LOCATION, ())) == set()


async def test_the_changes_of_many_leads_are_had_at_once(any_memory: Memory) -> None:
    for number, lead in enumerate((LEAD, TWO, NOBODY)):
        change = CrmChange(
            location_id=LOCATION,
            change_id=f"note:{number}",
            lead_id=lead,
            kind=ChangeKind.NOTE,
            content={},
            due_at=NOON,
            created_at=NOON - number * MINUTE,
        )
        await any_memory.write(lambda uow, change=change: uow.changes.want(change))  # type: ignore[misc]
    found = await any_memory.read(lambda uow: uow.changes.of_leads(LOCATION, {LEAD, TWO}))
    assert [one.change_id for one in found] == ["note:1", "note:0"]
    assert await any_memory.read(lambda uow: uow.changes.of_leads(OTHER, {LEAD, TWO})) == []
