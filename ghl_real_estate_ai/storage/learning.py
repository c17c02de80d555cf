"""What learning keeps: models of a tenant, timers of churn risk, and the record of what was said and came true.

Called by the services that learn, through the unit of work. Ports in ``learning_ports.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from ghl_real_estate_ai.learning_ports import (
    NUMBERS,
    LearnedModel,
    ModelRole,
    RecordColumns,
    RiskTimer,
    ScoreRecord,
)
from ghl_real_estate_ai.limits import LEARNED_KEPT
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.storage.engines import LostRace
from ghl_real_estate_ai.storage.schema import Microseconds, learned_models, on_both, risk_timers, track_record

_PUT_MODEL: Final = on_both(
    lambda insert: (row := insert(learned_models)).on_conflict_do_update(
        index_elements=["location_id", "name", "version"],
        set_={name: row.excluded[name] for name in ("role", "card", "content", "fitted_at")},
    )
)
# Spelled out, not bound: only then may the index of champions serve.
_IS_CHAMPION: Final = learned_models.c.role == sa.literal_column(f"'{ModelRole.CHAMPION.value}'")
# at every event of a lead: built once
_DROP_TIMERS: Final = sa.delete(risk_timers).where(
    risk_timers.c.location_id == sa.bindparam("tenant"), risk_timers.c.lead_id == sa.bindparam("lead")
)
_ADD_TIMERS: Final = sa.insert(risk_timers)
_COLUMNS: Final = (
    sa.select(
        track_record.c.lead_id,
        track_record.c.model_version,
        *(
            sa.type_coerce(column, sa.BigInteger) if column.name.endswith("_at") else column
            for column in (track_record.c[name] for name in NUMBERS)
        ),
    )
    .where(
        track_record.c.location_id == sa.bindparam("tenant"),
        track_record.c.target == sa.bindparam("question"),
        track_record.c.simulated == sa.bindparam("made_up"),
        track_record.c.resolved_at.is_not(None),
    )
    .order_by(track_record.c.made_at, track_record.c.lead_id)
)
_ROWS_AT_ONCE: Final = 2_000
"""Other threads run in between."""
_ADD_RECORD: Final = on_both(lambda insert: insert(track_record).on_conflict_do_nothing())


class SqlLearnedModelStore:
    """``learning_ports.LearnedModelStore``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put(self, model: LearnedModel) -> None:
        """Store it; a new champion retires the old one. The oldest go (LEARNED_KEPT).

        Raises LostRace when another process stores a champion at the same moment: tried again, it retires that one.
        """
        table = learned_models.c
        if model.role is ModelRole.CHAMPION:
            self._connection.execute(
                sa.update(learned_models)
                .where(
                    table.location_id == model.location_id,
                    table.name == model.name,
                    _IS_CHAMPION,
                )
                .values(role=ModelRole.RETIRED.value)
            )
        row = {**model.model_dump(), "role": model.role.value}
        try:
            self._connection.execute(_PUT_MODEL[self._connection.dialect.name], row)
        except sa.exc.IntegrityError as error:
            raise LostRace("not stored, send again: another process stored a champion too") from error
        self._drop_old(model.location_id, model.name)

    def _drop_old(self, location_id: LocationId, name: str) -> None:
        """Beside the champion only the newest LEARNED_KEPT stay."""
        table = learned_models.c
        of_name = (table.location_id == location_id, table.name == name)
        beside = (
            sa.select(table.version)
            .where(*of_name, table.role != ModelRole.CHAMPION.value)
            .order_by(table.fitted_at.desc(), table.version)
            .offset(LEARNED_KEPT)
            .limit(1_000)
        )
        old = [row.version for row in self._connection.execute(beside)]
        if old:
            self._connection.execute(sa.delete(learned_models).where(*of_name, table.version.in_(old)))

    def champion(self, location_id: LocationId, name: str) -> LearnedModel | None:
        """The one that answers; None: what ships does."""
        table = learned_models.c
        query = sa.select(learned_models).where(
            table.location_id == location_id, table.name == name, _IS_CHAMPION
        )
        row = self._connection.execute(query).mappings().first()
        return None if row is None else LearnedModel.model_validate(dict(row))

    def champions(self) -> list[tuple[LocationId, str, str]]:
        """(location, name, version) of every champion."""
        table = learned_models.c
        query = sa.select(table.location_id, table.name, table.version).where(_IS_CHAMPION)
        return [
            (LocationId(row.location_id), row.name, row.version) for row in self._connection.execute(query)
        ]

    def all(self, location_id: LocationId, name: str, *, limit: int) -> list[LearnedModel]:
        """Newest first."""
        table = learned_models.c
        query = (
            sa.select(learned_models)
            .where(table.location_id == location_id, table.name == name)
            .order_by(table.fitted_at.desc(), table.version)
            .limit(limit)
        )
        return [LearnedModel.model_validate(dict(row)) for row in self._connection.execute(query).mappings()]


class SqlRiskTimerStore:
    """``learning_ports.RiskTimerStore``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def replace(self, location_id: LocationId, lead_id: LeadId, timers: Sequence[RiskTimer]) -> None:
        """The lead has these and no others."""
        self._connection.execute(_DROP_TIMERS, {"tenant": location_id, "lead": lead_id})
        if timers:
            rows = [
                {
                    "location_id": timer.location_id,
                    "lead_id": timer.lead_id,
                    "stage": int(timer.stage),
                    "due_at": timer.due_at,
                    "simulated": timer.simulated,
                }
                for timer in timers
            ]
            self._connection.execute(_ADD_TIMERS, rows)

    def due(self, location_id: LocationId, *, simulated: bool, now: datetime, leads: int) -> list[RiskTimer]:
        """At most so many leads, those longest due first, each with the highest stage whose time has come."""
        table = risk_timers.c
        longest = (
            sa.select(table.lead_id)
            .where(table.location_id == location_id, table.simulated == simulated, table.due_at <= now)
            .order_by(table.due_at)
            .limit(leads)
        )
        query = (
            sa.select(risk_timers)
            .where(table.location_id == location_id, table.lead_id.in_(longest), table.due_at <= now)
            .order_by(table.due_at, table.lead_id, table.stage)
        )
        highest: dict[LeadId, RiskTimer] = {}
        for row in self._connection.execute(query).mappings():
            timer = RiskTimer.model_validate(dict(row))
            highest[timer.lead_id] = max(timer, highest.get(timer.lead_id, timer), key=lambda one: one.stage)
        return list(highest.values())

    def drop_due(self, location_id: LocationId, lead_ids: Collection[LeadId], *, now: datetime) -> None:
        """Remove what has run out of these leads; what is ahead stays, also what another process is putting there."""
        self._connection.execute(sa.delete(risk_timers).where(*_ran_out(location_id, lead_ids, now)))

    def postpone_due(
        self, location_id: LocationId, lead_ids: Collection[LeadId], *, now: datetime, until: datetime
    ) -> None:
        """What has run out of these leads is due ``until`` then."""
        ran_out = _ran_out(location_id, lead_ids, now)
        self._connection.execute(sa.update(risk_timers).where(*ran_out).values(due_at=until))

    def of_lead(self, location_id: LocationId, lead_id: LeadId) -> list[RiskTimer]:
        """By stage."""
        table = risk_timers.c
        query = (
            sa.select(risk_timers)
            .where(table.location_id == location_id, table.lead_id == lead_id)
            .order_by(table.stage)
        )
        return [RiskTimer.model_validate(dict(row)) for row in self._connection.execute(query).mappings()]

    def next_due(self, location_id: LocationId, *, simulated: bool) -> datetime | None:
        """When the next one of real or of simulated leads is due."""
        table = risk_timers.c
        query = (
            sa.select(table.due_at)
            .where(table.location_id == location_id, table.simulated == simulated)
            .order_by(table.due_at)
            .limit(1)
        )
        return self._connection.execute(query).scalar()


def _ran_out(
    location_id: LocationId, lead_ids: Collection[LeadId], now: datetime
) -> tuple[sa.ColumnElement[bool], ...]:
    table = risk_timers.c
    return (table.location_id == location_id, table.lead_id.in_(sorted(lead_ids)), table.due_at <= now)


class SqlTrackRecordStore:
    """``learning_ports.TrackRecordStore``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, records: Sequence[ScoreRecord]) -> None:
        """A record that is there already stays as it is."""
        if records:
            rows = [record.model_dump() for record in records]
            self._connection.execute(_ADD_RECORD[self._connection.dialect.name], rows)

    def unresolved(
        self, location_id: LocationId, *, simulated: bool, due_before: datetime, limit: int
    ) -> list[ScoreRecord]:
        """Of simulated leads or of real ones: records due by then whose outcome is not known yet, first due first."""
        table = track_record.c
        query = (
            sa.select(track_record)
            .where(
                table.location_id == location_id,
                table.simulated == simulated,
                table.due_at <= due_before,
                table.resolved_at.is_(None),
            )
            .order_by(table.due_at, table.lead_id, table.target)
            .limit(limit)
        )
        return self._records(query)

    def resolve(self, records: Sequence[ScoreRecord]) -> None:
        """Store their outcomes."""
        table = track_record.c
        for record in records:
            self._connection.execute(
                sa.update(track_record)
                .where(
                    table.location_id == record.location_id,
                    table.lead_id == record.lead_id,
                    table.target == record.target,
                    table.made_at == record.made_at,
                )
                .values(outcome=record.outcome, resolved_at=record.resolved_at)
            )

    def columns(self, location_id: LocationId, target: str, *, simulated: bool) -> RecordColumns:
        """Every resolved record of simulated leads or of real ones, by the time they were made and by lead."""
        import numpy as np  # a database is opened without it

        asked = {"tenant": location_id, "question": target, "made_up": simulated}
        found = self._connection.execute(_COLUMNS, asked, execution_options={"yield_per": _ROWS_AT_ONCE})
        leads: dict[str, int] = {}
        models: dict[str, int] = {}
        named, numbers = [np.empty((2, 0), np.intp)], [np.empty((len(NUMBERS), 0))]
        for rows in found.partitions():
            lead_ids, versions, *values = zip(*rows, strict=True)
            places = (
                [leads.setdefault(lead_id, len(leads)) for lead_id in lead_ids],
                [models.setdefault(version, len(models)) for version in versions],
            )
            named.append(np.array(places, np.intp))
            numbers.append(np.array(values, np.float64))
        lead, model = np.concatenate(named, axis=1)
        columns = dict(zip(NUMBERS, np.concatenate(numbers, axis=1), strict=True))
        for name in ("made_at", "due_at"):
            columns[name] /= 1e6
        return RecordColumns(**columns, lead=lead, model=model, models=tuple(models))

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
        table = track_record.c
        query = sa.select(track_record).where(
            table.location_id == location_id, table.target == target, table.resolved_at.is_not(None)
        )
        if since is not None:
            query = query.where(table.made_at >= since)
        if after is not None:
            last = sa.tuple_(sa.literal(after.made_at, Microseconds), sa.literal(after.lead_id))
            query = query.where(sa.tuple_(table.made_at, table.lead_id) > last)
        return self._records(query.order_by(table.made_at, table.lead_id).limit(limit))

    def of_lead(self, location_id: LocationId, lead_id: LeadId) -> list[ScoreRecord]:
        """Everything that was said of a lead, oldest first."""
        table = track_record.c
        query = sa.select(track_record).where(table.location_id == location_id, table.lead_id == lead_id)
        return self._records(query.order_by(table.made_at, table.target))

    def waiting(
        self, location_id: LocationId, target: str, *, simulated: bool, since: datetime | None = None
    ) -> tuple[int, datetime | None]:
        """How many such records made ``since`` then are not resolved yet, and when the first of them is due."""
        table = track_record.c
        query = sa.select(sa.func.count(), sa.func.min(table.due_at)).where(
            table.location_id == location_id,
            table.simulated == simulated,
            table.target == target,
            table.resolved_at.is_(None),
        )
        if since is not None:
            query = query.where(table.made_at >= since)
        count, first = self._connection.execute(query).one()
        return count, first

    def speaks_of_people(self, location_id: LocationId) -> bool:
        """Whether anything was said of a lead that is not simulated."""
        table = track_record.c
        real = sa.select(table.lead_id).where(table.location_id == location_id, table.simulated.is_(False))
        return self._connection.execute(real.limit(1)).first() is not None

    def _records(self, query: sa.Select[tuple[object, ...]]) -> list[ScoreRecord]:
        return [ScoreRecord.model_validate(dict(row)) for row in self._connection.execute(query).mappings()]
