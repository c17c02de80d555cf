"""One topic (a stream of one tenant) as a log: a bounded ring of ready frames, and the newest item per key.

Called by ``websocket_manager`` (writes) and ``log_places`` (reads). Plain data: no tasks, no clock, no sockets. The ring
is send queue, slow-client bound and replay history at once; the newest items are the snapshot. Both move in the same
call, so they never disagree.
"""

from __future__ import annotations

import itertools
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ghl_real_estate_ai.errors import HoleInLog
from ghl_real_estate_ai.limits import (
    CLIENT_BEHIND_BYTES,
    QUEUE_ITEMS,
    SNAPSHOT_ITEMS,
    TOPIC_RING_BYTES,
    TOPIC_RING_FRAMES,
)
from ghl_real_estate_ai.models.frames import framed, header_size
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.streams import Placed, Publication, Stream

_turns = itertools.count(1)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One publication, encoded and framed once: ``wire`` goes to every socket; its tail from ``item_at`` is the item's JSON."""

    offset: int
    turn: int  # order of publication over all topics of this process
    key: str
    lead_id: LeadId | None
    wire: bytes
    item_at: int
    start: int  # bytes published in the topic before this frame
    removal: bool  # it takes its key's row away
    idle: bool  # there is nothing to do for its lead

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return len(self.wire)

    @property
    def text(self) -> str:
        """The message without its framing."""
        return self.wire[header_size(self.wire) :].decode()

    @property
    def item(self) -> bytes:
        """The item's JSON."""
        return self.wire[self.item_at : -1]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest items, newest first, and the offset they are true at: publications after it follow."""

    stream: Stream
    epoch: str
    offset: int
    items: tuple[str, ...]

    def as_json(self) -> str:
        """The REST twin's body."""
        return f'{{{_place(self.stream, self.epoch, self.offset)},"items":[{",".join(self.items)}]}}'


@dataclass(frozen=True, slots=True)
class History:
    """What was published after a known place, or ``recovered`` False when that is gone: then take the snapshot."""

    stream: Stream
    epoch: str
    offset: int
    recovered: bool
    frames: tuple[str, ...]

    def as_json(self) -> str:
        """The REST twin's body."""
        place = _place(self.stream, self.epoch, self.offset)
        return f'{{{place},"recovered":{_boolean(self.recovered)},"frames":[{",".join(self.frames)}]}}'


class TopicLog:
    """Offsets are 1, 2, 3 ... within an ``epoch``. A new epoch says: what you hold is void, take the snapshot."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.epoch = _new_epoch()
        self.head = 0
        # Offset of the newest removal: who is before it and cannot get everything starts anew.
        self.removed_at = 0
        self._ring: deque[Frame] = deque()
        self._ring_bytes = 0
        self._published_bytes = 0
        self._latest: dict[str, Frame] = {}  # oldest first: an update moves its key to the end
        self._idle: dict[str, None] = {}  # the keys among them whose frame is idle, oldest first
        self._opening: bytes | None = None
        self._unseen: deque[tuple[Callable[[], Publication | None], float]] = deque()
        self._skipped = False  # some that nobody saw will never be made

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def unseen(self) -> int:
        """Publications that wait for somebody to look."""
        return len(self._unseen)

    @property
    def ring_bytes(self) -> int:
        """Bytes held for resume."""
        return self._ring_bytes

    # --- writing -------------------------------------------------------------------------------------------------

    def append(self, publication: Publication, *, at_ms: float) -> None:
        """Publish: frame once, remember as the key's newest, let the oldest frames go."""
        self.head += 1
        frame = self._frame(publication, offset=self.head, at_ms=at_ms)
        self._published_bytes += frame.size
        self._ring.append(frame)
        self._ring_bytes += frame.size
        while len(self._ring) > TOPIC_RING_FRAMES or self._ring_bytes > TOPIC_RING_BYTES:
            self._ring_bytes -= self._ring.popleft().size
        self._remember(frame)

    def append_when_seen(self, make: Callable[[], Publication | None], *, at_ms: float) -> None:
        """As ``append``, of what adds a row and changes none, while nobody follows: made when somebody looks (``catch_up``).

        Of many the snapshot's newest are kept; then who comes back takes the snapshot. ``make``: None when it cannot be made.
        """
        if len(self._unseen) == SNAPSHOT_ITEMS:
            self._unseen.popleft()
            self._skipped = True
        self._unseen.append((make, at_ms))

    def catch_up(self, most: int = SNAPSHOT_ITEMS) -> None:
        """Append what nobody has seen, the oldest first. The caller does so before it reads or writes anything else."""
        if self._skipped:
            self._skipped = False
            self._begin_epoch(_new_epoch())
        for _ in range(min(most, len(self._unseen))):
            make, at_ms = self._unseen.popleft()
            publication = make()
            if publication is not None:
                self.append(publication, at_ms=at_ms)

    def relay(self, placed: Placed) -> bool:
        """Append the next publication of a shared topic; False when it is held already. Raises HoleInLog."""
        if placed.offset <= self.head:
            return False
        if placed.offset != self.head + 1:
            raise HoleInLog(
                f"{self.stream}: offset {placed.offset} came after {self.head}; adopt the topic again"
            )
        self.append(placed.publication, at_ms=placed.at_ms)
        return True

    def seed(self, publications: Iterable[Publication]) -> None:
        """Fill the snapshot with what was known before this process, oldest first. What was published since stays newer."""
        published = self._latest
        self._clear_latest()
        for publication in publications:
            self._remember(self._frame(publication, offset=0, at_ms=0.0))
        for frame in published.values():
            self._remember(frame)
        self._begin_epoch(_new_epoch())

    def begin(self, *, epoch: str, seeds: Iterable[Publication], head: int) -> None:
        """Become a shared topic that has come to the offset ``head``: ``seeds`` for the snapshot, oldest first."""
        self._clear_latest()
        self._begin_epoch(epoch)
        for publication in seeds:
            self._remember(self._frame(publication, offset=0, at_ms=0.0))
        self.removed_at = 0
        self.head = head

    def forget(self, is_forgotten: Callable[[LeadId], bool]) -> bool:
        """Drop a lead's items. The new epoch makes every open screen take a snapshot without the lead; offsets go on.

        A topic that holds nothing of the lead stays as it is (False).
        """
        held = (*self._ring, *self._latest.values())
        if not any(frame.lead_id is not None and is_forgotten(frame.lead_id) for frame in held):
            return False
        for key, frame in list(self._latest.items()):
            if frame.lead_id is not None and is_forgotten(frame.lead_id):
                self._drop_latest(key)
        self._begin_epoch(_new_epoch())
        return True

    # --- reading -------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Items and offset, taken together."""
        items = tuple(item.decode() for item in self._items())
        return Snapshot(self.stream, self.epoch, self.head, items)

    def opening(self) -> bytes:
        """The frame that starts a subscriber from the snapshot; made once, shared until the next publication."""
        if self._opening is None:
            place = f'{{"subscribed":{{{_place(self.stream, self.epoch, self.head)},"recovered":false}},"snapshot":['
            self._opening = framed(b"".join((place.encode(), b",".join(self._items()), b"]}")))
        return self._opening

    def resumed(self, offset: int) -> bytes:
        """The frame that lets a subscriber go on after ``offset``; the missed publications follow it."""
        return framed(f'{{"subscribed":{{{_place(self.stream, self.epoch, offset)},"recovered":true}}}}')

    def can_resume(self, epoch: str | None, offset: int | None) -> bool:
        """Whether everything published after this place is still here."""
        return epoch == self.epoch and offset is not None and offset <= self.head and not self.gone(offset)

    def gone(self, offset: int) -> bool:
        """Whether what follows ``offset`` has left the ring."""
        return self._index_after(offset) < 0

    def lost(self, offset: int) -> bool:
        """Whether a reader at ``offset`` is further behind than the ring, or than CLIENT_BEHIND_BYTES."""
        if offset >= self.head:
            return False
        index = self._index_after(offset)
        return index < 0 or self._published_bytes - self._ring[index].start > CLIENT_BEHIND_BYTES

    def holds(self, offset: int) -> bool:
        """Whether the frame after ``offset`` is here, or ``offset`` is the head."""
        return 0 <= self._index_after(offset) <= len(self._ring)

    def after(self, offset: int) -> Iterator[Frame]:
        """The frames after ``offset``, in order. The caller has asked ``gone`` before."""
        # By index, not islice: a deque is quick at both ends, and a follower reads at the end.
        return (self._ring[i] for i in range(self._index_after(offset), len(self._ring)))

    def newest_after(self, offset: int) -> list[Frame]:
        """The newest frame of each key that changed after ``offset``, in order of their offsets. Tells no removal."""
        return [frame for frame in self._latest.values() if frame.offset > offset]

    def history(self, *, epoch: str, after: int) -> History:
        """Exactly the publications after a place, if they are all here."""
        recovered = self.can_resume(epoch, after)
        frames = tuple(frame.text for frame in self.after(after)) if recovered else ()
        return History(self.stream, self.epoch, self.head, recovered, frames)

    # --- inside --------------------------------------------------------------------------------------------------

    def _index_after(self, offset: int) -> int:
        """Ring index of the frame after ``offset``; negative when it has gone."""
        return offset - (self.head - len(self._ring))

    def _items(self) -> list[bytes]:
        return [frame.item for frame in reversed(self._latest.values())]

    def _frame(self, publication: Publication, *, offset: int, at_ms: float) -> Frame:
        opening = f'{{"c":"{self.stream.value}","o":{offset},"p":{at_ms:.3f},"e":'
        wire = framed(f"{opening}{publication.item}}}")
        return Frame(
            offset=offset,
            turn=next(_turns),
            key=publication.key,
            lead_id=publication.lead_id,
            wire=wire,
            item_at=header_size(wire) + len(opening),
            start=self._published_bytes,
            removal=publication.removal,
            idle=publication.idle,
        )

    def _remember(self, frame: Frame) -> None:
        self._opening = None
        self._drop_latest(frame.key)
        if frame.removal:
            self.removed_at = frame.offset
            self._drop_lead(frame.lead_id)
            return
        self._latest[frame.key] = frame
        if frame.idle:
            self._idle[frame.key] = None
        self._make_room()

    def _make_room(self) -> None:
        """Of the queue, leads with nothing to do go first: one that has waited for days is still in it tomorrow."""
        if len(self._idle) > SNAPSHOT_ITEMS:
            self._drop_latest(next(iter(self._idle)))
        most = SNAPSHOT_ITEMS + QUEUE_ITEMS if self.stream is Stream.NEXT_ACTIONS else SNAPSHOT_ITEMS
        if len(self._latest) > most:
            self._drop_latest(next(iter(self._idle or self._latest)))

    def _drop_latest(self, key: str) -> None:
        self._latest.pop(key, None)
        self._idle.pop(key, None)

    def _drop_lead(self, lead_id: LeadId | None) -> None:
        """A lead's row has its id as the key; of the feed, whose keys are those of messages, each row is looked at."""
        if self.stream is Stream.CONVERSATION_FEED:
            for key in [key for key, frame in self._latest.items() if frame.lead_id == lead_id]:
                self._drop_latest(key)

    def _clear_latest(self) -> None:
        self._latest, self._idle = {}, {}

    def _begin_epoch(self, epoch: str) -> None:
        self.epoch = epoch
        self._ring.clear()
        self._ring_bytes = 0
        self._opening = None


def _new_epoch() -> str:
    return secrets.token_hex(4)


def _place(stream: Stream, epoch: str, offset: int) -> str:
    return f'"stream":"{stream.value}","epoch":"{epoch}","offset":{offset}'


def _boolean(value: bool) -> str:
    return "true" if value else "false"
