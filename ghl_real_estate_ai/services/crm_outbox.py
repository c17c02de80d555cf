"""Sends the changes that are wanted in the CRM: each once, whatever crashes or times out, and none that is forbidden by now.

Wired and started by bootstrap (``run``). An attempt is stored before the call. So an attempt that nobody settled, by a
crash or a lost answer, is known: what happens once (task, note, message) is then looked for before it is sent again.
Nothing in the house wants a message yet; whoever does first has to stand behind a guard for lawful sending.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.budgets import (
    CRM_CHANGE_ATTEMPTS,
    CRM_CHANGE_BACKOFF_MOST_S,
    CRM_CHANGE_BACKOFF_S,
    CRM_CHANGE_CLAIM_S,
    CRM_CLOSED_WAIT_S,
    CRM_OUTBOX_BATCH,
    CRM_OUTBOX_POLL_S,
)
from ghl_real_estate_ai.crm_ports import CrmWriter
from ghl_real_estate_ai.errors import (
    ConfigurationError,
    CrmUnreadable,
    EnterpriseHubError,
    LocationInactive,
    NeedsReconnect,
    NotYet,
    OutcomeUnknown,
    ScopeMissing,
    StorageUnavailable,
    TooManyRequests,
    Unreachable,
)
from ghl_real_estate_ai.models.connections import ConnectionStatus
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.models.write_back import STATES, obstacle
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork

_log = telemetry.get_logger("crm_outbox")

_CLOSED: Final = (LocationInactive, NeedsReconnect, ScopeMissing, ConfigurationError)
"""Nothing was done, and nothing will be until the account's owner or the operator acts."""

_TROUBLE: Final = (Unreachable, OutcomeUnknown, CrmUnreadable, NotYet)
"""It may pass by itself; what was done is not known."""

_OF_WHOLE_LOCATION: Final = (
    TooManyRequests,
    Unreachable,
    LocationInactive,
    NeedsReconnect,
    ConfigurationError,
)
"""The next change of the same location would end the same way."""


@dataclass(frozen=True, slots=True)
class _Settlement:
    """What became of an attempt; ``rest_until``: the location's other changes wait as long."""

    change: CrmChange
    rest_until: datetime | None = None


class CrmOutbox:
    """One location's changes go out one after the other, those of different locations side by side."""

    def __init__(
        self,
        *,
        memory: Memory,
        writer: CrmWriter,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        luck: Callable[[], float] = random.random,
    ) -> None:
        """``luck``: draws from 0 to 1 for the waits, so that what failed together does not come back together."""
        self._memory = memory
        self._writer = writer
        self._clock = clock
        self._sleep = sleep
        self._luck = luck

    async def run(self) -> None:
        """Send until cancelled. A database that is away is waited for."""
        while True:
            taken_up = 0
            try:
                taken_up = await self.step()
            except* StorageUnavailable as errors:
                _log.warning("outbox.delayed", reason=str(errors.exceptions[0]))
            if not taken_up:
                await self._sleep(CRM_OUTBOX_POLL_S)

    async def step(self) -> int:
        """Everything that is due now, at most a batch; returns how many changes were taken up."""
        now = self._clock.now()
        due = await self._memory.read(lambda uow: uow.changes.due(now=now, limit=CRM_OUTBOX_BATCH))
        of_location: dict[LocationId, list[CrmChange]] = defaultdict(list)
        for change in due:
            of_location[change.location_id].append(change)
        async with asyncio.TaskGroup() as tasks:
            for changes in of_location.values():
                tasks.create_task(self._send_all(changes))
        return len(due)

    async def _send_all(self, changes: Sequence[CrmChange]) -> None:
        for number, change in enumerate(changes, start=1):
            rest_until = await self._send(change)
            if rest_until is not None:
                await self._postpone(changes[number:], rest_until)
                return

    async def _send(self, change: CrmChange) -> datetime | None:
        """One change, from claim to settlement; returns until when its location should rest, if it should."""
        now = self._clock.now()
        if not await self._memory.write(lambda uow: _claimed(uow, change, now)):
            return None
        try:
            remote_id = await self._deliver(change)
        except StorageUnavailable:
            raise  # the claim runs out, and the attempt is looked for
        except EnterpriseHubError as error:
            settlement = self._after(error, change)
            _log.warning("change.unsent", kind=change.kind, error=error.code, status=settlement.change.status)
        else:
            done = {
                "status": ChangeStatus.DONE,
                "attempts": change.attempts + 1,
                "remote_id": remote_id or change.remote_id,
                "error": None,
                "settled_at": self._clock.now(),
            }
            settlement = _Settlement(change.model_copy(update=done))
        await self._memory.write(lambda uow: uow.changes.settle(settlement.change))
        return settlement.rest_until

    async def _deliver(self, change: CrmChange) -> str | None:
        if change.attempts and change.kind not in STATES:
            found = await self._writer.find(change)
            if found is not None:
                return found
        return await self._writer.apply(change)

    def _after(self, error: EnterpriseHubError, change: CrmChange) -> _Settlement:
        """Where a change stands after an error. What surely was not done does not count as an attempt."""
        now, attempts = self._clock.now(), change.attempts + 1
        if isinstance(error, TooManyRequests):
            wait_s, attempts = error.retry_after_s, change.attempts
        elif isinstance(error, _CLOSED):
            wait_s, attempts = CRM_CLOSED_WAIT_S, change.attempts
        elif isinstance(error, _TROUBLE) and attempts < CRM_CHANGE_ATTEMPTS:
            longest = min(CRM_CHANGE_BACKOFF_MOST_S, CRM_CHANGE_BACKOFF_S * 2 ** (attempts - 1))
            wait_s = longest * (1 + self._luck()) / 2
        else:
            return _Settlement(_failed(change, str(error), now, attempts=attempts))
        due_at = now + timedelta(seconds=wait_s)
        waiting = change.model_copy(update={"attempts": attempts, "due_at": due_at, "error": str(error)})
        return _Settlement(waiting, due_at if isinstance(error, _OF_WHOLE_LOCATION) else None)

    async def _postpone(self, changes: Sequence[CrmChange], until: datetime) -> None:
        waiting = [change.model_copy(update={"due_at": until}) for change in changes]

        def postpone(uow: UnitOfWork) -> None:
            for change in waiting:
                uow.changes.settle(change)

        if waiting:
            await self._memory.write(postpone)


def _claimed(uow: UnitOfWork, change: CrmChange, now: datetime) -> bool:
    """Ask at the last moment whether it may and should still be written; if so, store the attempt."""
    connection = uow.connections.get(change.location_id)
    if connection is not None and connection.status is ConnectionStatus.NEEDS_RECONNECT:
        later = now + timedelta(seconds=CRM_CLOSED_WAIT_S)
        uow.changes.settle(change.model_copy(update={"due_at": later}))
        return False
    lead = uow.leads.get(change.location_id, change.lead_id)
    reason = obstacle(
        change.kind,
        connection=connection,
        setup=uow.connections.setup(change.location_id),
        simulated=lead is not None and lead.simulated,
    )
    if reason is None and change.kind is ChangeKind.TASK and not _is_next_action(uow, change):
        reason = "it is the lead's next action no longer"
    if reason is not None:
        uow.changes.settle(_failed(change, reason, now, attempts=change.attempts))
        return False
    return uow.changes.claim(change, until=now + timedelta(seconds=CRM_CHANGE_CLAIM_S))


def _is_next_action(uow: UnitOfWork, change: CrmChange) -> bool:
    shown = uow.leads.intelligence(change.location_id, change.lead_id)
    action = None if shown is None else shown.next_action
    return action is not None and action.action_id == change.content.get("action_id")


def _failed(change: CrmChange, reason: str, now: datetime, *, attempts: int) -> CrmChange:
    given_up = {
        "status": ChangeStatus.FAILED,
        "attempts": attempts,
        "error": reason,
        "settled_at": now,
    }
    return change.model_copy(update=given_up)
