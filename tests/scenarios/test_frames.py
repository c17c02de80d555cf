"""What no client should send: each kind ends its own connection with an exact code, and disturbs no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from ghl_real_estate_ai.limits import CLIENT_FRAME_BYTES
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.streams import CloseCode, Stream
from tests.support.gateway import Gateway
from tests.support.stream_items import item
from tests.support.ws_crowd import Opcode, RawSocket, Viewer, crowd, dial, dismiss, frame, tokens_of, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.untraced]

PLACE = LocationId("loc-frames")
NORMAL, PROTOCOL_ERROR, BAD_TEXT, TOO_LARGE = 1000, 1002, 1007, 1009
SUBSCRIBE = b'{"subscribe":[{"stream":"lead_scores"}]}'
HALF = len(SUBSCRIBE) // 2


@dataclass(frozen=True)
class Misdeed:
    """Bytes of a client that has signed in, and how the server ends it. ``code`` None: it does not."""

    name: str
    raw: bytes
    code: int | None = CloseCode.MALFORMED


def text(name: str, payload: str | bytes, code: int | None = CloseCode.MALFORMED) -> Misdeed:
    return Misdeed(name, frame(payload if isinstance(payload, bytes) else payload.encode()), code)


MESSAGES = [
    text("empty", ""),
    text("not JSON", "nonsense"),
    text("half of a JSON", '{"subscribe":['),
    text("two JSONs", '{"pong":1}{"pong":1}'),
    text("no object", "[]"),
    text("null", "null"),
    text("no verb", "{}"),
    text("an unknown field", '{"pong":1,"colour":"red"}'),
    text("an unknown field inside", '{"subscribe":[{"stream":"lead_scores","location_id":"loc-2"}]}'),
    text("two verbs", '{"subscribe":[],"pong":1}'),
    text("a verb that is null", '{"subscribe":null,"unsubscribe":[]}'),
    text("an unknown stream", '{"subscribe":[{"stream":"secrets"}]}'),
    text("text for a list", '{"subscribe":"lead_scores"}'),
    text("text for a number", '{"pong":"soon"}'),
    text("a number for a stream", '{"unsubscribe":[1]}'),
    text("a number for an epoch", '{"subscribe":[{"stream":"lead_scores","epoch":7,"offset":1}]}'),
    text("a broken offset", '{"subscribe":[{"stream":"lead_scores","epoch":"x","offset":1.5}]}'),
    text("a negative offset", '{"subscribe":[{"stream":"lead_scores","epoch":"x","offset":-1}]}'),
    text("too many streams", '{"subscribe":[' + ",".join(['{"stream":"lead_scores"}'] * 50) + "]}"),
    text("deep arrays", "[" * 30_000),
    text("deep objects", '{"a":' * 10_000 + "1" + "}" * 10_000),
    text("deep inside a verb", '{"subscribe":' + "[" * 20_000 + "]" * 20_000 + "}"),
    text("a long number", '{"pong":' + "9" * 60_000 + "}"),
    text("not a number", '{"pong":NaN}'),
    text("a lone surrogate", r'{"subscribe":[{"stream":"lead_scores","epoch":"\ud800","offset":1}]}'),
    text("a byte order mark", '\ufeff{"pong":1}'),
    text("zero bytes", "\0\0\0"),
    text("a full frame of spaces", " " * CLIENT_FRAME_BYTES),
    text("an offset beyond all numbers", '{"subscribe":[{"stream":"lead_scores","epoch":"x","offset":' + "9" * 300 + "}]}", None),
    text("a long epoch", '{"subscribe":[{"stream":"lead_scores","epoch":"' + "x" * 60_000 + '","offset":1}]}', None),
    text("white space around", ' \n{"pong" : 1}\t', None),
    Misdeed("binary", frame(b'{"pong":1}', Opcode.BINARY)),
    Misdeed("empty binary", frame(b"", Opcode.BINARY)),
]  # fmt: skip

FRAMES = [
    Misdeed("unmasked", frame(SUBSCRIBE, masked=False), PROTOCOL_ERROR),
    Misdeed("reserved bit 1", frame(SUBSCRIBE, reserved=4), PROTOCOL_ERROR),
    Misdeed("reserved bit 2", frame(SUBSCRIBE, reserved=2), PROTOCOL_ERROR),
    Misdeed("reserved bit 3", frame(SUBSCRIBE, reserved=1), PROTOCOL_ERROR),
    Misdeed("unknown kind of data", frame(SUBSCRIBE, 3), PROTOCOL_ERROR),
    Misdeed("unknown kind of control", frame(b"", 11), PROTOCOL_ERROR),
    Misdeed("continuation of nothing", frame(SUBSCRIBE, Opcode.CONTINUATION), PROTOCOL_ERROR),
    Misdeed("text inside a message", frame(SUBSCRIBE[:HALF], fin=False) + frame(SUBSCRIBE), PROTOCOL_ERROR),
    Misdeed("control frame too long", frame(b"x" * 126, Opcode.PING), PROTOCOL_ERROR),
    Misdeed("control frame in parts", frame(b"x", Opcode.PING, fin=False), PROTOCOL_ERROR),
    Misdeed("close with half a code", frame(b"\x03", Opcode.CLOSE), PROTOCOL_ERROR),
    Misdeed("close with a code of nobody", frame((1005).to_bytes(2), Opcode.CLOSE), PROTOCOL_ERROR),
    Misdeed("close with broken words", frame(b"\x03\xe8\xff\xfe", Opcode.CLOSE), BAD_TEXT),
    Misdeed("broken UTF-8", frame(b'{"pong":1,"\xff\xfe":1}'), BAD_TEXT),
    Misdeed("half a character", frame(b'"\xe2\x82'), BAD_TEXT),
    Misdeed("a coded surrogate", frame(b'"\xed\xa0\x80"'), BAD_TEXT),
    Misdeed("frame too large", frame(b" " * (CLIENT_FRAME_BYTES + 1)), TOO_LARGE),
    Misdeed("frame far too large, announced", b"\x81\xff" + (2**62).to_bytes(8) + b"mask", TOO_LARGE),
    Misdeed(
        "parts that add up to too much",
        frame(b" " * 40_000, fin=False) + frame(b" " * 40_000, Opcode.CONTINUATION),
        TOO_LARGE,
    ),
    Misdeed("an ordinary close", frame((1000).to_bytes(2) + b"bye", Opcode.CLOSE), NORMAL),
    Misdeed("a ping", frame(b"are you there?", Opcode.PING), None),
    Misdeed("a pong that nobody asked for", frame(b"yes", Opcode.PONG), None),
    Misdeed(
        "a message in parts",
        b"".join(
            [
                frame(SUBSCRIBE[:5], fin=False),
                frame(b"in between", Opcode.PING),
                frame(SUBSCRIBE[5:HALF], Opcode.CONTINUATION, fin=False),
                frame(b"", Opcode.CONTINUATION, fin=False),
                frame(SUBSCRIBE[HALF:], Opcode.CONTINUATION),
            ]
        ),
        None,
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def control(gateway: Gateway) -> AsyncIterator[Viewer]:
    """Somebody else, who follows everything and must not notice anything."""
    async with crowd(gateway.url, tokens_of(gateway, 1, PLACE, first=100)) as (viewer,):
        viewer.follow(Stream)
        await until(lambda: len(viewer.openings) == len(Stream))
        yield viewer


async def undisturbed(gateway: Gateway, control: Viewer) -> None:
    """The control connection gets the next publication of each stream, and nothing else happened to it."""
    for stream in Stream:
        gateway.services.hub.publish(PLACE, stream, item(stream, "control"))
    heads = {stream: gateway.services.hub.snapshot(PLACE, stream).offset for stream in Stream}
    await until(lambda: all(control.offset(stream) == heads[stream] for stream in Stream))
    assert all(control.offsets[stream] == list(range(1, heads[stream] + 1)) for stream in Stream)
    assert control.socket.open
    assert len(control.openings) == len(Stream)


async def signed_in(gateway: Gateway) -> RawSocket:
    (token,) = tokens_of(gateway, 1, PLACE)
    socket = await dial(gateway.url, headers={"Authorization": f"Bearer {token}"})
    await until(lambda: bool(socket.heard))
    return socket


async def still_answers(socket: RawSocket) -> None:
    socket.heard.clear()
    socket.say({"subscribe": [{"stream": "churn_risk"}]})
    await until(lambda: any(m.get("subscribed", {}).get("stream") == "churn_risk" for m in socket.heard))


@pytest.mark.parametrize("misdeed", [*MESSAGES, *FRAMES], ids=lambda misdeed: misdeed.name)
async def test_malformed_ends_its_own_connection_only(
    gateway: Gateway, control: Viewer, misdeed: Misdeed
) -> None:
    socket = await signed_in(gateway)
    socket.write(misdeed.raw)
    if misdeed.code is None:
        await still_answers(socket)
        assert socket.open
    else:
        await until(lambda: socket.gone)
        assert socket.code == misdeed.code
        if misdeed.code >= 4_000:
            assert socket.heard[-1]["error"]["code"] == "malformed"
    await undisturbed(gateway, control)
    await dismiss([socket])


@pytest.mark.parametrize("misdeed", FRAMES, ids=lambda misdeed: misdeed.name)
async def test_before_signing_in_frames_are_judged_the_same(gateway: Gateway, misdeed: Misdeed) -> None:
    """A message that is whole is judged as a first message; everything else as it is afterwards."""
    socket = await dial(gateway.url)
    socket.write(misdeed.raw)
    if misdeed.code is None and misdeed.name != "a message in parts":
        (token,) = tokens_of(gateway, 1, PLACE)
        socket.say({"auth": token})
        await still_answers(socket)
    else:
        await until(lambda: socket.gone)
        assert socket.code == (misdeed.code or CloseCode.AUTHENTICATION_NEEDED)
    await dismiss([socket])


async def test_every_byte_of_a_message_may_come_alone(gateway: Gateway) -> None:
    socket = await signed_in(gateway)
    for one in frame(SUBSCRIBE):
        socket.write(bytes([one]))
        await until(lambda: not socket.unsent)
    await until(lambda: any("subscribed" in message for message in socket.heard))
    await dismiss([socket])


async def test_everything_may_come_in_one_packet(gateway: Gateway) -> None:
    """Sign-in, subscription and an answer nobody asked for, before the server has said a word."""
    (token,) = tokens_of(gateway, 1, PLACE)
    socket = await dial(gateway.url)
    socket.write(frame(b'{"auth":"%s"}' % token.encode()) + frame(SUBSCRIBE) + frame(b'{"pong":1}'))
    await until(lambda: any("subscribed" in message for message in socket.heard))
    assert list(socket.heard[0]) == ["hello"]
    assert socket.open
    await dismiss([socket])


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 6, 7, 20])
async def test_a_frame_that_never_ends_is_let_go_with_its_connection(gateway: Gateway, cut: int) -> None:
    hub = gateway.services.hub
    before = hub.connections_of(PLACE)
    socket = await signed_in(gateway)
    socket.write(frame(SUBSCRIBE)[:cut])
    socket.vanish()
    await until(lambda: socket.gone and hub.connections_of(PLACE) <= before)
