"""What holds for every request before a route sees it: a limit on its body, and headers on every answer.

Called by the server, as the ASGI layer around the app. A body is counted as it arrives: never read whole to be refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS: Final = {
    "cache-control": "no-store",  # answers hold personal data
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class RequestGuard:
    """``limits``: bytes per path; any other path has ``default``. Raises 413 where the route reads the body."""

    def __init__(self, app: ASGIApp, *, default: int, limits: Mapping[str, int]) -> None:
        self._app = app
        self._default = default
        self._limits = dict(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.get(scope["path"], self._default)
        declared = Headers(scope=scope).get("content-length", "0")
        announced = int(declared) if declared.isascii() and declared.isdigit() else 0
        counted = 0

        async def receive_within_limit() -> Message:
            nonlocal counted
            message = None
            if announced <= limit:
                message = await receive()
                counted += len(message.get("body", b""))
            if message is None or counted > limit:
                raise HTTPException(413, f"the body is larger than {limit} bytes; send less at once")
            return message

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive_within_limit, send_with_headers)
