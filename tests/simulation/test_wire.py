"""What a server's bytes say is read right, however they are cut, and equal bytes are read once."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghl_real_estate_ai.models.frames import framed
from ghl_real_estate_ai.simulation.wire import (
    Answer,
    Closed,
    Gap,
    Opened,
    Part,
    Reader,
    Span,
    Wrong,
    client_frame,
    frame_end,
)

FEED = "conversation_feed"


def told(offset: int, *, topic: str = FEED, item: object = None) -> bytes:
    """A publication as our hub sends it."""
    return framed(
        json.dumps({"c": topic, "o": offset, "p": offset * 10.0, "e": item or {"key": str(offset)}})
    )


def test_publications_without_a_hole_are_one_span_with_the_time_of_each() -> None:
    chunk = Reader().read(told(3) + told(4) + told(5) + told(1, topic="lead_scores"))
    assert chunk.parts == (Span(FEED, 3, 5, (30.0, 40.0, 50.0)), Span("lead_scores", 1, 1, (10.0,)))
    assert chunk.rest == b""


def test_publications_of_several_topics_are_put_together_topic_by_topic_until_another_message_comes() -> None:
    scores = "lead_scores"
    data = told(1) + told(1, topic=scores) + told(2) + told(2, topic=scores) + framed('{"ping":1}') + told(3)
    feed, score, ping, last = Reader().read(data).parts
    assert (feed, score) == (Span(FEED, 1, 2, (10.0, 20.0)), Span(scores, 1, 2, (10.0, 20.0)))
    assert isinstance(ping, Answer)
    assert last == Span(FEED, 3, 3, (30.0,))


def test_a_hole_starts_a_new_span() -> None:
    chunk = Reader().read(told(3) + told(5))
    assert [(part.first, part.last) for part in chunk.parts if isinstance(part, Span)] == [(3, 3), (5, 5)]


@given(st.lists(st.integers(1, 400), max_size=8))
def test_bytes_cut_anywhere_say_the_same(cuts: list[int]) -> None:
    whole = told(1) + framed('{"ping":12}') + told(2, item={"key": "x" * 200}) + told(3)
    reader, rest, parts = Reader(), b"", list[Part]()
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    for start, end in itertools.pairwise(edges):
        chunk = reader.read(rest + whole[start:end])
        rest = chunk.rest
        parts += chunk.parts
    assert rest == b""
    offsets = [n for part in parts if isinstance(part, Span) for n in range(part.first, part.last + 1)]
    assert offsets == [1, 2, 3]
    assert parts.count(Answer(client_frame(1, b'{"pong":12}'))) == 1


def test_each_distinct_message_is_checked_once_and_equal_bytes_are_compared_only() -> None:
    asked: list[int] = []

    def check(_topic: str, offset: int, _item: Any) -> bool:
        asked.append(offset)
        return True

    reader = Reader(check)
    for _ in range(3):
        reader.read(told(1) + told(2))
    reader.read(told(2))
    assert asked == [1, 2]


def test_the_same_length_and_beginning_with_another_end_is_not_taken_for_the_same() -> None:
    reader = Reader(lambda _topic, _offset, item: item["text"].endswith("a"))
    good, bad = (told(1, item={"text": "x" * 300 + end}) for end in "ab")
    assert isinstance(reader.read(good).parts[0], Span)
    assert reader.read(bad).parts == (Wrong(f"publication 1 of {FEED} is not what was sent"),)


@pytest.mark.parametrize(
    ("frame", "part"),
    [
        (framed('{"c":"lead_scores","gap":[4,9]}'), Gap("lead_scores", 9)),
        (
            framed('{"subscribed":{"stream":"s","epoch":"e","offset":7,"recovered":true}}'),
            Opened("s", "e", 7, recovered=True),
        ),
        (framed('{"error":{"code":"malformed","message":"no"}}'), Wrong("refused: malformed")),
        (framed("not json"), Wrong("a message that is not JSON")),
        (b"\x88\x02\x11\x38", Closed(4408)),
        (b"\x88\x00", Closed(1005)),
        (b"\x89\x02hi", Answer(client_frame(0xA, b"hi"))),
        (b"\x82\x01x", Wrong("a frame that begins with 0x82")),
        (framed('0{"sid":"a"}'), Answer(client_frame(1, b"40"))),
        (framed("2"), Answer(client_frame(1, b"3"))),
        (framed('40{"sid":"a"}'), Opened("", "", 0, recovered=True)),
        (framed('42["item",{"c":"s","o":1,"p":2.5,"e":{}}]'), Span("s", 1, 1, (2.5,))),
    ],
)
def test_every_kind_of_message_is_understood(frame: bytes, part: Part) -> None:
    assert Reader().read(frame).parts == (part,)


def test_a_greeting_says_nothing_that_counts() -> None:
    assert Reader().read(framed('{"hello":{}}') + b"\x8a\x00").parts == ()


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_of_every_length_end_where_they_end(size: int) -> None:
    frame = framed("x" * size)
    assert frame_end(frame + b"more", 0) == len(frame)
    assert frame_end(frame[:-1], 0) is None or size == 0


@pytest.mark.parametrize("size", [5, 126, 70_000])
def test_a_client_s_frame_has_the_mask_bit_and_its_length(size: int) -> None:
    frame = client_frame(1, b"x" * size)
    assert frame[0] == 0x81
    assert frame[1] & 0x80
    assert frame.endswith(b"\0\0\0\0" + b"x" * size)
