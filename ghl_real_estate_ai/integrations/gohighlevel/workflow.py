"""The workflow "Webhook" action: an unsigned body that may hint at a lead, and is believed in nothing else.

Called by webhooks.py. The body is kept as it came, with GoHighLevel's own typing errors; only two fields are looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ghl_real_estate_ai.integrations.gohighlevel.deliveries import HINTED
from ghl_real_estate_ai.integrations.gohighlevel.payload import ID_CHARACTERS
from ghl_real_estate_ai.models.events import Delivery, Source, VendorEventKept
from ghl_real_estate_ai.models.identifiers import CorrelationId, EventId, LeadId, LocationId, derived_id

SAME_WITHIN_S: Final = 600
"""The action sends no id: the same bytes within one window of this length are one delivery."""

_KIND_CHARACTERS: Final = 64


def hint_from(
    content: Mapping[str, Any],
    *,
    raw: str,
    location_id: LocationId,
    received_at: datetime,
    simulated: bool,
) -> Delivery:
    """The body, kept, as a hint about the lead that it names, if it names one. ``location_id`` is the URL's, never the body's."""
    window = int(received_at.timestamp()) // SAME_WITHIN_S
    delivery_id = f"{HINTED}{hashlib.sha256(raw.encode()).hexdigest()}:{window}"
    event = VendorEventKept(
        event_id=EventId(derived_id(location_id, delivery_id)),
        location_id=location_id,
        occurred_at=received_at,
        correlation_id=CorrelationId(delivery_id),
        source=Source.WORKFLOW_WEBHOOK,
        simulated=simulated,
        lead_id=_lead_named(content),
        vendor_type=f"{HINTED}{_kind(content)}",
        body=dict(content),
    )
    return Delivery(delivery_id=delivery_id, event=event, raw=raw, received_at=received_at)


def _lead_named(content: Mapping[str, Any]) -> LeadId | None:
    """``contact_id``; the premium action lets people write ``contactId``."""
    for name in ("contact_id", "contactId"):
        said = content.get(name)
        if isinstance(said, str) and 0 < len(said.strip()) <= ID_CHARACTERS:
            return LeadId(said.strip())
    return None


def _kind(content: Mapping[str, Any]) -> str:
    """What the workflow's author called it: ``customData.event``, as our guide asks for."""
    custom = content.get("customData")
    said = custom.get("event") if isinstance(custom, dict) else None
    return said.strip()[:_KIND_CHARACTERS] if isinstance(said, str) and said.strip() else "unnamed"
