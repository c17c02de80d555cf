"""What a model learns: for whom it speaks, and what must come true within the horizon.

Called by ml/training.py and services/track_record.py; the targets are defined in ml/lead_scoring.py and ml/churn_risk.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from ghl_real_estate_ai.ml.features import FeatureSpec
from ghl_real_estate_ai.ml.lead_state import activity_kind
from ghl_real_estate_ai.models.events import AppointmentChanged, Event, OpportunityChanged
from ghl_real_estate_ai.models.leads import LEAD_INITIATED, Lead, OpportunityStatus, StageRole

Direction = Literal[-1, 0, 1]


@dataclass(slots=True)
class Outcomes:
    """What one lead did, by time: read after the fact, for labels only, never for features."""

    own: list[datetime] = field(default_factory=list)
    """Every lead-initiated event."""
    booked: list[datetime] = field(default_factory=list)
    """The first news of each appointment, unless it was cancelled from the start."""
    won: list[datetime] = field(default_factory=list)
    """The first news that a deal is won, of each deal."""
    _meetings: set[str] = field(default_factory=set)
    _deals_won: set[str] = field(default_factory=set)

    def note(self, event: Event, at: datetime) -> None:
        """Remember an event at ``at``; times must not fall."""
        if activity_kind(event) in LEAD_INITIATED:
            self.own.append(at)
        if isinstance(event, AppointmentChanged) and event.appointment_id not in self._meetings:
            self._meetings.add(event.appointment_id)
            if not event.deleted and event.status not in {"cancelled", "invalid"}:
                self.booked.append(at)
        if isinstance(event, OpportunityChanged) and _is_won(event):
            if event.opportunity_id not in self._deals_won:
                self.won.append(at)
            self._deals_won.add(event.opportunity_id)


def _is_won(event: OpportunityChanged) -> bool:
    """As ``Opportunity.standing``: the status decides, else what the stage means by the owner's map."""
    if event.deleted:
        return False
    undecided = event.status in {None, OpportunityStatus.OPEN}
    return event.status is OpportunityStatus.WON or (undecided and event.stage_role is StageRole.WON)


def any_within(times: list[datetime], after: datetime, days: float) -> bool:
    """Whether one of the rising ``times`` lies in (after, after + days]."""
    place = bisect_right(times, after)
    return place < len(times) and times[place] <= after + timedelta(days=days)


@dataclass(frozen=True, slots=True)
class Target:
    """One question to learn."""

    name: str
    question: str
    horizon_days: int
    eligible: Callable[[Lead, datetime], bool]
    """Whether the model is asked about this lead at this time."""
    label: Callable[[Outcomes, datetime], bool]
    direction: Callable[[FeatureSpec], Direction]
    event: Callable[[Outcomes], list[datetime]] | None = None
    """Rising times of an event: given, the target is learnt as a discrete-time hazard of the first one after the origin."""
    periods: tuple[float, ...] = ()
    """Ends of the hazard's periods in days, the last one the horizon."""
    silence: bool = False
    """Of a hazard: the question is that the event does not come."""

    def came_true(self, outcomes: Outcomes, at: datetime, days: float) -> bool:
        """The label within ``days`` instead of the horizon; of a hazard only. Raises ValueError else."""
        if days == self.horizon_days:
            return self.label(outcomes, at)
        if self.event is None:
            raise ValueError(f"{self.name} has no event: its only horizon is {self.horizon_days} days")
        return any_within(self.event(outcomes), at, days) != self.silence
