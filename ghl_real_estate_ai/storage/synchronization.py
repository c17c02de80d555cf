"""How far each source of the CRM was read, whom to read again, and the tallies of deliveries.

Called by the synchronization service, which moves a cursor in the transaction that stores its page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa

from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.synchronization import DeliveryTally, RereadRequest, SyncProgress, SyncSource
from ghl_real_estate_ai.storage.schema import delivery_tallies, on_both, reread_requests, sync_progress

_PUT_PROGRESS: Final = on_both(
    lambda insert: (row := insert(sync_progress)).on_conflict_do_update(
        index_elements=["location_id", "source"],
        set_={name: row.excluded[name] for name in ("cursor", "items", "caught_up_at", "updated_at")},
    )
)
_REQUEST: Final = on_both(
    lambda insert: (row := insert(reread_requests)).on_conflict_do_update(
        index_elements=["location_id", "lead_id"],
        set_={name: row.excluded[name] for name in ("requested_at", "attempts", "due_at")},
    )
)
_TALLY: Final = on_both(
    lambda insert: (row := insert(delivery_tallies)).on_conflict_do_update(
        index_elements=["day", "location_id", "source", "outcome"],
        set_={"count": delivery_tallies.c.count + row.excluded.count, "last_at": row.excluded.last_at},
    )
)


class SqlSyncStore:
    """``ports.SyncStore``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def progress(self, location_id: LocationId, source: SyncSource) -> SyncProgress | None:
        """Where reading goes on; None before the first page."""
        table = sync_progress.c
        query = sa.select(sync_progress).where(table.location_id == location_id, table.source == source.value)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else SyncProgress.model_validate(dict(row))

    def put_progress(self, progress: SyncProgress) -> None:
        """Insert or replace."""
        self._connection.execute(_PUT_PROGRESS[self._connection.dialect.name], _row(progress))

    def request_reread(self, request: RereadRequest) -> None:
        """Ask for a lead to be read again; a second hint makes the request newer."""
        self._connection.execute(_REQUEST[self._connection.dialect.name], _row(request))

    def due_rereads(self, *, now: datetime, limit: int) -> list[RereadRequest]:
        """Requests whose time has come: of each location at most so many, oldest first, the locations one after the other."""
        table = reread_requests.c
        in_order = (table.location_id, table.due_at, table.lead_id)
        turn = sa.func.row_number().over(partition_by=table.location_id, order_by=in_order[1:]).label("turn")
        due = sa.select(reread_requests, turn).where(table.due_at <= now).subquery()
        columns = [due.c[column.name] for column in reread_requests.c]
        query = (
            sa.select(*columns).where(due.c.turn <= limit).order_by(*(due.c[one.name] for one in in_order))
        )
        return [RereadRequest.model_validate(dict(row)) for row in self._connection.execute(query).mappings()]

    def postpone_reread(self, request: RereadRequest) -> None:
        """Try later (``attempts`` and ``due_at`` of the request), unless a newer hint came meanwhile."""
        change = sa.update(reread_requests).where(*_this(request))
        self._connection.execute(change.values(attempts=request.attempts, due_at=request.due_at))

    def finish_reread(self, request: RereadRequest) -> None:
        """It was read; a hint that came meanwhile stays."""
        self._connection.execute(sa.delete(reread_requests).where(*_this(request)))

    def rest_rereads(self, location_id: LocationId, *, until: datetime) -> None:
        """None of the location's requests is due before then."""
        table = reread_requests.c
        resting = sa.update(reread_requests).where(table.location_id == location_id, table.due_at < until)
        self._connection.execute(resting.values(due_at=until))

    def drop_rereads(self, location_id: LocationId) -> None:
        """Give up on all of the location's requests."""
        dropped = sa.delete(reread_requests).where(reread_requests.c.location_id == location_id)
        self._connection.execute(dropped)

    def waiting_rereads(self, location_id: LocationId) -> int:
        """How many leads wait to be read again."""
        query = sa.select(sa.func.count()).where(reread_requests.c.location_id == location_id)
        return self._connection.execute(query).scalar_one()

    def reread_of(self, location_id: LocationId, lead_id: LeadId) -> RereadRequest | None:
        """The request about this lead, if one waits."""
        table = reread_requests.c
        query = sa.select(reread_requests).where(table.location_id == location_id, table.lead_id == lead_id)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else RereadRequest.model_validate(dict(row))

    def add_tallies(self, tallies: Sequence[DeliveryTally]) -> None:
        """Add counts to those of the same day, location, source and outcome."""
        if tallies:
            self._connection.execute(
                _TALLY[self._connection.dialect.name],
                [{**_row(tally), "day": tally.day.isoformat()} for tally in tallies],
            )

    def tallies(self, location_id: str, *, since: date) -> list[DeliveryTally]:
        """Those of one location ('': of nobody known), from this day on."""
        table = delivery_tallies.c
        query = sa.select(delivery_tallies).where(
            table.location_id == location_id, table.day >= since.isoformat()
        )
        return [DeliveryTally.model_validate(dict(row)) for row in self._connection.execute(query).mappings()]

    def delivery_counts(self, *, source: str, since: date) -> dict[tuple[date, str], int]:
        """Of all locations together: how many deliveries of a door had an outcome, by day and outcome."""
        table = delivery_tallies.c
        query = (
            sa.select(table.day, table.outcome, sa.func.sum(table["count"]).label("total"))
            .where(table.day >= since.isoformat(), table.source == source)
            .group_by(table.day, table.outcome)
        )
        rows = self._connection.execute(query)
        return {(date.fromisoformat(row.day), row.outcome): int(row.total) for row in rows}


def _this(request: RereadRequest) -> tuple[sa.ColumnElement[bool], ...]:
    table = reread_requests.c
    return (
        table.location_id == request.location_id,
        table.lead_id == LeadId(request.lead_id),
        table.requested_at == request.requested_at,
    )


def _row(model: SyncProgress | RereadRequest | DeliveryTally) -> dict[str, Any]:
    return {name: getattr(model, name) for name in type(model).model_fields}
