"""Ten of two hundred stop reading: the others miss nothing, and each of the ten loses what its stream's policy says."""

from __future__ import annotations

import pytest
from pydantic_core import from_json

from ghl_real_estate_ai.limits import TOPIC_RING_BYTES
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.streams import CloseCode, Stream, StreamItem
from tests.support.gateway import Gateway
from tests.support.stream_items import item
from tests.support.ws_crowd import Viewer, crowd, tokens_of, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.untraced]

PLACE = LocationId("loc-slow")
CLOSED, CONFLATED, SKIPPED = Stream.CONVERSATION_FEED, Stream.LEAD_SCORES, Stream.SYSTEM_PERFORMANCE
LIGHT = Stream.NEXT_ACTIONS
STREAMS = (CLOSED, CONFLATED, SKIPPED, LIGHT)
HEAVY = "x" * 16_000
PUBLICATIONS = 340
"""Of 16 KB each, 5 MB: the kernel holds up to 4 MB for a socket that nobody reads, and a client may be 1 MiB behind."""

IN_RING = TOPIC_RING_BYTES // (len(HEAVY) + 1_000)
"""So many of them at least can be resumed."""

BREATH = 20
"""Publications after which everybody who reads has read them all."""


def heavy(stream: Stream, number: int) -> StreamItem:
    light = item(stream, f"lead-{number % 7}", number)
    if stream is LIGHT:
        return light
    field: dict[Stream, dict[str, object]] = {
        CLOSED: {"text": HEAVY},
        CONFLATED: {"lead_name": HEAVY},
        SKIPPED: {"model_versions": {"m": HEAVY}},
    }
    return light.model_copy(update=field[stream])


def fresh(gateway: Gateway, stream: Stream) -> list[dict[str, object]]:
    return [from_json(one) for one in gateway.services.hub.snapshot(PLACE, stream).items]


async def overrun(gateway: Gateway, quick: list[Viewer]) -> None:
    """Publish more than anybody may be behind, at the pace of those who read."""
    for number in range(1, PUBLICATIONS + 1):
        for stream in STREAMS:
            gateway.services.hub.publish(PLACE, stream, heavy(stream, number))
        if number % BREATH == 0:
            await until(lambda: all(viewer.offset(*viewer.screens) == number for viewer in quick))  # noqa: B023  # reason: awaited here


async def test_slow_client(gateway: Gateway) -> None:
    async with crowd(
        gateway.url, tokens_of(gateway, 200, PLACE, per_user=5), receive_buffer=4_096
    ) as viewers:
        followed = {
            CLOSED: viewers[:20], CONFLATED: viewers[20:40], SKIPPED: viewers[40:60], LIGHT: viewers[60:],
        }  # fmt: skip
        for stream, those in followed.items():
            for viewer in those:
                viewer.follow([stream])
        await until(lambda: all(viewer.openings for viewer in viewers))
        slow = {
            CLOSED: followed[CLOSED][:4],
            CONFLATED: followed[CONFLATED][:3],
            SKIPPED: followed[SKIPPED][:3],
        }
        asleep = [viewer for those in slow.values() for viewer in those]
        quick = [viewer for viewer in viewers if viewer not in asleep]
        for viewer in asleep:
            viewer.socket.stall()
        await overrun(gateway, quick)

        everything = list(range(1, PUBLICATIONS + 1))
        for stream, those in followed.items():
            for viewer in those:
                if viewer in asleep:
                    continue
                assert viewer.offsets[stream] == everything
                assert viewer.screens[stream].gaps == []
                assert len(viewer.sockets) == 1
        for viewer in asleep:
            viewer.socket.flow()
        await closed_and_resumed(gateway, slow[CLOSED])
        await conflated(gateway, slow[CONFLATED])
        await skipped(gateway, slow[SKIPPED])
    await until(lambda: gateway.services.hub.connections_of(PLACE) == 0)


async def closed_and_resumed(gateway: Gateway, viewers: list[Viewer]) -> None:
    """The feed must not lose: its slow clients were told to come back, in order until then."""
    await until(lambda: all(viewer.socket.gone for viewer in viewers))
    for viewer in viewers:
        assert viewer.socket.code in (
            CloseCode.TOO_SLOW,
            None,
        )  # None: it slept too long for its code to reach it
        assert viewer.offsets[CLOSED] == list(range(1, viewer.offset(CLOSED) + 1))
        assert viewer.offset(CLOSED) < PUBLICATIONS
        is_held = PUBLICATIONS - viewer.offset(CLOSED) <= IN_RING
        await viewer.connect()
        viewer.follow([CLOSED])
        await until(lambda: viewer.offset(CLOSED) == PUBLICATIONS)  # noqa: B023  # reason: awaited here
        if is_held:
            assert viewer.openings[-1]["subscribed"]["recovered"] is True
            assert viewer.offsets[CLOSED] == list(range(1, PUBLICATIONS + 1))
    assert all(viewer.shown(CLOSED) == fresh(gateway, CLOSED) for viewer in viewers)


async def conflated(gateway: Gateway, viewers: list[Viewer]) -> None:
    """A keyed stream tells the newest of each key, names the gap, and goes on over the same socket."""
    await until(lambda: all(viewer.offset(CONFLATED) == PUBLICATIONS for viewer in viewers))
    for viewer in viewers:
        assert viewer.shown(CONFLATED) == fresh(gateway, CONFLATED)
        assert viewer.screens[CONFLATED].gaps
        assert viewer.offsets[CONFLATED] == sorted(set(viewer.offsets[CONFLATED]))
        assert len(viewer.offsets[CONFLATED]) < PUBLICATIONS
        assert len(viewer.sockets) == 1
        assert viewer.socket.open


async def skipped(gateway: Gateway, viewers: list[Viewer]) -> None:
    """A stream of measurements names the gap; the next one comes."""
    await until(lambda: all(viewer.offset(SKIPPED) == PUBLICATIONS for viewer in viewers))
    gateway.services.hub.publish(PLACE, SKIPPED, heavy(SKIPPED, 0))
    await until(lambda: all(viewer.offset(SKIPPED) == PUBLICATIONS + 1 for viewer in viewers))
    for viewer in viewers:
        assert viewer.shown(SKIPPED) == fresh(gateway, SKIPPED)
        assert viewer.screens[SKIPPED].gaps[-1][1] == PUBLICATIONS
        assert viewer.socket.open


async def test_a_client_that_stalls_for_a_moment_misses_nothing(gateway: Gateway) -> None:
    """Short of the limit a stall costs nothing: what was published meanwhile follows, each once."""
    place = LocationId("loc-moment")
    async with crowd(gateway.url, tokens_of(gateway, 10, place), receive_buffer=4_096) as viewers:
        for viewer in viewers:
            viewer.follow([CLOSED])
        await until(lambda: all(viewer.openings for viewer in viewers))
        for turn in range(1, 6):
            for viewer in viewers[::2]:
                viewer.socket.stall()
            for number in range(40):
                gateway.services.hub.publish(place, CLOSED, heavy(CLOSED, number + turn * 100))
            await until(lambda: all(viewer.offset(CLOSED) == turn * 40 for viewer in viewers[1::2]))  # noqa: B023  # reason: awaited here
            for viewer in viewers[::2]:
                viewer.socket.flow()
            await until(lambda: all(viewer.offset(CLOSED) == turn * 40 for viewer in viewers))  # noqa: B023  # reason: awaited here
        assert all(viewer.offsets[CLOSED] == list(range(1, 201)) for viewer in viewers)
        assert all(viewer.socket.open for viewer in viewers)
