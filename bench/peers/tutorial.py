"""The same job as tutorials teach it: FastAPI, a list of connections, and a loop that sends to each.

Started by commands/peers.py: ``python tutorial.py PORT CONTROL_PORT``.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

connections: list[WebSocket] = []


async def control(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Broadcast each line."""
    while line := await reader.readline():
        text = line.decode().rstrip("\n")
        for connection in list(connections):
            await connection.send_text(text)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Open the door for the lines."""
    async with await asyncio.start_server(control, "127.0.0.1", int(sys.argv[2])):
        yield


app = FastAPI(lifespan=lifespan)


@app.websocket("/ws")
async def websocket(socket: WebSocket) -> None:
    """Remember a client until it leaves."""
    await socket.accept()
    connections.append(socket)
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        connections.remove(socket)


uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False, backlog=4096)
