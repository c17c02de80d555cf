"""One change into a GoHighLevel account, and the search for what an earlier attempt made. Implements crm_ports.CrmWriter.

Called by services/crm_outbox.py. Contents are described in docs/write-back.md. Tags go by the tag calls alone: an update
of the contact would replace all of its tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from http import HTTPStatus
from typing import Final

from pydantic import JsonValue

from ghl_real_estate_ai.errors import CrmRefused, InputError, NotYet, Unreachable
from ghl_real_estate_ai.integrations.gohighlevel.client import GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.messages import plain_text
from ghl_real_estate_ai.integrations.gohighlevel.own_fields import OwnFields
from ghl_real_estate_ai.integrations.gohighlevel.payload import Payload
from ghl_real_estate_ai.integrations.gohighlevel.resources import Contact
from ghl_real_estate_ai.limits import CRM_MESSAGES_LOOKED_AT
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.synchronization import ChangeKind, CrmChange
from ghl_real_estate_ai.models.write_back import is_own_tag, marker
from ghl_real_estate_ai.ports import Clock, Memory

_TYPES: Final = {
    Channel.SMS: "SMS",
    Channel.EMAIL: "Email",
    Channel.WHATSAPP: "WhatsApp",
    Channel.LIVE_CHAT: "Live_Chat",
}
"""Channel of a message -> GoHighLevel's ``type``."""

_CLOCKS_APART: Final = timedelta(minutes=2)
"""The vendor's clock may be so far behind ours: a message that looks a little older than its intent may still be it."""


class GoHighLevelWriter:
    """Safe to share."""

    def __init__(self, *, client: GoHighLevelClient, memory: Memory, clock: Clock) -> None:
        self._client = client
        self._fields = OwnFields(client=client, memory=memory, clock=clock)

    async def apply(self, change: CrmChange) -> str | None:
        """Make it so; returns GoHighLevel's id of what was made. Raises what the client raises, and InputError."""
        match change.kind:
            case ChangeKind.FIELDS:
                await self._write_fields(change)
                return None
            case ChangeKind.TAGS:
                await self._write_tags(change)
                return None
            case ChangeKind.TASK:
                return await self._create_task(change)
            case ChangeKind.NOTE:
                note = await self._client.create_note(
                    change.location_id, change.lead_id, body=_text(change, "body")
                )
                return note.id
            case ChangeKind.MESSAGE:
                return await self._message(change)

    async def find(self, change: CrmChange) -> str | None:
        """The id of what an earlier attempt made: tasks and notes by their mark, messages by their words."""
        place, lead_id = change.location_id, change.lead_id
        mark = marker(place, change.change_id)
        if change.kind is ChangeKind.TASK:
            tasks = (await self._client.list_tasks(place, lead_id)).tasks
            return next((task.id for task in tasks if mark in str(task.raw.get("body"))), None)
        if change.kind is ChangeKind.NOTE:
            notes = (await self._client.list_notes(place, lead_id)).notes
            return next((note.id for note in notes if mark in (note.body or "")), None)
        if change.kind is ChangeKind.MESSAGE and "message_id" not in change.content:
            return await self._find_message(change)
        return None

    # --- states ---------------------------------------------------------------------------------------------------

    async def _write_fields(self, change: CrmChange) -> None:
        ids = await self._fields.ids(change.location_id)
        try:
            contact = await self._put_fields(change, ids)
            if _took(contact, change, ids):
                return
        except CrmRefused:
            if (renewed := await self._fields.renewed(change.location_id)) == ids:
                raise  # it was not for a field that is gone
        else:
            # GoHighLevel may pass over the id of a deleted field without a word.
            if (renewed := await self._fields.renewed(change.location_id)) == ids:
                return
        await self._put_fields(change, renewed)

    async def _put_fields(self, change: CrmChange, ids: dict[str, str]) -> Contact:
        values = {ids[name]: value for name, value in _known(change, ids).items()}
        return await self._client.update_contact(change.location_id, change.lead_id, custom_fields=values)

    async def _write_tags(self, change: CrmChange) -> None:
        wanted = set(_texts(change, "tags"))
        contact = await self._client.get_contact(change.location_id, change.lead_id)
        own = {tag for tag in contact.tags if is_own_tag(tag)}
        gone = sorted(tag for tag in own if tag.strip().lower() not in wanted)
        new = sorted(wanted - {tag.strip().lower() for tag in own})
        if gone:
            await self._client.remove_tags(change.location_id, change.lead_id, gone)
        if new:
            await self._client.add_tags(change.location_id, change.lead_id, new)

    # --- what happens once ----------------------------------------------------------------------------------------

    async def _create_task(self, change: CrmChange) -> str:
        due_at = Payload(change.content).time("due_at")
        if due_at is None:
            raise InputError("due_at: a task needs one")
        task = await self._client.create_task(
            change.location_id,
            change.lead_id,
            title=_text(change, "title"),
            due_at=due_at,
            body=_text(change, "body"),
            assigned_to=Payload(change.content).text("assigned_to"),
        )
        return task.id

    async def _message(self, change: CrmChange) -> str:
        """Content {channel, text, subject?} is said to the lead; {message_id, status} tells how a message fared."""
        if "message_id" in change.content:
            return await self._report_status(change)
        channel, text = Channel(_text(change, "channel")), _text(change, "text")
        if channel not in _TYPES:
            raise InputError(f"channel: cannot send by {channel}; choose one of {', '.join(_TYPES)}")
        by_email = channel is Channel.EMAIL
        sent = await self._client.send_message(
            change.location_id,
            change.lead_id,
            type_=_TYPES[channel],
            message=None if by_email else text,
            html=_html(text) if by_email else None,
            subject=_text(change, "subject") if by_email else None,
        )
        return sent.message_id

    async def _report_status(self, change: CrmChange) -> str:
        place, message_id = change.location_id, _text(change, "message_id")
        try:
            await self._client.update_message_status(place, message_id, status=_text(change, "status"))
        except CrmRefused as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            raise NotYet(str(error)) from error
        except Unreachable:
            # GoHighLevel answers 500 to a bad id and to a bad token too: reading it once tells which.
            await self._client.get_message(place, message_id)
            raise
        return message_id

    async def _find_message(self, change: CrmChange) -> str | None:
        """Newest first in the lead's conversations, from the time of the intent on."""
        place, since = change.location_id, change.created_at - _CLOCKS_APART
        words = _words(_text(change, "text"))
        page = await self._client.search_conversations(place, contact_id=change.lead_id)
        for conversation in page.conversations:
            said = await self._client.read_messages(place, conversation.id, limit=CRM_MESSAGES_LOOKED_AT)
            for message in said.messages:
                ours = message.direction == "outbound" and words in _words(message.body or "")
                if ours and _is_since(message.date_added, since):
                    return message.id
        return None


def _took(contact: Contact, change: CrmChange, ids: dict[str, str]) -> bool:
    """Whether the answer shows every field that was written; one set to nothing need not show."""
    shown = {field.id for field in contact.custom_fields}
    return all(ids[name] in shown for name, value in _known(change, ids).items() if value != "")


def _known(change: CrmChange, ids: dict[str, str]) -> dict[str, JsonValue]:
    """Without names that another release stored: the lead's next look wants what this one writes."""
    return {name: value for name, value in change.content.items() if name in ids}


def _is_since(at: datetime | None, since: datetime) -> bool:
    """A message without a time counts: better one too few than the same one twice."""
    return at is None or at >= since


def _text(change: CrmChange, name: str) -> str:
    value = change.content.get(name)
    if not isinstance(value, str) or not value:
        raise InputError(f"{name}: a {change.kind} needs a text")
    return value


def _texts(change: CrmChange, name: str) -> Sequence[str]:
    value = change.content.get(name)
    if not isinstance(value, list):
        raise InputError(f"{name}: must be a list")
    return [str(one) for one in value]


def _html(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _words(text: str) -> str:
    return " ".join((plain_text(text) or "").split())
