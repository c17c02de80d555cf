"""A lead writes on three days and then no more: the house says so by the clock, over a restart, and the screens hear it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import JsonValue

from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.learning_ports import RiskTimer
from ghl_real_estate_ai.models.events import LeadWentQuiet
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.intelligence import RiskStage
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel
from tests.support.dashboard import OFFICE, PASSWORD, LiveGateway, dashboard_settings, live_gateway

pytestmark = pytest.mark.untraced

AGENT = "dana@example.com"
KEY = b"a test's own key"
FIRST = datetime(2026, 3, 2, 9, tzinfo=UTC)
SILENT, TALKATIVE = LeadId("lead-silent"), LeadId("lead-talkative")


@dataclass(frozen=True)
class Sent:
    """What the CRM reports."""

    at: datetime
    type: str
    body: Mapping[str, JsonValue]


def created(lead_id: str, name: str) -> Sent:
    return Sent(FIRST, "ContactCreate", {"id": lead_id, "name": name})


def wrote(lead_id: str, day: float) -> Sent:
    said: dict[str, JsonValue] = {
        "contactId": lead_id,
        "direction": "inbound",
        "messageType": "SMS",
        "messageId": f"{lead_id}-{day}",
        "body": "Is it still there?",
    }
    return Sent(FIRST + timedelta(days=day), "InboundMessage", said)


def send(gateway: LiveGateway, run_id: str, *events: Sent) -> None:
    """One after the other, signed; returns when everything is handled."""
    vendor = FakeGoHighLevel(gateway_url=gateway.settings.gateway_url, key_seed=KEY, concurrency=1)
    tally = asyncio.run(vendor.run(events, location_id=OFFICE, speed=0, run_id=run_id))
    assert tally.stored == len(events)
    gateway.do(handled)


async def handled(services: Services) -> None:
    async with asyncio.timeout(20):
        while await services.bus.lag(OFFICE):
            await asyncio.sleep(0.02)


async def quiet(services: Services) -> list[LeadWentQuiet]:
    found = await services.memory.read(lambda uow: uow.events.read(OFFICE, after=0, limit=1_000))
    return [recorded.event for recorded in found if isinstance(recorded.event, LeadWentQuiet)]


async def timers(services: Services) -> list[RiskTimer]:
    return await services.memory.read(lambda uow: uow.timers.of_lead(OFFICE, SILENT))


async def once_told(services: Services) -> LeadWentQuiet:
    async with asyncio.timeout(25):
        while not (told := await quiet(services)):
            await asyncio.sleep(0.05)
    await handled(services)
    (fact,) = told
    return fact


def test_silence_is_told_by_the_clock_and_outlives_a_restart(tmp_path: Path) -> None:
    vendor = FakeGoHighLevel(gateway_url="", key_seed=KEY)
    settings = dashboard_settings(tmp_path).model_copy(update={"simulator_public_key": vendor.public_key})
    with live_gateway(settings) as gateway:
        gateway.add_user(email=AGENT, role=Role.AGENT)
        send(gateway, "a", created(SILENT, "Sol Silent"), *(wrote(SILENT, day) for day in (0.1, 1, 2)))
        ahead = gateway.do(timers)
        assert [timer.stage for timer in ahead] == [RiskStage.EARLY, RiskStage.ACTIVE, RiskStage.CRITICAL]
        assert gateway.do(quiet) == []

        gateway.stop()
        gateway.start()
        # others live on: by their newest event all of the silent lead's timers have run out
        after = (ahead[-1].due_at - FIRST) / timedelta(days=1) + 1
        send(gateway, "b", created(TALKATIVE, "Tara Talkative"), wrote(TALKATIVE, after))
        fact = gateway.do(once_told)
        assert (fact.lead_id, fact.stage, fact.simulated) == (SILENT, RiskStage.CRITICAL, True)
        assert fact.due_at == ahead[-1].due_at

        url = gateway.settings.gateway_url
        signed_in = httpx.post(f"{url}/v1/sessions", json={"email": AGENT, "password": PASSWORD}).json()
        headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
        detail = httpx.get(f"{url}/v1/leads/{SILENT}", headers=headers).json()
        shown = detail["intelligence"]
        assert shown["cause"]["summary"] == f"silent for {after - 2:.0f} days"
        assert shown["churn"]["value"]["stage"] == RiskStage.CRITICAL
        assert shown["next_action"]["kind"] in {"re_engage", "first_response", "reply"}
        assert any(entry["type"] == "LeadWentQuiet" for entry in detail["timeline"])
        stream = httpx.get(f"{url}/v1/streams/churn_risk", headers=headers).json()
        (item,) = (item for item in stream["items"] if item["key"] == SILENT)
        assert item["churn"]["value"]["probability"] == shown["churn"]["value"]["probability"]
        assert item["simulated"]
        assert gateway.do(timers) == []
