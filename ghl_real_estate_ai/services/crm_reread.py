"""Reads leads again that a hint has named, and believes only what the API says of them.

Wired by bootstrap; workflow_hints asks for it. Requests are rows: a restart forgets none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Final

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.crm_ports import CrmReader
from ghl_real_estate_ai.errors import (
    ConfigurationError,
    CrmRefused,
    EnterpriseHubError,
    InputError,
    LocationInactive,
    NeedsReconnect,
    NotFound,
    ScopeMissing,
    StorageUnavailable,
    TooManyRequests,
)
from ghl_real_estate_ai.limits import (
    REREAD_AGAIN_S,
    REREAD_DELAYS_S,
    REREAD_LOOK_S,
    REREAD_REFUSALS,
    REREADS_AT_ONCE,
)
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.synchronization import RereadRequest
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork
from ghl_real_estate_ai.services.admission import is_forgotten
from ghl_real_estate_ai.services.event_inbox import EventInbox

_OF_THE_LEAD: Final = (CrmRefused, InputError)
"""What the CRM answers of a contact that is gone or never was: its document knows no 404 here."""

_OF_THE_LOCATION: Final = (
    NeedsReconnect,
    LocationInactive,
    ScopeMissing,
    TooManyRequests,
    ConfigurationError,
)
"""What the location's other leads would meet as well."""

_log = telemetry.get_logger("crm_reread")


class CrmReread:
    """Serves the requests whose time has come: some of each location at once, and no location waits for another."""

    def __init__(
        self,
        *,
        memory: Memory,
        reader: CrmReader,
        inbox: EventInbox,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        mine: Callable[[LocationId], bool] = lambda _location_id: True,
    ) -> None:
        """``mine``: whether a location is this process's to look after, as things stand now."""
        self._memory = memory
        self._reader = reader
        self._inbox = inbox
        self._clock = clock
        self._sleep = sleep
        self._mine = mine
        self._busy: set[LocationId] = set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._begin(tasks)
                await self._sleep(REREAD_LOOK_S)

    async def serve_due(self) -> int:
        """Serve what is due now, at most REREADS_AT_ONCE of each location; returns how many."""
        async with asyncio.TaskGroup() as tasks:
            return await self._begin(tasks)

    async def _begin(self, tasks: asyncio.TaskGroup) -> int:
        """Start what is due, but nothing in a location that is still being served."""
        now = self._clock.now()
        try:
            due = await self._memory.read(lambda uow: uow.sync.due_rereads(now=now, limit=REREADS_AT_ONCE))
        except StorageUnavailable as error:
            _log.warning("look.delayed", reason=str(error))
            return 0
        begun = 0
        for location_id, group in groupby(due, key=lambda request: request.location_id):
            if location_id not in self._busy and self._mine(location_id):
                requests = list(group)
                begun += len(requests)
                self._busy.add(location_id)
                tasks.create_task(self._serve_some(location_id, requests), name=f"reread:{location_id}")
        return begun

    async def _serve_some(self, location_id: LocationId, requests: Sequence[RereadRequest]) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                served = [tasks.create_task(self._serve(request)) for request in requests]
            rest_s = max(task.result() for task in served)
            if rest_s:
                until = self._clock.now() + timedelta(seconds=rest_s)
                await self._memory.write(lambda uow: uow.sync.rest_rereads(location_id, until=until))
        except* StorageUnavailable as group:
            _log.warning("location.delayed", location=location_id, reason=str(group.exceptions[0]))
        finally:
            self._busy.discard(location_id)

    async def _serve(self, request: RereadRequest) -> float:
        """Returns for how long the whole location shall rest."""
        try:
            return await self._read_again(request)
        except StorageUnavailable:
            raise
        except NotFound:
            return await self._give_up(request, "lead.unknown")
        except EnterpriseHubError as error:
            if isinstance(error, _OF_THE_LEAD) and request.attempts + 1 >= REREAD_REFUSALS:
                return await self._give_up(request, "lead.refused")
            delay_s = await self._later(request)
            _log.warning("lead.delayed", location=request.location_id, code=error.code, wait_s=delay_s)
            return delay_s if isinstance(error, _OF_THE_LOCATION) else 0.0
        except Exception as error:  # noqa: BLE001  # reason: one lead's oddity must not end everybody's gateway
            await self._later(request)
            _log.error("lead.broken", location=request.location_id, **telemetry.crash_of(error))
            return 0.0

    async def _read_again(self, request: RereadRequest) -> float:
        forgotten, setup = await self._memory.read(partial(_whether_and_how, request=request))
        if forgotten:
            return await self._give_up(request, "lead.forgotten")
        if setup is None:  # the hints wait for a connection; nothing was tried
            return REREAD_DELAYS_S[-1]
        began = self._clock.now()
        deliveries = await self._reader.lead(setup, request.lead_id, received_at=began)

        def settle(uow: UnitOfWork) -> bool:
            """The CRM's indexes lag: what was read at once is read once more."""
            again_at = request.requested_at + timedelta(seconds=REREAD_AGAIN_S)
            if began >= again_at:
                uow.sync.finish_reread(request)
            else:
                uow.sync.postpone_reread(_due(request, again_at))
            return True

        await self._inbox.receive_page(request.location_id, deliveries, if_so=settle)
        return 0.0

    async def _give_up(self, request: RereadRequest, event: str) -> float:
        _log.info(event, location=request.location_id)
        await self._memory.write(lambda uow: uow.sync.finish_reread(request))
        return 0.0

    async def _later(self, request: RereadRequest) -> float:
        """Try again, later each time; returns when."""
        attempts = request.attempts + 1
        delay_s = REREAD_DELAYS_S[min(attempts, len(REREAD_DELAYS_S) - 1)]
        later = _due(request, self._clock.now() + timedelta(seconds=delay_s), attempts=attempts)
        await self._memory.write(lambda uow: uow.sync.postpone_reread(later))
        return delay_s


def _whether_and_how(uow: UnitOfWork, *, request: RereadRequest) -> tuple[bool, LocationSetup | None]:
    """Whether the lead was erased on request; how its location is set up, None while it is not connected."""
    forgotten = is_forgotten(uow, request.location_id, request.lead_id)
    return forgotten, uow.connections.active_setup(request.location_id)


def _due(request: RereadRequest, due_at: datetime, *, attempts: int = 0) -> RereadRequest:
    return request.model_copy(update={"attempts": attempts, "due_at": due_at})
