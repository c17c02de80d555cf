"""How much one client, one user and everybody together may have; and what is not theirs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ghl_real_estate_ai.api.entrance import Entrance
from ghl_real_estate_ai.limits import AUTH_WAIT_S, CLIENT_MESSAGES_PER_MIN, CONNECTIONS_PER_USER
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.streams import AUDIENCE, CloseCode, Stream
from tests.support.gateway import Gateway, served, settings_for
from tests.support.ghl import GhlSigner
from tests.support.stream_items import item
from tests.support.ws_crowd import Opcode, crowd, dial, dismiss, frame, tokens_of, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.untraced]


async def test_limits_messages_per_minute(gateway: Gateway) -> None:
    """The message beyond the limit ends its socket; another socket of the same user goes on."""
    place = LocationId("loc-talkative")
    async with crowd(gateway.url, tokens_of(gateway, 2, place)) as (hasty, patient):
        patient.follow([Stream.LEAD_SCORES])
        for _ in range(CLIENT_MESSAGES_PER_MIN - 1):
            hasty.socket.say({"pong": 1})
        hasty.follow([Stream.LEAD_SCORES])
        await until(lambda: bool(hasty.openings))
        assert hasty.socket.open
        hasty.socket.say({"pong": 1})
        await until(lambda: hasty.socket.gone)
        assert (hasty.socket.code, hasty.errors[-1]["code"]) == (CloseCode.RATE_LIMITED, "rate_limited")
        patient.follow([Stream.CHURN_RISK])
        await until(lambda: len(patient.openings) == 2)


async def test_limits_sockets_per_user(gateway: Gateway) -> None:
    """Fifty at once for ten seats: exactly ten get in, whatever the order; a seat that is left is free again."""
    place, hub = LocationId("loc-crowded"), gateway.services.hub
    tokens = tokens_of(gateway, 50, place, per_user=50)
    async with crowd(gateway.url, tokens) as viewers:
        await until(lambda: sum(viewer.socket.gone for viewer in viewers) == 40)
        await until(lambda: hub.connections_of(place) == CONNECTIONS_PER_USER)
        refused = [viewer for viewer in viewers if viewer.socket.gone]
        assert {viewer.socket.code for viewer in refused} == {CloseCode.TOO_MANY_CONNECTIONS}
        assert {viewer.errors[0]["code"] for viewer in refused} == {"too_many_connections"}
        staying = [viewer for viewer in viewers if not viewer.socket.gone]
        staying[0].socket.leave()
        await until(lambda: hub.connections_of(place) == CONNECTIONS_PER_USER - 1)
        await refused[0].connect()
        refused[0].follow([Stream.LEAD_SCORES])
        await until(lambda: bool(refused[0].openings))
    await until(lambda: hub.connections_of(place) == 0)


async def test_limits_handshake_cap(tmp_path: Path) -> None:
    """One socket too many is answered 503 with a time to come again, before anything is kept for it."""
    signer, place = GhlSigner(), LocationId("loc-full")
    async with served(settings_for(tmp_path, signer), signer) as full:
        entrance = Entrance(most=6, most_not_signed_in=2)
        full.app.state.doors = replace(full.doors, entrance=entrance)
        async with crowd(full.url, tokens_of(full, 3, place)) as members:
            strangers = [await dial(full.url) for _ in range(2)]
            assert [socket.status for socket in strangers] == [101, 101]
            third_stranger = await dial(full.url)
            assert (third_stranger.status, third_stranger.headers["retry-after"]) == (503, "5")
            async with crowd(full.url, tokens_of(full, 4, place, first=1)) as more:
                assert sorted(viewer.socket.status for viewer in more) == [101, 503, 503, 503]
                for viewer in members:
                    viewer.follow([Stream.LEAD_SCORES])
                await until(lambda: all(viewer.openings for viewer in members))
            strangers[0].say({"auth": tokens_of(full, 1, place, first=2)[0]})
            await until(lambda: bool(strangers[0].heard) and entrance.not_signed_in == 1)
            strangers.append(await dial(full.url))
            assert strangers[-1].status == 101
            await dismiss([*strangers, third_stranger])
        await until(lambda: entrance.open == entrance.not_signed_in == 0)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://127.0.0.1:8501.evil.example"])
async def test_limits_foreign_origin(gateway: Gateway, origin: str) -> None:
    (token,) = tokens_of(gateway, 1, LocationId("loc-origin"))
    refused = await dial(gateway.url, headers={"Origin": origin, "Authorization": f"Bearer {token}"})
    assert refused.status == 403
    await until(lambda: refused.gone)
    own = {"Origin": gateway.services.settings.origins[0], "Authorization": f"Bearer {token}"}
    welcome = await dial(gateway.url, headers=own)
    assert welcome.status == 101
    await dismiss([refused, welcome])


@pytest.mark.parametrize("header", [{"Sec-WebSocket-Version": "12"}, {"Sec-WebSocket-Key": "short"}])
async def test_handshakes_of_another_protocol_are_refused(gateway: Gateway, header: dict[str, str]) -> None:
    refused = await dial(gateway.url, headers=header)
    assert refused.status == 400
    await dismiss([refused])


async def test_stale_unauthenticated(gateway: Gateway) -> None:
    """Whoever has not signed in is let go when the wait is over, whatever else they do to look alive."""
    started = time.monotonic()
    silent, pinging, dripping = [await dial(gateway.url) for _ in range(3)]
    endless = frame(b'{"auth":"' + b"x" * 4_000 + b'"}')
    sockets = [silent, pinging, dripping]
    async with asyncio.timeout(AUTH_WAIT_S + 25):
        while not all(socket.code for socket in sockets):
            pinging.write(frame(b"", Opcode.PING))
            dripping.write(endless[:1])
            endless = endless[1:]
            await asyncio.sleep(0.05)
    assert [socket.code for socket in sockets] == [CloseCode.AUTHENTICATION_NEEDED] * 3
    assert time.monotonic() - started >= AUTH_WAIT_S
    assert pinging.pongs
    assert all(socket.heard == [] for socket in (silent, pinging, dripping))
    await dismiss(sockets)


async def test_tenant_and_role_isolation_under_load(gateway: Gateway) -> None:
    """Three tenants and all roles under load: everybody gets all of their own, and nothing else."""
    hub, rounds = gateway.services.hub, 60
    places = [LocationId(f"loc-side-by-side-{number}") for number in range(3)]
    who = [(place, role) for place in places for role in Role for _ in range(8)]
    tokens = [
        token
        for place in places
        for number, role in enumerate(Role)
        for token in tokens_of(gateway, 8, place, role=role, first=number)
    ]
    async with crowd(gateway.url, tokens) as viewers:
        for viewer, (_, role) in zip(viewers, who, strict=True):
            viewer.keeps_items = True
            viewer.follow(stream for stream in Stream if role in AUDIENCE[stream])
        for viewer, (_, role) in zip(viewers, who, strict=True):
            allowed = sum(role in audience for audience in AUDIENCE.values())
            await until(lambda: len(viewer.openings) == allowed)  # noqa: B023  # reason: awaited here
        for number in range(rounds):
            for place in places:
                for stream in Stream:
                    hub.publish(place, stream, item(stream, f"{place}-lead", number))
            await asyncio.sleep(0)
        for viewer, (place, role) in zip(viewers, who, strict=True):
            streams = {stream for stream in Stream if role in AUDIENCE[stream]}
            await until(lambda: all(viewer.offset(s) == rounds for s in streams))  # noqa: B023  # reason: awaited here
            assert set(viewer.screens) == streams
            for stream in streams - {Stream.SYSTEM_PERFORMANCE}:
                assert {one["lead_id"] for one in viewer.items[stream]} == {f"{place}-lead"}
                assert viewer.offsets[stream] == list(range(1, rounds + 1))


async def test_a_forbidden_stream_ends_the_socket_before_anything_of_it_is_told(gateway: Gateway) -> None:
    place = LocationId("loc-forbidden")
    gateway.services.hub.publish(place, Stream.SYSTEM_PERFORMANCE, item(Stream.SYSTEM_PERFORMANCE, "x"))
    for role in Role:
        (token,) = tokens_of(gateway, 1, place, role=role, first=list(Role).index(role))
        async with crowd(gateway.url, [token]) as (viewer,):
            viewer.follow([Stream.SYSTEM_PERFORMANCE])
            if role in AUDIENCE[Stream.SYSTEM_PERFORMANCE]:
                await until(lambda: bool(viewer.openings))  # reason: awaited here
                continue
            await until(lambda: viewer.socket.gone)  # reason: awaited here
            assert viewer.socket.code == CloseCode.FORBIDDEN_STREAM
            assert viewer.errors[-1]["stream"] == "system_performance"
            assert viewer.openings == []
