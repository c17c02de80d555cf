"""Names for things: ids as distinct types, checked probabilities, aware UTC times, and the frozen base of all models."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Annotated, NewType

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

LocationId = NewType("LocationId", str)
"""A tenant: GHL's ``locationId`` (one sub-account, one brokerage office)."""
LeadId = NewType("LeadId", str)
"""A lead: GHL's contact id."""
UserId = NewType("UserId", str)
EventId = NewType("EventId", str)
ListingKey = NewType("ListingKey", str)
"""RESO ``ListingKey``."""
ActionId = NewType("ActionId", str)
CorrelationId = NewType("CorrelationId", str)
"""Shared by a vendor event and everything that followed from it."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
"""0 to 1, checked."""
Closeness = Annotated[float, Field(ge=0.0, le=1.0)]
"""0 (nothing fits) to 1 (everything fits), checked. Not a probability."""


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("time is beyond the end of the calendar in UTC") from None


UtcTime = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware time, normalised to UTC."""


class Frozen(BaseModel):
    """Base of every model: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def new_event_id() -> EventId:
    """A fresh event id (UUID4)."""
    return EventId(str(uuid.uuid4()))


_NAMESPACE = uuid.UUID("6f0c5a56-3a3f-4b8e-9d44-5d6a3c1b2f10")


def derived_id(*parts: str) -> str:
    """The same id for the same parts, always: what makes a repeated handler append nothing twice. A UUID5, written out:
    each event needs some, and the library's way over its own objects takes three times as long.
    """
    name = _NAMESPACE.bytes + "\x1f".join(parts).encode()
    digest = bytearray(hashlib.sha1(name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50  # version 5
    digest[8] = digest[8] & 0x3F | 0x80  # variant of RFC 4122
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def fact_id(location_id: LocationId, *names: str) -> EventId:
    """The event id of a fact that the vendor's own ids name, e.g. ("message", id): the same by whichever door it comes."""
    return EventId(derived_id(location_id, *names))


def lead_hash(location_id: LocationId, lead_id: LeadId) -> str:
    """What remains of a forgotten lead: enough to recognise its id again, nothing to read (SHA-256, hex)."""
    return hashlib.sha256(f"{location_id}\x1f{lead_id}".encode()).hexdigest()
