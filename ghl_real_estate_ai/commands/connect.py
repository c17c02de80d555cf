"""Connect a location's CRM account, step by step: access, scopes, what stages mean, history. Called by ``enterprisehub connect``.

Running it again changes what is asked for and keeps the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Literal

from ghl_real_estate_ai.commands.location_setup import Decided, Say, SetupOptions, decide
from ghl_real_estate_ai.commands.questions import Questions
from ghl_real_estate_ai.crm_ports import CrmAccountReader
from ghl_real_estate_ai.errors import InputError, Unreachable
from ghl_real_estate_ai.limits import INSTALL_STATE_S
from ghl_real_estate_ai.models.connections import (
    Connection,
    ConnectionKind,
    ConnectionStatus,
    LocationSetup,
    OwnerKind,
)
from ghl_real_estate_ai.models.crm_account import CrmAccount
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.services.crm_connections import CrmConnections
from ghl_real_estate_ai.services.crm_sync import CrmSync, Progress

PRIVATE_TOKEN: Final = "private token"  # noqa: S105  # reason: the name of a way, not a secret
APP: Final = "app"

_LOOK_S: Final = 1.0
"""How often the database is asked whether the callback has come."""

Sleep = Callable[[float], Awaitable[None]]
Waiting = Callable[[str], AbstractContextManager[object]]
"""Shows that, and for what, somebody has to wait."""


@dataclass(frozen=True, kw_only=True)
class ConnectOptions:
    """What was said on the command line. ``token``: of the environment variable, never an argument."""

    location: str | None = None
    token: str | None = None
    token_env: str = "ENTERPRISEHUB_GHL_TOKEN"  # noqa: S105  # reason: the name of a variable
    way: Literal["app", "private token"] | None = None
    setup: SetupOptions = field(default_factory=SetupOptions)
    import_history: bool | None = None
    wait_s: float = INSTALL_STATE_S


@dataclass(frozen=True, kw_only=True)
class Connector:
    """What connecting needs, plugged together by bootstrap."""

    memory: Memory
    connections: CrmConnections
    account: CrmAccountReader
    sync: CrmSync
    gateway_url: str
    callback_url: str


async def connect(
    parts: Connector,
    options: ConnectOptions,
    *,
    ask: Questions,
    say: Say,
    progress: Progress = lambda _step: None,
    waiting: Waiting = nullcontext,
    sleep: Sleep = asyncio.sleep,
) -> dict[str, object]:
    """Everything in order; what became of it, for --json. The workflow's URL is in it once, when it is new."""
    connection = await _access(parts, options, ask=ask, say=say, waiting=waiting, sleep=sleep)
    location_id = LocationId(connection.owner_id)
    account = await parts.account.describe(location_id, stated=connection.scopes)
    _tell(account, connection, say)
    before = await parts.memory.read(lambda uow: uow.connections.setup(location_id))
    decided = decide(
        before or LocationSetup(location_id=location_id),
        account,
        options.setup,
        ask=ask,
        say=say,
        gateway_url=parts.gateway_url,
    )
    await parts.memory.write(lambda uow: _put_setup(uow, decided.setup))
    if decided.workflow_url is not None:
        say(f"workflow URL, shown only now: {decided.workflow_url}")
    read = await _history(parts, options, location_id, ask=ask, progress=progress)
    return _report(connection, account, decided, read)


def _put_setup(uow: UnitOfWork, setup: LocationSetup) -> None:
    """The ids of our custom fields, and who is who, are kept as they are now: either may have changed while questions were asked."""
    now = uow.connections.setup(setup.location_id)
    kept = {} if now is None else {"field_ids": now.field_ids, "linked_users": now.linked_users}
    uow.connections.put_setup(setup.model_copy(update=kept))


# --- access -------------------------------------------------------------------------------------------------------


async def _access(
    parts: Connector, options: ConnectOptions, *, ask: Questions, say: Say, waiting: Waiting, sleep: Sleep
) -> Connection:
    """The location's connection: the one that there is, or a new one by token or app."""
    location = options.location or await parts.memory.read(_only_location)
    wants_new = options.token is not None or options.way is not None
    reach = parts.connections.of_location if wants_new else parts.connections.with_access
    known = None if location is None else await reach(LocationId(location))
    if known is not None and known.status is ConnectionStatus.ACTIVE and not wants_new:
        what = "the app" if known.kind is ConnectionKind.OAUTH else "a private token"
        if not ask.agree(f"{location} is connected by {what}. Connect it anew?", default=False):
            return known
    way = options.way or (
        PRIVATE_TOKEN
        if options.token is not None
        else ask.choose("Connect by", (PRIVATE_TOKEN, APP), default=PRIVATE_TOKEN)
    )
    if way == APP:
        before = await parts.memory.read(_generations)
        say("open this page, signed in as the account's owner, and choose the location:")
        say(await parts.connections.install_url())
        with waiting(f"waiting for the answer at {parts.callback_url}"):
            return await _by_app(parts, options, location, before=before, sleep=sleep)
    return await _by_token(parts, options, location, ask=ask)


def _only_location(uow: UnitOfWork) -> str | None:
    places = uow.tenants.locations()
    return places[0].location_id if len(places) == 1 else None


async def _by_token(
    parts: Connector, options: ConnectOptions, location: str | None, *, ask: Questions
) -> Connection:
    place = ask.text("Location id (Settings > Business Profile)", default=location, option="--location")
    token = options.token or ask.secret("Private integration token", option=options.token_env)
    await parts.connections.connect_private_token(LocationId(place), token.strip())
    return await _stored(parts, place)


async def _by_app(
    parts: Connector,
    options: ConnectOptions,
    location: str | None,
    *,
    before: Mapping[str, int],
    sleep: Sleep,
) -> Connection:
    """Wait until the gateway has stored what came back from the page of consent."""
    waited = 0.0
    while not (fresh := await parts.memory.read(lambda uow: _fresh(uow, before, location))):
        if location is not None and await parts.memory.read(
            lambda uow: _is_of_new_agency(uow, before, location)
        ):
            return await _by_agency(parts, location)
        if waited >= options.wait_s:
            raise Unreachable(
                f"no answer within {options.wait_s:.0f} s: either nobody agreed on the page, or it did not lead back to "
                f"{parts.callback_url}; check that `enterprisehub serve` runs on this database and that the app has "
                "exactly this redirect URL"
            )
        await sleep(_LOOK_S)
        waited += _LOOK_S
    if len(fresh) == 1:
        return fresh[0]
    names = ", ".join(sorted(one.owner_id for one in fresh))
    raise InputError(f"{len(fresh)} locations were connected; set up one at a time with --location: {names}")


def _generations(uow: UnitOfWork) -> dict[str, int]:
    return {one.owner_id: one.generation for one in uow.connections.all()}


def _fresh(uow: UnitOfWork, before: Mapping[str, int], location: str | None) -> list[Connection]:
    """Connections of locations that came since; of the one that was named, if one was."""
    served = {place.location_id for place in uow.tenants.locations()}
    return [
        one
        for one in uow.connections.all()
        if one.owner_id in served
        and one.kind is ConnectionKind.OAUTH
        and one.status is ConnectionStatus.ACTIVE
        and one.generation > before.get(one.owner_id, 0)
        and location in {None, one.owner_id}
    ]


def _is_of_new_agency(uow: UnitOfWork, before: Mapping[str, int], location: str) -> bool:
    """Whether an agency came since that may have the location, and nothing of the location's own is in the way."""
    came = any(
        one.owner_kind is OwnerKind.COMPANY and one.generation > before.get(one.owner_id, 0)
        for one in uow.connections.all()
    )
    known = uow.connections.get(location)
    by_app = known is None or (known.kind is ConnectionKind.OAUTH and known.status is ConnectionStatus.ACTIVE)
    return came and by_app and location in {place.location_id for place in uow.tenants.locations()}


async def _by_agency(parts: Connector, location: str) -> Connection:
    """At once: the gateway gives an agency's locations their access one after the other."""
    connection = await parts.connections.with_access(LocationId(location))
    if connection is None:
        raise InputError(f"--location {location!r}: the agency has no access to it; install the app in it")
    return connection


async def _stored(parts: Connector, location: str) -> Connection:
    connection = await parts.connections.of_location(LocationId(location))
    if connection is None:
        raise InputError(f"--location {location!r}: the token is of another location")
    return connection


# --- the account and its history ----------------------------------------------------------------------------------


def _tell(account: CrmAccount, connection: Connection, say: Say) -> None:
    """What was found, and what is missing with what it costs."""
    say(f"connected: {account.name or connection.owner_id} ({connection.owner_id})")
    if connection.simulated:
        say("the API behind it is not GoHighLevel's own: everything that is read from it counts as simulated")
    for check in account.may_not():
        say(f"scope {check.scope} is missing ({check.need.value}); without it: {check.without}")
    unseen = [check.scope for check in account.scopes if check.granted is None]
    if unseen:
        say(f"only a change would show whether these scopes are there: {', '.join(unseen)}")
    if account.users:
        say(f"users: {', '.join(user.name for user in account.users)}")


async def _history(
    parts: Connector,
    options: ConnectOptions,
    location_id: LocationId,
    *,
    ask: Questions,
    progress: Progress,
) -> Mapping[SyncSource, int] | None:
    wanted = options.import_history
    if wanted is None:
        wanted = ask.agree("Read the account's history now? It goes on where it stopped.", default=True)
    if not wanted:
        return None
    read = await parts.sync.import_history(location_id, progress=progress)
    return {source: progress_of.items for source, progress_of in read.items()}


def _report(
    connection: Connection,
    account: CrmAccount,
    decided: Decided,
    read: Mapping[SyncSource, int] | None,
) -> dict[str, object]:
    setup = decided.setup
    return {
        "location_id": connection.owner_id,
        "name": account.name,
        "kind": connection.kind.value,
        "simulated": connection.simulated,
        "missing_scopes": [check.model_dump(mode="json") for check in account.may_not()],
        "users": [user.model_dump(mode="json") for user in account.users],
        "stages": {
            stage_id: {
                "name": stage.name,
                "role": role.value if (role := setup.stages.get(stage_id)) else None,
            }
            for stage_id, stage in account.stages.items()
        },
        "calendars": list(setup.calendars),
        "activity_object": setup.activity_object,
        "polling": setup.polling,
        "write_back": sorted(part.value for part in setup.write_back),
        "workflow_url": decided.workflow_url,
        "imported": None if read is None else {source.value: items for source, items in read.items()},
    }
