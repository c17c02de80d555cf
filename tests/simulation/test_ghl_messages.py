"""The export of messages: order, cursors, channels, windows; and a shelf that stays in order while messages change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.clock import FakeClock
from tests.support.fake_ghl import FakeGhl, fake_ghl

pytestmark = pytest.mark.asyncio

START = datetime(2026, 11, 1, tzinfo=UTC)
KINDS = ("SMS", "CALL", "Email", "SMS")


def fill(fake: FakeGhl, count: int) -> None:
    """Messages a minute apart, of four people."""
    for n in range(count):
        kind = KINDS[n % len(KINDS)]
        said = {
            "messageId": f"message{n:04d}",
            "contactId": f"contact{n % 4}",
            "messageType": kind,
            "direction": "inbound",
        }
        email = {"emailMessageId": f"email{n:04d}", "subject": "Hi"} if kind == "Email" else {}
        fake.home.put_message({**said, **email, "body": f"{n}"}, at=START + timedelta(minutes=n))


async def exported(http: httpx.AsyncClient, fake: FakeGhl, **query: Any) -> list[str]:
    """Every page of an export."""
    found: list[str] = []
    cursor = ""
    while True:
        asked = {
            "locationId": fake.location_id,
            "limit": 10,
            **query,
            **({"cursor": cursor} if cursor else {}),
        }
        page = (await http.get("/conversations/messages/export", params=asked)).json()
        found += [message["id"] for message in page["messages"]]
        cursor = page.get("nextCursor", "")
        if not cursor:
            assert page["total"] == len(found)
            return found


async def test_an_export_without_a_channel_has_everything_but_emails() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fill(fake, 48)
        without = await exported(http, fake)
        emails = await exported(http, fake, channel="Email")
        assert (len(without), len(emails)) == (36, 12)
        assert not set(without) & set(emails)
        assert len(await exported(http, fake, channel="Call")) == 12
        assert without == sorted(without, reverse=True), "newest first"
        assert await exported(http, fake, sortOrder="asc") == without[::-1]


async def test_an_export_can_be_narrowed_to_a_window_a_contact_or_a_conversation() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fill(fake, 48)
        window = {
            "startDate": "2026-11-01T00:10:00Z",
            "endDate": "2026-11-01T00:20:00.000Z",
            "sortOrder": "asc",
        }
        assert await exported(http, fake, **window) == [
            f"message{n:04d}" for n in range(10, 21) if n % 4 != 2
        ]
        mine = await exported(http, fake, contactId="contact1")
        assert mine == [f"message{n:04d}" for n in range(45, 0, -4)]
        talk = fake.home.talk_of["contact1"]
        assert await exported(http, fake, conversationId=talk) == mine
        assert await exported(http, fake, contactId="nobody") == []


async def test_a_changed_message_comes_again_in_an_export_by_update() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fill(fake, 30)
        query = {"locationId": fake.location_id, "sortBy": "updatedAt", "sortOrder": "asc", "limit": 500}
        first = (await http.get("/conversations/messages/export", params=query)).json()["messages"]
        await http.put("/conversations/messages/message0000/status", json={"status": "read"})
        again = (await http.get("/conversations/messages/export", params=query)).json()["messages"]
        assert len(first) == len(again)
        assert (again[-1]["id"], again[-1]["status"]) == ("message0000", "read")
        by_creation = await exported(http, fake, sortOrder="asc")
        assert by_creation[0] == "message0000"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": 9}, 422),
        ({"limit": 501}, 422),
        ({"channel": "Pigeon"}, 422),
        ({"sortBy": "color"}, 422),
        ({"startDate": "yesterday"}, 422),
        ({"cursor": "no cursor"}, 400),
        ({"locationId": ""}, 422),
        ({"locationId": "another"}, 403),
    ],
)
async def test_a_wrong_export_is_refused(query: dict[str, Any], status: int) -> None:
    async with fake_ghl() as fake, fake.api() as http:
        asked = {"locationId": fake.location_id, **query}
        assert (await http.get("/conversations/messages/export", params=asked)).status_code == status


async def test_a_sent_message_is_pending_until_its_lag_is_over_and_its_status_may_not_be_set_before() -> None:
    clock = FakeClock()
    async with fake_ghl(now=clock.now) as fake, fake.api() as http:
        fake.habits.status_lag_s = 7.0
        fake.home.put_contact({"id": "contact00001"}, at=clock.now())
        sent = await http.post(
            "/conversations/messages", json={"type": "SMS", "contactId": "contact00001", "message": "Hi"}
        )
        path = f"/conversations/messages/{sent.json()['messageId']}"
        assert (await http.put(f"{path}/status", json={"status": "read"})).status_code == 403
        assert (await http.get(path)).json()["status"] == "pending"
        clock.set_forward(7)
        assert (await http.get(path)).json()["status"] == "delivered"
        assert (await http.put(f"{path}/status", json={"status": "read"})).json()["status"] == "read"
        assert (await http.put(f"{path}/status", json={"status": "eaten"})).status_code == 422


async def test_a_scheduled_message_goes_out_at_its_time_unless_it_is_cancelled() -> None:
    clock = FakeClock()
    async with fake_ghl(now=clock.now) as fake, fake.api() as http:
        fake.home.put_contact({"id": "contact00001"}, at=clock.now())
        due = int(clock.now().timestamp()) + 60
        body = {"type": "Email", "contactId": "contact00001", "html": "<p>Hi</p>", "scheduledTimestamp": due}
        kept, gone = [
            (await http.post("/conversations/messages", json=body)).json()["messageId"] for _ in range(2)
        ]
        assert (await http.delete(f"/conversations/messages/{gone}/schedule")).status_code == 200
        assert (await http.delete(f"/conversations/messages/{gone}/schedule")).status_code == 400
        clock.set_forward(60)
        states = [(await http.get(f"/conversations/messages/{one}")).json()["status"] for one in (kept, gone)]
        assert states == ["delivered", "failed"]


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"type": "Pigeon"}, 422), ({"message": ""}, 400), ({"contactId": "nobody000000"}, 404)],
)
async def test_a_message_that_cannot_be_sent_is_refused(body: dict[str, Any], status: int) -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fake.home.put_contact({"id": "contact00001"}, at=START)
        whole = {"type": "SMS", "contactId": "contact00001", "message": "Hi", **body} if body else {}
        assert (await http.post("/conversations/messages", json=whole)).status_code == status
        fake.home.put_contact({"id": "contact00001", "dnd": True}, at=START)
        refused = await http.post(
            "/conversations/messages", json={"type": "SMS", "contactId": "contact00001", "message": "Hi"}
        )
        assert (refused.status_code, "DND" in refused.json()["message"]) == (400, True)


async def test_a_conversation_is_read_by_pages_nested_or_flat() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fill(fake, 40)
        path = f"/conversations/{fake.home.talk_of['contact0']}/messages"
        first = (await http.get(path, params={"limit": 4})).json()["messages"]
        assert first["nextPage"] is True
        rest = (await http.get(path, params={"lastMessageId": first["lastMessageId"]})).json()["messages"]
        assert (len(first["messages"]), len(rest["messages"]), rest["nextPage"]) == (4, 6, False)
        fake.habits.nested_messages = False
        flat = (await http.get(path, params={"type": "TYPE_CALL"})).json()
        assert flat["messages"] == []


async def test_conversations_are_found_by_what_was_said_last() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fill(fake, 8)
        answer = {
            "messageId": "answer000000",
            "contactId": "contact0",
            "messageType": "SMS",
            "direction": "outbound",
            "source": "workflow",
        }
        fake.home.put_message(answer, at=START + timedelta(hours=1))

        async def talks(**query: Any) -> list[str]:
            asked = {"locationId": fake.location_id, **query}
            found = (await http.get("/conversations/search", params=asked)).json()["conversations"]
            return [talk["contactId"] for talk in found]

        assert await talks() == ["contact0", "contact3", "contact2", "contact1"]
        assert await talks(status="read") == ["contact0"]
        assert await talks(status="unread", sort="asc", limit=1) == ["contact1"]
        assert await talks(lastMessageAction="automated") == ["contact0"]
        assert await talks(lastMessageDirection="inbound", contactId="contact2") == ["contact2"]
        second = round((START + timedelta(minutes=7)).timestamp() * 1_000)
        assert await talks(startAfterDate=second) == ["contact2", "contact1"]
        assert await talks(startDate=second) == ["contact0", "contact3"]


async def test_only_a_call_has_a_recording_and_a_transcript() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        fill(fake, 4)
        paths = ("messages/{}/locations/{}/recording", "locations/{1}/messages/{0}/transcription")
        for path in paths:
            call = await http.get("/conversations/" + path.format("message0001", fake.location_id))
            assert call.status_code == 200
            text = await http.get("/conversations/" + path.format("message0000", fake.location_id))
            assert text.status_code == 400
