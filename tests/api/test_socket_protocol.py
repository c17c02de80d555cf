"""The hub's two kinds of connection over real sockets: on the wire in our own server, and frame by frame in any other.

One suite for both, on both event loops; then what only the wire can do, and the contract with uvicorn's class.
"""

from __future__ import annotations

import asyncio
import inspect
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from socket import IPPROTO_TCP, SO_LINGER, SO_RCVBUF, SO_SNDBUF, SOCK_STREAM, SOL_SOCKET, socket

import pytest
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from ghl_real_estate_ai.api.portable_connection import PortableConnection
from ghl_real_estate_ai.api.routes.realtime import connection_of, messages
from ghl_real_estate_ai.api.socket_protocol import SocketProtocol, WireConnection
from ghl_real_estate_ai.limits import CLOSE_WAIT_S
from ghl_real_estate_ai.models.frames import Bundle

LONG_S = 20.0
KINDS = {"wire": SocketProtocol, "portable": "websockets-sansio"}
Connection = WireConnection | PortableConnection


@dataclass
class Accepted:
    """What the server holds of a socket, for the test to play the hub with."""

    connection: Connection
    over: asyncio.Event = field(default_factory=asyncio.Event)
    heard: list[str] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)


class Client:
    """A WebSocket client that reads only when asked to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        self.reader, self.writer = reader, writer
        self._protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}/"), max_size=None)
        self.texts: list[str] = []

    async def handshake(self) -> None:
        """Open."""
        self._protocol.send_request(self._protocol.connect())
        self._send()
        await self.until(lambda: self._protocol.state.name == "OPEN")

    def say(self, text: str) -> None:
        """One message."""
        self._protocol.send_text(text.encode())
        self._send()

    def ping(self) -> None:
        """A control frame."""
        self._protocol.send_ping(b"?")
        self._send()

    def close(self) -> None:
        """Begin the closing handshake."""
        self._protocol.send_close(1000)
        self._send()

    async def until(self, done: Callable[[], bool]) -> None:
        """Read until then, or until the end."""
        async with asyncio.timeout(LONG_S):
            while not done() and (data := await self.reader.read(65_536)):
                self._protocol.receive_data(data)
                self._take()

    @property
    def code(self) -> int | None:
        """The close code that the server sent."""
        received = self._protocol.close_rcvd
        return None if received is None else received.code

    @property
    def broken(self) -> Exception | None:
        """What the server sent against the protocol."""
        return self._protocol.parser_exc

    def abort(self) -> None:
        """Gone without a word."""
        self.writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def _take(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.texts.append(bytes(event.data).decode())
        self._send()

    def _send(self) -> None:
        self.writer.write(b"".join(self._protocol.data_to_send()))


@dataclass
class Line:
    """A client, the server's end of its socket, and the server."""

    client: Client
    server: uvicorn.Server
    accepted: Accepted

    @property
    def connection(self) -> Connection:
        """The hub's end."""
        return self.accepted.connection


@asynccontextmanager
async def line(kind: str) -> AsyncIterator[Line]:
    """One open socket with small buffers."""
    opened: asyncio.Queue[Accepted] = asyncio.Queue()

    async def endpoint(socket: WebSocket) -> None:
        await socket.accept()
        async with connection_of(socket) as connection:
            accepted = Accepted(connection)
            opened.put_nowait(accepted)
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(_listen(socket, accepted))
                await accepted.over.wait()
                reading.cancel()

    listener = socket(type=SOCK_STREAM, proto=IPPROTO_TCP)
    listener.setsockopt(SOL_SOCKET, SO_SNDBUF, 16_384)  # what it accepts has the same
    listener.bind(("127.0.0.1", 0))
    app = Starlette(routes=[WebSocketRoute("/", endpoint)])
    config = uvicorn.Config(app, ws=KINDS[kind], ws_ping_interval=None, log_config=None, lifespan="off")  # type: ignore[arg-type]  # reason: uvicorn's Literal does not know that a class is allowed
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.005)
        port = listener.getsockname()[1]
        own = socket(type=SOCK_STREAM, proto=IPPROTO_TCP)
        own.setsockopt(SOL_SOCKET, SO_RCVBUF, 8_192)
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=own, limit=16_384)
        client = Client(reader, writer, port)
        await client.handshake()
        async with asyncio.timeout(LONG_S):
            accepted = await opened.get()
        try:
            yield Line(client, server, accepted)
        finally:
            accepted.over.set()
            writer.close()
            server.should_exit = True
            await serving


async def _listen(socket: WebSocket, accepted: Accepted) -> None:
    async for text in messages(socket):
        accepted.heard.append(text)
    accepted.left.set()


async def until(done: Callable[[], bool]) -> None:
    """Wait for something that the loop brings about."""
    async with asyncio.timeout(LONG_S):
        while not done():
            await asyncio.sleep(0.002)


async def stalled(at: Line) -> list[str]:
    """Offer until the socket takes no more; returns what was offered."""
    offered: list[str] = []
    async with asyncio.timeout(LONG_S):
        while True:
            await until_quiet(at.connection)
            if not at.connection.takes_more:
                return offered
            texts = [f"{len(offered) + n}:" + "x" * 8_000 for n in range(8)]
            at.connection.offer(Bundle.of(*texts))
            offered += texts


async def until_quiet(connection: Connection) -> None:
    """Give a writer that can go on the time to do so."""
    for _ in range(100):
        if connection.takes_more:
            return
        await asyncio.sleep(0.002)


Scenario = Callable[[str], Awaitable[None]]


def on_both_loops(scenario: Scenario) -> Callable[[str, str], None]:
    """A test of both kinds of connection on asyncio's loop and on uvloop."""

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    def test(kind: str, loop: str) -> None:
        factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(bounded(scenario, kind))

    test.__doc__ = scenario.__doc__
    return test


async def bounded(scenario: Scenario, kind: str) -> None:
    """The scenario; no task of it is left."""
    async with asyncio.timeout(2 * LONG_S):
        await scenario(kind)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- both kinds ---------------------------------------------------------------------------------------------------


@on_both_loops
async def test_what_is_offered_arrives_whole_and_in_order(kind: str) -> None:
    async with line(kind) as at:
        sizes = [0, 1, 125, 126, 65_535, 65_536, 200_000]
        texts = [str(n) + "ü" * size for n, size in enumerate(sizes)]
        reading = asyncio.ensure_future(at.client.until(lambda: len(at.client.texts) == 2 * len(texts)))
        for bundle in (Bundle.of(*texts), *(Bundle.of(text) for text in texts)):
            await until(lambda: at.connection.takes_more)
            at.connection.offer(bundle)
        await reading
        assert at.client.texts == texts * 2


@on_both_loops
async def test_a_client_that_does_not_read_blocks_and_gets_everything_once_it_reads(kind: str) -> None:
    async with line(kind) as at:
        offered = await stalled(at)
        ready: list[bool] = []
        at.connection.when_ready(lambda: ready.append(at.connection.takes_more))
        await at.client.until(lambda: len(at.client.texts) == len(offered))
        await until(lambda: bool(ready))
        assert all(ready)
        at.connection.offer(Bundle.of("after"))
        await at.client.until(lambda: at.client.texts[-1] == "after")
        assert at.client.texts == [*offered, "after"]


@on_both_loops
async def test_a_close_comes_after_what_was_offered_and_nothing_comes_after_it(kind: str) -> None:
    async with line(kind) as at:
        offered = await stalled(at)
        closing = asyncio.ensure_future(at.connection.close(4408, "too slow"))
        await at.client.until(lambda: at.client.code is not None)
        await closing
        at.connection.offer(Bundle.of("too late"))
        await at.client.until(lambda: False)
        assert (at.client.texts, at.client.code, at.client.broken) == (offered, 4408, None)


@on_both_loops
async def test_a_client_that_closes_gets_nothing_more(kind: str) -> None:
    async with line(kind) as at:
        at.client.close()
        await at.accepted.left.wait()
        at.connection.offer(Bundle.of("too late"))
        await at.connection.close(1001, "too late")
        await at.client.until(lambda: False)
        assert (at.client.texts, at.client.code) == ([], 1000)


@on_both_loops
async def test_a_client_that_aborts_while_blocked_ends_the_socket_and_raises_nothing(kind: str) -> None:
    async with line(kind) as at:
        await stalled(at)
        at.client.abort()
        await at.accepted.left.wait()
        at.connection.offer(Bundle.of("too late"))
        await at.connection.close(1001, "too late")
        at.accepted.over.set()
        await until(lambda: not at.server.server_state.connections)
        assert not at.connection.takes_more


@on_both_loops
async def test_a_blocked_socket_is_still_read_from(kind: str) -> None:
    async with line(kind) as at:
        offered = await stalled(at)
        at.client.say("hello")
        at.client.ping()
        at.client.say("again")
        await until(lambda: at.accepted.heard == ["hello", "again"])
        await at.client.until(lambda: len(at.client.texts) == len(offered))
        assert (at.client.texts, at.client.broken) == (offered, None)


@on_both_loops
async def test_pings_of_a_client_that_does_not_read_make_nothing_grow(kind: str) -> None:
    async with line(kind) as at:
        offered = await stalled(at)
        (protocol,) = at.server.server_state.connections
        waiting = protocol.transport.get_write_buffer_size()
        for number in range(20):
            for _ in range(100):
                at.client.ping()
            at.client.say(f"{number}")
            await until(lambda: at.accepted.heard[-1:] == [f"{number}"])  # noqa: B023  # reason: awaited here
        if kind == "wire":
            assert protocol.transport.get_write_buffer_size() <= waiting
        await at.client.until(lambda: len(at.client.texts) == len(offered))
        assert (at.client.texts, at.client.broken) == (offered, None)


@on_both_loops
async def test_the_servers_stop_ends_the_socket_with_a_code(kind: str) -> None:
    async with line(kind) as at:
        at.connection.offer(Bundle.of("first"))
        await at.client.until(lambda: at.client.texts == ["first"])
        at.server.should_exit = True
        at.accepted.left.clear()
        await at.client.until(lambda: at.client.code is not None)
        at.connection.offer(Bundle.of("too late"))
        assert (at.client.texts, at.client.code) == (["first"], 1012)


# --- the wire -----------------------------------------------------------------------------------------------------


def test_a_socket_that_is_given_up_keeps_nothing_for_a_client_that_does_not_read() -> None:
    async def scenario() -> None:
        async with line("wire") as at:
            await stalled(at)
            at.accepted.over.set()
            await until(lambda: not at.server.server_state.connections)

    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(scenario())


def test_an_offer_is_one_write_of_the_bundles_own_bytes() -> None:
    async def scenario() -> None:
        async with line("wire") as at:
            assert isinstance(at.connection, WireConnection)
            written: list[bytes] = []
            at.connection._transport = Recorder(written)  # type: ignore[assignment]  # reason: two methods are used
            bundle = Bundle.of("a", "b")
            at.connection.offer(bundle)
            assert [data is bundle.wire for data in written] == [True]

    asyncio.run(scenario())


class Recorder:
    """A transport that keeps what is written."""

    def __init__(self, written: list[bytes]) -> None:
        self.write = written.append

    def is_closing(self) -> bool:
        """Never."""
        return False


# --- the contract -------------------------------------------------------------------------------------------------

HOW = (
    "uvicorn's WebSocketsSansIOProtocol has moved under api/socket_protocol.py: read its new source, adapt "
    "SocketProtocol and WireConnection, then this list; until then `ws='websockets-sansio'` in commands/launch.py "
    "serves everybody through PortableConnection"
)


def test_uvicorns_class_still_has_what_we_use_of_it() -> None:
    methods = {
        "handle_connect": ["self", "event"],
        "handle_ping": ["self"],
        "pause_writing": ["self"],
        "resume_writing": ["self"],
        "connection_lost": ["self", "exc"],
    }
    for name, parameters in methods.items():
        method = getattr(WebSocketsSansIOProtocol, name, None)
        assert method is not None, f"no {name}: {HOW}"
        assert list(inspect.signature(method).parameters) == parameters, f"{name}: {HOW}"


def test_uvicorns_class_still_says_when_no_frame_may_be_written() -> None:
    async def scenario() -> None:
        async with line("wire") as at:
            assert isinstance(at.connection, WireConnection), f"the scope lost our extension: {HOW}"
            (protocol,) = at.server.server_state.connections
            for name in (
                "transport",
                "scope",
                "handshake_complete",
                "close_sent",
                "close_timeout",
                "writable",
                "conn",
            ):
                assert hasattr(protocol, name), f"no {name}: {HOW}"
            assert isinstance(protocol, SocketProtocol), HOW
            assert protocol.handshake_complete, HOW
            assert not protocol.close_sent, HOW
            assert protocol.close_timeout == CLOSE_WAIT_S
            await at.connection.close(4401, "no")
            assert protocol.close_sent, f"close_sent does not say that a close frame was sent: {HOW}"

    asyncio.run(scenario())


def test_uvicorn_still_refuses_a_handshake_without_a_scope_of_ours() -> None:
    async def scenario() -> None:
        async with line("wire") as at:
            port = at.client.writer.get_extra_info("peername")[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            async with asyncio.timeout(LONG_S):
                answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 4"), HOW
            writer.close()

    asyncio.run(scenario())
