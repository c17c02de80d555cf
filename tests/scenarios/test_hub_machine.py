"""Anything that may happen to a hub and its clients, in any order: whoever reads shows what a fresh snapshot shows.

The model of a client is docs/realtime.md, applied to what comes: its state equals a fresh snapshot as soon as it flows,
the feed is complete and in order, and no offset goes back. Of a stream that skips it shows the next publication.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic_core import from_json

from ghl_real_estate_ai.errors import HoleInLog
from ghl_real_estate_ai.limits import CLIENT_BEHIND_BYTES, PING_INTERVAL_S, PONG_TIMEOUT_S
from ghl_real_estate_ai.models.identifiers import LeadId, lead_hash
from ghl_real_estate_ai.models.streams import (
    LAG_POLICY,
    SHARED_STREAMS,
    CloseCode,
    LagPolicy,
    LeadRemovedItem,
    Placed,
    Publication,
    Stream,
    StreamItem,
)
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.clock import FakeClock, settle
from tests.support.facts import LOCATION, NOON
from tests.support.sockets import FakeSocket, Screen, identity
from tests.support.stream_items import item

pytestmark = pytest.mark.untraced

CLIENTS = 3
LEADS = ("ana", "bo", "cem")
TOKEN_S = 4 * PING_INTERVAL_S
HEAVY = "x" * (CLIENT_BEHIND_BYTES // 3)

KEYED = [stream for stream, policy in LAG_POLICY.items() if policy is LagPolicy.CONFLATE]

streams = st.sampled_from(list(Stream))
some_streams = st.lists(streams, min_size=1, max_size=3, unique=True)
choices = st.integers(0, CLIENTS - 1)
leads = st.sampled_from(LEADS)
some_news = st.lists(st.tuples(streams, leads), min_size=1, max_size=8)


@dataclass
class Peer:
    """One client over all of its connections."""

    user: str
    socket: FakeSocket | None = None
    serving: asyncio.Task[None] | None = None
    flowing: bool = True
    behind: bool = False
    slept: bool = False
    expires_at: datetime = NOON
    screens: dict[Stream, Screen] = field(default_factory=dict)
    wanted: set[Stream] = field(default_factory=set)
    opened: set[Stream] = field(default_factory=set)
    asked: dict[Stream, tuple[str | None, int] | None] = field(default_factory=dict)
    skipped: set[Stream] = field(default_factory=set)
    read: int = 0

    @property
    def connected(self) -> bool:
        """Whether the connection is up, as far as the client can know."""
        return self.socket is not None and self.socket.code is None

    @property
    def wire(self) -> FakeSocket:
        """The socket of somebody who has one."""
        assert self.socket is not None
        return self.socket

    def hear(self) -> Iterable[float]:
        """Apply what came since the last time; the pings among it."""
        assert self.socket is not None
        new = [from_json(text) for text in self.socket.sent[self.read :]]
        self.read += len(new)
        for message in new:
            if "ping" in message:
                yield message["ping"]
            elif "subscribed" in message or "c" in message:
                self._apply(message)

    def _apply(self, message: dict[str, Any]) -> None:
        place = message.get("subscribed")
        stream = Stream(message["c"] if place is None else place["stream"])
        screen = self.screens.setdefault(stream, Screen())
        if place is not None:
            self.opened.add(stream)
            if place["recovered"]:
                assert "snapshot" not in message
                assert self.asked[stream] == (place["epoch"], place["offset"]), (
                    "recovered at a place not asked for"
                )
            self.asked[stream] = None
        elif "gap" in message:
            first, last = message["gap"]
            assert LAG_POLICY[stream] is not LagPolicy.CLOSE, "a gap in a stream that must not lose"
            assert first <= last
        elif LAG_POLICY[stream] is LagPolicy.CLOSE:
            assert message["o"] == screen.offset + 1, "a hole or a double in a stream that must not lose"
        if "gap" in message and LAG_POLICY[stream] is LagPolicy.SKIP:
            self.skipped.add(stream)
        elif (
            place is None or not place["recovered"]
        ):  # a resume after the gap brings nothing of what was skipped
            self.skipped.discard(stream)
        screen.apply(message)


class HubMachine(RuleBasedStateMachine):
    """One process: what is published is appended here."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.hub = WebSocketManager(clock=self.clock, sleep=self.clock.sleep)
        self.running = self.loop.create_task(self.hub.run())
        self.peers = [Peer(user=f"u-{number}") for number in range(CLIENTS)]
        self.number = 0
        self.held: dict[Stream, dict[str, StreamItem]] = {stream: {} for stream in Stream}

    def teardown(self) -> None:
        self.loop.run_until_complete(self._end())
        self.loop.close()

    async def _end(self) -> None:
        for peer in self.peers:
            if peer.socket is not None:
                peer.socket.flow()
                await peer.socket.leave()
        await self.hub.aclose()
        for peer in self.peers:
            if peer.serving is not None:
                await peer.serving
        self.running.cancel()
        await asyncio.wait([self.running])
        assert self.hub.connections == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    # --- what may happen -----------------------------------------------------------------------------------------

    @initialize()
    def everybody_follows_everything(self) -> None:
        for peer in self.peers:
            peer.wanted = set(Stream)
            self.connect(peer)

    @rule(news=some_news)
    def publish(self, news: list[tuple[Stream, str]]) -> None:
        self.publish_all(news)

    @rule(stream=streams, turn=st.integers(0, len(LEADS) - 1))
    def publish_more_than_anybody_may_be_behind(self, stream: Stream, turn: int) -> None:
        for step in range(4):
            self.number += 1
            self.put(stream, heavy(stream, LEADS[(turn + step) % len(LEADS)], self.number))
        for peer in self.peers:
            peer.behind |= not peer.flowing

    @rule(stream=st.sampled_from(KEYED), lead=leads)
    def remove(self, stream: Stream, lead: str) -> None:
        """The lead was deleted in the CRM: its row goes, whether there is one or not."""
        self.held[stream].pop(lead, None)
        gone = LeadRemovedItem(key=lead, at=NOON, simulated=False, lead_id=LeadId(lead))
        self.do(self.append, stream, gone)

    @rule(lead=leads)
    def forget(self, lead: str) -> None:
        for stream, items in self.held.items():
            self.held[stream] = {k: one for k, one in items.items() if getattr(one, "lead_id", None) != lead}
        self.do(self.drop_lead, lead_hash(LOCATION, LeadId(lead)))

    @precondition(lambda self: any(not peer.connected for peer in self.peers))
    @rule(choice=choices)
    def come_back(self, choice: int) -> None:
        self.connect(chosen(choice, [peer for peer in self.peers if not peer.connected]))

    @precondition(lambda self: any(peer.connected for peer in self.peers))
    @rule(choice=choices, some=some_streams, resume=st.booleans())
    def subscribe(self, choice: int, some: list[Stream], resume: bool) -> None:
        peer = chosen(choice, [peer for peer in self.peers if peer.connected])
        peer.wanted |= set(some)
        self.say(peer, some, resume=resume)

    @precondition(lambda self: any(peer.connected for peer in self.peers))
    @rule(choice=choices, some=some_streams)
    def unsubscribe(self, choice: int, some: list[Stream]) -> None:
        peer = chosen(choice, [peer for peer in self.peers if peer.connected])
        peer.wanted -= set(some)
        peer.opened -= set(some)
        self.loop.run_until_complete(peer.wire.say({"unsubscribe": some}))

    @precondition(lambda self: any(peer.connected and peer.flowing for peer in self.peers))
    @rule(choice=choices)
    def stall(self, choice: int) -> None:
        peer = chosen(choice, [peer for peer in self.peers if peer.connected and peer.flowing])
        peer.flowing = False
        self.do(peer.wire.stall)

    @precondition(lambda self: any(not peer.flowing for peer in self.peers))
    @rule(choice=choices)
    def flow(self, choice: int) -> None:
        peer = chosen(choice, [peer for peer in self.peers if not peer.flowing])
        peer.flowing = True
        self.do(peer.wire.flow)

    @precondition(lambda self: any(peer.socket is not None for peer in self.peers))
    @rule(choice=choices)
    def drop(self, choice: int) -> None:
        """Gone; what it has not read is lost."""
        peer = chosen(choice, [peer for peer in self.peers if peer.socket is not None])
        self.loop.run_until_complete(peer.wire.leave())
        self.do(peer.wire.flow)
        peer.socket, peer.flowing = None, True

    @rule(steps=st.integers(1, 4))
    def time_passes(self, steps: int) -> None:
        """In steps so short that whoever reads answers its pings in time."""
        for peer in self.peers:
            peer.slept |= not peer.flowing
        for _ in range(steps):
            self.loop.run_until_complete(self.clock.advance(PONG_TIMEOUT_S * 0.8))
            self.loop.run_until_complete(self._everybody_reads())

    # --- what always holds ---------------------------------------------------------------------------------------

    @invariant()
    def whoever_reads_shows_what_a_fresh_snapshot_shows(self) -> None:
        self.loop.run_until_complete(self._converge())

    @invariant()
    def a_fresh_snapshot_holds_the_newest_of_each_key(self) -> None:
        for stream, items in self.held.items():
            snapshot = self.hub.snapshot(LOCATION, stream)
            assert [from_json(one)["key"] for one in snapshot.items] == [*reversed(items)]

    async def _converge(self) -> None:
        for _ in range(100):
            await settle()
            await self._everybody_reads()
            if not any(
                True for peer in self.peers if peer.connected and peer.flowing and self.differences(peer)
            ):
                break
        for peer in self.peers:
            if peer.socket is not None and peer.socket.code is not None:
                self.ended_rightly(peer, CloseCode(peer.socket.code))
            elif peer.socket is not None and peer.flowing:
                assert self.differences(peer) == []

    async def _everybody_reads(self) -> None:
        for peer in self.peers:
            if peer.socket is None or not peer.flowing:
                continue
            for ping in list(peer.hear()):
                if peer.connected:
                    await peer.socket.say({"pong": ping})

    def differences(self, peer: Peer) -> list[str]:
        """Where a client that flows does not show what a fresh one would."""
        found = []
        for stream in sorted(peer.wanted):
            screen, fresh = peer.screens.get(stream), self.hub.snapshot(LOCATION, stream)
            if stream not in peer.opened or screen is None or peer.asked.get(stream) is not None:
                found.append(f"{stream} is not answered")
            elif (screen.epoch, screen.offset) != (fresh.epoch, fresh.offset):
                found.append(
                    f"{stream} is at {screen.epoch}:{screen.offset}, not at {fresh.epoch}:{fresh.offset}"
                )
            elif stream not in peer.skipped and screen.shown != [from_json(one) for one in fresh.items]:
                found.append(f"{stream} shows something else")
        return found

    def ended_rightly(self, peer: Peer, code: CloseCode) -> None:
        match code:
            case CloseCode.TOO_SLOW:
                assert peer.behind
                assert Stream.CONVERSATION_FEED in peer.wanted
            case CloseCode.TOKEN_EXPIRED:
                assert self.clock.now() >= peer.expires_at
            case CloseCode.NO_PONG:
                assert peer.slept
            case _:
                raise AssertionError(f"closed with {code.name}")

    # --- how -----------------------------------------------------------------------------------------------------

    def do(self, act: Callable[..., None], *arguments: object) -> None:
        """On the loop, as everything that touches a hub."""

        async def acted() -> None:
            act(*arguments)

        self.loop.run_until_complete(acted())

    def publish_all(self, news: list[tuple[Stream, str]]) -> None:
        for stream, lead in news:
            self.number += 1
            self.put(stream, item(stream, lead, self.number))

    def put(self, stream: Stream, one: StreamItem) -> None:
        self.held[stream].pop(one.key, None)
        self.held[stream][one.key] = one
        self.do(self.append, stream, one)

    def connect(self, peer: Peer) -> None:
        """Follow again what was followed, each from its place."""
        peer.socket, peer.read, peer.flowing = FakeSocket(), 0, True
        peer.behind = peer.slept = False
        peer.opened.clear()
        peer.expires_at = self.clock.now() + timedelta(seconds=TOKEN_S)
        who = identity(user=peer.user, expires_at=peer.expires_at)
        peer.serving = self.loop.create_task(self.hub.serve(peer.socket, who, peer.socket.incoming()))
        self.say(peer, sorted(peer.wanted), resume=True)

    def append(self, stream: Stream, one: StreamItem) -> None:
        self.hub.publish(LOCATION, stream, one)

    def drop_lead(self, digest: str) -> None:
        self.hub.forget(LOCATION, digest)

    def say(self, peer: Peer, chosen: Iterable[Stream], *, resume: bool) -> None:
        wanted = []
        for stream in chosen:
            screen = peer.screens.get(stream)
            place = (screen.epoch, screen.offset) if resume and screen is not None else None
            peer.asked[stream] = place or (None, -1)
            peer.opened.discard(stream)
            wanted.append({"stream": stream} | ({"epoch": place[0], "offset": place[1]} if place else {}))
        if wanted and peer.socket is not None:
            self.loop.run_until_complete(peer.socket.say({"subscribe": wanted}))


def chosen(choice: int, eligible: list[Peer]) -> Peer:
    """One of those who can."""
    return eligible[choice % len(eligible)]


def heavy(stream: Stream, lead: str, number: int) -> StreamItem:
    """An item three of which are too much to be behind."""
    light = item(stream, lead, number)
    if stream is Stream.CONVERSATION_FEED:
        return light.model_copy(update={"text": HEAVY})
    if stream is Stream.SYSTEM_PERFORMANCE:
        return light.model_copy(update={"model_versions": {"m": HEAVY}})
    return light.model_copy(update={"lead_name": HEAVY})


class RelayedHubMachine(HubMachine):
    """One gateway of several: what is published is placed in a log that they share, and relayed into each hub."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[Placed] = []
        self.heads: Counter[Stream] = Counter()
        self.epochs = 0
        self.do(self.adopt, 0)

    @property
    def epoch(self) -> str:
        return f"shared-{self.epochs}"

    def append(self, stream: Stream, one: StreamItem) -> None:
        if stream not in SHARED_STREAMS:
            super().append(stream, one)
            return
        self.heads[stream] += 1
        placed = Placed(Publication.of(stream, one), self.heads[stream], self.clock.now().timestamp() * 1_000)
        self.history.append(placed)
        self.hub.relay(LOCATION, placed)
        self.hub.relay(LOCATION, placed)  # a follower that comes back tells things twice

    def drop_lead(self, digest: str) -> None:
        """At once, with the word of it; what the database knows follows."""
        self.begin_epoch()
        self.hub.forget(LOCATION, digest)
        self.adopt(0)

    @rule(news=some_news, keep=st.integers(0, 6), choice=choices, asleep=st.booleans())
    def adopt_again(self, news: list[tuple[Stream, str]], keep: int, choice: int, asleep: bool) -> None:
        """The follower was away: the hub gets the same log again, of which the newest few publications are still held.

        One client may not have read what was published before that.
        """
        reading = [peer for peer in self.peers if peer.connected and peer.flowing]
        sleeper = chosen(choice, reading) if asleep and reading else None
        if sleeper is not None:
            self.do(sleeper.wire.stall)
            sleeper.behind = True
        self.publish_all(news)
        self.do(self.adopt, keep)
        if sleeper is not None:
            self.do(sleeper.wire.flow)

    @rule()
    def lose_the_shared_log(self) -> None:
        """What can be made again is: under a new epoch."""
        self.begin_epoch()
        self.do(self.adopt, 0)

    @rule(stream=st.sampled_from(SHARED_STREAMS), lead=leads)
    def a_hole_is_noticed(self, stream: Stream, lead: str) -> None:
        placed = Placed(Publication.of(stream, item(stream, lead)), self.heads[stream] + 2, 0.0)
        with pytest.raises(HoleInLog):
            self.do(self.hub.relay, LOCATION, placed)

    def begin_epoch(self) -> None:
        self.epochs += 1
        self.history, self.heads = [], Counter()

    def adopt(self, keep: int) -> None:
        kept = self.history[len(self.history) - min(keep, len(self.history)) :]
        again = {(placed.publication.stream, placed.publication.key) for placed in kept}
        seeds = [
            (stream, one)
            for stream in SHARED_STREAMS
            for key, one in self.held[stream].items()
            if (stream, key) not in again
        ]
        self.hub.adopt(LOCATION, epoch=self.epoch, seeds=seeds, history=kept, heads=dict(self.heads))


SETTINGS = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestHub = HubMachine.TestCase
TestHub.settings = SETTINGS
TestRelayedHub = RelayedHubMachine.TestCase
TestRelayedHub.settings = SETTINGS
