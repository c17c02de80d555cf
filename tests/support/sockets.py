"""The hub's other end in tests: a socket of lists that may be stalled, and a screen that applies what it gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from ghl_real_estate_ai.limits import SNAPSHOT_ITEMS
from ghl_real_estate_ai.models.frames import Bundle
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Identity, Role
from ghl_real_estate_ai.services.client_session import Renew
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.clock import settle
from tests.support.facts import LOCATION, NOON


def identity(
    *,
    user: str = "u-1",
    role: Role = Role.ADMIN,
    location: LocationId = LOCATION,
    expires_at: datetime = NOON + timedelta(hours=8),
) -> Identity:
    """Somebody who has signed in."""
    return Identity(
        location_id=location,
        user_id=UserId(user),
        email=f"{user}@example.com",
        name=user,
        role=role,
        expires_at=expires_at,
    )


class FakeSocket:
    """``live_ports.ClientConnection`` and the client behind it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.writes: list[int] = []  # messages of each write
        self.closed: tuple[int, str] | None = None
        self._incoming: asyncio.Queue[str | None] = asyncio.Queue()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._ready: Callable[[], None] = lambda: None
        self.broken = False

    # the server's side

    @property
    def takes_more(self) -> bool:
        """Unless stalled or closed."""
        return self._flowing.is_set() and self.closed is None

    def offer(self, bundle: Bundle) -> None:
        """Kept; lost when the line is broken."""
        assert self.takes_more, "offered to a socket that does not take more"
        if self.broken:
            self._incoming.put_nowait(None)
            return
        self.sent.extend(bundle.texts)
        self.writes.append(len(bundle))

    def when_ready(self, call: Callable[[], None]) -> None:
        """Called by ``flow``."""
        self._ready = call

    async def close(self, code: int, reason: str) -> None:
        """Kept; waits while stalled."""
        await self._flowing.wait()
        self.closed = (code, reason)

    async def incoming(self) -> AsyncIterator[str]:
        """What the client says."""
        while (text := await self._incoming.get()) is not None:
            yield text

    # the client's side

    def stall(self) -> None:
        """Stop reading."""
        self._flowing.clear()

    def flow(self) -> None:
        """Read again."""
        if not self._flowing.is_set():
            self._flowing.set()
            self._ready()

    async def say(self, message: object) -> None:
        """Send JSON (a str goes as it is) and let the server act on it."""
        self._incoming.put_nowait(message if isinstance(message, str) else json.dumps(message))
        await settle()

    async def leave(self) -> None:
        """Disconnect."""
        self._incoming.put_nowait(None)
        await settle()

    @property
    def heard(self) -> list[dict[str, Any]]:
        """Everything received."""
        return [json.loads(text) for text in self.sent]

    @property
    def code(self) -> int | None:
        """The close code, if closed."""
        return None if self.closed is None else self.closed[0]


@asynccontextmanager
async def connected(
    hub: WebSocketManager, who: Identity | None = None, *, renew: Renew | None = None
) -> AsyncIterator[FakeSocket]:
    """A socket that the hub serves; it has left at the end."""
    socket = FakeSocket()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hub.serve(socket, who or identity(), socket.incoming(), renew=renew))
        await settle()
        try:
            yield socket
        finally:
            socket.flow()
            await socket.leave()


@asynccontextmanager
async def watching(hub: WebSocketManager) -> AsyncIterator[None]:
    """The hub's heartbeat runs meanwhile."""
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(hub.run())
        await settle()
        try:
            yield
        finally:
            watch.cancel()


class Screen:
    """Applies a stream's messages as docs/realtime.md tells a client to."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.epoch: str | None = None
        self.offset = 0
        self.gaps: list[list[int]] = []

    def apply(self, message: dict[str, Any]) -> None:
        """One message of this stream."""
        if "subscribed" in message:
            place = message["subscribed"]
            self.epoch, self.offset = place["epoch"], place["offset"]
            if "snapshot" in message:
                self.items = {item["key"]: item for item in reversed(message["snapshot"])}
        elif "gap" in message:
            self.gaps.append(message["gap"])
            self.offset = max(self.offset, message["gap"][1])
        elif "e" in message:
            assert message["o"] > self.offset, "a publication came twice or out of order"
            self.offset = message["o"]
            self.items.pop(message["e"]["key"], None)
            if message["e"].get("removed"):
                gone = message["e"]["lead_id"]
                self.items = {key: item for key, item in self.items.items() if item.get("lead_id") != gone}
                return
            self.items[message["e"]["key"]] = message["e"]
            while len(self.items) > SNAPSHOT_ITEMS:
                del self.items[next(iter(self.items))]

    @property
    def shown(self) -> list[dict[str, Any]]:
        """Newest first, like a snapshot."""
        return list(reversed(self.items.values()))
