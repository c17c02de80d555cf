"""Sends the changes that are wanted in the CRM: each once, whatever crashes or times out, and none that is forbidden by now.

Wired and started by bootstrap (``run``). An attempt is stored before the call. So an attempt that nobody settled, by a
crash or a lost answer, is known: what happens once (task, note, message) is then looked for before it is sent again.
Where the switch OUTGOING is off nothing is sent: what waits goes on waiting, and goes when it is on again.
Nothing in the house wants a message yet; whoever does first has to stand behind a guard for lawful sending.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai import telemetry
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
from ghl_real_estate_ai.limits import (
    CRM_CHANGE_ATTEMPTS,
    CRM_CHANGE_BACKOFF_MOST_S,
    CRM_CHANGE_BACKOFF_S,
    CRM_CHANGE_CLAIM_S,
    CRM_CLOSED_WAIT_S,
    CRM_OUTBOX_BATCH,
    CRM_OUTBOX_LOCATIONS,
    CRM_OUTBOX_POLL_S,
)
from ghl_real_estate_ai.models.connections import Connection, ConnectionStatus
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.switches import Switch
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.models.write_back import STATES, obstacle
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork

_log = telemetry.get_logger("crm_outbox")

_ALL_KINDS: Final = frozenset(ChangeKind)

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
"""The next change of the same location would end the same way. A missing scope says that of the same kind only."""


@dataclass(frozen=True, slots=True)
class _Settlement:
    """What became of an attempt; ``resting``: the kinds of the location's other changes that wait as long."""

    change: CrmChange
    resting: frozenset[ChangeKind] = frozenset()


class CrmOutbox:
    """One location's changes go out one after the other, those of different locations side by side.

    A location that is slow, has much to send or fails in a way that nobody foresaw delays no other.
    """

    def __init__(
        self,
        *,
        memory: Memory,
        writer: CrmWriter,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        luck: Callable[[], float] = random.random,
        mine: Callable[[LocationId], bool] = lambda _location_id: True,
    ) -> None:
        """``mine``: whether a location is this process's to look after, as things stand now.

        ``luck``: draws from 0 to 1 for the waits, so that what failed together does not come back together."""
        self._memory = memory
        self._writer = writer
        self._clock = clock
        self._sleep = sleep
        self._luck = luck
        self._mine = mine
        self._sending: set[LocationId] = set()

    async def run(self) -> None:
        """Send until cancelled. A database that is away is waited for."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    await self._start(tasks)
                except StorageUnavailable as error:
                    _log.warning("outbox.delayed", reason=str(error))
                await self._sleep(CRM_OUTBOX_POLL_S)

    async def step(self) -> int:
        """What is due now, at most a batch per location; returns how many changes were taken up."""
        async with asyncio.TaskGroup() as tasks:
            sending = await self._start(tasks)
        return sum(task.result() for task in sending)

    async def _start(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[int]]:
        """Begin with the locations that have something to send and are not at it."""
        now = self._clock.now()
        due = await self._memory.read(
            lambda uow: uow.changes.due_locations(now=now, limit=CRM_OUTBOX_LOCATIONS)
        )
        idle = [place for place in due if place not in self._sending and self._mine(place)]
        begun = idle[: CRM_OUTBOX_LOCATIONS - len(self._sending)]
        self._sending.update(begun)
        return [tasks.create_task(self._send_due(place), name=f"outbox:{place}") for place in begun]

    async def _send_due(self, location_id: LocationId) -> int:
        """A location's turn. What goes wrong in it stays in it: what is due is still due at the next look."""
        try:
            return await self._send_batch(location_id)
        except StorageUnavailable as error:
            _log.warning("outbox.delayed", location=location_id, reason=str(error))
        except Exception as error:  # noqa: BLE001  # reason: one location's oddity must not end everybody's gateway
            _log.error("outbox.crashed", location=location_id, **telemetry.crash_of(error))
        finally:
            self._sending.discard(location_id)
        return 0

    async def _send_batch(self, location_id: LocationId) -> int:
        now = self._clock.now()
        connection = await self._memory.read(lambda uow: uow.connections.get(location_id))
        if _needs_reconnect(connection):
            until = now + timedelta(seconds=CRM_CLOSED_WAIT_S)
            await self._memory.write(lambda uow: uow.changes.postpone(location_id, _ALL_KINDS, until=until))
            return 0
        due = await self._memory.read(
            lambda uow: uow.changes.due(location_id, now=now, limit=CRM_OUTBOX_BATCH)
        )
        resting: frozenset[ChangeKind] = frozenset()
        for change in due:
            if change.kind not in resting:
                resting |= await self._send(change)
        return len(due)

    async def _send(self, change: CrmChange) -> frozenset[ChangeKind]:
        """One change, from claim to settlement; returns the kinds of change that its location lets rest now."""
        now = self._clock.now()
        if not await self._memory.write(lambda uow: _claimed(uow, change, now)):
            return frozenset()
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
        await self._memory.write(lambda uow: _settle(uow, settlement, attempt=change.attempts + 1))
        return settlement.resting

    async def _deliver(self, change: CrmChange) -> str | None:
        """The CRM's id of what was made. Raises EnterpriseHubError only."""
        try:
            if change.attempts and change.kind not in STATES:
                found = await self._writer.find(change)
                if found is not None:
                    return found
            return await self._writer.apply(change)
        except EnterpriseHubError:
            raise
        except Exception as error:  # one odd change must not hold up its neighbours
            _log.error("change.crashed", kind=change.kind, **telemetry.crash_of(error))
            raise OutcomeUnknown(f"unexpected {type(error).__name__}; the log says where") from error

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
        return _Settlement(waiting, _resting(error, change.kind))


def _resting(error: EnterpriseHubError, kind: ChangeKind) -> frozenset[ChangeKind]:
    if isinstance(error, _OF_WHOLE_LOCATION):
        return _ALL_KINDS
    return frozenset({kind} if isinstance(error, ScopeMissing) else ())


def _settle(uow: UnitOfWork, settlement: _Settlement, *, attempt: int) -> None:
    change = settlement.change
    uow.changes.settle(change, attempt=attempt)
    uow.changes.postpone(change.location_id, settlement.resting, until=change.due_at)


def _needs_reconnect(connection: Connection | None) -> bool:
    return connection is not None and connection.status is ConnectionStatus.NEEDS_RECONNECT


def _claimed(uow: UnitOfWork, change: CrmChange, now: datetime) -> bool:
    """Ask at the last moment whether it may and should still be written; if so, store the attempt."""
    if not uow.switches.is_on(change.location_id, Switch.OUTGOING):
        return False  # turned off since the batch was read: it waits until it is on again
    connection = uow.connections.get(change.location_id)
    if _needs_reconnect(connection):
        return False  # since the batch was read: it stays due, and the next look lets the location rest
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
        uow.changes.settle(_failed(change, reason, now, attempts=change.attempts), attempt=change.attempts)
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
