"""The contest works: the same bytes from every server that is here, everything accounted for. No time is judged."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
import time

import pytest

from ghl_real_estate_ai import budgets
from ghl_real_estate_ai.commands import fanout, peers, rig
from ghl_real_estate_ai.errors import EnterpriseHubError

SMALL = fanout.Size(screens=12, rounds=1, seconds=0.2, closed_seconds=0.2)


def silent(_line: str) -> None:
    """Benchmarks say what they do; tests need not hear it."""


def contest(*, server_s: float = 0.5, crowd_s: float = 0.1, **rates: float) -> fanout.Contest:
    """As if it had been held, with so many deliveries per second of each server, and so much processor time a second."""
    held = fanout.Contest()
    for server, per_s in rates.items():
        name = {"ws": peers.NODE_WS}.get(server, server)
        held.full[name] = [
            fanout.Round(round(per_s), seconds=1.0, cpu_seconds=server_s, crowd_seconds=crowd_s)
        ] * 3
        held.closed[name] = [fanout.Round(round(per_s), seconds=2.0, cpu_seconds=1.0, crowd_seconds=0.2)] * 3
    return held


def test_ours_and_every_peer_that_is_here_are_measured_in_one_run() -> None:
    held = fanout.hold(SMALL, say=silent)
    here = {peer.name for peer in peers.all_peers() if not peer.absent}
    assert {peers.TUTORIAL, peers.BROADCAST} <= here
    assert set(held.full) == set(held.closed) == {fanout.OURS, *here}
    assert set(held.absent) == {peer.name for peer in peers.all_peers()} - here
    for rounds in (*held.full.values(), *held.closed.values()):
        assert [one.deliveries % SMALL.screens for one in rounds] == [0]
        assert all(one.deliveries > 0 and one.per_s > 0 for one in rounds)
        assert all(one.server_share > 0 and one.crowd_share > 0 for one in rounds)
    assert list(held.figures()) == sorted(held.full, key=held.per_s, reverse=True)


def liar() -> peers.Peer:
    """The tutorial's loop, which says outbound for inbound."""
    tutorial = next(peer for peer in peers.all_peers() if peer.name == peers.TUTORIAL)
    source = f"import runpy, sys; sys.argv[0] = {tutorial.command[1]!r}\n"
    lying = source + "from fastapi import WebSocket\nsend = WebSocket.send_text\n"
    lying += "WebSocket.send_text = lambda self, text: send(self, text.replace('inbound', 'outbound'))\n"
    lying += f"runpy.run_path({tutorial.command[1]!r}, run_name='__main__')\n"
    return dataclasses.replace(tutorial, command=(tutorial.command[0], "-c", lying))


def test_a_peer_that_alters_what_it_sends_has_no_figure_and_spoils_nobody_else_s() -> None:
    held = fanout.hold(SMALL, say=silent, contestants=[liar()])
    assert "is not what was sent" in held.absent[peers.TUTORIAL]
    assert list(held.full) == list(held.closed) == [fanout.OURS]
    row = fanout.times(held, peers.TUTORIAL, name="FAN_OUT_TIMES_TUTORIAL", budget=12)
    assert row.figure.startswith("not measured: in round 0 of 1, FastAPI")


def test_when_ours_sends_anything_else_there_is_no_contest() -> None:
    with pytest.raises(EnterpriseHubError, match="is not what was sent"):
        fanout.hold(SMALL, say=silent, contestants=[dataclasses.replace(liar(), name=fanout.OURS)])


def test_a_peer_that_is_not_here_or_does_not_start_is_left_out_with_its_reason() -> None:
    gone = peers.Peer(peers.NODE_WS, ("node",), "/", absent="node is not installed")
    broken = peers.Peer(peers.SOCKET_IO, (sys.executable, "-c", "raise SystemExit(3)"), "/")
    held = fanout.hold(SMALL, say=silent, contestants=[gone, broken])
    row = fanout.times(held, peers.NODE_WS, name="FAN_OUT_TIMES_NODE_WS", budget=10)
    assert row.figure == "not measured: node is not installed"
    assert row.verdict == "-"
    assert row.passed
    assert held.words()[peers.NODE_WS] == "not measured: node is not installed"
    assert held.absent[peers.SOCKET_IO] == "Socket.IO does not listen; it ended with 3"
    assert list(held.full) == [fanout.OURS]


def test_times_are_compared_round_by_round_and_more_is_better() -> None:
    row = fanout.times(
        contest(ours=1_500_000, ws=60_000),
        peers.NODE_WS,
        name="FAN_OUT_TIMES_NODE_WS",
        budget=budgets.FAN_OUT_TIMES_NODE_WS,
    )
    assert row.measured == row.ratio == 25
    assert row.passed
    assert row.samples == 4_500_000
    assert row.figures[peers.NODE_WS]["cpu_us"] == pytest.approx(0.5e6 / 60_000)


def test_the_closed_loop_compares_processor_time_per_delivery() -> None:
    row = fanout.cpu_ratio(contest(ours=40_000, ws=50_000))
    assert row.measured == pytest.approx(50 / 40)
    assert not row.passed


@pytest.mark.parametrize(
    ("server_s", "crowd_s", "said"),
    [
        (0.97, 0.4, "the server was busy 97%, the crowd 40%: its capacity"),
        (0.7, 0.95, "the crowd was busy 95% while it received 50,000/s, the server 70%: a lower bound of its capacity"),
        (0.6, 0.5, "not saturated: the server was busy 60%, the crowd 50%; a lower bound of its capacity; 3 of 3 rounds not saturated"),
    ],
)  # fmt: skip
def test_what_a_rate_is_worth_is_said_by_who_was_busy(server_s: float, crowd_s: float, said: str) -> None:
    held = contest(server_s=server_s, crowd_s=crowd_s, ours=50_000)
    assert fanout.limit(held.figures()["ours"]) == said
    assert held.words()["ours"].endswith(said)


def test_one_idle_round_among_busy_ones_is_told() -> None:
    held = contest(server_s=0.95, ours=50_000)
    held.full["ours"][0] = fanout.Round(50_000, seconds=1.0, cpu_seconds=0.2, crowd_seconds=0.2)
    assert fanout.limit(held.figures()["ours"]).endswith("its capacity; 1 of 3 rounds not saturated")


def test_a_process_s_time_is_its_own_clock_s_finer_than_a_kernel_tick_and_threads_that_ended_count() -> None:
    def burn() -> None:
        done = time.thread_time() + 0.05
        while time.thread_time() < done:
            pass

    own = os.getpid()
    before = rig.cpu_seconds(own)
    thread = threading.Thread(target=burn)
    thread.start()
    thread.join()
    assert rig.cpu_seconds(own) - before >= 0.05
    low, seen, high = time.process_time(), rig.cpu_seconds(own), time.process_time()
    assert low <= seen <= high


def test_a_small_item_is_as_long_as_was_said_and_known_again() -> None:
    assert len(rig.item_json(1)) == len(rig.item_json(123_456)) == rig.ITEM_BYTES
    assert rig.is_item(rig.FEED, 7, json.loads(rig.item_json(7)))
    assert not rig.is_item(rig.FEED, 8, json.loads(rig.item_json(7)))


def test_processors_are_given_back() -> None:
    before = os.sched_getaffinity(0)
    with rig.on_processor(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_a_machine_that_allows_too_few_files_is_said_to() -> None:
    assert rig.allow_sockets(100) == ""
    assert "open files" in rig.allow_sockets(10**9)
