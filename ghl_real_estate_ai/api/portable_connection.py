"""A hub connection over any ASGI server: frames are sent one by one, by a small writer task that the route owns.

Called by ``routes/realtime.py`` where the server is not the gateway's own (``socket_protocol``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ghl_real_estate_ai.api.socket_protocol import close_socket
from ghl_real_estate_ai.models.frames import Bundle


class PortableConnection:
    """``live_ports.ClientConnection`` over an accepted Starlette socket. ``run`` is its writer."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._offered: Bundle | None = None
        self._has_work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._gone = False
        self._ready: Callable[[], None] = lambda: None

    @property
    def takes_more(self) -> bool:
        """Whether everything that was offered has been sent."""
        return self._offered is None and not self._gone

    def offer(self, bundle: Bundle) -> None:
        """For the writer."""
        if self.takes_more:
            self._offered = bundle
            self._idle.clear()
            self._has_work.set()

    def when_ready(self, call: Callable[[], None]) -> None:
        """Call this each time the writer has sent everything."""
        self._ready = call

    async def close(self, code: int, reason: str) -> None:
        """Close after what was offered; nothing happens when the client has gone."""
        await self._idle.wait()
        self._gone = True
        await close_socket(self._socket, code, reason)

    def drop(self) -> None:
        """The end: the route cancels ``run``."""
        self._gone = True

    async def run(self) -> None:
        """Send what is offered, until cancelled or the client has gone."""
        while not self._gone:
            await self._has_work.wait()
            self._has_work.clear()
            try:
                for text in self._offered.texts if self._offered is not None else ():
                    await self._send(text)
            except ConnectionError:
                self._gone = True  # its reader notices
            self._offered = None
            self._idle.set()
            if not self._gone:
                self._ready()

    async def _send(self, text: str) -> None:
        if self._socket.client_state is WebSocketState.DISCONNECTED:
            raise ConnectionResetError("the client has left")
        try:
            await self._socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise ConnectionResetError("the client has left") from error
