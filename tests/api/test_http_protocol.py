"""Lines that say nothing, or never to the end, are closed by the gateway's own server; the others are not."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import SOCK_STREAM, socket

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ghl_real_estate_ai.api.http_protocol import HttpProtocol

LONG_S = 20.0
WHOLE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"


class Hasty(HttpProtocol):
    """Waits a tenth of a second."""

    head_wait_s = 0.1


@asynccontextmanager
async def dialled() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A line to a server that takes longer to answer than it waits for a head."""

    async def answer(request: Request) -> PlainTextResponse:
        body = await request.body()
        await asyncio.sleep(3 * Hasty.head_wait_s)
        return PlainTextResponse(body)

    listener = socket(type=SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    app = Starlette(routes=[Route("/", answer, methods=["POST"])])
    config = uvicorn.Config(app, http=Hasty, log_config=None, lifespan="off", timeout_keep_alive=60)
    server = uvicorn.Server(config)
    async with asyncio.timeout(2 * LONG_S), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.005)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        try:
            yield reader, writer
        finally:
            writer.close()
            server.should_exit = True
            await serving


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server closed, and said nothing before."""
    try:
        async with asyncio.timeout(LONG_S):
            return await reader.read() == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
@pytest.mark.asyncio
async def test_a_line_without_a_whole_request_head_is_closed(said: bytes) -> None:
    async with dialled() as (reader, writer):
        writer.write(said)
        assert await ended(reader)


@pytest.mark.asyncio
async def test_a_whole_request_is_answered_however_long_its_body_and_its_answer_take() -> None:
    async with dialled() as (reader, writer):
        for _ in range(2):
            head, body = WHOLE[:-2], WHOLE[-2:]
            writer.write(head)
            await asyncio.sleep(2 * Hasty.head_wait_s)
            writer.write(body)
            answer = await reader.readuntil(b"body")
            assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.asyncio
async def test_the_head_of_a_further_request_has_to_come_in_time_too() -> None:
    async with dialled() as (reader, writer):
        writer.write(WHOLE)
        await reader.readuntil(b"body")
        writer.write(WHOLE[:20])
        assert await ended(reader)


def test_uvicorns_class_still_has_what_we_use_of_it() -> None:
    methods = {
        "connection_made": ["self", "transport"],
        "on_message_begin": ["self"],
        "on_headers_complete": ["self"],
        "connection_lost": ["self", "exc"],
    }
    for name, parameters in methods.items():
        assert list(inspect.signature(getattr(HttpToolsProtocol, name)).parameters) == parameters, name
