"""What learning keeps in memory, as Protocols: models of a tenant, timers of its risks, the record of what came true.

Part of the unit of work (ports.py). Used by services; the adapters are in storage/.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from pydantic import Field

from ghl_real_estate_ai.models.identifiers import Frozen, LeadId, LocationId, Probability, UtcTime
from ghl_real_estate_ai.models.intelligence import RiskStage

if TYPE_CHECKING:  # commands that hold no figures start without it
    import numpy as np
    import numpy.typing as npt


class ModelRole(StrEnum):
    """What a learned model is there for."""

    CHAMPION = "champion"  # answers
    CHALLENGER = "challenger"  # was fitted, has not won
    RETIRED = "retired"  # answered once


class LearnedModel(Frozen):
    """A model of a tenant's own history: its card and its content, both text."""

    location_id: LocationId
    name: str
    version: str
    role: ModelRole
    card: str
    content: str
    fitted_at: UtcTime


class RiskTimer(Frozen):
    """When a lead enters a stage of churn risk if it stays silent; NONE: when an action that was put off is back."""

    location_id: LocationId
    lead_id: LeadId
    stage: RiskStage
    due_at: UtcTime
    simulated: bool


class ScoreRecord(Frozen):
    """What was said of a lead, and, once its horizon is over, what came true."""

    location_id: LocationId
    lead_id: LeadId
    target: str = Field(description="lead_score, won or churn_risk")
    made_at: UtcTime
    due_at: UtcTime
    probability: Probability
    low: Probability | None = None
    high: Probability | None = None
    prior_share: Probability | None = None
    silence_days: float | None = Field(default=None, description="then: the recency rule's input")
    model_version: str
    simulated: bool
    outcome: bool | None = None
    resolved_at: UtcTime | None = None


NUMBERS: Final = (
    "probability",
    "outcome",
    "made_at",
    "due_at",
    "silence_days",
    "low",
    "high",
    "prior_share",
)
"""The columns of numbers in ``RecordColumns``."""


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """Resolved records of one question, by the time they were made and by lead: half a million fit where objects would not.

    float64 of shape (n,): times in POSIX seconds, outcomes 0 or 1, NaN for what a record does not hold.
    """

    probability: npt.NDArray[np.float64]
    outcome: npt.NDArray[np.float64]
    made_at: npt.NDArray[np.float64]
    due_at: npt.NDArray[np.float64]
    silence_days: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    prior_share: npt.NDArray[np.float64]
    lead: npt.NDArray[np.intp]
    """Which rows are of one lead: a number per lead, by its first row."""
    model: npt.NDArray[np.intp]
    """Place in ``models``."""
    models: tuple[str, ...]


RECORD_COLUMNS: Final = tuple(name for name in ScoreRecord.model_fields if name != "location_id")
"""Of an export: whoever exports knows the location."""


class LearnedModelStore(Protocol):
    """Models of tenants. One champion per location and name."""

    def put(self, model: LearnedModel) -> None:
        """Store it; a new champion retires the old one. Beside the champion the newest LEARNED_KEPT stay."""
        ...

    def champion(self, location_id: LocationId, name: str) -> LearnedModel | None: ...

    def champions(self) -> list[tuple[LocationId, str, str]]:
        """(location, name, version) of every champion: cheap, to see whether something changed."""
        ...

    def all(self, location_id: LocationId, name: str, *, limit: int) -> list[LearnedModel]:
        """Newest first."""
        ...


class RiskTimerStore(Protocol):
    """Timers of churn risk: replaced at each event of a lead."""

    def replace(self, location_id: LocationId, lead_id: LeadId, timers: Sequence[RiskTimer]) -> None:
        """The lead has these and no others."""
        ...

    def due(self, location_id: LocationId, *, simulated: bool, now: datetime, leads: int) -> list[RiskTimer]:
        """Of real or of simulated leads, each kind on a time line of its own: those longest due first, at most so many,
        each with the highest stage whose time has come.
        """
        ...

    def drop_due(self, location_id: LocationId, lead_ids: Collection[LeadId], *, now: datetime) -> None:
        """Remove what has run out of these leads; what is ahead stays."""
        ...

    def postpone_due(
        self, location_id: LocationId, lead_ids: Collection[LeadId], *, now: datetime, until: datetime
    ) -> None:
        """What has run out of these leads is due ``until`` then."""
        ...

    def of_lead(self, location_id: LocationId, lead_id: LeadId) -> list[RiskTimer]: ...

    def next_due(self, location_id: LocationId, *, simulated: bool) -> datetime | None: ...


class TrackRecordStore(Protocol):
    """What was said and what came true."""

    def add(self, records: Sequence[ScoreRecord]) -> None:
        """A record that is there already stays as it is."""
        ...

    def unresolved(
        self, location_id: LocationId, *, simulated: bool, due_before: datetime, limit: int
    ) -> list[ScoreRecord]:
        """Of simulated leads or of real ones: records due by then whose outcome is not known yet, first due first."""
        ...

    def resolve(self, records: Sequence[ScoreRecord]) -> None:
        """Store their outcomes."""
        ...

    def columns(self, location_id: LocationId, target: str, *, simulated: bool) -> RecordColumns:
        """Every resolved record of simulated leads or of real ones."""
        ...

    def page(
        self,
        location_id: LocationId,
        target: str,
        *,
        since: datetime | None,
        after: ScoreRecord | None,
        limit: int,
    ) -> list[ScoreRecord]:
        """The next resolved records made ``since`` then, by the time they were made and by lead."""
        ...

    def of_lead(self, location_id: LocationId, lead_id: LeadId) -> list[ScoreRecord]:
        """Everything that was said of a lead, oldest first."""
        ...

    def waiting(
        self, location_id: LocationId, target: str, *, simulated: bool, since: datetime | None = None
    ) -> tuple[int, datetime | None]:
        """How many such records made ``since`` then are not resolved yet, and when the first of them is due."""
        ...

    def speaks_of_people(self, location_id: LocationId) -> bool:
        """Whether anything was said of a lead that is not simulated."""
        ...
