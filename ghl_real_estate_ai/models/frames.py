"""Text messages on their way to sockets: framed for RFC 6455 once, shared by everybody who gets them.

Made by ``services/topic_log.py`` and ``services/client_session.py``, written by the connections behind
``live_ports.ClientConnection``.
"""

from __future__ import annotations

from collections.abc import Sequence

_TEXT_AND_FINAL = 0x81
_ONE_BYTE_LENGTH = 125
_TWO_BYTE_LENGTH = 0xFFFF


def framed(payload: str | bytes) -> bytes:
    """One unmasked, final text frame, as a server sends it (RFC 6455, section 5.2). ``payload`` as bytes: UTF-8."""
    if isinstance(payload, str):
        payload = payload.encode()
    size = len(payload)
    if size <= _ONE_BYTE_LENGTH:
        return bytes((_TEXT_AND_FINAL, size)) + payload
    if size <= _TWO_BYTE_LENGTH:
        return bytes((_TEXT_AND_FINAL, 126)) + size.to_bytes(2) + payload
    return bytes((_TEXT_AND_FINAL, 127)) + size.to_bytes(8) + payload


def header_size(frame: bytes) -> int:
    """Bytes before the payload of a frame that ``framed`` made."""
    return {126: 4, 127: 10}.get(frame[1], 2)


class Bundle:
    """Messages that leave together: ``wire`` for a socket that takes frames, ``texts`` for one that frames by itself."""

    __slots__ = ("_frames", "wire")

    def __init__(self, frames: Sequence[bytes]) -> None:
        self._frames = frames
        self.wire = frames[0] if len(frames) == 1 else b"".join(frames)

    @classmethod
    def of(cls, *texts: str) -> Bundle:
        """From texts that are not framed yet."""
        return cls(tuple(map(framed, texts)))

    def __len__(self) -> int:
        """How many messages."""
        return len(self._frames)

    @property
    def texts(self) -> tuple[str, ...]:
        """The messages without their framing."""
        return tuple(frame[header_size(frame) :].decode() for frame in self._frames)
