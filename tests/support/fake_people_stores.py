"""The stores of people as dicts: places, users, switches. Part of ``fake_memory``."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ghl_real_estate_ai.errors import Conflict
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Location, User
from ghl_real_estate_ai.models.switches import Switch, SwitchState
from ghl_real_estate_ai.people_ports import UserAccess

Users = dict[tuple[LocationId, str], tuple[UserAccess, str]]
"""By location and email: the user, and the password hash."""


class FakeTenantStore:
    """``people_ports.TenantStore`` over dicts that it shares with the memory."""

    def __init__(
        self, locations: dict[LocationId, Location], users: Users, forgotten: set[tuple[LocationId, str]]
    ) -> None:
        self._locations = locations
        self._users = users
        self._forgotten = forgotten

    def locations(self) -> list[Location]:
        return list(self._locations.values())

    def put_location(self, location: Location) -> None:
        self._locations[location.location_id] = location

    def add_user(self, user: User, *, password_hash: str, tokens_valid_after: datetime | None = None) -> None:
        key = (user.location_id, user.email)
        if key in self._users:
            raise Conflict(f"{user.email} is a user of {user.location_id} already")
        self._users[key] = (UserAccess(user=user, tokens_valid_after=tokens_valid_after), password_hash)

    def change_user(
        self, user: User, *, password_hash: str | None = None, tokens_valid_after: datetime | None = None
    ) -> bool:
        for key, (known, digest) in self._users.items():
            if (key[0], known.user.user_id) == (user.location_id, user.user_id):
                changed = known.user.model_copy(update={"name": user.name, "role": user.role})
                ends = tokens_valid_after or known.tokens_valid_after
                self._users[key] = (
                    UserAccess(user=changed, tokens_valid_after=ends),
                    password_hash or digest,
                )
                return True
        return False

    def remove_user(self, location_id: LocationId, user_id: UserId) -> bool:
        known = self.access_of(location_id, user_id)
        if known is not None:
            del self._users[location_id, known.user.email]
        return known is not None

    def users(self, location_id: LocationId, *, to_change: bool = False) -> list[User]:
        return [known.user for known in self.access(location_id)]

    def access(self, location_id: LocationId) -> list[UserAccess]:
        own = sorted(key for key in self._users if key[0] == location_id)
        return [self._users[key][0] for key in own]

    def access_of(self, location_id: LocationId, user_id: UserId) -> UserAccess | None:
        return next((known for known in self.access(location_id) if known.user.user_id == user_id), None)

    def credentials(self, email: str) -> list[tuple[User, str]]:
        return [(known.user, digest) for (_, held), (known, digest) in self._users.items() if held == email]

    def is_forgotten(self, location_id: LocationId, lead_hash: str) -> bool:
        return (location_id, lead_hash) in self._forgotten

    def forgotten(self, location_id: LocationId, lead_hashes: Collection[str]) -> set[str]:
        return {one for one in lead_hashes if self.is_forgotten(location_id, one)}


class FakeSwitchStore:
    """``people_ports.SwitchStore`` over a dict that it shares with the memory."""

    def __init__(self, held: dict[tuple[LocationId, Switch], SwitchState]) -> None:
        self._held = held

    def is_on(self, location_id: LocationId, switch: Switch) -> bool:
        held = self._held.get((location_id, switch))
        return held is None or held.on

    def all(self, location_id: LocationId) -> list[SwitchState]:
        return [self._held.get((location_id, switch)) or SwitchState(switch=switch) for switch in Switch]

    def put(self, location_id: LocationId, state: SwitchState) -> bool:
        if self.is_on(location_id, state.switch) is state.on:
            return False
        self._held[location_id, state.switch] = state
        return True
