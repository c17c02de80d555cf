"""The key that the simulated GoHighLevel signs its webhooks with: never GoHighLevel's own.

Called by vendor_servers.py and ghl_webhooks.py.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class VendorKey:
    """An Ed25519 key. ``seed``: secret bytes that it is made from; None makes a fresh one."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._key: Final = (
            Ed25519PrivateKey.generate()
            if seed is None
            else Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
        )

    @property
    def public(self) -> str:
        """SPKI, base64: the value of ENTERPRISEHUB_SIMULATOR_PUBLIC_KEY."""
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def headers(self, body: bytes) -> dict[str, str]:
        """The headers of a delivery: X-GHL-Signature over the raw bytes."""
        signature = base64.b64encode(self._key.sign(body)).decode()
        return {"Content-Type": "application/json", "X-GHL-Signature": signature}
