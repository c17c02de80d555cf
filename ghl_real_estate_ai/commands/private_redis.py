"""A Redis of the bench's own: on a free port, nothing on disk, gone afterwards. Called by ``across_processes``.

Debian's server is the program that checks its dumps, under another name: `redis-tools` is enough, and no service is started.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ghl_real_estate_ai.commands import launch
from ghl_real_estate_ai.errors import EnterpriseHubError

_START_S: Final = 20.0
_STOP_S: Final = 10.0


def program() -> str | None:
    """The server's program, if it is installed."""
    return shutil.which("redis-server") or shutil.which("redis-check-rdb")


@contextmanager
def private_redis(executable: str) -> Iterator[str]:
    """The URL of an empty Redis."""
    port = launch.free_port(0)
    with tempfile.TemporaryDirectory(prefix="enterprisehub-redis-") as folder:
        options = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            folder,
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        server = subprocess.Popen(  # noqa: S603  # reason: the program that was just found, no shell
            ["redis-server", *options],  # noqa: S607  # reason: the name decides what the program does
            executable=executable,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(port, server)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(_STOP_S)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_S
    while launch.free_port(port) == port:  # nobody listens yet
        if server.poll() is not None or time.monotonic() > until:
            raise EnterpriseHubError("Redis did not start")
        time.sleep(0.02)
