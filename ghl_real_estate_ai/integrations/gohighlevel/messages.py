"""Who said what to whom, on which channel: the rules for InboundMessage and OutboundMessage deliveries.

Called by translation.py. The published examples contradict themselves in ``type`` and ``direction``; each rule says how
it decides.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

from ghl_real_estate_ai.integrations.gohighlevel.payload import Payload
from ghl_real_estate_ai.models.conversations import Channel, Direction

_CHANNELS: Final = {
    "SMS": Channel.SMS,
    "CUSTOMSMS": Channel.SMS,
    "CAMPAIGNSMS": Channel.SMS,
    "EMAIL": Channel.EMAIL,
    "CUSTOMEMAIL": Channel.EMAIL,
    "CAMPAIGNEMAIL": Channel.EMAIL,
    "CALL": Channel.CALL,
    "IVRCALL": Channel.CALL,
    "CUSTOMCALL": Channel.CALL,
    "CAMPAIGNCALL": Channel.CALL,
    "VOICEMAIL": Channel.VOICEMAIL,
    "CAMPAIGNVOICEMAIL": Channel.VOICEMAIL,
    "LIVECHAT": Channel.LIVE_CHAT,
    "WEBCHAT": Channel.LIVE_CHAT,
    "WHATSAPP": Channel.WHATSAPP,
    "FB": Channel.SOCIAL,
    "FACEBOOK": Channel.SOCIAL,
    "IG": Channel.SOCIAL,
    "INSTAGRAM": Channel.SOCIAL,
    "GMB": Channel.SOCIAL,
}
"""``messageType`` in capitals, without TYPE_ and punctuation. Anything else is Channel.OTHER."""

_NOISE: Final = re.compile(r"^TYPE_|[^A-Z]")
_TAG: Final = re.compile(r"<[^>]*>")
_BREAKS: Final = frozenset({"br", "div", "p", "li", "tr", "h1", "h2", "h3", "h4", "blockquote"})
_UNSEEN: Final = frozenset({"script", "style", "head", "title"})


def direction(payload: Payload) -> Direction | None:
    """Which way the message went; None when the delivery does not say.

    Rule: ``direction`` decides, except that ``type`` OutboundMessage together with a ``source`` outvotes it. Only what the
    team sends names the tool that sent it. So the published call (type OutboundMessage, direction inbound, no source) is
    inbound, and the published SMS (type OutboundMessage, direction inbound, source "app") is outbound.
    """
    if payload.kind == "OutboundMessage" and isinstance(payload.raw("source"), str) and payload.raw("source"):
        return Direction.OUTBOUND
    said = payload.raw("direction")
    if isinstance(said, str) and said.lower() in set(Direction):
        return Direction(said.lower())
    return {"InboundMessage": Direction.INBOUND, "OutboundMessage": Direction.OUTBOUND}.get(payload.kind)


def channel(payload: Payload) -> Channel:
    """How it travelled. A call that reached voicemail is VOICEMAIL, whichever way it went."""
    said = payload.raw("messageType") or payload.raw("messageTypeString")
    if isinstance(said, str):
        known = _CHANNELS.get(_NOISE.sub("", said.upper()), Channel.OTHER)
    elif "callStatus" in payload or "callDuration" in payload:
        known = Channel.CALL
    elif "emailMessageId" in payload or "threadId" in payload:
        known = Channel.EMAIL
    else:
        known = Channel.OTHER
    to_voicemail = "voicemail" in {_word(payload, "callStatus"), _word(payload, "status")}
    return Channel.VOICEMAIL if known is Channel.CALL and to_voicemail else known


def is_human(payload: Payload, how: Channel) -> bool:
    """Whether a person of the team sent it: only that counts as a response.

    ``source`` "app" with a ``userId``, or a call that was answered. Workflows, campaigns, bulk actions and the API are
    automation, even when they place a call.
    """
    source = _word(payload, "source")
    if source not in {None, "app"}:
        return False
    if source == "app" and isinstance(payload.raw("userId"), str):
        return bool(payload.raw("userId"))
    return how is Channel.CALL and _word(payload, "callStatus") == "completed"


def call_seconds(payload: Payload, how: Channel, way: Direction) -> float | None:
    """How long a call was. A call of the lead that nobody took has none: what is counted there is the ringing.

    Rule: GHL calls a call that a person answered "completed", and names what else became of it (no-answer, busy, ...).
    """
    if how not in {Channel.CALL, Channel.VOICEMAIL}:
        return None
    seconds, became = payload.number("callDuration"), _word(payload, "callStatus")
    missed = way is Direction.INBOUND and how is Channel.CALL and became not in {None, "completed"}
    return None if missed else seconds


def text(payload: Payload, how: Channel) -> str | None:
    """The words. Email bodies are HTML: tags are dropped, blocks become lines. Calls have none."""
    body = payload.text("body")
    if body is None or not (how is Channel.EMAIL or _word(payload, "contentType") == "text/html"):
        return body
    return plain_text(body)


def plain_text(markup: str) -> str | None:
    """The visible words of an HTML text, one line per block."""
    reader = _Words()
    try:
        reader.feed(markup)
        reader.close()
    except AssertionError:  # html.parser gives up on markup such as "<![if IE]", which mail programs do write
        reader.parts = [_TAG.sub("\n", markup)]
    lines = (" ".join(line.split()) for line in "".join(reader.parts).splitlines())
    return "\n".join(line for line in lines if line) or None


class _Words(HTMLParser):
    """Collects what a reader would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag in _BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data)


def _word(payload: Payload, name: str) -> str | None:
    value = payload.raw(name)
    return value.lower() if isinstance(value, str) and value else None
