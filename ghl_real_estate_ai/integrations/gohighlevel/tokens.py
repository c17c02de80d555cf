"""Keeps the tokens of connected accounts fresh: renewed once, by one process, whoever asks and however many.

The ``TokenSource`` of client.py over ``ports.Memory``. See docs/adr/0016.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final, Self

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import (
    AnswerLost,
    CrmRefused,
    EnterpriseHubError,
    GrantRefused,
    LocationInactive,
    NeedsReconnect,
    NotFound,
    OutcomeUnknown,
    ScopeMissing,
    StorageUnavailable,
    TooManyRequests,
    Unreachable,
)
from ghl_real_estate_ai.integrations.gohighlevel.client import AccessToken
from ghl_real_estate_ai.integrations.gohighlevel.oauth import GoHighLevelAccess
from ghl_real_estate_ai.integrations.gohighlevel.sealing import ACCESS, TokenSeal
from ghl_real_estate_ai.limits import (
    CRM_BACKOFF_S,
    PRIVATE_TOKEN_PAUSE_S,
    TOKEN_ASK_S,
    TOKEN_EARLY_S,
    TOKEN_LEASE_S,
    TOKEN_LOOK_S,
    TOKEN_WAIT_S,
)
from ghl_real_estate_ai.models.connections import Connection, ConnectionKind, ConnectionStatus, OwnerKind
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork

_log = telemetry.get_logger("tokens")

_MAY_PASS: Final = (Unreachable, OutcomeUnknown, TooManyRequests)
"""What a renewal may fail with and be tried again: the refresh token is still believed to be good."""

_NOT_BY_THIS_AGENCY: Final = (CrmRefused, NeedsReconnect, ScopeMissing, NotFound)


class TokenKeeper:
    """Nothing is kept in memory: an account that another process closed is closed here with the next call."""

    def __init__(
        self,
        *,
        memory: Memory,
        access: GoHighLevelAccess,
        seal: TokenSeal,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wait_s: float = TOKEN_WAIT_S,
    ) -> None:
        self._memory: Final = memory
        self._access: Final = access
        self._seal: Final = seal
        self._clock: Final = clock
        self._sleep: Final = sleep
        self._wait: Final = timedelta(seconds=wait_s)
        self._holder: Final = str(uuid.uuid4())
        self._renewals: Final[dict[str, asyncio.Task[AccessToken | EnterpriseHubError]]] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Renewals belong to this block, not to who asked: tokens that are on their way are stored, whoever gives up."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                try:
                    yield self
                finally:
                    if self._renewals:
                        await asyncio.wait(self._renewals.values())
        except BaseExceptionGroup as group:
            # Renewals hand their errors to who waits: this is the block's own, which its caller knows by its class.
            raise group.exceptions[0] from None

    async def token(self, owner_id: str) -> AccessToken:
        """The current one, renewed if it is about to expire. Raises NeedsReconnect."""
        connection = await self._memory.read(lambda uow: uow.connections.get(owner_id))
        if connection is None:
            return await self._one_renewal(owner_id, 0)
        current, now = self._opened(connection), self._clock.now()
        if connection.expires_at is None or now < connection.expires_at - timedelta(seconds=TOKEN_EARLY_S):
            return current
        try:
            return await self._one_renewal(owner_id, connection.generation)
        except (*_MAY_PASS, StorageUnavailable, LocationInactive):
            if now < connection.expires_at:  # it was early: what we have is still good
                return current
            raise

    async def renewed(self, owner_id: str, *, generation: int) -> AccessToken:
        """A newer one than the refused ``generation``. Raises NeedsReconnect when there will be none."""
        return await self._one_renewal(owner_id, generation)

    async def _one_renewal(self, owner_id: str, generation: int) -> AccessToken:
        """All who wait in this process share one task; a waiter that is cancelled leaves it running."""
        while True:
            task = self._renewals.get(owner_id)
            if task is None:
                task = self._tasks.create_task(self._settled(owner_id, generation), name=f"tokens:{owner_id}")
                self._renewals[owner_id] = task
            outcome = await asyncio.shield(task)
            if isinstance(outcome, EnterpriseHubError):
                raise outcome
            if outcome.generation != generation:  # else it was begun for an older one
                return outcome

    async def _settled(self, owner_id: str, generation: int) -> AccessToken | EnterpriseHubError:
        """The outcome as a value: an error must reach those who wait, not end the task group."""
        try:
            return await self._newer(owner_id, generation)
        except EnterpriseHubError as error:
            return error
        finally:
            self._renewals.pop(owner_id, None)

    async def _newer(self, owner_id: str, generation: int) -> AccessToken:
        """Look, and renew or wait until somebody else has."""
        give_up_at = self._clock.now() + self._wait
        while self._clock.now() < give_up_at:
            connection = await self._memory.read(lambda uow: uow.connections.get(owner_id))
            if connection is None:
                return self._opened(await self._adopt(LocationId(owner_id)))
            if connection.generation != generation:
                return self._opened(connection)
            self._opened(connection)  # a closed one has nothing to renew
            until = self._clock.now() + timedelta(seconds=TOKEN_LEASE_S)
            if await self._lease(connection, until):
                return self._opened(await self._renew(connection))
            await self._sleep(TOKEN_LOOK_S)
        raise Unreachable(f"the tokens of {owner_id} are being renewed by another process; try again")

    def _opened(self, connection: Connection) -> AccessToken:
        """The open token of an active connection. Raises NeedsReconnect for any other."""
        if connection.status is not ConnectionStatus.ACTIVE:
            why = (
                "its app was uninstalled"
                if connection.status is ConnectionStatus.UNINSTALLED
                else "its token is no longer accepted"
            )
            raise NeedsReconnect(f"{connection.owner_id}: {why}; run `enterprisehub connect`")
        value = self._seal.open(connection.access_token, owner_id=connection.owner_id, field=ACCESS)
        return AccessToken(value, connection.generation)

    # --- with the lease ---------------------------------------------------------------------------------------------

    async def _lease(self, connection: Connection, until: datetime) -> bool:
        now = self._clock.now()
        return await self._memory.write(
            lambda uow: uow.connections.lease(
                connection.owner_id,
                generation=connection.generation,
                holder=self._holder,
                now=now,
                until=until,
            )
        )

    async def _renew(self, connection: Connection) -> Connection:
        """Ask for new tokens and store them. What does not succeed gives the lease back."""
        try:
            async with asyncio.timeout(TOKEN_ASK_S):
                fresh = await self._asked(connection)
        except TimeoutError:
            await self._release(connection)
            raise AnswerLost(
                f"the tokens of {connection.owner_id}: no answer in {TOKEN_ASK_S:.0f} s"
            ) from None
        except GrantRefused as error:
            return await self._lose(connection, str(error))
        except EnterpriseHubError:
            await self._release(connection)
            raise
        return await self._store(fresh)

    async def _asked(self, connection: Connection) -> Connection:
        """The next generation, by whatever way there is. Raises GrantRefused when there is none."""
        if connection.kind is ConnectionKind.PRIVATE_TOKEN:
            await self._sleep(PRIVATE_TOKEN_PAUSE_S)  # a single 401 may be the vendor's own trouble
            return await self._access.confirmed(connection)
        wait_s, give_up_at = CRM_BACKOFF_S, self._clock.now() + timedelta(seconds=TOKEN_ASK_S)
        while True:
            try:
                return await self._access.renewed(connection)
            except GrantRefused as error:
                company = await self._company_of(connection)
                if company is None:
                    raise
                _log.warning("token.minted_anew", owner=connection.owner_id, reason=str(error))
                minted = await self._minted(company, LocationId(connection.owner_id))
                return minted.model_copy(update={"generation": connection.generation + 1})
            except _MAY_PASS as error:
                if self._clock.now() + timedelta(seconds=wait_s) >= give_up_at:
                    raise
                _log.warning("renewal.delayed", owner=connection.owner_id, reason=str(error))
                await self._sleep(wait_s)
                wait_s *= 2

    async def _store(self, fresh: Connection) -> Connection:
        """Both tokens in one transaction. They exist nowhere else: the database has the rest of the lease to take them."""
        give_up_at = self._clock.now() + timedelta(seconds=TOKEN_LEASE_S - TOKEN_ASK_S)
        while True:
            try:
                stored = await self._memory.write(lambda uow: self._swapped(uow, fresh))
                break
            except StorageUnavailable:
                if self._clock.now() >= give_up_at:
                    raise
                await self._sleep(TOKEN_LOOK_S)
        if stored is None:
            raise NeedsReconnect(f"{fresh.owner_id} was disconnected meanwhile; run `enterprisehub connect`")
        return stored

    def _swapped(self, uow: UnitOfWork, fresh: Connection) -> Connection | None:
        """What is true after the swap: ours, or what somebody connected or closed meanwhile."""
        swapped = uow.connections.renew(fresh, holder=self._holder)
        return fresh if swapped else uow.connections.get(fresh.owner_id)

    async def _lose(self, connection: Connection, reason: str) -> Connection:
        """Its owner has to connect again. Said once: the next who asks finds the status."""
        lost = connection.model_copy(
            update={
                "status": ConnectionStatus.NEEDS_RECONNECT,
                "generation": connection.generation + 1,
            }
        )
        stored = await self._store(lost)
        if stored == lost:
            _log.error(
                "connection.lost",
                owner=connection.owner_id,
                reason=reason,
                fix="run `enterprisehub connect`",
            )
        return stored

    async def _release(self, connection: Connection) -> None:
        with suppress(StorageUnavailable):  # then it ends by time
            await self._memory.write(
                lambda uow: uow.connections.release(connection.owner_id, holder=self._holder)
            )

    # --- by the agency ----------------------------------------------------------------------------------------------

    async def _company_of(self, connection: Connection) -> Connection | None:
        """The connected agency that a location's tokens can be had from."""
        company_id = connection.company_id
        if connection.owner_kind is not OwnerKind.LOCATION or company_id is None:
            return None
        company = await self._memory.read(lambda uow: uow.connections.get(company_id))
        return company if company is not None and _gives_tokens(company) else None

    async def _minted(self, company: Connection, location_id: LocationId) -> Connection:
        return await self._access.of_company(company, location_id, tokens=self)

    async def _adopt(self, location_id: LocationId) -> Connection:
        """Connect a served location that has no connection yet, by an agency that has it. Raises NeedsReconnect."""

        def known(uow: UnitOfWork) -> list[Connection]:
            served = any(place.location_id == location_id for place in uow.tenants.locations())
            return [one for one in uow.connections.all() if served and _gives_tokens(one)]

        for company in await self._memory.read(known):
            try:
                minted = await self._minted(company, location_id)
            except _NOT_BY_THIS_AGENCY:
                continue
            return await self._memory.write(_stored_first(minted))
        raise NeedsReconnect(f"{location_id} is not connected; run `enterprisehub connect`")


def _gives_tokens(company: Connection) -> bool:
    is_agency = company.owner_kind is OwnerKind.COMPANY and company.kind is ConnectionKind.OAUTH
    return is_agency and company.status is ConnectionStatus.ACTIVE


def _stored_first(minted: Connection) -> Callable[[UnitOfWork], Connection]:
    """Store it, unless another process was first; then that one counts."""

    def store(uow: UnitOfWork) -> Connection:
        known = uow.connections.get(minted.owner_id)
        if known is None:
            uow.connections.put(minted)
        return known or minted

    return store
