"""The receiver's acceptance list, line by line, over real HTTP: what an account's owner may rely on.

Lines 1 to 5 are here; line 6 (nothing is sent twice) and line 7 (the health page) end the list.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog

from ghl_real_estate_ai.budgets import WEBHOOK_BODY_BYTES
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.leads import Lead
from tests.support.gateway import HOME, Gateway, eventually, furnish, served, settings_for
from tests.support.ghl import GhlSigner, encoded, webhook

pytestmark = pytest.mark.asyncio
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
    assert [log["log_level"] for log in alarms] == ["warning"] * 5
    assert await door.services.memory.read(lambda uow: uow.events.head(HOME)) == 0
    assert await post(door, body) == (200, "stored")


async def test_line_2_a_delivery_is_unique_by_its_id_and_a_repeat_is_answered_already_known(
    door: Gateway,
) -> None:
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
