"""Keeper, client and access over a memory and a fake GoHighLevel, wired as ``bootstrap`` does it. For tests of connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.client import GoHighLevelClient, TokenSource
from ghl_real_estate_ai.integrations.gohighlevel.oauth import GoHighLevelAccess, InstallPages
from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import AppCredentials
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import RateLimiter
from ghl_real_estate_ai.integrations.gohighlevel.sealing import ACCESS, REFRESH, TokenSeal
from ghl_real_estate_ai.integrations.gohighlevel.standings import Standings
from ghl_real_estate_ai.integrations.gohighlevel.tokens import TokenKeeper
from ghl_real_estate_ai.integrations.http import HttpClient
from ghl_real_estate_ai.limits import TOKEN_WAIT_S
from ghl_real_estate_ai.models.connections import Connection, ConnectionKind, OwnerKind
from ghl_real_estate_ai.ports import Clock, Memory

SECRET = "k" * 40
CALLBACK = "https://hub.example.com/oauth/ghl/callback"


@dataclass(frozen=True)
class CrmTools:
    """What speaks to the CRM, ready to be used."""

    memory: Memory
    seal: TokenSeal
    access: GoHighLevelAccess
    keeper: TokenKeeper
    client: GoHighLevelClient


@asynccontextmanager
async def crm_tools(
    memory: Memory,
    url: str,
    app: AppCredentials,
    *,
    clock: Clock | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    api: ApiProfile = ApiProfile.V3,
    limiter: RateLimiter | None = None,
    http: HttpClient | None = None,
    wait_s: float = TOKEN_WAIT_S,
    secret: str = SECRET,
) -> AsyncIterator[CrmTools]:
    """Open until the block is left."""
    clock, seal, limiter = clock or SystemClock(), TokenSeal(secret), limiter or RateLimiter()
    standings = Standings()
    async with http or HttpClient() as http:

        def client_for(tokens: TokenSource) -> GoHighLevelClient:
            return GoHighLevelClient(
                http=http,
                tokens=tokens,
                limiter=limiter,
                standings=standings,
                clock=clock,
                api=api,
                base_url=url,
                sleep=sleep,
            )

        access = GoHighLevelAccess(
            client_for=client_for,
            app=app,
            pages=InstallPages(f"{url}/oauth/chooselocation", CALLBACK),
            seal=seal,
            clock=clock,
            simulated=True,
        )
        keeper = TokenKeeper(memory=memory, access=access, seal=seal, clock=clock, sleep=sleep, wait_s=wait_s)
        async with keeper.open():
            yield CrmTools(memory, seal, access, keeper, client_for(keeper))


def sealed(
    owner_id: str, *, seal: TokenSeal, access: str, refresh: str = "", at: datetime, **fields: object
) -> Connection:
    """A location's OAuth connection with these tokens."""
    return Connection.model_validate(
        {
            "owner_id": owner_id,
            "owner_kind": OwnerKind.LOCATION,
            "kind": ConnectionKind.OAUTH,
            "access_token": seal.seal(access, owner_id=owner_id, field=ACCESS),
            "refresh_token": seal.seal(refresh, owner_id=owner_id, field=REFRESH),
            "obtained_at": at,
            "simulated": True,
        }
        | fields
    )
