"""The production reader on a whole fake account over real HTTP: pages, cursors, overlap, one lead again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.crm_ports import CrmPage
from ghl_real_estate_ai.errors import NotFound
from ghl_real_estate_ai.integrations.gohighlevel.history import (
    LEAD_MESSAGES,
    QUIET_PAGES_EVERY,
    GoHighLevelHistory,
)
from ghl_real_estate_ai.integrations.gohighlevel.reading_place import OVERLAP, Place
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.events import Delivery, MessageReceived, Source
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.ports import UnreadableDelivery
from ghl_real_estate_ai.simulation.ghl_city import apply_all
from tests.support.crm_city import reader_of, setup_of, small_city
from tests.support.fake_ghl import FakeGhl, fake_ghl
from tests.support.scripted_server import Reply, Seen
from tests.support.scripted_server import answering as listening

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SETUP = LocationSetup(location_id=LocationId("loc-1"))


async def read_all(
    reader: GoHighLevelHistory, fake: FakeGhl, source: SyncSource, *, cursor: str = "", now: datetime = NOON
) -> list[CrmPage]:
    """Page by page to the end."""
    pages: list[CrmPage] = []
    while not pages or pages[-1].more:
        page = await reader.page(setup_of(fake), source, cursor=cursor, since=None, received_at=now)
        pages.append(page)
        cursor = page.cursor
        assert len(pages) < 50
    return pages


def events_of(pages: Sequence[CrmPage]) -> list[Delivery]:
    found = [delivery for page in pages for delivery in page.deliveries]
    assert not [one for one in found if isinstance(one, UnreadableDelivery)]
    return [one for one in found if isinstance(one, Delivery)]


def write(fake: FakeGhl, number: int, *, at: datetime, kind: str = "SMS", body: str = "Hi") -> None:
    """A message from the lead."""
    said = {"contactId": "lead1", "messageId": f"m{number:05}", "direction": "inbound", "messageType": kind}
    fake.home.put_message({**said, "body": body}, at=at)


async def test_messages_are_read_page_by_page_and_each_comes_once() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        for number in range(1_203):
            write(fake, number, at=NOON + timedelta(seconds=number))
        pages = await read_all(reader, fake, SyncSource.MESSAGES)
        assert [page.items for page in pages] == [500, 500, 203]
        assert pages[0].total == 1_203
        facts = events_of(pages)
        assert len({fact.event.event_id for fact in facts}) == 1_203
        assert {(fact.event.source, fact.event.simulated) for fact in facts} == {(Source.POLLING, True)}


async def test_emails_are_a_source_of_their_own() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        write(fake, 1, at=NOON)
        write(fake, 2, at=NOON, kind="Email", body="<p>Hello</p>")
        (text,) = events_of(await read_all(reader, fake, SyncSource.MESSAGES))
        (email,) = events_of(await read_all(reader, fake, SyncSource.EMAILS))
        assert isinstance(text.event, MessageReceived)
        assert isinstance(email.event, MessageReceived)
        assert (text.event.message_id, email.event.message_id, email.event.text) == (
            "m00001",
            "m00002",
            "Hello",
        )


async def test_the_next_round_reads_what_came_since_and_a_little_before() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        for number, minutes in enumerate((0, 30, 58, 59)):
            write(fake, number, at=NOON + timedelta(minutes=minutes))
        now = NOON + timedelta(minutes=59, seconds=30)
        (first,) = await read_all(reader, fake, SyncSource.MESSAGES, now=now)
        write(fake, 9, at=NOON + timedelta(minutes=58, seconds=30))  # shown late
        (second,) = await read_all(reader, fake, SyncSource.MESSAGES, cursor=first.cursor, now=now)
        ids = [delivery.event.message_id for delivery in events_of([second])]  # type: ignore[union-attr]
        assert ids == ["m00002", "m00009", "m00003"]
        known = {delivery.delivery_id for delivery in events_of([first])}
        assert sum(delivery.delivery_id not in known for delivery in events_of([second])) == 1


async def test_an_export_whose_cursor_has_died_goes_on_from_the_newest_message_seen() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        for number in range(700):
            write(fake, number, at=NOON + timedelta(seconds=number))
        first = await reader.page(
            setup_of(fake), SyncSource.MESSAGES, cursor="", since=None, received_at=NOON
        )
        dead = Place.model_validate_json(first.cursor).model_copy(update={"after": ("not a cursor",)})
        rest = await read_all(reader, fake, SyncSource.MESSAGES, cursor=dead.model_dump_json())
        seen = {fact.event.event_id for fact in events_of([first, *rest])}
        assert len(seen) == 700
        assert rest[0].items == 200 + OVERLAP.total_seconds() + 1


async def test_contacts_are_read_by_their_newest_change() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        for number in range(620):
            fake.home.put_contact(
                {"id": f"c{number:04}", "firstName": "Ana"}, at=NOON + timedelta(seconds=number)
            )
        pages = await read_all(reader, fake, SyncSource.CONTACTS, now=NOON + timedelta(hours=1))
        assert [page.items for page in pages] == [500, 120]
        fake.home.put_contact({"id": "c0003", "firstName": "Eva"}, at=NOON + timedelta(hours=2))
        (page,) = await read_all(
            reader, fake, SyncSource.CONTACTS, cursor=pages[-1].cursor, now=NOON + timedelta(hours=3)
        )
        assert events_of([page])[-1].event.contact == {  # type: ignore[union-attr]
            "name": "Ana", "first_name": "Eva", "tags": [], "dnd": False,
        }  # fmt: skip


async def test_deals_are_read_in_rounds_and_the_cursor_returns_to_the_start() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        for number in range(130):
            fake.home.put_opportunity(
                {"id": f"o{number}", "contactId": "lead1"}, at=NOON + timedelta(seconds=number)
            )
        pages = await read_all(reader, fake, SyncSource.OPPORTUNITIES)
        assert [page.items for page in pages] == [100, 30]
        again = await read_all(reader, fake, SyncSource.OPPORTUNITIES, cursor=pages[-1].cursor)
        assert {one.delivery_id for one in events_of(again)} == {one.delivery_id for one in events_of(pages)}


async def test_a_round_of_site_activity_ends_at_what_is_known() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:

        def visit(number: int) -> None:
            seen = {"event": "property_viewed", "contact_id": "lead1", "listing_key": f"H{number}"}
            fake.home.put_record(seen, at=NOON + timedelta(minutes=number), record_id=f"r{number}")

        for number in range(250):
            visit(number)
        now = NOON + timedelta(days=1)
        pages = await read_all(reader, fake, SyncSource.ACTIVITY, now=now)
        assert [page.items for page in pages] == [100, 100, 50]
        visit(250)
        (page,) = await read_all(reader, fake, SyncSource.ACTIVITY, cursor=pages[-1].cursor, now=now)
        known = {one.event.event_id for one in events_of(pages)}
        assert [
            one.event.listing_key  # type: ignore[union-attr]
            for one in events_of([page])
            if one.event.event_id not in known
        ] == ["H250"]


async def test_one_lead_is_read_again_with_everything_about_them() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        apply_all(fake.home, small_city().events())
        whole = [
            one
            for source in SyncSource
            for one in events_of(await read_all(reader, fake, source, now=NOON))
            if one.event.type != "PropertyActivityRecorded"
        ]
        for contact in fake.home.contacts:
            lead_id = LeadId(str(contact["id"]))
            told = await reader.lead(setup_of(fake), lead_id, received_at=NOON)
            expected = {one.delivery_id for one in whole if one.event.lead_id == lead_id}
            assert {one.delivery_id for one in told} == expected


async def test_a_lead_that_the_account_does_not_know_is_not_found() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        with pytest.raises(NotFound):
            await reader.lead(setup_of(fake), LeadId("aaaaaaaaaaaaaaaaaaaa"), received_at=NOON)


async def test_text_that_no_database_takes_is_mended_on_the_way() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        write(fake, 1, at=NOON, body="a\x00b")
        (mended,) = events_of(await read_all(reader, fake, SyncSource.MESSAGES))
        assert mended.event.text == "ab"  # type: ignore[union-attr]
        assert mended.raw is not None
        assert "\\u0000" not in mended.raw


# --- what must not hide the rest ----------------------------------------------------------------------------------

ZONED = "2026-03-05T12:00:00Z"
ANSWERS: dict[str, dict[str, Any]] = {
    "/contacts/lead1": {"contact": {"id": "lead1", "firstName": "Ana", "dateAdded": "2026-03-01T12:00:00Z"}},
    "/conversations/messages/export": {
        "messages": [{"id": "m1", "contactId": "lead1", "messageType": "TYPE_SMS", "direction": "inbound",
                      "body": "Hi", "dateAdded": "2026-03-01T12:00:00Z"}],
    },
    "/opportunities/search": {"opportunities": [], "meta": {}},
    "/contacts/lead1/appointments": {"events": []},
}  # fmt: skip


def meeting(name: str, start: str) -> dict[str, Any]:
    """A meeting of the lead."""
    return {"id": name, "contactId": "lead1", "startTime": start, "dateAdded": "2026-03-01T12:00:00Z"}


@asynccontextmanager
async def answering(
    answers: Mapping[str, dict[str, Any]], refused: Mapping[str, int]
) -> AsyncIterator[tuple[GoHighLevelHistory, list[Seen]]]:
    """A reader on an API that answers by path, or by path and calendar, or refuses so."""

    def reply(seen: Seen) -> Reply:
        key = seen.query.get("calendarId") or seen.path
        if key in refused:
            return Reply(refused[key], {"message": "no"})
        return Reply(200, answers[key])

    async with listening(otherwise=reply) as server, reader_of(server.url, "pit-1") as reader:
        yield reader, server.seen


def told_of(deliveries: Sequence[Delivery | UnreadableDelivery]) -> list[str]:
    return [one.event.type for one in deliveries if isinstance(one, Delivery)]


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_calendar_that_was_deleted_hides_none_behind_it(status: int) -> None:
    setup = LocationSetup(location_id=LocationId("loc-1"), calendars=("gone", "kept"))
    answers = {"kept": {"events": [meeting("meet1", ZONED)]}}
    async with answering(answers, {"gone": status}) as (reader, _):
        first = await reader.page(setup, SyncSource.APPOINTMENTS, cursor="", since=None, received_at=NOON)
        second = await reader.page(
            setup, SyncSource.APPOINTMENTS, cursor=first.cursor, since=None, received_at=NOON
        )
    assert [(page.items, page.more) for page in (first, second)] == [(0, True), (1, False)]


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_meeting_that_cannot_be_read_hides_nothing_else_of_its_lead(status: int) -> None:
    shown = [meeting("meet1", "2026-03-05 12:00:00"), meeting("meet2", ZONED)]
    answers = {**ANSWERS, "/contacts/lead1/appointments": {"events": shown}}
    refused = {"/calendars/events/appointments/meet1": status}
    async with answering(answers, refused) as (reader, _):
        told = told_of(await reader.lead(SETUP, LeadId("lead1"), received_at=NOON))
    assert told[:2] == ["LeadUpserted", "MessageReceived"]
    assert told.count("AppointmentChanged") == (status != 403)


@pytest.mark.parametrize(
    ("part", "left"),
    [("/conversations/messages/export", {"LeadUpserted"}), ("/opportunities/search", {"LeadUpserted", "MessageReceived"})],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_part_of_a_lead_that_is_refused_hides_no_other(
    part: str, left: set[str], status: int
) -> None:
    async with answering(ANSWERS, {part: status}) as (reader, _):
        assert set(told_of(await reader.lead(SETUP, LeadId("lead1"), received_at=NOON))) == left


async def test_the_zone_is_asked_only_of_meetings_that_are_near() -> None:
    starts = ("2025-03-05 12:00:00", "2026-03-05 12:00:00", "2027-03-05 12:00:00")
    shown = [meeting(f"meet{number}", start) for number, start in enumerate(starts)]
    answers = {
        **ANSWERS,
        "/contacts/lead1/appointments": {"events": shown},
        "/calendars/events/appointments/meet1": {"event": meeting("meet1", ZONED)},
    }
    async with answering(answers, {}) as (reader, seen):
        told = told_of(await reader.lead(SETUP, LeadId("lead1"), received_at=NOON))
    assert told.count("AppointmentChanged") == 1
    assert [one.query["limit"] for one in seen if "export" in one.path] == [str(LEAD_MESSAGES)] * 2


# --- what a round must not miss -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_s", [-600, 0, 600])
async def test_the_next_round_overlaps_though_the_clocks_differ(ahead_s: int) -> None:
    """What the vendor shows some seconds late lies before the newest that was seen, by the vendor's own clock."""
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        theirs = NOON + timedelta(seconds=ahead_s)
        write(fake, 1, at=theirs)
        (first,) = await read_all(reader, fake, SyncSource.MESSAGES, now=NOON)
        write(fake, 2, at=theirs - timedelta(seconds=30))  # shown late
        (second,) = await read_all(reader, fake, SyncSource.MESSAGES, cursor=first.cursor, now=NOON)
        assert "m00002" in [one.event.message_id for one in events_of([second])]  # type: ignore[union-attr]


async def test_a_page_that_waits_for_the_next_cycle_takes_nothing_from_the_overlap() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        for number in range(600):
            write(fake, number, at=NOON - timedelta(seconds=60 - number / 10))
        first = await reader.page(
            setup_of(fake), SyncSource.MESSAGES, cursor="", since=None, received_at=NOON
        )
        write(fake, 900, at=NOON - timedelta(seconds=50))  # shown late, and before where the first page ended
        later = NOON + timedelta(minutes=5)
        write(fake, 901, at=later)
        (second,) = await read_all(reader, fake, SyncSource.MESSAGES, cursor=first.cursor, now=later)
        third = await read_all(reader, fake, SyncSource.MESSAGES, cursor=second.cursor, now=later)
        assert "m00900" in [one.event.message_id for one in events_of(third)]  # type: ignore[union-attr]


@pytest.mark.parametrize("pages", [1, 2])
@pytest.mark.parametrize("status", ["scheduled", "queued"])
async def test_a_message_that_waits_to_be_sent_is_looked_for_until_it_was(status: str, pages: int) -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        write(fake, 1, at=NOON - timedelta(days=1))
        waits = fake.home.messages.get("m00001")
        assert waits is not None
        fake.home.messages.change(waits, 0, status=status)
        for number in range(2, 2 + 500 * (pages - 1)):
            write(fake, number, at=NOON - timedelta(hours=1))
        write(fake, 9_000, at=NOON)
        first = await read_all(reader, fake, SyncSource.MESSAGES)
        assert len(first) == pages
        fake.home.messages.change(
            waits, 0, status="delivered"
        )  # its time of change stays: an export need not tell
        again = await read_all(reader, fake, SyncSource.MESSAGES, cursor=first[-1].cursor)
        ids = [
            [one.event.message_id for one in events_of(pages)]  # type: ignore[union-attr]
            for pages in (first, again)
        ]
        assert ["m00001" in found for found in ids] == [False, True]


@pytest.mark.parametrize("cursor", ['{"after":[{"an":"object"}]}', '{"from_the_future":1}', "no JSON"])
async def test_a_cursor_that_cannot_be_read_begins_the_round_anew(cursor: str) -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        write(fake, 1, at=NOON)
        page = await reader.page(
            setup_of(fake), SyncSource.CONTACTS, cursor=cursor, since=NOON, received_at=NOON
        )
        assert not page.more


# --- deals --------------------------------------------------------------------------------------------------------


async def test_young_deals_are_read_round_after_round_and_quiet_ones_a_page_at_a_time() -> None:
    async with fake_ghl() as fake, reader_of(fake.url, fake.pit) as reader:
        for number in range(650):
            fake.home.put_opportunity(
                {"id": f"o{number:03}", "contactId": "lead1"}, at=NOON - timedelta(days=number)
            )
        now = NOON + timedelta(seconds=1)
        first = await read_all(reader, fake, SyncSource.OPPORTUNITIES, now=now)
        assert [page.items for page in first] == [100] * 6 + [50], "the first time all of them"
        fake.home.put_opportunity({"id": "o050", "status": "won"}, at=NOON)  # young
        fake.home.put_opportunity({"id": "o640", "status": "won"}, at=NOON)  # old and quiet
        seen, cursor = list[set[str]](), first[-1].cursor
        for _ in range(QUIET_PAGES_EVERY * 8):
            page = await reader.page(
                setup_of(fake), SyncSource.OPPORTUNITIES, cursor=cursor, since=None, received_at=now
            )
            cursor = page.cursor
            won = [one for one in events_of([page]) if one.event.status == "won"]  # type: ignore[union-attr]
            seen.append({one.event.opportunity_id for one in won})  # type: ignore[union-attr]
        assert "o050" in seen[0]
        assert sum("o050" in found for found in seen) >= 5
        assert any("o640" in found for found in seen)
