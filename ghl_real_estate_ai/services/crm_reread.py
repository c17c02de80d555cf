"""Reads leads again that a hint has named, and believes only what the API says of them.

Wired by bootstrap; workflow_hints asks for it. Requests are rows: a restart forgets none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.budgets import REREAD_DELAYS_S, REREAD_LOOK_S, REREADS_AT_ONCE
from ghl_real_estate_ai.crm_ports import CrmReader
from ghl_real_estate_ai.errors import EnterpriseHubError, NotFound, StorageUnavailable
from ghl_real_estate_ai.models.synchronization import RereadRequest
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork
from ghl_real_estate_ai.services.event_inbox import EventInbox

_log = telemetry.get_logger("crm_reread")


class CrmReread:
    """Serves the requests whose time has come, a few at once."""

    def __init__(
        self,
        *,
        memory: Memory,
        reader: CrmReader,
        inbox: EventInbox,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._memory = memory
        self._reader = reader
        self._inbox = inbox
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                served = await self.serve_due()
            except StorageUnavailable as error:
                _log.warning("look.delayed", reason=str(error))
                served = 0
            if served < REREADS_AT_ONCE:
                await self._sleep(REREAD_LOOK_S)

    async def serve_due(self) -> int:
        """Serve what is due now, at most REREADS_AT_ONCE; returns how many. Raises StorageUnavailable."""
        now = self._clock.now()
        due = await self._memory.read(lambda uow: uow.sync.due_rereads(now=now, limit=REREADS_AT_ONCE))
        try:
            async with asyncio.TaskGroup() as tasks:
                for request in due:
                    tasks.create_task(self._serve(request))
        except* StorageUnavailable as group:
            raise StorageUnavailable(str(group.exceptions[0])) from group
        return len(due)

    async def _serve(self, request: RereadRequest) -> None:
        setup = await self._memory.read(lambda uow: uow.connections.active_setup(request.location_id))
        if setup is None:  # the hint waits for a connection; nothing was tried
            await self._postpone(request, attempts=request.attempts, delay_s=REREAD_DELAYS_S[-1])
            return
        try:
            deliveries = await self._reader.lead(setup, request.lead_id, received_at=self._clock.now())
        except NotFound:
            _log.info("lead.unknown", location=request.location_id)
            await self._memory.write(lambda uow: uow.sync.finish_reread(request))
            return
        except EnterpriseHubError as error:
            attempts = request.attempts + 1
            delay_s = REREAD_DELAYS_S[min(attempts, len(REREAD_DELAYS_S) - 1)]
            _log.warning("lead.delayed", location=request.location_id, code=error.code, wait_s=delay_s)
            await self._postpone(request, attempts=attempts, delay_s=delay_s)
            return

        def finish(uow: UnitOfWork) -> bool:
            uow.sync.finish_reread(request)
            return True

        await self._inbox.receive_page(request.location_id, deliveries, if_so=finish)

    async def _postpone(self, request: RereadRequest, *, attempts: int, delay_s: float) -> None:
        due_at = self._clock.now() + timedelta(seconds=delay_s)
        later = request.model_copy(update={"attempts": attempts, "due_at": due_at})
        await self._memory.write(lambda uow: uow.sync.postpone_reread(later))
