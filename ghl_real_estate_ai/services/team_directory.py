"""Who works in a location's CRM account: names for the ids that leads are assigned to, and which of them somebody is.

Called by: api/routes/team (``directory``), services/team_response (``directory``), and whoever has just read the account's users
(``keep_people``): services/crm_sync, services/crm_health.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId, UserId
from ghl_real_estate_ai.models.team import Team, TeamMember
from ghl_real_estate_ai.ports import Memory, UnitOfWork


class Directory(Frozen):
    """The people of one location. May be shared by all who ask: ``team_of`` makes each caller's own answer of it."""

    known: tuple[AccountUser, ...] = Field(
        default=(), description="as the account named them when it was last read"
    )
    assignees: tuple[UserId, ...] = Field(default=(), description="whom leads are assigned to, named or not")
    linked: dict[UserId, UserId] = Field(default_factory=dict, description="our user -> the CRM's")

    @property
    def names(self) -> dict[UserId, str]:
        """A name for everybody who is known by id."""
        unknown = {user_id: name_of_unknown(user_id) for user_id in self.assignees}
        return unknown | {user.user_id: user.name for user in self.known}

    def team_of(self, user_id: UserId, email: str) -> Team:
        """The members by name, and who of them our user with this id and email address is: as linked, else by the address."""
        members = (TeamMember(user_id=one, name=name) for one, name in self.names.items())
        ordered = tuple(sorted(members, key=lambda one: (one.name.casefold(), one.user_id)))
        return Team(me=self.linked.get(user_id) or self._by_address(email), members=ordered)

    def _by_address(self, email: str) -> UserId | None:
        address = email.strip().casefold()
        same = (user.user_id for user in self.known if (user.email or "").strip().casefold() == address)
        return next(same, None) if address else None


def name_of_unknown(user_id: UserId) -> str:
    """What somebody is called whom the account did not name: the token may lack the scope, or they left."""
    return f"agent {user_id[-4:]}"


async def directory(memory: Memory, location_id: LocationId) -> Directory:
    """Everybody who is known by id. Raises StorageUnavailable."""

    def look(uow: UnitOfWork) -> Directory:
        setup = uow.connections.setup(location_id)
        assignees = tuple(uow.team.assignees(location_id))
        if setup is None:
            return Directory(assignees=assignees)
        return Directory(known=setup.crm_users, assignees=assignees, linked=setup.linked_users)

    return await memory.read(look)


async def keep_people(memory: Memory, location_id: LocationId, people: Sequence[AccountUser]) -> bool:
    """Store whom the account named; whether that is news. Raises StorageUnavailable.

    Nobody: the token may not list them, and the names of before stay. A location that nobody has set up stays so: a setup is
    its owner's word that the account may be read.
    """
    if not people:
        return False

    def change(uow: UnitOfWork) -> bool:
        setup = uow.connections.setup(location_id)
        if setup is None or setup.crm_users == tuple(people):
            return False
        uow.connections.put_setup(setup.model_copy(update={"crm_users": tuple(people)}))
        return True

    return await memory.write(change)
