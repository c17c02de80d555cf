"""Which CRM accounts are connected: by consent to an app, by a private token, and no longer, when the app is uninstalled.

Called by api/routes/connections.py and ``enterprisehub connect``; hears ``CrmAppUninstalled`` from the bus. Bootstrap starts
``run``: the locations of a large agency get their own tokens one after the other.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.crm_ports import CrmAccess
from ghl_real_estate_ai.errors import (
    CrmError,
    EnterpriseHubError,
    InputError,
    NeedsReconnect,
    NotFound,
    TooManyRequests,
    Unreachable,
)
from ghl_real_estate_ai.limits import ADOPT_AGAIN_S, ADOPT_LOOK_S, INSTALL_STATE_S, INSTALL_TOKENS_S
from ghl_real_estate_ai.models.connections import Connection, ConnectionKind, ConnectionStatus, OwnerKind
from ghl_real_estate_ai.models.events import CrmAppUninstalled, RecordedEvent
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.ports import Clock, DurableWork, Memory, UnitOfWork

_UNANSWERED: Final = (CrmError, NotFound, TooManyRequests, Unreachable)
"""What must not undo a connection that stands: its code is spent."""

_CLOCKS_DIFFER: Final = timedelta(seconds=5)
"""By so much the vendor's clock may be behind ours. No more: tokens of an app that is gone are refused anyway."""

_log = telemetry.get_logger("crm_connections")


class Connected(Frozen):
    """What somebody just connected. ``later``: locations whose own token ``run`` gets within minutes."""

    owner_kind: OwnerKind
    locations: tuple[Location, ...]
    later: tuple[Location, ...] = ()


class CrmConnections:
    """``app_id``: our marketplace app's; '' without one.

    ``adopt``: gives a served location its first token by an agency that has it. Raises NeedsReconnect when none has.
    """

    def __init__(
        self,
        *,
        memory: Memory,
        access: CrmAccess,
        clock: Clock,
        app_id: str,
        adopt: Callable[[LocationId], Awaitable[object]],
        make_state: Callable[[], str] = lambda: secrets.token_urlsafe(32),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        mine: Callable[[LocationId], bool] = lambda _location_id: True,
    ) -> None:
        """``mine``: whether a location is this process's to look after, as things stand now."""
        self._memory: Final = memory
        self._access: Final = access
        self._clock: Final = clock
        self._app_id: Final = app_id
        self._adopt: Final = adopt
        self._make_state: Final = make_state
        self._sleep: Final = sleep
        self._mine: Final = mine
        self._ask_again_at: Final[dict[LocationId, datetime]] = {}

    # --- consent ----------------------------------------------------------------------------------------------------

    async def install_url(self) -> str:
        """Where an account's owner gives consent; good once, for INSTALL_STATE_S. Raises ConfigurationError."""
        state = self._make_state()
        url = self._access.install_url(state)
        expires_at = self._clock.now() + timedelta(seconds=INSTALL_STATE_S)
        await self._memory.write(lambda uow: uow.connections.add_state(_hash(state), expires_at=expires_at))
        return url

    async def finish_install(self, *, code: str, state: str) -> Connected:
        """The owner came back with a code. Raises InputError for a state that we did not give out, or not lately."""
        now = self._clock.now()
        if not await self._memory.write(lambda uow: uow.connections.spend_state(_hash(state), now=now)):
            raise InputError(
                "state: unknown, used or older than ten minutes; start from `enterprisehub connect`"
            )
        connection = await self._access.of_code(code)
        return await self._connect(connection)

    async def connect_private_token(self, location_id: LocationId, token: str) -> Connected:
        """Connect one location by a token that its owner made. Raises NeedsReconnect when the CRM does not accept it."""
        connection = await self._access.of_private_token(location_id, token)
        return await self._connect(connection)

    async def of_location(self, location_id: LocationId) -> Connection | None:
        """The location's connection, whatever its status."""
        return await self._memory.read(lambda uow: uow.connections.get(location_id))

    async def with_access(self, location_id: LocationId) -> Connection | None:
        """The same; a served location that has none gets it by its agency first, if one has it."""
        known = await self.of_location(location_id)
        if known is not None:
            return known
        try:
            await self._adopt(location_id)
        except NeedsReconnect:
            return None
        return await self.of_location(location_id)

    async def _connect(self, connection: Connection) -> Connected:
        """Store it at once, the code is spent; then its locations, with their names, become served."""
        stored = await self._memory.write(lambda uow: _put(uow, connection))
        places = await self._places(stored)
        await self._memory.write(lambda uow: _serve(uow, places))
        _log.info("account.connected", owner=stored.owner_id, kind=stored.kind.value, locations=len(places))
        later = await self._without_token(stored, places) if stored.owner_kind is OwnerKind.COMPANY else []
        waiting = {place.location_id for place in later}
        ready = tuple(place for place in places if place.location_id not in waiting)
        return Connected(owner_kind=stored.owner_kind, locations=ready, later=tuple(later))

    async def _places(self, connection: Connection) -> list[Location]:
        """A location can do without its name; an agency without its list has nothing to serve."""
        try:
            return await self._access.places(connection)
        except _UNANSWERED as error:
            if connection.owner_kind is OwnerKind.COMPANY:
                raise
            _log.warning("name.unknown", owner=connection.owner_id, reason=str(error))
            return [Location(location_id=LocationId(connection.owner_id), name=connection.owner_id)]

    async def _without_token(self, company: Connection, places: list[Location]) -> list[Location]:
        """Give each location of an agency its own token; those that still have none, by refusal or for lack of time."""
        give_up_at = self._clock.now() + timedelta(seconds=INSTALL_TOKENS_S)
        has_one = await self._memory.read(_with_app)
        later = []
        # Those without one first: the time may not do for all, and a second installation must reach the rest.
        for place in sorted(places, key=lambda place: place.location_id in has_one):
            if self._clock.now() < give_up_at and await self._minted(company, place):
                continue
            if place.location_id not in has_one:
                later.append(place)
        return later

    async def _minted(self, company: Connection, place: Location) -> bool:
        try:
            own = await self._access.of_company(company, place.location_id)
        except _UNANSWERED as error:
            _log.warning("token.later", owner=place.location_id, reason=str(error))
            return False
        await self._memory.write(_putting(own))
        return True

    # --- locations of an agency that have no token yet ----------------------------------------------------------------

    async def run(self) -> None:
        """Give served locations of agencies their own tokens, until cancelled."""
        while True:
            try:
                await self.adopt_served()
            except (
                EnterpriseHubError
            ) as error:  # of the network or the database: the next look goes on behind it
                _log.warning("adoption.delayed", reason=str(error))
            await self._sleep(ADOPT_LOOK_S)

    async def adopt_served(self) -> None:
        """Each served location without a connection, one call after the other; who is refused is asked for again later."""
        for location_id in await self._memory.read(_without_connection):
            now = self._clock.now()
            if now < self._ask_again_at.get(location_id, now) or not self._mine(location_id):
                continue
            try:
                await self._adopt(location_id)
            except EnterpriseHubError as error:
                self._ask_again_at[location_id] = now + timedelta(seconds=ADOPT_AGAIN_S)
                if not isinstance(error, CrmError):
                    raise
                _log.info("location.not_adopted", owner=location_id, reason=str(error))
            else:
                _log.info("location.adopted", owner=location_id)

    # --- the end of it ----------------------------------------------------------------------------------------------

    async def uninstalled(self, recorded: RecordedEvent) -> DurableWork | None:
        """Close what the event names: no tokens, no pending changes, nothing to send with. Durable bus handler."""
        event = recorded.event
        if not isinstance(event, CrmAppUninstalled):
            return None
        if not self._app_id or event.app_id != self._app_id:
            # The vendor signs for all apps with one key: anybody may hold a genuine UNINSTALL of their own app.
            _log.warning("uninstall.of_another_app", owner=event.location_id)
            return None
        _log.warning(
            "app.uninstalled", owner=event.location_id, fix="`enterprisehub connect` connects it again"
        )

        def close(uow: UnitOfWork) -> list[RecordedEvent]:
            for connection in uow.connections.all():
                if _is_ended(connection, event):
                    _close(uow, connection)
            return []

        return close


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def _put(uow: UnitOfWork, connection: Connection) -> Connection:
    """In place of what was there; who still holds an older token must see that there is a newer one."""
    known = uow.connections.get(connection.owner_id)
    if known is not None:
        connection = connection.model_copy(update={"generation": known.generation + 1})
    uow.connections.put(connection)
    return connection


def _putting(connection: Connection) -> Callable[[UnitOfWork], Connection]:
    return lambda uow: _put(uow, connection)


def _serve(uow: UnitOfWork, places: list[Location]) -> None:
    for place in places:
        uow.tenants.put_location(place)


def _with_app(uow: UnitOfWork) -> set[str]:
    """Owners that an app has access to."""
    return {
        one.owner_id
        for one in uow.connections.all()
        if one.kind is ConnectionKind.OAUTH and one.status is ConnectionStatus.ACTIVE
    }


def _without_connection(uow: UnitOfWork) -> list[LocationId]:
    """Served locations that nobody connected, if there is an agency that may have them."""
    known = uow.connections.all()
    owners = {one.owner_id for one in known}
    if not any(
        one.owner_kind is OwnerKind.COMPANY and one.status is ConnectionStatus.ACTIVE for one in known
    ):
        return []
    places = [place.location_id for place in uow.tenants.locations()]
    return [location_id for location_id in places if location_id not in owners]


def _is_ended(connection: Connection, event: CrmAppUninstalled) -> bool:
    """Whether this UNINSTALL ends this connection. A private token belongs to no app.

    A simulator ends only what is simulated, and an old notice does not end what was connected after it.
    """
    owners = {connection.owner_id}
    if event.owner_kind is OwnerKind.COMPANY and connection.company_id is not None:
        owners.add(connection.company_id)
    return (
        event.location_id in owners
        and connection.kind is ConnectionKind.OAUTH
        and connection.status is not ConnectionStatus.UNINSTALLED
        and (connection.simulated or not event.simulated)
        and connection.obtained_at <= event.occurred_at + _CLOCKS_DIFFER
    )


def _close(uow: UnitOfWork, connection: Connection) -> None:
    emptied = {
        "status": ConnectionStatus.UNINSTALLED,
        "access_token": "",
        "refresh_token": "",
        "expires_at": None,
        "generation": connection.generation + 1,
    }
    uow.connections.put(connection.model_copy(update=emptied))
    if connection.owner_kind is OwnerKind.LOCATION:
        uow.changes.drop_pending(LocationId(connection.owner_id), error="the app was uninstalled")
        uow.sync.drop_rereads(LocationId(connection.owner_id))
