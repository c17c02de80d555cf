"""How many sockets may stand in the gateway: who is turned away, and that a browser learns it before its handshake."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from ghl_real_estate_ai.api.entrance import Entrance
from ghl_real_estate_ai.budgets import HANDSHAKE_RETRY_S
from ghl_real_estate_ai.errors import TooManyRequests
from ghl_real_estate_ai.models.leads import Role
from tests.support.gateway import Gateway, user_of


def test_one_socket_more_than_may_be_open_is_refused_until_another_has_left() -> None:
    entrance = Entrance(most=2)
    with ExitStack() as open_sockets:
        for _ in range(2):
            entrance.expect_room()
            open_sockets.enter_context(entrance.socket())
        for refused in (entrance.expect_room, lambda: entrance.socket().__enter__()):
            with pytest.raises(TooManyRequests) as why:
                refused()
            assert why.value.retry_after_s == HANDSHAKE_RETRY_S
    entrance.expect_room()
    assert entrance.open == 0


def test_those_who_have_not_signed_in_are_counted_apart() -> None:
    entrance = Entrance(most=9, most_not_signed_in=1)
    with entrance.stranger(), pytest.raises(TooManyRequests), entrance.stranger():
        pass
    with entrance.stranger():
        entrance.expect_room()
    assert entrance.not_signed_in == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_a_full_gateway_gives_no_ticket_and_says_when_to_ask_again(gateway: Gateway) -> None:
    agent = user_of(Role.AGENT)
    assert (await gateway.post("/v1/ws-ticket", agent)).status_code == 201
    entrance = gateway.doors.entrance
    before, entrance.open = entrance.open, 10**9
    try:
        answer = await gateway.post("/v1/ws-ticket", agent)
    finally:
        entrance.open = before
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= HANDSHAKE_RETRY_S
