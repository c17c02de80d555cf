"""The live streams: the WebSocket, its tickets, and the REST twins of snapshot and history. See docs/realtime.md.

Called by the dashboard and by scripts. The hub does the work; here a socket becomes an identity and a connection.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Annotated, cast

from fastapi import APIRouter, Query, Response, WebSocket
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnect

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.api.dependencies import Doors, DoorsDep, IdentityDep, ServicesDep, bearer_token
from ghl_real_estate_ai.api.portable_connection import PortableConnection
from ghl_real_estate_ai.api.socket_protocol import WIRE, SocketProtocol, WireConnection, close_socket
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.errors import Forbidden, TooManyRequests, Unauthenticated
from ghl_real_estate_ai.limits import AUTH_WAIT_S, CLIENT_FRAME_BYTES, CLOSE_WAIT_S, TICKET_TTL_S
from ghl_real_estate_ai.models.identifiers import Frozen
from ghl_real_estate_ai.models.leads import Identity
from ghl_real_estate_ai.models.streams import AUDIENCE, CloseCode, Stream

router = APIRouter(prefix="/v1", tags=["realtime"])

_log = telemetry.get_logger("realtime")


class Ticket(Frozen):
    """For one handshake: ``/v1/realtime?ticket=...``."""

    ticket: str
    expires_in_s: float


@router.post("/ws-ticket", status_code=201)
async def ws_ticket(identity: IdentityDep, doors: DoorsDep) -> Ticket:
    """A single-use ticket: a browser cannot send a header with a WebSocket handshake.

    None while the gateway is full: a browser's code cannot read when a refused handshake may be tried again, but this.
    """
    doors.entrance.expect_room()
    return Ticket(ticket=await doors.tickets.issue(identity), expires_in_s=TICKET_TTL_S)


@router.get("/streams/{stream}")
async def snapshot(stream: Stream, identity: IdentityDep, services: ServicesDep) -> Response:
    """The newest items of a stream and the offset they are true at."""
    _may_follow(identity, stream)
    await services.hub.prepare(identity.location_id)
    body = services.hub.snapshot(identity.location_id, stream).as_json()
    return Response(body, media_type="application/json")


@router.get("/streams/{stream}/history")
async def history(
    stream: Stream,
    identity: IdentityDep,
    services: ServicesDep,
    epoch: Annotated[str, Query(max_length=64)],
    after: Annotated[int, Query(ge=0)],
) -> Response:
    """What was published after a place; ``recovered`` false: too long ago, take the snapshot."""
    _may_follow(identity, stream)
    await services.hub.prepare(identity.location_id)
    body = services.hub.history(identity.location_id, stream, epoch=epoch, after=after).as_json()
    return Response(body, media_type="application/json")


async def realtime(socket: WebSocket) -> None:
    """One socket, from handshake to end. A foreign page's gets 403, one too many 503: neither becomes a socket."""
    services = cast(Services, socket.app.state.services)
    doors = cast(Doors, socket.app.state.doors)
    origin = socket.headers.get("origin")
    if origin is not None and origin not in doors.origins:
        await socket.close()
        return
    try:
        with doors.entrance.socket():
            await _welcome(socket, services, doors)
            await _gone(socket)
    except TooManyRequests as error:
        await _turn_away(socket, error)


# Not @router.websocket: the framework's way to a WebSocket route costs a handshake more than the route's own work.
router.add_websocket_route("/v1/realtime", realtime)


async def _welcome(socket: WebSocket, services: Services, doors: Doors) -> None:
    """Accept, find out who it is, serve. Raises TooManyRequests before it accepts."""
    stranger = "ticket" not in socket.query_params and bearer_token(socket) is None
    with doors.entrance.stranger() if stranger else nullcontext():
        await socket.accept()
        try:
            identity = await authenticate(socket, doors)
        except Unauthenticated as error:
            telemetry.clients_closed.labels(str(int(CloseCode.AUTHENTICATION_NEEDED))).inc()
            await _close(socket, CloseCode.AUTHENTICATION_NEEDED, str(error))
            return
        except WebSocketDisconnect:
            return
    try:
        async with connection_of(socket) as connection:
            await services.hub.serve(connection, identity, messages(socket), renew=doors.tokens.verify)
    except Exception as error:  # noqa: BLE001  # reason: route edge; one socket's trouble is that socket's only
        _log.error("socket.crashed", error=type(error).__name__)
        telemetry.clients_closed.labels(str(int(CloseCode.GOING_AWAY))).inc()
        await _close(socket, CloseCode.GOING_AWAY, "something went wrong here; reconnect and resume")


async def _gone(socket: WebSocket) -> None:
    """Until the network has let go of it, in the gateway's own server: so long it takes a place."""
    protocol = _protocol_of(socket)
    if protocol is not None and not protocol.gone.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * CLOSE_WAIT_S):
                await protocol.gone.wait()


def _protocol_of(socket: WebSocket) -> SocketProtocol | None:
    return cast(SocketProtocol | None, socket.scope.get("extensions", {}).get(WIRE))


async def _turn_away(socket: WebSocket, error: TooManyRequests) -> None:
    """503 at the handshake; 403 by a server that can refuse in no other way."""
    telemetry.handshakes_refused.inc()
    if "websocket.http.response" not in socket.scope.get("extensions", {}):
        await socket.close()
        return
    headers = {"Retry-After": f"{math.ceil(error.retry_after_s)}"}
    await socket.send_denial_response(PlainTextResponse(str(error), 503, headers=headers))


@asynccontextmanager
async def connection_of(socket: WebSocket) -> AsyncIterator[WireConnection | PortableConnection]:
    """The hub's end of an accepted socket: on the wire in the gateway's own server, else frame by frame."""
    protocol = _protocol_of(socket)
    if protocol is not None:
        wire = WireConnection(socket, protocol)
        try:
            yield wire
        finally:
            wire.drop()
        return
    portable = PortableConnection(socket)
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(portable.run(), name="socket:writer")
        try:
            yield portable
        finally:
            portable.drop()
            writer.cancel()


async def _close(socket: WebSocket, code: CloseCode, reason: str) -> None:
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(CLOSE_WAIT_S):
            await close_socket(socket, code, reason)


async def authenticate(socket: WebSocket, doors: Doors, *, wait_s: float = AUTH_WAIT_S) -> Identity:
    """By ticket, else by header, else by a first message ``{"auth": "<token>"}`` within ``wait_s``.

    Raises Unauthenticated, or WebSocketDisconnect when the client leaves meanwhile.
    """
    ticket = socket.query_params.get("ticket")
    if ticket is not None:
        return doors.tokens.admit(await doors.tickets.redeem(ticket))
    token = bearer_token(socket)
    if token is not None:
        return doors.tokens.verify(token)
    try:
        async with asyncio.timeout(wait_s):
            message = await socket.receive()
    except TimeoutError as error:
        raise Unauthenticated(f"no ticket, header or auth message within {wait_s:g} s") from error
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    return doors.tokens.verify(_auth_token(message.get("text") or ""))


def _auth_token(text: str) -> str:
    try:
        token = json.loads(text)["auth"] if len(text) <= CLIENT_FRAME_BYTES else None
    except (ValueError, KeyError, TypeError, RecursionError):
        token = None
    if not isinstance(token, str):
        raise Unauthenticated('the first message must be {"auth": "<access token>"}')
    return token


async def messages(socket: WebSocket) -> AsyncIterator[str]:
    """What the client sends, until it leaves. A binary message comes as "", which the protocol refuses."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        yield message.get("text") or ""


def _may_follow(identity: Identity, stream: Stream) -> None:
    if identity.role not in AUDIENCE[stream]:
        raise Forbidden(f"your role may not follow {stream.value}")
