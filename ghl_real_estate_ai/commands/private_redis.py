"""A Redis of the bench's own: on a free port, nothing on disk, gone afterwards. Called by ``across_processes``.

Debian's server is the program that checks its dumps, under another name: `redis-tools` is enough, and no service is started.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ghl_real_estate_ai.commands import launch

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
        # the name decides what the program does
        command = launch.dying_with_us(["redis-server", *options], program=executable)
        server = subprocess.Popen(  # noqa: S603  # reason: the program that was just found, no shell
            command,
            executable=None if sys.platform == "linux" else executable,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            launch.wait_until_listening(port, process=server, name="Redis")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(_STOP_S)
