"""A tiny HTTP server on a free loopback port that answers by script and keeps what it was asked. For tests of clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path as it was written, escapes included."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query, decoded."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body's form fields."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    """What to answer. ``lost``: take the request in and hang up without a word. ``delay_s``: think so long before."""

    status: int = 200
    content: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False
    delay_s: float = 0.0

    def bytes(self) -> bytes:
        """The answer on the wire."""
        body = self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()
        lines = [f"HTTP/1.1 {self.status} Scripted", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


Answering = Callable[[Seen], Reply]


@dataclass
class ScriptedServer:
    """Answers by ``script`` first, by ``otherwise`` after it."""

    script: Iterator[Reply] = field(default_factory=lambda: iter(()))
    otherwise: Answering = lambda seen: Reply()
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {
                    name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                request = Seen(method, target, headers, body)
                self.seen.append(request)
                reply = next(self.script, None) or self.otherwise(request)
                if reply.lost:
                    return
                if reply.delay_s:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.leaving.wait(), reply.delay_s)
                writer.write(reply.bytes())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def answering(
    *script: Reply, otherwise: Answering = lambda seen: Reply()
) -> AsyncIterator[ScriptedServer]:
    """Listen until the block is left."""
    running = ScriptedServer(script=iter(script), otherwise=otherwise)
    server = await asyncio.start_server(running._connection, "127.0.0.1", 0)
    running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        try:
            yield running
        finally:
            running.leaving.set()
