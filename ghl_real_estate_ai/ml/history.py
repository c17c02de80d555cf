"""Past leads as training rows: what was known of each at regular origins, and what then came true.

Called by ml/training.py. Rows are built by the code that serves: ``lead_state.apply`` and ``features.vector``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.ml.evaluation import group_draws
from ghl_real_estate_ai.ml.features import FEATURES, vector
from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.ml.targets import Outcomes, Target
from ghl_real_estate_ai.models.events import LEAD_FACTS, RecordedEvent
from ghl_real_estate_ai.models.leads import Lead

ORIGIN_STEP: Final = timedelta(days=3, hours=5)
"""Between origins. Not a whole number of days, so that origins fall on every hour of the day and day of the week."""
WARM_UP: Final = timedelta(days=14)
"""Before the first origin: a log that begins today knows no one's silence."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one target, oldest origin first: at most one row per lead and origin."""

    x: npt.NDArray[np.float64]
    """shape (rows, len(FEATURES))"""
    y: npt.NDArray[np.float64]
    """0 or 1, shape (rows,)"""
    at: npt.NDArray[np.float64]
    """Origin of each row, POSIX seconds."""
    draw: npt.NDArray[np.float64]
    """One number in [0, 1) per lead, by a hash of its id: what groups of leads are cut by."""

    def where(self, mask: npt.NDArray[np.bool_]) -> Table:
        """The rows that the mask keeps."""
        return Table(self.x[mask], self.y[mask], self.at[mask], self.draw[mask])

    def __len__(self) -> int:
        return int(self.y.size)


@dataclass(frozen=True, slots=True)
class _Row:
    at: datetime
    lead_key: str
    x: npt.NDArray[np.float64]
    asked: tuple[bool, ...]


@dataclass(slots=True)
class History:
    """One pass over a log, event by event, ready to be cut into tables; memory grows with leads and rows, not with events.

    Time is the newest ``occurred_at`` seen so far: an event that came in late is known from when it came in.
    """

    targets: tuple[Target, ...]
    rows: list[_Row] = field(default_factory=list)
    outcomes: dict[str, Outcomes] = field(default_factory=dict)
    events: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    simulated: bool = False
    """Whether any of its leads was simulated."""
    _leads: dict[str, Lead] = field(default_factory=dict)
    _origin: datetime | None = None

    def add(self, recorded: RecordedEvent) -> None:
        """The next event of an ordered log of one or more tenants."""
        event = recorded.event
        if event.type not in LEAD_FACTS or event.lead_id is None:
            return
        now = event.occurred_at if self.last_at is None else max(self.last_at, event.occurred_at)
        if self._origin is None:
            self.first_at, self._origin = now, now + WARM_UP
        while self._origin < now:
            self.rows.extend(_rows(self._leads, self._origin, self.targets))
            self._origin += ORIGIN_STEP
        key = f"{event.location_id}\x1f{event.lead_id}"
        self._leads[key] = apply(self._leads.get(key), recorded)
        self.outcomes.setdefault(key, Outcomes()).note(event, now)
        self.events += 1
        self.simulated = self.simulated or event.simulated
        self.last_at = now

    def table(self, target: Target, place: int, *, days: float | None = None) -> Table:
        """The rows of the target at ``place`` in ``targets``, with the answer within ``days`` (None: its horizon).

        Origins whose answer is not known yet at the end of the log are left out.
        """
        within = target.horizon_days if days is None else days
        horizon = timedelta(days=within)
        rows = [
            row for row in self.rows if row.asked[place] and self.last_at and row.at + horizon <= self.last_at
        ]
        answers = [target.came_true(self.outcomes[row.lead_key], row.at, within) for row in rows]
        return Table(
            x=np.array([row.x for row in rows], dtype=np.float64).reshape(len(rows), len(FEATURES)),
            y=np.array(answers, dtype=np.float64),
            at=np.array([row.at.timestamp() for row in rows], dtype=np.float64),
            draw=group_draws(row.lead_key for row in rows),
        )


def read_history(events: Iterable[RecordedEvent], targets: Sequence[Target]) -> History:
    """One pass over an ordered log."""
    history = History(tuple(targets))
    for recorded in events:
        history.add(recorded)
    return history


def _rows(leads: dict[str, Lead], origin: datetime, targets: Sequence[Target]) -> Iterator[_Row]:
    for key, lead in leads.items():
        asked = tuple(target.eligible(lead, origin) for target in targets)
        if any(asked):
            yield _Row(origin, key, vector(lead, origin), asked)
