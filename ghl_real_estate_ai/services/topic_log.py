"""One topic (a stream of one tenant) as a log: a bounded ring of ready frames, and the newest item per key.

Called by ``websocket_manager``. Plain data: no tasks, no clock, no sockets. The ring is send queue, slow-client bound
and replay history at once; the newest items are the snapshot. Both move in the same call, so they never disagree.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from ghl_real_estate_ai.budgets import (
    CLIENT_BEHIND_BYTES,
    SNAPSHOT_ITEMS,
    TOPIC_RING_BYTES,
    TOPIC_RING_FRAMES,
)
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.streams import LeadItem, LeadRemovedItem, Stream, StreamItem


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One publication, encoded once: ``text`` goes to every socket; its tail from ``item_at`` is the item's own JSON."""

    offset: int
    key: str
    lead_id: LeadId | None
    text: str
    item_at: int
    start: int  # bytes published in the topic before this frame
    size: int  # bytes of this frame
    removal: bool  # it takes its key's row away: told to who follows, left out of snapshots

    @property
    def item(self) -> str:
        """The item's JSON."""
        return self.text[self.item_at : -1]


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
        self._ring: deque[Frame] = deque()
        self._ring_bytes = 0
        self._published_bytes = 0
        self._latest: dict[str, Frame] = {}  # oldest first: an update moves its key to the end
        self._opening: str | None = None

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def ring_bytes(self) -> int:
        """Bytes held for resume."""
        return self._ring_bytes

    # --- writing -------------------------------------------------------------------------------------------------

    def append(self, item: StreamItem, *, at_ms: float) -> None:
        """Publish: encode once, remember as the key's newest, let the oldest frames go."""
        self.head += 1
        frame = self._frame(item, offset=self.head, at_ms=at_ms)
        self._published_bytes += frame.size
        self._ring.append(frame)
        self._ring_bytes += frame.size
        while len(self._ring) > TOPIC_RING_FRAMES or self._ring_bytes > TOPIC_RING_BYTES:
            self._ring_bytes -= self._ring.popleft().size
        self._remember(frame)

    def seed(self, items: Iterable[StreamItem]) -> None:
        """Fill the snapshot with what was known before this process, oldest first. What was published since stays newer."""
        published = self._latest
        self._latest = {}
        for item in items:
            self._remember(self._frame(item, offset=0, at_ms=item.at.timestamp() * 1_000))
        for frame in published.values():
            self._remember(frame)
        self._begin_epoch()

    def forget(self, is_forgotten: Callable[[LeadId], bool]) -> bool:
        """Drop a lead's items. The new epoch makes every open screen take a snapshot without the lead."""
        held = (*self._ring, *self._latest.values())
        if not any(frame.lead_id is not None and is_forgotten(frame.lead_id) for frame in held):
            return False
        self._latest = {
            key: frame
            for key, frame in self._latest.items()
            if frame.lead_id is None or not is_forgotten(frame.lead_id)
        }
        self._begin_epoch()
        return True

    # --- reading -------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Items and offset, taken together."""
        items = tuple(frame.item for frame in reversed(self._latest.values()) if not frame.removal)
        return Snapshot(self.stream, self.epoch, self.head, items)

    def opening(self) -> str:
        """The message that starts a subscriber from the snapshot; made once, shared until the next publication."""
        if self._opening is None:
            self._opening = (
                f'{{"subscribed":{{{_place(self.stream, self.epoch, self.head)},"recovered":false}},'
                f'"snapshot":[{",".join(self.snapshot().items)}]}}'
            )
        return self._opening

    def resumed(self, offset: int) -> str:
        """The message that lets a subscriber go on after ``offset``; the missed publications follow it."""
        return f'{{"subscribed":{{{_place(self.stream, self.epoch, offset)},"recovered":true}}}}'

    def can_resume(self, epoch: str | None, offset: int | None) -> bool:
        """Whether everything published after this place is still here, and not too much to catch up with."""
        if epoch != self.epoch or offset is None or offset > self.head:
            return False
        return not self.lost(offset)

    def lost(self, offset: int) -> bool:
        """Whether a reader at ``offset`` is further behind than the ring, or than CLIENT_BEHIND_BYTES."""
        if offset >= self.head:
            return False
        index = self._index_after(offset)
        return index < 0 or self._published_bytes - self._ring[index].start > CLIENT_BEHIND_BYTES

    def after(self, offset: int, *, limit: int) -> list[Frame]:
        """The next frames in order. The caller has asked ``lost`` before."""
        index = self._index_after(offset)
        # By index, not islice: a deque is quick at both ends, and a follower reads at the end.
        return [self._ring[i] for i in range(index, min(index + limit, len(self._ring)))]

    def newest_after(self, offset: int, *, limit: int) -> list[Frame]:
        """The newest frame of each key that changed after ``offset``, in order of their offsets."""
        changed = (frame for frame in self._latest.values() if frame.offset > offset)
        return list(islice(changed, limit))

    def history(self, *, epoch: str, after: int) -> History:
        """Exactly the publications after a place, if they are all here."""
        recovered = self.can_resume(epoch, after)
        frames = tuple(frame.text for frame in self.after(after, limit=len(self._ring))) if recovered else ()
        return History(self.stream, self.epoch, self.head, recovered, frames)

    # --- inside --------------------------------------------------------------------------------------------------

    def _index_after(self, offset: int) -> int:
        """Ring index of the frame after ``offset``; negative when it has gone."""
        return offset - (self.head - len(self._ring))

    def _frame(self, item: StreamItem, *, offset: int, at_ms: float) -> Frame:
        opening = f'{{"c":"{self.stream.value}","o":{offset},"p":{at_ms:.3f},"e":'
        text = f"{opening}{item.model_dump_json(by_alias=True)}}}"
        return Frame(
            offset=offset,
            key=item.key,
            lead_id=item.lead_id if isinstance(item, LeadItem) else None,
            text=text,
            item_at=len(opening),
            start=self._published_bytes,
            size=len(text.encode()),
            removal=isinstance(item, LeadRemovedItem),
        )

    def _remember(self, frame: Frame) -> None:
        self._latest.pop(frame.key, None)
        self._latest[frame.key] = frame
        if len(self._latest) > SNAPSHOT_ITEMS:
            del self._latest[next(iter(self._latest))]
        self._opening = None

    def _begin_epoch(self) -> None:
        self.epoch = _new_epoch()
        self._ring.clear()
        self._ring_bytes = 0
        self._opening = None


def _new_epoch() -> str:
    return secrets.token_hex(4)


def _place(stream: Stream, epoch: str, offset: int) -> str:
    return f'"stream":"{stream.value}","epoch":"{epoch}","offset":{offset}'


def _boolean(value: bool) -> str:
    return "true" if value else "false"
