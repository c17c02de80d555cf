"""GoHighLevel's webhook door: verify the raw bytes, then translate. Implements ports.WebhookReader.

Called by api/routes/webhooks.py (through services) and by the dead-letter replay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic_core import from_json

from ghl_real_estate_ai.errors import TranslationError
from ghl_real_estate_ai.integrations.gohighlevel.deliveries import delivery_from, unreadable, without_nul
from ghl_real_estate_ai.integrations.gohighlevel.payload import ID_CHARACTERS
from ghl_real_estate_ai.integrations.gohighlevel.signatures import SignatureVerifier, Signer
from ghl_real_estate_ai.integrations.gohighlevel.translation import Translator
from ghl_real_estate_ai.integrations.gohighlevel.workflow import hint_from
from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import UnreadableDelivery


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

    def hint(
        self, body: bytes, *, location_id: LocationId, received_at: datetime, simulated: bool
    ) -> Delivery:
        """An unsigned workflow webhook of the location: kept, not believed. Raises TranslationError when it is no JSON object."""
        return hint_from(
            _json_object(body),
            raw=storable(body),
            location_id=location_id,
            received_at=received_at,
            simulated=simulated,
        )

    def _translated(
        self,
        body: bytes,
        *,
        delivery_id: str | None,
        received_at: datetime,
        simulated: bool,
    ) -> Delivery | UnreadableDelivery:
        raw = storable(body)
        try:
            content = _json_object(body)
        except TranslationError as error:
            delivery_id = delivery_id or delivery_id_of(None, body)
            return unreadable(None, raw=raw, delivery_id=delivery_id, simulated=simulated, error=error)
        return delivery_from(
            self._translator,
            content,
            raw=raw,
            delivery_id=delivery_id or delivery_id_of(content, body),
            received_at=received_at,
            simulated=simulated,
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
    if b"\\u0000" in body:
        content = {without_nul(key): without_nul(value) for key, value in content.items()}
    return content
