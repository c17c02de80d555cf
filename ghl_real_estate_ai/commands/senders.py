"""Signed webhooks as the CRM sends them, over open connections: in a burst, or each at its time.

Called by ``crm_benchmarks`` and ``crowd``. Requests are signed and put together beforehand: the sender must not be what
is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from ghl_real_estate_ai.commands import measuring
from ghl_real_estate_ai.errors import EnterpriseHubError
from ghl_real_estate_ai.simulation.load import paced
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel

BURST_SENDERS: Final = 16
_STEADY_SENDERS: Final = 32


def signed_request(vendor: FakeGoHighLevel, number: int, *, lead: str | None = None) -> bytes:
    """A whole HTTP request with the n-th message; of this lead, or of one of many."""
    body = measuring.message_body(number, lead=lead)
    fields = {"Host": "bench", **vendor.headers(body), "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST /webhooks/ghl HTTP/1.1\r\n{head}\r\n".encode() + body


class Sender:
    """One open connection, one request at a time; a server may close it while it is idle, and it is opened again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, request: bytes) -> None:
        """Until its 200. Raises EnterpriseHubError for any other answer, or none."""
        for attempt in range(2):
            if self._reader is None or self._writer is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                self._writer.write(request)
                head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
                await self._reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r", 1)[0]))
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                self.close()
                if attempt:
                    raise EnterpriseHubError("a webhook got no answer") from error
                continue
            if not head.startswith(b"http/1.1 200"):
                raise EnterpriseHubError(f"a webhook was refused: {head.splitlines()[0].decode()}")
            return

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def burst(requests: Sequence[bytes], *, port: int) -> list[float]:
    """As fast as BURST_SENDERS can; ms from each request to its 200."""
    waiting, taken = list(reversed(requests)), list[float]()

    async def send() -> None:
        sender = Sender(port)
        try:
            while waiting:
                request = waiting.pop()
                started = time.perf_counter()
                await sender.post(request)
                taken.append((time.perf_counter() - started) * 1_000)
        finally:
            sender.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(BURST_SENDERS):
            tasks.create_task(send())
    return taken


async def steadily(requests: Sequence[bytes], *, port: int, per_second: float) -> list[float]:
    """Each at its time; ms from then to its 200: a request that has to wait for a free connection is late too."""
    due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    taken = list[float]()

    async def send() -> None:
        sender = Sender(port)
        try:
            while (work := await due.get()) is not None:
                at, request = work
                await sender.post(request)
                taken.append((time.perf_counter() - at) * 1_000)
        finally:
            sender.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_STEADY_SENDERS):
            tasks.create_task(send())
        async for number in paced(per_second, len(requests)):
            due.put_nowait((time.perf_counter(), requests[number]))
        for _ in range(_STEADY_SENDERS):
            due.put_nowait(None)
    return taken
