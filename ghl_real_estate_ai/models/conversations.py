"""Messages between a lead and the team, whatever the channel."""

from __future__ import annotations

from enum import StrEnum

from ghl_real_estate_ai.models.identifiers import EventId, Frozen, UserId, UtcTime


class Channel(StrEnum):
    """How a message travelled. OTHER keeps what GHL adds tomorrow."""

    SMS = "sms"
    EMAIL = "email"
    CALL = "call"
    VOICEMAIL = "voicemail"
    LIVE_CHAT = "live_chat"
    WHATSAPP = "whatsapp"
    SOCIAL = "social"
    OTHER = "other"


class Direction(StrEnum):
    """Seen from the team."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Message(Frozen):
    """One message. ``human`` is False for automations: they never count as a response."""

    event_id: EventId
    at: UtcTime
    direction: Direction
    channel: Channel
    text: str | None = None
    human: bool = True
    user_id: UserId | None = None
    simulated: bool = False
