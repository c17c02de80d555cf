"""The city lives in the account: what the API shows adds up to what the webhooks said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader
from ghl_real_estate_ai.simulation.city import City, CityEvent
from ghl_real_estate_ai.simulation.ghl_account import ACTIVITY_KEY, CALENDAR_ID
from ghl_real_estate_ai.simulation.ghl_city import apply, apply_all
from ghl_real_estate_ai.simulation.ghl_clock import milliseconds
from ghl_real_estate_ai.simulation.scribe import stamp
from tests.support.clock import FakeClock
from tests.support.fake_ghl import FakeGhl, fake_ghl
from tests.support.webhook_receiver import WebhookReceiver, receiving

pytestmark = pytest.mark.asyncio

START = datetime(2026, 11, 23, 15, tzinfo=UTC)


def city() -> City:
    return City(seed=11, leads=50, listings=80, start=START, days=1)


async def all_messages(http: httpx.AsyncClient, fake: FakeGhl) -> AsyncIterator[dict[str, Any]]:
    for channel in ({}, {"channel": "Email"}):
        cursor: dict[str, str] = {}
        while True:
            query = {"locationId": fake.location_id, "limit": 500, "sortOrder": "asc", **channel, **cursor}
            page = (await http.get("/conversations/messages/export", params=query)).json()
            for message in page["messages"]:
                yield message
            if "nextCursor" not in page:
                break
            cursor = {"cursor": page["nextCursor"]}


async def test_every_message_can_be_read_back_with_its_id_its_time_and_its_words() -> None:
    events = [e for e in city().events() if e.type in {"InboundMessage", "OutboundMessage"}]
    async with fake_ghl() as fake, fake.api() as http:
        apply_all(fake.home, city().events())
        shown = {message["id"]: message async for message in all_messages(http, fake)}
        assert len(shown) == len(events) > 300
        for event in events:
            message = shown[str(event.body["messageId"])]
            assert message["dateAdded"] == stamp(event.at)
            for name in ("contactId", "conversationId", "direction"):
                assert message[name] == event.body[name]
            for name in ("body", "source", "userId"):
                assert message.get(name) == event.body.get(name)
            assert message.get("meta", {}).get("callStatus") == event.body.get("callStatus")


async def test_every_contact_stands_as_its_newest_webhook_left_it() -> None:
    newest: dict[str, CityEvent] = {}
    born: dict[str, datetime] = {}
    for event in city().events():
        if event.type.startswith("Contact"):
            newest[str(event.body["id"])] = event
            born.setdefault(str(event.body["id"]), event.at)
    async with fake_ghl() as fake, fake.api() as http:
        apply_all(fake.home, city().events())
        body = {
            "locationId": fake.location_id,
            "pageLimit": 500,
            "sort": [{"field": "dateUpdated", "direction": "asc"}],
        }
        contacts = (await http.post("/contacts/search", json=body)).json()["contacts"]
        assert {contact["id"] for contact in contacts} == set(newest)
        for contact in contacts:
            event = newest[contact["id"]]
            assert contact["dateUpdated"] == stamp(event.at)
            assert contact["dateAdded"] == stamp(born[contact["id"]])
            for name in ("name", "email", "phone", "tags", "customFields", "assignedTo"):
                assert contact[name] == event.body[name]


async def test_deals_and_meetings_stand_as_their_newest_webhook_left_them() -> None:
    deals: dict[str, list[CityEvent]] = defaultdict(list)
    meetings: dict[str, list[CityEvent]] = defaultdict(list)
    for event in city().events():
        if event.type.startswith("Opportunity"):
            deals[str(event.body["id"])].append(event)
        if event.type.startswith("Appointment"):
            meetings[event.body["appointment"]["id"]].append(event)  # type: ignore[call-overload,index]
    async with fake_ghl() as fake, fake.api() as http:
        apply_all(fake.home, city().events())
        query = {"locationId": fake.location_id, "limit": 100}
        shown = (await http.get("/opportunities/search", params=query)).json()["opportunities"]
        assert {deal["id"] for deal in shown} == set(deals)
        for deal in shown:
            first, *_, last = [*deals[deal["id"]], deals[deal["id"]][-1]]
            assert (deal["createdAt"], deal["updatedAt"]) == (stamp(first.at), stamp(last.at))
            assert (deal["status"], deal["pipelineStageId"]) == (
                last.body["status"],
                last.body["pipelineStageId"],
            )
            story = deals[deal["id"]]
            turns = [b.at for a, b in pairwise(story) if a.body["status"] != b.body["status"]]
            assert deal["lastStatusChangeAt"] == stamp(turns[-1] if turns else first.at)
        window = {
            "startTime": milliseconds(START - timedelta(days=60)),
            "endTime": milliseconds(START + timedelta(days=60)),
        }
        query = {"locationId": fake.location_id, "calendarId": CALENDAR_ID, **window}
        booked = (await http.get("/calendars/events", params=query)).json()["events"]
        assert {meeting["id"] for meeting in booked} == set(meetings)
        for meeting in booked:
            last = meetings[meeting["id"]][-1]
            assert meeting["dateAdded"] == stamp(meetings[meeting["id"]][0].at)
            assert meeting["dateUpdated"] == stamp(last.at)
            assert meeting["appointmentStatus"] == last.body["appointment"]["appointmentStatus"]  # type: ignore[call-overload,index]


async def test_records_notes_and_tasks_are_there_too() -> None:
    counts = Counter(event.type for event in city().events())
    async with fake_ghl() as fake, fake.api() as http:
        apply_all(fake.home, city().events())
        records: list[dict[str, Any]] = []
        after: list[Any] = []
        while True:
            body = {
                "locationId": fake.location_id,
                "page": 1,
                "pageLimit": 100,
                "query": "",
                "searchAfter": after,
            }
            page = (await http.post(f"/objects/{ACTIVITY_KEY}/records/search", json=body)).json()["records"]
            if not page:
                break
            records += page
            after = page[-1]["searchAfter"]
        assert len({record["id"] for record in records}) == len(records) == counts["RecordCreate"]
        assert [r["createdAt"] for r in records] == sorted((r["createdAt"] for r in records), reverse=True)
        found = 0
        for contact in fake.home.contacts:
            found += len((await http.get(f"/contacts/{contact['id']}/notes")).json()["notes"])
            found += len((await http.get(f"/contacts/{contact['id']}/tasks")).json()["tasks"])
        assert found == counts["NoteCreate"] + counts["TaskCreate"]
        one = records[0]["properties"]["contact_id"]
        body["query"], body["searchAfter"] = f"contact_id:{one}", []
        mine = (await http.post(f"/objects/{ACTIVITY_KEY}/records/search", json=body)).json()
        assert mine["total"] == sum(record["properties"]["contact_id"] == one for record in records)


async def test_a_played_city_is_told_in_the_same_webhooks_and_pushes_the_clock_ahead() -> None:
    clock = FakeClock()
    async with fake_ghl(now=clock.now) as fake:
        key = fake.vendor.webhooks.key.public
        reader = GoHighLevelWebhookReader(public_keys=(), simulator_public_key=key, wish_fields={})
        async with receiving(WebhookReceiver(reader)) as gateway:
            fake.vendor.webhooks.subscribe(gateway.url)
            fake.vendor.authority.installed[fake.location_id] = clock.now()
            events = [event for event in city().events() if event.at >= START]
            for event in events:
                apply(fake.home, event)
            await fake.vendor.webhooks.settled()
        assert len(gateway.stored) == len(events)
        times = Counter(delivery.event.occurred_at for delivery in gateway.stored.values())
        assert times == Counter(event.at for event in events)
        assert fake.vendor.clock.now() == events[-1].at
