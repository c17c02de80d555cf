"""Two processes on one database meet 401s at the same moment: one renewal, no failed call."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ghl_real_estate_ai.integrations.gohighlevel.sealing import TokenSeal
from ghl_real_estate_ai.models.connections import Connection, ConnectionStatus
from ghl_real_estate_ai.storage.database import Database
from tests.support.crm_access import SECRET, sealed
from tests.support.fake_ghl import FakeGhl, fake_ghl_in_thread

ROOT = Path(__file__).parents[2]
CALLS = 50
WAIT_S = 60


async def connect(url: str, fake: FakeGhl) -> None:
    """A connection whose access token was just revoked; its refresh token is good once."""
    authority = fake.vendor.authority
    issued = authority.exchange(fake.code())
    authority.revoke_access()
    now = datetime.now(UTC)
    connection = sealed(
        fake.location_id,
        seal=TokenSeal(SECRET),
        access=issued.access,
        refresh=issued.refresh,
        at=now,
        expires_at=now + timedelta(days=1),
    )
    async with Database(url) as memory:
        await memory.write(lambda uow: uow.connections.put(connection))


async def stored(url: str, owner_id: str) -> Connection | None:
    async with Database(url) as memory:
        return await memory.read(lambda uow: uow.connections.get(owner_id))


def start(url: str, fake: FakeGhl) -> subprocess.Popen[str]:
    """A child that stands ready."""
    arguments = (url, fake.url, fake.client_id, fake.client_secret, fake.location_id, str(CALLS))
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.support.token_child", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


@pytest.mark.crash
def test_two_processes_with_fifty_401s_each_renew_once_and_fail_no_call(memory_url: str) -> None:
    with fake_ghl_in_thread() as fake:
        asyncio.run(connect(memory_url, fake))
        fake.faults.slow_s = 0.1  # all are under way before the first 401 is back
        children = [start(memory_url, fake) for _ in range(2)]
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        reports = [json.loads(child.communicate(timeout=WAIT_S)[0]) for child in children]
        connection = asyncio.run(stored(memory_url, fake.location_id))
    assert [report["failed"] for report in reports] == [[], []]
    assert [report["good"] for report in reports] == [CALLS, CALLS]
    assert all(report["refused"] >= CALLS / 2 for report in reports), "the 401s were parallel"
    assert sum(report["renewals"] for report in reports) == 1
    assert connection is not None
    assert (connection.generation, connection.status) == (2, ConnectionStatus.ACTIVE)
