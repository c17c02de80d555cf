"""The hub: delivery, resume, lag, refusals, heartbeat, ends. Fake sockets and a fake clock."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from ghl_real_estate_ai.limits import (
    CLIENT_FRAME_BYTES,
    CLIENT_MESSAGES_PER_MIN,
    CONNECTIONS_PER_USER,
    PING_INTERVAL_S,
    PONG_TIMEOUT_S,
    TOPIC_RING_FRAMES,
)
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, lead_hash
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.streams import LAG_POLICY, CloseCode, LagPolicy, Stream
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.clock import FakeClock, settle
from tests.support.facts import LOCATION, NOON
from tests.support.followers import follow, fresh, of, publish, shown
from tests.support.sockets import FakeSocket, connected, identity, watching
from tests.support.stream_items import item

ELSEWHERE = LocationId("loc-2")
CONFLATED = [stream for stream, policy in LAG_POLICY.items() if policy is LagPolicy.CONFLATE]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def hub(clock: FakeClock) -> WebSocketManager:
    return WebSocketManager(clock=clock, sleep=clock.sleep)


# --- delivery -----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_hello_comes_first_and_names_what_this_role_may_follow(hub: WebSocketManager) -> None:
    async with connected(hub, identity(role=Role.AGENT)) as socket:
        hello = socket.heard[0]["hello"]
        assert hello["user"] == {"user_id": "u-1", "role": "agent", "location_id": LOCATION}
        assert "system_performance" not in hello["streams"]
        assert len(hello["streams"]) == 5
        assert hello["server_time_ms"] == NOON.timestamp() * 1_000
        assert hello["expires_at"].startswith("2026-03-02T20:00:00")
        assert hello["connection"]


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", Stream)
async def test_snapshot_and_events_equal_a_fresh_snapshot(hub: WebSocketManager, stream: Stream) -> None:
    for number in range(5):
        publish(hub, stream, f"lead-{number}", number)
    async with connected(hub) as socket:
        await socket.say(follow(stream))
        for number in range(3, 9):
            publish(hub, stream, f"lead-{number}", number + 100)
            await settle()
        screen = shown(socket, stream)
        assert screen.shown == fresh(hub, stream)
        assert screen.offset == 11
        assert screen.gaps == []


@pytest.mark.asyncio
async def test_nothing_arrives_before_subscribing_or_after_unsubscribing(hub: WebSocketManager) -> None:
    async with connected(hub) as socket:
        publish(hub, Stream.LEAD_SCORES)
        await socket.say(follow(Stream.LEAD_SCORES))
        await socket.say({"unsubscribe": ["lead_scores", "churn_risk"]})
        publish(hub, Stream.LEAD_SCORES)
        await settle()
        assert len(of(socket, Stream.LEAD_SCORES)) == 1


@pytest.mark.asyncio
async def test_unsubscribing_stops_frames_that_were_about_to_be_sent(hub: WebSocketManager) -> None:
    async with connected(hub) as socket:
        await socket.say(follow(Stream.CONVERSATION_FEED))
        socket.stall()
        for number in range(10):
            publish(hub, Stream.CONVERSATION_FEED, "a", number)
        await socket.say({"unsubscribe": ["conversation_feed"]})
        socket.flow()
        await settle()
        assert (
            len(of(socket, Stream.CONVERSATION_FEED)) <= 2
        )  # the opening, and the one in the socket's hands


@pytest.mark.asyncio
async def test_other_tenants_publications_never_arrive(hub: WebSocketManager) -> None:
    async with connected(hub, identity(location=ELSEWHERE)) as foreign, connected(hub) as own:
        for socket in (foreign, own):
            await socket.say(follow(*Stream))
        for stream in Stream:
            publish(hub, stream, "mine")
        await settle()
        assert "mine" not in "".join(foreign.sent)
        assert {m["c"] for m in own.heard if "c" in m} == set(Stream)
        assert hub.snapshot(ELSEWHERE, Stream.LEAD_SCORES).items == ()


@pytest.mark.asyncio
async def test_seeded_items_are_in_the_first_snapshot_and_reach_who_was_early(hub: WebSocketManager) -> None:
    async with connected(hub) as socket:
        await socket.say(follow(Stream.NEXT_ACTIONS))
        hub.seed(LOCATION, [(Stream.NEXT_ACTIONS, item(Stream.NEXT_ACTIONS, key)) for key in "ab"])
        await settle()
        assert [i["key"] for i in shown(socket, Stream.NEXT_ACTIONS).shown] == ["b", "a"]


# --- resume -------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", Stream)
async def test_resume_brings_exactly_what_was_missed(hub: WebSocketManager, stream: Stream) -> None:
    publish(hub, stream, "a", 1)
    async with connected(hub) as socket:
        await socket.say(follow(stream))
        screen = shown(socket, stream)
    publish(hub, stream, "b", 2)
    publish(hub, stream, "c", 3)
    async with connected(hub) as socket:
        await socket.say(follow(stream, epoch=screen.epoch, offset=screen.offset))
        first, *rest = of(socket, stream)
        assert first["subscribed"] == {
            "stream": stream,
            "epoch": screen.epoch,
            "offset": 1,
            "recovered": True,
        }
        assert "snapshot" not in first
        assert [m["o"] for m in rest] == [2, 3]
        for message in (first, *rest):
            screen.apply(message)
        assert screen.shown == fresh(hub, stream)


@pytest.mark.asyncio
async def test_an_unrecoverable_place_gets_the_snapshot(hub: WebSocketManager) -> None:
    for number in range(TOPIC_RING_FRAMES + 2):
        publish(hub, Stream.LEAD_SCORES, "a", number)
    epoch = hub.snapshot(LOCATION, Stream.LEAD_SCORES).epoch
    for place in (
        {"epoch": epoch, "offset": 1},
        {"epoch": "old", "offset": 5},
        {"epoch": epoch, "offset": 10**9},
    ):
        async with connected(hub) as socket:
            await socket.say(follow(Stream.LEAD_SCORES, **place))
            (message,) = of(socket, Stream.LEAD_SCORES)
            assert message["subscribed"]["recovered"] is False
            assert len(message["snapshot"]) == 1


# --- lag ----------------------------------------------------------------------------------------------------------


async def overrun(hub: WebSocketManager, socket: FakeSocket, stream: Stream) -> None:
    """Subscribe, stall, publish more than the ring holds over seven keys, let it flow again."""
    await socket.say(follow(stream))
    socket.stall()
    for number in range(TOPIC_RING_FRAMES + 50):
        publish(hub, stream, f"lead-{number % 7}", number)
    await settle()


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", CONFLATED)
async def test_a_client_that_fell_behind_gets_the_newest_per_key_and_a_gap_note(
    hub: WebSocketManager, stream: Stream
) -> None:
    async with connected(hub) as socket:
        await overrun(hub, socket, stream)
        socket.flow()
        await settle()
        screen = shown(socket, stream)
        assert screen.shown == fresh(hub, stream)
        assert screen.offset == TOPIC_RING_FRAMES + 50
        assert screen.gaps
        assert len(of(socket, stream)) < 60  # the opening, a first chunk at most, seven keys, the note


@pytest.mark.asyncio
async def test_a_skipping_stream_names_the_gap_and_goes_on_at_the_head(hub: WebSocketManager) -> None:
    async with connected(hub) as socket:
        await overrun(hub, socket, Stream.SYSTEM_PERFORMANCE)
        socket.flow()
        await settle()
        publish(hub, Stream.SYSTEM_PERFORMANCE, number=4_711)
        await settle()
        *_, gap, newest = of(socket, Stream.SYSTEM_PERFORMANCE)
        assert gap["gap"][1] == TOPIC_RING_FRAMES + 50
        assert newest["o"] == TOPIC_RING_FRAMES + 51
        assert shown(socket, Stream.SYSTEM_PERFORMANCE).shown == fresh(hub, Stream.SYSTEM_PERFORMANCE)


@pytest.mark.asyncio
async def test_a_stream_that_must_not_lose_closes_the_client_as_too_slow(hub: WebSocketManager) -> None:
    async with connected(hub) as socket:
        await overrun(hub, socket, Stream.CONVERSATION_FEED)
        socket.flow()
        await settle()
        assert socket.code == CloseCode.TOO_SLOW


@pytest.mark.asyncio
async def test_a_stalled_client_delays_nobody_and_holds_no_memory(hub: WebSocketManager) -> None:
    async with connected(hub) as stalled, connected(hub) as quick:
        for socket in (stalled, quick):
            await socket.say(follow(Stream.LEAD_SCORES))
        stalled.stall()
        before = frames_held()  # of hubs that other tests of this process left to the collector
        for number in range(3 * TOPIC_RING_FRAMES):
            publish(hub, Stream.LEAD_SCORES, f"lead-{number % 5}", number)
            if number % 500 == 0:
                await settle()
                assert shown(quick, Stream.LEAD_SCORES).offset == number + 1
                assert shown(quick, Stream.LEAD_SCORES).gaps == []
                quick.sent.clear()
            await asyncio.sleep(0)
        assert frames_held() - before <= TOPIC_RING_FRAMES + 5  # ring and latest


def frames_held() -> int:
    gc.collect()
    return sum(type(one).__name__ == "Frame" for one in gc.get_objects())


# --- forgetting ---------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_forgotten_lead_leaves_ring_snapshot_and_open_screens(hub: WebSocketManager) -> None:
    streams = [stream for stream in Stream if stream is not Stream.SYSTEM_PERFORMANCE]
    for stream in streams:
        publish(hub, stream, "stays")
        publish(hub, stream, "goes")
    async with connected(hub) as socket:
        await socket.say(follow(*streams))
        hub.forget(LOCATION, lead_hash(LOCATION, LeadId("goes")))
        await settle()
        for stream in streams:
            assert "goes" not in hub.snapshot(LOCATION, stream).as_json()
            screen = shown(socket, stream)
            assert [i["lead_id"] for i in screen.shown] == ["stays"]
            assert screen.shown == fresh(hub, stream)
            publish(hub, stream, "later")
        await settle()
        assert all(shown(socket, stream).shown == fresh(hub, stream) for stream in streams)


@pytest.mark.asyncio
async def test_frames_of_a_forgotten_lead_that_wait_for_a_stalled_client_are_not_sent(
    hub: WebSocketManager,
) -> None:
    async with connected(hub) as socket:
        await socket.say(follow(Stream.CONVERSATION_FEED))
        socket.stall()
        publish(hub, Stream.CONVERSATION_FEED, "first")
        for number in range(9):
            publish(hub, Stream.CONVERSATION_FEED, "goes", number)
        await settle()
        hub.forget(LOCATION, lead_hash(LOCATION, LeadId("goes")))
        socket.flow()
        await settle()
        assert not any("goes" in text for text in socket.sent)


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("role", [Role.AGENT])
async def test_a_stream_outside_the_roles_audience_closes_the_socket(
    hub: WebSocketManager, role: Role
) -> None:
    async with connected(hub, identity(role=role)) as socket:
        await socket.say(follow(Stream.LEAD_SCORES, Stream.SYSTEM_PERFORMANCE))
        assert socket.code == CloseCode.FORBIDDEN_STREAM
        assert socket.heard[-1]["error"]["stream"] == "system_performance"
        assert socket.heard[-1]["error"]["code"] == "forbidden_stream"
        assert not of(socket, Stream.SYSTEM_PERFORMANCE)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    [
        "", "not json", "[]", "null", "{}", '{"subscribe":"lead_scores"}', '{"subscribe":[{"stream":"secrets"}]}',
        '{"subscribe":[{"stream":"lead_scores","location_id":"loc-2"}]}', '{"subscribe":[],"pong":1}',
        '{"subscribe":[{"stream":"lead_scores","offset":-1}]}', '{"pong":"soon"}', '{"unsubscribe":[1]}',
        '{"auth":7}', '{"subscribe":[' + ",".join(['{"stream":"lead_scores"}'] * 50) + "]}", "[" * 5_000,
    ],
)  # fmt: skip
async def test_what_is_not_of_the_protocol_closes_as_malformed(hub: WebSocketManager, text: str) -> None:
    async with connected(hub) as socket, connected(hub, identity(user="u-2")) as other:
        await socket.say(text)
        assert socket.code == CloseCode.MALFORMED
        assert socket.heard[-1]["error"]["code"] == "malformed"
        await other.say(follow(Stream.LEAD_SCORES))
        assert other.code is None
        assert of(other, Stream.LEAD_SCORES)


@pytest.mark.asyncio
async def test_a_frame_above_the_limit_closes_as_malformed(hub: WebSocketManager) -> None:
    padding = " " * (CLIENT_FRAME_BYTES - len('{"pong":1}'))
    async with connected(hub) as socket:
        await socket.say('{"pong":1}' + padding)
        assert socket.code is None
        await socket.say('{"pong":1}' + padding + " ")
        assert socket.code == CloseCode.MALFORMED


@pytest.mark.asyncio
async def test_more_messages_than_allowed_in_a_minute_close_as_rate_limited(
    hub: WebSocketManager, clock: FakeClock
) -> None:
    async with connected(hub) as patient, connected(hub) as hasty:
        for _ in range(CLIENT_MESSAGES_PER_MIN):
            await patient.say({"pong": 1})
            await hasty.say({"pong": 1})
        await hasty.say({"pong": 1})
        assert hasty.code == CloseCode.RATE_LIMITED
        clock.set_forward(60)
        await patient.say({"pong": 1})
        assert patient.code is None


@pytest.mark.asyncio
async def test_a_user_holds_only_so_many_sockets(hub: WebSocketManager) -> None:
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connected(hub)) for _ in range(CONNECTIONS_PER_USER)]
        one_more = await stack.enter_async_context(connected(hub))
        assert one_more.code == CloseCode.TOO_MANY_CONNECTIONS
        assert hub.connections == CONNECTIONS_PER_USER
        colleague = await stack.enter_async_context(connected(hub, identity(user="u-2")))
        namesake = await stack.enter_async_context(connected(hub, identity(location=ELSEWHERE)))
        assert (colleague.code, namesake.code) == (None, None)
        assert hub.connections_of(ELSEWHERE) == 1
        await sockets[0].leave()
        again = await stack.enter_async_context(connected(hub))
        assert again.code is None


# --- time ---------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_pong_keeps_the_socket_open(hub: WebSocketManager, clock: FakeClock) -> None:
    async with watching(hub), connected(hub) as socket:
        for beat in range(1, 4):
            await clock.advance(PING_INTERVAL_S)
            pings = [m["ping"] for m in socket.heard if "ping" in m]
            assert len(pings) == beat
            assert pings[-1] == clock.now().timestamp() * 1_000
            await socket.say({"pong": pings[-1]})
        assert socket.code is None


@pytest.mark.asyncio
async def test_a_pong_that_answers_no_ping_keeps_nothing_open(
    hub: WebSocketManager, clock: FakeClock
) -> None:
    async with watching(hub), connected(hub) as socket:
        await clock.advance(PING_INTERVAL_S)
        (ping,) = [m["ping"] for m in socket.heard if "ping" in m]
        await socket.say({"pong": ping - 1})
        await clock.advance(PONG_TIMEOUT_S + 0.1)
        assert socket.code == CloseCode.NO_PONG


@pytest.mark.asyncio
async def test_an_unanswered_ping_closes_the_socket(hub: WebSocketManager, clock: FakeClock) -> None:
    async with watching(hub), connected(hub) as socket:
        await clock.advance(PING_INTERVAL_S + PONG_TIMEOUT_S - 0.1)
        assert socket.code is None
        await clock.advance(0.2)
        assert socket.code == CloseCode.NO_PONG


@pytest.mark.asyncio
async def test_a_token_that_expires_on_the_open_socket_closes_it(
    hub: WebSocketManager, clock: FakeClock
) -> None:
    async with watching(hub), connected(hub, identity(expires_at=NOON + timedelta(seconds=10))) as socket:
        await socket.say(follow(Stream.LEAD_SCORES))
        await clock.advance(9.9)
        assert socket.code is None
        await clock.advance(0.2)
        assert socket.code == CloseCode.TOKEN_EXPIRED
        publish(hub, Stream.LEAD_SCORES)
        await settle()
        assert len(of(socket, Stream.LEAD_SCORES)) == 1


# --- ends ---------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_closing_the_hub_sends_everybody_away_and_lets_nobody_in(hub: WebSocketManager) -> None:
    async with connected(hub) as one, connected(hub, identity(user="u-2")) as two:
        await hub.aclose()
        assert (one.code, two.code) == (CloseCode.GOING_AWAY, CloseCode.GOING_AWAY)
        assert hub.connections == 0
        async with connected(hub) as late:
            assert late.code == CloseCode.GOING_AWAY


@pytest.mark.asyncio
async def test_closing_an_empty_hub_returns_at_once(hub: WebSocketManager) -> None:
    await hub.aclose()


@pytest.mark.asyncio
async def test_a_socket_that_breaks_while_sending_just_ends(hub: WebSocketManager) -> None:
    async with connected(hub) as socket:
        await socket.say(follow(Stream.LEAD_SCORES))
        socket.broken = True
        publish(hub, Stream.LEAD_SCORES)
        await settle()
        assert socket.code is None
        assert hub.connections == 0


@pytest.mark.asyncio
async def test_no_task_and_no_listener_is_left_behind(hub: WebSocketManager) -> None:
    before = asyncio.all_tasks()
    for ending in ("leave", "malformed", "broken"):
        async with connected(hub) as socket:
            await socket.say(follow(*Stream))
            if ending == "malformed":
                await socket.say("nonsense")
            socket.broken = ending == "broken"
            publish(hub, Stream.LEAD_SCORES)
            await settle()
    assert asyncio.all_tasks() == before
    assert hub.connections == hub.connections_of(LOCATION) == 0
    assert not any(topic.listeners for topic in hub._topics.values())
    assert len(hub._own_seats) == len(hub._watch) == 0


@pytest.mark.asyncio
async def test_an_error_in_the_incoming_messages_ends_the_connection_and_is_raised(
    hub: WebSocketManager,
) -> None:
    async def incoming() -> AsyncIterator[str]:
        raise RuntimeError("transport bug")
        yield ""

    with pytest.raises(RuntimeError, match="transport bug"):
        await hub.serve(FakeSocket(), identity(), incoming())
    assert hub.connections == 0
