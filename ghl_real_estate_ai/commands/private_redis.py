"""A Redis of the bench's own: on a free port, nothing on disk, gone afterwards. Called by ``across_processes``.

Debian's server is the program that checks its dumps, under another name: `redis-tools` is enough, and no service is started.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ghl_real_estate_ai.commands import launch


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
        command = ["redis-server", *options]  # the name decides what the program does
        log = Path(folder) / "redis.log"
        with launch.child(command, env=os.environ, log=log, program=executable) as server:
            launch.wait_until_listening(port, process=server, name="Redis")
            yield f"redis://127.0.0.1:{port}/0"
