"""The inbox on a real database: stored once, or refused with a reason."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.models.identifiers import LocationId, lead_hash
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.ports import UnreadableDelivery
from ghl_real_estate_ai.services.admission import Outcome
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import INBOX, EventInbox
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LEAD, LOCATION, message


async def make_inbox(memory: Database) -> EventInbox:
    await memory.write(lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="One")))
    return EventInbox(memory=memory, bus=EventBus(memory=memory, clock=SystemClock()), clock=SystemClock())


@pytest.mark.asyncio
async def test_a_delivery_is_stored_once(sqlite_memory: Database) -> None:
    inbox = await make_inbox(sqlite_memory)
    first, second = await inbox.receive(message("m")), await inbox.receive(message("m"))
    assert (first.outcome, first.position) == (Outcome.STORED, 1)
    assert second.outcome is Outcome.DUPLICATE


@pytest.mark.asyncio
async def test_a_location_that_is_not_served_is_ignored_until_it_is_added(sqlite_memory: Database) -> None:
    inbox = await make_inbox(sqlite_memory)
    other = LocationId("loc-9")
    assert (await inbox.receive(message("m", location=other))).outcome is Outcome.IGNORED
    assert await sqlite_memory.read(lambda uow: uow.events.head(other)) == 0
    await sqlite_memory.write(lambda uow: uow.tenants.put_location(Location(location_id=other, name="Nine")))
    assert (await inbox.receive(message("m", location=other))).outcome is Outcome.STORED


@pytest.mark.asyncio
async def test_an_unreadable_delivery_becomes_a_dead_letter_with_its_text(sqlite_memory: Database) -> None:
    inbox = await make_inbox(sqlite_memory)
    poison = UnreadableDelivery(
        location_id=LOCATION, delivery_id="p", raw="{", reason="body is not JSON", simulated=True
    )
    receipt = await inbox.receive(poison)
    assert (receipt.outcome, receipt.reason) == (Outcome.DEAD_LETTER, "body is not JSON")
    (letter,) = await sqlite_memory.read(lambda uow: uow.cursors.dead_letters())
    assert (letter.subscriber, letter.raw, letter.simulated) == (INBOX, "{", True)


@pytest.mark.asyncio
async def test_an_unreadable_delivery_without_a_known_location_is_not_kept(sqlite_memory: Database) -> None:
    inbox = await make_inbox(sqlite_memory)
    for location in (None, LocationId("loc-9")):
        poison = UnreadableDelivery(
            location_id=location, delivery_id="p", raw="{", reason="no", simulated=False
        )
        assert (await inbox.receive(poison)).outcome is Outcome.IGNORED
    assert await sqlite_memory.read(lambda uow: uow.cursors.dead_letters()) == []


@pytest.mark.asyncio
async def test_a_forgotten_lead_stays_forgotten(sqlite_memory: Database) -> None:
    inbox = await make_inbox(sqlite_memory)
    await inbox.receive(message("m"))
    await sqlite_memory.write(
        lambda uow: uow.leads.forget(LOCATION, LEAD, lead_hash=lead_hash(LOCATION, LEAD))
    )
    receipt = await inbox.receive(message("n"))
    assert receipt.outcome is Outcome.IGNORED
    assert "forgotten" in (receipt.reason or "")
    poison = UnreadableDelivery(
        location_id=LOCATION, delivery_id="p", raw="Zelda", reason="no", simulated=False, lead_ids=(LEAD,)
    )
    assert (await inbox.receive(poison)).outcome is Outcome.IGNORED
    assert await sqlite_memory.read(lambda uow: uow.cursors.dead_letters()) == []
