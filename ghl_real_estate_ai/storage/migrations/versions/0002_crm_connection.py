"""The CRM beside us: connections and setups, how far it was read, what is written there, what came in by which door.

Run by Alembic. A revision never imports ``schema.py``: it must build what the schema was on its day.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward, in one transaction."""
    _create_connection_tables()
    _create_reading_tables()
    _create_change_table()
    _create_tallies()


def _create_connection_tables() -> None:
    op.create_table(
        "connections",
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("owner_kind", sa.Text, nullable=False),
        sa.Column("company_id", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("access_token", sa.Text, nullable=False),
        sa.Column("refresh_token", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("obtained_at", sa.BigInteger, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("lease_holder", sa.Text),
        sa.Column("lease_until", sa.BigInteger),
        sa.PrimaryKeyConstraint("owner_id", name="pk_connections"),
    )
    op.create_table(
        "install_states",
        sa.Column("state_hash", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name="pk_install_states"),
    )
    op.create_table(
        "location_setups",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("setup", sa.Text, nullable=False),
        sa.Column("workflow_key_hash", sa.Text),
        sa.PrimaryKeyConstraint("location_id", name="pk_location_setups"),
        sa.UniqueConstraint("workflow_key_hash", name="uq_location_setups_workflow_key_hash"),
    )


def _create_reading_tables() -> None:
    op.create_table(
        "sync_progress",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("cursor", sa.Text, nullable=False),
        sa.Column("items", sa.BigInteger, nullable=False),
        sa.Column("caught_up_at", sa.BigInteger),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("location_id", "source", name="pk_sync_progress"),
    )
    op.create_table(
        "reread_requests",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("requested_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("location_id", "lead_id", name="pk_reread_requests"),
    )
    op.create_index("ix_reread_requests_due_at", "reread_requests", ["due_at"])


def _create_change_table() -> None:
    op.create_table(
        "crm_changes",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("change_id", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("remote_id", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("settled_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("location_id", "change_id", name="pk_crm_changes"),
    )
    op.create_index(
        "ix_crm_changes_status_due_at_location_id", "crm_changes", ["status", "due_at", "location_id"]
    )
    op.create_index("ix_crm_changes_location_id_lead_id", "crm_changes", ["location_id", "lead_id"])


def _create_tallies() -> None:
    op.create_table(
        "delivery_tallies",
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", "location_id", "source", "outcome", name="pk_delivery_tallies"),
    )
