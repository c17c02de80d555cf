"""Access to CRM accounts and the setup of each location. Tokens come sealed and stay so.

The token keeper renews connections here by compare-and-swap: one process holds the lease, and only the holder's new
tokens replace those that it saw.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from ghl_real_estate_ai.models.connections import Connection, ConnectionStatus, LocationSetup, OwnerKind
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.storage.schema import connections, install_states, location_setups, on_both

_COLUMNS: Final = tuple(connections.c[name] for name in Connection.model_fields)
_VALUES: Final = tuple(name for name in Connection.model_fields if name != "owner_id")
_PUT: Final = on_both(
    lambda insert: (row := insert(connections)).on_conflict_do_update(
        index_elements=["owner_id"],
        set_={name: row.excluded[name] for name in (*_VALUES, "lease_holder", "lease_until")},
    )
)
_PUT_SETUP: Final = on_both(
    lambda insert: (row := insert(location_setups)).on_conflict_do_update(
        index_elements=["location_id"],
        set_={"setup": row.excluded.setup, "workflow_key_hash": row.excluded.workflow_key_hash},
    )
)
_ADD_STATE: Final = on_both(lambda insert: insert(install_states).on_conflict_do_nothing())


class SqlConnectionStore:
    """``ports.ConnectionStore``."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, owner_id: str) -> Connection | None:
        """The owner's connection."""
        query = sa.select(*_COLUMNS).where(connections.c.owner_id == owner_id)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _connection(row)

    def all(self) -> list[Connection]:
        """Every connection, by owner."""
        query = sa.select(*_COLUMNS).order_by(connections.c.owner_id)
        return [_connection(row) for row in self._connection.execute(query).mappings()]

    def companies(self) -> list[str]:
        """Owners that are agencies."""
        query = sa.select(connections.c.owner_id).where(connections.c.owner_kind == OwnerKind.COMPANY.value)
        return list(self._connection.execute(query).scalars())

    def put(self, connection: Connection) -> None:
        """Insert or replace; whoever was renewing the old one no longer may."""
        row = {**_row(connection), "lease_holder": None, "lease_until": None}
        self._connection.execute(_PUT[self._connection.dialect.name], row)

    def lease(self, owner_id: str, *, generation: int, holder: str, now: datetime, until: datetime) -> bool:
        """Become the one who renews this generation; False when it is renewed already, or somebody else is at it."""
        table = connections.c
        take = (
            sa.update(connections)
            .where(
                table.owner_id == owner_id,
                table.generation == generation,
                sa.or_(table.lease_until.is_(None), table.lease_until <= now, table.lease_holder == holder),
            )
            .values(lease_holder=holder, lease_until=until)
            .returning(table.owner_id)
        )
        return self._connection.execute(take).first() is not None

    def renew(self, connection: Connection, *, holder: str) -> bool:
        """Replace the generation before this one, if ``holder`` still has the lease; gives the lease back."""
        table = connections.c
        values = {name: value for name, value in _row(connection).items() if name != "owner_id"}
        swap = (
            sa.update(connections)
            .where(
                table.owner_id == connection.owner_id,
                table.generation == connection.generation - 1,
                table.lease_holder == holder,
            )
            .values(**values, lease_holder=None, lease_until=None)
            .returning(table.owner_id)
        )
        return self._connection.execute(swap).first() is not None

    def release(self, owner_id: str, *, holder: str) -> None:
        """Give the lease back without new tokens."""
        table = connections.c
        self._connection.execute(
            sa.update(connections)
            .where(table.owner_id == owner_id, table.lease_holder == holder)
            .values(lease_holder=None, lease_until=None)
        )

    # --- setups and install states ----------------------------------------------------------------------------------

    def setup(self, location_id: LocationId) -> LocationSetup | None:
        """What the location's owner decided; None before ``connect``."""
        query = sa.select(location_setups.c.setup).where(location_setups.c.location_id == location_id)
        text = self._connection.execute(query).scalar()
        return None if text is None else LocationSetup.model_validate_json(text)

    def active_setup(self, location_id: LocationId) -> LocationSetup | None:
        """The setup of a location whose own connection is active; None for any other."""
        query = (
            sa.select(location_setups.c.setup)
            .join(connections, connections.c.owner_id == location_setups.c.location_id)
            .where(
                location_setups.c.location_id == location_id,
                connections.c.status == ConnectionStatus.ACTIVE.value,
            )
        )
        text = self._connection.execute(query).scalar()
        return None if text is None else LocationSetup.model_validate_json(text)

    def put_setup(self, setup: LocationSetup) -> None:
        """Insert or replace."""
        row = {
            "location_id": setup.location_id,
            "setup": setup.model_dump_json(),
            "workflow_key_hash": setup.workflow_key_hash,
        }
        self._connection.execute(_PUT_SETUP[self._connection.dialect.name], row)

    def setup_by_workflow_key(self, key_hash: str) -> LocationSetup | None:
        """Whose workflow webhook URL holds the secret with this hash."""
        query = sa.select(location_setups.c.setup).where(location_setups.c.workflow_key_hash == key_hash)
        text = self._connection.execute(query).scalar()
        return None if text is None else LocationSetup.model_validate_json(text)

    def add_state(self, state_hash: str, *, expires_at: datetime) -> None:
        """An OAuth state was given out."""
        row = {"state_hash": state_hash, "expires_at": expires_at}
        self._connection.execute(_ADD_STATE[self._connection.dialect.name], row)

    def spend_state(self, state_hash: str, *, now: datetime) -> bool:
        """Take a state back, once; False for one that is unknown, spent or too old. Old ones are swept out."""
        table = install_states.c
        self._connection.execute(sa.delete(install_states).where(table.expires_at <= now))
        spent = sa.delete(install_states).where(table.state_hash == state_hash).returning(table.state_hash)
        return self._connection.execute(spent).first() is not None


def _row(connection: Connection) -> dict[str, Any]:
    values = {name: getattr(connection, name) for name in Connection.model_fields}
    return {
        **values,
        "owner_kind": connection.owner_kind.value,
        "kind": connection.kind.value,
        "status": connection.status.value,
        "scopes": json.dumps(connection.scopes),
    }


def _connection(row: sa.RowMapping) -> Connection:
    return Connection.model_validate({**row, "scopes": json.loads(row["scopes"])})
