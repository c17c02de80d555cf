"""A bus that runs while a test does, and waiting for what it brings about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from ghl_real_estate_ai.services.event_bus import EventBus


@asynccontextmanager
async def dispatching(bus: EventBus) -> AsyncIterator[None]:
    """It dispatches within the block."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bus.run())
        try:
            yield
        finally:
            running.cancel()


async def eventually(check: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Until it is so. Raises TimeoutError after 30 s."""
    async with asyncio.timeout(30):
        while True:
            result = check()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.005)
