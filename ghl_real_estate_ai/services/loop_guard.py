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
    Delivery,
    LeadUpserted,
    MessageSent,
    NoteAdded,
    TaskChanged,
)
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.models.write_back import ECHO_WINDOW_MINUTES, STATES
from ghl_real_estate_ai.services.page_knowledge import PageKnowledge

_WINDOW: Final = timedelta(minutes=ECHO_WINDOW_MINUTES)
_MARKUP: Final = re.compile(r"<[^>]*>")


def is_own_echo(delivery: Delivery, page: PageKnowledge) -> bool:
    """Whether the delivery says nothing but that a change of ours arrived."""
    event = delivery.event
    if event.lead_id is None:
        return False
    match event:
        case LeadUpserted(created=False):
            return _echoes_state(event, event.lead_id, delivery.received_at, page)
        case NoteAdded():
            return _echoes_text(event, page, ChangeKind.NOTE, remote_id=event.note_id)
        case TaskChanged(completed=False, deleted=False):
            return _echoes_text(event, page, ChangeKind.TASK, remote_id=event.task_id)
        case MessageSent(human=False):
            return _echoes_text(event, page, ChangeKind.MESSAGE, remote_id=event.message_id)
        case _:
            return False


def _echoes_state(event: LeadUpserted, lead_id: LeadId, received_at: datetime, page: PageKnowledge) -> bool:
    """Fields or tags of ours are on their way or just arrived, and of the lead itself nothing is said that is new."""
    ours = (change for change in page.changes(lead_id) if change.kind in STATES)
    if not any(_is_recent(change, event.occurred_at, received_at) for change in ours):
        return False
    lead = page.lead(lead_id)
    return lead is not None and not states_something_new(lead, event) and not page.is_behind_its_log(lead_id)


def _is_recent(change: CrmChange, occurred_at: datetime, received_at: datetime) -> bool:
    """Polling, or a webhook that is sent again, may tell of it long after."""
    if change.status is ChangeStatus.PENDING:
        return True
    settled_at = change.settled_at
    return settled_at is not None and any(
        abs(at - settled_at) <= _WINDOW for at in (occurred_at, received_at)
    )


def _echoes_text(
    event: NoteAdded | TaskChanged | MessageSent,
    page: PageKnowledge,
    kind: ChangeKind,
    *,
    remote_id: str | None,
) -> bool:
    """The CRM's id is one that it gave us, or it gave none yet and the text is ours. A text that was edited is news."""
    if event.lead_id is None:
        return False
    for change in page.changes(event.lead_id):
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
