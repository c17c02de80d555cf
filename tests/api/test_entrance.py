"""The caps at the handshake: 503 with Retry-After, and no socket. Over real sockets."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.api.entrance import Entrance
from ghl_real_estate_ai.errors import TooManyRequests
from ghl_real_estate_ai.limits import HANDSHAKE_RETRY_S
from ghl_real_estate_ai.models.leads import Role
from tests.support.gateway import EVENTUALLY_S, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT = user_of(Role.AGENT)


async def refused(gateway: Gateway, **how: object) -> int:
    with pytest.raises(InvalidStatus) as refusal:
        async with gateway.socket(**how):  # type: ignore[arg-type]  # reason: passed on
            pass
    response = refusal.value.response
    assert response.headers["Retry-After"] == f"{HANDSHAKE_RETRY_S:.0f}"
    return response.status_code


async def test_beyond_so_many_sockets_a_handshake_gets_503_until_one_leaves(gateway: Gateway) -> None:
    before = telemetry.REGISTRY.get_sample_value("websocket_handshakes_refused_total") or 0.0
    entrance = Entrance(most=2)
    gateway.app.state.doors = replace(gateway.doors, entrance=entrance)
    signed = gateway.bearer(AGENT)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            client = await stack.enter_async_context(gateway.socket(headers=signed))
            assert "hello" in await client.hear()
        assert await refused(gateway, headers=signed) == 503
    assert telemetry.REGISTRY.get_sample_value("websocket_handshakes_refused_total") == before + 1

    async def free() -> bool:
        return entrance.open == 0

    await eventually(free)
    async with gateway.socket(headers=signed) as client:
        assert "hello" in await client.hear()


async def test_strangers_are_few_and_do_not_keep_out_who_shows_a_token(gateway: Gateway) -> None:
    entrance = Entrance(most_not_signed_in=1)
    gateway.app.state.doors = replace(gateway.doors, entrance=entrance)
    async with gateway.socket() as stranger:
        assert await refused(gateway) == 503
        async with gateway.socket(headers=gateway.bearer(AGENT)) as client:
            assert "hello" in await client.hear()
        await stranger.say({"auth": gateway.token(AGENT)})
        assert "hello" in await stranger.hear()
        assert entrance.not_signed_in == 0
        async with gateway.socket() as next_one:
            await next_one.say({"auth": gateway.token(AGENT)})
            assert "hello" in await next_one.hear()


async def test_a_place_is_free_again_whatever_ended_its_socket() -> None:
    entrance = Entrance(most=1, most_not_signed_in=1)
    for place in (entrance.socket, entrance.stranger):
        with suppress(ZeroDivisionError), place():
            with pytest.raises(TooManyRequests), place():
                pass
            _ = 1 / 0
        with place():
            pass
    assert (entrance.open, entrance.not_signed_in) == (0, 0)


async def test_a_socket_that_was_turned_away_keeps_its_place_until_it_has_gone(gateway: Gateway) -> None:
    entrance = Entrance()
    gateway.app.state.doors = replace(gateway.doors, entrance=entrance)
    place = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(
        b"GET /v1/realtime?ticket=unknown HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with asyncio.timeout(EVENTUALLY_S):
        await reader.readuntil(b"\r\n\r\n")
        head = await reader.readexactly(2)
        await reader.readexactly(head[1])  # the close frame, which it does not answer
        assert entrance.open == 1
        assert await reader.read() == b""

        async def free() -> bool:
            return entrance.open == 0

        await eventually(free)
    writer.close()
