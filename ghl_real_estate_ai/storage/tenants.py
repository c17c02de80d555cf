"""Locations, the users who belong to them, and the hashes of forgotten leads.

Sign-in reads the credentials, services/user_accounts.py writes them, the inbox asks who was forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from ghl_real_estate_ai.errors import Conflict
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Location, Role, User
from ghl_real_estate_ai.people_ports import UserAccess
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

    def add_user(self, user: User, *, password_hash: str, tokens_valid_after: datetime | None = None) -> None:
        """Raises Conflict when the email (or the user id) exists in the location."""
        row = {
            "location_id": user.location_id,
            "user_id": user.user_id,
            "email": _normal(user.email),
            "name": user.name,
            "role": user.role.value,
            "password_hash": password_hash,
            "tokens_valid_after": tokens_valid_after,
        }
        if self._connection.execute(_ADD_USER[self._connection.dialect.name], row).first() is None:
            raise Conflict(
                f"location {user.location_id} has a user with this email already; choose another email"
            )

    def change_user(
        self, user: User, *, password_hash: str | None = None, tokens_valid_after: datetime | None = None
    ) -> bool:
        """Name and role anew; with a hash the password, with a time the end of older sessions. False: no such user."""
        values: dict[str, object] = {"name": user.name, "role": user.role.value}
        if password_hash is not None:
            values["password_hash"] = password_hash
        if tokens_valid_after is not None:
            values["tokens_valid_after"] = tokens_valid_after
        change = (
            sa.update(users)
            .where(users.c.location_id == user.location_id, users.c.user_id == user.user_id)
            .values(values)
            .returning(users.c.user_id)
        )
        return self._connection.execute(change).first() is not None

    def remove_user(self, location_id: LocationId, user_id: UserId) -> bool:
        """False if there is no such user."""
        removal = (
            sa.delete(users)
            .where(users.c.location_id == location_id, users.c.user_id == user_id)
            .returning(users.c.user_id)
        )
        return self._connection.execute(removal).first() is not None

    def users(self, location_id: LocationId, *, to_change: bool = False) -> list[User]:
        """Who may sign in, by email. ``to_change``: nobody else changes them until the transaction ends."""
        if to_change:  # SQLite has one writer anyway, and its dialect leaves FOR UPDATE out
            place = sa.select(locations.c.location_id).where(locations.c.location_id == location_id)
            self._connection.execute(place.with_for_update())
        return [known.user for known in self.access(location_id)]

    def access(self, location_id: LocationId) -> list[UserAccess]:
        """Everybody of a location, by email, with the end of their older sessions."""
        query = sa.select(users).where(users.c.location_id == location_id).order_by(users.c.email)
        return [_access(row) for row in self._connection.execute(query)]

    def access_of(self, location_id: LocationId, user_id: UserId) -> UserAccess | None:
        """One user; None: there is no such user (any more)."""
        query = sa.select(users).where(users.c.location_id == location_id, users.c.user_id == user_id)
        row = self._connection.execute(query).first()
        return None if row is None else _access(row)

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


def _access(row: sa.Row[Any]) -> UserAccess:
    return UserAccess(user=_user(row), tokens_valid_after=row.tokens_valid_after)


def _user(row: sa.Row[Any]) -> User:
    return User(
        location_id=LocationId(row.location_id),
        user_id=UserId(row.user_id),
        email=row.email,
        name=row.name,
        role=Role(row.role),
    )
