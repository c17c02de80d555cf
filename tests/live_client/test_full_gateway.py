"""What a browser's code can learn of a full gateway: nothing from the refused handshake, the wait from the refused ticket."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ghl_real_estate_ai.api.entrance import Entrance
from ghl_real_estate_ai.limits import HANDSHAKE_RETRY_S
from ghl_real_estate_ai.models.leads import Role
from tests.support.gateway import Gateway, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_full_gateway_gives_no_ticket_and_says_when_to_ask_again(gateway: Gateway) -> None:
    agent = user_of(Role.AGENT)
    doors = gateway.doors
    gateway.app.state.doors = replace(doors, entrance=Entrance(most=1))
    try:
        assert (await gateway.post("/v1/ws-ticket", agent)).status_code == 201
        async with gateway.socket(headers=gateway.bearer(agent)) as client:
            await client.hear()
            refused = await gateway.post("/v1/ws-ticket", agent)
    finally:
        gateway.app.state.doors = doors
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= HANDSHAKE_RETRY_S
