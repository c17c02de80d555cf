"""What every call to the fake GoHighLevel passes: faults, limits, the Date header, and the stamp that says "simulated".

Called by the server, as the ASGI layer around the routes. It notes every call in ``vendor.calls``.
"""

from __future__ import annotations

import asyncio
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_oauth import Grant
from ghl_real_estate_ai.simulation.ghl_requests import bearer_of, refused
from ghl_real_estate_ai.simulation.ghl_vendor import Called, Vendor

SIMULATED_HEADER: Final = "X-Simulated"
SIMULATED_BY: Final = "enterprisehub"
_CONTROL: Final = "/_fake/"
_BROKEN: Final = HTTPStatus.INTERNAL_SERVER_ERROR


class FrontDesk:
    """``vendor`` decides; the app inside does."""

    def __init__(self, app: ASGIApp, *, vendor: Vendor) -> None:
        self._app, self._vendor = app, vendor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        vendor = self._vendor
        vendor.clock.skew_s = vendor.faults.clock_skew_s
        vendor.account.settle()
        grant, came_s, status = self._grant(scope), vendor.clock.steady_s(), 0

        async def send_noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._serve(scope, receive, send_noted, grant=grant)
        finally:
            if not scope["path"].startswith(_CONTROL):
                owner = "" if grant is None else grant.location_id or grant.company_id
                vendor.calls.append(Called(came_s, owner, scope["method"], scope["path"], status))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, *, grant: Grant | None) -> None:
        vendor, faults = self._vendor, self._vendor.faults
        refusal, headers = self._limited(grant)
        send = self._stamping(send, headers)
        touched = faults.touch(scope["method"], scope["path"])
        if touched and faults.slow_s:
            await asyncio.sleep(faults.slow_s)
        if touched and refusal is None:
            refusal = faults.refusal(vendor.luck)
        if refusal is not None:
            await refused(refusal)(scope, receive, send)
        elif touched and faults.loses_the_answer():
            await self._lose(scope, receive, send)
        elif touched and faults.fails_afterwards():
            await self._app(scope, receive, _nowhere)
            await refused(VendorRefusal(_BROKEN, "Internal server error"))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _grant(self, scope: Scope) -> Grant | None:
        """The caller's, by the token; control routes need none."""
        token = bearer_of(Headers(scope=scope).get("authorization", ""))
        is_ours = scope["path"].startswith(_CONTROL)
        return None if is_ours or not token else self._vendor.authority.grant_of(token)

    def _limited(self, grant: Grant | None) -> tuple[VendorRefusal | None, dict[str, str]]:
        """A refusal when the caller's limit is used up; and the headers that tell of it. Calls without a token have none."""
        if grant is None:
            return None, {}
        allowance = self._vendor.limits.take((grant.app_id, grant.location_id or grant.company_id))
        refusal = (
            None if allowance.granted else VendorRefusal(HTTPStatus.TOO_MANY_REQUESTS, "Too Many Requests")
        )
        return refusal, allowance.headers

    def _stamping(self, send: Send, extra: dict[str, str]) -> Send:
        """``send`` that adds the headers of every answer."""

        async def send_stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Date"] = format_datetime(self._vendor.clock.now(), usegmt=True)
                headers[SIMULATED_HEADER] = SIMULATED_BY
                for name, value in extra.items():
                    headers[name] = value
            await send(message)

        return send_stamped

    async def _lose(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do it, and let the answer never arrive: the connection breaks after the head, or stays silent."""
        silent = self._vendor.faults.lose_silently

        async def send_the_head_only(message: Message) -> None:
            if message["type"] == "http.response.start" and not silent:
                await send(message)

        await self._app(scope, receive, send_the_head_only)
        if silent:
            while (await receive())["type"] != "http.disconnect":
                continue


async def _nowhere(message: Message) -> None:
    """Takes an answer that nobody gets."""
