"""The house's HTTP client: one pool of connections, bounded waits, typed failures, and no secret in any of them.

Called by the clients of vendors, such as integrations/gohighlevel/exchange.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode

from ghl_real_estate_ai.errors import AnswerLost, NotSent
from ghl_real_estate_ai.limits import (
    OUTBOUND_ANSWER_BYTES,
    OUTBOUND_ANSWER_S,
    OUTBOUND_CONNECTIONS,
    OUTBOUND_TIMEOUT_S,
)

if TYPE_CHECKING:
    import httpx

_THIS_MACHINE: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What to send. ``name`` stands for it in errors and logs; everything else may hold secrets and is never shown."""

    name: str
    method: str = field(repr=False)
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    json: Any = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)

    def content(self) -> tuple[bytes | None, dict[str, str]]:
        """The body's bytes and all headers."""
        if self.form is not None:
            body, kind = urlencode(self.form).encode(), "application/x-www-form-urlencoded"
        elif self.json is not None:
            body, kind = _compact(self.json), "application/json"
        else:
            return None, dict(self.headers)
        return body, {**self.headers, "Content-Type": kind}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def success(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300

    def parsed(self) -> Any:
        """The JSON of the body; raises ValueError when it is none."""
        return json.loads(self.body)


class HttpClient:
    """Sends requests as they are; knows nothing of retries, tokens or limits. Use as ``async with``, or close it.

    httpx comes with the first request: it and the certificates of TLS are a tenth of the gateway's start, and an installation
    without an account to call never needs them.
    """

    def __init__(
        self, *, timeout_s: float = OUTBOUND_TIMEOUT_S, answer_bytes: int = OUTBOUND_ANSWER_BYTES
    ) -> None:
        # At INFO httpx writes every URL with its query, at DEBUG httpcore writes every header.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._timeout_s: Final = timeout_s
        self._answer_bytes: Final = answer_bytes
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """One attempt; redirects are answers like others. Raises NotSent or AnswerLost."""
        outcome = await self._outcome(request)
        if isinstance(outcome, HttpAnswer):
            return outcome
        raise outcome

    async def _outcome(self, request: HttpRequest) -> HttpAnswer | NotSent | AnswerLost:
        """The failure is handed back, not raised: nothing of this frame, its headers, its body or httpx's errors, which
        keep the request with its token, may travel with a traceback to whoever collects them.
        """
        import httpx

        nothing_sent = (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.UnsupportedProtocol,
        )
        body, headers = request.content()
        try:
            async with (
                asyncio.timeout(OUTBOUND_ANSWER_S),
                self._opened().stream(
                    request.method, request.url, params=request.query, headers=headers, content=body
                ) as response,
            ):
                content = await self._read(response)
                if content is None:
                    return AnswerLost(f"{request.name}: the answer is larger than {self._answer_bytes} bytes")
                names = {name.lower(): value for name, value in response.headers.items()}
                return HttpAnswer(response.status_code, names, content)
        except nothing_sent as error:
            return NotSent(f"{request.name}: no connection ({type(error).__name__})")
        except (httpx.HTTPError, TimeoutError) as error:
            return AnswerLost(f"{request.name}: no usable answer ({type(error).__name__})")

    def _opened(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=self._timeout_s,
                limits=httpx.Limits(max_connections=OUTBOUND_CONNECTIONS),
                mounts=dict.fromkeys(_THIS_MACHINE),  # a proxy of the environment has no business on loopback
            )
        return self._client

    async def _read(self, response: httpx.Response) -> bytes | None:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > self._answer_bytes:
                return None
        return bytes(content)


def _compact(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
