"""The sweep: what leaves together, who waits for whom, what is shared. Fake sockets."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.limits import CLIENT_BEHIND_BYTES, SWEEP_REST_S, SWEEP_SOCKETS, WRITE_BYTES
from ghl_real_estate_ai.models.frames import Bundle
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.streams import LAG_POLICY, CloseCode, LagPolicy, LeadRemovedItem, Stream
from ghl_real_estate_ai.services.fan_out import REST_STEP_S, SHORT_S, FanOut
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.clock import FakeClock, settle
from tests.support.facts import LOCATION, NOON
from tests.support.followers import follow, fresh, of, publish, shown
from tests.support.sockets import FakeSocket, connected, identity
from tests.support.stream_items import item

FEED = Stream.CONVERSATION_FEED
SCORES = Stream.LEAD_SCORES
CONFLATED = [stream for stream, policy in LAG_POLICY.items() if policy is LagPolicy.CONFLATE]


@pytest.fixture
def hub() -> WebSocketManager:
    return new_hub()


def new_hub() -> WebSocketManager:
    clock = FakeClock()
    return WebSocketManager(clock=clock, sleep=clock.sleep)


def feed(hub: WebSocketManager, number: int, *, size: int) -> None:
    message = item(FEED, "a", number).model_copy(update={"text": "x" * size})
    hub.publish(LOCATION, FEED, message)


def publish_heavy(hub: WebSocketManager, stream: Stream, count: int) -> None:
    """Four of them are as much as a socket that takes nothing may be behind."""
    field = "text" if stream is FEED else "lead_name"
    heavy = item(stream, "a").model_copy(update={field: "x" * (CLIENT_BEHIND_BYTES // 4)})
    for _ in range(count):
        hub.publish(LOCATION, stream, heavy)


class WireSocket(FakeSocket):
    """Keeps the very bytes that are written."""

    def __init__(self) -> None:
        super().__init__()
        self.wires: list[bytes] = []

    def offer(self, bundle: Bundle) -> None:
        super().offer(bundle)
        self.wires.append(bundle.wire)


class Slow(WireSocket):
    """A crowd of sockets: each write to it takes long, by its own clock."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def now(self) -> float:
        """Of the hub."""
        return self.seconds

    def offer(self, bundle: Bundle) -> None:
        self.seconds += 2 * SHORT_S
        super().offer(bundle)


@pytest.mark.asyncio
async def test_a_lone_publication_leaves_in_the_next_turn_of_the_loop(hub: WebSocketManager) -> None:
    async with connected(hub) as socket:
        await socket.say(follow(FEED))
        await asyncio.sleep(
            0.2
        )  # had the pass before been long on a busy machine, the hub would rest a little
        publish(hub, FEED)
        await asyncio.sleep(0)
        assert [m["o"] for m in of(socket, FEED)[1:]] == [1]


@pytest.mark.asyncio
async def test_what_is_published_together_leaves_in_one_write_in_order_over_all_streams(
    hub: WebSocketManager,
) -> None:
    async with connected(hub) as socket:
        await socket.say(follow(*Stream))
        before = len(socket.writes)
        order = [
            stream for _ in range(3) for stream in (FEED, SCORES, Stream.NEXT_ACTIONS, Stream.CHURN_RISK)
        ]
        for number, stream in enumerate(order):
            publish(hub, stream, "a", number)
        await settle()
        assert socket.writes[before:] == [len(order)]
        assert [m["c"] for m in socket.heard[-len(order) :]] == order


@pytest.mark.asyncio
async def test_one_write_is_bounded_and_the_rest_follows(hub: WebSocketManager) -> None:
    async with AsyncExitStack() as stack:
        socket = WireSocket()
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        tasks.create_task(hub.serve(socket, identity(), socket.incoming()))
        await socket.say(follow(FEED))
        for number in range(40):
            feed(hub, number, size=8_000)
        await settle()
        assert [m["o"] for m in of(socket, FEED)[1:]] == list(range(1, 41))
        assert max(map(len, socket.wires)) <= WRITE_BYTES
        feed(hub, 41, size=2 * WRITE_BYTES)
        await settle()
        assert of(socket, FEED)[-1]["o"] == 41  # a single larger message goes alone
        assert socket.writes[-1] == 1
        await socket.leave()


@pytest.mark.asyncio
async def test_who_has_much_to_catch_up_with_does_not_delay_the_others(hub: WebSocketManager) -> None:
    async with connected(hub) as behind, connected(hub) as current:
        for socket in (behind, current):
            await socket.say(follow(FEED))
        behind.stall()
        for number in range(100):
            feed(hub, number, size=8_000)
            await asyncio.sleep(0)
        await settle()
        behind.flow()
        publish(hub, FEED, "newest")
        await asyncio.sleep(0)
        assert of(current, FEED)[-1]["o"] == 101
        assert of(behind, FEED)[-1]["o"] <= WRITE_BYTES // 8_000
        async with asyncio.timeout(30):
            while of(behind, FEED)[-1]["o"] < 101:
                await settle()
        assert [m["o"] for m in of(behind, FEED)[1:]] == list(range(1, 102))


@pytest.mark.asyncio
async def test_sockets_at_the_same_place_get_the_very_same_bytes(hub: WebSocketManager) -> None:
    sockets = [WireSocket() for _ in range(20)]
    async with asyncio.TaskGroup() as tasks:
        for number, socket in enumerate(sockets):
            tasks.create_task(hub.serve(socket, identity(user=f"u-{number}"), socket.incoming()))
        for socket in sockets:
            await socket.say(follow(FEED, SCORES))
        for number in range(3):  # whoever came one after the other is together after one publication
            publish(hub, FEED, "a", number)
            publish(hub, SCORES, "a", number)
            await settle()
        assert len({id(socket.wires[-1]) for socket in sockets}) == 1
        for socket in sockets:
            await socket.leave()


@pytest.mark.asyncio
async def test_the_loop_is_free_between_so_many_sockets(hub: WebSocketManager) -> None:
    hub._fan_out = FanOut(now=lambda: 0.0)  # no pass is long, whatever else this machine does
    count = 2 * SWEEP_SOCKETS + 1
    sockets = [FakeSocket() for _ in range(count)]
    async with asyncio.TaskGroup() as tasks:
        for number, socket in enumerate(sockets):
            tasks.create_task(hub.serve(socket, identity(user=f"u-{number}"), socket.incoming()))
        for socket in sockets:
            socket._incoming.put_nowait('{"subscribe":[{"stream":"conversation_feed"}]}')
        await settle()
        for socket in sockets:
            socket.sent.clear()
        publish(hub, FEED)
        served = []
        for _ in range(5):
            await asyncio.sleep(0)
            served.append(sum(bool(socket.sent) for socket in sockets))
        steps = [number for number, _ in groupby(served) if number]
        assert steps == [SWEEP_SOCKETS, 2 * SWEEP_SOCKETS, count]
        for socket in sockets:
            socket._incoming.put_nowait(None)


@pytest.mark.asyncio
async def test_a_long_pass_is_followed_by_a_rest_while_there_is_work_in_hand(hub: WebSocketManager) -> None:
    slow, in_hand, asked = Slow(), [False], list[bool]()

    def busy() -> bool:
        asked.append(in_hand[0])
        return in_hand[0]

    hub._fan_out = FanOut(now=slow.now)
    hub.give_way_to(busy)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hub.serve(slow, identity(user="u-2"), slow.incoming()))
        await slow.say(follow(FEED))
        async with asyncio.timeout(30):
            while not of(slow, FEED):
                await asyncio.sleep(REST_STEP_S)
            in_hand[0] = True
            asked.clear()
            publish(hub, FEED, "first")
            while len(asked) < 3:
                await asyncio.sleep(REST_STEP_S)
            assert of(slow, FEED)[-1].get("o") is None  # it rests after the opening
            in_hand[0] = False
            while of(slow, FEED)[-1].get("o") != 1:  # and goes on as soon as nothing is in hand
                await asyncio.sleep(REST_STEP_S)
            in_hand[0] = True
            publish(hub, FEED, "second")
            slow.seconds += SWEEP_REST_S
            while of(slow, FEED)[-1].get("o") != 2:  # or when the rest is over
                await asyncio.sleep(REST_STEP_S)
        await slow.leave()


@pytest.mark.asyncio
async def test_what_comes_in_the_turns_of_an_idle_loop_after_a_long_pass_goes_along_in_one_write(
    hub: WebSocketManager,
) -> None:
    slow = Slow()
    hub._fan_out = FanOut(now=slow.now)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hub.serve(slow, identity(user="u-2"), slow.incoming()))
        await slow.say(follow(FEED))
        await settle()
        slow.wires.clear()
        publish(hub, FEED, "first")
        await asyncio.sleep(0)
        assert slow.wires == []
        publish(hub, FEED, "second")
        while not slow.wires:
            await asyncio.sleep(0)
        assert [message.get("o") for message in of(slow, FEED)[1:]] == [1, 2]
        assert len(slow.wires) == 1
        await slow.leave()


@pytest.mark.asyncio
async def test_a_bug_with_one_socket_ends_that_socket_only(hub: WebSocketManager) -> None:
    class Faulty(FakeSocket):
        def offer(self, bundle: Bundle) -> None:
            if self.sent:
                raise ZeroDivisionError
            super().offer(bundle)

    async with connected(hub, identity(user="u-2")) as before, asyncio.TaskGroup() as tasks:
        faulty = Faulty()
        tasks.create_task(hub.serve(faulty, identity(), faulty.incoming()))
        async with connected(hub, identity(user="u-3")) as after:
            for socket in (before, faulty, after):
                await socket.say(follow(FEED))
            publish(hub, FEED)
            await settle()
            assert faulty.code == CloseCode.GOING_AWAY
            assert [shown(socket, FEED).offset for socket in (before, after)] == [1, 1]


@pytest.mark.asyncio
async def test_a_place_that_is_too_far_behind_for_a_removal_gets_the_snapshot(hub: WebSocketManager) -> None:
    gone = LeadRemovedItem(key="a", at=NOON, simulated=False, lead_id=LeadId("a"))
    async with connected(hub) as socket:
        for key in "ab":
            publish(hub, SCORES, key)
        await socket.say(follow(SCORES))
        socket.stall()
        hub.publish(LOCATION, SCORES, gone)
        for number in range(2_100):
            publish(hub, SCORES, "b", number)
        socket.flow()
        await settle()
        assert shown(socket, SCORES).shown == fresh(hub, SCORES)
        assert [i["key"] for i in shown(socket, SCORES).shown] == ["b"]


@pytest.mark.asyncio
async def test_being_too_many_bytes_behind_counts_as_too_slow_and_nothing_is_lost_by_the_resume(
    hub: WebSocketManager,
) -> None:
    async with connected(hub) as socket:
        await socket.say(follow(FEED))
        socket.stall()
        publish_heavy(hub, FEED, 7)
        await settle()
        socket.flow()
        await settle()
        assert socket.code == CloseCode.TOO_SLOW
        screen = shown(socket, FEED)
    async with connected(hub) as socket:
        await socket.say(follow(FEED, epoch=screen.epoch, offset=screen.offset))
        first, *rest = of(socket, FEED)
        assert first["subscribed"]["recovered"] is True
        assert [m["o"] for m in rest] == list(range(screen.offset + 1, 8))
        assert socket.code is None


@pytest.mark.asyncio
async def test_a_burst_of_many_bytes_closes_nobody_whose_socket_takes_more(hub: WebSocketManager) -> None:
    async with connected(hub) as socket:
        await socket.say(follow(FEED))
        publish_heavy(hub, FEED, 12)
        await settle()
        assert socket.code is None
        assert [m["o"] for m in of(socket, FEED)[1:]] == list(range(1, 13))


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", CONFLATED)
async def test_a_client_that_comes_back_too_many_bytes_behind_gets_the_snapshot_of_a_keyed_stream(
    hub: WebSocketManager, stream: Stream
) -> None:
    publish(hub, stream)
    place = hub.snapshot(LOCATION, stream)
    publish_heavy(hub, stream, 7)
    async with connected(hub) as socket:
        await socket.say(follow(stream, epoch=place.epoch, offset=place.offset))
        (only,) = of(socket, stream)
        assert only["subscribed"]["recovered"] is False


@pytest.mark.asyncio
async def test_what_the_sweep_does_is_counted(hub: WebSocketManager) -> None:
    def counts() -> tuple[float, float]:
        values = telemetry.REGISTRY.get_sample_value
        return values("websocket_frames_sent_total") or 0.0, values("websocket_writes_total") or 0.0

    async with connected(hub) as socket:
        await socket.say(follow(FEED))
        before = counts()
        for number in range(5):
            publish(hub, FEED, "a", number)
        await settle()
        frames, writes = (after - earlier for after, earlier in zip(counts(), before, strict=True))
        assert (frames, writes) == (5, 1)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from([FEED, SCORES]), st.integers(1, 40)),
        st.tuples(st.sampled_from(["stall", "flow", "turn"]), st.integers(0, 2), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_every_socket_gets_everything_once_and_in_order_however_it_stalls(
    steps: list[tuple[str, Stream | int, int]],
) -> None:
    async def scenario() -> None:
        hub = new_hub()
        async with AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(connected(hub, identity(user=f"u-{n}"))) for n in range(3)
            ]
            for socket in sockets:
                await socket.say(follow(FEED, SCORES))
            published = {FEED: 0, SCORES: 0}
            for verb, what, count in steps:
                if isinstance(what, Stream):
                    for _ in range(count):
                        published[what] += 1
                        publish(hub, what, f"lead-{published[what] % 5}", published[what])
                elif verb == "turn":
                    await asyncio.sleep(0)
                else:
                    getattr(sockets[what], verb)()
            for socket in sockets:
                socket.flow()
            await settle()
            for socket in sockets:
                for stream, count in published.items():
                    assert [m["o"] for m in of(socket, stream)[1:]] == list(range(1, count + 1))
                    assert shown(socket, stream).shown == fresh(hub, stream)

    asyncio.run(scenario())
