"""A crowd of screens: raw WebSocket connections of one process that answer, resume, and account for every publication.

Called by ``commands``: load test and benchmarks. A real client in all but the painting: it keeps its place in each
topic, notices gaps and doubles, answers pings, and may stop reading or vanish like a real one.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from ghl_real_estate_ai.simulation.wire import (
    CLOSE,
    TEXT,
    Answer,
    Check,
    Closed,
    Gap,
    Opened,
    Reader,
    Span,
    client_frame,
)

HANDSHAKES_AT_ONCE: Final = 64
"""Connections that are being opened at the same time, unless a storm is wanted."""
OPEN_WITHIN_S: Final = 60.0
"""Longest wait until the whole crowd is connected and served."""


@dataclass(frozen=True)
class Door:
    """Where a crowd goes in. ``openings``: messages that say "you follow this now" before a screen counts as served."""

    host: str
    port: int
    path: str
    topics: Sequence[str] = ()
    tokens: Sequence[str] = ()
    openings: int = 0

    def request(self, number: int) -> bytes:
        """The handshake of the crowd's n-th screen; the tokens are shared out."""
        lines = [
            f"GET {self.path} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: c2NyZWVuIG9mIGEgY3Jvdw==",
            "Sec-WebSocket-Version: 13",
        ]
        if self.tokens:
            lines.append(f"Authorization: Bearer {self.tokens[number % len(self.tokens)]}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Ages:
    """How old publications were on arrival. Noted in a moment, reckoned up when somebody asks: there may be millions."""

    def __init__(self) -> None:
        self._arrivals: dict[int, tuple[tuple[float, ...], array[float]]] = {}

    def note(self, stamps: tuple[float, ...], now_ms: float) -> None:
        """These came now; screens that got the same bytes hand in the same tuple."""
        noted = self._arrivals.get(id(stamps))
        if noted is None:
            noted = self._arrivals[id(stamps)] = (stamps, array("d"))
        noted[1].append(now_ms)

    @property
    def count(self) -> int:
        """Publications, each counted at every screen."""
        return sum(len(stamps) * len(arrivals) for stamps, arrivals in self._arrivals.values())

    def quantiles(self, *which: float) -> list[float]:
        """The quantiles in ms, by nearest rank; nan without any."""
        ages = [
            np.subtract.outer(np.frombuffer(arrivals), np.asarray(stamps)).astype(np.float32).ravel()
            for stamps, arrivals in self._arrivals.values()
        ]
        if not ages:
            return [math.nan] * len(which)
        every = np.concatenate(ages)
        return [float(q) for q in np.quantile(every, which, method="inverted_cdf")]

    def quantile(self, q: float) -> float:
        """One of them."""
        return self.quantiles(q)[0]


@dataclass(frozen=True, slots=True)
class _Mark:
    topic: str
    step: int
    after: int
    call: Callable[[int], None]


class Crowd:
    """All screens of one door, and the account of what they got."""

    def __init__(self, door: Door, count: int, *, check: Check | None = None, ages: bool = False) -> None:
        self.door = door
        self.reader = Reader(check)
        self.ages = Ages() if ages else None
        self.screens = [Screen(self, number) for number in range(count)]
        self.received: Counter[str] = Counter()
        self.gaps = 0
        self.doubles = 0
        self.resumed = 0
        self.lost = 0
        self.wrong: Counter[str] = Counter()
        self.closed: Counter[int] = Counter()
        self._mark: _Mark | None = None
        self._reached: Counter[int] = Counter()

    async def open(self, *, at_once: int = HANDSHAKES_AT_ONCE, within_s: float = OPEN_WITHIN_S) -> None:
        """Connect everybody; returns when all are served. Raises TimeoutError or OSError."""
        turns = asyncio.Semaphore(at_once)

        async def one(screen: Screen) -> None:
            async with turns:
                await screen.connect()
                await screen.served.wait()

        async with asyncio.timeout(within_s), asyncio.TaskGroup() as tasks:
            for screen in self.screens:
                tasks.create_task(one(screen))

    def close(self) -> None:
        """Everybody leaves."""
        for screen in self.screens:
            screen.leave()

    def on_every(self, step: int, topic: str, call: Callable[[int], None], *, after: int) -> None:
        """Call with n when all screens have got n times ``step`` publications of a topic behind an offset."""
        self._mark = _Mark(topic, step, after, call)
        self._reached.clear()

    def passed(self, topic: str, before: int, now: int) -> None:
        """A screen went on from one offset to another."""
        self.received[topic] += now - before
        mark = self._mark
        if mark is None or mark.topic != topic:
            return
        met, meets = (before - mark.after) // mark.step, (now - mark.after) // mark.step
        if met == meets:  # what comes alone mostly meets none
            return
        for goal in range(met + 1, meets + 1):
            self._reached[goal] += 1
            if self._reached[goal] == len(self.screens):
                del self._reached[goal]
                mark.call(goal)

    def trouble(self) -> str:
        """What went wrong, in words; empty when nothing did."""
        counts = {
            "gaps": self.gaps,
            "doubles": self.doubles,
            "connections lost": self.lost,
            **self.wrong,
            **{f"closed with {code}": count for code, count in self.closed.items()},
        }
        return ", ".join(f"{count} x {what}" for what, count in counts.items() if count)


class Screen(asyncio.Protocol):
    """One connection after the other."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self.served = asyncio.Event()
        self.places: dict[str, int] = {}
        self._crowd = crowd
        self._number = number
        self._epochs: dict[str, str] = {}
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._upgraded = False
        self._openings = 0

    async def connect(self) -> None:
        """Begin; ``served`` tells when it is done. A screen that had places resumes at them."""
        self.served.clear()
        self._rest, self._upgraded, self._openings = b"", False, 0
        door = self._crowd.door
        await asyncio.get_running_loop().create_connection(lambda: self, door.host, door.port)

    def vanish(self) -> None:
        """Be gone without a word."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def leave(self) -> None:
        """Close politely."""
        transport, self._transport = self._transport, None
        if transport is not None and not transport.is_closing():
            transport.write(client_frame(CLOSE, (1000).to_bytes(2)))
            transport.close()

    def stop_reading(self) -> None:
        """Stay connected and read nothing more."""
        if self._transport is not None:
            self._transport.pause_reading()

    def go_on_reading(self) -> None:
        """Read what has piled up."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # --- what the loop calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)  # TCP has no other
        self._transport.write(self._crowd.door.request(self._number))

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it, unless this side wanted it."""
        if self._transport is not None:
            self._transport = None
            self._crowd.lost += 1
            self.served.set()

    def data_received(self, data: bytes) -> None:
        """Account for everything that is whole."""
        if self._rest:
            data = self._rest + data
        if not self._upgraded:
            data = self._upgrade(data)
            if not data:
                return
        crowd, places = self._crowd, self.places
        chunk = crowd.reader.read(data)
        self._rest = chunk.rest
        for part in chunk.parts:
            if isinstance(part, Span):
                place = places.get(part.topic, 0)
                if part.first == place + 1:
                    places[part.topic] = part.last
                    crowd.passed(part.topic, place, part.last)
                else:
                    self._out_of_order(part, place)
            else:
                self._note(part)
        if crowd.ages is not None and chunk.stamps:
            crowd.ages.note(chunk.stamps, time.time() * 1_000)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _upgrade(self, data: bytes) -> bytes:
        head, blank, after = data.partition(b"\r\n\r\n")
        self._rest = b"" if blank else data
        if not blank:
            return b""
        if not head.startswith(b"HTTP/1.1 101"):
            self._crowd.wrong[f"handshake refused: {head.splitlines()[0].decode(errors='replace')}"] += 1
            self.vanish()
            self.served.set()
            return b""
        self._upgraded = True
        if self._crowd.door.topics:
            self._send(client_frame(TEXT, self._subscription()))
        if not self._crowd.door.openings:
            self.served.set()
        return after

    def _subscription(self) -> bytes:
        wanted = [
            {"stream": topic, "epoch": self._epochs[topic], "offset": self.places[topic]}
            if topic in self.places
            else {"stream": topic}
            for topic in self._crowd.door.topics
        ]
        return json.dumps({"subscribe": wanted}).encode()

    def _send(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame)

    def _out_of_order(self, span: Span, place: int) -> None:
        crowd = self._crowd
        if span.last <= place:
            crowd.doubles += span.last - span.first + 1
            return
        crowd.gaps += span.first > place + 1
        crowd.doubles += max(0, place + 1 - span.first)
        self.places[span.topic] = span.last
        crowd.passed(span.topic, max(place, span.first - 1), span.last)

    def _note(self, part: object) -> None:
        crowd = self._crowd
        match part:
            case Answer(frame):
                self._send(frame)
            case Opened(topic, epoch, offset, recovered):
                self._opened(topic, epoch, offset, recovered=recovered)
            case Gap(topic, last):
                crowd.gaps += 1
                self.places[topic] = max(self.places.get(topic, 0), last)
            case Closed(code):
                crowd.closed[code] += 1
                self.leave()
                self.served.set()
            case _:
                crowd.wrong[getattr(part, "why", "unknown")] += 1

    def _opened(self, topic: str, epoch: str, offset: int, *, recovered: bool) -> None:
        if topic in self.places and (not recovered or offset != self.places[topic]):
            self._crowd.gaps += 1
        elif topic in self.places:
            self._crowd.resumed += 1
        self.places[topic], self._epochs[topic] = offset, epoch
        self._openings += 1
        if self._openings == self._crowd.door.openings:
            self.served.set()
