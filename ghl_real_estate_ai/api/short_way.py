"""The short way to the one route that a thousand requests a second may take: signed webhooks.

Called by the server, as the outermost ASGI layer. The framework's own way to a route (routers, stacks, dependencies,
response models, what browsers of other origins may read) costs a webhook a third of its time; the answers are the same,
and the route's page stays.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ghl_real_estate_ai.api.error_handlers import answer_to
from ghl_real_estate_ai.api.request_guard import RequestGuard
from ghl_real_estate_ai.errors import EnterpriseHubError


class ShortWay:
    """POSTs to ``path`` go straight to ``endpoint``, with at most ``body_bytes``; everything else goes on as before."""

    def __init__(
        self, app: ASGIApp, *, path: str, body_bytes: int, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint
        self._guarded = RequestGuard(self._answer, default=body_bytes, limits={})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        is_its_own = scope["type"] == "http" and scope["path"] == self._path and scope["method"] == "POST"
        await (self._guarded if is_its_own else self._app)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._endpoint(Request(scope, receive, send))
        except (EnterpriseHubError, HTTPException) as error:
            response = answer_to(scope, error)
        await response(scope, receive, send)
