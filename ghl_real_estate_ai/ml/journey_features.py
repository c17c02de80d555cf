"""What is known of a case at any moment, after an event or in silence, as numbers. Called by ml/journey_model.py.

One code for both: ``CaseState.update`` takes the next event in constant time, and past logs become training rows by the
same calls. So no row can hold anything that came later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.ml.column_kinds import ColumnKind

Codes = npt.NDArray[np.int64]

KINDS: Final = 60
"""Kinds of event that are told apart, commonest first; the others are one kind."""
WORDS: Final = 40
"""The same for the words of a column."""
LOOK_BACK: Final = 3
"""Last kinds that are inputs themselves."""
OTHER: Final = 0
"""Code of a word or kind that is rare or new."""
MISSING: Final = -1
"""Code of a word that is not there."""
NAN: Final = math.nan

_CLOCK: Final = (
    "events",
    "hours_since_start",
    "silent_hours",
    "last_gap_hours",
    "mean_gap_hours",
    "longest_gap_hours",
    "events_last_day",
    "hour",
    "weekday",
    "start_hour",
    "start_weekday",
    "kinds_seen",
    "repeats",
    "returns",
)
"""Inputs that every log has. silent_hours: since the last event, last_gap_hours: before it. repeats: events of the kind before; returns: of a kind seen earlier, with others between."""


class CaseEvent(NamedTuple):
    """One event as codes and numbers, in the order of the vocabulary."""

    at: float
    """POSIX seconds."""
    kind: int
    numbers: tuple[float, ...]
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LogColumn:
    """A column of the log beside case, activity and time."""

    name: str
    kind: ColumnKind
    """NUMBER, DATE or CATEGORY."""
    varies: bool
    """Within a case: it tells of the event, not of the case."""
    words: tuple[str, ...] = ()
    """Of a CATEGORY: codes 1, 2, ..."""

    @property
    def is_word(self) -> bool:
        """Whether its cells are codes of words."""
        return self.kind == ColumnKind.CATEGORY


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the training cases taught the state to tell apart."""

    kinds: tuple[str, ...]
    """Of event: codes 1, 2, ..., 0 for any other."""
    columns: tuple[LogColumn, ...]
    transition: str | None = None
    """The column that holds the state of an activity (start, complete ...), which is part of the event's kind."""

    @property
    def numbers(self) -> tuple[LogColumn, ...]:
        """Columns of numbers and dates."""
        return tuple(column for column in self.columns if not column.is_word)

    @property
    def words(self) -> tuple[LogColumn, ...]:
        """Columns of words."""
        return tuple(column for column in self.columns if column.is_word)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the inputs, in their order."""
        varying_words = [column.name for column in self.words if column.varies]
        return (
            *_CLOCK,
            *(f"count:{kind}" for kind in ("(other)", *self.kinds)),
            *(f"hours_since:{kind}" for kind in ("(other)", *self.kinds)),
            *(f"last_kind_{back + 1}" for back in range(LOOK_BACK)),
            *(column.name for column in self.numbers),
            *(f"first:{column.name}" for column in self.numbers if column.varies),
            *(column.name for column in self.words),
            *(f"changes:{name}" for name in varying_words),
            *(f"different:{name}" for name in varying_words),
        )

    @property
    def levels(self) -> dict[str, int]:
        """The inputs that are codes, with the number of their codes."""
        kinds = dict.fromkeys((f"last_kind_{back + 1}" for back in range(LOOK_BACK)), len(self.kinds) + 1)
        return {**kinds, **{column.name: len(column.words) + 1 for column in self.words}}


class CaseState:
    """A case so far. ``update`` costs the same after ten events as after ten thousand."""

    __slots__ = (
        "_changes",
        "_counts",
        "_day",
        "_first_numbers",
        "_last_at",
        "_last_kinds",
        "_longest",
        "_numbers",
        "_previous_at",
        "_repeats",
        "_returns",
        "_seen_at",
        "_seen_words",
        "_started",
        "_words",
        "events",
    )

    def __init__(self, vocabulary: Vocabulary) -> None:
        kinds = len(vocabulary.kinds) + 1
        self.events = 0
        self._counts = np.zeros(kinds)
        self._seen_at = np.full(kinds, NAN)
        self._last_kinds = [MISSING] * LOOK_BACK
        self._started = self._last_at = self._previous_at = NAN
        self._longest = 0.0
        self._day = 0.0
        self._repeats = self._returns = 0
        self._numbers = [NAN] * len(vocabulary.numbers)
        self._first_numbers = {place: NAN for place, c in enumerate(vocabulary.numbers) if c.varies}
        self._words = [MISSING] * len(vocabulary.words)
        self._changes = {place: 0 for place, c in enumerate(vocabulary.words) if c.varies}
        self._seen_words: dict[int, set[int]] = {place: set() for place in self._changes}

    def update(self, event: CaseEvent) -> None:
        """Take the next event. Times must not fall; one that does counts as the time before it."""
        at, kind = event.at, event.kind
        if not self.events:
            self._started = self._previous_at = at
        else:
            at = max(at, self._last_at)
            self._previous_at = self._last_at
            self._longest = max(self._longest, at - self._last_at)
            self._repeats += kind == self._last_kinds[0]
            self._returns += kind != self._last_kinds[0] and self._counts[kind] > 0
            self._day *= math.exp((self._last_at - at) / 86_400.0)
        self._day += 1.0
        self.events += 1
        self._last_at = at
        self._counts[kind] += 1
        self._seen_at[kind] = at
        self._last_kinds = [kind, *self._last_kinds[:-1]]
        self._take_cells(event)

    def _take_cells(self, event: CaseEvent) -> None:
        for place, number in enumerate(event.numbers):
            if not math.isnan(number):
                if math.isnan(self._first_numbers.get(place, 0.0)):
                    self._first_numbers[place] = number
                self._numbers[place] = number
        for place, word in enumerate(event.words):
            if word != MISSING:
                if place in self._changes:
                    self._changes[place] += self._words[place] not in (MISSING, word)
                    self._seen_words[place].add(word)
                self._words[place] = word

    def write(self, row: npt.NDArray[np.float32], now: float) -> None:
        """The inputs at ``now``, POSIX seconds, not before the last event; in the order of ``Vocabulary.names``."""
        now = max(now, self._last_at)
        kinds = self._counts.size
        start = len(_CLOCK)
        row[:start] = (
            self.events,
            (now - self._started) / 3_600.0,
            (now - self._last_at) / 3_600.0,
            (self._last_at - self._previous_at) / 3_600.0,
            (self._last_at - self._started) / 3_600.0 / max(1, self.events - 1),
            self._longest / 3_600.0,
            self._day * math.exp((self._last_at - now) / 86_400.0),
            *_hour_and_weekday(now),
            *_hour_and_weekday(self._started),
            np.count_nonzero(self._counts),
            self._repeats,
            self._returns,
        )
        row[start : start + kinds] = self._counts
        row[start + kinds : start + 2 * kinds] = (now - self._seen_at) / 3_600.0
        row[start + 2 * kinds :] = (
            *self._last_kinds,
            *self._numbers,
            *self._first_numbers.values(),
            *self._words,
            *self._changes.values(),
            *map(len, self._seen_words.values()),
        )


def _hour_and_weekday(at: float) -> tuple[float, float]:
    """Of UTC; 1970-01-01 was a Thursday."""
    days, seconds = divmod(at, 86_400.0)
    return seconds / 3_600.0, (days + 3) % 7
