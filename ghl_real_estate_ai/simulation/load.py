"""Viewers and a paced sender: the crowd that a load test or a benchmark puts in front of a gateway.

Called by ``painting.py`` and ``crowd.py``. A viewer is a real WebSocket client that subscribes to every stream, answers
pings, and keeps count of what it got, in order.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect

from ghl_real_estate_ai.models.streams import Stream


@dataclass
class Viewer:
    """What one socket got: the keys of each publication of ``watched``, its age on arrival, and broken sequences."""

    watched: Stream
    keys: list[str] = field(default_factory=list)
    age_ms: list[float] = field(default_factory=list)
    gaps: int = 0
    _last: int | None = None

    def take(self, text: str) -> None:
        """Note one message of the server."""
        message = json.loads(text)
        if message.get("c") != self.watched:
            return
        if "gap" in message:
            self.gaps += 1
            self._last = None
            return
        if self._last is not None and message["o"] != self._last + 1:
            self.gaps += 1
        self._last = message["o"]
        self.keys.append(message["e"]["key"])
        self.age_ms.append(time.time() * 1_000 - message["p"])


@asynccontextmanager
async def viewers(
    gateway: str,
    tokens: Sequence[str],
    count: int,
    *,
    watched: Stream = Stream.LEAD_SCORES,
    streams: Sequence[Stream] = tuple(Stream),
) -> AsyncIterator[list[Viewer]]:
    """``count`` connected viewers, the tokens shared out among them."""
    url = gateway.replace("http", "ws", 1) + "/v1/realtime"
    crowd = [Viewer(watched) for _ in range(count)]
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(
                connect(
                    url,
                    additional_headers={"Authorization": f"Bearer {tokens[number % len(tokens)]}"},
                    compression=None,
                    max_size=None,
                )
            )
            for number in range(count)
        ]
        wanted = json.dumps({"subscribe": [{"stream": stream} for stream in streams]})
        for socket in sockets:
            await socket.send(wanted)
        async with asyncio.TaskGroup() as tasks:
            reading = [
                tasks.create_task(_read(socket, viewer))
                for socket, viewer in zip(sockets, crowd, strict=True)
            ]
            try:
                yield crowd
            finally:
                for task in reading:
                    task.cancel()


async def _read(socket: ClientConnection, viewer: Viewer) -> None:
    async for text in socket:
        if isinstance(text, bytes):
            continue
        if text.startswith('{"ping"'):
            await socket.send(text.replace("ping", "pong", 1))
        elif text.startswith('{"c"'):
            viewer.take(text)


async def paced(per_second: float, count: int) -> AsyncIterator[int]:
    """0, 1, 2 ... on a fixed schedule: a late one does not move the others (open loop)."""
    started = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
        yield number
