"""The CRM beside us, plugged together: its client, its tokens, and what reads, writes and judges accounts.

Called by ``bootstrap``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from ghl_real_estate_ai.crm_ports import CrmAccountReader
from ghl_real_estate_ai.errors import Unreachable
from ghl_real_estate_ai.integrations.gohighlevel.account import GoHighLevelAccount
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.client import GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.history import GoHighLevelHistory
from ghl_real_estate_ai.integrations.gohighlevel.oauth import GoHighLevelAccess, InstallPages
from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import AppCredentials
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import RateLimiter
from ghl_real_estate_ai.integrations.gohighlevel.sealing import ACCESS, TokenSeal
from ghl_real_estate_ai.integrations.gohighlevel.standings import Standings
from ghl_real_estate_ai.integrations.gohighlevel.tokens import TokenKeeper
from ghl_real_estate_ai.integrations.gohighlevel.writer import GoHighLevelWriter
from ghl_real_estate_ai.integrations.http import HttpClient, HttpRequest
from ghl_real_estate_ai.models.connections import Connection
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Clock, Memory
from ghl_real_estate_ai.services.crm_connections import CrmConnections
from ghl_real_estate_ai.services.crm_health import CrmHealth
from ghl_real_estate_ai.services.crm_outbox import CrmOutbox
from ghl_real_estate_ai.services.crm_reread import CrmReread
from ghl_real_estate_ai.services.crm_sync import CrmSync
from ghl_real_estate_ai.services.event_inbox import EventInbox
from ghl_real_estate_ai.settings import Settings


@dataclass(frozen=True)
class Crm:
    """The CRM beside us: who gave access, and how its accounts are looked at, read, written and judged."""

    connections: CrmConnections
    account: CrmAccountReader
    sync: CrmSync
    reread: CrmReread
    outbox: CrmOutbox
    health: CrmHealth
    http: HttpClient
    tokens: TokenKeeper

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Calls may be made within the block."""
        async with self.http, self.tokens.open():
            yield


def compose_crm(
    settings: Settings,
    memory: Memory,
    *,
    inbox: EventInbox,
    clock: Clock,
    sleep: Callable[[float], Awaitable[None]],
    seconds: Callable[[], float],
    lag: Callable[[LocationId], Awaitable[int]],
    mine: Callable[[LocationId], bool],
) -> Crm:
    """Plug it together over a memory; nothing runs yet.

    ``lag``: facts that wait for their handler. ``mine``: whether a location is this process's to look after.
    """
    http, seal = HttpClient(), TokenSeal(settings.sealing_secret())
    client = partial(
        GoHighLevelClient,
        http=http,
        limiter=RateLimiter(seconds=seconds, sleep=sleep),
        standings=Standings(),
        clock=clock,
        api=ApiProfile(settings.ghl_api_version),
        base_url=settings.ghl_api_url,
        sleep=sleep,
    )
    access = _access(settings, client, seal=seal, clock=clock)
    tokens = TokenKeeper(memory=memory, access=access, seal=seal, clock=clock, sleep=sleep)
    history = _history(settings, client(tokens=tokens))
    account = GoHighLevelAccount(client=client(tokens=tokens, urgent=True), clock=clock)
    patient = GoHighLevelAccount(client=client(tokens=tokens), clock=clock)
    writer = GoHighLevelWriter(client=client(tokens=tokens), memory=memory, clock=clock)
    return Crm(
        connections=CrmConnections(
            adopt=tokens.token,
            access=access,
            app_id=_app(settings).app_id,
            memory=memory,
            clock=clock,
            sleep=sleep,
            mine=mine,
        ),
        account=account,
        sync=CrmSync(
            memory=memory,
            reader=history,
            inbox=inbox,
            clock=clock,
            sleep=sleep,
            mine=mine,
            people=patient.people,
        ),
        reread=CrmReread(memory=memory, reader=history, inbox=inbox, clock=clock, sleep=sleep, mine=mine),
        outbox=CrmOutbox(memory=memory, writer=writer, clock=clock, sleep=sleep, mine=mine),
        health=_crm_health(settings, memory, account=account, http=http, seal=seal, lag=lag, clock=clock),
        http=http,
        tokens=tokens,
    )


def _access(
    settings: Settings, client: partial[GoHighLevelClient], *, seal: TokenSeal, clock: Clock
) -> GoHighLevelAccess:
    return GoHighLevelAccess(
        client_for=lambda tokens: client(tokens=tokens, urgent=True),
        app=_app(settings),
        pages=InstallPages(settings.ghl_install_url, settings.oauth_callback_url),
        seal=seal,
        clock=clock,
        simulated=settings.ghl_is_simulated,
    )


def _history(settings: Settings, client: GoHighLevelClient) -> GoHighLevelHistory:
    return GoHighLevelHistory(
        client=client, wish_fields=settings.ghl_wish_fields, simulated=settings.ghl_is_simulated
    )


def _app(settings: Settings) -> AppCredentials:
    return AppCredentials(settings.ghl_client_id, settings.ghl_client_secret)


def _crm_health(
    settings: Settings,
    memory: Memory,
    *,
    account: CrmAccountReader,
    http: HttpClient,
    seal: TokenSeal,
    lag: Callable[[LocationId], Awaitable[int]],
    clock: Clock,
) -> CrmHealth:
    def unseal(connection: Connection) -> object:
        return seal.open(connection.access_token, owner_id=connection.owner_id, field=ACCESS)

    return CrmHealth(
        memory=memory,
        account=account,
        unseal=unseal,
        knock=partial(_knock, http),
        lag=lag,
        clock=clock,
        gateway_url=settings.gateway_url,
    )


async def _knock(http: HttpClient, url: str) -> str | None:
    try:
        answer = await http.send(HttpRequest(name=f"GET {url}", method="GET", url=url))
    except Unreachable as error:
        return str(error)
    return None if answer.success else f"GET {url}: status {answer.status}"
