"""What a demo or a measurement started ends with it, however it ends; and a demo ends when its gateway does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import port_of_its_own

pytestmark = [
    pytest.mark.untraced,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died"),
]

WAIT_S = 120.0


def until(done: Callable[[], bool], *, what: str) -> None:
    started = time.monotonic()
    while not done():
        assert time.monotonic() - started < WAIT_S, what
        time.sleep(0.05)


@contextmanager
def started(folder: Path, *arguments: str, says: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A command of ours that has said so much, and what it says."""
    said = folder / "said.log"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ghl_real_estate_ai.cli", *arguments],
            cwd=folder,
            env={
                **os.environ,
                "COLUMNS": "300",
                "ENTERPRISEHUB_PORT": str(port_of_its_own()),
                "ENTERPRISEHUB_DASHBOARD_PORT": str(port_of_its_own()),
            },
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: says in said.read_text() or process.poll() is not None, what="it said nothing")
        assert process.poll() is None, said.read_text()
        yield process, said
    finally:
        process.kill()
        process.wait(WAIT_S)


def children(pid: int) -> list[int]:
    """The processes that this one started, and theirs."""
    direct = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return direct + [below for child in direct for below in children(child)]


def runs(pid: int) -> bool:
    """Whether it does; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("arguments", "says", "least"),
    [
        (["demo", "--leads", "5"], "Ctrl-C", 2),
        (["load", "--viewers", "1", "--seconds", "600"], "viewers", 1),
    ],
    ids=["demo", "load"],
)
def test_nothing_outlives_a_command_that_is_killed(
    tmp_path: Path, arguments: list[str], says: str, least: int
) -> None:
    with started(tmp_path, *arguments, says=says) as (process, _):
        below = children(process.pid)
        assert len(below) >= least, "gateway, dashboard"
        process.kill()
        process.wait(WAIT_S)
    until(lambda: not any(map(runs, below)), what=f"still running: {[pid for pid in below if runs(pid)]}")


def test_a_demo_whose_gateway_died_says_so_and_ends_with_a_code(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--leads", "5", "--no-dashboard", says="Ctrl-C") as (process, said):
        (gateway,) = children(process.pid)
        os.kill(gateway, signal.SIGKILL)
        assert process.wait(WAIT_S) == 1
    assert "the demo's gateway ended with code -9" in said.read_text()
    assert "Traceback" not in said.read_text()
