"""Who signed a webhook: GoHighLevel, a simulator, or nobody we know. Looks at raw bytes only.

Called by integrations/gohighlevel/webhooks.py. The signer, never the text, decides whether an event is simulated.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ghl_real_estate_ai.errors import ConfigurationError, SignatureRejected

HEADER: Final = "X-GHL-Signature"
"""Base64 Ed25519 over the raw body. The legacy RSA header ``X-WH-Signature`` ended on 2026-09-01 and is not read."""

UNSIGNED: Final = "N/A"
"""GoHighLevel's literal for a delivery that it did not sign."""


class Signer(StrEnum):
    """Whose key verified the bytes."""

    GOHIGHLEVEL = "gohighlevel"
    SIMULATOR = "simulator"


class SignatureVerifier:
    """Holds the known keys. Rotation: list the old and the new key until the vendor has switched."""

    def __init__(self, *, public_keys: Sequence[str], simulator_public_key: str) -> None:
        """Keys are SPKI: PEM, or its base64 body. Raises ConfigurationError naming the setting of a bad key."""
        name = "ENTERPRISEHUB_GHL_PUBLIC_KEYS"
        keys = [
            (_public_key(text, f"setting {name}: key {number}"), Signer.GOHIGHLEVEL)
            for number, text in enumerate(public_keys, start=1)
        ]
        if simulator_public_key.strip():
            simulator = _public_key(simulator_public_key, "setting ENTERPRISEHUB_SIMULATOR_PUBLIC_KEY:")
            if any(simulator == key for key, _ in keys):
                raise ConfigurationError(
                    f"setting ENTERPRISEHUB_SIMULATOR_PUBLIC_KEY: this key is in {name} too, so nobody could tell "
                    "simulated events from real ones; remove it from one of them"
                )
            keys.append((simulator, Signer.SIMULATOR))
        # Whose signature came last is tried first: a wrong key costs as much as the right one.
        self._keys = keys

    def signer(self, body: bytes, headers: Mapping[str, str]) -> Signer:
        """Whose key signed the body. Raises SignatureRejected."""
        signature = _signature(headers)
        for place, (key, signer) in enumerate(self._keys):
            try:
                key.verify(signature, body)
            except InvalidSignature:
                continue
            if place:
                self._keys.insert(0, self._keys.pop(place))
            return signer
        raise SignatureRejected(f"{HEADER}: no known key signed this body; is the key list up to date?")


def _signature(headers: Mapping[str, str]) -> bytes:
    text = headers.get(HEADER, "").strip()
    if not text or text == UNSIGNED:
        raise SignatureRejected(f"{HEADER}: missing; only deliveries that GoHighLevel signed are accepted")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureRejected(f"{HEADER}: not base64") from error


def _public_key(text: str, where: str) -> Ed25519PublicKey:
    body = "".join(line.strip() for line in text.splitlines() if not line.strip().startswith("-----"))
    try:
        key = load_der_public_key(base64.b64decode(body, validate=True))
    except (ValueError, UnsupportedAlgorithm) as error:  # binascii.Error is a ValueError
        raise ConfigurationError(f"{where} is not a public key; give its SPKI as base64 or PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{where} is not an Ed25519 key; GoHighLevel signs with Ed25519")
    return key
