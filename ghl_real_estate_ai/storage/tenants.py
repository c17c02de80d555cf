"""Locations, the users who belong to them, and the hashes of forgotten leads.

Sign-in reads the credentials, ``enterprisehub user add`` writes them, the inbox asks who was forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from ghl_real_estate_ai.errors import Conflict
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Location, Role, User
from ghl_real_estate_ai.storage.schema import forgotten_leads, locations, on_both, users

_PUT_LOCATION: Final = on_both(
    lambda insert: (row := insert(locations)).on_conflict_do_update(
        index_elements=["location_id"], set_={"name": row.excluded.name}
    )
)
_ADD_USER: Final = on_both(lambda insert: insert(users).on_conflict_do_nothing().returning(users.c.user_id))
_IS_FORGOTTEN: Final = sa.select(sa.true()).where(
    forgotten_leads.c.location_id == sa.bindparam("tenant"),
    forgotten_leads.c.lead_hash == sa.bindparam("hash"),
)
_FORGOTTEN: Final = sa.select(forgotten_leads.c.lead_hash).where(
    forgotten_leads.c.location_id == sa.bindparam("tenant"),
    forgotten_leads.c.lead_hash.in_(sa.bindparam("hashes", expanding=True)),
)


class SqlTenantStore:
    """``ports.TenantStore``. Email addresses are compared in lower case and kept so."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def locations(self) -> list[Location]:
        """Every tenant, by id."""
        query = sa.select(locations).order_by(locations.c.location_id)
        return [
            Location(location_id=LocationId(row.location_id), name=row.name)
            for row in self._connection.execute(query)
        ]

    def put_location(self, location: Location) -> None:
        """Insert, or rename."""
        self._connection.execute(_PUT_LOCATION[self._connection.dialect.name], location.model_dump())

    def add_user(self, user: User, *, password_hash: str) -> None:
        """Raises Conflict when the email (or the user id) exists in the location."""
        row = {
            "location_id": user.location_id,
            "user_id": user.user_id,
            "email": _normal(user.email),
            "name": user.name,
            "role": user.role.value,
            "password_hash": password_hash,
        }
        if self._connection.execute(_ADD_USER[self._connection.dialect.name], row).first() is None:
            raise Conflict(
                f"location {user.location_id} has a user with this email already; choose another email"
            )

    def replace_user(self, user: User, *, password_hash: str) -> bool:
        """Name, role and password anew for the user with this email in this location; False if there is none."""
        change = (
            sa.update(users)
            .where(users.c.location_id == user.location_id, users.c.email == _normal(user.email))
            .values(name=user.name, role=user.role.value, password_hash=password_hash)
            .returning(users.c.user_id)
        )
        return self._connection.execute(change).first() is not None

    def users(self, location_id: LocationId) -> list[User]:
        """Who may sign in, by email."""
        query = sa.select(users).where(users.c.location_id == location_id).order_by(users.c.email)
        return [_user(row) for row in self._connection.execute(query)]

    def credentials(self, email: str) -> list[tuple[User, str]]:
        """Users with this email (one per location), each with the password hash."""
        query = sa.select(users).where(users.c.email == _normal(email)).order_by(users.c.location_id)
        return [(_user(row), row.password_hash) for row in self._connection.execute(query)]

    def is_forgotten(self, location_id: LocationId, lead_hash: str) -> bool:
        """Whether a lead with this hash was erased: its later deliveries are refused."""
        found = self._connection.execute(_IS_FORGOTTEN, {"tenant": location_id, "hash": lead_hash})
        return found.first() is not None

    def forgotten(self, location_id: LocationId, lead_hashes: Collection[str]) -> set[str]:
        """Those of the hashes whose leads were erased."""
        asked = {"tenant": location_id, "hashes": sorted(lead_hashes)}
        return set(self._connection.execute(_FORGOTTEN, asked).scalars())


def _normal(email: str) -> str:
    return email.strip().lower()


def _user(row: sa.Row[tuple[str, ...]]) -> User:
    return User(
        location_id=LocationId(row.location_id),
        user_id=UserId(row.user_id),
        email=row.email,
        name=row.name,
        role=Role(row.role),
    )
