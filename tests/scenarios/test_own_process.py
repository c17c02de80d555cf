"""The gateway as an operator starts it, in a process of its own: what stalled and broken clients cost in memory and files."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import httpx
import pytest

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.api.auth import TokenIssuer
from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.commands import launch, records
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Location, Role, User
from ghl_real_estate_ai.models.streams import CloseCode, Stream
from ghl_real_estate_ai.settings import Settings
from tests.support.gateway import settings_for
from tests.support.ghl import GhlSigner, encoded, webhook
from tests.support.ports import port_of_its_own
from tests.support.ws_crowd import Viewer, crowd, dial, dismiss, frame, until

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]

PLACE, FEED = LocationId("loc-own-process"), Stream.CONVERSATION_FEED
LONG = "x" * 32_000
MESSAGES = 200
"""Of 32 KB each: 6 MB, of which the kernel holds up to 4 for a socket that nobody reads."""

MORE_MEMORY_MB = 24.0
"""What ten stalled clients may add. A queue for each of them would hold 2 to 6 MB of these messages, times ten."""


MORE_FILES = 10
"""Readers of the database that were not open at the start; some three hundred sockets have come and gone."""


@dataclass(frozen=True)
class Served:
    """The process, and what its clients need."""

    process: Popen[bytes]
    settings: Settings
    signer: GhlSigner
    tokens: list[str]

    @property
    def resident_mb(self) -> float:
        """Resident memory."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * 4_096 / 1e6

    @property
    def files(self) -> int:
        """Open files and sockets."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    async def deliver(self, first: int, count: int) -> None:
        """Signed messages of a lead, eight at a time; all are committed when this returns."""
        numbers = iter(range(first, first + count))

        async def sender(client: httpx.AsyncClient) -> None:
            for number in numbers:
                body = encoded(
                    webhook(
                        "InboundMessage", location_id=PLACE, webhook_id=f"hook-{number}", contactId="lead-1",
                        messageType="SMS", direction="inbound", conversationId="c-1", body=f"{number} {LONG}",
                    )
                )  # fmt: skip
                answer = await client.post("/webhooks/ghl", content=body, headers=self.signer.headers(body))
                answer.raise_for_status()

        url = self.settings.gateway_url
        async with httpx.AsyncClient(base_url=url, timeout=30) as client, asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(sender(client))


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    """`enterprisehub serve --no-dashboard`, with one location and tokens for 120 sockets, five a user."""
    signer = GhlSigner()
    settings = settings_for(folder, signer).model_copy(update={"port": port_of_its_own()})
    async with bootstrap.opened(settings) as memory:
        await records.add_location(memory, Location(location_id=PLACE, name="Home"))
    issuer = TokenIssuer(settings.signing_secret(), minutes=60, clock=SystemClock())
    users = [
        User(location_id=PLACE, user_id=UserId(name), email=f"{name}@example.com", name=name, role=Role.ADMIN)
        for name in (f"user-{number}" for number in range(24))
    ]
    tokens = [issuer.issue(users[number % len(users)])[0] for number in range(5 * len(users))]
    command = [sys.executable, "-m", "ghl_real_estate_ai.cli", "serve", "--no-dashboard"]
    log = folder / "server.log"
    with launch.child(command, env=launch.environment(settings), log=log) as process:
        ready = f"{settings.gateway_url}/health/ready"
        await asyncio.to_thread(launch.wait_until_ready, ready, process=process, log=log)
        yield Served(process, settings, signer, tokens)


async def misbehave(at: Served) -> None:
    """Everything that ends badly, a hundred times over."""
    ends = [
        frame(b"nonsense"),
        frame(b"x", 3),
        frame(b"x", masked=False),
        frame(b" " * 70_000),
        b"",
        frame(b"{}")[:1],
    ]
    for turn in range(5):
        async with asyncio.TaskGroup() as tasks:
            dialling = [tasks.create_task(dial(at.settings.gateway_url)) for _ in range(20)]
            bearers = [{"Authorization": f"Bearer {token}"} for token in at.tokens[turn::6]]
            dialling += [
                tasks.create_task(dial(at.settings.gateway_url, headers=bearer)) for bearer in bearers
            ]
        sockets = [task.result() for task in dialling]
        for number, socket in enumerate(sockets):
            socket.write(ends[number % len(ends)])
        await dismiss(sockets)


async def test_stalled_and_broken_clients_cost_no_memory_and_no_files(tmp_path: Path) -> None:
    async with served(tmp_path) as at:
        files_before = at.files
        async with crowd(at.settings.gateway_url, at.tokens[:2]) as (witness, other):
            for viewer in (witness, other):
                viewer.follow([FEED, Stream.LEAD_SCORES])
            await at.deliver(0, MESSAGES)  # caches, ring and snapshot are full after this
            await until(lambda: witness.offset(FEED) == MESSAGES)
            await misbehave(at)
            memory_before = at.resident_mb
            async with crowd(at.settings.gateway_url, at.tokens[2:27], receive_buffer=4_096) as viewers:
                place: dict[str, object] = {"stream": FEED, "epoch": witness.screens[FEED].epoch}
                async with ten_stalled(at, viewers, place=place):
                    await until(lambda: witness.offset(FEED) == 2 * MESSAGES)
                    assert at.resident_mb - memory_before < MORE_MEMORY_MB
            assert witness.offsets[FEED] == other.offsets[FEED] == list(range(1, 2 * MESSAGES + 1))
        await until(lambda: at.files <= files_before + MORE_FILES)
        await stops_cleanly(at)


@asynccontextmanager
async def ten_stalled(at: Served, viewers: list[Viewer], *, place: dict[str, object]) -> AsyncIterator[None]:
    """Ten of the viewers have slept through all of it, and still do; the others got each message once."""
    start = MESSAGES
    for viewer in viewers:
        viewer.socket.say({"subscribe": [{**place, "offset": start}]})
    await until(lambda: all(viewer.openings for viewer in viewers))
    assert {viewer.offset(FEED) for viewer in viewers} == {start}
    slow, quick = viewers[:10], viewers[10:]
    for viewer in slow:
        viewer.socket.stall()
    await at.deliver(MESSAGES, MESSAGES)
    await until(lambda: all(viewer.offset(FEED) == 2 * MESSAGES for viewer in quick))
    assert all(viewer.offsets[FEED] == list(range(start + 1, 2 * MESSAGES + 1)) for viewer in quick)
    yield
    for viewer in slow:
        viewer.socket.flow()
    await until(lambda: all(viewer.socket.gone for viewer in slow))
    assert {viewer.socket.code for viewer in slow} <= {CloseCode.TOO_SLOW, None}


async def stops_cleanly(at: Served) -> None:
    """Told to stop, it sends everybody away with a code that says to come back, and ends."""
    viewer = Viewer(at.settings.gateway_url, at.tokens[0])
    await viewer.connect()
    viewer.follow([FEED])
    await until(lambda: bool(viewer.openings))
    at.process.send_signal(signal.SIGTERM)
    await until(lambda: viewer.socket.gone)
    assert viewer.socket.code in (CloseCode.GOING_AWAY, 1012)
    await until(lambda: at.process.poll() is not None)
    await dismiss(viewer.sockets)
