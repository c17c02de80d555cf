"""What is written into the CRM: each change stored with its idempotency key before it leaves, settled after it.

Called by the write-back service, the outbox and the loop guard.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.switches import Switch
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.storage.schema import crm_changes, on_both, switches

# The same content again changes nothing, unless it failed; another content is a new version that waits anew.
_WANT: Final = on_both(
    lambda insert: (
        (row := insert(crm_changes))
        .on_conflict_do_update(
            index_elements=["location_id", "change_id"],
            set_={
                "content": row.excluded.content,
                "version": crm_changes.c.version + 1,
                "status": ChangeStatus.PENDING.value,
                "attempts": 0,
                "due_at": row.excluded.due_at,
                "error": None,
                "settled_at": None,
            },
            where=sa.or_(
                crm_changes.c.content != row.excluded.content,
                crm_changes.c.status == ChangeStatus.FAILED.value,
            ),
        )
        .returning(crm_changes.c.version)
    )
)

_OF_LEADS: Final = (
    sa.select(crm_changes)
    .where(
        crm_changes.c.location_id == sa.bindparam("tenant"),
        crm_changes.c.lead_id.in_(sa.bindparam("leads", expanding=True)),
    )
    .order_by(crm_changes.c.created_at, crm_changes.c.change_id)
)
_SILENCED: Final = sa.select(switches.c.location_id).where(
    switches.c.switch == Switch.OUTGOING.value, switches.c.is_on.is_(False)
)


class SqlChangeStore:
    """``ports.ChangeStore``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def want(self, change: CrmChange) -> bool:
        """Store it, or its new content; False when this content waits already or is done. A failed one is tried anew."""
        row = self._connection.execute(_WANT[self._connection.dialect.name], _row(change)).first()
        return row is not None

    def get(self, location_id: LocationId, change_id: str) -> CrmChange | None:
        """One change by its id."""
        table = crm_changes.c
        query = sa.select(crm_changes).where(table.location_id == location_id, table.change_id == change_id)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _change(row)

    def claim(self, change: CrmChange, *, until: datetime) -> bool:
        """Count an attempt and keep the change from others until then; False when it is no longer as it was read."""
        update = (
            sa.update(crm_changes)
            .where(*_unmoved(change, change.attempts))
            .values(attempts=change.attempts + 1, due_at=until)
            .returning(crm_changes.c.change_id)
        )
        return self._connection.execute(update).first() is not None

    def due_locations(self, *, now: datetime, limit: int) -> list[LocationId]:
        """Locations with changes whose time has come and that may send, those that wait longest first."""
        table = crm_changes.c
        query = (
            sa.select(table.location_id)
            .where(
                table.status == ChangeStatus.PENDING.value,
                table.due_at <= now,
                table.location_id.not_in(_SILENCED),
            )
            .group_by(table.location_id)
            .order_by(sa.func.min(table.due_at), table.location_id)
            .limit(limit)
        )
        return [LocationId(location_id) for location_id in self._connection.scalars(query)]

    def due(self, location_id: LocationId, *, now: datetime, limit: int) -> list[CrmChange]:
        """A location's pending changes whose time has come, oldest first."""
        table = crm_changes.c
        query = (
            sa.select(crm_changes)
            .where(
                table.location_id == location_id,
                table.status == ChangeStatus.PENDING.value,
                table.due_at <= now,
            )
            .order_by(table.due_at, table.created_at, table.change_id)
            .limit(limit)
        )
        return [_change(row) for row in self._connection.execute(query).mappings()]

    def settle(self, change: CrmChange, *, attempt: int) -> bool:
        """Store status, attempts, due time, remote id and error after so many attempts at this version.

        False when a newer one is wanted, when somebody else tried once more, or settled it before.
        """
        values = {
            name: value
            for name, value in _row(change).items()
            if name in {"status", "attempts", "due_at", "remote_id", "error", "settled_at"}
        }
        update = (
            sa.update(crm_changes)
            .where(*_unmoved(change, attempt))
            .values(values)
            .returning(crm_changes.c.change_id)
        )
        return self._connection.execute(update).first() is not None

    def postpone(self, location_id: LocationId, kinds: Collection[ChangeKind], *, until: datetime) -> None:
        """The location's pending changes of these kinds rest until then. Nothing else about them changes."""
        table = crm_changes.c
        update = (
            sa.update(crm_changes)
            .where(
                table.location_id == location_id,
                table.status == ChangeStatus.PENDING.value,
                table.kind.in_([kind.value for kind in kinds]),
                table.due_at < until,
            )
            .values(due_at=until)
        )
        self._connection.execute(update)

    def of_lead(self, location_id: LocationId, lead_id: LeadId) -> list[CrmChange]:
        """Every change about a lead, oldest first."""
        table = crm_changes.c
        query = (
            sa.select(crm_changes)
            .where(table.location_id == location_id, table.lead_id == lead_id)
            .order_by(table.created_at, table.change_id)
        )
        return [_change(row) for row in self._connection.execute(query).mappings()]

    def of_leads(self, location_id: LocationId, lead_ids: Collection[LeadId]) -> list[CrmChange]:
        """Every change about these leads, oldest first."""
        rows = self._connection.execute(_OF_LEADS, {"tenant": location_id, "leads": sorted(lead_ids)})
        return [_change(row) for row in rows.mappings()]

    def drop_pending(self, location_id: LocationId, *, error: str) -> int:
        """Give up on everything that waits for a location (its app was uninstalled); returns how many."""
        table = crm_changes.c
        update = (
            sa.update(crm_changes)
            .where(table.location_id == location_id, table.status == ChangeStatus.PENDING.value)
            .values(status=ChangeStatus.FAILED.value, error=error)
            .returning(table.change_id)
        )
        return len(self._connection.execute(update).all())

    def counts(self, location_id: LocationId) -> dict[ChangeStatus, int]:
        """How many changes of a location stand where."""
        table = crm_changes.c
        query = (
            sa.select(table.status, sa.func.count())
            .where(table.location_id == location_id)
            .group_by(table.status)
        )
        return {ChangeStatus(status): count for status, count in self._connection.execute(query)}


def _unmoved(change: CrmChange, attempts: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Still pending, in this version, after so many attempts: whoever else touched it has moved one of the three."""
    table = crm_changes.c
    return (
        table.location_id == change.location_id,
        table.change_id == change.change_id,
        table.version == change.version,
        table.attempts == attempts,
        table.status == ChangeStatus.PENDING.value,
    )


def _row(change: CrmChange) -> dict[str, Any]:
    values = {name: getattr(change, name) for name in CrmChange.model_fields}
    return {
        **values,
        "kind": ChangeKind(change.kind).value,
        "status": ChangeStatus(change.status).value,
        "content": json.dumps(change.content, sort_keys=True, ensure_ascii=False),
    }


def _change(row: sa.RowMapping) -> CrmChange:
    return CrmChange.model_validate({**row, "content": json.loads(row["content"])})
