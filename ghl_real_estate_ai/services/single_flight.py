"""Answers that many ask for at once are made once: whoever comes first makes it, the others wait for it.

Called by the routes that many screens ask at the same moment, and within each process by the cache of all processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

from ghl_real_estate_ai.limits import ANSWERS_HELD


@dataclass(frozen=True, eq=False)
class _Flight:
    begun: float
    answer: asyncio.Future[bytes]


class SingleFlight:
    """``live_ports.SharedCache`` of one process. Of more than ``most`` answers the oldest is dropped."""

    def __init__(self, *, seconds: Callable[[], float] = monotonic, most: int = ANSWERS_HELD) -> None:
        self._seconds = seconds
        self._most = most
        self._flights: dict[str, _Flight] = {}

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[bytes]], *, seconds: float) -> bytes:
        """The answer whose making began less than so long before this call; else it is made now.

        What ``make`` raises reaches all who wait for it and is not kept. When its maker is cancelled, one of those who
        wait makes it.
        """
        asked = self._seconds()
        while (flight := self._flights.get(key)) is not None and asked - flight.begun < seconds:
            await asyncio.wait(
                [flight.answer]
            )  # and not the answer itself: whoever leaves here ends it for nobody
            if not flight.answer.cancelled():
                return flight.answer.result()
        return await self._make(key, make, seconds=seconds)

    async def _make(self, key: str, make: Callable[[], Awaitable[bytes]], *, seconds: float) -> bytes:
        loop = asyncio.get_running_loop()
        flight = _Flight(self._seconds(), loop.create_future())
        self._flights.pop(key, None)  # so that the order is the order of beginning
        while len(self._flights) >= self._most:
            del self._flights[next(iter(self._flights))]
        self._flights[key] = flight
        try:
            answer = await make()
        except asyncio.CancelledError:
            self._drop(key, flight)
            flight.answer.cancel()
            raise
        except Exception as error:
            self._drop(key, flight)
            flight.answer.set_exception(error)
            flight.answer.exception()  # it was seen: by whoever made it
            raise
        flight.answer.set_result(answer)
        loop.call_later(seconds, self._drop, key, flight)
        return answer

    def _drop(self, key: str, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def __len__(self) -> int:
        return len(self._flights)
