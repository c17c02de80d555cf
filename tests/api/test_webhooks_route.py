"""The CRM's door: signed, bounded, stored before it is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import structlog

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.api.app import create_app
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.limits import HINTS_PER_MIN, REQUEST_BODY_BYTES, STORAGE_RETRY_S, WEBHOOK_BODY_BYTES
from ghl_real_estate_ai.models.connections import LocationSetup, workflow_key_hash
from ghl_real_estate_ai.models.events import RecordedEvent, Source, VendorEventKept
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, lead_hash
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.synchronization import DeliveryTally, RereadRequest
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from tests.support.fake_memory import FakeMemory
from tests.support.gateway import AWAY, HOME, Gateway, settings_for
from tests.support.ghl import GhlSigner, encoded, webhook

pytestmark = pytest.mark.asyncio(loop_scope="module")


def counted(outcome: str) -> float:
    return telemetry.REGISTRY.get_sample_value("webhooks_received_total", {"outcome": outcome}) or 0.0


async def test_a_delivery_is_in_the_log_when_it_is_acknowledged(gateway: Gateway) -> None:
    before, observed = counted("stored"), len(telemetry.ingest)
    response = await gateway.deliver("ContactCreate", id="lead-w1", name="Ana", webhook_id="w-1")
    events = await gateway.services.memory.read(
        lambda uow: uow.events.of_lead(HOME, "lead-w1", before=None, limit=10)  # type: ignore[arg-type]
    )
    assert (response.status_code, response.json()) == (200, {"status": "stored", "reason": None})
    assert any(recorded.event.type == "LeadUpserted" for recorded in events)
    assert counted("stored") == before + 1
    assert len(telemetry.ingest) > observed or observed == 1_024


async def test_every_answer_has_the_headers_of_all_answers_once(gateway: Gateway) -> None:
    for number in range(3):  # the answer to a stored delivery is one object, sent again and again
        response = await gateway.deliver("ContactCreate", id=f"lead-w1{number}", name="Ana")
        names = [name.lower() for name, _ in response.headers.raw]
        assert len(names) == len(set(names))
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
    refused = await gateway.http.post("/webhooks/ghl", content=b"{}")
    assert (refused.status_code, refused.headers["cache-control"]) == (401, "no-store")


async def test_a_repeated_delivery_is_a_duplicate(gateway: Gateway) -> None:
    answers = [
        await gateway.deliver("ContactCreate", id="lead-w2", name="Ana", webhook_id="w-2") for _ in range(2)
    ]
    assert [answer.json()["status"] for answer in answers] == ["stored", "duplicate"]


async def test_a_location_that_is_not_served_is_ignored_with_a_reason(gateway: Gateway) -> None:
    response = await gateway.deliver("ContactCreate", location_id="loc-unknown", id="x", name="Ana")
    assert response.status_code == 200
    assert response.json()["status"] == "ignored"
    assert response.json()["reason"]


async def test_a_genuine_but_unreadable_delivery_is_a_dead_letter(gateway: Gateway) -> None:
    response = await gateway.deliver("ContactCreate", webhook_id="w-3")
    assert (response.status_code, response.json()["status"]) == (200, "dead_letter")


@pytest.mark.parametrize(
    "signature", [None, "bm90IGEgc2lnbmF0dXJl", "äö"], ids=["none", "wrong", "not ascii"]
)
async def test_what_no_known_key_signed_is_refused(gateway: Gateway, signature: str | None) -> None:
    before = counted("bad_signature")
    body = encoded(webhook("ContactCreate", location_id=HOME, id="lead-w4", name="Ana"))
    headers = {} if signature is None else {"X-GHL-Signature": signature.encode()}
    response = await gateway.http.post("/webhooks/ghl", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "signature_rejected")
    assert counted("bad_signature") == before + 1


async def test_a_stranger_who_knocks_on_and_on_is_counted_and_fills_no_log(gateway: Gateway) -> None:
    before = counted("bad_signature")
    with structlog.testing.capture_logs() as logs:
        for _ in range(20):
            assert (await gateway.http.post("/webhooks/ghl", content=b"{}")).status_code == 401
    assert counted("bad_signature") == before + 20
    assert len([log for log in logs if log["event"] == "webhook.refused"]) <= 1


async def test_a_stranger_with_a_key_of_their_own_is_refused(gateway: Gateway) -> None:
    body = encoded(webhook("ContactCreate", location_id=HOME, id="lead-w5", name="Ana"))
    response = await gateway.http.post("/webhooks/ghl", content=body, headers=GhlSigner().headers(body))
    assert response.status_code == 401


async def test_an_announced_body_above_the_limit_is_refused_unread(gateway: Gateway) -> None:
    before = counted("too_large")
    response = await gateway.http.post("/webhooks/ghl", content=b"x" * (WEBHOOK_BODY_BYTES + 1))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "payload_too_large")
    assert counted("too_large") == before + 1


async def test_a_body_of_unknown_length_is_refused_when_it_passes_the_limit(gateway: Gateway) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * WEBHOOK_BODY_BYTES:
            sent += 65_536
            yield b"x" * 65_536

    try:
        response = await gateway.http.post("/webhooks/ghl", content=endless())
    except httpx.TransportError:  # the server may hang up while we are still sending
        pass
    else:
        assert response.status_code == 413
    assert sent < 64 * WEBHOOK_BODY_BYTES


@asynccontextmanager
async def _opened(services: Services) -> AsyncIterator[Services]:
    yield services


class FullMemory(FakeMemory):
    """Takes no more writes."""

    async def write[T](self, change: Callable[[UnitOfWork], T]) -> T:
        raise StorageUnavailable("the write queue is full; send it again")


async def test_a_delivery_that_was_not_stored_is_to_be_sent_again(gateway: Gateway, tmp_path: Path) -> None:
    memory = FullMemory()
    await FakeMemory.write(
        memory, lambda uow: uow.tenants.put_location(Location(location_id=HOME, name="Home"))
    )
    clock = gateway.services.clock
    bus = EventBus(memory=memory, clock=clock)
    full: Services = replace(
        gateway.services, memory=memory, bus=bus, inbox=EventInbox(memory=memory, bus=bus, clock=clock)
    )
    app = create_app(settings_for(tmp_path, gateway.signer), running=lambda _: _opened(full))
    body = encoded(webhook("ContactCreate", location_id=HOME, id="lead-w6", name="Ana"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http,
    ):
        response = await http.post("/webhooks/ghl", content=body, headers=gateway.signer.headers(body))
    assert (response.status_code, response.json()["error"]["code"]) == (429, "storage_unavailable")
    assert response.headers["retry-after"] == f"{STORAGE_RETRY_S:.0f}"


async def test_what_comes_and_what_is_refused_is_counted_by_door(gateway: Gateway) -> None:
    counter = gateway.services.inbox.counter
    await counter.flush()
    await gateway.deliver("ContactCreate", id="lead-w7", name="Ana", webhook_id="w-7")
    await gateway.deliver("ContactCreate", id="lead-w7", name="Ana", webhook_id="w-7")
    await gateway.http.post("/webhooks/ghl", content=b"{}")
    today = gateway.services.clock.now().date()

    def look(uow: UnitOfWork) -> list[DeliveryTally]:
        return [tally for place in ("", HOME) for tally in uow.sync.tallies(place, since=today)]

    before = await gateway.services.memory.read(look)
    await counter.flush()
    after = await gateway.services.memory.read(look)
    counted = {(tally.location_id, tally.source, tally.outcome): tally.count for tally in after}
    known = {(tally.location_id, tally.source, tally.outcome): tally.count for tally in before}
    grown = {key: count - known.get(key, 0) for key, count in counted.items() if count != known.get(key, 0)}
    assert grown == {
        (HOME, "app_webhook", "stored"): 1,
        (HOME, "app_webhook", "duplicate"): 1,
        ("", "app_webhook", "bad_signature"): 1,
    }


# --- the workflow action: unsigned --------------------------------------------------------------------------------

KEY = "k" * 43
HINT = {
    "contact_id": "lead-h1",
    "full_name": "Ana Diaz",
    "tags": "buyer,hot",
    "pipleline_stage": "Showing",
    "location": {"id": "somebody-elses"},
    "customData": {"event": "lead.created"},
}


async def open_a_url(gateway: Gateway, location_id: LocationId = HOME, key: str = KEY) -> str:
    setup = LocationSetup(location_id=location_id, workflow_key_hash=workflow_key_hash(key))
    await gateway.services.memory.write(lambda uow: uow.connections.put_setup(setup))
    return f"/webhooks/ghl/workflow/{key}"


async def hints_about(gateway: Gateway, lead: str, location_id: LocationId = HOME) -> list[RecordedEvent]:
    return await gateway.services.memory.read(
        lambda uow: uow.events.of_lead(location_id, LeadId(lead), before=None, limit=10)
    )


async def asked_for(gateway: Gateway) -> list[RereadRequest]:
    later = gateway.services.clock.now().replace(year=2100)
    return await gateway.services.memory.read(lambda uow: uow.sync.due_rereads(now=later, limit=1_000))


async def test_a_workflow_webhook_is_kept_and_its_lead_is_to_be_read_again(gateway: Gateway) -> None:
    url = await open_a_url(gateway)
    response = await gateway.http.post(url, json=HINT)
    assert (response.status_code, response.json()["status"]) == (200, "stored")
    (kept,) = await hints_about(gateway, "lead-h1")
    assert isinstance(kept.event, VendorEventKept)
    assert (kept.event.location_id, kept.event.source) == (HOME, Source.WORKFLOW_WEBHOOK)
    assert kept.event.vendor_type == "workflow:lead.created"
    assert kept.event.body == HINT
    assert not kept.event.simulated
    assert [request.lead_id for request in await asked_for(gateway)] == ["lead-h1"]


async def test_nothing_that_an_unsigned_body_says_is_believed(gateway: Gateway) -> None:
    url = await open_a_url(gateway)
    forged = {**webhook("ContactCreate", location_id=AWAY, id="lead-h2", name="Eve"), "contact_id": "lead-h2"}
    assert (await gateway.http.post(url, json=forged)).status_code == 200
    (kept,) = await hints_about(gateway, "lead-h2")
    assert kept.event.type == "VendorEventKept"
    assert kept.event.location_id == HOME
    assert await hints_about(gateway, "lead-h2", AWAY) == []


async def test_the_same_workflow_webhook_again_is_a_duplicate_that_asks_again(gateway: Gateway) -> None:
    url = await open_a_url(gateway)
    body = {**HINT, "contact_id": "lead-h3"}
    first = await gateway.http.post(url, json=body)
    (asked,) = [request for request in await asked_for(gateway) if request.lead_id == "lead-h3"]
    second = await gateway.http.post(url, json=body)
    (again,) = [request for request in await asked_for(gateway) if request.lead_id == "lead-h3"]
    assert [first.json()["status"], second.json()["status"]] == ["stored", "duplicate"]
    assert again.requested_at > asked.requested_at


async def test_an_unknown_workflow_url_is_a_path_like_any_other_that_does_not_exist(gateway: Gateway) -> None:
    unknown = await gateway.http.post(f"/webhooks/ghl/workflow/{'x' * 43}", json=HINT)
    elsewhere = await gateway.http.post("/webhooks/nothing-here", json=HINT)
    assert (unknown.status_code, unknown.json()) == (elsewhere.status_code, elsewhere.json())
    assert unknown.status_code == 404


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"hello"])
async def test_a_workflow_body_that_is_no_object_is_refused(gateway: Gateway, body: bytes) -> None:
    url = await open_a_url(gateway, key="j" * 43)
    response = await gateway.http.post(url, content=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_input")


async def test_a_workflow_body_without_a_lead_is_kept_and_asks_for_nothing(gateway: Gateway) -> None:
    url = await open_a_url(gateway)
    before = await asked_for(gateway)
    response = await gateway.http.post(url, json={"customData": {"event": "x"}})
    assert response.json()["status"] == "stored"
    assert await asked_for(gateway) == before


async def test_a_workflow_body_above_the_limit_is_refused(gateway: Gateway) -> None:
    url = await open_a_url(gateway)
    response = await gateway.http.post(url, content=b"x" * (REQUEST_BODY_BYTES + 1))
    assert response.status_code == 413


async def test_a_workflow_about_a_forgotten_lead_is_not_kept(gateway: Gateway) -> None:
    url = await open_a_url(gateway)
    lead, digest = LeadId("lead-h4"), lead_hash(HOME, LeadId("lead-h4"))
    await gateway.services.memory.write(lambda uow: uow.leads.forget(HOME, lead, lead_hash=digest))
    response = await gateway.http.post(url, json={**HINT, "contact_id": lead})
    assert response.json()["status"] == "ignored"
    assert lead not in [request.lead_id for request in await asked_for(gateway)]


async def test_a_location_gets_only_so_many_workflow_webhooks_a_minute(gateway: Gateway) -> None:
    url = await open_a_url(gateway, AWAY, key="a" * 43)
    # At once: one after the other they may take so long that the limit is never met.
    answers = await asyncio.gather(
        *(gateway.http.post(url, json={"contact_id": f"lead-flood-{n}"}) for n in range(2 * HINTS_PER_MIN))
    )
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(429) > 0
    assert set(statuses) == {200, 429}
    assert (await gateway.http.post(await open_a_url(gateway), json=HINT)).status_code == 200
