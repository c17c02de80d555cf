"""The receiver's acceptance list, line by line, over real HTTP: what an account's owner may rely on.

Line 6 in every combination of fault and kind: test_send_once.py; each finding of line 7: tests/services/test_crm_health.py.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import structlog

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.commands.doctor import examine, lines
from ghl_real_estate_ai.crm_ports import CrmWriter
from ghl_real_estate_ai.integrations.gohighlevel.sealing import ACCESS, TokenSeal
from ghl_real_estate_ai.limits import WEBHOOK_BODY_BYTES
from ghl_real_estate_ai.models.connections import Connection, ConnectionKind, LocationSetup, OwnerKind
from ghl_real_estate_ai.models.diagnosis import LAG_WARNING_EVENTS, PAUSE_DELIVERIES
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.leads import Lead, Role
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange, DeliveryTally
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.storage.database import Database
from tests.journeys.test_send_once import office
from tests.support import facts
from tests.support.fake_ghl import FakeGhl, fake_ghl
from tests.support.gateway import AWAY, HOME, Gateway, eventually, furnish, served, settings_for, user_of
from tests.support.ghl import GhlSigner, encoded, webhook

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]
LEADS = tuple(f"lead-{number}" for number in range(6))


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway of its own for each line."""
    signer = GhlSigner()
    async with served(settings_for(tmp_path, signer), signer) as running:
        await furnish(running.services)
        yield running


async def handled(door: Gateway) -> None:
    """Until nothing waits."""

    async def idle() -> bool:
        return await door.services.bus.lag(HOME) == 0

    await eventually(idle)


async def leads(door: Gateway) -> dict[str, Lead]:
    """The leads as stored."""
    found = await door.services.memory.read(lambda uow: uow.leads.newest(HOME, limit=100))
    return {lead.lead_id: lead for lead, _ in found}


def message(lead: str, number: int, **fields: object) -> bytes:
    """One inbound SMS; its clock runs with its number."""
    return encoded(
        webhook(
            "InboundMessage",
            location_id=HOME,
            webhook_id=f"hook-{lead}-{number}",
            contactId=lead,
            conversationId=f"c-{lead}",
            messageId=f"m-{lead}-{number}",
            direction="inbound",
            messageType="SMS",
            body=f"Message {number}",
        )
        | {"timestamp": f"2026-11-23T12:{number:02d}:00.000Z"}
        | fields
    )


async def post(door: Gateway, body: bytes, signature: str | None = None) -> tuple[int, str]:
    """Deliver bytes, genuinely signed unless told otherwise; status and outcome or error code."""
    headers = door.signer.headers(body)
    if signature is not None:
        headers["X-GHL-Signature"] = signature
    answer = await door.http.post("/webhooks/ghl", content=body, headers=headers)
    content = answer.json()
    return answer.status_code, content.get("status") or content["error"]["code"]


async def test_line_1_raw_bytes_are_verified_before_they_are_parsed_and_a_bad_signature_rings(
    door: Gateway,
) -> None:
    body = message("lead-0", 1)
    same_json = body.replace(b'","', b'", "')
    with structlog.testing.capture_logs() as logs:
        assert await post(door, same_json, door.signer.sign(body)) == (401, "signature_rejected")
        assert await post(door, body, "N/A") == (401, "signature_rejected")
        assert await post(door, body, GhlSigner().sign(body)) == (401, "signature_rejected")
        assert await post(door, b"{not json", GhlSigner().sign(b"{not json")) == (401, "signature_rejected")
        huge = b"x" * (WEBHOOK_BODY_BYTES + 1)
        assert await post(door, huge) == (413, "payload_too_large")
    alarms = [log for log in logs if log["event"] == "webhook.refused"]
    assert [(log["log_level"], log["why"]) for log in alarms] == [
        ("warning", "bad_signature"),
        ("warning", "too_large"),
    ], "each reason at once, then with its count a minute later"
    assert await door.services.memory.read(lambda uow: uow.events.head(HOME)) == 0
    assert await post(door, body) == (200, "stored")


async def test_line_2_a_delivery_is_unique_by_its_id_and_a_repeat_is_answered_already_known(
    door: Gateway,
) -> None:
    # How fast: WEBHOOK_ACK_P99_MS, measured by `enterprisehub bench --only WEBHOOK_ACK_P99_MS`, not here.
    body = message("lead-0", 1)
    answers = await asyncio.gather(*(post(door, body) for _ in range(10)))
    assert sorted(answers) == [(200, "duplicate")] * 9 + [(200, "stored")]
    again_under_another_id = message("lead-0", 1, webhookId="hook-of-a-second-subscription")
    assert await post(door, again_under_another_id) == (200, "duplicate"), "the same message counts once"
    raw = await door.services.memory.read(lambda uow: uow.events.raw_of_lead(HOME, LeadId("lead-0")))
    assert list(raw.values()) == [body.decode()], "the raw text lies in the row of the event"


async def test_line_3_poison_becomes_a_dead_letter_and_an_unknown_type_is_kept(door: Gateway) -> None:
    poison = encoded(webhook("ContactCreate", location_id=HOME, webhook_id="poison"))
    assert await post(door, poison) == (200, "dead_letter")
    tomorrow = encoded(
        webhook("HologramReceived", location_id=HOME, webhook_id="new", contactId="lead-0", x=[1])
    )
    assert await post(door, tomorrow) == (200, "stored")
    letters = await door.services.memory.read(lambda uow: uow.cursors.dead_letters(HOME))
    assert [letter.delivery_id for letter in letters] == ["poison"]
    (kept,) = await door.services.memory.read(lambda uow: uow.events.read(HOME, after=0, limit=9))
    assert kept.event.model_dump()["vendor_type"] == "HologramReceived"


async def test_line_4_any_order_and_any_repeats_end_in_the_same_state(tmp_path: Path) -> None:
    signer = GhlSigner()
    states = []
    bodies = [message(lead, number) for lead in LEADS for number in range(8)]
    for seed in range(3):
        luck = random.Random(seed)
        sent = luck.sample(bodies, len(bodies)) + luck.choices(bodies, k=20) if seed else bodies
        folder = tmp_path / str(seed)
        folder.mkdir()
        async with served(settings_for(folder, signer), signer) as door:
            await furnish(door.services)
            for start in range(0, len(sent), 16):
                await asyncio.gather(*(post(door, body) for body in sent[start : start + 16]))
            await handled(door)
            found = await leads(door)
            states.append({lead_id: lead.model_dump(exclude={"position"}) for lead_id, lead in found.items()})
    assert states[0].keys() == set(LEADS)
    for disturbed in states[1:]:
        for lead_id, calm in states[0].items():
            assert disturbed[lead_id]["activity"]["counts"] == calm["activity"]["counts"]
            assert disturbed[lead_id]["last_inbound"] == calm["last_inbound"]
            assert disturbed[lead_id]["stamps"] == calm["stamps"]


async def test_line_5_a_restart_loses_nothing_and_a_full_store_asks_for_a_repeat_and_rings(
    tmp_path: Path,
) -> None:
    signer = GhlSigner()
    settings = settings_for(tmp_path, signer)
    bodies = [message(lead, number) for lead in LEADS for number in range(8)]
    async with served(settings, signer) as door:
        await furnish(door.services)
        answers = await asyncio.gather(*(post(door, body) for body in bodies))
        assert set(answers) == {(200, "stored")}
        # and out, with the backlog hardly begun
    async with served(settings, signer) as door:
        await handled(door)
        counts = {lead.activity.counts["message_in"] for lead in (await leads(door)).values()}  # type: ignore[index]
        assert counts == {8}
        other_process = sqlite3.connect(tmp_path / "enterprisehub.db", isolation_level=None)
        other_process.execute("BEGIN IMMEDIATE")
        with structlog.testing.capture_logs() as logs:
            assert await post(door, message("lead-0", 9)) == (429, "storage_unavailable")
        other_process.execute("ROLLBACK")
        other_process.close()
        assert {"error"} == {log["log_level"] for log in logs if log["event"] == "webhook.not_stored"}
        assert await post(door, message("lead-0", 9)) == (200, "stored")


# --- line 6: what we send -------------------------------------------------------------------------------------------


class Witness:
    """A ``CrmWriter`` that keeps what is done in turn, and what memory holds of the intent at the moment of the call."""

    def __init__(self, writer: CrmWriter, memory: Memory) -> None:
        self._writer, self._memory = writer, memory
        self.done: list[str] = []
        self.known: list[CrmChange | None] = []

    async def apply(self, change: CrmChange) -> str | None:
        self.done.append("send")
        self.known.append(
            await self._memory.read(lambda uow: uow.changes.get(change.location_id, change.change_id))
        )
        return await self._writer.apply(change)

    async def find(self, change: CrmChange) -> str | None:
        self.done.append("look")
        return await self._writer.find(change)


async def test_line_6_an_intended_send_is_stored_before_the_call_and_looked_for_after_a_time_out(
    sqlite_memory: Database,
) -> None:
    async with office(sqlite_memory) as here:
        witness = Witness(here.desk.writer, sqlite_memory)
        await here.want(ChangeKind.MESSAGE)
        here.desk.fake.faults.only_method, here.desk.fake.faults.lose_next = "POST", 1
        for _ in range(3):
            await here.outbox(witness).step()
            here.clock.set_forward(60)
        (known,) = witness.known
        assert known is not None
        assert (known.change_id, known.status, known.attempts) == ("message:1", ChangeStatus.PENDING, 1)
        assert witness.done == ["send", "look"]
        assert here.desk.http.calls["GET /conversations/search"] == 1
        assert here.made(ChangeKind.MESSAGE) == [(await here.settled()).remote_id]


async def test_line_6_a_403_on_a_status_is_not_yet_and_a_500_is_asked_whether_it_is_the_id(
    sqlite_memory: Database,
) -> None:
    async with office(sqlite_memory) as here:
        here.desk.fake.habits.status_lag_s = 30.0
        sent = await here.desk.writer.apply(
            here.desk.change(ChangeKind.MESSAGE, here.lead_id, {"channel": "sms", "text": "Hello"})
        )
        report = here.desk.change(
            ChangeKind.MESSAGE,
            here.lead_id,
            {"message_id": sent, "status": "delivered"},
            created_at=here.clock.now(),
        )
        await sqlite_memory.write(lambda uow: uow.changes.want(report))
        await here.outbox().step()
        waiting = await here.settled()
        assert (waiting.status, "takes seconds" in (waiting.error or "")) == (ChangeStatus.PENDING, True)
        here.clock.set_forward(60)
        await here.outbox().step()
        assert (await here.settled()).status is ChangeStatus.DONE

        nothing = {"message_id": "aMessageThatIsNowhere", "status": "delivered"}
        wrong = report.model_copy(update={"content": nothing})
        await sqlite_memory.write(lambda uow: uow.changes.want(wrong))
        here.desk.fake.faults.only_path, here.desk.fake.faults.fail_after_next = "/status", 9
        await here.outbox().step()
        refused = await here.settled()
        assert (refused.status, "not found" in (refused.error or "")) == (ChangeStatus.FAILED, True)


# --- line 7: the health page ----------------------------------------------------------------------------------------

BAD = {
    AWAY: {
        "app_webhook": ("2 days ago", "re-enable"),
        "deliveries": ("will pause the address", "401"),
        "bus_lag": (f"{LAG_WARNING_EVENTS + 1} events wait", "enterprisehub serve"),
    },
    HOME: {
        "token": ("95 days old and was due for rotation", "Rotate"),
        "api_quota": ("API calls are left today of 1000", "find what else uses"),
    },
}
"""Location -> check -> what is said, and the fix."""


@asynccontextmanager
async def standing_still(settings: Settings) -> AsyncIterator[Services]:
    """The services without a bus that runs: what comes in waits."""
    async with bootstrap.opened(settings) as memory:
        services = bootstrap.compose(settings, memory)
        async with services.crm.open():
            yield services


async def neglect(door: Gateway, fake: FakeGhl) -> None:
    """One location's private token is old and its calls are used up; the other's app is silent, refused and behind."""
    services, now = door.services, door.services.clock.now()
    await services.crm.connections.connect_private_token(HOME, fake.pit)
    private = await services.crm.connections.of_location(HOME)
    assert private is not None
    app = Connection(
        owner_id=AWAY,
        owner_kind=OwnerKind.LOCATION,
        kind=ConnectionKind.OAUTH,
        access_token=TokenSeal(services.settings.sealing_secret()).seal(
            fake.access_token(AWAY), owner_id=AWAY, field=ACCESS
        ),
        obtained_at=now - timedelta(days=10),
        simulated=True,
    )
    old = private.model_copy(update={"obtained_at": now - timedelta(days=95)})
    silent_since = now - timedelta(days=2)
    tallies = [
        DeliveryTally(day=at.date(), location_id=place, source="app_webhook", outcome=outcome, count=count, last_at=at)
        for place, outcome, count, at in (
            (AWAY, "stored", PAUSE_DELIVERIES, silent_since),
            (HOME, "stored", 5, now),
            ("", "refused", PAUSE_DELIVERIES, now),
        )
    ]  # fmt: skip

    def spoil(uow: UnitOfWork) -> None:
        for connection in (old, app):
            uow.connections.put(connection)
            uow.connections.put_setup(LocationSetup.model_validate({"location_id": connection.owner_id}))
        uow.sync.add_tallies(tallies)

    await services.memory.write(spoil)
    waiting = [facts.message(f"m-{number}", location=AWAY) for number in range(LAG_WARNING_EVENTS + 1)]
    await services.inbox.receive_page(AWAY, waiting)
    fake.vendor.limits.per_day, fake.vendor.limits.per_interval = 1_000, 10_000
    private_grant = fake.vendor.authority.grant_of(fake.pit)
    assert private_grant is not None
    for _ in range(950):  # somebody else's calls
        fake.vendor.limits.take((private_grant.app_id, HOME))


async def test_line_7_doctor_and_health_page_say_what_is_bad_and_how_to_mend_it(tmp_path: Path) -> None:
    signer = GhlSigner()
    async with fake_ghl(location_ids=(HOME, AWAY), limits=True) as fake:
        settings = settings_for(tmp_path, signer).model_copy(update={"ghl_api_url": fake.url})
        async with served(settings, signer, running=standing_still) as door:
            await furnish(door.services)
            await neglect(door, fake)
            for diagnosis in await examine(door.services.memory, door.services.crm.health, None):
                written = [line.plain for line in lines(diagnosis)]
                for check, (said, fix) in BAD[LocationId(diagnosis.location_id)].items():
                    place = next(n for n, line in enumerate(written) if f" {check} " in line)
                    assert said in written[place], written[place]
                    assert fix in written[place + 1].partition("-> ")[2]
            for location_id, checks in BAD.items():
                answer = await door.get("/v1/health/crm", user_of(Role.ADMIN, location_id))
                shown = {finding["check"]: finding for finding in answer.json()["findings"]}
                for check, (said, fix) in checks.items():
                    assert shown[check]["status"] in {"warning", "failure"}, shown[check]
                    assert said in shown[check]["what"]
                    assert fix in shown[check]["fix"]
