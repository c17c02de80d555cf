"""WebSocket bytes of a server, read once for a whole crowd: the same bytes at the next screen are compared, not parsed.

Called by ``screens``. Reading each message a thousand times would measure the reader; equal bytes mean equal messages,
so every byte that any screen gets is still accounted for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

CONTINUES, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
_FINAL: Final = 0x80
_MASKED: Final = b"\0\0\0\0"
"""A mask that changes nothing: this client has no secret to hide from a proxy."""
_REMEMBERED: Final = 4_096
"""Chunks, and messages, that are remembered; then all are forgotten, and read anew when they come again."""
_HEAD_BYTES: Final = 96
"""So many first bytes and the length find a remembered chunk; then all of its bytes are compared."""


@dataclass(frozen=True, slots=True)
class Span:
    """Publications of one topic without a hole: their offsets, and when each was published (ms since the epoch)."""

    topic: str
    first: int
    last: int
    stamps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """A topic is followed from here on."""

    topic: str
    epoch: str
    offset: int
    recovered: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """The server says that it left publications out, up to this offset."""

    topic: str
    last: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server waits for."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The server closes."""

    code: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """Not what was expected; the reason."""

    why: str


Part = Span | Opened | Gap | Answer | Closed | Wrong


@dataclass(frozen=True, slots=True)
class Chunk:
    """What some bytes say, and the bytes of a frame that is not whole yet. ``stamps``: of all publications.

    Each topic is in order; between two other messages, publications of one topic are together.
    """

    data: bytes
    parts: tuple[Part, ...]
    rest: bytes
    stamps: tuple[float, ...]


Check = Callable[[str, int, Any], bool]
"""Topic, offset and item of a publication: whether it is the one that was sent. Asked once per distinct message."""


class Reader:
    """One for a crowd."""

    def __init__(self, check: Check | None = None) -> None:
        self._check = check
        self._chunks: dict[tuple[int, bytes], Chunk] = {}
        self._messages: dict[bytes, tuple[Part, ...]] = {}
        self._last = Chunk(b"", (), b"", ())

    def read(self, data: bytes) -> Chunk:
        """``data`` begins with a frame."""
        if data == self._last.data:  # what the screen before got: by far the most of all
            return self._last
        key = (len(data), data[:_HEAD_BYTES])
        chunk = self._chunks.get(key)
        if chunk is None or chunk.data != data:
            chunk = self._read_anew(data)
            if len(self._chunks) >= _REMEMBERED:
                self._chunks.clear()
            self._chunks[key] = chunk
        self._last = chunk
        return chunk

    def _read_anew(self, data: bytes) -> Chunk:
        parts, at = _Parts(), 0
        while (end := frame_end(data, at)) is not None:
            frame = data[at:end]
            read = self._messages.get(frame)
            if read is None:
                read = self._parts_of(frame)
                if len(self._messages) >= _REMEMBERED:
                    self._messages.clear()
                self._messages[frame] = read
            for part in read:
                parts.add(part)
            at = end
        stamps = tuple(stamp for part in parts.all if isinstance(part, Span) for stamp in part.stamps)
        return Chunk(data, tuple(parts.all), data[at:], stamps)

    def _parts_of(self, frame: bytes) -> tuple[Part, ...]:
        payload = payload_of(frame)
        match frame[0]:
            case 0x81:  # a final text frame: no server here splits its messages
                return self._message(payload)
            case 0x88:
                return (Closed(int.from_bytes(payload[:2]) if payload else 1005),)
            case 0x89:
                return (Answer(client_frame(PONG, payload)),)
            case 0x8A:
                return ()
        return (Wrong(f"a frame that begins with {frame[0]:#x}"),)

    def _message(self, payload: bytes) -> tuple[Part, ...]:
        """A message of ours, or of Socket.IO, which puts digits before its JSON."""
        match payload[:1]:
            case b"{":
                return self._ours(from_json(payload))
            case b"0":
                return (Answer(client_frame(TEXT, b"40")),)  # its session is open: enter the namespace
            case b"2":
                return (Answer(client_frame(TEXT, b"3")),)  # its ping
        if payload.startswith(b"40"):
            return (Opened("", "", 0, recovered=True),)
        if payload.startswith(b"42"):
            return self._ours(from_json(payload[2:])[1])
        return (Wrong("a message that is not JSON"),)

    def _ours(self, message: dict[str, Any]) -> tuple[Part, ...]:
        match message:
            case {"c": topic, "o": offset, "p": published, "e": item}:
                if self._check is not None and not self._check(topic, offset, item):
                    return (Wrong(f"publication {offset} of {topic} is not what was sent"),)
                return (Span(topic, offset, offset, (published,)),)
            case {"c": topic, "gap": [_, last]}:
                return (Gap(topic, last),)
            case {"ping": at}:
                return (Answer(client_frame(TEXT, b'{"pong":%d}' % at)),)
            case {"subscribed": place}:
                return (
                    Opened(place["stream"], place["epoch"], place["offset"], recovered=place["recovered"]),
                )
            case {"error": error}:
                return (Wrong(f"refused: {error['code']}"),)
        return ()  # hello, and what a newer server may say


class _Parts:
    """Joins the publications of each topic to spans."""

    def __init__(self) -> None:
        self.all: list[Part] = []
        self._open: dict[str, int] = {}

    def add(self, part: Part) -> None:
        """The next one."""
        if not isinstance(part, Span):
            self._open.clear()
            self.all.append(part)
            return
        index = self._open.get(part.topic)
        before = None if index is None else self.all[index]
        if index is not None and isinstance(before, Span) and before.last + 1 == part.first:
            self.all[index] = Span(before.topic, before.first, part.last, before.stamps + part.stamps)
        else:
            self._open[part.topic] = len(self.all)
            self.all.append(part)


def frame_end(data: bytes, at: int) -> int | None:
    """Where the frame at ``at`` ends; None while it is not whole. Servers do not mask (RFC 6455, section 5.1)."""
    have = len(data) - at
    if have < 2:
        return None
    size, head = data[at + 1], 2
    if size == 126:
        size, head = int.from_bytes(data[at + 2 : at + 4]), 4
    elif size == 127:
        size, head = int.from_bytes(data[at + 2 : at + 10]), 10
    return at + head + size if have >= head + size else None


def payload_of(frame: bytes) -> bytes:
    """A whole frame's payload."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


def client_frame(opcode: int, payload: bytes) -> bytes:
    """A whole message as a client sends it."""
    size = len(payload)
    if size <= 125:
        head = bytes((_FINAL | opcode, 0x80 | size))
    elif size <= 0xFFFF:
        head = bytes((_FINAL | opcode, 0x80 | 126)) + size.to_bytes(2)
    else:
        head = bytes((_FINAL | opcode, 0x80 | 127)) + size.to_bytes(8)
    return head + _MASKED + payload
