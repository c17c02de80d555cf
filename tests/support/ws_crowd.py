"""Many cheap WebSocket clients that can also misbehave: stop reading, send any bytes, vanish inside a frame.

``RawSocket`` is one connection over bare TCP; ``Viewer`` is somebody who follows streams over one connection after
the other, as docs/realtime.md tells a client to; ``crowd`` opens many of them.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic_core import from_json, to_json

from ghl_real_estate_ai.limits import CONNECTIONS_PER_USER
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Role, User
from ghl_real_estate_ai.models.streams import Stream
from tests.support.gateway import Gateway
from tests.support.sockets import Screen

EVENTUALLY_S = 150.0
PATH = "/v1/realtime"

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds: closing sends RST, not FIN


class Opcode(IntEnum):
    """Kinds of frames (RFC 6455, section 11.8)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that other tasks bring about. Raises TimeoutError."""
    async with asyncio.timeout(EVENTUALLY_S):
        while not is_so():
            await asyncio.sleep(0.002)


def frame(
    payload: bytes, opcode: int = Opcode.TEXT, *, fin: bool = True, reserved: int = 0, masked: bool = True
) -> bytes:
    """One frame as a client sends it, and as none should: ``reserved`` sets RSV1-3, ``masked`` False leaves the mask out."""
    head = bytes([fin << 7 | reserved << 4 | opcode])
    size, mask_bit = len(payload), masked << 7
    if size <= 125:
        head += bytes([mask_bit | size])
    elif size <= 0xFFFF:
        head += bytes([mask_bit | 126]) + size.to_bytes(2)
    else:
        head += bytes([mask_bit | 127]) + size.to_bytes(8)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    stretched = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload) ^ int.from_bytes(stretched)).to_bytes(size)


class RawSocket(asyncio.Protocol):
    """One connection. What the server sends goes to ``hear``, message by message, as soon as it is whole."""

    def __init__(self, request: bytes, hear: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.heard: list[dict[str, Any]] = []
        self.code: int | None = None
        self.reason = ""
        self.gone = False
        self.pongs: list[bytes] = []
        self.answers_pings = True
        self.answered_pings = 0
        self.received = 0
        self.cut_after: int | None = None
        self.trouble: AssertionError | None = None
        self.answered = asyncio.Event()
        self._hear = hear or self.heard.append
        self._request = request
        self._rest = bytearray()
        self._transport: asyncio.Transport | None = None

    @property
    def open(self) -> bool:
        """Whether the handshake succeeded and nobody has ended the connection."""
        return self.status == 101 and self.code is None and not self.gone

    # --- what a client does --------------------------------------------------------------------------------------

    def say(self, message: object) -> None:
        """A message; JSON unless it is a str or bytes already."""
        raw = (
            message
            if isinstance(message, bytes)
            else message.encode()
            if isinstance(message, str)
            else to_json(message)
        )
        self.write(frame(raw))

    def write(self, raw: bytes) -> None:
        """These bytes, whatever they are."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(raw)

    @property
    def unsent(self) -> int:
        """Bytes that have not left for the network."""
        return 0 if self.gone else self._wire.get_write_buffer_size()

    def stall(self) -> None:
        """Stop reading."""
        self._wire.pause_reading()

    def flow(self) -> None:
        """Read again."""
        if not self.gone:
            self._wire.resume_reading()

    def leave(self, code: int = 1000) -> None:
        """Say goodbye; the server closes."""
        self.write(frame(code.to_bytes(2), Opcode.CLOSE))

    def vanish(self) -> None:
        """Gone without a word, by RST: what was underway is lost."""
        if self._transport is not None and not self.gone:
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
            )
            self._transport.abort()

    def vanish_inside_a_frame(self) -> None:
        """The same, halfway through a message of its own."""
        whole = frame(b'{"pong":1}')
        self.write(whole[: len(whole) // 2])
        self.vanish()

    @property
    def _wire(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    # --- what the loop calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.answered.set()

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self.cut_after is not None and self.received >= self.cut_after:
            data = data[: len(data) - (self.received - self.cut_after)]
            self.cut_after = None
            self.vanish()
        try:
            self._take(data)
        except AssertionError as error:  # the loop would only log it: ``dismiss`` raises it
            self.trouble = self.trouble or error
            self.vanish()

    def _take(self, data: bytes) -> None:
        self._rest += data
        if not self.status:
            head, end, _ = self._rest.partition(b"\r\n\r\n")
            if not end:
                return
            del self._rest[: len(head) + len(end)]
            first, *lines = head.decode().split("\r\n")
            self.headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            self.status = int(first.split()[1])
            self.answered.set()
        if self.status == 101:
            del self._rest[: self._take_frames(self._rest)]

    def _take_frames(self, data: bytearray) -> int:
        """Hears every whole frame; returns where the rest begins."""
        at, end = 0, len(data)
        while end - at >= 2:
            size, begin = data[at + 1], at + 2
            if size == 126:
                size, begin = int.from_bytes(data[at + 2 : at + 4]), at + 4
            elif size == 127:
                size, begin = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if begin + size > end:
                break
            self._take_frame(data[at], bytes(data[begin : begin + size]))
            at = begin + size
        return at

    def _take_frame(self, head: int, payload: bytes) -> None:
        assert head & 0xF0 == 0x80, "the server sent a fragment or a reserved bit"
        match head & 0x0F:
            case Opcode.TEXT:
                assert self.code is None, "the server sent a message after its close frame"
                message = from_json(payload)
                if "ping" in message and self.answers_pings:
                    self.answered_pings += 1
                    self.say({"pong": message["ping"]})
                self._hear(message)
            case Opcode.CLOSE:
                self.code, self.reason = int.from_bytes(payload[:2]) or 1005, payload[2:].decode()
                self.write(frame(payload[:2], Opcode.CLOSE))
            case Opcode.PING:
                if self.answers_pings:
                    self.write(frame(payload, Opcode.PONG))
            case Opcode.PONG:
                self.pongs.append(payload)
            case kind:
                raise AssertionError(f"the server sent a frame of kind {kind}")


async def dial(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    hear: Callable[[dict[str, Any]], None] | None = None,
    receive_buffer: int | None = None,
) -> RawSocket:
    """Connect to ``http://host:port`` and wait for the answer to the handshake, whatever it is.

    ``receive_buffer`` in bytes makes the kernel hold little for a client that stalls.
    """
    place = urlsplit(url)
    lines = {
        "Host": place.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    opened = RawSocket(f"GET {PATH}{query} HTTP/1.1\r\n{head}\r\n".encode(), hear)
    raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        raw.setblocking(False)
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(EVENTUALLY_S):
            await loop.sock_connect(raw, (place.hostname, place.port))
            await loop.create_connection(lambda: opened, sock=raw)
            await opened.answered.wait()
    except BaseException:
        raw.close()
        raise
    return opened


class Viewer:
    """Somebody with a token and a screen per stream, which outlives the connection. ``offsets`` is all that came, in order."""

    def __init__(self, url: str, token: str) -> None:
        self.screens: dict[str, Screen] = {}
        self.offsets: dict[str, list[int]] = defaultdict(list)
        self.items: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.openings: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.renewals: list[dict[str, Any]] = []
        self.keeps_items = False
        self._url = url
        self.token = token
        self.sockets: list[RawSocket] = []

    @property
    def socket(self) -> RawSocket:
        """The latest connection, open or not."""
        return self.sockets[-1]

    async def connect(self, *, receive_buffer: int | None = None) -> None:
        """A new connection; the screens stay as they are."""
        bearer = {"Authorization": f"Bearer {self.token}"}
        self.sockets.append(
            await dial(self._url, headers=bearer, hear=self._hear, receive_buffer=receive_buffer)
        )

    def follow(self, streams: Iterable[Stream | str]) -> None:
        """Subscribe; to what is on a screen already from its place on."""
        wanted = []
        for stream in map(str, streams):
            screen = self.screens.get(stream)
            place = {} if screen is None else {"epoch": screen.epoch, "offset": screen.offset}
            wanted.append({"stream": stream, **place})
        self.socket.say({"subscribe": wanted})

    def shown(self, stream: Stream | str) -> list[dict[str, Any]]:
        """Newest first, like a snapshot."""
        return self.screens[str(stream)].shown

    def offset(self, stream: Stream | str) -> int:
        """How far the screen is; -1 before the subscription is answered."""
        screen = self.screens.get(str(stream))
        return -1 if screen is None else screen.offset

    def _hear(self, message: dict[str, Any]) -> None:
        if "subscribed" in message:
            self.openings.append(message)
            stream = message["subscribed"]["stream"]
            self.screens.setdefault(stream, Screen()).apply(message)
        elif "c" in message:
            stream = message["c"]
            self.screens[stream].apply(message)
            if "o" in message:
                self.offsets[stream].append(message["o"])
                if self.keeps_items:
                    self.items[stream].append(message["e"])
        elif "error" in message:
            self.errors.append(message["error"])
        elif "renewed" in message:
            self.renewals.append(message["renewed"])


@asynccontextmanager
async def crowd(
    url: str, tokens: Iterable[str], *, receive_buffer: int | None = None
) -> AsyncIterator[list[Viewer]]:
    """A connected viewer per token; their connections are gone at the end."""
    viewers = [Viewer(url, token) for token in tokens]
    try:
        async with asyncio.TaskGroup() as tasks:
            for viewer in viewers:
                tasks.create_task(viewer.connect(receive_buffer=receive_buffer))
        yield viewers
    finally:
        await dismiss([one for viewer in viewers for one in viewer.sockets])


async def dismiss(sockets: Sequence[RawSocket]) -> None:
    """They are gone when this returns. Raises what the server did wrong on any of them."""
    for one in sockets:
        one.vanish()
    await until(lambda: all(one.gone for one in sockets))
    for one in sockets:
        if one.trouble is not None:
            raise one.trouble


def tokens_of(
    gateway: Gateway,
    count: int,
    place: LocationId,
    *,
    role: Role = Role.ADMIN,
    first: int = 0,
    per_user: int = CONNECTIONS_PER_USER,
) -> list[str]:
    """A token per socket of a tenant that is the test's own, of users who are numbered from ``first`` on.

    ``per_user`` leaves room for those who come back before the server has noticed that they had gone.
    """
    users = [
        User(
            location_id=place, user_id=UserId(f"user-{number}"), email=f"user-{number}@example.com",
            name=f"User {number}", role=role,
        )
        for number in range(first, first + 1 + (count - 1) // per_user)
    ]  # fmt: skip
    issued = [gateway.doors.tokens.issue(user)[0] for user in users]
    return [issued[number // per_user] for number in range(count)]
