"""The live streams: the WebSocket, its tickets, and the REST twins of snapshot and history. See docs/realtime.md.

Called by the dashboard and by scripts. The hub does the work; here a socket becomes an identity and a connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Response, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.api.dependencies import Doors, DoorsDep, IdentityDep, ServicesDep, bearer_token
from ghl_real_estate_ai.budgets import AUTH_WAIT_S, CLIENT_FRAME_BYTES, TICKET_TTL_S
from ghl_real_estate_ai.errors import Forbidden, Unauthenticated
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
    """A single-use ticket: a browser cannot send a header with a WebSocket handshake."""
    return Ticket(ticket=await doors.tickets.issue(identity), expires_in_s=TICKET_TTL_S)


@router.get("/streams/{stream}")
async def snapshot(stream: Stream, identity: IdentityDep, services: ServicesDep) -> Response:
    """The newest items of a stream and the offset they are true at."""
    _may_follow(identity, stream)
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
    body = services.hub.history(identity.location_id, stream, epoch=epoch, after=after).as_json()
    return Response(body, media_type="application/json")


@router.websocket("/realtime")
async def realtime(socket: WebSocket, services: ServicesDep, doors: DoorsDep) -> None:
    """One socket, from handshake to close. A page of a foreign origin gets 403 and no socket."""
    origin = socket.headers.get("origin")
    if origin is not None and origin not in doors.origins:
        await socket.close()
        return
    await socket.accept()
    connection = StarletteConnection(socket)
    try:
        identity = await authenticate(socket, doors)
    except Unauthenticated as error:
        telemetry.clients_closed.labels(str(int(CloseCode.AUTHENTICATION_NEEDED))).inc()
        await connection.close(CloseCode.AUTHENTICATION_NEEDED, str(error))
        return
    except WebSocketDisconnect:
        return
    try:
        await services.hub.serve(connection, identity, messages(socket))
    except Exception as error:  # noqa: BLE001  # reason: route edge; one socket's trouble is that socket's only
        _log.error("socket.crashed", error=type(error).__name__)
        await connection.close(CloseCode.GOING_AWAY, "something went wrong here; reconnect and resume")


async def authenticate(socket: WebSocket, doors: Doors, *, wait_s: float = AUTH_WAIT_S) -> Identity:
    """By ticket, else by header, else by a first message ``{"auth": "<token>"}`` within ``wait_s``.

    Raises Unauthenticated, or WebSocketDisconnect when the client leaves meanwhile.
    """
    ticket = socket.query_params.get("ticket")
    if ticket is not None:
        return await doors.tickets.redeem(ticket)
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


class StarletteConnection:
    """``ports.ClientConnection`` over an accepted Starlette socket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        """Waits while the socket's buffer is full. Raises ConnectionError when it is closed."""
        if self._socket.client_state is WebSocketState.DISCONNECTED:
            raise ConnectionResetError("the client has left")
        try:
            await self._socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise ConnectionResetError("the client has left") from error

    async def close(self, code: int, reason: str) -> None:
        """Close with code and reason; nothing happens when it is closed already."""
        if self._socket.client_state is WebSocketState.DISCONNECTED:
            return
        try:
            await self._socket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise ConnectionResetError("the client has left") from error


def _may_follow(identity: Identity, stream: Stream) -> None:
    if identity.role not in AUDIENCE[stream]:
        raise Forbidden(f"your role may not follow {stream.value}")
