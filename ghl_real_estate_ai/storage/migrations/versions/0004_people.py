"""Switches of a location, the time after which a user's sessions must have begun, and which leads have something to do.

Run by Alembic. A revision never imports ``schema.py``: it must build what the schema was on its day.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


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
