"""Two processes on one database meet 401s at the same moment: one renewal, no failed call."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Wire
from typing import Any

import pytest

from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import AppCredentials
from ghl_real_estate_ai.integrations.gohighlevel.sealing import TokenSeal
from ghl_real_estate_ai.models.connections import Connection, ConnectionStatus
from ghl_real_estate_ai.storage.database import Database
from tests.support import token_child
from tests.support.crm_access import SECRET, sealed
from tests.support.fake_ghl import FakeGhl, fake_ghl_in_thread
from tests.support.preloaded import talking_child
from tests.support.token_child import Report

pytestmark = pytest.mark.untraced

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


def heard(wire: Wire) -> Any:
    """The child's next word."""
    assert wire.poll(WAIT_S), "the child says nothing"
    return wire.recv()


@pytest.mark.crash
def test_two_processes_with_fifty_401s_each_renew_once_and_fail_no_call(memory_url: str) -> None:
    with fake_ghl_in_thread() as fake:
        asyncio.run(connect(memory_url, fake))
        fake.faults.slow_s = 0.1  # all are under way before the first 401 is back
        app = AppCredentials(fake.client_id, fake.client_secret)
        asked = (token_child.run, memory_url, fake.url, app, fake.location_id, CALLS)
        with talking_child(*asked) as one, talking_child(*asked) as other:
            assert (heard(one), heard(other)) == ("ready", "ready")
            one.send("go")
            other.send("go")
            reports: list[Report] = [heard(one), heard(other)]
        connection = asyncio.run(stored(memory_url, fake.location_id))
    assert [report.failed for report in reports] == [[], []]
    assert [report.good for report in reports] == [CALLS, CALLS]
    assert all(report.refused >= CALLS / 2 for report in reports), "the 401s were parallel"
    assert sum(report.renewals for report in reports) == 1
    assert connection is not None
    assert (connection.generation, connection.status) == (2, ConnectionStatus.ACTIVE)
