"""Decides what is to be written into the CRM about a lead: off until the location's owner turns a part on.

Called by: event_bus (durable subscriber "crm_write_back", hears LeadIntelligenceUpdated), bootstrap. What it wants is
returned as work: the changes are stored in one transaction with the cursor, so a crash neither loses nor doubles one.
``crm_outbox`` sends them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.ml.crm_content import (
    Content,
    fields_of,
    fields_worth_writing,
    note_of,
    tags_of,
    task_of,
)
from ghl_real_estate_ai.models.events import LeadIntelligenceUpdated, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import DELETED
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.models.write_back import (
    FAILED_REST_HOURS,
    HISTORY_SETTLE_S,
    NEWS_HOURS,
    PART_OF,
    SETTLE_S,
    TASK_REST_HOURS,
    marker,
    obstacle,
)
from ghl_real_estate_ai.ports import Clock, DurableWork, Memory, UnitOfWork
from ghl_real_estate_ai.services.admission import is_forgotten

_NEWS: Final = timedelta(hours=NEWS_HOURS)
_TASK_REST: Final = timedelta(hours=TASK_REST_HOURS)
_FAILED_REST: Final = timedelta(hours=FAILED_REST_HOURS)


class CrmWriteBack:
    """A ``ports.DurableHandler``."""

    def __init__(self, *, memory: Memory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock

    async def __call__(self, recorded: RecordedEvent) -> DurableWork | None:
        """The changes that follow from a look at a lead, as work to commit; None where nothing may be written."""
        event = recorded.event
        if not isinstance(event, LeadIntelligenceUpdated) or event.intelligence.stage == DELETED:
            return None
        kinds = await self._memory.read(lambda uow: _open_kinds(uow, event))
        if not kinds:
            return None
        now = self._clock.now()

        def work(uow: UnitOfWork) -> Sequence[RecordedEvent]:
            if is_forgotten(uow, event.location_id, event.intelligence.lead_id):
                return ()  # since this event was read
            look = _Look(uow, event.location_id, event.intelligence, now)
            for change in look.changes(kinds):
                uow.changes.want(change)
            return ()

        return work


def writes_back(uow: UnitOfWork, location_id: LocationId) -> bool:
    """Whether the location's owner has turned any part on."""
    setup = uow.connections.setup(location_id)
    return setup is not None and bool(setup.write_back)


def _open_kinds(uow: UnitOfWork, event: LeadIntelligenceUpdated) -> frozenset[ChangeKind]:
    setup = uow.connections.setup(event.location_id)
    if setup is None or not setup.write_back:
        return frozenset()
    connection = uow.connections.get(event.location_id)
    return frozenset(
        kind
        for kind in PART_OF
        if obstacle(kind, connection=connection, setup=setup, simulated=event.simulated) is None
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at a lead, beside what was wanted before."""

    uow: UnitOfWork
    location_id: LocationId
    seen: LeadIntelligence
    now: datetime

    @property
    def lead_id(self) -> LeadId:
        return self.seen.lead_id

    def changes(self, kinds: frozenset[ChangeKind]) -> Iterator[CrmChange]:
        """What is wanted now, of these kinds."""
        news = self._is_news()
        wait = timedelta(seconds=SETTLE_S if news else HISTORY_SETTLE_S)
        if ChangeKind.FIELDS in kinds:
            yield from self._fields(wait)
        if ChangeKind.TAGS in kinds:
            yield from self._tags(wait)
        if ChangeKind.TASK in kinds and news:
            yield from self._task(wait)
        if ChangeKind.NOTE in kinds and news:
            yield from self._note(wait)

    def _is_news(self) -> bool:
        cause = self.uow.events.get(self.location_id, self.seen.cause.event_id)
        return cause is not None and self.seen.as_of - cause.event.occurred_at <= _NEWS

    def _fields(self, wait: timedelta) -> Iterator[CrmChange]:
        change_id, content = f"fields:{self.lead_id}", fields_of(self.seen)
        known = self.uow.changes.get(self.location_id, change_id)
        if known is None or self._is_moved(known, anew=fields_worth_writing(known.content, content)):
            yield self._change(ChangeKind.FIELDS, change_id, content, due_at=self._due(known, wait))

    def _tags(self, wait: timedelta) -> Iterator[CrmChange]:
        change_id, content = f"tags:{self.lead_id}", tags_of(self.seen)
        known = self.uow.changes.get(self.location_id, change_id)
        wanted_first = known is None and content["tags"]
        if wanted_first or (known and self._is_moved(known, anew=known.content != content)):
            yield self._change(ChangeKind.TAGS, change_id, content, due_at=self._due(known, wait))

    def _task(self, wait: timedelta) -> Iterator[CrmChange]:
        action = self.seen.next_action
        if action is None:
            return
        change_id = f"task:{action.action_id}"
        content = task_of(self.seen, mark=marker(self.location_id, change_id))
        if content is None or self.uow.changes.get(self.location_id, change_id) is not None:
            return
        if not self._has_fresh_task(content):
            yield self._change(ChangeKind.TASK, change_id, content, due_at=self.now + wait)

    def _has_fresh_task(self, content: Content) -> bool:
        return any(
            change.kind is ChangeKind.TASK
            and change.status is not ChangeStatus.FAILED
            and change.content.get("action") == content["action"]
            and self.now - change.created_at < _TASK_REST
            for change in self.uow.changes.of_lead(self.location_id, self.lead_id)
        )

    def _note(self, wait: timedelta) -> Iterator[CrmChange]:
        change_id = f"note:{self.lead_id}:{self.seen.cause.event_id}"
        content = note_of(self.seen, mark=marker(self.location_id, change_id))
        if content is not None and self.uow.changes.get(self.location_id, change_id) is None:
            yield self._change(ChangeKind.NOTE, change_id, content, due_at=self.now + wait)

    def _is_moved(self, known: CrmChange, *, anew: bool) -> bool:
        """Whether a state is to be sent again: one that failed rests first, whatever else is wanted meanwhile."""
        if known.status is not ChangeStatus.FAILED:
            return anew
        return known.settled_at is None or self.now - known.settled_at >= _FAILED_REST

    def _due(self, known: CrmChange | None, wait: timedelta) -> datetime:
        """A state that waits already is not put off by its next version: a busy lead would never be written."""
        due_at = self.now + wait
        waits = known is not None and known.status is ChangeStatus.PENDING and known.attempts == 0
        return min(due_at, known.due_at) if known is not None and waits else due_at

    def _change(self, kind: ChangeKind, change_id: str, content: Content, *, due_at: datetime) -> CrmChange:
        return CrmChange(
            location_id=self.location_id,
            change_id=change_id,
            lead_id=self.lead_id,
            kind=kind,
            content=content,
            due_at=due_at,
            created_at=self.now,
        )
