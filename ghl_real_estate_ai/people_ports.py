"""What is kept about the people of an installation, as Protocols: places, users and their access, switches.

Part of the unit of work (ports.py). Used by services and routes; the adapters are in storage/.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from ghl_real_estate_ai.models.identifiers import Frozen, LocationId, UserId, UtcTime
from ghl_real_estate_ai.models.leads import Location, User
from ghl_real_estate_ai.models.switches import Switch, SwitchState


class UserAccess(Frozen):
    """A user as the database has them now. Sessions that began at ``tokens_valid_after`` or before have ended."""

    user: User
    tokens_valid_after: UtcTime | None = None

    def ends(self, signed_in_at: datetime | None) -> bool:
        """Whether a session that began then has ended; None: it does not say when it began."""
        end = self.tokens_valid_after
        return end is not None and (signed_in_at is None or signed_in_at <= end)


class TenantStore(Protocol):
    """Locations and the users who belong to them."""

    def locations(self) -> list[Location]: ...

    def put_location(self, location: Location) -> None: ...

    def add_user(self, user: User, *, password_hash: str, tokens_valid_after: datetime | None = None) -> None:
        """Raises Conflict when the email exists in the location."""
        ...

    def change_user(
        self, user: User, *, password_hash: str | None = None, tokens_valid_after: datetime | None = None
    ) -> bool:
        """Name and role anew for the user with this id; with a hash the password, with a time the end of older sessions.
        None leaves what there is. False if there is no such user.
        """
        ...

    def remove_user(self, location_id: LocationId, user_id: UserId) -> bool:
        """False if there is no such user."""
        ...

    def users(self, location_id: LocationId, *, to_change: bool = False) -> list[User]:
        """Who may sign in, by email. ``to_change``: nobody else changes them until the transaction ends."""
        ...

    def access(self, location_id: LocationId) -> list[UserAccess]:
        """Everybody of a location, with the end of their older sessions."""
        ...

    def access_of(self, location_id: LocationId, user_id: UserId) -> UserAccess | None:
        """One user; None: there is no such user (any more)."""
        ...

    def credentials(self, email: str) -> list[tuple[User, str]]:
        """Users with this email (one per location), each with the password hash."""
        ...

    def is_forgotten(self, location_id: LocationId, lead_hash: str) -> bool:
        """Whether a lead with this hash was erased: its later deliveries are refused."""
        ...

    def forgotten(self, location_id: LocationId, lead_hashes: Collection[str]) -> set[str]:
        """Those of the hashes whose leads were erased."""
        ...


class SwitchStore(Protocol):
    """What is turned off in a location. A switch that nobody has turned is on."""

    def is_on(self, location_id: LocationId, switch: Switch) -> bool:
        """Ask at the moment of acting, in the transaction that acts."""
        ...

    def all(self, location_id: LocationId) -> list[SwitchState]:
        """Every switch there is, in the order of ``Switch``."""
        ...

    def put(self, location_id: LocationId, state: SwitchState) -> bool:
        """It stands so from now on; False, and nothing changes, when it did before."""
        ...
