"""What learning keeps in memory, as Protocols: models of a tenant, timers of its risks, the record of what came true.

Part of the unit of work (ports.py). Used by services; the adapters are in storage/.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from ghl_real_estate_ai.models.identifiers import Frozen, LeadId, LocationId, Probability, UtcTime
from ghl_real_estate_ai.models.intelligence import RiskStage


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
    """When a lead enters a stage of churn risk if it stays silent."""

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

    def due(self, location_id: LocationId, *, simulated: bool, now: datetime, limit: int) -> list[RiskTimer]:
        """Timers of real or of simulated leads whose time has come, oldest first: each kind has a time line of its own."""
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
        """Of simulated leads or of real ones: records due by then whose outcome is not known yet, oldest first."""
        ...

    def resolve(self, records: Sequence[ScoreRecord]) -> None:
        """Store their outcomes."""
        ...

    def resolved(
        self, location_id: LocationId, target: str, *, since: datetime | None = None
    ) -> list[ScoreRecord]:
        """By the time they were made, oldest first."""
        ...

    def of_lead(self, location_id: LocationId, lead_id: LeadId) -> list[ScoreRecord]:
        """Everything that was said of a lead, oldest first."""
        ...

    def waiting(self, location_id: LocationId, target: str) -> tuple[int, datetime | None]:
        """How many records are not resolved yet, and when the first of them is due."""
        ...
