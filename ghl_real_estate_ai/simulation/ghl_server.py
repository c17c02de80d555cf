"""The fake GoHighLevel as a web app, and a server for it. Called by commands/fake_account.py and tests/support/fake_ghl.py.

It answers at the paths of services.leadconnectorhq.com, in v3 and in the date versions; ``/_fake/`` is our own.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import cast

import uvicorn
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation import (
    ghl_routes_calendars,
    ghl_routes_contacts,
    ghl_routes_control,
    ghl_routes_conversations,
    ghl_routes_locations,
    ghl_routes_oauth,
    ghl_routes_objects,
    ghl_routes_opportunities,
    ghl_routes_papers,
)
from ghl_real_estate_ai.simulation.ghl_front_desk import FrontDesk
from ghl_real_estate_ai.simulation.ghl_requests import refused
from ghl_real_estate_ai.simulation.ghl_vendor import Vendor

_ROUTES = (
    ghl_routes_oauth,
    ghl_routes_contacts,
    ghl_routes_papers,
    ghl_routes_conversations,
    ghl_routes_opportunities,
    ghl_routes_calendars,
    ghl_routes_locations,
    ghl_routes_objects,
    ghl_routes_control,
)


def create_fake(vendor: Vendor) -> FastAPI:
    """The app."""
    app = FastAPI(title="GoHighLevel, simulated", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.vendor = vendor
    for module in _ROUTES:
        app.include_router(module.router)
    app.add_exception_handler(VendorRefusal, _refused)
    app.add_exception_handler(HTTPException, _no_such_route)
    app.add_middleware(FrontDesk, vendor=vendor)
    return app


@asynccontextmanager
async def serving(vendor: Vendor, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """The fake behind real HTTP, and its webhooks going out; gives its URL. ``port`` 0: a free one."""
    # With its protocol named, or asyncio does not switch Nagle's delay of 40 ms off.
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        server = _server(vendor)
        async with asyncio.TaskGroup() as tasks:
            served = tasks.create_task(server.serve(sockets=[listener]))
            sending = tasks.create_task(vendor.webhooks.run())
            while not server.started and not served.done():  # noqa: ASYNC110  # reason: uvicorn has no event for it
                await asyncio.sleep(0.005)
            try:
                yield f"http://{host}:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                sending.cancel()


class _Guest(uvicorn.Server):
    """A server in somebody else's loop: signals are that one's to hear."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(vendor: Vendor) -> uvicorn.Server:
    """Silent, and without headers of its own: the front desk writes them."""
    return _Guest(
        uvicorn.Config(
            create_fake(vendor), log_config=None, log_level="critical", access_log=False, lifespan="off",
            date_header=False, server_header=False, timeout_graceful_shutdown=1,
        )
    )  # fmt: skip


async def _refused(_: Request, error: Exception) -> Response:
    return refused(cast("VendorRefusal", error))


async def _no_such_route(request: Request, error: Exception) -> Response:
    problem = cast("HTTPException", error)
    return refused(VendorRefusal(problem.status_code, f"Cannot {request.method} {request.url.path}"))
