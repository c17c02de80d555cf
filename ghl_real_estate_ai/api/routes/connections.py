"""Connecting a CRM account: the page an owner comes back to, and what an admin may see and start.

Called by GoHighLevel's consent page (through the owner's browser) and by admins. Tokens never leave by this door.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.api.dependencies import DoorsDep, ServicesDep, allowed
from ghl_real_estate_ai.api.install_page import connected_page, failed_page
from ghl_real_estate_ai.errors import (
    ConfigurationError,
    CrmError,
    EnterpriseHubError,
    GrantRefused,
    InputError,
    TooManyRequests,
)
from ghl_real_estate_ai.models.connections import (
    Connection,
    ConnectionKind,
    ConnectionStatus,
    OwnerKind,
    Rotation,
    rotation,
)
from ghl_real_estate_ai.models.identifiers import Frozen, UtcTime
from ghl_real_estate_ai.models.leads import Identity, Role

CALLBACK_PATH: Final = "/oauth/ghl/callback"

_START_AGAIN: Final = "Start again from `enterprisehub connect`."
_log = telemetry.get_logger("api")

router = APIRouter(tags=["connections"])


Admin = Annotated[Identity, Depends(allowed(Role.ADMIN))]


class ConnectionView(Frozen):
    """A connection as an admin sees it."""

    owner_id: str
    owner_kind: OwnerKind
    kind: ConnectionKind
    status: ConnectionStatus
    scopes: tuple[str, ...]
    obtained_at: UtcTime
    expires_at: UtcTime | None
    rotation: Rotation
    simulated: bool


class Connections(Frozen):
    """Those of the caller's location: none or one."""

    connections: tuple[ConnectionView, ...]


class InstallUrl(Frozen):
    """Where the account's owner gives consent: good once, within ten minutes."""

    url: str


@router.get(CALLBACK_PATH, response_class=HTMLResponse)
async def finish_install(
    request: Request,
    services: ServicesDep,
    doors: DoorsDep,
    code: Annotated[str, Query(max_length=2_048)] = "",
    state: Annotated[str, Query(max_length=512)] = "",
) -> HTMLResponse:
    """Where GoHighLevel sends the owner back to. Always a page; it never shows what the address held."""
    try:
        await doors.installs.spend(request.client.host if request.client else "unknown")
        if not state:
            raise InputError("state: missing; this page ends what `enterprisehub connect` begins")
        if not code:
            raise InputError("code: missing; consent was not given")
        return connected_page(await services.crm.connections.finish_install(code=code, state=state))
    except EnterpriseHubError as error:
        _log.warning("install.failed", code=error.code, reason=str(error))
        return failed_page(*_words_for(error), status=error.http_status)


@router.get("/v1/connections")
async def list_connections(identity: Admin, services: ServicesDep) -> Connections:
    """How the caller's own location is connected."""
    found = await services.crm.connections.of_location(identity.location_id)
    return Connections(connections=() if found is None else (_view(found, services),))


@router.post("/v1/connections/install-url")
async def make_install_url(identity: Admin, services: ServicesDep) -> InstallUrl:
    """Begin an installation: give the URL to the account's owner."""
    return InstallUrl(url=await services.crm.connections.install_url())


def _view(connection: Connection, services: ServicesDep) -> ConnectionView:
    shown = {name: getattr(connection, name) for name in ConnectionView.model_fields if name != "rotation"}
    return ConnectionView(**shown, rotation=rotation(connection, now=services.clock.now()))


def _words_for(error: EnterpriseHubError) -> tuple[str, str]:
    """What happened and what to do, for somebody who is no operator. The log has the rest."""
    if isinstance(error, TooManyRequests):
        return (
            "This page was called too often.",
            "Wait a minute, then start again from `enterprisehub connect`.",
        )
    if isinstance(error, InputError):
        what = (
            "This page was opened without a running installation, too late, twice, or without your consent."
        )
        return what, _START_AGAIN
    if isinstance(error, GrantRefused):
        return (
            "GoHighLevel no longer knows this consent: it was used already, or it is too old.",
            _START_AGAIN,
        )
    if isinstance(error, ConfigurationError):
        return str(error), "Then start again from `enterprisehub connect`."
    if isinstance(error, CrmError):
        return "GoHighLevel refused what was asked; the log of the gateway says why.", _START_AGAIN
    return "GoHighLevel or the database did not answer in time.", "Wait a minute. " + _START_AGAIN
