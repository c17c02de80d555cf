"""Erasure of a lead: what goes, what stays of others, and that the bytes leave the files."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import sqlalchemy as sa

from ghl_real_estate_ai.models.events import DeadLetter, Delivery, LeadDeleted, Source, VendorEventKept
from ghl_real_estate_ai.models.identifiers import (
    CorrelationId,
    EventId,
    LeadId,
    LocationId,
    derived_id,
    lead_hash,
)
from ghl_real_estate_ai.models.leads import Contact, Lead, LeadActivity
from ghl_real_estate_ai.models.synchronization import (
    ChangeKind,
    CrmChange,
    RereadRequest,
    SyncProgress,
    SyncSource,
)
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.storage.database import Database
from ghl_real_estate_ai.storage.forgetting import Traces
from ghl_real_estate_ai.storage.schema import UNKNOWN_LOCATION, metadata
from tests.support.facts import LEAD, LOCATION, NOON, contact, delivery, message
from tests.support.memory import sqlite_url

ELSEWHERE = LocationId("loc-2")
TWIN = LeadId("lead-10")
NAME, EMAIL, PHONE, TEXT = (
    "Ada Verysecret",
    "ada@verysecret.example",
    "+1 (512) 555-0147",
    "we whisper about the pool",
)
OLD_EMAIL = "old@verysecret.example"
HASH = lead_hash(LOCATION, LEAD)
pytestmark = pytest.mark.asyncio


def with_raw(sent: Delivery, **raw: object) -> Delivery:
    return sent.model_copy(update={"raw": json.dumps(raw)})


def vendor_event(name: str, lead: LeadId | None = None, **body: object) -> Delivery:
    event = VendorEventKept(
        event_id=EventId(derived_id(name)),
        location_id=LOCATION,
        occurred_at=NOON,
        correlation_id=CorrelationId(name),
        source=Source.APP_WEBHOOK,
        lead_id=lead,
        vendor_type="Unheard",
        body=body,
    )
    return with_raw(delivery(name, event), **body)


def letter(
    name: str, raw: str, *, location: LocationId = LOCATION, position: int | None = None
) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=0,
        location_id=location,
        subscriber="inbox",
        delivery_id=name,
        reason="unreadable",
        raw=raw,
        position=position,
        failed_at=NOON,
    )


def known(lead_id: LeadId, **fields: object) -> Lead:
    return Lead(
        location_id=LOCATION,
        lead_id=lead_id,
        contact=Contact.model_validate(fields),
        activity=LeadActivity(first_at=NOON),
    )


def live_a_little(uow: UnitOfWork) -> None:
    """Positions 1 to 8: the lead's own (1-4), of nobody (5), another lead's (6-8)."""
    uow.events.append(contact("d-1", fields={"name": NAME, "email": OLD_EMAIL, "phone": PHONE}))
    uow.events.append(with_raw(contact("d-2", fields={"email": EMAIL}), email=EMAIL, name=NAME))
    uow.events.append(with_raw(message("d-3", text=TEXT), body=TEXT))
    uow.events.append(message(f"poll:{LEAD}:4", text=TEXT))
    uow.events.append(vendor_event("d-5", contactId=LEAD, note=f"{NAME}: {TEXT}"))
    uow.events.append(
        message("d-6", lead=TWIN, text=f"my sister writes from:\n{OLD_EMAIL.upper()} or 5125550147")
    )
    uow.events.append(vendor_event("d-7", lead=TWIN, mentions=[LEAD, "lead-1x", "lead-10"]))
    uow.events.append(message("d-8", lead=TWIN, text="unrelated"))
    uow.leads.put(known(LEAD, name=NAME, email=EMAIL, phone=PHONE), None)
    uow.leads.put(known(TWIN, name="Bo Twin", email="bo@twin.example", source=f"friend of {EMAIL}"), None)
    uow.cursors.bury(letter("d-9", json.dumps({"contactId": LEAD, "body": TEXT})))
    uow.cursors.bury(letter("d-10", f"{{broken {EMAIL}", location=UNKNOWN_LOCATION))
    uow.cursors.bury(letter("d-6", f"about {EMAIL}", position=6))
    uow.cursors.bury(letter("d-3", "", position=3))
    uow.cursors.bury(letter("d-11", "of nobody"))
    uow.cursors.bury(letter("d-12", json.dumps({"contactId": LEAD}), location=ELSEWHERE))


def concern_the_crm(uow: UnitOfWork) -> None:
    """The lead's own change and hint, another lead's that speaks of them, a reading that stands at them."""
    for who, content in (
        (LEAD, {"body": TEXT}),
        (TWIN, {"body": f"sister of {EMAIL}", "mentions": [LEAD, TWIN]}),
    ):
        note = CrmChange(
            location_id=LOCATION,
            change_id=f"note:{who}:1",
            lead_id=who,
            kind=ChangeKind.NOTE,
            content=content,
            error=f"refused for {OLD_EMAIL}",
            due_at=NOON,
            created_at=NOON,
        )
        uow.changes.want(note)
        uow.sync.request_reread(
            RereadRequest(location_id=LOCATION, lead_id=who, requested_at=NOON, due_at=NOON)
        )
    for source, lead in ((SyncSource.CONTACTS, LEAD), (SyncSource.ACTIVITY, TWIN)):
        cursor = json.dumps({"after": [1772445600000, lead]})
        uow.sync.put_progress(
            SyncProgress(location_id=LOCATION, source=source, cursor=cursor, items=5, updated_at=NOON)
        )


async def forget(memory: Database) -> int:
    return await memory.write(lambda uow: uow.leads.forget(LOCATION, LEAD, lead_hash=HASH))


async def everything(memory: Database) -> str:
    """Every value of every table of the tenant's database, as one text."""

    def dump(uow: UnitOfWork) -> str:
        connection: sa.Connection = uow.events._connection  # type: ignore[attr-defined]
        tables = metadata.sorted_tables
        return "\n".join(str(tuple(row)) for table in tables for row in connection.execute(sa.select(table)))

    return await memory.read(dump)


async def test_nothing_of_a_forgotten_lead_is_left_in_any_table(memory: Database) -> None:
    await memory.write(live_a_little)
    await memory.write(concern_the_crm)

    changed = await forget(memory)

    left = (await everything(memory)).lower()
    elsewhere = "loc-2"  # the same contact id in another tenant is another person
    for secret in (NAME, EMAIL, OLD_EMAIL, PHONE, "5125550147", TEXT):
        assert secret.lower() not in left
    assert not [
        line
        for line in left.splitlines()
        if "'lead-1'" in line or '"lead-1"' in line
        if elsewhere not in line
    ]
    assert changed == 7


async def test_positions_and_dedupe_outlive_the_lead(memory: Database) -> None:
    await memory.write(live_a_little)
    await forget(memory)

    read = await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=100))
    again = await memory.write(lambda uow: [uow.events.append(message(name)) for name in ("d-3", "d-next")])

    assert [fact.position for fact in read] == [6, 7, 8]
    assert again[0] is None
    assert again[1] is not None
    assert again[1].position == 9


async def test_a_forgotten_lead_cannot_be_read_anymore(memory: Database) -> None:
    await memory.write(live_a_little)
    await forget(memory)

    def look(uow: UnitOfWork) -> list[object]:
        return [
            uow.leads.get(LOCATION, LEAD),
            uow.leads.intelligence(LOCATION, LEAD),
            uow.events.of_lead(LOCATION, LEAD, before=None, limit=10) or None,
            uow.events.get(LOCATION, message("d-3").event.event_id),
        ]

    assert await memory.read(look) == [None] * 4
    assert await memory.read(lambda uow: uow.tenants.is_forgotten(LOCATION, HASH))
    assert not await memory.read(lambda uow: uow.tenants.is_forgotten(LOCATION, lead_hash(LOCATION, TWIN)))


async def test_another_leads_history_loses_only_the_mention(memory: Database) -> None:
    await memory.write(live_a_little)
    await forget(memory)

    kept = await memory.read(lambda uow: uow.events.of_lead(LOCATION, TWIN, before=None, limit=10))
    twin = await memory.read(lambda uow: uow.leads.get(LOCATION, TWIN))
    bodies = [json.loads(fact.event.model_dump_json()) for fact in reversed(kept)]

    assert bodies[0]["text"] == "my sister writes from:\n[erased] or [erased]"
    assert bodies[1]["body"]["mentions"] == ["[erased]", "lead-1x", "lead-10"]
    assert bodies[2]["text"] == "unrelated"
    assert twin is not None
    assert twin.contact.source == "friend of [erased]"


async def test_what_waits_for_the_crm_goes_and_another_leads_change_loses_only_the_mention(
    memory: Database,
) -> None:
    await memory.write(live_a_little)
    await memory.write(concern_the_crm)
    await forget(memory)

    (left,) = await memory.read(lambda uow: uow.changes.due(LOCATION, now=NOON, limit=9))
    (hint,) = await memory.read(lambda uow: uow.sync.due_rereads(now=NOON, limit=9))
    assert (left.lead_id, hint.lead_id) == (TWIN, TWIN)
    assert left.content == {"body": "sister of [erased]", "mentions": ["[erased]", TWIN]}
    assert left.error == "refused for [erased]"


async def test_a_reading_that_stands_at_the_lead_begins_its_round_anew(memory: Database) -> None:
    await memory.write(live_a_little)
    await memory.write(concern_the_crm)
    await forget(memory)

    contacts = await memory.read(lambda uow: uow.sync.progress(LOCATION, SyncSource.CONTACTS))
    activity = await memory.read(lambda uow: uow.sync.progress(LOCATION, SyncSource.ACTIVITY))
    assert contacts is not None
    assert activity is not None
    assert (contacts.cursor, contacts.items) == ("", 5)
    assert TWIN in activity.cursor


async def test_dead_letters_of_the_lead_go_and_others_stay(memory: Database) -> None:
    await memory.write(live_a_little)
    await forget(memory)

    left = await memory.read(lambda uow: uow.cursors.dead_letters())

    assert [(found.delivery_id, found.raw) for found in left] == [
        ("d-6", "about [erased]"),
        ("d-11", "of nobody"),
        ("d-12", json.dumps({"contactId": LEAD})),
    ]


async def test_what_a_couple_shares_stays_with_the_other(memory: Database) -> None:
    def live(uow: UnitOfWork) -> None:
        for who in (LEAD, TWIN):
            fields: dict[str, object] = {"email": EMAIL, "phone": PHONE}
            uow.events.append(contact(f"c-{who}", lead=who, fields=fields))
            uow.leads.put(known(who, **fields), None)

    await memory.write(live)
    changed = await forget(memory)

    twin = await memory.read(lambda uow: uow.leads.get(LOCATION, TWIN))
    (kept,) = await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=10))
    assert changed == 1
    assert twin is not None
    assert (twin.contact.email, twin.contact.phone) == (EMAIL, PHONE)
    assert EMAIL in kept.event.model_dump_json()


async def test_forgetting_again_or_nobody_changes_nothing(memory: Database) -> None:
    await memory.write(live_a_little)
    await forget(memory)

    assert await forget(memory) == 0
    assert await memory.write(lambda uow: uow.leads.forget(ELSEWHERE, TWIN, lead_hash="h")) == 0


async def test_a_lead_without_contact_data_is_forgotten_too(memory: Database) -> None:
    event = LeadDeleted(
        event_id=EventId("e-1"),
        location_id=LOCATION,
        occurred_at=NOON,
        correlation_id=CorrelationId("c"),
        source=Source.APP_WEBHOOK,
        lead_id=LEAD,
    )
    await memory.write(lambda uow: uow.events.append(delivery("d-1", event)))

    assert await forget(memory) == 1


async def test_compacting_a_busy_memory_keeps_what_is_not_forgotten(memory: Database) -> None:
    await memory.write(live_a_little)
    await forget(memory)
    await memory.compact()

    assert await memory.write(lambda uow: uow.events.append(message("after"))) is not None
    assert len(await memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=100))) == 4


async def test_the_bytes_leave_the_sqlite_files(tmp_path: Path) -> None:
    ada = LeadId("contact-of-ada")
    secrets = [part.encode() for part in (ada, NAME, EMAIL, PHONE, TEXT)]
    dice = random.Random(7)

    def left_on_disk() -> list[bytes]:
        files = b"".join(path.read_bytes() for path in tmp_path.glob("enterprisehub.db*"))
        return [secret for secret in secrets if secret in files]

    def live(uow: UnitOfWork) -> None:
        """Rows of all sizes, so that pages split, which leaves copies behind."""
        for _ in range(40):
            who = dice.choice((ada, *(LeadId(f"lead-{number}") for number in range(19))))
            words = (TEXT if who == ada else "somebody else says") * dice.randrange(1, 100)
            sent = message(f"{dice.random()}", lead=who, text=words)
            uow.events.append(with_raw(sent, body=words * dice.randrange(2)))
            contact_now = {"name": NAME, "email": EMAIL, "phone": PHONE} if who == ada else {"name": "Bo"}
            uow.leads.put(known(who, source=words, **contact_now), None)

    async with Database(sqlite_url(tmp_path), sqlite_synchronous="NORMAL") as memory:
        for _ in range(30):
            await memory.write(live)
        assert left_on_disk() == secrets
        await memory.write(lambda uow: uow.leads.forget(LOCATION, ada, lead_hash=lead_hash(LOCATION, ada)))
        await memory.compact()
        assert left_on_disk() == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"contactId":"lead-1"}', True),
        ("lead-1", True),
        ("LEAD-1", True),
        ("lead-10", False),
        ("mislead-1", False),
        (r"{\"text\":\"\nlead-1\"}", True),
        (r"\u000aada@verysecret.example", True),
        ("Write to ADA@verysecret.example.", True),
        ("ada@verysecret.example.au", False),
        ("nada@verysecret.example", False),
        ("not.ada@verysecret.example", False),
        ("call +1 (512) 555-0147 now", True),
        ("call 15125550147 or 5125550147", True),
        ("order 95125550147", False),
        ("", False),
    ],
)
async def test_a_trace_is_a_whole_word(text: str, found: bool) -> None:
    traces = Traces(LEAD, emails=[EMAIL], phones=[PHONE])

    assert traces.in_any(None, text) is found
    assert (traces.cut(text) != text) is found


async def test_a_short_number_is_no_trace() -> None:
    assert Traces(LEAD, emails=["none"], phones=["911", ""]).needles == ["lead-1"]
