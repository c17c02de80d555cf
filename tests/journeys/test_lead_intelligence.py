"""The whole way: a signed webhook over HTTP, the real gateway and dashboard, a real browser, an agent's click, the log.

Nothing is replaced: the processes are started as an operator starts them; only the vendor's key is the test's own.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands import launch, records
from ghl_real_estate_ai.models.events import ActionAcknowledged, Event, LeadIntelligenceUpdated
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.leads import Location, Role, User
from ghl_real_estate_ai.settings import Settings, load_settings
from tests.support.browser import open_page
from tests.support.dashboard import PASSWORD, sign_in, wait_until_live
from tests.support.ghl import LOCATION, GhlSigner, webhook
from tests.support.ports import port_of_its_own

pytestmark = pytest.mark.untraced

AGENT = "agent@example.com"
WORDS = "Could we see 12 Harbour Street tomorrow at five?"


async def furnish(settings: Settings) -> User:
    """A location with one agent, on the installation's own database."""
    async with bootstrap.opened(settings) as memory:
        place = LocationId(LOCATION)
        await records.add_location(memory, Location(location_id=place, name="Harbour Realty"))
        return await records.add_user(
            memory, location_id=place, email=AGENT, name="Ana Agent", role=Role.AGENT, password=PASSWORD
        )


@contextmanager
def installation(folder: Path, signer: GhlSigner) -> Iterator[tuple[Settings, User]]:
    """Gateway and dashboard by the operator's one command."""
    settings = load_settings(
        data_dir=folder,
        port=port_of_its_own(),
        dashboard_port=port_of_its_own(),
        ghl_public_keys=(signer.public_key,),
    )
    user = asyncio.run(furnish(settings))
    log = folder / "server.log"
    command = [sys.executable, "-m", "ghl_real_estate_ai.cli", "serve"]
    with launch.child(command, env=launch.environment(settings), log=log) as process:
        launch.wait_until_ready(f"{settings.gateway_url}/health/ready", process=process, log=log)
        launch.wait_until_ready(f"{settings.dashboard_url}/_stcore/health", process=process, log=log)
        yield settings, user
    assert "Traceback" not in log.read_text()


def send(settings: Settings, signer: GhlSigner, body: dict[str, object]) -> str:
    """One signed delivery; the gateway's word on it."""
    raw = json.dumps(body).encode()
    answer = httpx.post(f"{settings.gateway_url}/webhooks/ghl", content=raw, headers=signer.headers(raw))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])


async def log_of(settings: Settings) -> list[Event]:
    async with bootstrap.opened(settings) as memory:
        return [recorded.event async for recorded in records.log_events(memory, LocationId(LOCATION))]


@pytest.mark.browser
def test_a_webhook_moves_the_screen_and_the_agents_click_becomes_an_event(tmp_path: Path) -> None:
    signer = GhlSigner()
    with installation(tmp_path, signer) as (settings, user), open_page() as page:
        sign_in(page, settings.dashboard_url, email=AGENT)
        wait_until_live(page)
        now = datetime.now(UTC).isoformat()
        created = webhook("ContactCreate", webhook_id="hook-1", id="lead-1", name="Zelda Quill") | {
            "timestamp": now
        }
        assert send(settings, signer, created) == "stored"
        said = {
            "contactId": "lead-1",
            "direction": "inbound",
            "messageType": "SMS",
            "messageId": "msg-1",
            "body": WORDS,
        }
        wrote = webhook("InboundMessage", webhook_id="hook-2", **said) | {"timestamp": now}
        assert send(settings, signer, wrote) == "stored"
        assert send(settings, signer, wrote) == "duplicate"

        queue = page.locator("section[data-stream=next_actions]")
        row = queue.locator("li", has_text="Zelda Quill")
        row.filter(has_text=WORDS).wait_for()  # the new lead has been shown before its message
        page.locator("section[data-stream=lead_scores]", has_text="Zelda Quill").wait_for()
        page.locator("section[data-stream=conversation_feed]", has_text=WORDS).wait_for()
        assert not page.locator("text=SIMULATED DATA").is_visible(), (
            "a genuine delivery is not marked as simulated"
        )

        page.locator("section[data-stream=lead_scores]").get_by_role("button", name="Zelda Quill").click()
        drawer = page.get_by_role("dialog")
        # the model that ships must say that it was fitted on a simulation
        drawer.filter(has_text="fitted on").filter(has_text=re.compile("simulat")).wait_for()
        page.keyboard.press("Escape")

        row.get_by_role("button", name="Done: ").click()  # no phone and no email: nothing to call or write to
        queue.locator("li", has_text=WORDS).wait_for(
            state="detached"
        )  # the lead may have another action open
    events = asyncio.run(log_of(settings))
    (taken,) = [event for event in events if isinstance(event, ActionAcknowledged)]
    assert (taken.lead_id, taken.user_id) == (LeadId("lead-1"), user.user_id)
    known = [event.intelligence for event in events if isinstance(event, LeadIntelligenceUpdated)]
    put_off = known[-1].next_action
    assert put_off is not None
    assert (put_off.action_id, put_off.taken_on, put_off.snoozed_until) == (
        taken.action_id,
        True,
        taken.until,
    )
