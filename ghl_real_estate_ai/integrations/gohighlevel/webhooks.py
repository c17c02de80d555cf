"""GoHighLevel's webhook door: verify the raw bytes, then translate. Implements ports.WebhookReader.

Called by api/routes/webhooks.py (through services) and by the dead-letter replay.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from ghl_real_estate_ai.errors import TranslationError
from ghl_real_estate_ai.integrations.gohighlevel.payload import ID_CHARACTERS, Payload
from ghl_real_estate_ai.integrations.gohighlevel.signatures import SignatureVerifier, Signer
from ghl_real_estate_ai.integrations.gohighlevel.translation import Translator, location_of
from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.ports import UnreadableDelivery

_LOCATION: Final = re.compile(rf'"locationId"\s*:\s*"([A-Za-z0-9_-]{{1,{ID_CHARACTERS}}})"')


class GoHighLevelWebhookReader:
    """Signed app webhooks in, our deliveries out. Holds no state: safe to share."""

    def __init__(
        self, *, public_keys: Sequence[str], simulator_public_key: str, wish_fields: Mapping[str, str]
    ) -> None:
        """Raises ConfigurationError naming the setting of a bad key or an unknown wish."""
        self._verifier: Final = SignatureVerifier(
            public_keys=public_keys, simulator_public_key=simulator_public_key
        )
        self._translator: Final = Translator(wish_fields=wish_fields)

    def read(
        self, body: bytes, headers: Mapping[str, str], *, received_at: datetime
    ) -> Delivery | UnreadableDelivery:
        """One delivery. The key that verified it decides ``simulated``. Raises SignatureRejected."""
        simulated = self._verifier.signer(body, headers) is Signer.SIMULATOR
        return self._translated(body, delivery_id=None, received_at=received_at, simulated=simulated)

    def translate(
        self, raw: str, *, delivery_id: str, received_at: datetime, simulated: bool
    ) -> Delivery | UnreadableDelivery:
        """A body that was verified before, under the delivery id it was given then."""
        body = raw.encode("utf-8", "replace")
        return self._translated(body, delivery_id=delivery_id, received_at=received_at, simulated=simulated)

    def _translated(
        self,
        body: bytes,
        *,
        delivery_id: str | None,
        received_at: datetime,
        simulated: bool,
    ) -> Delivery | UnreadableDelivery:
        raw = storable(body)
        content: Any = None
        try:
            content = _json_object(body)
            delivery_id = delivery_id or delivery_id_of(content, body)
            event = self._translator.event(
                content, delivery_id=delivery_id, received_at=received_at, simulated=simulated
            )
            return Delivery(delivery_id=delivery_id, event=event, raw=raw, received_at=received_at)
        except (TranslationError, ValidationError) as error:
            return UnreadableDelivery(
                location_id=_location_named(content, raw),
                delivery_id=delivery_id or delivery_id_of(content, body),
                raw=raw,
                reason=_reason(error),
                simulated=simulated,
                lead_ids=_leads_named(content),
            )


def delivery_id_of(content: Any, body: bytes) -> str:
    """``webhookId``; without one, the hash of the raw body, so that the same bytes are the same delivery."""
    said = content.get("webhookId") if isinstance(content, dict) else None
    if isinstance(said, str) and 0 < len(said) <= ID_CHARACTERS:
        return said
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def storable(body: bytes) -> str:
    """The body as text that every database takes: PostgreSQL refuses NUL characters."""
    return body.decode("utf-8", "replace").replace("\x00", "\ufffd")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise TranslationError(f"body: not JSON; {error}") from error
    if not isinstance(content, dict):
        raise TranslationError("body: must be a JSON object")
    # NUL comes only as an escape in valid JSON; the walk is rare, the search costs nothing.
    return _without_nul(content) if b"\\u0000" in body else content


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
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
        if isinstance(part, dict):
            found += [part.get(name) for name in ("contactId", "contact_id", "id")]
            pending += [part.get("data"), part.get("properties")]
    return tuple(LeadId(name.strip()) for name in found if isinstance(name, str))


def _reason(error: TranslationError | ValidationError) -> str:
    if isinstance(error, TranslationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
