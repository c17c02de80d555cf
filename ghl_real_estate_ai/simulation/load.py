"""A paced sender: the steady load of a test or a benchmark. Called by ``measuring``, ``senders``, ``painting``, ``live_benchmarks``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator


async def paced(per_second: float, count: int) -> AsyncIterator[int]:
    """0, 1, 2 ... on a fixed schedule: a late one does not move the others (open loop)."""
    started = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
        yield number
