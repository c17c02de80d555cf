"""A process that imports an account's history, and kills itself with SIGKILL at a named point of its writes.

Run by ``tests/chaos/test_kill_import.py`` in a process of its own.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.crm_sync import CrmSync
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from ghl_real_estate_ai.settings import load_settings
from ghl_real_estate_ai.simulation.ghl_vendor import LOCATION_ID
from tests.support.crash_child import CrashingMemory
from tests.support.crm_city import reader_of


async def import_all(memory: Memory, *, ghl_url: str, token: str) -> None:
    """The whole history, as ``connect`` reads it."""
    clock = bootstrap.SystemClock()
    inbox = EventInbox(memory=memory, bus=EventBus(memory=memory, clock=clock), clock=clock)
    async with reader_of(ghl_url, token) as reader:
        sync = CrmSync(memory=memory, reader=reader, inbox=inbox, clock=clock)
        await sync.import_history(LocationId(LOCATION_ID))


def database(url: str) -> AbstractAsyncContextManager[Memory]:
    """The database that both processes use."""
    return bootstrap.opened(load_settings(database_url=url, data_dir=Path()))


async def main(url: str, ghl_url: str, token: str, moment: str, number: int) -> None:
    """Import, and die on the way."""
    async with database(url) as memory:
        crashing = CrashingMemory(memory, phase="ingest", moment=moment, number=number)
        await import_all(crashing, ghl_url=ghl_url, token=token)


def run(url: str, ghl_url: str, token: str, moment: str, number: int) -> None:
    """The whole process."""
    asyncio.run(main(url, ghl_url, token, moment, number))
