"""The WebSocket protocol of the gateway's own server: frames that were made once go straight to the transport.

``launch`` gives it to uvicorn; ``routes/realtime.py`` finds it in the scope of a socket, under ``WIRE``. Handshake, reading,
pings, close and limits stay uvicorn's; tests/api/test_socket_protocol.py names every part of its private surface in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.limits import CLOSE_WAIT_S
from ghl_real_estate_ai.models.frames import Bundle

WIRE: Final = "enterprisehub.wire"
"""The ASGI extension: the protocol object of the socket."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, which also tells the socket's connection when the network takes more and when it does not."""

    wire: WireConnection | None = None
    gone: asyncio.Event

    def handle_connect(self, event: Request) -> None:
        """Put itself into the scope; the application's first step runs later, in its own task."""
        self.gone = asyncio.Event()
        self.close_timeout = CLOSE_WAIT_S
        super().handle_connect(event)
        if not self.close_sent:  # a handshake that was refused has no scope
            extensions = cast(dict[str, object], self.scope["extensions"])
            extensions[WIRE] = self

    def handle_ping(self) -> None:
        """Answer; not while the network does not take everything: a client that only asks and never reads costs nothing."""
        pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pong)

    def pause_writing(self) -> None:
        """Something that was written has not left."""
        super().pause_writing()
        if self.wire is not None:
            self.wire.block()

    def resume_writing(self) -> None:
        """Everything that was written has left."""
        super().resume_writing()
        if self.wire is not None:
            self.wire.flow()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        super().connection_lost(exc)
        if self.handshake_initiated:
            self.gone.set()
        if self.wire is not None:
            self.wire.lose()


class WireConnection:
    """``live_ports.ClientConnection`` over an accepted socket of ``SocketProtocol``: an offer is one write."""

    __slots__ = ("_blocked", "_closed", "_ready", "_socket", "_transport", "takes_more")

    def __init__(self, socket: WebSocket, protocol: SocketProtocol) -> None:
        self.takes_more = True
        self._transport = protocol.transport
        self._socket = socket
        self._ready: Callable[[], None] = _nothing
        self._blocked = False
        self._closed = False
        # No buffer of its own: what does not leave at once blocks the socket, and its place in the log waits instead.
        self._transport.set_write_buffer_limits(0)
        protocol.wire = self

    def offer(self, bundle: Bundle) -> None:
        """Write. Nothing follows a close frame: ours, the client's that was answered, or the server's at its stop."""
        transport = self._transport
        if self.takes_more and not transport.is_closing():
            transport.write(bundle.wire)

    def when_ready(self, call: Callable[[], None]) -> None:
        """Call this each time the socket takes more again."""
        self._ready = call

    async def close(self, code: int, reason: str) -> None:
        """Close after what was written has left; nothing happens when the client has gone."""
        self._closed, self.takes_more = True, False
        await close_socket(self._socket, code, reason)

    def drop(self) -> None:
        """The end: what still waits for a client that does not read is not kept for it."""
        self._ready = _nothing
        if self._blocked:
            self._transport.abort()

    # --- said by the protocol ------------------------------------------------------------------------------------

    def block(self) -> None:
        """The network does not take everything."""
        if not self._blocked:
            telemetry.sockets_blocked.inc()
        self._blocked, self.takes_more = True, False

    def flow(self) -> None:
        """It has taken everything."""
        if self._blocked:
            telemetry.sockets_blocked.dec()
        self._blocked = False
        if not self._closed:
            self.takes_more = True
            self._ready()

    def lose(self) -> None:
        """The client has gone; the route hears it from ``receive``."""
        if self._blocked:
            telemetry.sockets_blocked.dec()
        self._blocked = self.takes_more = False


async def close_socket(socket: WebSocket, code: int, reason: str) -> None:
    """Close with code and reason, once what was sent before has left. Raises ConnectionError when it is closed already."""
    if socket.client_state is WebSocketState.DISCONNECTED:
        return
    try:
        await socket.close(code, reason)
    except (WebSocketDisconnect, RuntimeError) as error:
        raise ConnectionResetError("the client has left") from error


def _nothing() -> None:
    """Nobody wants to know."""
