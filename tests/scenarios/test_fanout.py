"""Everybody gets everything, once and in order, whoever comes, goes, subscribes and unsubscribes meanwhile."""

from __future__ import annotations

import asyncio
import random

import pytest
from pydantic_core import from_json

from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.streams import Stream
from tests.support.gateway import HOME, Gateway, user_of
from tests.support.stream_items import item
from tests.support.ws_crowd import crowd, tokens_of, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.untraced]


def publish(gateway: Gateway, place: LocationId, stream: Stream, number: int) -> None:
    gateway.services.hub.publish(place, stream, item(stream, f"lead-{number % 7}", number))


async def test_fanout_exact(gateway: Gateway) -> None:
    place, rounds = LocationId("loc-fanout"), 30
    async with crowd(gateway.url, tokens_of(gateway, 200, place)) as viewers:
        for viewer in viewers:
            viewer.follow(Stream)
        await until(lambda: all(len(viewer.openings) == len(Stream) for viewer in viewers))
        for number in range(rounds):
            for stream in Stream:
                publish(gateway, place, stream, number)
            if number % 3 == 0:  # some alone in their tick, some in heaps
                await asyncio.sleep(0)
        dense = list(range(1, rounds + 1))
        await until(lambda: all(viewer.offset(stream) == rounds for viewer in viewers for stream in Stream))
        for viewer in viewers:
            assert {stream: viewer.offsets[stream] for stream in Stream} == dict.fromkeys(Stream, dense)
            assert not any(screen.gaps for screen in viewer.screens.values())
        fresh = {stream: gateway.services.hub.snapshot(place, stream) for stream in Stream}
        assert {snapshot.offset for snapshot in fresh.values()} == {rounds}
        for stream, snapshot in fresh.items():
            assert viewers[-1].shown(stream) == [from_json(one) for one in snapshot.items]


async def test_concurrent_publish_offsets(gateway: Gateway) -> None:
    """Many tasks publish to one topic at once: offsets are dense, and each publisher's own order is kept."""
    place, stream = LocationId("loc-concurrent"), Stream.CONVERSATION_FEED
    async with crowd(gateway.url, tokens_of(gateway, 10, place)) as viewers:
        for viewer in viewers:
            viewer.keeps_items = True
            viewer.follow([stream])
        await until(lambda: all(viewer.openings for viewer in viewers))

        async def publisher(name: int) -> None:
            for number in range(50):
                gateway.services.hub.publish(place, stream, item(stream, f"publisher-{name}", number))
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            for name in range(20):
                tasks.create_task(publisher(name))
        await until(lambda: all(viewer.offset(stream) == 1_000 for viewer in viewers))
        for viewer in viewers:
            assert viewer.offsets[stream] == list(range(1, 1_001))
            keys = [one["key"] for one in viewer.items[stream]]
            for name in range(20):
                mine = [key for key in keys if key.startswith(f"publisher-{name}-")]
                assert mine == [f"publisher-{name}-{number}" for number in range(50)]
        assert len({tuple(one["key"] for one in viewer.items[stream]) for viewer in viewers}) == 1


async def test_idempotent_publish(gateway: Gateway) -> None:
    """The vendor sends the same webhook again: screens see it once."""
    agent = gateway.token(user_of(Role.AGENT))
    async with crowd(gateway.url, [agent]) as (viewer,):
        viewer.keeps_items = True
        viewer.follow([Stream.CONVERSATION_FEED, Stream.LEAD_SCORES])
        await until(lambda: len(viewer.openings) == 2)
        said = {
            "contactId": "lead-twice", "messageType": "SMS", "direction": "inbound",
            "body": "Twice?", "conversationId": "c-twice",
        }  # fmt: skip
        answers = [
            await gateway.deliver("InboundMessage", location_id=HOME, webhook_id=name, **said)
            for name in ("hook-twice", "hook-twice", "hook-twice", "hook-last")
        ]
        assert all(answer.is_success for answer in answers)
        feed = viewer.items[Stream.CONVERSATION_FEED]
        scores = viewer.items[Stream.LEAD_SCORES]
        await until(lambda: len(feed) == len(scores) == 2)
        assert len({one["event_id"] for one in feed}) == 2
        assert len({one["cause"]["event_id"] for one in scores}) == 2


async def test_connect_churn(gateway: Gateway) -> None:
    """Sockets come and go in every way while others follow: the others miss nothing, and everybody is let go."""
    place, hub, chance = LocationId("loc-churn"), gateway.services.hub, random.Random(1)
    tokens = tokens_of(gateway, 60, place)
    async with crowd(gateway.url, tokens_of(gateway, 10, place, first=1_000)) as staying:
        for viewer in staying:
            viewer.follow(Stream)
        await until(lambda: all(len(viewer.openings) == len(Stream) for viewer in staying))
        published = 0
        for _ in range(6):
            async with crowd(gateway.url, tokens) as passing:
                for viewer in passing:
                    if chance.random() < 0.8:
                        viewer.follow(chance.sample(list(Stream), 3))
                for stream in Stream:
                    publish(gateway, place, stream, published)
                published += 1
                await asyncio.sleep(0)
                for viewer in passing:
                    end = chance.choice(
                        [viewer.socket.leave, viewer.socket.vanish, viewer.socket.vanish_inside_a_frame]
                    )
                    end()
            await until(lambda: hub.connections_of(place) == len(staying))
        await until(
            lambda: all(viewer.offset(stream) == published for viewer in staying for stream in Stream)
        )
        for viewer in staying:
            assert all(viewer.offsets[stream] == list(range(1, published + 1)) for stream in Stream)
    await until(lambda: hub.connections_of(place) == 0)


async def test_subscribe_churn(gateway: Gateway) -> None:
    """Subscribing and unsubscribing in any order leaves no listener behind; the last word counts."""
    place, hub, chance = LocationId("loc-subscribers"), gateway.services.hub, random.Random(2)
    async with crowd(gateway.url, tokens_of(gateway, 50, place)) as viewers:
        wanted: dict[int, set[Stream]] = {number: set() for number in range(len(viewers))}
        for turn in range(20):
            for number, viewer in enumerate(viewers):
                some = chance.sample(list(Stream), chance.randint(1, 4))
                if chance.random() < 0.5:
                    viewer.follow(some)
                    wanted[number] |= set(some)
                else:
                    viewer.socket.say({"unsubscribe": some})
                    wanted[number] -= set(some)
            publish(gateway, place, chance.choice(list(Stream)), turn)
            await asyncio.sleep(0)
        for number, viewer in enumerate(
            viewers
        ):  # whoever is not subscribed says so, everybody else comes again
            viewer.openings.clear()
            viewer.follow(wanted[number]) if wanted[number] else viewer.socket.say(
                {"unsubscribe": list(Stream)}
            )
        await until(
            lambda: all(
                {o["subscribed"]["stream"] for o in v.openings} >= set(map(str, wanted[n]))
                for n, v in enumerate(viewers)
            )
        )
        before = [{stream: viewer.offset(stream) for stream in Stream} for viewer in viewers]
        for stream in Stream:
            publish(gateway, place, stream, 1_000)
        heads = {stream: hub.snapshot(place, stream).offset for stream in Stream}
        await until(lambda: all(v.offset(s) == heads[s] for n, v in enumerate(viewers) for s in wanted[n]))
        for number, viewer in enumerate(viewers):
            for stream in set(Stream) - wanted[number]:
                assert viewer.offset(stream) == before[number][stream], "it had unsubscribed"
    await until(lambda: hub.connections_of(place) == 0)
    assert not any(topic.listeners for (at, _), topic in hub._topics.items() if at == place)


async def test_subscribe_unsubscribe_race(gateway: Gateway) -> None:
    """Both in one packet, in both orders, while publications rush by: what was said last holds."""
    place, stream, hub = LocationId("loc-race"), Stream.CONVERSATION_FEED, gateway.services.hub
    (token,) = tokens_of(gateway, 1, place)
    async with crowd(gateway.url, [token]) as (viewer,):
        for number in range(30):
            publish(gateway, place, stream, number)
            viewer.follow([stream])
            viewer.socket.say({"unsubscribe": [stream]})
            if number % 3 == 0:
                await asyncio.sleep(0)
        viewer.socket.say({"unsubscribe": [stream]})
        viewer.follow([Stream.LEAD_SCORES])  # answered after all of them
        await until(lambda: viewer.offset(Stream.LEAD_SCORES) == 0)
        place_then = viewer.offset(stream)
        publish(gateway, place, stream, 100)
        publish(gateway, place, Stream.LEAD_SCORES, 1)
        await until(lambda: viewer.offset(Stream.LEAD_SCORES) == 1)
        assert viewer.offset(stream) == place_then
        viewer.follow([stream])
        await until(lambda: viewer.offset(stream) == hub.snapshot(place, stream).offset)
        newest = hub.snapshot(place, stream)
        assert [one["key"] for one in viewer.shown(stream)] == [from_json(one)["key"] for one in newest.items]


async def test_disconnect_during_subscribe(gateway: Gateway) -> None:
    """Clients ask for snapshots of everything and are gone before the answer: nobody else notices."""
    place, hub = LocationId("loc-impatient"), gateway.services.hub
    for number in range(500):
        hub.publish(place, Stream.LEAD_SCORES, item(Stream.LEAD_SCORES, f"lead-{number}", number))
    tokens = tokens_of(gateway, 60, place)
    async with crowd(gateway.url, tokens[:1]) as (witness,):
        witness.follow(Stream)
        await until(lambda: len(witness.openings) == len(Stream))
        for cut in range(0, 200_000, 20_000):
            async with crowd(gateway.url, tokens[10:30]) as viewers:
                for viewer in viewers:
                    viewer.socket.cut_after = viewer.socket.received + 1 + cut
                    viewer.follow(Stream)
                    if not cut:
                        viewer.socket.vanish()
                await until(lambda: all(viewer.socket.gone for viewer in viewers))  # reason: awaited here
        await until(lambda: hub.connections_of(place) == 1)
        publish(gateway, place, Stream.LEAD_SCORES, 1)
        await until(lambda: witness.offset(Stream.LEAD_SCORES) == 501)
        assert len(witness.shown(Stream.LEAD_SCORES)) == 500


async def test_a_thousand_sockets(gateway: Gateway) -> None:
    """All of them at once, one publication each way, all of them gone at once."""
    place, hub = LocationId("loc-thousand"), gateway.services.hub
    async with crowd(gateway.url, tokens_of(gateway, 1_000, place)) as viewers:
        assert all(viewer.socket.status == 101 for viewer in viewers)
        for viewer in viewers:
            viewer.follow([Stream.LEAD_SCORES])
        await until(lambda: all(viewer.openings for viewer in viewers))
        assert hub.connections_of(place) == 1_000
        publish(gateway, place, Stream.LEAD_SCORES, 1)
        await until(lambda: all(viewer.offset(Stream.LEAD_SCORES) == 1 for viewer in viewers))
    await until(lambda: hub.connections_of(place) == 0)
