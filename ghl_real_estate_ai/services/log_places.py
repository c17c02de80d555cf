"""Where sockets are in the logs, and what lies between a place and the newest publication.

Called by ``fan_out``. A place is never changed: sockets that have come equally far hold the same one, so what they get
next is put together once for all of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.limits import WRITE_BYTES
from ghl_real_estate_ai.models.frames import Bundle, framed
from ghl_real_estate_ai.models.streams import LAG_POLICY, LagPolicy, Stream
from ghl_real_estate_ai.services.topic_log import Frame, TopicLog


class Cursor(NamedTuple):
    """How far somebody has come in one topic. ``opened`` False: the subscription is not answered yet."""

    log: TopicLog
    epoch: str | None
    offset: int
    opened: bool

    @property
    def follows(self) -> bool:
        """Whether it goes on from where it is, if the log still holds what comes next."""
        return self.opened and self.epoch == self.log.epoch


class Place:
    """A cursor for each topic that is followed. ``shared``: others are likely to be here too."""

    __slots__ = ("_must_not_lose", "cursors", "shared")

    def __init__(self, cursors: Iterable[Cursor] = (), *, shared: bool = False) -> None:
        self.cursors = tuple(cursors)
        self.shared = shared
        self._must_not_lose = tuple(
            cursor for cursor in self.cursors if LAG_POLICY[cursor.log.stream] is LagPolicy.CLOSE
        )

    def with_cursor(self, cursor: Cursor) -> Place:
        """One more topic, or another place in the same one."""
        return Place((*self.without(cursor.log).cursors, cursor))

    def without(self, log: TopicLog) -> Place:
        """One topic less."""
        return Place(cursor for cursor in self.cursors if cursor.log is not log)

    def revised(self, log: TopicLog) -> Place:
        """After the log became another one: kept if what comes next is held, else answered again from the snapshot."""
        (cursor,) = (cursor for cursor in self.cursors if cursor.log is log)
        if not cursor.opened or (cursor.follows and log.holds(cursor.offset)):
            return self
        return self.with_cursor(Cursor(log, None, -1, opened=False))

    def overrun(self, *, blocked: bool = False) -> Stream | None:
        """The stream that must not lose and has lost what comes next here, if there is one.

        ``blocked``: the socket takes nothing, so too many bytes behind counts too; else all of the ring can be sent.
        """
        for cursor in self._must_not_lose:
            log = cursor.log
            if cursor.follows and (log.lost if blocked else log.gone)(cursor.offset):
                return log.stream
        return None


NOWHERE = Place()


class Step(NamedTuple):
    """From a place to the next: what to send, at most WRITE_BYTES or one message. ``more``: not at the newest yet."""

    bundle: Bundle
    place: Place
    more: bool
    skipped: tuple[tuple[Stream, int], ...]


Heads = dict[tuple[TopicLog, ...], Place]
"""The place at the newest of each set of topics, as long as nothing is published."""


def step_from(place: Place, heads: Heads) -> Step | None:
    """What comes next for whoever is here; None when there is nothing."""
    writing = _Writing()
    cursors = [_attended(cursor, writing) for cursor in place.cursors]
    if not writing.full:
        _merge(cursors, writing)
    if not writing.frames:
        return None
    more = writing.full or any(not it.follows or it.offset < it.log.head for it in cursors)
    if more:
        following = Place(cursors, shared=place.shared)
    else:
        topics = tuple(cursor.log for cursor in cursors)
        following = heads.get(topics) or heads.setdefault(topics, Place(cursors, shared=True))
    return Step(Bundle(writing.frames), following, more, tuple(writing.skipped))


class _Writing:
    """Frames for one write."""

    __slots__ = ("frames", "full", "size", "skipped")

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.size = 0
        self.full = False
        self.skipped: list[tuple[Stream, int]] = []

    def takes(self, frame: bytes) -> bool:
        """Add it, unless it is too much; the first always fits."""
        self.full = self.full or (self.size > 0 and self.size + len(frame) > WRITE_BYTES)
        if not self.full:
            self.frames.append(frame)
            self.size += len(frame)
        return not self.full


def _attended(cursor: Cursor, writing: _Writing) -> Cursor:
    """The cursor after what has to be said before frames can follow it."""
    if not cursor.follows:
        return _opened(cursor, writing)
    if _is_too_far_behind(cursor):
        return _caught_up(cursor, writing)
    return cursor


def _is_too_far_behind(cursor: Cursor) -> bool:
    """Whether a socket that takes more does not get everything. What must not be lost is sent as long as it is held."""
    log = cursor.log
    must_not_lose = LAG_POLICY[log.stream] is LagPolicy.CLOSE
    return log.gone(cursor.offset) if must_not_lose else log.lost(cursor.offset)


def _opened(cursor: Cursor, writing: _Writing) -> Cursor:
    """On its own place if the log still holds what follows, else at the snapshot."""
    log = cursor.log
    held = not cursor.opened and log.can_resume(cursor.epoch, cursor.offset)
    resumes = held and not _is_too_far_behind(cursor)
    if not writing.takes(log.resumed(cursor.offset) if resumes else log.opening()):
        return cursor
    if not cursor.opened:
        telemetry.resumes.labels("true" if resumes else "false").inc()
    return Cursor(log, log.epoch, cursor.offset if resumes else log.head, opened=True)


def _caught_up(cursor: Cursor, writing: _Writing) -> Cursor:
    """Too far behind to get everything: what is lost is the stream's own policy. CLOSE is the caller's (``overrun``)."""
    log, before = cursor.log, cursor.offset
    offset, sent = log.head, 0
    if LAG_POLICY[log.stream] is LagPolicy.CONFLATE:
        if before < log.removed_at:  # the newest of each key do not tell which keys have gone
            return _started_anew(cursor, writing)
        offset = before
        for frame in log.newest_after(before):
            if not writing.takes(frame.wire):
                break
            offset, sent = frame.offset, sent + 1
    if writing.full and offset == before:
        return cursor
    writing.frames.append(framed(f'{{"c":"{log.stream.value}","gap":[{before + 1},{offset}]}}'))
    writing.skipped.append((log.stream, offset - before - sent))
    return cursor._replace(offset=offset)


def _started_anew(cursor: Cursor, writing: _Writing) -> Cursor:
    """From the snapshot."""
    log = cursor.log
    if not writing.takes(log.opening()):
        return cursor
    writing.skipped.append((log.stream, log.head - cursor.offset))
    return cursor._replace(offset=log.head)


def _merge(cursors: list[Cursor], writing: _Writing) -> None:
    """Add what follows each cursor, in order of publication; moves the cursors on."""
    behind = [
        _numbered(index, cursor.log.after(cursor.offset))
        for index, cursor in enumerate(cursors)
        if cursor.offset < cursor.log.head
    ]
    come_to: dict[int, int] = {}
    for _, index, frame in heapq.merge(*behind):
        if not writing.takes(frame.wire):
            break
        come_to[index] = frame.offset
    for index, offset in come_to.items():
        cursors[index] = cursors[index]._replace(offset=offset)


def _numbered(index: int, frames: Iterator[Frame]) -> Iterator[tuple[int, int, Frame]]:
    return ((frame.turn, index, frame) for frame in frames)
