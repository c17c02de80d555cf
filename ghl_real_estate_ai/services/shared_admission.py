"""Deliveries that wait at the same time are admitted together: a few statements for all of them, not a few for each.

Called by event_inbox. Whoever comes first admits everybody who waits by then; a lone delivery waits for nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ghl_real_estate_ai.errors import EnterpriseHubError, StorageUnavailable
from ghl_real_estate_ai.limits import BUSY_DELIVERIES, BUSY_FOR_S, GROUP_COMMIT_MAX, WRITE_QUEUE
from ghl_real_estate_ai.models.events import Delivery, RecordedEvent
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.services.admission import Receipt, admit, admit_page

Admitted = RecordedEvent | Receipt


@dataclass(eq=False)
class _Waiting:
    """One delivery and what became of it. ``alone``: the group that it was in could not be stored."""

    delivery: Delivery
    admitted: Admitted | None = None
    error: StorageUnavailable | None = None
    alone: bool = False

    @property
    def is_settled(self) -> bool:
        return self.admitted is not None or self.error is not None or self.alone


class SharedAdmission:
    """One per process."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._waiting: list[_Waiting] = []
        self._turn = asyncio.Lock()
        self._busy_until = 0.0
        self.under_way = 0
        """Deliveries whose sender waits for the answer."""

    def is_busy(self) -> bool:
        """Whether many waited at once a moment ago: between two groups none of them waits, and all come back."""
        return time.monotonic() < self._busy_until

    async def admit(self, delivery: Delivery) -> Admitted:
        """As ``admission.admit`` in a transaction of its own. Raises StorageUnavailable when nothing was stored."""
        if len(self._waiting) >= WRITE_QUEUE:
            raise StorageUnavailable("too many writes are waiting; send again in a moment")
        mine = _Waiting(delivery)
        self._waiting.append(mine)
        self.under_way += 1
        if self.under_way >= BUSY_DELIVERIES:
            self._busy_until = time.monotonic() + BUSY_FOR_S
        try:
            async with self._turn:  # in order of arrival: mine is the first that waits, or settled
                if not mine.is_settled:
                    group, self._waiting = (
                        self._waiting[:GROUP_COMMIT_MAX],
                        self._waiting[GROUP_COMMIT_MAX:],
                    )
                    await self._settle(group)
            if mine.error is not None:
                raise mine.error
            if mine.admitted is not None:
                return mine.admitted
            return await self._memory.write(lambda uow: admit(uow, delivery))
        finally:
            self.under_way -= 1

    async def _settle(self, group: Sequence[_Waiting]) -> None:
        """Store them together. When one spoils it, each stores its own: only the guilty one fails."""
        deliveries = [waiting.delivery for waiting in group]
        try:
            admitted = await self._memory.write(lambda uow: _admit_all(uow, deliveries))
        except StorageUnavailable as error:
            for waiting in group:  # an error that is raised in many places collects all their tracebacks
                waiting.error = StorageUnavailable(str(error))
        except EnterpriseHubError:
            for waiting in group:
                waiting.alone = True
        except BaseException:  # cancelled, or a bug: the others must not go down with this one
            for waiting in group:
                waiting.alone = True
            raise
        else:
            for waiting, result in zip(group, admitted, strict=True):
                waiting.admitted = result


def _admit_all(uow: UnitOfWork, deliveries: Sequence[Delivery]) -> list[Admitted]:
    """Neighbours of one tenant as a page; the order stays."""
    pages = groupby(deliveries, key=lambda delivery: delivery.event.location_id)
    return [admitted for _, page in pages for admitted in admit_page(uow, list(page))]
