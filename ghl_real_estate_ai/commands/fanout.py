"""Fan-out, ours and the peers' in one run: deliveries per second with many publishes in flight, and CPU per delivery.

Called by ``benchmarks``; ``bench_report`` takes its words. All servers hold their 1,000 screens all the time and are
measured in turn, round by round, so that a slow minute of the machine hits everybody. A server whose screens missed,
doubled or altered anything has no figure: without ours the run has failed, any other is left out with the reason.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, field
from typing import Final

import uvloop

from ghl_real_estate_ai import budgets
from ghl_real_estate_ai.commands import peers, rig
from ghl_real_estate_ai.commands.measuring import Say
from ghl_real_estate_ai.commands.rows import Row
from ghl_real_estate_ai.errors import EnterpriseHubError
from ghl_real_estate_ai.simulation.screens import Crowd

OURS: Final = "ours"
WINDOW: Final = 32
"""Publishes in flight when the capacity is measured; the next half of them goes when everybody has the half before."""

BUSY: Final = 0.9
"""Share of a processor from which its process is the limit: deliveries per second are then as many as it can do."""

_LOOK_S: Final = 0.5
"""How often a running round looks whether something went wrong."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    screens: int = 1_000
    rounds: int = 7
    seconds: float = 2.0
    closed_seconds: float = 1.5


@dataclass(frozen=True)
class Round:
    """What one round of one server showed; processor time of the server, and of the process that holds its screens."""

    deliveries: int
    seconds: float
    cpu_seconds: float
    crowd_seconds: float

    @property
    def per_s(self) -> float:
        """Deliveries per second."""
        return self.deliveries / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's processor per delivery."""
        return self.cpu_seconds * 1e6 / self.deliveries

    @property
    def server_share(self) -> float:
        """Share of a processor that the server used."""
        return self.cpu_seconds / self.seconds

    @property
    def crowd_share(self) -> float:
        """Share of a processor that the screens used."""
        return self.crowd_seconds / self.seconds

    @property
    def saturated(self) -> bool:
        """Whether one of the two could not have done more."""
        return max(self.server_share, self.crowd_share) >= BUSY


@dataclass
class Contest:
    """All rounds, by server: ``full`` with WINDOW publishes in flight, ``closed`` with one. Why others are absent."""

    full: dict[str, list[Round]] = field(default_factory=dict)
    closed: dict[str, list[Round]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def leave_out(self, server: str, why: str) -> None:
        """It has no figures, for this reason."""
        self.full.pop(server, None)
        self.closed.pop(server, None)
        self.absent[server] = why

    def per_s(self, server: str) -> float:
        """Median deliveries per second."""
        return statistics.median(one.per_s for one in self.full[server])

    def cpu_us(self, server: str) -> float:
        """Median microseconds per delivery in the closed loop."""
        return statistics.median(one.cpu_us for one in self.closed[server])

    def times(self, peer: str) -> float:
        """Deliveries per second, ours over a peer's: the median of the rounds, since both had the same minute."""
        return statistics.median(
            ours.per_s / theirs.per_s for ours, theirs in zip(self.full[OURS], self.full[peer], strict=True)
        )

    def cpu_ratio(self, peer: str) -> float:
        """CPU per delivery in the closed loop, ours over a peer's, in the same way."""
        return statistics.median(
            ours.cpu_us / theirs.cpu_us
            for ours, theirs in zip(self.closed[OURS], self.closed[peer], strict=True)
        )

    def figures(self) -> dict[str, dict[str, float]]:
        """For the report: the medians of each server, fastest first."""
        return {
            server: {
                "deliveries_per_s": self.per_s(server),
                "cpu_us": statistics.median(one.cpu_us for one in self.full[server]),
                "cpu_us_closed": self.cpu_us(server),
                "server_share": statistics.median(one.server_share for one in self.full[server]),
                "crowd_share": statistics.median(one.crowd_share for one in self.full[server]),
                "rounds": len(self.full[server]),
                "not_saturated": sum(not one.saturated for one in self.full[server]),
            }
            for server in sorted(self.full, key=self.per_s, reverse=True)
        }

    def words(self) -> dict[str, str]:
        """For the table."""
        measured = {
            server: f"{of['deliveries_per_s']:,.0f} deliveries/s, {of['cpu_us']:.2f} us of CPU each;"
            f" one at a time {of['cpu_us_closed']:.2f} us; {limit(of)}"
            for server, of in self.figures().items()
        }
        return {**measured, **{server: f"not measured: {why}" for server, why in self.absent.items()}}


def limit(of: Mapping[str, float]) -> str:
    """What kept a server's deliveries per second from being more, by its figures: only the first is its capacity."""
    server, crowd = f"{of['server_share']:.0%}", f"{of['crowd_share']:.0%}"
    idle = (
        f"; {of['not_saturated']:.0f} of {of['rounds']:.0f} rounds not saturated"
        if of["not_saturated"]
        else ""
    )
    if of["server_share"] >= BUSY:
        return f"the server was busy {server}, the crowd {crowd}: its capacity{idle}"
    if of["crowd_share"] >= BUSY:
        return (
            f"the crowd was busy {crowd} while it received {of['deliveries_per_s']:,.0f}/s, the server {server}:"
            f" a lower bound of its capacity{idle}"
        )
    return (
        f"not saturated: the server was busy {server}, the crowd {crowd}; a lower bound of its capacity{idle}"
    )


def hold(size: Size, *, say: Say, contestants: Sequence[peers.Peer] | None = None) -> Contest:
    """Run it. Raises EnterpriseHubError when ours does not start, or one of its screens got anything but what was sent."""
    with ExitStack() as stack:
        contest, servers = Contest(), [stack.enter_context(rig.our_server(size.screens))]
        for peer in peers.all_peers() if contestants is None else contestants:
            if peer.absent:
                contest.absent[peer.name] = peer.absent
                continue
            try:
                servers.append(stack.enter_context(rig.peer_server(peer)))
            except EnterpriseHubError as error:  # the others can be measured all the same
                contest.absent[peer.name] = str(error)
        say(
            f"  {size.screens} screens at each of {', '.join(server.name for server in servers)}; {rig.places()}"
        )
        with rig.on_processor(1):
            uvloop.run(_rounds(contest, servers, size))
    return contest


async def _rounds(contest: Contest, servers: Sequence[rig.Server], size: Size) -> None:
    async with AsyncExitStack() as stack:
        stalls = [
            (
                server,
                await stack.enter_async_context(rig.crowd(server, size.screens)),
                await stack.enter_async_context(rig.publisher(server)),
            )
            for server in servers
        ]
        gc.freeze()
        for number in range(size.rounds + 1):  # the first round warms up
            for stall in tuple(stalls):
                server, crowd, publisher = stall
                try:
                    full = await in_flight(server, crowd, publisher, window=WINDOW, seconds=size.seconds)
                    closed = await in_flight(server, crowd, publisher, window=1, seconds=size.closed_seconds)
                except EnterpriseHubError as error:
                    if server.name == OURS:
                        raise
                    contest.leave_out(server.name, f"in round {number} of {size.rounds}, {error}")
                    stalls.remove(stall)
                    continue
                if number:
                    contest.full.setdefault(server.name, []).append(full)
                    contest.closed.setdefault(server.name, []).append(closed)
        gc.unfreeze()


async def in_flight(
    server: rig.Server, crowd: Crowd, publisher: rig.Publisher, *, window: int, seconds: float
) -> Round:
    """Keep so many publishes in flight for so long, then wait for the last of them at every screen."""
    step = max(1, window // 2)
    first, finished = publisher.sent, asyncio.Event()
    before = crowd.received[rig.FEED]
    cpu_before, crowd_before = rig.cpu_seconds(server.pid), time.process_time()
    started = time.perf_counter()

    def reached(goal: int) -> None:
        if time.perf_counter() - started < seconds:
            publisher.publish(step)
        elif first + goal * step == publisher.sent:
            finished.set()

    crowd.on_every(step, rig.FEED, reached, after=first)
    publisher.publish(window)
    await _finished_or_wrong(finished, crowd, within_s=seconds + rig.ARRIVE_WITHIN_S)
    taken = time.perf_counter() - started
    if crowd.trouble() or not finished.is_set():
        raise EnterpriseHubError(f"{server.name}: {crowd.trouble() or 'not every screen got everything'}")
    return Round(
        deliveries=crowd.received[rig.FEED] - before,
        seconds=taken,
        cpu_seconds=rig.cpu_seconds(server.pid) - cpu_before,
        crowd_seconds=time.process_time() - crowd_before,
    )


async def _finished_or_wrong(finished: asyncio.Event, crowd: Crowd, *, within_s: float) -> None:
    """Until either: a run in which something went wrong would never finish."""
    deadline = time.monotonic() + within_s
    while not finished.is_set() and not crowd.trouble() and time.monotonic() < deadline:
        with suppress(TimeoutError):
            await asyncio.wait_for(finished.wait(), _LOOK_S)


# --- rows -----------------------------------------------------------------------------------------------------------


@functools.cache
def _contest(say: Say) -> Contest:
    """Held once for the three rows that read it."""
    size = Size()
    say(
        f"FAN_OUT_..., CLOSED_LOOP_CPU_RATIO: {size.rounds} rounds of {size.seconds:g} s and {size.closed_seconds:g} s each"
    )
    return hold(size, say=say)


def times_node_ws(say: Say) -> Row:
    """Deliveries per second of our hub over those of Node's ws."""
    return times(
        _contest(say), peers.NODE_WS, name="FAN_OUT_TIMES_NODE_WS", budget=budgets.FAN_OUT_TIMES_NODE_WS
    )


def times_tutorial(say: Say) -> Row:
    """Deliveries per second of our hub over those of a loop that sends to each."""
    return times(
        _contest(say), peers.TUTORIAL, name="FAN_OUT_TIMES_TUTORIAL", budget=budgets.FAN_OUT_TIMES_TUTORIAL
    )


def closed_loop_cpu(say: Say) -> Row:
    """CPU per delivery, ours over Node ws, when the next publish waits until everybody has the last."""
    return cpu_ratio(_contest(say))


def cpu_ratio(contest: Contest) -> Row:
    """The row of a contest."""
    what = f"CPU per delivery with one publish at a time, ours over {peers.NODE_WS}"
    if peers.NODE_WS in contest.absent:
        return Row.left_out("CLOSED_LOOP_CPU_RATIO", what, why=contest.absent[peers.NODE_WS])
    return Row(
        name="CLOSED_LOOP_CPU_RATIO",
        what=what,
        measured=contest.cpu_ratio(peers.NODE_WS),
        unit="x",
        budget=budgets.CLOSED_LOOP_CPU_RATIO,
        samples=sum(one.deliveries for one in contest.closed[OURS]),
        peer=peers.NODE_WS,
        peer_measured=1.0,
        beside={server: f"{contest.cpu_us(server):.2f} us" for server in (OURS, peers.NODE_WS)},
    )


def times(contest: Contest, peer: str, *, name: str, budget: float) -> Row:
    """The row of one peer."""
    what = f"deliveries per second over those of {peer}, {WINDOW} publishes in flight"
    if peer in contest.absent:
        return Row.left_out(name, what, why=contest.absent[peer])
    return Row(
        name=name,
        what=what,
        measured=contest.times(peer),
        unit="x",
        budget=budget,
        samples=sum(one.deliveries for one in contest.full[OURS]),
        peer=peer,
        peer_measured=1.0,
        more_is_better=True,
        beside=contest.words(),
        figures=contest.figures(),
    )
