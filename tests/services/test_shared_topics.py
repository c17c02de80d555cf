"""The hub's end of topics that several gateways share: adopt, relay, forget, delays, seats, what is prepared first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from ghl_real_estate_ai.errors import BrokerUnavailable, HoleInLog, StorageUnavailable
from ghl_real_estate_ai.limits import CONNECTIONS_PER_USER, PING_INTERVAL_S, TOPIC_RING_FRAMES
from ghl_real_estate_ai.live_ports import Seat
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, UserId, lead_hash
from ghl_real_estate_ai.models.streams import SHARED_STREAMS, CloseCode, Stream
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.clock import FakeClock, settle
from tests.support.facts import LOCATION, NOON
from tests.support.followers import follow, fresh, of, placed, publish, shown
from tests.support.sockets import connected, identity, watching
from tests.support.stream_items import item

FEED = Stream.CONVERSATION_FEED
SCORES = Stream.LEAD_SCORES
ELSEWHERE = LocationId("loc-2")


@pytest.fixture
def hub() -> WebSocketManager:
    clock = FakeClock()
    return WebSocketManager(clock=clock, sleep=clock.sleep)


# --- adopt and relay ----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_two_hubs_that_adopt_the_same_show_the_same_and_a_socket_moves_between_them(
    hub: WebSocketManager,
) -> None:
    other = WebSocketManager(clock=FakeClock())
    for each in (hub, other):
        each.adopt(
            LOCATION,
            epoch="shared",
            seeds=[(SCORES, item(SCORES, "seed"))],
            history=[placed(SCORES, 7), placed(FEED, 1), placed(SCORES, 8, "b")],
        )
    for stream in Stream:
        same = hub.snapshot(LOCATION, stream) == other.snapshot(LOCATION, stream)
        assert same is (stream in SHARED_STREAMS)  # the performance of a gateway is its own
    assert [i["key"] for i in fresh(hub, SCORES)] == ["b", "a", "seed"]
    async with connected(hub) as socket:
        await socket.say(follow(SCORES))
        place = shown(socket, SCORES)
    assert (place.epoch, place.offset) == ("shared", 8)
    other.relay(LOCATION, placed(SCORES, 9))
    async with connected(other) as socket:
        await socket.say(follow(SCORES, epoch=place.epoch, offset=place.offset))
        assert [m.get("o") for m in of(socket, SCORES)] == [None, 9]
        assert of(socket, SCORES)[0]["subscribed"]["recovered"] is True


@pytest.mark.asyncio
async def test_relayed_publications_arrive_once_and_a_hole_is_an_error(hub: WebSocketManager) -> None:
    hub.adopt(LOCATION, epoch="e", seeds=(), history=(), heads={FEED: 4})
    async with connected(hub) as socket:
        await socket.say(follow(FEED))
        for offset in (5, 6, 5, 6, 7):
            hub.relay(LOCATION, placed(FEED, offset))
        with pytest.raises(HoleInLog, match="offset 9 came after 7"):
            hub.relay(LOCATION, placed(FEED, 9))
        await settle()
        assert [m["o"] for m in of(socket, FEED)[1:]] == [5, 6, 7]
        assert of(socket, FEED)[0]["subscribed"]["offset"] == 4


@pytest.mark.asyncio
@pytest.mark.parametrize("stalled", [False, True])
async def test_adopting_again_goes_on_without_gap_or_double_for_who_is_held(
    hub: WebSocketManager, stalled: bool
) -> None:
    hub.adopt(LOCATION, epoch="e", seeds=(), history=[placed(FEED, n, f"k{n}") for n in (1, 2)])
    async with connected(hub) as socket:
        await socket.say(follow(FEED))
        if stalled:
            socket.stall()
        hub.relay(LOCATION, placed(FEED, 3, "k3"))
        await settle()
        hub.adopt(LOCATION, epoch="e", seeds=(), history=[placed(FEED, n, f"k{n}") for n in range(2, 7)])
        socket.flow()
        await settle()
        assert [m["o"] for m in of(socket, FEED)[1:]] == [3, 4, 5, 6]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("epoch", "offsets"),
    [("new", range(1, 4)), ("e", range(5, 8)), ("e", range(1, 2))],
    ids=["another epoch", "what comes next is gone", "the place lies ahead"],
)
async def test_adopting_gives_everybody_else_a_snapshot(
    hub: WebSocketManager, epoch: str, offsets: range
) -> None:
    hub.adopt(LOCATION, epoch="e", seeds=(), history=[placed(SCORES, n, f"k{n}") for n in (1, 2)])
    async with connected(hub) as socket:
        await socket.say(follow(SCORES))
        history = [placed(SCORES, n, f"k{n}") for n in offsets]
        hub.adopt(LOCATION, epoch=epoch, seeds=[(SCORES, item(SCORES, "seed"))], history=history)
        await settle()
        assert of(socket, SCORES)[-1]["subscribed"] == {
            "stream": SCORES, "epoch": epoch, "offset": offsets[-1], "recovered": False,
        }  # fmt: skip
        assert shown(socket, SCORES).shown == fresh(hub, SCORES)


@pytest.mark.asyncio
async def test_a_client_that_asks_to_resume_while_its_topic_is_adopted_is_judged_by_the_new_one(
    hub: WebSocketManager,
) -> None:
    async with connected(hub) as socket:
        socket.stall()
        await socket.say(follow(FEED, epoch="shared", offset=2))
        hub.adopt(LOCATION, epoch="shared", seeds=(), history=[placed(FEED, n) for n in (2, 3)])
        socket.flow()
        await settle()
        assert [m.get("o") for m in of(socket, FEED)] == [None, 3]
        assert of(socket, FEED)[0]["subscribed"]["recovered"] is True


@pytest.mark.asyncio
async def test_a_forgotten_lead_leaves_a_shared_topic_before_the_log_that_follows_is_adopted(
    hub: WebSocketManager,
) -> None:
    history = [placed(SCORES, 1, "goes"), placed(SCORES, 2, "stays"), placed(FEED, 1, "goes")]
    hub.adopt(LOCATION, epoch="e", seeds=(), history=history)
    own = hub.snapshot(LOCATION, Stream.SYSTEM_PERFORMANCE).epoch
    async with connected(hub) as socket:
        await socket.say(follow(SCORES))
        hub.forget(LOCATION, lead_hash(LOCATION, LeadId("goes")))
        await settle()
        assert [i["lead_id"] for i in shown(socket, SCORES).shown] == ["stays"]
        hub.adopt(LOCATION, epoch="after", seeds=[(SCORES, item(SCORES, "stays"))], history=())
        for offset in (1, 2):
            hub.relay(LOCATION, placed(SCORES, offset, f"later-{offset}"))
        await settle()
        assert [i["lead_id"] for i in shown(socket, SCORES).shown] == ["later-2", "later-1", "stays"]
        assert shown(socket, SCORES).offset == 2
    assert {hub.snapshot(LOCATION, stream).epoch for stream in SHARED_STREAMS} == {"after"}
    assert hub.snapshot(LOCATION, Stream.SYSTEM_PERFORMANCE).epoch == own


@pytest.mark.asyncio
async def test_a_row_that_stays_after_forgetting_is_not_told_again_to_a_client_that_is_conflated(
    hub: WebSocketManager,
) -> None:
    seeds = [(SCORES, item(SCORES, key)) for key in ("k0", "k1", "k2")]
    hub.adopt(LOCATION, epoch="e", seeds=seeds, history=[placed(SCORES, 1, "k1")])
    hub.forget(LOCATION, lead_hash(LOCATION, LeadId("k1")))
    hub.adopt(LOCATION, epoch="after", seeds=[seeds[0], seeds[2]], history=())
    async with connected(hub) as socket:
        await socket.say(follow(SCORES))
        socket.stall()
        for offset in range(1, TOPIC_RING_FRAMES + 10):
            hub.relay(LOCATION, placed(SCORES, offset, "busy"))
        socket.flow()
        await settle()
        assert shown(socket, SCORES).shown == fresh(hub, SCORES)
        assert [m["e"]["key"] for m in of(socket, SCORES) if "e" in m] == ["busy"]


@pytest.mark.asyncio
async def test_a_resume_after_adopting_is_in_order_of_publication_over_all_streams(
    hub: WebSocketManager,
) -> None:
    order = [(FEED, 1), (SCORES, 1), (FEED, 2), (SCORES, 2), (FEED, 3)]
    history = [placed(stream, offset) for stream, offset in order]
    hub.adopt(LOCATION, epoch="e", seeds=[(FEED, item(FEED, "seed"))], history=history)
    async with connected(hub) as socket:
        await socket.say(follow(SCORES, FEED, epoch="e", offset=0))
        assert [(m["c"], m["o"]) for m in socket.heard if "e" in m] == order


# --- delays -------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_sockets_hear_that_news_is_delayed_and_later_ones_after_their_hello(
    hub: WebSocketManager,
) -> None:
    since_ms = NOON.timestamp() * 1_000
    async with connected(hub) as early, connected(hub, identity(location=ELSEWHERE)) as foreign:
        hub.delayed(LOCATION, NOON)
        await settle()
        assert early.heard[-1] == {"delayed": {"since_ms": since_ms}}
        assert [*foreign.heard[-1]] == ["hello"]
        async with connected(hub) as late:
            assert [[*m] for m in late.heard] == [["hello"], ["delayed"]]
        hub.delayed(LOCATION, None)
        await settle()
        assert early.heard[-1] == {"delayed": None}
        async with connected(hub) as later:
            assert [[*m] for m in later.heard] == [["hello"]]


@pytest.mark.asyncio
async def test_a_delay_of_all_is_told_to_all_and_one_of_a_tenant_outlives_it(hub: WebSocketManager) -> None:
    async with connected(hub) as here, connected(hub, identity(location=ELSEWHERE)) as there:
        hub.delayed(None, NOON)
        hub.delayed(LOCATION, NOON - timedelta(seconds=5))
        hub.delayed(None, None)
        await settle()
        assert here.heard[-1] == {"delayed": {"since_ms": NOON.timestamp() * 1_000 - 5_000}}
        assert there.heard[-1] == {"delayed": None}


@pytest.mark.asyncio
async def test_a_new_socket_hears_nothing_of_another_tenants_delay(hub: WebSocketManager) -> None:
    hub.delayed(ELSEWHERE, NOON)
    async with connected(hub) as socket:
        assert [[*m] for m in socket.heard] == [["hello"]]


@pytest.mark.asyncio
async def test_a_stalled_socket_hears_only_how_it_stands_at_last(hub: WebSocketManager) -> None:
    async with connected(hub) as socket:
        socket.stall()
        for _ in range(50):
            hub.delayed(None, NOON)
            hub.delayed(None, None)
        await settle()
        socket.flow()
        await settle()
        assert [m for m in socket.heard if "delayed" in m] == [{"delayed": None}]


# --- seats and preparation ----------------------------------------------------------------------------------------


class SharedSeats:
    """``live_ports.Seats`` over several hubs in one process; may be out of reach."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken: set[Seat] = set()
        self.kept: list[int] = []
        self.down = False
        self.meanwhile: Callable[[], Awaitable[None]] = settle

    def _reach(self) -> None:
        if self.down:
            raise BrokerUnavailable("down")

    async def take(self, location_id: LocationId, user_id: UserId, seat: str) -> bool:
        self._reach()
        if len(self.taken) >= self.most:
            return False
        self.taken.add((location_id, user_id, seat))
        return True

    async def keep(self, seats: Sequence[Seat]) -> list[Seat]:
        self._reach()
        self.kept.append(len(seats))
        lost = [seat for seat in seats if seat not in self.taken]
        await self.meanwhile()
        return lost

    async def leave(self, location_id: LocationId, user_id: UserId, seat: str) -> None:
        self._reach()
        self.taken.discard((location_id, user_id, seat))


class SlowSeats(SharedSeats):
    """Answers when told to."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.answers = asyncio.Event()

    async def take(self, location_id: LocationId, user_id: UserId, seat: str) -> bool:
        await self.answers.wait()
        return await super().take(location_id, user_id, seat)


@pytest.mark.asyncio
async def test_a_delay_is_told_after_the_hello_of_a_socket_that_still_waits_for_its_seat() -> None:
    seats = SlowSeats(most=5)
    hub = WebSocketManager(clock=FakeClock(), seats=seats)
    async with connected(hub) as socket:
        hub.delayed(LOCATION, NOON)
        await settle()
        assert socket.heard == []
        seats.answers.set()
        await settle()
        assert [[*m] for m in socket.heard] == [["hello"], ["delayed"]]


@pytest.mark.asyncio
async def test_seats_are_counted_over_all_hubs_kept_and_left() -> None:
    clock, seats = FakeClock(), SharedSeats(most=2)
    hubs = [WebSocketManager(clock=clock, sleep=clock.sleep, seats=seats) for _ in range(2)]
    async with watching(hubs[0]), connected(hubs[0]) as one, connected(hubs[1]):
        async with connected(hubs[1]) as third:
            assert third.code == CloseCode.SEATS_TAKEN, "come again: it may be a gateway that died"
            assert [*third.heard[0]] == ["error"]
        assert len(seats.taken) == 2
        await clock.advance(PING_INTERVAL_S)
        assert seats.kept == [1]
        await one.say({"pong": 1})
    assert not seats.taken


@pytest.mark.asyncio
async def test_seats_that_were_lost_are_taken_again_and_one_that_is_left_meanwhile_is_not() -> None:
    clock, seats = FakeClock(), SharedSeats(most=5)
    hub = WebSocketManager(clock=clock, sleep=clock.sleep, seats=seats)
    async with watching(hub), connected(hub) as stays, AsyncExitStack() as leaves:
        await leaves.enter_async_context(connected(hub))
        assert len(seats.taken) == 2
        seats.taken.clear()
        seats.meanwhile = leaves.aclose
        await clock.advance(PING_INTERVAL_S)
        assert hub.connections == 1
        await stays.say({"pong": 1})
        assert len(seats.taken) == 1
    assert not seats.taken


@pytest.mark.asyncio
async def test_while_seats_cannot_be_shared_each_hub_counts_its_own() -> None:
    clock, seats = FakeClock(), SharedSeats(most=0)
    seats.down = True
    hub = WebSocketManager(clock=clock, sleep=clock.sleep, seats=seats)
    async with watching(hub), AsyncExitStack() as stack:
        for _ in range(CONNECTIONS_PER_USER):
            assert (await stack.enter_async_context(connected(hub))).code is None
        assert (await stack.enter_async_context(connected(hub))).code == CloseCode.TOO_MANY_CONNECTIONS
        await clock.advance(PING_INTERVAL_S)
        assert hub.connections == CONNECTIONS_PER_USER
    assert hub.connections == 0


@pytest.mark.asyncio
async def test_a_socket_is_served_once_its_tenant_is_prepared_or_sent_away() -> None:
    prepared, let = list[LocationId](), asyncio.Event()

    async def prepare(location_id: LocationId) -> None:
        prepared.append(location_id)
        if location_id == ELSEWHERE:
            raise StorageUnavailable("down")
        await let.wait()
        hub.adopt(location_id, epoch="ready", seeds=(), history=())

    hub = WebSocketManager(clock=FakeClock(), prepare=prepare)
    async with connected(hub) as socket, connected(hub, identity(location=ELSEWHERE)) as refused:
        assert refused.code == CloseCode.GOING_AWAY
        assert (socket.sent, socket.code) == ([], None)
        let.set()
        await socket.say(follow(FEED))
        assert of(socket, FEED)[0]["subscribed"]["epoch"] == "ready"
    assert prepared == [LOCATION, ELSEWHERE]


@pytest.mark.asyncio
async def test_a_hub_that_closes_meanwhile_serves_nobody() -> None:
    let = asyncio.Event()

    async def prepare(_: LocationId) -> None:
        await let.wait()

    hub = WebSocketManager(clock=FakeClock(), prepare=prepare)
    async with connected(hub) as socket:
        await hub.aclose()
        let.set()
        await settle()
        assert socket.code == CloseCode.GOING_AWAY
    publish(hub, FEED)
    assert hub.connections == 0
