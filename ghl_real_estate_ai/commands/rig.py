"""The bench's rig for live delivery: our gateway and its peers on one processor, the crowd of screens on another.

Called by ``fanout`` and ``live_benchmarks``. Every server does the same job: what comes in over a control line goes to
every screen. Ours is the gateway as ``serve`` runs it, with tokens, tenants and resume; the peers do nothing else.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.api.auth import TokenIssuer
from ghl_real_estate_ai.commands import launch, measuring, peers
from ghl_real_estate_ai.commands.measuring import LOCATION
from ghl_real_estate_ai.errors import EnterpriseHubError
from ghl_real_estate_ai.models.conversations import Channel, Direction
from ghl_real_estate_ai.models.identifiers import EventId, LeadId, UserId
from ghl_real_estate_ai.models.leads import Role, User
from ghl_real_estate_ai.models.streams import ConversationItem, Stream
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.simulation.screens import HANDSHAKES_AT_ONCE, Crowd, Door

FEED: Final = Stream.CONVERSATION_FEED
"""What is published: the stream that must not lose."""
ITEM_BYTES: Final = 256
SCREENS_PER_USER: Final = 8
"""Below the limit of sockets per user."""
ARRIVE_WITHIN_S: Final = 60.0
"""Longest wait until what was published is with every screen; a server that needs longer has failed."""
_CPU_CLOCK: Final = 2
"""Linux names a process's clock by the inverted pid and this kind, as ``clock_getcpuclockid`` (POSIX) does."""
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Server:
    """A server under test that runs."""

    name: str
    pid: int
    door: Door
    control_port: int
    line: Callable[[int], bytes]


# --- processors -----------------------------------------------------------------------------------------------------


@contextmanager
def on_processor(number: int) -> Iterator[None]:
    """This process, and what it starts meanwhile, on one of the processors it may use; on a single one: nothing to do."""
    before = os.sched_getaffinity(0)
    if len(before) > 1:
        os.sched_setaffinity(0, {sorted(before)[number]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def places() -> str:
    """Where servers and screens run, for the report."""
    return (
        "server on one processor, screens on another" if len(os.sched_getaffinity(0)) > 1 else "one processor"
    )


def cpu_seconds(pid: int) -> float:
    """Time that a process has used a processor, threads that ended and its share of the kernel's work included.

    From the process's own clock, in nanoseconds: ``/proc/PID/stat`` counts in steps of 10 ms. Raises OSError when it is gone.
    """
    return time.clock_gettime((~pid << 3) | _CPU_CLOCK)


def allow_sockets(count: int) -> str:
    """Raise this process's limit of open files, and that of its children; why it cannot hold so many, or nothing."""
    wanted = count + 512
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return f"this machine allows {hard} open files, {wanted} are needed"
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return ""


# --- what is published ----------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4_096)
def item_json(number: int) -> str:
    """The n-th item: a message of the conversation feed, ITEM_BYTES long."""
    item = ConversationItem(
        key=f"bench-{number:08}",
        at=_AT,
        simulated=True,
        event_id=EventId(f"bench-{number:08}"),
        lead_id=LeadId("bench-lead"),
        direction=Direction.INBOUND,
        channel=Channel.SMS,
        text="",
        human=True,
    )
    bare = len(item.model_dump_json(by_alias=True))
    return item.model_copy(update={"text": "x" * (ITEM_BYTES - bare)}).model_dump_json(by_alias=True)


def our_line(number: int) -> bytes:
    """For our gateway: the item; its hub makes the message."""
    return item_json(number).encode() + b"\n"


def peer_line(number: int) -> bytes:
    """For a peer: the message as our hub would word it, ready to be sent."""
    stamp = time.time() * 1_000
    return f'{{"c":"{FEED.value}","o":{number},"p":{stamp:.3f},"e":{item_json(number)}}}\n'.encode()


def is_item(topic: str, offset: int, item: Any) -> bool:
    """Whether this is what was sent as the n-th."""
    return topic == FEED and item == json.loads(item_json(offset))


class Publisher:
    """Tells one server what to publish: 1, 2, 3 ..."""

    def __init__(self, writer: asyncio.StreamWriter, line: Callable[[int], bytes]) -> None:
        self.sent = 0
        self._writer = writer
        self._line = line

    def publish(self, count: int = 1) -> None:
        """The next ``count``, in one write."""
        self._writer.write(b"".join(self._line(self.sent + n) for n in range(1, count + 1)))
        self.sent += count

    def say(self, word: bytes) -> None:
        """A word that only our gateway knows."""
        self._writer.write(word + b"\n")


@asynccontextmanager
async def publisher(server: Server) -> AsyncIterator[Publisher]:
    """A control line to a server."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.control_port)
    try:
        yield Publisher(writer, server.line)
    finally:
        writer.close()


@asynccontextmanager
async def crowd(server: Server, count: int, *, ages: bool = False) -> AsyncIterator[Crowd]:
    """So many screens that are served, and check every item. Raises EnterpriseHubError when they are not let in."""
    screens = Crowd(server.door, count, check=is_item, ages=ages)
    await opened(screens, server.name)
    try:
        yield screens
    finally:
        screens.close()


async def opened(screens: Crowd, name: str, *, at_once: int = HANDSHAKES_AT_ONCE) -> None:
    """Connect all. Raises EnterpriseHubError when they are not let in."""
    try:
        await screens.open(at_once=at_once)
    except (TimeoutError, OSError, ExceptionGroup) as error:
        raise EnterpriseHubError(f"{name} does not let the screens in: {error!r}") from error
    if screens.trouble():
        raise EnterpriseHubError(f"{name} does not serve the screens: {screens.trouble()}")


async def arrived(screens: Crowd, offset: int) -> bool:
    """Wait until every screen is at this offset of the feed; False when some do not get there."""
    deadline = time.monotonic() + ARRIVE_WITHIN_S
    while any(screen.places.get(FEED, 0) < offset for screen in screens.screens):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.002)
    return True


# --- servers --------------------------------------------------------------------------------------------------------


def tokens(settings: Settings, screens: int) -> list[str]:
    """Access tokens of as many managers as may hold so many screens, signed as the gateway signs them; they become its users."""
    issuer = TokenIssuer(
        settings.signing_secret(), minutes=settings.access_token_minutes, clock=bootstrap.SystemClock()
    )
    users = [
        User(
            user_id=UserId(f"bench-viewer-{number}"),
            location_id=LOCATION,
            email=f"viewer{number}@example.com",
            name=f"Viewer {number}",
            role=Role.MANAGER,
        )
        for number in range(-(-screens // SCREENS_PER_USER))
    ]
    with ThreadPoolExecutor(1) as apart:  # whoever asks may be in an event loop
        apart.submit(asyncio.run, _let_in(settings, users)).result()
    return [issuer.issue(user)[0] for user in users]


async def _let_in(settings: Settings, users: Sequence[User]) -> None:
    """Users of the installation: the gateway ends the sockets of whom it does not know. Nobody signs in with a password."""

    def add(uow: UnitOfWork) -> None:
        known = {user.user_id for user in uow.tenants.users(LOCATION)}
        for user in users:
            if user.user_id not in known:
                uow.tenants.add_user(user, password_hash="")

    async with bootstrap.opened(settings) as memory:
        await memory.write(add)


def door(settings: Settings, screens: int, *, streams: tuple[Stream, ...]) -> Door:
    """The gateway's, for so many screens that follow these streams."""
    return Door(
        host=settings.host,
        port=settings.port,
        path="/v1/realtime",
        topics=streams,
        tokens=tokens(settings, screens),
        openings=len(streams),
    )


@contextmanager
def our_server(screens: int) -> Iterator[Server]:
    """The gateway of a fresh installation, with the bench's control line, on the first processor."""
    with measuring.installation() as (settings, _):
        control_port = launch.free_port(0)
        command = [sys.executable, "-m", "ghl_real_estate_ai.commands.fanout_server", str(control_port)]
        with ExitStack() as stack:
            with on_processor(0):
                start = stack.enter_context(measuring.server(command, settings, url=settings.gateway_url))
            entrance = door(settings, screens, streams=(FEED,))
            yield Server("ours", start.pid, entrance, control_port, our_line)


@contextmanager
def peer_server(peer: peers.Peer) -> Iterator[Server]:
    """One of the peers, on the first processor."""
    port, control_port = launch.free_port(0), launch.free_port(0)
    command = [*peer.command, str(port), str(control_port)]
    with ExitStack() as stack:
        with on_processor(0):
            process = stack.enter_context(launch.child(command, env={**os.environ, **peer.environment}))
        for awaited in (port, control_port):
            launch.wait_until_listening(awaited, process=process, name=peer.name)
        entrance = Door(host="127.0.0.1", port=port, path=peer.path, openings=peer.openings)
        yield Server(peer.name, process.pid, entrance, control_port, peer_line)
