"""The CRM's door: signed, bounded, stored before it is acknowledged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.api.app import create_app
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.budgets import STORAGE_RETRY_S, WEBHOOK_BODY_BYTES
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from tests.support.fake_memory import FakeMemory
from tests.support.gateway import HOME, Gateway, settings_for
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
