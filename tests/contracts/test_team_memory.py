"""The team's store: the same answers from SQLite, PostgreSQL and the memory of dicts that tests use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa
from structlog.testing import capture_logs

from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, UserId, fact_id
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.storage.database import Database
from ghl_real_estate_ai.storage.schema import leads
from ghl_real_estate_ai.team_ports import LeadPlace, TeamRow
from tests.support.facts import LOCATION, contact
from tests.support.fake_memory import FakeMemory
from tests.support.memory import spoil, sqlite_url
from tests.support.team_leads import ago, concluded, put, worked_lead

pytestmark = pytest.mark.asyncio

OTHER = LocationId("loc-2")


@pytest_asyncio.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres), "dicts"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Memory]:
    """Each database, and the fake."""
    if request.param == "dicts":
        yield FakeMemory()
        return
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    async with Database(url) as memory:
        yield memory


async def page(
    memory: Memory, *, simulated: bool = False, after: LeadPlace | None = None, limit: int = 10
) -> list[TeamRow]:
    return await memory.read(
        lambda uow: uow.team.page(LOCATION, simulated=simulated, after=after, limit=limit)
    )


async def test_pages_follow_each_other_by_newest_activity_and_lose_nothing_among_equals(
    store: Memory,
) -> None:
    same = [worked_lead(f"l-{n}", came=20) for n in range(4)]
    await put(store, *same, worked_lead("newest", came=1), worked_lead("oldest", came=90))
    await put(store, worked_lead("sim", simulated=True), worked_lead("theirs", location=OTHER))
    found: list[str] = []
    after = None
    while rows := await page(store, after=after, limit=2):
        found += [row.lead.lead_id for row in rows]
        after = rows[-1].place
    assert found == ["newest", "l-3", "l-2", "l-1", "l-0", "oldest"]
    assert [row.lead.lead_id for row in await page(store, simulated=True)] == ["sim"]


async def test_a_row_holds_what_the_page_counts_by(store: Memory) -> None:
    lead = worked_lead("a", came=90, touched=80, wrote=(30, 20))
    await put(store, lead, known=concluded(score=0.4, churn=0.7, acts=True, until=ago(-5)))
    (row,) = await page(store)
    assert row.lead.contact == lead.contact
    assert row.lead.inbound_times == lead.inbound_times
    assert row.lead.activity.first_lead_at == lead.activity.first_lead_at
    assert row.lead.activity.last_agent_at == lead.activity.last_agent_at
    assert row.look is not None
    assert row.look.score.value is not None
    assert row.look.score.value.probability == 0.4
    assert row.look.churn.value is not None
    assert row.look.churn.value.stage == 2
    assert row.look.next_action is not None
    assert row.look.next_action.snoozed_until == ago(-5)
    await put(store, worked_lead("b", came=1))
    assert (await page(store))[0].look is None


async def test_whom_leads_are_assigned_to_and_whether_any_is_real(store: Memory) -> None:
    await put(store, worked_lead("theirs", location=OTHER, agent="agent-9"))
    await put(
        store,
        worked_lead("sim", agent="agent-2", simulated=True),
        worked_lead("none", agent=None, simulated=True),
    )
    assert not await store.read(lambda uow: uow.team.has_real_leads(LOCATION))
    await put(store, worked_lead("a", agent="agent-1"), worked_lead("b", agent="agent-1"))
    assert await store.read(lambda uow: uow.team.has_real_leads(LOCATION))
    assert await store.read(lambda uow: uow.team.assignees(LOCATION)) == [
        UserId("agent-1"),
        UserId("agent-2"),
    ]


async def test_the_log_tells_whose_creation_it_holds(store: Memory) -> None:
    made = contact("made", lead=LeadId("made"))
    event_id = fact_id(LOCATION, "contact", "made", "created")
    told = made.model_copy(update={"event": made.event.model_copy(update={"event_id": event_id})})
    await store.write(lambda uow: uow.events.append(told))
    asked = [LeadId("made"), LeadId("unknown")]
    assert await store.read(lambda uow: uow.team.created(LOCATION, asked)) == {"made"}
    assert await store.read(lambda uow: uow.team.created(OTHER, asked)) == set()
    assert await store.read(lambda uow: uow.team.created(LOCATION, [])) == set()


async def test_a_row_that_cannot_be_read_hides_no_other(sqlite_memory: Database, tmp_path: Path) -> None:
    await put(sqlite_memory, worked_lead("good"), worked_lead("bad"))
    spoil(tmp_path, sa.update(leads).where(leads.c.lead_id == "bad").values(state='{"lead_id": 7}'))
    with capture_logs() as logs:
        assert [row.lead.lead_id for row in await page(sqlite_memory)] == ["good"]
    assert [(line["event"], line["table"]) for line in logs] == [("row.unreadable", "leads")]
