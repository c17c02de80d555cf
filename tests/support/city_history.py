"""A simulated city's events as the log would hold them: through the CRM's own translation, numbered, all stored."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader
from ghl_real_estate_ai.models.events import Delivery, RecordedEvent
from ghl_real_estate_ai.simulation.city import City

LOCATION = "simulated-city"


def recorded_events(city: City) -> Iterator[RecordedEvent]:
    """Every event of the city; fails on one that cannot be translated."""
    reader = GoHighLevelWebhookReader(public_keys=(), simulator_public_key="", wish_fields={})
    for position, happening in enumerate(city.events(), start=1):
        delivery_id = f"city-{position}"
        envelope = {"locationId": LOCATION, "webhookId": delivery_id, "timestamp": happening.at.isoformat()}
        read = reader.translate(
            json.dumps({**happening.body, **envelope}),
            delivery_id=delivery_id,
            received_at=happening.at,
            simulated=True,
        )
        if not isinstance(read, Delivery):
            raise TypeError(f"{happening.type} was not understood: {read.reason}")
        yield RecordedEvent(
            position=position,
            delivery_id=delivery_id,
            received_at=happening.at,
            recorded_at=happening.at,
            event=read.event,
        )
