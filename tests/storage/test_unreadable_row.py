"""A row that this version cannot read is passed over, loudly; the tenant's other events are served."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.storage.database import Database
from ghl_real_estate_ai.storage.schema import events, leads
from tests.support.facts import LOCATION, message
from tests.support.memory import spoil


@pytest.mark.asyncio
async def test_an_unreadable_row_does_not_hide_the_others(sqlite_memory: Database, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        await sqlite_memory.write(lambda uow, one=name: uow.events.append(message(one)))
    spoil(
        tmp_path, sa.update(events).where(events.c.position == 2).values(payload='{"type": "FromTheFuture"}')
    )
    with capture_logs() as logs:
        found = await sqlite_memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=10))
    assert [recorded.position for recorded in found] == [1, 3]
    types = frozenset({"MessageReceived"})
    page, upto = await sqlite_memory.read(
        lambda uow: uow.events.read_types(LOCATION, after=1, limit=1, types=types)
    )
    assert ([recorded.position for recorded in page], upto) == ([], 2), "the rest is not jumped over"
    assert [(log["event"], log["position"]) for log in logs] == [("row.unreadable", 2)]


@pytest.mark.asyncio
async def test_an_unreadable_lead_does_not_hide_the_others(sqlite_memory: Database, tmp_path: Path) -> None:
    for name in ("a", "b"):
        lead = Lead(location_id=LOCATION, lead_id=LeadId(name))
        await sqlite_memory.write(lambda uow, lead=lead: uow.leads.put(lead, None))
    spoil(tmp_path, sa.update(leads).where(leads.c.lead_id == "a").values(state='{"from": "the future"}'))
    with capture_logs() as logs:
        found = await sqlite_memory.read(lambda uow: uow.leads.get_many(LOCATION, ["a", "b", "c"]))
    assert list(found) == ["b"]
    assert [(log["event"], log["table"]) for log in logs] == [("row.unreadable", "leads")]
