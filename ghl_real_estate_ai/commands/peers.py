"""The servers that the bench measures beside ours, and why one of them cannot be. Called by ``rig`` and ``fanout``.

Their sources are in ``bench/peers`` of a checkout; the Node ones need what ``scripts/bench_peers.sh`` installs.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_SOURCES: Final = _ROOT / "bench" / "peers"
_NODE_MODULES: Final = _ROOT / ".tools" / "peers" / "node_modules"

NODE_WS: Final = "Node ws"
SOCKET_IO: Final = "Socket.IO"
TUTORIAL: Final = "FastAPI tutorial"
BROADCAST: Final = "websockets.broadcast"


@dataclass(frozen=True)
class Peer:
    """How it is started: ``command`` and two ports. ``absent``: why it cannot be; empty when it can."""

    name: str
    command: tuple[str, ...]
    path: str
    openings: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    absent: str = ""


def all_peers() -> list[Peer]:
    """In the order in which they are measured."""
    return [
        _node(NODE_WS, "node_ws.js", package="ws", path="/"),
        _python(TUTORIAL, "tutorial.py", path="/ws"),
        _node(
            SOCKET_IO,
            "socket_io.js",
            package="socket.io",
            path="/socket.io/?EIO=4&transport=websocket",
            openings=1,
        ),
        _python(BROADCAST, "websockets_broadcast.py", path="/"),
    ]


def _python(name: str, file: str, *, path: str) -> Peer:
    source = _SOURCES / file
    absent = "" if source.exists() else f"{file} is not here: run the bench in a checkout"
    return Peer(name, (sys.executable, str(source)), path, absent=absent)


def _node(name: str, file: str, *, package: str, path: str, openings: int = 0) -> Peer:
    source, node, absent = _SOURCES / file, shutil.which("node"), ""
    if not source.exists():
        absent = f"{file} is not here: run the bench in a checkout"
    elif node is None:
        absent = "node is not installed"
    elif not (_NODE_MODULES / package).exists():
        absent = f"{package} is not installed: `make bench` does it where npm is"
    return Peer(
        name, (node or "node", str(source)), path, openings, {"NODE_PATH": str(_NODE_MODULES)}, absent
    )
