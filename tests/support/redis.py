"""A private Redis for the tests: on a free port, nothing on disk unless asked for, gone at the end.

Gives the fixtures ``redis_server`` (one per session), ``redis_url`` (an empty database of it per test) and ``own_redis``
(a server that the test may kill).
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.ports import port_of_its_own

MISSING = "Redis is missing; `apt-get install --no-install-recommends redis-tools` brings its program, and no service"
START_WAIT_S = 60.0
STOP_WAIT_S = 10.0
DATABASES = 16


def find_program() -> str | None:
    """The server's program: Debian's is the same file as the checker of its dumps, under another name."""
    return shutil.which("redis-server") or shutil.which("redis-check-rdb")


def required_program() -> str:
    """The same; without it the test is skipped, or fails where ENTERPRISEHUB_REQUIRE_REDIS=1 demands it."""
    program = find_program()
    if program is not None:
        return program
    if os.environ.get("ENTERPRISEHUB_REQUIRE_REDIS") == "1":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


class RedisServer:
    """One server on one port. ``kill`` and ``start`` are there for tests of a lost broker."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port_of_its_own()

    def url(self, database: int = 0) -> str:
        """The URL as an operator writes it."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def start(self, *, keeps: bool = False) -> None:
        """Start, and return when it answers. ``keeps``: what was written survives a kill (append-only file)."""
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self._folder,
            "save": "",
            "appendonly": "yes" if keeps else "no",
            "appendfsync": "always",
            "databases": DATABASES,
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["redis-server", *arguments], executable=self._program, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_WAIT_S
        while True:
            try:
                with redis.Redis.from_url(self.url()) as client:
                    client.ping()
            except redis.ConnectionError:  # refused, or still loading its file
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """SIGKILL: as good as a power cut for the process."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """A clean stop."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(STOP_WAIT_S)
        self._process = None


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A running server; skips with one line when the program is missing, fails when it is required."""
    program = required_program()
    with tempfile.TemporaryDirectory(prefix="enterprisehub-redis-") as folder:
        server = RedisServer(program, Path(folder))
        server.start()
        yield server
        server.stop()


_database = itertools.count()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of an empty database of the session's server."""
    url = redis_server.url(next(_database) % DATABASES)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A running server of the test's own."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(required_program(), folder)
    server.start()
    yield server
    server.stop()
