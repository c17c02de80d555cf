"""Messages between a lead and the team, whatever the channel."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

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


class FactKind(StrEnum):
    """What a message may state about a purchase. Nothing about the person: no family, faith, origin, health."""

    BUDGET = "budget"
    BEDROOMS = "bedrooms"
    BATHROOMS = "bathrooms"
    LIVING_AREA = "living_area"
    CITY = "city"
    HOME_TYPE = "home_type"
    FEATURE = "feature"
    MOVE_BY = "move_by"
    FINANCING = "financing"
    MEETING = "meeting"
    HOME = "home"
    QUESTION = "question"
    OBJECTION = "objection"
    STOP = "stop"


class MessageFact(Frozen):
    """Something that a message states, in few words, with the very words that it was read from."""

    kind: FactKind
    value: str = Field(description="in few words, e.g. 'up to $450,000'")
    quote: str = Field(description="as it stands in the message; empty for a question that is not quoted")
    wish: str | None = Field(
        default=None, description="the field of models.properties.Wishes that it states, if one"
    )
    wish_value: str | int | float | None = Field(default=None, description="that field's value")


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
    call_seconds: float | None = Field(default=None, description="of a call: how long it was")
    facts: tuple[MessageFact, ...] = ()
