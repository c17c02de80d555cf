"""An item that cannot be read, among good ones on a page: it becomes a dead letter, its neighbours are stored, the cursor moves.

The production reader over real HTTP before a server that answers by script.
"""

from __future__ import annotations

from typing import Any

import pytest

from ghl_real_estate_ai.integrations.gohighlevel.resources import ContactPage
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.services.crm_sync import IMPORTED, CrmSync
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from tests.support.clock import FakeClock
from tests.support.crm_city import connect, reader_of
from tests.support.facts import LOCATION, NOON
from tests.support.fake_memory import FakeMemory
from tests.support.scripted_server import Reply, Seen, answering

AT = "2026-03-01T10:00:00.000Z"
LISTS = {
    "/contacts/search": "contacts",
    "/conversations/messages/export": "messages",
    "/opportunities/search": "opportunities",
    "/calendars/events": "events",
    "/objects/": "records",
    "/contacts/c1/appointments": "events",
}
GOOD: dict[str, dict[str, Any]] = {
    "contacts": {"dateAdded": AT, "firstName": "Ana"},
    "messages": {
        "contactId": "c1",
        "conversationId": "t1",
        "direction": "inbound",
        "messageType": "SMS",
        "body": "Hi",
        "dateAdded": AT,
    },
    "opportunities": {"contactId": "c1", "status": "open", "updatedAt": AT},
    "events": {"contactId": "c1", "calendarId": "cal1", "startTime": AT, "dateAdded": AT},
    "records": {
        "createdAt": AT,
        "properties": {"event": "property_viewed", "contact_id": "c1", "listing_key": "H1"},
    },
}
SETUP = LocationSetup(location_id=LOCATION, calendars=("cal1",), activity_object="custom_objects.visits")


def page_with_broken_items(seen: Seen) -> Reply:
    """Whatever is asked for: two good items, and what no page should hold before, between and behind them."""
    name = next((name for path, name in LISTS.items() if seen.path.startswith(path)), "contact")
    good = GOOD.get(name, GOOD["contacts"])
    if name == "contact":
        return Reply(200, {"contact": {"id": "c1", **good, "customFields": [{"value": "of no field"}]}})
    items = [
        None,
        {"id": f"{name}1", **good},
        good,
        "text",
        {**good, "id": {}},
        {"id": f"{name}2", **good},
        7,
    ]
    return Reply(200, {name: items, "total": len(items)})


def sync_of(memory: FakeMemory, reader: Any) -> CrmSync:
    clock = FakeClock(NOON)
    inbox = EventInbox(memory=memory, bus=EventBus(memory=memory, clock=clock), clock=clock)
    return CrmSync(memory=memory, reader=reader, inbox=inbox, clock=clock)


@pytest.mark.asyncio
@pytest.mark.parametrize("source", IMPORTED)
async def test_good_items_are_stored_and_broken_ones_buried_with_the_fields_name(source: SyncSource) -> None:
    memory = FakeMemory()
    await connect(memory, SETUP)
    async with answering(otherwise=page_with_broken_items) as server, reader_of(server.url, "pit") as reader:
        sync = sync_of(memory, reader)
        first = await sync.step(LOCATION, source)
        again = await sync.step(LOCATION, source)
    letters = await memory.read(lambda uow: uow.cursors.dead_letters(LOCATION))
    assert first is not None
    assert again is not None
    assert (first.items, first.stored, first.more) == (7, 2, False)
    assert (again.stored, again.duplicates) == (0, 2)
    assert len(letters) == 2
    for letter in letters:
        assert letter.reason in {
            "id: missing",
            "messageId: missing",
            "id: must be text",
            "messageId: must be text",
        }


@pytest.mark.asyncio
async def test_an_import_comes_to_its_end_over_pages_with_broken_items() -> None:
    memory = FakeMemory()
    await connect(memory, SETUP)
    async with answering(otherwise=page_with_broken_items) as server, reader_of(server.url, "pit") as reader:
        read = await sync_of(memory, reader).import_history(LOCATION)
    assert {source: progress.caught_up_at for source, progress in read.items()} == dict.fromkeys(
        IMPORTED, NOON
    )


@pytest.mark.asyncio
async def test_one_lead_is_read_again_whatever_else_its_lists_hold() -> None:
    async with answering(otherwise=page_with_broken_items) as server, reader_of(server.url, "pit") as reader:
        told = await reader.lead(SETUP, LeadId("c1"), received_at=NOON)
    stored = [one for one in told if not hasattr(one, "reason")]
    assert {one.event.type for one in stored} == {
        "LeadUpserted",
        "MessageReceived",
        "OpportunityChanged",
        "AppointmentChanged",
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["status", "meta", "messageType", "direction", "body"])
@pytest.mark.parametrize("value", [{"a": 1}, ["a"], 7, None, {"callStatus": ["a"]}])
async def test_a_field_of_another_kind_spoils_one_message_at_most(name: str, value: object) -> None:
    good = GOOD["messages"]
    odd, sound = {"id": "m1", **good, name: value}, {"id": "m2", **good}
    page = Reply(200, {"messages": [odd, sound]})
    async with answering(otherwise=lambda seen: page) as server, reader_of(server.url, "pit") as reader:
        read = await reader.page(SETUP, SyncSource.MESSAGES, cursor="", since=None, received_at=NOON)
    assert "m2" in {getattr(getattr(one, "event", None), "message_id", None) for one in read.deliveries}


def test_the_next_page_starts_behind_the_last_item_that_says_where() -> None:
    items = [
        {"id": "c1", "searchAfter": [1, "c1"]},
        {"searchAfter": [2, "c2"]},
        {"id": "c3", "searchAfter": "?"},
    ]
    assert ContactPage.model_validate({"contacts": items}).search_after == (2, "c2")
    assert ContactPage.model_validate({"contacts": items[2:]}).search_after is None
