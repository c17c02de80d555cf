"""Text messages on their way to sockets: framed for RFC 6455 once, shared by everybody who gets them.

Made by ``services/topic_log.py``, written by the connections behind ``live_ports.ClientConnection``.
"""

from __future__ import annotations

from collections.abc import Sequence

_TEXT_AND_FINAL = 0x81
_ONE_BYTE_LENGTH = 125
_TWO_BYTE_LENGTH = 0xFFFF


def framed(text: str) -> bytes:
    """One unmasked, final text frame, as a server sends it (RFC 6455, section 5.2)."""
    payload = text.encode()
    size = len(payload)
    if size <= _ONE_BYTE_LENGTH:
        return bytes((_TEXT_AND_FINAL, size)) + payload
    if size <= _TWO_BYTE_LENGTH:
        return bytes((_TEXT_AND_FINAL, 126)) + size.to_bytes(2) + payload
    return bytes((_TEXT_AND_FINAL, 127)) + size.to_bytes(8) + payload


class Bundle:
    """Messages that leave together: as ``texts`` for a socket that frames by itself, as ``wire`` for one that does not."""

    __slots__ = ("_wire", "texts")

    def __init__(self, texts: Sequence[str], *, wire: bytes | None = None) -> None:
        self.texts = tuple(texts)
        self._wire = wire

    @property
    def wire(self) -> bytes:
        """All frames, one after the other; made at the first request."""
        if self._wire is None:
            self._wire = b"".join(map(framed, self.texts))
        return self._wire
