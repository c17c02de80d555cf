"""The stores of learning as dicts: for services under test. Part of ``fake_memory``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from ghl_real_estate_ai.learning_ports import LearnedModel, ModelRole, RecordColumns, RiskTimer, ScoreRecord
from ghl_real_estate_ai.limits import LEARNED_KEPT
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from tests.support.said import columns


class FakeLearnedModelStore:
    """``learning_ports.LearnedModelStore`` over a dict that it shares with the memory."""

    def __init__(self, held: dict[tuple[str, str, str], LearnedModel]) -> None:
        self._held = held

    def put(self, model: LearnedModel) -> None:
        if model.role is ModelRole.CHAMPION:
            for key, known in self._held.items():
                if key[:2] == (model.location_id, model.name) and known.role is ModelRole.CHAMPION:
                    self._held[key] = known.model_copy(update={"role": ModelRole.RETIRED})
        self._held[(model.location_id, model.name, model.version)] = model
        mine = self.all(model.location_id, model.name, limit=1_000)
        for old in [m for m in mine if m.role is not ModelRole.CHAMPION][LEARNED_KEPT:]:
            del self._held[(old.location_id, old.name, old.version)]

    def champion(self, location_id: LocationId, name: str) -> LearnedModel | None:
        mine = [m for m in self.all(location_id, name, limit=1_000) if m.role is ModelRole.CHAMPION]
        return mine[0] if mine else None

    def champions(self) -> list[tuple[LocationId, str, str]]:
        return [
            (m.location_id, m.name, m.version) for m in self._held.values() if m.role is ModelRole.CHAMPION
        ]

    def all(self, location_id: LocationId, name: str, *, limit: int) -> list[LearnedModel]:
        mine = [m for key, m in self._held.items() if key[:2] == (location_id, name)]
        return sorted(sorted(mine, key=lambda m: m.version), key=lambda m: m.fitted_at, reverse=True)[:limit]


class FakeRiskTimerStore:
    """``learning_ports.RiskTimerStore`` over a dict that it shares with the memory."""

    def __init__(self, held: dict[tuple[str, str, int], RiskTimer]) -> None:
        self._held = held

    def replace(self, location_id: LocationId, lead_id: LeadId, timers: Sequence[RiskTimer]) -> None:
        for key in [key for key in self._held if key[:2] == (location_id, lead_id)]:
            del self._held[key]
        for timer in timers:
            self._held[(location_id, lead_id, int(timer.stage))] = timer

    def due(self, location_id: LocationId, *, simulated: bool, now: datetime, leads: int) -> list[RiskTimer]:
        mine = [t for t in self._of(location_id, simulated=simulated) if t.due_at <= now]
        longest = dict.fromkeys(t.lead_id for t in sorted(mine, key=lambda t: t.due_at))
        return [
            max((t for t in mine if t.lead_id == lead_id), key=lambda t: t.stage)
            for lead_id in list(longest)[:leads]
        ]

    def drop_due(self, location_id: LocationId, lead_ids: Collection[LeadId], *, now: datetime) -> None:
        for key in self._ran_out(location_id, lead_ids, now):
            del self._held[key]

    def postpone_due(
        self, location_id: LocationId, lead_ids: Collection[LeadId], *, now: datetime, until: datetime
    ) -> None:
        for key in self._ran_out(location_id, lead_ids, now):
            self._held[key] = self._held[key].model_copy(update={"due_at": until})

    def _ran_out(
        self, location_id: LocationId, lead_ids: Collection[LeadId], now: datetime
    ) -> list[tuple[str, str, int]]:
        return [
            key
            for key, t in self._held.items()
            if t.location_id == location_id and t.lead_id in lead_ids and t.due_at <= now
        ]

    def of_lead(self, location_id: LocationId, lead_id: LeadId) -> list[RiskTimer]:
        return [t for key, t in sorted(self._held.items()) if key[:2] == (location_id, lead_id)]

    def next_due(self, location_id: LocationId, *, simulated: bool) -> datetime | None:
        return min((t.due_at for t in self._of(location_id, simulated=simulated)), default=None)

    def _of(self, location_id: LocationId, *, simulated: bool) -> list[RiskTimer]:
        kind = (location_id, simulated)
        return [t for t in self._held.values() if (t.location_id, t.simulated) == kind]


class FakeTrackRecordStore:
    """``learning_ports.TrackRecordStore`` over a dict that it shares with the memory."""

    def __init__(self, held: dict[tuple[str, str, str, datetime], ScoreRecord]) -> None:
        self._held = held

    def add(self, records: Sequence[ScoreRecord]) -> None:
        for record in records:
            self._held.setdefault(_key(record), record)

    def unresolved(
        self, location_id: LocationId, *, simulated: bool, due_before: datetime, limit: int
    ) -> list[ScoreRecord]:
        mine = [
            r
            for r in self._held.values()
            if (r.location_id, r.simulated) == (location_id, simulated)
            and r.due_at <= due_before
            and r.resolved_at is None
        ]
        return sorted(mine, key=lambda r: (r.due_at, r.lead_id, r.target))[:limit]

    def resolve(self, records: Sequence[ScoreRecord]) -> None:
        for record in records:
            if _key(record) in self._held:
                kept = {"outcome": record.outcome, "resolved_at": record.resolved_at}
                self._held[_key(record)] = self._held[_key(record)].model_copy(update=kept)

    def columns(self, location_id: LocationId, target: str, *, simulated: bool) -> RecordColumns:
        mine = self._of(location_id, target)
        return columns(r for r in mine if r.simulated == simulated and r.resolved_at is not None)

    def page(
        self,
        location_id: LocationId,
        target: str,
        *,
        since: datetime | None,
        after: ScoreRecord | None,
        limit: int,
    ) -> list[ScoreRecord]:
        mine = [
            r
            for r in self._of(location_id, target)
            if r.resolved_at is not None and (since is None or r.made_at >= since)
        ]
        return sorted((r for r in mine if after is None or _place(r) > _place(after)), key=_place)[:limit]

    def of_lead(self, location_id: LocationId, lead_id: LeadId) -> list[ScoreRecord]:
        mine = [r for key, r in self._held.items() if key[:2] == (location_id, lead_id)]
        return sorted(mine, key=lambda r: (r.made_at, r.target))

    def waiting(
        self, location_id: LocationId, target: str, *, simulated: bool, since: datetime | None = None
    ) -> tuple[int, datetime | None]:
        mine = [
            r
            for r in self._of(location_id, target)
            if r.simulated == simulated and r.resolved_at is None and (since is None or r.made_at >= since)
        ]
        return len(mine), min((r.due_at for r in mine), default=None)

    def speaks_of_people(self, location_id: LocationId) -> bool:
        return any(r.location_id == location_id and not r.simulated for r in self._held.values())

    def _of(self, location_id: LocationId, target: str) -> list[ScoreRecord]:
        return [r for r in self._held.values() if (r.location_id, r.target) == (location_id, target)]


def _place(record: ScoreRecord) -> tuple[datetime, str]:
    return (record.made_at, record.lead_id)


def _key(record: ScoreRecord) -> tuple[str, str, str, datetime]:
    return (record.location_id, record.lead_id, record.target, record.made_at)
