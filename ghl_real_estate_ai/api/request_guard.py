"""What holds for every request: a limit on its body, headers on every answer, an answer to every crash.

Called by the server, as the ASGI layer around the routes. A body is counted as it arrives: never read whole to be refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ghl_real_estate_ai.api.error_handlers import crashed, route_of

_HEADERS: Final = (
    (b"cache-control", b"no-store"),  # answers hold personal data
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


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
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                said = message.get("headers", ())  # the route's own: it may send the same ones again
                names = {name for name, _ in said}
                message["headers"] = [*said, *(header for header in _HEADERS if header[0] not in names)]
            await send(message)

        try:
            await self._app(scope, self._bounded(scope, receive), send_with_headers)
        except Exception as error:
            if started:
                raise
            # Here and not in the app's own handler: that one raises again, and the server would log the message.
            await crashed(route_of(scope), error)(scope, receive, send_with_headers)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """``receive`` that raises 413 instead of giving more than the path's limit."""
        limit = self._limits.get(scope["path"], self._default)
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        announced = int(declared) if declared.isdigit() else 0
        counted = 0

        async def receive_within_limit() -> Message:
            nonlocal counted
            message = None
            if announced <= limit:
                message = await receive()
                counted += len(message.get("body", b""))
            if message is None or counted > limit:
                # A body without an announced end is cut off; else the server drops the rest, and the client reads why.
                raise HTTPException(
                    413,
                    f"the body is larger than {limit} bytes; send less at once",
                    headers=None if announced else {"Connection": "close"},
                )
            return message

        return receive_within_limit
