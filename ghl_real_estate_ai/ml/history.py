"""Past leads as training rows: what was known of each at regular origins, and what then came true.

Called by ml/training.py. Rows are built by the code that serves: ``lead_state.apply`` and ``features.vector``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
    """One pass over a log, ready to be cut into tables."""

    rows: list[_Row]
    outcomes: dict[str, Outcomes]
    events: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    def table(self, target: Target, place: int) -> Table:
        """The rows of the target at ``place`` in the list that ``read_history`` was given.

        Origins whose horizon reaches beyond the end of the log are left out: their answer is not known.
        """
        horizon = timedelta(days=target.horizon_days)
        rows = [
            row for row in self.rows if row.asked[place] and self.last_at and row.at + horizon <= self.last_at
        ]
        return Table(
            x=np.array([row.x for row in rows], dtype=np.float64).reshape(len(rows), len(FEATURES)),
            y=np.array([target.label(self.outcomes[row.lead_key], row.at) for row in rows], dtype=np.float64),
            at=np.array([row.at.timestamp() for row in rows], dtype=np.float64),
            draw=group_draws(row.lead_key for row in rows),
        )


def read_history(events: Iterable[RecordedEvent], targets: Sequence[Target]) -> History:
    """One pass over an ordered log of one or more tenants; memory grows with leads and rows, not with events.

    Time is the newest ``occurred_at`` seen so far: an event that came in late is known from when it came in.
    """
    leads: dict[str, Lead] = {}
    history = History(rows=[], outcomes={})
    origin: datetime | None = None
    now: datetime | None = None
    for recorded in events:
        event = recorded.event
        if event.type not in LEAD_FACTS or event.lead_id is None:
            continue
        now = event.occurred_at if now is None else max(now, event.occurred_at)
        if origin is None:
            history.first_at, origin = now, now + WARM_UP
        while origin < now:
            history.rows.extend(_rows(leads, origin, targets))
            origin += ORIGIN_STEP
        key = f"{event.location_id}\x1f{event.lead_id}"
        leads[key] = apply(leads.get(key), recorded)
        history.outcomes.setdefault(key, Outcomes()).note(event, now)
        history.events += 1
    history.last_at = now
    return history


def _rows(leads: dict[str, Lead], origin: datetime, targets: Sequence[Target]) -> Iterator[_Row]:
    for key, lead in leads.items():
        asked = tuple(target.eligible(lead, origin) for target in targets)
        if any(asked):
            yield _Row(origin, key, vector(lead, origin), asked)
