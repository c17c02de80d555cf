"""The hub keeps its speed: processor time against a plain loop in the same process, and counts of what it does.

No wall clock and no milliseconds: rounds of both are interleaved, the least of each is judged: others only add to it. The plain loop is
what the `websockets` library does for each message and client: frame it, take the bytes, write them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.protocol import State
from websockets.server import ServerProtocol

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.models.conversations import Channel, Direction
from ghl_real_estate_ai.models.frames import Bundle
from ghl_real_estate_ai.models.identifiers import EventId, LeadId
from ghl_real_estate_ai.models.streams import ConversationItem, Stream
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.facts import LOCATION, NOON
from tests.support.sockets import identity

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]

SCREENS = 1_000
BURST = 32
ROUNDS = 40
SETS_MOST = 12
"""Sets of ROUNDS, each with a hub of its own, before a ratio is believed: a busy neighbour can spoil one, slow code spoils all."""
FEED = Stream.CONVERSATION_FEED

BURST_RATIO_MOST = 0.045
"""Our time per delivery over the plain loop's when BURST publications leave together."""
SINGLE_RATIO_MOST = 1.0
"""The same when each publication leaves alone: .6 on a quiet machine, .96 beside eight busy processes on two cores."""


@dataclass
class NullSocket:
    """A socket whose network takes everything at once and costs nothing; it knows what it was handed."""

    writes: int = 0
    messages: int = 0
    takes_more: bool = True
    bundles: list[Bundle] | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, bundle: Bundle) -> None:
        """Count."""
        self.writes += 1
        self.messages += len(bundle)
        if self.bundles is not None:
            self.bundles.append(bundle)

    def when_ready(self, call: Callable[[], None]) -> None:
        """It is always ready."""

    async def close(self, code: int, reason: str) -> None:
        """Nothing to close."""

    async def incoming(self) -> AsyncIterator[str]:
        """It follows the feed, then says nothing."""
        yield json.dumps({"subscribe": [{"stream": FEED}]})
        await self.left.wait()


class CountingItem(ConversationItem):
    """Knows how often it was encoded."""

    def model_dump_json(self, **options: Any) -> str:
        """Count, and do it."""
        encoded.append(self.key)
        return super().model_dump_json(**options)


encoded: list[str] = []


def items(count: int, *, kind: type[ConversationItem] = ConversationItem) -> list[ConversationItem]:
    """Messages of about 256 bytes."""
    return [
        kind(
            key=f"m-{number}", at=NOON, simulated=True, event_id=EventId(f"m-{number}"), lead_id=LeadId("l-1"),
            direction=Direction.INBOUND, channel=Channel.SMS, text="x" * 40, human=True,
        )
        for number in range(count)
    ]  # fmt: skip


@asynccontextmanager
async def hub_with(count: int) -> AsyncIterator[tuple[WebSocketManager, list[NullSocket]]]:
    """A hub whose sockets all have had their snapshot."""
    hub, sockets = WebSocketManager(clock=SystemClock()), [NullSocket() for _ in range(count)]
    async with asyncio.TaskGroup() as tasks:
        for number, socket in enumerate(sockets):
            tasks.create_task(hub.serve(socket, identity(user=f"u-{number}"), socket.incoming()))
        await until(lambda: all(socket.messages >= 2 for socket in sockets))  # hello, subscribed
        yield hub, sockets
        for socket in sockets:
            socket.left.set()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0)


async def publish(hub: WebSocketManager, sockets: list[NullSocket], burst: list[ConversationItem]) -> float:
    """Processor seconds from publishing to the last socket's write, per delivery."""
    last = sockets[-1].messages + len(burst)
    started = time.process_time()
    for item in burst:
        hub.publish(LOCATION, FEED, item)
    while sockets[0].messages < last or any(socket.messages < last for socket in sockets):
        await asyncio.sleep(0)
    return (time.process_time() - started) / len(burst) / len(sockets)


def plain_loop(protocols: list[ServerProtocol], message: bytes) -> float:
    """Processor seconds of one message to everybody the plain way, per delivery."""
    written: list[bytes] = []
    write = written.append
    started = time.process_time()
    for protocol in protocols:
        protocol.send_text(message)
        for data in protocol.data_to_send():
            write(data)
    spent = time.process_time() - started
    assert len(written) == len(protocols)
    return spent / len(protocols)


async def least_ratio(burst_size: int, *, enough: float) -> float:
    """The least ratio of the sets, which end with the first that is small enough."""
    ratios = list[float]()
    while len(ratios) < SETS_MOST and min(ratios, default=enough + 1) > enough:
        ratios.append(await ratio_to_plain_loop(burst_size))
    return min(ratios)


async def ratio_to_plain_loop(burst_size: int) -> float:
    protocols = [ServerProtocol(state=State.OPEN) for _ in range(SCREENS)]
    burst = items(burst_size)
    message = burst[0].model_dump_json(by_alias=True).encode()
    async with hub_with(SCREENS) as (hub, sockets):
        ours, plain = list[float](), list[float]()
        gc.collect()
        gc.disable()  # a collection in one of the halves would decide the round
        try:
            for _ in range(ROUNDS):
                ours.append(await publish(hub, sockets, burst))
                plain.append(plain_loop(protocols, message))
        finally:
            gc.enable()
    return min(ours) / min(plain)  # what else runs on the machine can only add to either


async def test_a_burst_costs_a_small_part_of_the_plain_loop() -> None:
    assert await least_ratio(BURST, enough=BURST_RATIO_MOST) <= BURST_RATIO_MOST


async def test_a_single_publication_costs_no_more_than_the_plain_loop() -> None:
    assert await least_ratio(1, enough=SINGLE_RATIO_MOST) <= SINGLE_RATIO_MOST


async def test_a_burst_is_one_write_to_each_screen() -> None:
    async with hub_with(100) as (hub, sockets):
        before = [(socket.writes, socket.messages) for socket in sockets]
        await publish(hub, sockets, items(BURST))
        did = [
            (s.writes - writes, s.messages - messages)
            for s, (writes, messages) in zip(sockets, before, strict=True)
        ]
    assert set(did) == {(1, BURST)}


async def test_a_publication_is_encoded_once_and_all_screens_share_its_bytes() -> None:
    encoded.clear()
    async with hub_with(100) as (hub, sockets):
        for socket in sockets:
            socket.bundles = []
        await publish(hub, sockets, items(BURST, kind=CountingItem))
        await publish(hub, sockets, items(1, kind=CountingItem))
    assert len(encoded) == BURST + 1
    assert len({tuple(map(id, socket.bundles or ())) for socket in sockets}) == 1
