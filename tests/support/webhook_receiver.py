"""A tiny gateway on a free loopback port: real HTTP, the real webhook reader, scripted answers. For tests of senders."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ghl_real_estate_ai.errors import SignatureRejected
from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader
from ghl_real_estate_ai.models.events import Delivery

Answer = tuple[int, str]
"""HTTP status and body."""


@dataclass
class WebhookReceiver:
    """Stores what it verifies, as a gateway does. ``script`` answers the first requests instead."""

    reader: GoHighLevelWebhookReader
    script: Iterator[Answer] = field(default_factory=lambda: iter(()))
    requests: list[bytes] = field(default_factory=list)
    stored: dict[str, Delivery] = field(default_factory=dict)
    arrived: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, body: bytes, headers: dict[str, str]) -> Answer:
        """The gateway's verdict on one request."""
        self.requests.append(body)
        scripted = next(self.script, None)
        if scripted is not None:
            return scripted
        try:
            delivery = self.reader.read(body, headers, received_at=datetime.now(UTC))
        except SignatureRejected as error:
            return 401, json.dumps({"error": {"code": error.code, "message": str(error)}})
        if not isinstance(delivery, Delivery):
            return 200, json.dumps({"status": "dead_letter", "reason": delivery.reason})
        self.arrived.append(delivery.delivery_id)
        status = "duplicate" if delivery.delivery_id in self.stored else "stored"
        self.stored.setdefault(delivery.delivery_id, delivery)
        return 200, json.dumps({"status": status, "reason": None})

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("Content-Length", 0)))
                status, text = self.answer(body, headers)
                payload = text.encode()
                writer.write(
                    f"HTTP/1.1 {status} Answer\r\nContent-Length: {len(payload)}\r\n\r\n".encode() + payload
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(receiver: WebhookReceiver) -> AsyncIterator[WebhookReceiver]:
    """Listen until the block is left."""
    server = await asyncio.start_server(receiver._connection, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield receiver
