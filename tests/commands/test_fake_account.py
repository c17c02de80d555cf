"""The simulated account is served as announced, with its city's past in it."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import httpx
import pytest

from ghl_real_estate_ai.commands.fake_account import FakeAccountOptions, live_in_it, serve_fake_account
from ghl_real_estate_ai.commands.showcase import simulator_key_seed
from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader
from ghl_real_estate_ai.simulation.vendor_signature import VendorKey
from tests.support.webhook_receiver import WebhookReceiver, receiving


def options(folder: Path, **changes: object) -> FakeAccountOptions:
    fields: dict[str, object] = {
        "port": 0, "location_id": "loc-simulated", "data_dir": folder, "leads": 10, "speed": 0.0, "seconds": 3.0,
    }  # fmt: skip
    return FakeAccountOptions(**{**fields, **changes})  # type: ignore[arg-type]  # reason: a test's own words


@pytest.mark.asyncio
async def test_the_announced_account_answers_with_the_announced_token(tmp_path: Path) -> None:
    said: list[str] = []
    lived = asyncio.Event()

    def say(line: str) -> None:
        said.append(line)
        if "are in the account" in line:
            lived.set()

    async with asyncio.TaskGroup() as tasks, httpx.AsyncClient(trust_env=False) as http:
        serving = tasks.create_task(live_in_it(options(tmp_path), say))
        await lived.wait()
        text = "\n".join(said)
        url, token = (found(pattern, text) for pattern in (r"API\s+(\S+)", r"private token\s+(\S+)"))
        body = {"locationId": "loc-simulated", "pageLimit": 5}
        headers = {"Authorization": f"Bearer {token}", "Version": "v3"}
        answer = await http.post(f"{url}/contacts/search", json=body, headers=headers)
        state = (await http.get(f"{url}/_fake/state")).json()
        serving.cancel()
    assert answer.status_code == 200
    assert answer.headers["X-Simulated"] == "enterprisehub"
    assert state["locations"]["loc-simulated"]["contacts"] >= 10


@pytest.mark.asyncio
async def test_the_citys_days_reach_the_gateway_as_signed_webhooks(tmp_path: Path) -> None:
    key = VendorKey(simulator_key_seed(tmp_path)).public
    reader = GoHighLevelWebhookReader(public_keys=(), simulator_public_key=key, wish_fields={})
    async with receiving(WebhookReceiver(reader)) as gateway:
        await live_in_it(options(tmp_path, gateway=gateway.url, seconds=1.0, days=2.0), lambda _: None)
    assert len(gateway.stored) > 5
    assert all(delivery.event.simulated for delivery in gateway.stored.values())


def test_it_ends_by_itself_after_the_seconds_that_it_was_given(tmp_path: Path) -> None:
    said: list[str] = []
    serve_fake_account(options(tmp_path, seconds=0.2, leads=0), say=said.append)
    assert "stopped" in said[-1]


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None
    return match[1]


def test_a_taken_port_is_one_line_with_the_fix(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match="choose another --api-port"):
            serve_fake_account(options(tmp_path, port=port), say=lambda _: None)
