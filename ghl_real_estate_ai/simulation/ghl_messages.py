"""The messages of a sub-account, kept in order so that an export of thousands a second is a slice.

Called by ghl_account.py and ghl_routes_conversations.py. Each message keeps the bytes that the API shows.
"""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import JsonValue

Place = tuple[int, str]
"""When (epoch milliseconds) and which: the order of an export, and what a cursor holds."""

Order = Literal["createdAt", "updatedAt"]

EMAIL: Final = "Email"
ALL_BUT_EMAIL: Final = ""
"""What an export without ``channel`` gives."""

TYPE_NUMBERS: Final = {
    "TYPE_CALL": 1, "TYPE_SMS": 2, "TYPE_EMAIL": 3, "TYPE_WEBCHAT": 5, "TYPE_FACEBOOK": 11, "TYPE_INSTAGRAM": 18,
    "TYPE_WHATSAPP": 19, "TYPE_CUSTOM_SMS": 20, "TYPE_CUSTOM_EMAIL": 21, "TYPE_LIVE_CHAT": 29, "TYPE_RCS": 37,
    "TYPE_TIKTOK": 40,
}  # fmt: skip
"""``type`` beside ``messageType``. GoHighLevel publishes no list; these are the ones seen, and two guesses at the end."""

_CHANNELS: Final = {
    "TYPE_CALL": "Call",
    "TYPE_SMS": "SMS",
    "TYPE_EMAIL": EMAIL,
    "TYPE_CUSTOM_EMAIL": EMAIL,
    "TYPE_WHATSAPP": "WhatsApp",
    "TYPE_INSTAGRAM": "Instagram",
    "TYPE_FACEBOOK": "Facebook",
}


@dataclass(slots=True)
class Message:
    """One message. ``shown`` is what the API says of it; ``email`` what only GET .../messages/email/{id} says."""

    shown: dict[str, JsonValue]
    created: int
    updated: int
    email: dict[str, JsonValue] = field(default_factory=dict)
    bytes_: bytes = b""

    @property
    def id(self) -> str:
        return str(self.shown["id"])

    @property
    def channel(self) -> str:
        return _CHANNELS.get(str(self.shown["messageType"]), "Other")

    def as_bytes(self) -> bytes:
        """The JSON of ``shown``, made once."""
        if not self.bytes_:
            self.bytes_ = json.dumps(self.shown, ensure_ascii=False, separators=(",", ":")).encode()
        return self.bytes_


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an export."""

    messages: list[Message]
    cursor: str | None
    total: int


class MessageShelf:
    """Every message by id, by conversation, and by both times per channel."""

    def __init__(self) -> None:
        self._by_id: dict[str, Message] = {}
        self._of_email: dict[str, Message] = {}
        self._talks: defaultdict[str, list[Place]] = defaultdict(list)
        self._shelves: defaultdict[tuple[str, str], list[Place]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, message_id: str) -> Message | None:
        """A message, also by the id of its email."""
        return self._by_id.get(message_id) or self._of_email.get(message_id)

    def put(self, message: Message) -> None:
        """A new message, at its place."""
        self._by_id[message.id] = message
        email_id = message.email.get("id")
        if isinstance(email_id, str):
            self._of_email[email_id] = message
        insort(self._talks[str(message.shown["conversationId"])], (message.created, message.id))
        for channel in _shelves_of(message):
            insort(self._shelves[channel, "createdAt"], (message.created, message.id))
            insort(self._shelves[channel, "updatedAt"], (message.updated, message.id))

    def change(self, message: Message, at: int, **fields: JsonValue) -> None:
        """Change what is shown; the message moves to its new place by ``updatedAt``."""
        for channel in _shelves_of(message):
            shelf = self._shelves[channel, "updatedAt"]
            shelf.pop(bisect_left(shelf, (message.updated, message.id)))
            insort(shelf, (max(at, message.updated), message.id))
        message.updated = max(at, message.updated)
        message.shown.update(fields)
        message.bytes_ = b""

    def of_conversation(self, conversation_id: str) -> list[Message]:
        """Oldest first."""
        return [self._by_id[message_id] for _, message_id in self._talks.get(conversation_id, ())]

    def page(
        self,
        *,
        channel: str,
        order: Order,
        newest_first: bool,
        limit: int,
        cursor: str | None,
        since: int | None = None,
        until: int | None = None,
        conversations: Iterable[str] | None = None,
    ) -> Page:
        """One page of the export. ``since`` and ``until`` are inclusive. Raises ValueError for a cursor not of ours."""
        places = self._places(channel, order, conversations)
        low = 0 if since is None else bisect_left(places, (since, ""))
        high = len(places) if until is None else bisect_left(places, (until + 1, ""))
        total = max(0, high - low)
        if cursor is not None:
            after = _place_of(cursor)
            if newest_first:
                high = min(high, bisect_left(places, after))
            else:
                low = max(low, bisect_right(places, after))
        chosen = (
            places[max(low, high - limit) : high][::-1]
            if newest_first
            else places[low : min(high, low + limit)]
        )
        more = high - low > len(chosen)
        return Page(
            messages=[self._by_id[message_id] for _, message_id in chosen],
            cursor=_cursor_of(chosen[-1]) if chosen and more else None,
            total=total,
        )

    def _places(self, channel: str, order: Order, conversations: Iterable[str] | None) -> Sequence[Place]:
        if conversations is None:
            return self._shelves.get((channel, order), ())
        messages = (message for talk in conversations for message in self.of_conversation(talk))
        return sorted(
            (message.created if order == "createdAt" else message.updated, message.id)
            for message in messages
            if channel in _shelves_of(message)
        )


def _shelves_of(message: Message) -> tuple[str, ...]:
    return (EMAIL,) if message.channel == EMAIL else (message.channel, ALL_BUT_EMAIL)


def _cursor_of(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place[0]}:{place[1]}".encode()).decode()


def _place_of(cursor: str) -> Place:
    try:
        at, _, message_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        return int(at), message_id
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise ValueError("cursor: not one of ours") from None
