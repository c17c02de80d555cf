"""What is written into the CRM: each change stored with its idempotency key before it leaves, settled after it.

Called by the write-back service and by the loop guard.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.storage.schema import crm_changes, on_both

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
        table = crm_changes.c
        update = (
            sa.update(crm_changes)
            .where(
                table.location_id == change.location_id,
                table.change_id == change.change_id,
                table.version == change.version,
                table.attempts == change.attempts,
                table.status == ChangeStatus.PENDING.value,
            )
            .values(attempts=change.attempts + 1, due_at=until)
            .returning(table.change_id)
        )
        return self._connection.execute(update).first() is not None

    def due(self, *, now: datetime, limit: int) -> list[CrmChange]:
        """Pending changes whose time has come, oldest first."""
        query = (
            sa.select(crm_changes)
            .where(crm_changes.c.status == ChangeStatus.PENDING.value, crm_changes.c.due_at <= now)
            .order_by(crm_changes.c.due_at, crm_changes.c.change_id)
            .limit(limit)
        )
        return [_change(row) for row in self._connection.execute(query).mappings()]

    def settle(self, change: CrmChange) -> bool:
        """Store status, attempts, due time, remote id and error of this version; False when a newer one is wanted."""
        table = crm_changes.c
        values = {
            name: value
            for name, value in _row(change).items()
            if name in {"status", "attempts", "due_at", "remote_id", "error", "settled_at"}
        }
        update = (
            sa.update(crm_changes)
            .where(
                table.location_id == change.location_id,
                table.change_id == change.change_id,
                table.version == change.version,
            )
            .values(values)
            .returning(table.change_id)
        )
        return self._connection.execute(update).first() is not None

    def of_lead(self, location_id: LocationId, lead_id: LeadId) -> list[CrmChange]:
        """Every change about a lead, oldest first."""
        table = crm_changes.c
        query = (
            sa.select(crm_changes)
            .where(table.location_id == location_id, table.lead_id == lead_id)
            .order_by(table.created_at, table.change_id)
        )
        return [_change(row) for row in self._connection.execute(query).mappings()]

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
