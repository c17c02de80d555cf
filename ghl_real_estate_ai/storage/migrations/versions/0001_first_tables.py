"""The first tables: log, cursors, dead letters, leads, listings, tenants.

Run by Alembic. A revision never imports ``schema.py``: it must build what the schema was on its day.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward, in one transaction."""
    _create_log()
    _create_subscriber_tables()
    _create_lead_tables()
    _create_tenant_tables()


def _create_log() -> None:
    op.create_table(
        "event_heads",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("location_id", name="pk_event_heads"),
    )
    op.create_table(
        "events",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text),
        sa.Column("occurred_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("raw", sa.Text),
        sa.PrimaryKeyConstraint("location_id", "position", name="pk_events"),
        sa.UniqueConstraint("location_id", "delivery_id", name="uq_events_location_id_delivery_id"),
        sa.UniqueConstraint("location_id", "event_id", name="uq_events_location_id_event_id"),
    )
    op.create_index(
        "ix_events_location_id_lead_id_position", "events", ["location_id", "lead_id", "position"]
    )


def _create_subscriber_tables() -> None:
    op.create_table(
        "cursors",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("subscriber", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("location_id", "subscriber", name="pk_cursors"),
    )
    op.create_table(
        "dead_letters",
        sa.Column(
            "dead_letter_id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            nullable=False,
            autoincrement=True,
        ),
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("subscriber", sa.Text, nullable=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger),
        sa.Column("lead_id", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("raw", sa.Text),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("failed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("dead_letter_id", name="pk_dead_letters"),
        sa.UniqueConstraint(
            "location_id", "subscriber", "delivery_id", name="uq_dead_letters_location_id_subscriber_delivery_id"
        ),
        sqlite_autoincrement=True,
    )


def _create_lead_tables() -> None:
    op.create_table(
        "leads",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("search_name", sa.Text, nullable=False),
        sa.Column("last_activity_at", sa.BigInteger, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("assigned_to", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("intelligence", sa.Text),
        sa.PrimaryKeyConstraint("location_id", "lead_id", name="pk_leads"),
    )
    op.create_index(
        "ix_leads_location_id_last_activity_at_lead_id", "leads", ["location_id", "last_activity_at", "lead_id"]
    )
    op.create_table(
        "forgotten_leads",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("lead_hash", sa.Text, nullable=False),
        sa.Column("forgotten_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("location_id", "lead_hash", name="pk_forgotten_leads"),
    )
    op.create_table(
        "listings",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("listing_key", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("location_id", "listing_key", name="pk_listings"),
    )


def _create_tenant_tables() -> None:
    op.create_table(
        "locations",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("location_id", name="pk_locations"),
    )
    op.create_table(
        "users",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("location_id", "user_id", name="pk_users"),
        sa.UniqueConstraint("location_id", "email", name="uq_users_location_id_email"),
    )
    op.create_index("ix_users_email", "users", ["email"])
