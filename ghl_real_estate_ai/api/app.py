"""The gateway as a FastAPI app: lifespan, guards, errors, routes. Called by ``launch`` (``enterprisehub serve``) and tests.

``/openapi.json`` describes the API. There is no ``/docs`` page: FastAPI's loads its scripts from a CDN, which a
self-hosted installation must not need and a strict network does not allow.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

import ghl_real_estate_ai
from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.api.auth import OwnTickets, TicketOffice, TokenIssuer
from ghl_real_estate_ai.api.dependencies import Doors
from ghl_real_estate_ai.api.error_handlers import add_error_handlers
from ghl_real_estate_ai.api.rate_limit import RateLimiter
from ghl_real_estate_ai.api.request_guard import RequestGuard
from ghl_real_estate_ai.api.routes import (
    actions,
    client,
    connections,
    crm_health,
    dead_letters,
    first_steps,
    health,
    judgements,
    leads,
    locations,
    matches,
    properties,
    realtime,
    sessions,
    suggested_reply,
    switches,
    team,
    track_record,
    users,
    webhooks,
    wishes,
)
from ghl_real_estate_ai.api.short_way import ShortWay
from ghl_real_estate_ai.limits import (
    HINTS_PER_MIN,
    INSTALL_CALLBACKS_PER_MIN,
    LISTING_BODY_BYTES,
    REQUEST_BODY_BYTES,
    SIGN_IN_ATTEMPTS_PER_MIN,
    WEBHOOK_BODY_BYTES,
)
from ghl_real_estate_ai.live_ports import RateLimit
from ghl_real_estate_ai.settings import Settings

Running = Callable[[Settings], AbstractAsyncContextManager[bootstrap.Services]]


def create_app(settings: Settings, *, running: Running = bootstrap.running) -> FastAPI:
    """The app; its lifespan opens ``running(settings)``. Raises ConfigurationError for a bad setting."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings) as services:
            app.state.services = services
            app.state.doors = _doors(settings, services)
            yield

    app = FastAPI(
        title="EnterpriseHub",
        version=ghl_real_estate_ai.__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for module in (
        webhooks, sessions, realtime, client, leads, actions, wishes, suggested_reply, matches, judgements, properties, track_record, team, connections, crm_health, health,
        users, locations, switches, dead_letters, first_steps,
    ):  # fmt: skip
        app.include_router(module.router)
    add_error_handlers(app)
    app.add_middleware(
        RequestGuard,
        default=REQUEST_BODY_BYTES,
        limits={
            properties.PATH: LISTING_BODY_BYTES,
            properties.CHECK_PATH: LISTING_BODY_BYTES,
        },
    )
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["Retry-After"],
    )
    app.add_middleware(ShortWay, path=webhooks.PATH, body_bytes=WEBHOOK_BODY_BYTES, endpoint=webhooks.receive)
    return app


def create_worker_app(settings: Settings, *, running: Running) -> FastAPI:
    """What a worker serves: GET /health/live, /health/ready and /metrics. Nobody signs in here and no webhook comes in."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings) as services:
            app.state.services = services
            yield

    app = FastAPI(title="EnterpriseHub worker", lifespan=lifespan, openapi_url=None)
    app.include_router(health.router)
    add_error_handlers(app)
    app.add_middleware(RequestGuard, default=REQUEST_BODY_BYTES, limits={})
    return app


def _doors(settings: Settings, services: bootstrap.Services) -> Doors:
    """With Redis those of all gateways together, else of this process."""
    clock, secret = services.clock, settings.signing_secret()
    shared = None if services.shared is None else services.shared.doors

    def limit(name: str, per_minute: int) -> RateLimit:
        own = RateLimiter(per_minute=per_minute, clock=clock)
        return own if shared is None else shared.limit(name, per_minute=per_minute, otherwise=own)

    return Doors(
        tokens=TokenIssuer(
            secret, minutes=settings.access_token_minutes, clock=clock, is_over=services.access.is_over
        ),
        tickets=TicketOffice(
            OwnTickets(clock=clock) if shared is None else shared.tickets, secret=secret, clock=clock
        ),
        sign_ins=limit("sign_ins", SIGN_IN_ATTEMPTS_PER_MIN),
        hints=limit("hints", HINTS_PER_MIN),
        installs=limit("installs", INSTALL_CALLBACKS_PER_MIN),
        origins=frozenset(settings.origins),
    )
