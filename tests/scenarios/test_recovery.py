"""Whoever comes back gets exactly what was missed, or a snapshot that says so: over real sockets, counted."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from pydantic_core import from_json

from ghl_real_estate_ai.limits import TOPIC_RING_FRAMES
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, lead_hash
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.streams import Stream
from tests.support.gateway import HOME, Gateway, furnish, served, settings_for, user_of
from tests.support.ghl import GhlSigner
from tests.support.stream_items import item
from tests.support.ws_crowd import Viewer, crowd, dismiss, tokens_of, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.untraced]

FEED = Stream.CONVERSATION_FEED


def publish(gateway: Gateway, place: LocationId, number: int, *, stream: Stream = FEED) -> None:
    gateway.services.hub.publish(place, stream, item(stream, f"lead-{number % 7}", number))


def shown_fresh(gateway: Gateway, place: LocationId, stream: Stream = FEED) -> list[dict[str, object]]:
    return [from_json(one) for one in gateway.services.hub.snapshot(place, stream).items]


async def test_history_suffix(gateway: Gateway) -> None:
    """For every place, the REST twin and a socket that resumes give the same suffix; out of range both say so."""
    place, count = LocationId("loc-suffix"), 12
    for stream in Stream:
        for number in range(count):
            publish(gateway, place, number, stream=stream)
    tokens = tokens_of(gateway, count + 2, place)
    bearer = {"Authorization": f"Bearer {tokens[0]}"}
    for stream in Stream:
        epoch = gateway.services.hub.snapshot(place, stream).epoch
        async with crowd(gateway.url, tokens) as viewers:
            for after, viewer in enumerate(viewers):
                viewer.keeps_items = True
                viewer.socket.say({"subscribe": [{"stream": stream, "epoch": epoch, "offset": after}]})
            await until(lambda: all(viewer.offset(stream) == count for viewer in viewers))  # noqa: B023  # reason: awaited here
            for after, viewer in enumerate(viewers):
                answer = await gateway.http.get(
                    f"/v1/streams/{stream}/history", params={"epoch": epoch, "after": after}, headers=bearer
                )
                twin = answer.json()
                assert viewer.openings[0]["subscribed"]["recovered"] == twin["recovered"] == (after <= count)
                assert viewer.offsets[stream] == [frame["o"] for frame in twin["frames"]]
                assert viewer.offsets[stream] == list(range(after + 1, count + 1))
                assert viewer.items[stream] == [frame["e"] for frame in twin["frames"]]


async def test_recovery_reconnect(gateway: Gateway) -> None:
    """One viewer that is cut off again and again while publications rush by: no gap, no double, in order."""
    place, (token,) = LocationId("loc-reconnect"), tokens_of(gateway, 1, LocationId("loc-reconnect"))
    chance, total = random.Random(3), 600
    async with crowd(gateway.url, [token]) as (viewer,):
        viewer.follow([FEED])
        await until(lambda: bool(viewer.openings))

        async def publisher() -> None:
            for number in range(total):
                publish(gateway, place, number)
                if number % 4 == 0:
                    await asyncio.sleep(0.001)

        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(publisher())
            cuts = 0
            while not publishing.done():
                viewer.socket.cut_after = viewer.socket.received + chance.randint(1, 4_000)
                await until(lambda: viewer.socket.gone or publishing.done())
                if viewer.socket.gone:
                    cuts += 1
                    await viewer.connect()
                    viewer.follow([FEED])
        viewer.socket.cut_after = None
        await until(lambda: viewer.offset(FEED) == total)
        assert cuts >= 10
        assert viewer.offsets[FEED] == list(range(1, total + 1))
        assert all(opening["subscribed"]["recovered"] for opening in viewer.openings[1:])
        assert viewer.shown(FEED) == shown_fresh(gateway, place)


STORMY = (FEED, Stream.LEAD_SCORES)
ABORTS = 2


async def storm(viewer: Viewer, chance: random.Random) -> None:
    """Abort ABORTS times at random moments and in every way; then stay."""
    for _ in range(ABORTS):
        await asyncio.sleep(chance.random() / 5)
        match chance.randrange(4):
            case 0:  # in the middle of whatever comes, to the byte
                viewer.socket.cut_after = viewer.socket.received + chance.randint(1, 3_000)
                await until(lambda: viewer.socket.gone)
            case 1:
                viewer.socket.vanish()
            case 2:
                viewer.socket.vanish_inside_a_frame()
            case _:
                viewer.socket.leave()
        await until(lambda: viewer.socket.gone)
        await viewer.connect()
        viewer.follow(STORMY)
        if chance.random() < 0.3:
            viewer.socket.vanish()  # before it is answered
            await viewer.connect()
            viewer.follow(STORMY)


async def test_recovery_storm(gateway: Gateway) -> None:
    """Two hundred clients abort at random, mid-frame too, and resume: nothing is missed, nothing comes twice."""
    place, chance, total = LocationId("loc-storm"), random.Random(4), 0
    async with crowd(gateway.url, tokens_of(gateway, 200, place, per_user=4)) as viewers:
        for viewer in viewers:
            viewer.follow(STORMY)
        await until(lambda: all(len(viewer.openings) == len(STORMY) for viewer in viewers))
        async with asyncio.TaskGroup() as tasks:
            storms = [tasks.create_task(storm(viewer, random.Random(chance.random()))) for viewer in viewers]
            while not all(task.done() for task in storms):
                for stream in STORMY:
                    publish(gateway, place, total, stream=stream)
                total += 1
                await asyncio.sleep(0.02)
        await until(lambda: all(viewer.offset(stream) == total for viewer in viewers for stream in STORMY))
        for viewer in viewers:
            assert len(viewer.sockets) > ABORTS
            assert all(opening["subscribed"]["recovered"] for opening in viewer.openings[len(STORMY) :])
            for stream in STORMY:
                assert viewer.offsets[stream] == list(range(1, total + 1)), stream
        assert viewers[0].shown(FEED) == shown_fresh(gateway, place)
    await until(lambda: gateway.services.hub.connections_of(place) == 0)


async def test_unrecoverable_position(gateway: Gateway) -> None:
    """Too old, from the future, of another epoch, of another stream: each gets the snapshot, told as not recovered."""
    place, stream, head = LocationId("loc-too-old"), FEED, TOPIC_RING_FRAMES + 10
    for number in range(head):
        publish(gateway, place, number)
    publish(gateway, place, 0, stream=Stream.LEAD_SCORES)
    epoch = gateway.services.hub.snapshot(place, stream).epoch
    foreign = gateway.services.hub.snapshot(place, Stream.LEAD_SCORES).epoch
    assert foreign != epoch
    lost = [
        (epoch, 9),
        (epoch, 0),
        (epoch, head + 1),
        (epoch, 2**53),
        ("0" * 8, head),
        ("", head),
        (foreign, head),
    ]
    kept = [(epoch, 10), (epoch, head)]
    async with crowd(gateway.url, tokens_of(gateway, len(lost + kept) + 1, place)) as viewers:
        witness, *viewers = viewers
        witness.follow([stream])
        for viewer, (of_epoch, offset) in zip(viewers, lost + kept, strict=True):
            viewer.socket.say({"subscribe": [{"stream": stream, "epoch": of_epoch, "offset": offset}]})
        await until(lambda: all(viewer.offset(stream) == head for viewer in (witness, *viewers)))
        for viewer in viewers[: len(lost)]:
            assert viewer.openings[0]["subscribed"] == {
                "stream": stream, "epoch": epoch, "offset": head, "recovered": False,
            }  # fmt: skip
            assert viewer.shown(stream) == shown_fresh(gateway, place, stream)
            assert viewer.offsets[stream] == []
        for viewer, (_, offset) in zip(viewers[len(lost) :], kept, strict=True):
            assert viewer.openings[0]["subscribed"]["recovered"] is True
            assert viewer.offsets[stream] == list(range(offset + 1, head + 1))
        publish(gateway, place, head)
        await until(lambda: all(viewer.offset(stream) == head + 1 for viewer in (witness, *viewers)))


async def test_epoch_change_by_forgetting(gateway: Gateway) -> None:
    """A lead is forgotten: every open screen gets a snapshot without it, and an old place is no longer taken."""
    place, hub = LocationId("loc-forgetful"), gateway.services.hub
    async with crowd(gateway.url, tokens_of(gateway, 20, place, per_user=5)) as viewers:
        for viewer in viewers:
            viewer.follow([FEED])
        await until(lambda: all(viewer.openings for viewer in viewers))
        for number in range(20):
            publish(gateway, place, number)
        await until(lambda: all(viewer.offset(FEED) == 20 for viewer in viewers))
        before = {viewer.screens[FEED].epoch for viewer in viewers}
        away = viewers[0]
        away.socket.vanish()
        hub.forget(place, lead_hash(place, LeadId("lead-3")))
        publish(gateway, place, 21)
        await away.connect()
        away.follow([FEED])
        fresh = shown_fresh(gateway, place)
        await until(lambda: all(viewer.shown(FEED) == fresh for viewer in viewers))
        for viewer in viewers:
            assert [opening["subscribed"]["recovered"] for opening in viewer.openings] == [False, False]
            assert viewer.screens[FEED].epoch not in before
            assert "lead-3" not in {one["lead_id"] for one in viewer.shown(FEED)}


async def test_epoch_change_by_restart(tmp_path: Path) -> None:
    """The gateway is started again: a new epoch, a snapshot from the database, and what follows follows."""
    signer, agent = GhlSigner(), user_of(Role.AGENT)
    async with served(settings_for(tmp_path, signer), signer) as first:
        await furnish(first.services)
        await first.lead("Ana Stays")
        viewer = Viewer(first.url, first.token(agent))
        await viewer.connect()
        viewer.follow([FEED])
        await until(lambda: len(viewer.openings) == 1)
        shown, epoch = viewer.shown(FEED), viewer.screens[FEED].epoch
        assert len(shown) == 1
    await until(lambda: viewer.socket.gone)
    assert viewer.socket.code in (1001, 1012)
    async with served(settings_for(tmp_path, signer), signer) as second:
        again = Viewer(second.url, second.token(agent))
        again.screens = viewer.screens
        await again.connect()
        again.follow([FEED])
        await until(lambda: len(again.openings) == 1)
        assert again.openings[0]["subscribed"]["recovered"] is False
        assert again.screens[FEED].epoch != epoch
        assert [(one["key"], one["text"]) for one in again.shown(FEED)] == [
            (one["key"], one["text"]) for one in shown
        ]
        await second.deliver(
            "InboundMessage", location_id=HOME, contactId=shown[0]["lead_id"], messageType="SMS",
            direction="inbound", body="And now?", conversationId="c",
        )  # fmt: skip
        await until(lambda: again.shown(FEED)[0]["text"] == "And now?")
        await dismiss(again.sockets)
