"""Renewal of the token on the open socket, and what else a session says by itself. Fake sockets and a set clock."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ghl_real_estate_ai.errors import Unauthenticated
from ghl_real_estate_ai.limits import CLIENT_MESSAGES_PER_MIN
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Identity, Role
from ghl_real_estate_ai.models.streams import CloseCode, Stream
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.clock import FakeClock
from tests.support.facts import NOON
from tests.support.followers import follow, of, publish
from tests.support.sockets import connected, identity, watching

SOON = NOON + timedelta(seconds=30)
LATER = NOON + timedelta(seconds=90)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def hub(clock: FakeClock) -> WebSocketManager:
    return WebSocketManager(clock=clock, sleep=clock.sleep)


def who(expires_at: datetime, *, user: str = "u-1", role: Role = Role.AGENT) -> Identity:
    return identity(user=user, role=role, expires_at=expires_at)


@pytest.mark.asyncio
async def test_a_newer_token_of_the_same_user_keeps_the_socket_open_without_a_gap(
    hub: WebSocketManager, clock: FakeClock
) -> None:
    known = {"newer": who(LATER)}
    async with watching(hub), connected(hub, who(SOON), renew=known.__getitem__) as socket:
        await socket.say(follow(Stream.LEAD_SCORES))
        await socket.say({"auth": "newer"})
        assert socket.heard[-1] == {"renewed": {"expires_at": "2026-03-02T12:01:30Z"}}
        for _ in range(15):
            await clock.advance(5)
            await socket.say({"pong": max(m.get("ping", 0) for m in socket.heard)})
        assert socket.code is None
        publish(hub, Stream.LEAD_SCORES)
        await socket.say({"pong": 1})
        assert [m.get("o") for m in of(socket, Stream.LEAD_SCORES)] == [None, 1]
        await clock.advance(16)
        assert socket.code == CloseCode.TOKEN_EXPIRED


@pytest.mark.asyncio
async def test_an_older_token_does_not_shorten_the_time(hub: WebSocketManager) -> None:
    async with connected(hub, who(LATER), renew=lambda _: who(SOON)) as socket:
        await socket.say({"auth": "older"})
        assert socket.heard[-1] == {"renewed": {"expires_at": "2026-03-02T12:01:30Z"}}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "other",
    [
        who(LATER, user="u-2"),
        who(LATER, role=Role.ADMIN),
        identity(role=Role.AGENT, location=LocationId("loc-2"), expires_at=LATER),
        None,
    ],
    ids=["another user", "another role", "another tenant", "nobody"],
)
async def test_any_other_token_closes_the_socket(hub: WebSocketManager, other: Identity | None) -> None:
    def renew(_: str) -> Identity:
        if other is None:
            raise Unauthenticated("the access token is not valid; sign in again")
        return other

    async with connected(hub, who(SOON), renew=renew) as socket:
        await socket.say({"auth": "other"})
        assert socket.code == CloseCode.AUTHENTICATION_NEEDED
        assert socket.heard[-1]["error"]["code"] == "authentication_needed"


@pytest.mark.asyncio
async def test_a_renewal_counts_as_a_message(hub: WebSocketManager) -> None:
    async with connected(hub, who(SOON), renew=lambda _: who(LATER)) as socket:
        for _ in range(CLIENT_MESSAGES_PER_MIN):
            await socket.say({"auth": "newer"})
        assert socket.code is None
        await socket.say({"auth": "newer"})
        assert socket.code == CloseCode.RATE_LIMITED


@pytest.mark.asyncio
async def test_where_no_token_can_be_renewed_asking_for_it_closes_the_socket(hub: WebSocketManager) -> None:
    async with connected(hub) as socket:
        await socket.say({"auth": "newer"})
        assert socket.code == CloseCode.AUTHENTICATION_NEEDED
