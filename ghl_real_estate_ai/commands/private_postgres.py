"""A PostgreSQL of the bench's own: a cluster in a temporary folder, on a free port, gone afterwards.

Called by ``crm_benchmarks``. Nothing of an installed server is touched.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ghl_real_estate_ai.commands import launch

_START_S: Final = 30.0
_STOP_S: Final = 10.0
_SETTINGS: Final = ("listen_addresses=127.0.0.1", "fsync=on", "max_connections=60")


def programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``: Debian keeps them off the PATH, in one folder per version."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True
    )
    on_path = shutil.which("initdb")
    folders = [*found, *([Path(on_path).parent] if on_path else [])]
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@contextmanager
def private_postgres(folder_of_programs: Path) -> Iterator[str]:
    """The URL of an empty database."""
    port, owner = launch.free_port(0), _owner()
    with tempfile.TemporaryDirectory(prefix="enterprisehub-postgres-") as folder:
        if owner is not None:
            shutil.chown(folder, owner)
        _run(
            [f"{folder_of_programs}/initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust"],
            folder,
            owner,
        )
        options = [part for setting in _SETTINGS for part in ("-c", setting)]
        server = subprocess.Popen(  # noqa: S603  # reason: the programs that were just found, no shell
            [
                f"{folder_of_programs}/postgres",
                "-D",
                f"{folder}/data",
                "-k",
                folder,
                "-p",
                str(port),
                *options,
            ],
            user=owner,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            ready = [f"{folder_of_programs}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            until = time.monotonic() + _START_S
            while subprocess.run(ready, check=False).returncode and time.monotonic() < until:  # noqa: S603  # reason: as above
                time.sleep(0.05)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(_STOP_S)


def _run(command: list[str], folder: str, owner: str | None) -> None:
    subprocess.run(command, user=owner, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # reason: as above


def _owner() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return None
    return "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"
