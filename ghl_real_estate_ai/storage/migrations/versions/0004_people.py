"""Switches of a location, the time after which a user's sessions must have begun, and which leads have something to do.

Run by Alembic. A revision never imports ``schema.py``: it must build what the schema was on its day.
"""

from __future__ import annotations

import json
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PAGE: Final = 500
"""Leads read at a time."""
_CRITICAL: Final = 3
"""The last stage of churn risk."""


def upgrade() -> None:
    """Forward, in one transaction."""
    op.add_column("users", sa.Column("tokens_valid_after", sa.BigInteger))
    op.create_table(
        "switches",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("switch", sa.Text, nullable=False),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text),
        sa.PrimaryKeyConstraint("location_id", "switch", name="pk_switches"),
    )
    op.add_column("leads", sa.Column("open_priority", sa.Float))
    op.create_index(
        "ix_leads_location_id_open_priority",
        "leads",
        ["location_id", "open_priority"],
        sqlite_where=sa.text("open_priority IS NOT NULL"),
        postgresql_where=sa.text("open_priority IS NOT NULL"),
    )
    _fill()


def _fill() -> None:
    """Leads with an action keep their place in the queue, and a timer that has run out: they are judged anew.

    Their actions are of a release that gave no priority and named no channel.
    """
    connection, after = op.get_bind(), ("", "")
    page = sa.text(
        "SELECT location_id, lead_id, intelligence, last_activity_at, simulated FROM leads"
        " WHERE (location_id, lead_id) > (:location, :lead) ORDER BY location_id, lead_id LIMIT :rows"
    )
    while rows := connection.execute(page, {"location": after[0], "lead": after[1], "rows": _PAGE}).all():
        after = (rows[-1].location_id, rows[-1].lead_id)
        _queue(connection, [found for row in rows if (found := _waiting(row)) is not None])


def _waiting(row: sa.Row[Any]) -> dict[str, object] | None:
    """What is stored of a lead that has something to do; a damaged row must not stop the upgrade."""
    try:
        known = json.loads(row.intelligence or "{}")
        if not known.get("next_action"):
            return None
        risk = known["churn"]["value"]
        stage = 1 if risk is None else min(int(risk["stage"]) + 1, _CRITICAL)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
    return {
        "location": row.location_id,
        "lead": row.lead_id,
        "stage": stage,
        "due": row.last_activity_at,  # on the lead's own time line, and passed
        "simulated": bool(row.simulated),
    }


def _queue(connection: sa.Connection, waiting: list[dict[str, object]]) -> None:
    if not waiting:
        return
    for statement in (
        "UPDATE leads SET open_priority = 0 WHERE location_id = :location AND lead_id = :lead",
        "DELETE FROM risk_timers WHERE location_id = :location AND lead_id = :lead AND stage = :stage",
        """INSERT INTO risk_timers (location_id, lead_id, stage, due_at, simulated)
        VALUES (:location, :lead, :stage, :due, :simulated)""",
    ):
        connection.execute(sa.text(statement), waiting)
