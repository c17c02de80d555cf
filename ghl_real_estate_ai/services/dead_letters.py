"""Tries dead letters again: what can be used now goes into the log, what cannot stays with its new reason.

Called by api/routes/dead_letters.py, for one location, and by ``enterprisehub replay --dead-letters``, for all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ghl_real_estate_ai.models.events import REVIVED, DeadLetter, Delivery, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId, derived_id
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork, WebhookReader
from ghl_real_estate_ai.services.admission import admit
from ghl_real_estate_ai.services.event_inbox import INBOX

_PAGE: Final = 100
"""Dead letters read at a time: up to a megabyte each."""

_GONE: Final = "it is no dead letter any more: somebody else has replayed it"


def _to_nobody(_facts: Iterable[RecordedEvent]) -> None:
    """A command cannot tell the gateway's bus, which looks every second."""


@dataclass(frozen=True)
class Kept:
    """A letter that stays, and why."""

    letter: DeadLetter
    reason: str


@dataclass(frozen=True)
class Replayed:
    """How many were tried, those that stay, and what the others became: facts that are heard as new."""

    tried: int
    kept: tuple[Kept, ...]
    facts: tuple[RecordedEvent, ...] = ()

    @property
    def used(self) -> int:
        """How many are in the log now."""
        return self.tried - len(self.kept)


class DeadLetters:
    """Handlers that gave up on an event hear it again: where they do so once more, it comes back as a new letter.

    It stands at the end of the log, with its own id: what others made of it the first time is not made twice.
    """

    def __init__(
        self,
        *,
        memory: Memory,
        reader: WebhookReader,
        clock: Clock,
        announce: Callable[[Iterable[RecordedEvent]], None] = _to_nobody,
    ) -> None:
        self._memory = memory
        self._reader = reader
        self._clock = clock
        self._announce = announce

    async def replay(self, letter: DeadLetter) -> Replayed:
        """Try one again. Raises StorageUnavailable."""
        outcome = await self._tried(letter)
        if isinstance(outcome, str):
            return Replayed(1, (Kept(letter, outcome),))
        return Replayed(1, (), () if outcome is None else (outcome,))

    async def replay_all(self, location_id: LocationId | None = None, *, most: int | None = None) -> Replayed:
        """Try all of a location again, or of all locations; the oldest first, ``most`` at once."""
        tried, kept, facts = 0, [], []
        async for letter in letters(self._memory, location_id):
            if tried == most:
                break
            outcome = await self._tried(letter)
            if (
                outcome == _GONE
            ):  # with the letter of another handler about the same event, or by somebody else
                continue
            tried += 1
            if isinstance(outcome, str):
                kept.append(Kept(letter.model_copy(update={"raw": None}), outcome))
            elif outcome is not None:
                facts.append(outcome)
        return Replayed(tried, tuple(kept), tuple(facts))

    async def _tried(self, letter: DeadLetter) -> RecordedEvent | str | None:
        """As ``_moved``; whoever hears facts is told."""
        now = self._clock.now()
        again = self._read(letter, now) if letter.subscriber == INBOX else None
        outcome = await self._memory.write(lambda uow: _moved(uow, letter, again, now))
        if isinstance(outcome, RecordedEvent):
            self._announce([outcome])
        return outcome

    def _read(self, letter: DeadLetter, now: datetime) -> Delivery | str:
        """A delivery that was unreadable, or why it still is."""
        read = self._reader.translate(
            letter.raw or "", delivery_id=letter.delivery_id, received_at=now, simulated=letter.simulated
        )
        if not isinstance(read, Delivery):
            return read.reason
        if letter.location_id not in {"", read.event.location_id}:
            return "it speaks of another location than it was set aside for"
        return read


def _moved(
    uow: UnitOfWork, letter: DeadLetter, again: Delivery | str | None, now: datetime
) -> RecordedEvent | str | None:
    """The fact that it became; None when the log needs none (known, or of a forgotten lead); or why it stays."""
    if uow.cursors.dead_letter(letter.location_id, letter.dead_letter_id) is None:
        return _GONE
    if again is None:
        again = _taken_out(uow, letter, now)
    if isinstance(again, str):
        uow.cursors.bury(letter.model_copy(update={"reason": again, "failed_at": now}))
        return again
    admitted = admit(uow, again)
    uow.cursors.revive(letter.dead_letter_id)
    return admitted if isinstance(admitted, RecordedEvent) else None


def _taken_out(uow: UnitOfWork, letter: DeadLetter, now: datetime) -> Delivery | str:
    """An event that a handler gave up on, to be appended at the end of the log: it stays one event, in one place.

    It keeps its id, so that who had used it knows it again, and its delivery gets a new one.
    """
    old = uow.events.withdraw(letter.location_id, letter.position or 0)
    if old is None:
        return "its log row was erased"
    again = derived_id(REVIVED, str(letter.dead_letter_id), old.event.event_id)
    return Delivery(delivery_id=f"{REVIVED}{again}", event=old.event, raw=old.raw, received_at=now)


async def letters(memory: Memory, location_id: LocationId | None = None) -> AsyncIterator[DeadLetter]:
    """All of them, of one location or of all, oldest first, read page by page: each may hold a whole body."""
    last = 0
    while page := await memory.read(
        lambda uow: uow.cursors.dead_letters(location_id, after=last, limit=_PAGE)  # noqa: B023  # reason: awaited before the next turn
    ):
        for letter in page:
            yield letter
        last = page[-1].dead_letter_id
