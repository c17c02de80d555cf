"""What an operator's replay must never do: believe a body that nobody signed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.storage.database import Database
from tests.support.ghl import encoded, reader_of, webhook

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOME = LocationId("loc-home")


@pytest.mark.asyncio
async def test_a_kept_workflow_body_is_not_read_again_as_if_it_had_been_signed(
    sqlite_memory: Database,
) -> None:
    reader = reader_of()
    forged = encoded(webhook("ContactCreate", location_id=HOME, id="lead-1", name="Eve"))
    hint = reader.hint(forged, location_id=HOME, received_at=NOW, simulated=False)
    await sqlite_memory.write(lambda uow: uow.events.append(hint))
    result = await records.retranslate(sqlite_memory, reader, HOME)
    assert result["understood_now"] == 0
    (kept,) = await sqlite_memory.read(lambda uow: uow.events.read(HOME, after=0, limit=10))
    assert kept.event.type == "VendorEventKept"
