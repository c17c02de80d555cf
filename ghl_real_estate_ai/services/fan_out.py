"""The sweep: goes over the sockets that something is new for, and hands each what lies after its place.

Called by ``websocket_manager`` (a topic changed) and ``client_session`` (a socket wants something). No task per socket and
no queue: one callback of the event loop writes to some sockets, then lets the loop do something else, then goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.limits import SWEEP_REST_S, SWEEP_REST_SHARE, SWEEP_SOCKETS
from ghl_real_estate_ai.live_ports import ClientConnection
from ghl_real_estate_ai.models.frames import Bundle, framed
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.services.log_places import NOWHERE, Heads, Place, Step, step_from
from ghl_real_estate_ai.services.topic_log import TopicLog

SHORT_S: Final = 0.001
"""After a pass that took no longer than this the next one may follow at once."""

REST_STEP_S: Final = 0.002
"""How often a rest looks whether there is still work for it to make room for."""

IDLE_TURNS: Final = 6
"""Turns of an idle loop between two long passes, over in no time: one pass with two messages costs less than two passes."""

_log = telemetry.get_logger("fan_out")


class Follower:
    """One socket, as the sweep sees it: where it is, and short notes that go before publications, newest of each kind."""

    # The sweep meets thousands of them in a row: what it looks at lies in one place.
    __slots__ = ("connection", "notes", "place")

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.place: Place = NOWHERE
        self.notes: dict[str, str] = {}

    def note(self, kind: str, text: str) -> None:
        """Say this at the next turn; takes the place of what was said of this kind and has not left yet."""
        self.notes.pop(kind, None)
        self.notes[kind] = text

    def taken_notes(self) -> Bundle:
        """What there is to say; then there is nothing."""
        bundle = Bundle(tuple(map(framed, self.notes.values())))
        self.notes.clear()
        return bundle

    def lose(self, stream: Stream) -> None:
        """It is too far behind on a stream that must not lose."""
        raise NotImplementedError

    def crash(self) -> None:
        """A bug of ours met this one socket."""
        raise NotImplementedError


@dataclass(eq=False)
class Topic:
    """A log and who listens to it."""

    log: TopicLog
    listeners: set[Follower] = field(default_factory=set)


class FanOut:
    """All sockets of this process. What is published together leaves together; alone, it leaves in the loop's next turn."""

    def __init__(self, *, now: Callable[[], float] = time.perf_counter) -> None:
        """``now``: seconds, of any origin."""
        self._now = now
        self._changed: set[Topic] = set()
        self._touched: set[Follower] = set()
        self._turn: list[Follower] = []  # of this pass, those that have not been served yet
        self._heads: Heads = {}
        self._steps: dict[Place, Step | None] = {}  # of shared places only, until something changes
        self._due = False
        self._spent_s = 0.0  # on this pass, so far
        self._rest_until = 0.0
        self._idle_turns = 0
        self._busy: Callable[[], bool] = lambda: False

    def give_way_to(self, busy: Callable[[], bool]) -> None:
        """While ``busy()``, a long pass over the sockets is followed by a rest."""
        self._busy = busy

    def changed(self, topic: Topic) -> None:
        """Something was published: those who follow the topic have their turn."""
        self._heads.clear()
        self._steps.clear()
        if topic.listeners:
            self._changed.add(topic)
            self._arrange()

    def touch(self, follower: Follower) -> None:
        """This one has something to send, or takes more again."""
        self._touched.add(follower)
        self._arrange()

    def _arrange(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._sweep)

    def _sweep(self) -> None:
        """One turn. Who is not served in it comes in the next; a new pass begins when everybody was, and others had time."""
        started = self._now()
        if not self._turn and (rest := self._rest_s(started)) is not None:
            asyncio.get_running_loop().call_later(rest, self._sweep)
            return
        self._due = False
        if not self._turn:
            self._turn = list(self._touched.union(*(topic.listeners for topic in self._changed)))
            self._touched.clear()
            self._changed.clear()
        some = self._turn[-SWEEP_SOCKETS:]
        del self._turn[-SWEEP_SOCKETS:]
        try:
            self._serve(some)
        finally:
            now = self._now()
            self._spent_s += now - started
            if not self._turn:
                if self._spent_s > SHORT_S:
                    self._rest_until = now + min(self._spent_s * SWEEP_REST_SHARE, SWEEP_REST_S)
                    self._idle_turns = IDLE_TURNS
                self._spent_s = 0.0
            if self._turn or self._touched or self._changed:
                self._arrange()
            else:
                self._steps.clear()
            telemetry.sweep.observe((now - started) * 1_000)

    def _rest_s(self, now: float) -> float | None:
        """How long to wait before looking again whether the next pass may begin; None: it may.

        Work in hand has its share of the loop, and without any, what has come in meanwhile: what is published goes along.
        """
        if now >= self._rest_until:
            return None
        if self._busy():
            return REST_STEP_S
        self._idle_turns -= 1
        return None if self._idle_turns < 0 else 0.0

    def _serve(self, some: list[Follower]) -> None:
        writes = frames = 0
        for follower in some:
            try:
                sent = self._turn_of(follower)
            except Exception as error:  # noqa: BLE001  # reason: one socket's trouble takes no other along
                _log.error("socket.crashed", **telemetry.crash_of(error))
                follower.crash()
                continue
            if sent:
                writes += 1
                frames += sent
        telemetry.socket_writes.inc(writes)
        telemetry.frames_sent.inc(frames)

    def _turn_of(self, follower: Follower) -> int:
        """One write at most; returns how many messages it had."""
        connection, place = follower.connection, follower.place
        if not connection.takes_more:
            stuck_on = place.overrun(blocked=True)
            if stuck_on is not None:
                follower.lose(stuck_on)
            return 0
        if follower.notes:
            self.touch(follower)
            bundle = follower.taken_notes()
            connection.offer(bundle)
            return len(bundle)
        step = self._steps[place] if place in self._steps else self._step(place)
        if step is None:
            lost = place.overrun()
            if lost is not None:
                follower.lose(lost)
            return 0
        follower.place = step.place
        connection.offer(step.bundle)
        if step.more:
            self.touch(follower)
        for stream, count in step.skipped:
            telemetry.frames_skipped.labels(stream).inc(count)
        return len(step.bundle)

    def _step(self, place: Place) -> Step | None:
        """None too when something that must not be lost was."""
        step = None if place.overrun() else step_from(place, self._heads)
        if place.shared:
            self._steps[place] = step
        return step
