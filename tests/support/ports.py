"""Ports for servers that are told their port: kept for this test process until it ends, so that parallel runs never meet.

A port that was only looked for may be another's before our server listens. Called by whatever starts a process in a test.
"""

from __future__ import annotations

import socket

_kept: list[socket.socket] = []


def port_of_its_own(host: str = "127.0.0.1") -> int:
    """A free port that the system gives to nobody else while this process lives; a server may listen there again and again."""
    keeper = socket.socket()
    # Bound but not listening: Linux lets a server with SO_REUSEADDR listen beside it, and passes the port over for others.
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind((host, 0))
    _kept.append(keeper)
    return int(keeper.getsockname()[1])
