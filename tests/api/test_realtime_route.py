"""The live socket and its REST twins, over real sockets: sign-in by three ways, origin, codes, resume."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.exceptions import InvalidStatus

from ghl_real_estate_ai.api.routes.realtime import authenticate, realtime
from ghl_real_estate_ai.errors import Unauthenticated
from ghl_real_estate_ai.limits import CLIENT_FRAME_BYTES, CONNECTIONS_PER_USER
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.streams import CloseCode, Stream
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.gateway import AWAY, Client, Gateway, eventually, user_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN = user_of(Role.ADMIN)
AGENT = user_of(Role.AGENT)


async def open_and_greeted(client: Client) -> dict[str, str]:
    user: dict[str, str] = (await client.hear())["hello"]["user"]
    return user


# --- signing in ---------------------------------------------------------------------------------------------------


async def test_a_ticket_opens_one_socket_for_its_owner(gateway: Gateway) -> None:
    given = (await gateway.post("/v1/ws-ticket", AGENT)).json()
    assert given["expires_in_s"] == 30
    async with gateway.socket(f"?ticket={given['ticket']}") as client:
        assert (await open_and_greeted(client))["user_id"] == AGENT.user_id
    async with gateway.socket(f"?ticket={given['ticket']}") as again:
        assert await again.code() == CloseCode.AUTHENTICATION_NEEDED


async def test_a_bearer_header_opens_a_socket(gateway: Gateway) -> None:
    async with gateway.socket(headers=gateway.bearer(ADMIN)) as client:
        assert (await open_and_greeted(client))["role"] == "admin"


async def test_a_first_message_opens_a_socket(gateway: Gateway) -> None:
    async with gateway.socket() as client:
        await client.say({"auth": gateway.token(AGENT)})
        assert (await open_and_greeted(client))["location_id"] == AGENT.location_id


@pytest.mark.parametrize(
    "first",
    ['{"auth":"forged"}', '{"auth":7}', "[]", "7", "nonsense", b"\x00", '{"subscribe":[]}', "[" * 9_000],
)
async def test_a_first_message_that_proves_nothing_closes_the_socket(
    gateway: Gateway, first: str | bytes
) -> None:
    async with gateway.socket() as client:
        await client.say(first)
        assert await client.code() == CloseCode.AUTHENTICATION_NEEDED


async def test_a_bad_ticket_or_header_is_not_saved_by_another_way(gateway: Gateway) -> None:
    for query, headers in (
        ("?ticket=forged", gateway.bearer(ADMIN)),
        ("", {"Authorization": "Bearer forged"}),
    ):
        async with gateway.socket(query, headers=headers) as client:
            assert await client.code() == CloseCode.AUTHENTICATION_NEEDED


async def test_the_query_never_names_a_tenant_or_role(gateway: Gateway) -> None:
    ticket = (await gateway.post("/v1/ws-ticket", AGENT)).json()["ticket"]
    async with gateway.socket(f"?ticket={ticket}&location_id={AWAY}&role=admin") as client:
        assert await open_and_greeted(client) == {
            "user_id": AGENT.user_id,
            "role": "agent",
            "location_id": AGENT.location_id,
        }


class SilentSocket(WebSocket):
    """A client that connected and says nothing, or leaves."""

    def __init__(self, gateway: Gateway, *, leaves: bool = False, token: str = "") -> None:
        self.leaves = leaves
        self.sent: list[MutableMapping[str, Any]] = []
        headers = [(b"authorization", f"Bearer {token}".encode())]
        scope = {
            "type": "websocket",
            "headers": headers,
            "query_string": b"",
            "path": "/",
            "app": gateway.app,
        }
        super().__init__(scope, self.silence, self.keep)
        self.client_state = WebSocketState.CONNECTED  # it has said "connect", and nothing else

    async def silence(self) -> dict[str, object]:
        if self.leaves:
            return {"type": "websocket.disconnect", "code": 1001}
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def receive(self) -> dict[str, object]:
        return await self.silence()

    async def keep(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)


async def test_a_silent_client_is_not_waited_for_beyond_the_limit(gateway: Gateway) -> None:
    with pytest.raises(Unauthenticated, match="within"):
        await authenticate(SilentSocket(gateway), gateway.doors, wait_s=0.01)
    with pytest.raises(WebSocketDisconnect):
        await authenticate(SilentSocket(gateway, leaves=True), gateway.doors)


async def test_a_client_that_leaves_before_it_signed_in_is_let_go(gateway: Gateway) -> None:
    async with gateway.socket():
        pass
    assert (await gateway.http.get("/health/live")).status_code == 200


async def test_trouble_with_one_socket_closes_that_socket_to_be_resumed(gateway: Gateway) -> None:
    class TroubledHub(WebSocketManager):
        async def serve(self, *_: object, **__: object) -> None:
            raise RuntimeError("bug")

    socket = SilentSocket(gateway, token=gateway.token(ADMIN))
    services = replace(gateway.services, hub=TroubledHub(clock=gateway.services.clock))
    socket.scope["app"] = SimpleNamespace(state=SimpleNamespace(services=services, doors=gateway.doors))
    await realtime(socket)
    assert [message["type"] for message in socket.sent] == ["websocket.accept", "websocket.close"]
    assert socket.sent[-1]["code"] == CloseCode.GOING_AWAY


async def test_a_page_of_a_foreign_origin_gets_no_socket(gateway: Gateway) -> None:
    for origin in ("https://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            async with gateway.socket(headers=gateway.bearer(ADMIN), origin=origin):
                pass
        assert refused.value.response.status_code == 403
    allowed = gateway.services.settings.origins[0]
    async with gateway.socket(headers=gateway.bearer(ADMIN), origin=allowed) as client:
        await open_and_greeted(client)


# --- on the socket ------------------------------------------------------------------------------------------------


async def test_an_event_walks_from_the_webhook_to_every_lead_stream(gateway: Gateway) -> None:
    streams = [stream for stream in Stream if stream is not Stream.SYSTEM_PERFORMANCE]
    async with gateway.live(AGENT) as client:
        await client.say({"subscribe": [{"stream": stream} for stream in streams]})
        for _ in streams:
            await client.hear_until(lambda message: "subscribed" in message)
        lead_id = await gateway.lead("Ana Live")
        waiting = set(streams)
        while waiting:
            message = await client.hear_until(lambda m: m.get("e", {}).get("lead_id") == lead_id)
            waiting.discard(Stream(message["c"]))
            assert message["p"] >= 0


async def test_a_client_that_comes_back_gets_exactly_what_it_missed(gateway: Gateway) -> None:
    async with gateway.live(AGENT) as client:
        await client.say({"subscribe": [{"stream": "conversation_feed"}]})
        place = (await client.hear_until(lambda m: "subscribed" in m))["subscribed"]
    lead_id = await gateway.lead("Ana Missed")
    async with gateway.live(AGENT) as client:
        wanted = {"stream": "conversation_feed", "epoch": place["epoch"], "offset": place["offset"]}
        await client.say({"subscribe": [wanted]})
        assert (await client.hear_until(lambda m: "subscribed" in m))["subscribed"]["recovered"] is True
        message = await client.hear()
        assert (message["o"], message["e"]["lead_id"]) == (place["offset"] + 1, lead_id)


async def test_the_rest_twins_tell_the_same_as_the_socket(gateway: Gateway) -> None:
    await gateway.lead("Ana Twin")
    snapshot = (await gateway.get("/v1/streams/conversation_feed", AGENT)).json()
    async with gateway.live(AGENT) as client:
        await client.say({"subscribe": [{"stream": "conversation_feed"}]})
        message = await client.hear_until(lambda m: "subscribed" in m)
    assert message["snapshot"] == snapshot["items"]
    assert {**message["subscribed"], "recovered": None} == {
        "stream": "conversation_feed", "epoch": snapshot["epoch"], "offset": snapshot["offset"], "recovered": None,
    }  # fmt: skip
    path = "/v1/streams/conversation_feed/history"
    history = (await gateway.get(path, AGENT, epoch=snapshot["epoch"], after=0)).json()
    assert history["recovered"] is True
    assert [frame["o"] for frame in history["frames"]] == list(range(1, snapshot["offset"] + 1))
    lost = (await gateway.get(path, AGENT, epoch="gone", after=0)).json()
    assert (lost["recovered"], lost["frames"]) == (False, [])


async def test_an_agent_may_not_follow_the_performance_stream(gateway: Gateway) -> None:
    for path in ("/v1/streams/system_performance", "/v1/streams/system_performance/history?epoch=x&after=0"):
        assert (await gateway.http.get(path, headers=gateway.bearer(AGENT))).status_code == 403
    async with gateway.live(AGENT) as client:
        await client.say({"subscribe": [{"stream": "system_performance"}]})
        assert await client.code() == CloseCode.FORBIDDEN_STREAM
    async with gateway.live(user_of(Role.MANAGER)) as client:
        await client.say({"subscribe": [{"stream": "system_performance"}]})
        item = (await client.hear_until(lambda m: "e" in m))["e"]
        assert item["connections"] >= 1
        assert set(item["model_versions"]) == {"lead_score", "won", "churn_risk"}


async def test_a_stream_or_parameter_that_does_not_exist_is_named(gateway: Gateway) -> None:
    for path, field in (("/v1/streams/secrets", "stream"), ("/v1/streams/lead_scores/history", "epoch")):
        response = await gateway.get(path, AGENT)
        assert response.status_code == 400
        assert field in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("nonsense", CloseCode.MALFORMED),
        (b"\x00\x01", CloseCode.MALFORMED),
        (" " * CLIENT_FRAME_BYTES, CloseCode.MALFORMED),
        (" " * (CLIENT_FRAME_BYTES + 1), 1009),  # the server itself, before it has read it all
    ],
    ids=["nonsense", "binary", "full frame", "frame too large"],
)
async def test_what_is_not_of_the_protocol_closes_the_socket(
    gateway: Gateway, message: str | bytes, code: int
) -> None:
    async with gateway.live(ADMIN) as client:
        await client.say(message)
        assert await client.code() == code


async def test_a_user_holds_only_so_many_sockets(gateway: Gateway) -> None:
    user = user_of(Role.MANAGER, AWAY)
    sockets = [gateway.live(user) for _ in range(CONNECTIONS_PER_USER)]
    for socket in sockets:
        await open_and_greeted(await socket.__aenter__())
    async with gateway.live(user) as one_more:
        assert await one_more.code() == CloseCode.TOO_MANY_CONNECTIONS
    for socket in sockets:
        await socket.__aexit__(None, None, None)

    async def all_gone() -> bool:
        return gateway.services.hub.connections_of(AWAY) == 0

    await eventually(all_gone)
