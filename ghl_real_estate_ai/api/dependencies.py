"""What routes ask for: the running services, the doors, the caller's identity. Called by FastAPI, for each request.

All are coroutines: FastAPI would run plain functions in a thread pool, which costs more than they do.
Nothing here commits: a ``yield`` dependency ends after the response was sent, and a 2xx must follow the commit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from ghl_real_estate_ai.api.auth import TicketOffice, TokenIssuer
from ghl_real_estate_ai.api.entrance import Entrance
from ghl_real_estate_ai.api.refusals import Refusals
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.errors import Forbidden, Unauthenticated
from ghl_real_estate_ai.live_ports import RateLimit
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import Identity, Role


@dataclass(frozen=True)
class Doors:
    """What decides who comes in. One per process."""

    tokens: TokenIssuer
    tickets: TicketOffice
    sign_ins: RateLimit
    hints: RateLimit
    installs: RateLimit
    origins: frozenset[str]
    entrance: Entrance = field(default_factory=Entrance)
    refusals: Refusals = field(default_factory=Refusals)


async def running_services(connection: HTTPConnection) -> Services:
    """The services that the lifespan opened."""
    return cast(Services, connection.app.state.services)


async def doors(connection: HTTPConnection) -> Doors:
    """The process's doors."""
    return cast(Doors, connection.app.state.doors)


ServicesDep = Annotated[Services, Depends(running_services)]
DoorsDep = Annotated[Doors, Depends(doors)]


def bearer_token(connection: HTTPConnection) -> str | None:
    """The token of an ``Authorization: Bearer`` header, if there is one."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


async def signed_in(connection: HTTPConnection, entrance: DoorsDep) -> Identity:
    """The caller. Raises Unauthenticated."""
    token = bearer_token(connection)
    if token is None:
        raise Unauthenticated("send an access token: 'Authorization: Bearer <token>' from POST /v1/sessions")
    return entrance.tokens.verify(token)


IdentityDep = Annotated[Identity, Depends(signed_in)]


def allowed(*roles: Role) -> Callable[[Identity], Awaitable[Identity]]:
    """A dependency: the caller, if they have one of the roles. It raises Forbidden."""

    async def check(identity: IdentityDep) -> Identity:
        if identity.role not in roles:
            names = " or ".join(role.value for role in roles)
            raise Forbidden(f"this needs the role {names}; yours is {identity.role.value}")
        return identity

    return check


def now_of(services: Services, known: LeadIntelligence | None) -> datetime:
    """Now on the lead's own time line: simulated leads live on another one than the clock's."""
    return known.as_of if known is not None and known.simulated else services.clock.now()
