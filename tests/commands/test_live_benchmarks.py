"""Hard times, small: each instrument runs against a real gateway and accounts for everything. No time is judged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ghl_real_estate_ai import budgets, limits
from ghl_real_estate_ai.commands import live_benchmarks, rig
from ghl_real_estate_ai.settings import Settings


def test_screens_that_stop_reading_take_nothing_from_the_others() -> None:
    with rig.our_server(12) as server:
        slow = asyncio.run(live_benchmarks.stall(server, screens=12, stalled=2, publications=40_000))
    assert slow.trouble == ""
    assert slow.deliveries == 400_000
    assert slow.ends != "caught up"


def test_a_run_in_which_nothing_stalled_because_the_kernel_kept_it_all_has_failed() -> None:
    with rig.our_server(12) as server:
        slow = asyncio.run(live_benchmarks.stall(server, screens=12, stalled=2, publications=100))
    assert slow.trouble == "2 of 2 slow ones caught up: the kernel kept it all for them"


def test_a_storm_of_handshakes_is_served_and_screens_that_vanish_come_back_without_gap_or_double() -> None:
    with rig.our_server(
        80
    ) as server:  # other users enough, should the gateway still count those that have gone
        assert asyncio.run(live_benchmarks.connect(server, screens=40)) > 0
        storm = asyncio.run(live_benchmarks.resume(server, screens=20, per_second=50, seconds=2))
    assert storm.trouble() == ""
    assert storm.resumed == 20
    assert storm.received[rig.FEED] == 20 * 100


def test_ages_are_taken_with_and_without_the_busy_thread() -> None:
    with rig.our_server(5) as server:
        idle, busy = asyncio.run(
            live_benchmarks.disturb(server, screens=5, per_second=50, seconds=0.4, rounds=2)
        )
    assert idle.count == busy.count == 5 * 20 * 2
    assert idle.quantile(0.99) > 0


@pytest.mark.parametrize(
    ("screens", "rounds", "seats"),
    [
        (live_benchmarks.STORM, live_benchmarks.STORM_ROUNDS, live_benchmarks.STORM_SEATS),
        (live_benchmarks.RESUMING, 2, live_benchmarks.RESUME_SEATS),
    ],
)
def test_no_user_runs_out_of_seats_though_the_gateway_still_counts_all_that_vanished(
    screens: int, rounds: int, seats: int, tmp_path: Path
) -> None:
    users = len(rig.tokens(Settings(data_dir=tmp_path, jwt_secret="s" * 40), seats))
    of_each = -(-screens // users)
    assert of_each * rounds <= limits.CONNECTIONS_PER_USER


def test_the_storm_is_as_large_as_promised() -> None:
    assert live_benchmarks.STORM == 5_000
    assert budgets.CONNECT_STORM_S > 0
