"""One body in GoHighLevel's words becomes one delivery of ours, whatever door it came by; an unreadable one says why.

Called by webhooks.py (signed, from outside) and history.py (built from what the API answered).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from ghl_real_estate_ai.errors import TranslationError
from ghl_real_estate_ai.integrations.gohighlevel.payload import ID_CHARACTERS, Payload
from ghl_real_estate_ai.integrations.gohighlevel.translation import Translator, location_of
from ghl_real_estate_ai.models.events import Delivery, Source
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.ports import UnreadableDelivery

POLLED: Final = "poll:"
HINTED: Final = "workflow:"
_DOORS: Final = {POLLED: Source.POLLING, HINTED: Source.WORKFLOW_WEBHOOK}
"""What a delivery id begins with -> the door; app webhooks have the vendor's own ids."""

_LOCATION: Final = re.compile(rf'"locationId"\s*:\s*"([A-Za-z0-9_-]{{1,{ID_CHARACTERS}}})"')


def door_of(delivery_id: str) -> Source:
    """By which door a delivery came: a dead letter that is read again still came by it."""
    return next((door for mark, door in _DOORS.items() if delivery_id.startswith(mark)), Source.APP_WEBHOOK)


def delivery_from(
    translator: Translator,
    content: Mapping[str, Any],
    *,
    raw: str,
    delivery_id: str,
    received_at: datetime,
    simulated: bool,
) -> Delivery | UnreadableDelivery:
    """``content`` is ``raw``, parsed. Never raises on a body that cannot be read."""
    try:
        event = translator.event(
            content,
            delivery_id=delivery_id,
            received_at=received_at,
            simulated=simulated,
            source=door_of(delivery_id),
        )
        return Delivery(delivery_id=delivery_id, event=event, raw=raw, received_at=received_at)
    except (TranslationError, ValidationError) as error:
        return unreadable(content, raw=raw, delivery_id=delivery_id, simulated=simulated, error=error)


def unreadable(
    content: Any, *, raw: str, delivery_id: str, simulated: bool, error: TranslationError | ValidationError
) -> UnreadableDelivery:
    """A genuine body that could not be read, with the reason."""
    return UnreadableDelivery(
        location_id=_location_named(content, raw),
        delivery_id=delivery_id,
        raw=raw,
        reason=_reason(error),
        simulated=simulated,
        lead_ids=_leads_named(content),
    )


def without_nul(value: Any) -> Any:
    """The same without NUL characters, which PostgreSQL's text cannot hold."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    return value


def _location_named(content: Any, raw: str) -> LocationId | None:
    """Whose dead letter it is. A signed body that is no JSON is searched as text: the signer is trusted with that much."""
    if isinstance(content, dict):
        try:
            return location_of(Payload(content))
        except TranslationError:
            return None
    found = _LOCATION.search(raw)
    return LocationId(found.group(1)) if found else None


def _leads_named(content: Any) -> tuple[LeadId, ...]:
    """Wherever GoHighLevel and our site activity put a contact's id; the id of another thing does no harm."""
    found = []
    pending = [content]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending += part
        elif isinstance(part, dict):
            found += [part.get(name) for name in ("contactId", "contact_id", "id")]
            if part.get("key") == "contact_id":  # a record's properties are a list
                found.append(part.get("valueString"))
            pending += [part.get("data"), part.get("properties"), part.get("appointment")]
    return tuple(LeadId(name.strip()) for name in found if isinstance(name, str))


def _reason(error: TranslationError | ValidationError) -> str:
    if isinstance(error, TranslationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
