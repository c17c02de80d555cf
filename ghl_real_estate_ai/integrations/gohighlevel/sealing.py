"""Seals tokens for the database: unreadable without the key, and openable only in the row they were sealed for.

Called by oauth.py and tokens.py. The store never sees an open token.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ghl_real_estate_ai.errors import ConfigurationError

ACCESS: Final = "access_token"
REFRESH: Final = "refresh_token"

_VERSION: Final = "v1."
_PURPOSE: Final = b"enterprisehub: CRM tokens at rest"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
"""What GCM is made for. Random: at one sealing a second, two equal ones are expected after millions of years."""


class TokenSeal:
    """AES-256-GCM. Owner and field are bound in: a sealed token that is copied to another row or column does not open."""

    def __init__(self, secret: str) -> None:
        """``secret``: ``settings.sealing_secret()``. The key is derived from it, so that it may serve nothing else."""
        derive = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE)
        self._cipher: Final = AESGCM(derive.derive(secret.encode()))

    def seal(self, token: str, *, owner_id: str, field: str) -> str:
        """The token as it may be stored; '' (no token) stays ''."""
        if not token:
            return ""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, token.encode(), _place(owner_id, field))
        return _VERSION + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, *, owner_id: str, field: str) -> str:
        """The token. Raises ConfigurationError when another key, another row or another hand made the seal."""
        if not sealed:
            return ""
        try:
            content = base64.b64decode(sealed.removeprefix(_VERSION), altchars=b"-_", validate=True)
            nonce, box = content[:_NONCE_BYTES], content[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, box, _place(owner_id, field)).decode()
        except (InvalidTag, binascii.Error, ValueError):
            pass
        # Raised outside the handler: nothing of what could not be opened comes along.
        raise ConfigurationError(
            f"the {field.replace('_', ' ')} of {owner_id} cannot be opened: ENTERPRISEHUB_ENCRYPTION_KEY (or the file "
            "encryption_key in the data folder) is not the one that sealed it; set the old key again, or connect the "
            "account anew with `enterprisehub connect`"
        )


def _place(owner_id: str, field: str) -> bytes:
    return f"{owner_id}\x1f{field}".encode()
