"""Knows what we wrote into the CRM when it comes back as the CRM's own news: such an echo must cause nothing.

Called by admission, inside its transaction. Without it a change of ours would be an event, the event a change, and so on:
"A triggers B triggers A". What a person changed in the same delivery is no echo.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.ml.lead_state import states_something_new
from ghl_real_estate_ai.models.events import (
    LEAD_FACTS,
    Delivery,
    Event,
    LeadUpserted,
    MessageSent,
    NoteAdded,
    TaskChanged,
)
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.models.write_back import ECHO_WINDOW_MINUTES, STATES
from ghl_real_estate_ai.ports import UnitOfWork

_WINDOW: Final = timedelta(minutes=ECHO_WINDOW_MINUTES)
_MARKUP: Final = re.compile(r"<[^>]*>")
_NEWEST: Final = 8
"""Newest events of a lead among which one that is not applied yet would be."""


def is_own_echo(uow: UnitOfWork, delivery: Delivery) -> bool:
    """Whether the delivery says nothing but that a change of ours arrived."""
    event = delivery.event
    if event.lead_id is None:
        return False
    match event:
        case LeadUpserted(created=False):
            return _echoes_state(uow, event, event.lead_id, delivery.received_at)
        case NoteAdded():
            return _echoes_text(uow, event, ChangeKind.NOTE, remote_id=event.note_id)
        case TaskChanged(completed=False, deleted=False):
            return _echoes_text(uow, event, ChangeKind.TASK, remote_id=event.task_id)
        case MessageSent(human=False):
            return _echoes_text(uow, event, ChangeKind.MESSAGE, remote_id=event.message_id)
        case _:
            return False


def _echoes_state(uow: UnitOfWork, event: Event, lead_id: LeadId, received_at: datetime) -> bool:
    """Fields or tags of ours are on their way or just arrived, and of the lead itself nothing is said that is new."""
    ours = (c for c in uow.changes.of_lead(event.location_id, lead_id) if c.kind in STATES)
    if not any(_is_recent(change, received_at) for change in ours):
        return False
    lead = uow.leads.get(event.location_id, lead_id)
    if lead is None or states_something_new(lead, event):
        return False
    newest = uow.events.of_lead(event.location_id, lead_id, before=None, limit=_NEWEST)
    # Compared with a lead that is behind its log, what a person just changed back would look like nothing new.
    return all(known.position <= lead.position for known in newest if known.event.type in LEAD_FACTS)


def _is_recent(change: CrmChange, at: datetime) -> bool:
    if change.status is ChangeStatus.PENDING:
        return True
    return change.settled_at is not None and at - change.settled_at <= _WINDOW


def _echoes_text(
    uow: UnitOfWork,
    event: NoteAdded | TaskChanged | MessageSent,
    kind: ChangeKind,
    *,
    remote_id: str | None,
) -> bool:
    """The CRM's id is one that it gave us, or it gave none yet and the text is ours. A text that was edited is news."""
    if event.lead_id is None:
        return False
    for change in uow.changes.of_lead(event.location_id, event.lead_id):
        if change.kind is not kind or change.attempts == 0:
            continue
        if change.remote_id is None:
            if event.text is not None and _says(event.text, change):
                return True
        elif change.remote_id == remote_id and (event.text is None or _says(event.text, change)):
            return True
    return False


def _says(text: str, change: CrmChange) -> bool:
    """Our words, whatever the CRM made of line breaks and markup. Under a message it may put how to unsubscribe."""
    ours = change.content.get("text" if change.kind is ChangeKind.MESSAGE else "body")
    if not isinstance(ours, str) or not ours.strip():
        return False
    said, written = _words(text), _words(ours)
    return written in said if change.kind is ChangeKind.MESSAGE else said == written


def _words(text: str) -> str:
    return " ".join(_MARKUP.sub(" ", text).split())
