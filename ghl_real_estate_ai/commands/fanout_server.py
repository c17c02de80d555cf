"""The gateway as ``serve`` runs it, with one more door that only the bench knows: what comes in there is published.

Started by ``fanout`` as a process of its own: ``python -m ghl_real_estate_ai.commands.fanout_server PORT``. Each line is
an item of the conversation feed; the lines BUSY and IDLE start and stop a thread that computes without end.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands import launch
from ghl_real_estate_ai.commands.measuring import LOCATION
from ghl_real_estate_ai.models.streams import ConversationItem, Stream
from ghl_real_estate_ai.settings import Settings, load_settings

BUSY: Final = b"busy"
IDLE: Final = b"idle"


@asynccontextmanager
async def running(settings: Settings, *, control_port: int) -> AsyncIterator[bootstrap.Services]:
    """The services of the gateway, and the bench's door to their hub."""
    async with bootstrap.running(settings) as services:
        busy = _BusyThread()

        async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while line := await reader.readline():
                    match line.strip():
                        case b"busy":
                            busy.start()
                        case b"idle":
                            busy.stop()
                        case told:
                            item = ConversationItem.model_validate_json(told)
                            services.hub.publish(LOCATION, Stream.CONVERSATION_FEED, item)
            finally:
                writer.close()

        async with await asyncio.start_server(control, "127.0.0.1", control_port):
            try:
                yield services
            finally:
                busy.stop()


class _BusyThread:
    """Computes in Python without ever waiting: the worst neighbour that an event loop can have."""

    def __init__(self) -> None:
        self._wanted = threading.Event()

    def start(self) -> None:
        """Begin, in a thread that dies with the process."""
        self._wanted.set()
        threading.Thread(target=self._compute, daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._wanted.clear()

    def _compute(self) -> None:
        number = 0
        while self._wanted.is_set():
            for _ in range(1_000):
                number = (number * 31 + 7) % 1_000_003


def main() -> None:
    """Run until SIGTERM."""
    port = int(sys.argv[1])
    launch.run_gateway(load_settings(), running=lambda settings: running(settings, control_port=port))


if __name__ == "__main__":
    main()
