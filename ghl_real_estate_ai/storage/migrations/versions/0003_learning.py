"""What the house learns: models of a tenant's own history, timers of churn risk, and the record of what came true.

Run by Alembic. A revision never imports ``schema.py``: it must build what the schema was on its day.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward, in one transaction."""
    op.create_table(
        "learned_models",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("fitted_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("location_id", "name", "version", name="pk_learned_models"),
    )
    op.create_index(
        "ix_learned_models_location_id_name",
        "learned_models",
        ["location_id", "name"],
        unique=True,
        sqlite_where=sa.text("role = 'champion'"),
        postgresql_where=sa.text("role = 'champion'"),
    )
    op.create_table(
        "risk_timers",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("stage", sa.Integer, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("location_id", "lead_id", "stage", name="pk_risk_timers"),
    )
    op.create_index(
        "ix_risk_timers_location_id_simulated_due_at", "risk_timers", ["location_id", "simulated", "due_at"]
    )
    _create_track_record()


def _create_track_record() -> None:
    op.create_table(
        "track_record",
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("prior_share", sa.Float),
        sa.Column("silence_days", sa.Float),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.Boolean),
        sa.Column("resolved_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("location_id", "lead_id", "target", "made_at", name="pk_track_record"),
    )
    op.create_index(
        "ix_track_record_location_id_target_made_at", "track_record", ["location_id", "target", "made_at"]
    )
    op.create_index(
        "ix_track_record_location_id_simulated_due_at",
        "track_record",
        ["location_id", "simulated", "due_at"],
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
