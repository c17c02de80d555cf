"""The browser's client module and an example page, as files. Called by pages that follow the streams; see live_client/README.md."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response

import ghl_real_estate_ai
from ghl_real_estate_ai.errors import NotFound

router = APIRouter(prefix="/client", include_in_schema=False)

_TYPES: Final = {
    "enterprisehub_live.js": "text/javascript",
    "live_items.js": "text/javascript",
    "example.html": "text/html",
    "example.js": "text/javascript",
    "example.css": "text/css",
}
_HEADERS: Final = {
    # Asked for again each time, answered with 304: after an update no page speaks yesterday's protocol.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
}


@dataclass(frozen=True)
class _File:
    body: bytes
    media_type: str
    etag: str


def _read(name: str) -> _File:
    body = resources.files(ghl_real_estate_ai).joinpath("live_client", name).read_bytes()
    return _File(body, _TYPES[name], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


_FILES: Final = {name: _read(name) for name in _TYPES}


@router.get("/{name}")
async def file(name: str, if_none_match: Annotated[str, Header()] = "") -> Response:
    """One of the files; 304 when the caller holds it already. Raises NotFound."""
    found = _FILES.get(name)
    if found is None:
        raise NotFound(f"no such file; there are {', '.join(_FILES)}")
    headers = {**_HEADERS, "ETag": found.etag}
    if found.etag in if_none_match:  # alone, in a list, or with the W/ that a compressing proxy put before it
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type=found.media_type, headers=headers)
