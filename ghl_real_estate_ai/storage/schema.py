"""Every table of our memory, and the two types that make SQLite and PostgreSQL hold the same values.

Read by the stores of this room; ``migrations/`` builds it, and a test asserts that both agree.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

UNKNOWN_LOCATION: Final = ""
"""Tenant of a dead letter whose tenant could not be read."""


class Microseconds(sa.types.TypeDecorator[datetime]):
    """An aware UTC time as microseconds since 1970: exact, sortable and the same number on both databases."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Aware time in any zone -> integer."""
        return None if value is None else (value - EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        """Integer -> aware time in UTC."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Insert(Protocol):
    """``insert(table)`` of a dialect that knows ON CONFLICT; both dialects spell it the same."""

    def __call__(self, table: sa.Table, /) -> sqlite.Insert: ...


def on_both(build: Callable[[Insert], sa.Executable]) -> dict[str, sa.Executable]:
    """One statement per dialect name, built once at import: an append must not pay for building its SQL."""
    return {"sqlite": build(sqlite.insert), "postgresql": build(postgresql.insert)}  # type: ignore[arg-type]  # reason: the two Insert classes share no base


metadata: Final = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

event_heads: Final = sa.Table(
    "event_heads",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
)
"""The newest position per tenant. Its row lock is what keeps positions dense across processes."""

events: Final = sa.Table(
    "events",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("delivery_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("lead_id", sa.Text),
    sa.Column("occurred_at", Microseconds, nullable=False),
    sa.Column("received_at", Microseconds, nullable=False),
    sa.Column("recorded_at", Microseconds, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Column("payload", sa.Text),
    sa.Column("raw", sa.Text),
    sa.UniqueConstraint("location_id", "delivery_id"),
    sa.UniqueConstraint("location_id", "event_id"),
    sa.Index(None, "location_id", "lead_id", "position"),
)
"""The log. A row of a forgotten lead keeps its place and type; its payload, raw text and lead id are NULL."""

cursors: Final = sa.Table(
    "cursors",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("subscriber", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
)

dead_letters: Final = sa.Table(
    "dead_letters",
    metadata,
    sa.Column(
        "dead_letter_id",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
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
    sa.Column("failed_at", Microseconds, nullable=False),
    sa.UniqueConstraint("location_id", "subscriber", "delivery_id"),
    sqlite_autoincrement=True,  # an id that was revived never comes back
)
"""The one table with a key of its own: a letter may belong to no known tenant and is named by its number alone."""

leads: Final = sa.Table(
    "leads",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("search_name", sa.Text, nullable=False),
    sa.Column("last_activity_at", Microseconds, nullable=False),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Column("assigned_to", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("intelligence", sa.Text),
    sa.Column("open_priority", sa.Float),
    sa.Index(None, "location_id", "last_activity_at", "lead_id"),
)
"""``search_name`` holds the name and the digits of the phone; it is case-folded, and rid of accents, by Python: SQLite's own ``lower`` knows ASCII only. ``open_priority``: of the next action; NULL without one."""
sa.Index(
    None,
    leads.c.location_id,
    leads.c.open_priority,
    sqlite_where=leads.c.open_priority.is_not(None),
    postgresql_where=leads.c.open_priority.is_not(None),
)

forgotten_leads: Final = sa.Table(
    "forgotten_leads",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("lead_hash", sa.Text, primary_key=True),
    sa.Column("forgotten_at", Microseconds, nullable=False),
)

listings: Final = sa.Table(
    "listings",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("listing_key", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
)

locations: Final = sa.Table(
    "locations",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
)

users: Final = sa.Table(
    "users",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("tokens_valid_after", Microseconds),
    sa.UniqueConstraint("location_id", "email"),
    sa.Index(None, "email"),
)
"""``email`` is lower case. Sessions that began at ``tokens_valid_after`` or before have ended."""

switches: Final = sa.Table(
    "switches",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("switch", sa.Text, primary_key=True),
    sa.Column("is_on", sa.Boolean, nullable=False),
    sa.Column("changed_at", Microseconds, nullable=False),
    sa.Column("changed_by", sa.Text),
)
"""A switch without a row is on."""

connections: Final = sa.Table(
    "connections",
    metadata,
    sa.Column("owner_id", sa.Text, primary_key=True),
    sa.Column("owner_kind", sa.Text, nullable=False),
    sa.Column("company_id", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("access_token", sa.Text, nullable=False),
    sa.Column("refresh_token", sa.Text, nullable=False),
    sa.Column("expires_at", Microseconds),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("obtained_at", Microseconds, nullable=False),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Column("lease_holder", sa.Text),
    sa.Column("lease_until", Microseconds),
)
"""Access to CRM accounts. Tokens are sealed before they come here. The lease says who renews them, and until when."""

install_states: Final = sa.Table(
    "install_states",
    metadata,
    sa.Column("state_hash", sa.Text, primary_key=True),
    sa.Column("expires_at", Microseconds, nullable=False),
)
"""OAuth ``state`` values that were given out and not yet spent."""

location_setups: Final = sa.Table(
    "location_setups",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("setup", sa.Text, nullable=False),
    sa.Column("workflow_key_hash", sa.Text),
    sa.UniqueConstraint("workflow_key_hash"),
)

sync_progress: Final = sa.Table(
    "sync_progress",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("cursor", sa.Text, nullable=False),
    sa.Column("items", sa.BigInteger, nullable=False),
    sa.Column("caught_up_at", Microseconds),
    sa.Column("updated_at", Microseconds, nullable=False),
)

reread_requests: Final = sa.Table(
    "reread_requests",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("requested_at", Microseconds, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", Microseconds, nullable=False),
    sa.Index(None, "due_at"),
)

crm_changes: Final = sa.Table(
    "crm_changes",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("change_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", Microseconds, nullable=False),
    sa.Column("remote_id", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("created_at", Microseconds, nullable=False),
    sa.Column("settled_at", Microseconds),
    sa.Index(None, "status", "due_at", "location_id"),
    sa.Index(None, "location_id", "lead_id"),
)
"""What we write into the CRM: stored with its idempotency key before the call, settled after it."""

delivery_tallies: Final = sa.Table(
    "delivery_tallies",
    metadata,
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("outcome", sa.Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("last_at", Microseconds, nullable=False),
)
"""``day`` is an ISO date in UTC."""

learned_models: Final = sa.Table(
    "learned_models",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("card", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("fitted_at", Microseconds, nullable=False),
    sa.Index(
        None,
        "location_id",
        "name",
        unique=True,
        sqlite_where=sa.text("role = 'champion'"),
        postgresql_where=sa.text("role = 'champion'"),
    ),
)
"""Models of a tenant's own history. Role: champion (one at most) answers, challenger lost so far, retired did answer once."""

risk_timers: Final = sa.Table(
    "risk_timers",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("stage", sa.Integer, primary_key=True),
    sa.Column("due_at", Microseconds, nullable=False),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Index(None, "location_id", "simulated", "due_at"),
)
"""When a lead enters a stage of churn risk if it stays silent."""

track_record: Final = sa.Table(
    "track_record",
    metadata,
    sa.Column("location_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("made_at", Microseconds, primary_key=True),
    sa.Column("due_at", Microseconds, nullable=False),
    sa.Column("probability", sa.Float, nullable=False),
    sa.Column("low", sa.Float),
    sa.Column("high", sa.Float),
    sa.Column("prior_share", sa.Float),
    sa.Column("silence_days", sa.Float),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Column("outcome", sa.Boolean),
    sa.Column("resolved_at", Microseconds),
    sa.Index(None, "location_id", "target", "made_at"),
)
"""What was said of a lead, and what came true once its horizon was over."""
sa.Index(
    None,
    track_record.c.location_id,
    track_record.c.simulated,
    track_record.c.due_at,
    sqlite_where=track_record.c.resolved_at.is_(None),
    postgresql_where=track_record.c.resolved_at.is_(None),
)
