"""Small facts for tests: one event of a kind, with everything that the test does not care about filled in."""

from __future__ import annotations

from datetime import UTC, datetime

from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import Delivery, Event, LeadUpserted, MessageReceived, Source
from ghl_real_estate_ai.models.identifiers import CorrelationId, EventId, LeadId, LocationId, derived_id

LOCATION = LocationId("loc-1")
LEAD = LeadId("lead-1")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def message(
    name: str,
    *,
    location: LocationId = LOCATION,
    lead: LeadId = LEAD,
    at: datetime = NOON,
    text: str = "Hello",
) -> Delivery:
    """A delivery of one inbound SMS; the same name is the same delivery."""
    return delivery(
        name,
        MessageReceived(
            event_id=EventId(derived_id(location, name)),
            location_id=location,
            occurred_at=at,
            correlation_id=CorrelationId(name),
            source=Source.APP_WEBHOOK,
            lead_id=lead,
            channel=Channel.SMS,
            text=text,
        ),
    )


def contact(
    name: str,
    *,
    location: LocationId = LOCATION,
    lead: LeadId = LEAD,
    at: datetime = NOON,
    fields: dict[str, object] | None = None,
    wishes: dict[str, object] | None = None,
) -> Delivery:
    """A delivery of one contact, created."""
    return delivery(
        name,
        LeadUpserted(
            event_id=EventId(derived_id(location, name)),
            location_id=location,
            occurred_at=at,
            correlation_id=CorrelationId(name),
            source=Source.APP_WEBHOOK,
            lead_id=lead,
            created=True,
            contact=fields or {"name": "Ada Example"},
            wishes=wishes or {},
        ),
    )


def delivery(name: str, event: Event, *, at: datetime = NOON) -> Delivery:
    """Any event as a delivery."""
    return Delivery(delivery_id=name, event=event, received_at=at)
