"""The same job with the `websockets` library and its own broadcast(), on uvloop.

Started by commands/peers.py: ``python websockets_broadcast.py PORT CONTROL_PORT``.
"""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

connections: set[ServerConnection] = set()


async def control(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Broadcast each line."""
    while line := await reader.readline():
        broadcast(connections, line.decode().rstrip("\n"))


async def remember(connection: ServerConnection) -> None:
    """Until it leaves."""
    connections.add(connection)
    try:
        await connection.wait_closed()
    finally:
        connections.remove(connection)


async def main() -> None:
    """Serve until killed."""
    async with (
        serve(remember, "127.0.0.1", int(sys.argv[1]), compression=None, backlog=4096),
        await asyncio.start_server(control, "127.0.0.1", int(sys.argv[2])),
    ):
        await asyncio.get_running_loop().create_future()


uvloop.run(main())
