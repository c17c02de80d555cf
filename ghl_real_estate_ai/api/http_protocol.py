"""The HTTP protocol of the gateway's own server: who opens a line and does not say what it wants is not kept.

``launch`` gives it to uvicorn. Parsing, keep-alive and answers stay uvicorn's; tests/api/test_http_protocol.py names every
part of its private surface in use.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ghl_real_estate_ai.limits import REQUEST_HEAD_WAIT_S


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, which closes a line whose request head is not whole in time. Bodies and answers take what they take."""

    head_wait_s: ClassVar[float] = REQUEST_HEAD_WAIT_S

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # reason: uvicorn's own
        """The first head is awaited from here on."""
        super().connection_made(transport)
        self._await_head()

    def on_message_begin(self) -> None:
        """So is each further one, from its first byte on."""
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """It is here."""
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_wait_s, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
