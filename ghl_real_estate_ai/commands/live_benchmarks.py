"""The live path in hard times: clients that stall, vanish or come all at once, a busy neighbour, and the whole way at load.

Called by ``benchmarks``. Each measures a gateway of its own, as ``serve`` runs it, with screens that account for
everything that they get.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Final

import uvloop

from ghl_real_estate_ai import budgets, limits
from ghl_real_estate_ai.commands import crowd, fanout_server, measuring, rig
from ghl_real_estate_ai.commands.measuring import Say
from ghl_real_estate_ai.commands.rows import Row
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.simulation.load import paced
from ghl_real_estate_ai.simulation.screens import Ages, Crowd

STORM: Final = 5_000
STORM_ROUNDS: Final = 3
STORM_SEATS: Final = STORM * STORM_ROUNDS
"""Users enough for all rounds together: the gateway may still count a round's sockets when the next one comes."""
RESUMING: Final = 1_000
RESUME_SEATS: Final = 2 * RESUMING
"""In the same way: a screen may be back before the gateway knows that it had gone."""
_SEED: Final = 7
_BURST: Final = 32
_STALLED_FOR: Final = 40_000
"""Publications, 13 MB: more than the kernel keeps for a socket that nobody reads (some 4 MB) and the gateway together."""


# --- slow clients ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slow:
    """What the slow cost the others: ``grown_mb`` of the gateway's memory, and what went wrong, in words."""

    grown_mb: float
    deliveries: int
    ends: str
    trouble: str


def slow_clients(say: Say) -> Row:
    """Memory that ten stalled screens cost, while the other 190 must get everything."""
    say(f"SLOW_CLIENTS: 10 of 200 screens stop reading, {_STALLED_FOR:,} publications")
    with rig.our_server(200) as server, rig.on_processor(1):
        slow = uvloop.run(stall(server, screens=200, stalled=10, publications=_STALLED_FOR))
    return Row(
        name="SLOW_CLIENTS",
        what="memory growth of the gateway while 10 of 200 screens do not read; the others miss nothing",
        measured=slow.grown_mb,
        unit="MB",
        budget=budgets.SLOW_CLIENTS,
        samples=slow.deliveries,
        beside={"the slow ones": slow.ends},
        failed=slow.trouble,
    )


async def stall(server: rig.Server, *, screens: int, stalled: int, publications: int) -> Slow:
    """Fill the ring, let some stop reading, publish, and look at memory and at the account of the others."""
    async with (
        rig.publisher(server) as publisher,
        rig.crowd(server, stalled) as slow,
        rig.crowd(server, screens - stalled) as quick,
    ):
        await _publish(quick, publisher, limits.TOPIC_RING_FRAMES * 2)  # the ring is full: it grows no more
        await rig.arrived(slow, publisher.sent)
        before, first = measuring.rss_mb(server.pid), publisher.sent
        for screen in slow.screens:
            screen.stop_reading()
        most = before
        for _ in range(10):
            await _publish(quick, publisher, publications // 10)
            most = max(most, measuring.rss_mb(server.pid))
        for screen in slow.screens:
            screen.go_on_reading()
        await _until_settled(slow, publisher.sent)
        missed = sum(publisher.sent - screen.places.get(rig.FEED, 0) for screen in quick.screens)
        kept_up = _caught_up(slow, publisher.sent)
        swallowed = (
            f"{kept_up} of {stalled} slow ones caught up: the kernel kept it all for them" if kept_up else ""
        )
        trouble = ", ".join(filter(None, [quick.trouble(), f"{missed} missed" if missed else "", swallowed]))
        return Slow(most - before, (publisher.sent - first) * (screens - stalled), _ends(slow), trouble)


def _ends(slow: Crowd) -> str:
    ends = {f"closed with {code}": count for code, count in slow.closed.items()} | {"dropped": slow.lost}
    return ", ".join(f"{count} {end}" for end, count in ends.items() if count) or "caught up"


def _caught_up(slow: Crowd, offset: int) -> int:
    return sum(screen.places.get(rig.FEED, 0) == offset for screen in slow.screens)


async def _publish(screens: Crowd, publisher: rig.Publisher, count: int) -> None:
    """In bursts, each when everybody has the one before."""
    left = count
    while left > 0:
        publisher.publish(min(_BURST, left))
        left -= _BURST
        await rig.arrived(screens, publisher.sent)


async def _until_settled(slow: Crowd, offset: int) -> None:
    """Those that read again learn that they were too slow, by a close code or by a connection that is gone; or catch up."""
    deadline = time.monotonic() + rig.ARRIVE_WITHIN_S
    while time.monotonic() < deadline:
        if _caught_up(slow, offset) + sum(slow.closed.values()) + slow.lost >= len(slow.screens):
            return
        await asyncio.sleep(0.05)


# --- resume and connect storms --------------------------------------------------------------------------------------


def resume_storm(say: Say) -> Row:
    """Gaps and doubles of 1,000 screens that vanish and resume at random."""
    say(f"RESUME_STORM: {RESUMING:,} screens vanish and resume, 100 publications/s for 10 s")
    with rig.our_server(RESUME_SEATS) as server, rig.on_processor(1):
        storm = uvloop.run(resume(server, screens=RESUMING, per_second=100, seconds=10))
    return Row(
        name="RESUME_STORM",
        what="gaps and doubles of 1,000 screens that vanish at random and resume",
        measured=storm.gaps + storm.doubles,
        unit="",
        budget=budgets.RESUME_STORM,
        samples=storm.received[rig.FEED],
        beside={"resumed": f"{storm.resumed} times"},
        failed=storm.trouble() if storm.wrong or storm.closed or storm.lost else "",
    )


async def resume(server: rig.Server, *, screens: int, per_second: float, seconds: float) -> Crowd:
    """Each screen vanishes once, at a moment of its own, and comes back with its place; the account of all."""
    moments = random.Random(_SEED)  # noqa: S311  # reason: a storm that can be repeated, no secret

    async with rig.publisher(server) as publisher, rig.crowd(server, screens) as crowd_of_all:

        async def vanish(number: int) -> None:
            await asyncio.sleep(moments.uniform(0, seconds * 0.8))
            crowd_of_all.screens[number].vanish()
            await asyncio.sleep(moments.uniform(0, seconds * 0.2))
            await crowd_of_all.screens[number].connect()
            await crowd_of_all.screens[number].served.wait()

        async with asyncio.timeout(seconds + rig.ARRIVE_WITHIN_S), asyncio.TaskGroup() as tasks:
            for number in range(screens):
                tasks.create_task(vanish(number))
            async for _ in paced(per_second, round(per_second * seconds)):
                publisher.publish()
        if not await rig.arrived(crowd_of_all, publisher.sent):
            crowd_of_all.wrong["screens without the last publication"] += 1
        missing = publisher.sent * screens - crowd_of_all.received[rig.FEED]
        crowd_of_all.gaps += missing  # none: every publication came exactly once to everybody
        return crowd_of_all


def connect_storm(say: Say) -> Row:
    """Seconds until 5,000 screens that come at once are all served."""
    what = f"{STORM} screens connect at once: all served, none refused"
    too_few = rig.allow_sockets(STORM)
    if too_few:
        return Row.left_out("CONNECT_STORM_S", what, why=too_few)
    say(f"CONNECT_STORM_S: {STORM} screens, {STORM_ROUNDS} rounds")
    with rig.our_server(STORM_SEATS) as server, rig.on_processor(1):
        cpu = rig.cpu_seconds(server.pid)
        seconds = [uvloop.run(connect(server, screens=STORM)) for _ in range(STORM_ROUNDS)]
        cpu_ms = (rig.cpu_seconds(server.pid) - cpu) * 1_000 / (STORM_ROUNDS * STORM)
    return Row(
        name="CONNECT_STORM_S",
        what=what,
        measured=max(seconds),
        unit="s",
        budget=budgets.CONNECT_STORM_S,
        samples=STORM_ROUNDS * STORM,
        beside={"CPU of the gateway": f"{cpu_ms:.2f} ms per screen"},
    )


async def connect(server: rig.Server, *, screens: int) -> float:
    """All handshakes at the same time; seconds until the last screen is served. Raises EnterpriseHubError on a refusal."""
    storm = Crowd(server.door, screens)
    started = time.perf_counter()
    await rig.opened(storm, server.name, at_once=screens)
    seconds = time.perf_counter() - started
    for screen in storm.screens:
        screen.vanish()
    await asyncio.sleep(0)
    return seconds


# --- a busy thread --------------------------------------------------------------------------------------------------


def busy_thread(say: Say) -> Row:
    """p99 of publish -> receive with a thread that computes, over the p99 without it."""
    say("BUSY_THREAD_TIMES: 1,000 screens, 20 publications/s, 3 rounds of 4 s each way")
    with rig.our_server(1_000) as server, rig.on_processor(1):
        idle, busy = uvloop.run(disturb(server, screens=1_000, per_second=20, seconds=4, rounds=3))
    return Row(
        name="BUSY_THREAD_TIMES",
        what="p99 of publish to receive with a computing thread in the gateway, over that without",
        measured=busy.quantile(0.99) / idle.quantile(0.99),
        unit="x",
        budget=budgets.BUSY_THREAD_TIMES,
        samples=busy.count,
        beside={
            name: f"p50 {ages.quantile(0.5):.1f} ms, p99 {ages.quantile(0.99):.1f} ms"
            for name, ages in (("alone", idle), ("beside the thread", busy))
        },
    )


async def disturb(
    server: rig.Server, *, screens: int, per_second: float, seconds: float, rounds: int
) -> tuple[Ages, Ages]:
    """Ages on arrival without and with the busy thread, in turn."""
    idle, busy = Ages(), Ages()
    async with rig.publisher(server) as publisher, rig.crowd(server, screens) as watching:
        for _ in range(rounds):
            for word, ages in ((fanout_server.IDLE, idle), (fanout_server.BUSY, busy)):
                publisher.say(word)
                await asyncio.sleep(0.5)
                watching.ages = ages
                async for _ in paced(per_second, round(per_second * seconds)):
                    publisher.publish()
                await rig.arrived(watching, publisher.sent)
                watching.ages = None
        publisher.say(fanout_server.IDLE)
    return idle, busy


# --- the whole path -------------------------------------------------------------------------------------------------


def whole_path(say: Say) -> Row:
    """p99 of publish -> receive with 200 webhooks a second and 1,000 screens that follow every stream."""
    load = crowd.Load(viewers=1_000, per_second=200, seconds=20)
    say(
        f"WHOLE_PATH_P99_MS: {load.viewers} screens, {load.per_second:g} signed webhooks/s for {load.seconds:g} s"
    )
    result = crowd.run(load, say=say)
    p50, p95, p99, p99_9 = result.ages.quantiles(0.5, 0.95, 0.99, 0.999)
    return Row(
        name="WHOLE_PATH_P99_MS",
        what="publish to receive, p99, at 200 signed webhooks/s and 1,000 screens",
        measured=p99,
        unit="ms",
        budget=budgets.WHOLE_PATH_P99_MS,
        samples=result.ages.count,
        stages={"p50": p50, "p95": p95, "p99.9": p99_9},
        beside={
            "webhook to 2xx": f"p50 {measuring.quantile(result.acks, 0.5):.1f} ms,"
            f" p99 {measuring.quantile(result.acks, 0.99):.1f} ms",
            "webhook to scores published": f"{result.judged_after_s:.2f} s on average",
            "messages received": f"{result.received} of {result.expected}",
            "lead scores received": f"{result.publications.get(Stream.LEAD_SCORES, 0)}",
            "CPU": f"gateway {result.cpu_share:.0%} of a processor, screens and senders {result.own_cpu_share:.0%}",
        },
        failed=result.trouble,
    )
