"""A process that takes deliveries in, handles them, and kills itself with SIGKILL at a named point of its writes.

Run by ``tests/chaos/test_kill.py`` in a process of its own. ``phase``: ingest | handling. ``moment``: before the write |
inside the transaction, everything done but the commit | after the commit, before anybody was told. ``number``: at the
how-manieth write of the phase.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from ghl_real_estate_ai import bootstrap, telemetry
from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.settings import load_settings
from tests.support.facts import LOCATION, contact, message

LEADS = tuple(LeadId(f"lead-{number}") for number in range(4))
ROUNDS = 5


def deliveries() -> list[Delivery]:
    """Twenty deliveries about four leads; the same each time."""
    first = [contact(f"contact-{lead}", lead=lead) for lead in LEADS]
    talks = [message(f"message-{lead}-{turn}", lead=lead) for turn in range(1, ROUNDS) for lead in LEADS]
    return first + talks


def die() -> None:
    """As the kernel's out-of-memory killer does it."""
    os.kill(os.getpid(), signal.SIGKILL)


class CrashingMemory:
    """A real memory that ends the process at one point. Ingest writes come from the inbox, handling ones from the bus."""

    def __init__(self, memory: Memory, *, phase: str, moment: str, number: int) -> None:
        self._memory = memory
        self._phase = phase
        self._moment = moment
        self._left = number

    async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
        return await self._memory.read(query)

    async def compact(self) -> None:
        await self._memory.compact()

    async def write[T](self, change: Callable[[UnitOfWork], T]) -> T:
        return await self._commit(change, self._memory.write)

    async def derive[T](self, change: Callable[[UnitOfWork], T]) -> T:
        return await self._commit(change, self._memory.derive)

    async def _commit[T](
        self,
        change: Callable[[UnitOfWork], T],
        commit: Callable[[Callable[[UnitOfWork], T]], Awaitable[T]],
    ) -> T:
        if self._phase_of(change) != self._phase:
            return await commit(change)
        self._left -= 1
        if self._left > 0:
            return await commit(change)
        if self._moment == "before":
            die()

        def to_the_brink(uow: UnitOfWork) -> T:
            result = change(uow)
            if self._moment == "inside":
                die()
            return result

        await commit(to_the_brink)
        die()
        raise AssertionError("still alive")

    @staticmethod
    def _phase_of(change: Callable[[UnitOfWork], object]) -> str:
        at_the_door = change.__module__.endswith(("event_inbox", "shared_admission"))
        return "ingest" if at_the_door else "handling"


async def main(url: str, data_dir: str, acked: Path, point: tuple[str, str, int]) -> None:
    """Serve, ingest, handle, crash."""
    phase, moment, number = point
    settings = load_settings(database_url=url, data_dir=Path(data_dir))
    async with bootstrap.opened(settings) as database:
        await database.write(
            lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="Crash"))
        )
        memory = CrashingMemory(database, phase=phase, moment=moment, number=number)
        services = bootstrap.compose(settings, memory)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(services.bus.run())
            for delivery in deliveries():
                await services.inbox.receive(delivery)
                with acked.open("a") as stream:
                    stream.write(delivery.delivery_id + "\n")
                await asyncio.sleep(0.002)
            await asyncio.sleep(20)


def run(url: str, data_dir: str, acked: Path, point: tuple[str, str, int]) -> None:
    """The whole process."""
    telemetry.configure_logging(level="ERROR", as_json=False)
    asyncio.run(main(url, data_dir, acked, point))
