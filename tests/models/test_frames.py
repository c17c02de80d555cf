"""Frames as RFC 6455 wants them: held against a parser that is not ours."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from ghl_real_estate_ai.models.frames import Bundle, framed


def read(wire: bytes) -> list[str]:
    client = Protocol(CLIENT, max_size=None)
    client.receive_data(wire)
    events = client.events_received()
    assert all(isinstance(e, Frame) and e.opcode is Opcode.TEXT and e.fin for e in events)
    return [bytes(e.data).decode() for e in events if isinstance(e, Frame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_text_of_any_size_is_read_back(size: int) -> None:
    text = "x" * size
    assert read(framed(text)) == [text]


def test_a_bundle_is_its_texts_in_order_and_made_once() -> None:
    texts = ["first", "größer", "😀" * 50]
    bundle = Bundle.of(*texts)
    assert read(bundle.wire) == texts
    assert bundle.wire is bundle.wire
    assert bundle.texts == tuple(texts)
    assert len(bundle) == len(texts)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_text_of_any_size_is_told_again_without_its_framing(size: int) -> None:
    assert Bundle.of("x" * size).texts == ("x" * size,)
