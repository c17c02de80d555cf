"""Signs webhooks as GoHighLevel does, with a throw-away key. For tests of everything that a signed webhook reaches."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader

LOCATION: Final = "locTest0000000000001"


class GhlSigner:
    """One Ed25519 key pair. ``public_key`` goes into the settings, ``headers(body)`` onto the request."""

    def __init__(self, seed: int | None = None) -> None:
        """The same seed gives the same key; None gives a fresh one."""
        self._key: Final = (
            Ed25519PrivateKey.generate()
            if seed is None
            else Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32))
        )

    @property
    def public_key(self) -> str:
        """SPKI, base64: as HighLevel publishes its key."""
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    @property
    def public_pem(self) -> str:
        """The same key as PEM."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, body: bytes) -> str:
        """The value of X-GHL-Signature."""
        return base64.b64encode(self._key.sign(body)).decode()

    def headers(self, body: bytes) -> dict[str, str]:
        """The headers of a genuine delivery."""
        return {"Content-Type": "application/json", "X-GHL-Signature": self.sign(body)}


def webhook(
    type_: str, *, location_id: str = LOCATION, webhook_id: str = "hook-1", **fields: Any
) -> dict[str, Any]:
    """A flat delivery body with its envelope."""
    return {
        "type": type_,
        "locationId": location_id,
        "webhookId": webhook_id,
        "timestamp": "2026-11-23T12:00:00.000Z",
        "appId": "appTest",
        "versionId": "appTest",
        **fields,
    }


def encoded(body: Mapping[str, Any]) -> bytes:
    """The bytes that are signed and sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def reader_of(
    *,
    vendor: GhlSigner | None = None,
    simulator: GhlSigner | None = None,
    wish_fields: Mapping[str, str] | None = None,
) -> GoHighLevelWebhookReader:
    """A real reader that trusts these keys."""
    return GoHighLevelWebhookReader(
        public_keys=() if vendor is None else (vendor.public_key,),
        simulator_public_key="" if simulator is None else simulator.public_key,
        wish_fields=wish_fields or {},
    )
