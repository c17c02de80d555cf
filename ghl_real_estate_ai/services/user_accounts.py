"""Who may sign in at a location: added, changed and removed, by the same rules for the API and the command line.

Called by api/routes/users.py and commands/records.py, inside their transactions. What ends older sessions is written
here; services/access_watch.py sees to it that they end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ghl_real_estate_ai.errors import Conflict, InputError, NotFound
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.identifiers import LocationId, UserId, derived_id
from ghl_real_estate_ai.models.leads import Role, User
from ghl_real_estate_ai.ports import UnitOfWork

SHORTEST_PASSWORD: Final = 10
"""Characters of the shortest password taken."""
LONGEST_PASSWORD: Final = 1_024
"""The sign-in takes no longer one."""

_RIGHTS: Final = (Role.AGENT, Role.MANAGER, Role.ADMIN)
"""Each may do what those before it may, and more."""


def new_user(*, location_id: LocationId, email: str, name: str, role: Role) -> User:
    """A user who is not stored yet. Raises InputError for an email that is no address."""
    address = email.strip().lower()
    whole = "@" in address[1:-1] and address.isprintable() and " " not in address
    if not whole:
        raise InputError(f"email {email!r} is not an address; use e.g. ana@example.com")
    _check_name(name)
    return User(
        location_id=location_id,
        user_id=UserId(derived_id("user", location_id, address)),
        email=address,
        name=name.strip() or address.split("@")[0],
        role=role,
    )


def _check_name(name: str) -> None:
    if not name.strip().isprintable():
        raise InputError("name holds a control character; write it in one line")


def check_password(password: str) -> None:
    """Raises InputError for one that may not be used."""
    if len(password) < SHORTEST_PASSWORD:
        raise InputError(f"password is too short; use {SHORTEST_PASSWORD} characters or more")
    if len(password) > LONGEST_PASSWORD:
        raise InputError(f"password is too long; use {LONGEST_PASSWORD:,} characters at most")


def add(uow: UnitOfWork, user: User, *, password_hash: str, now: datetime) -> None:
    """Raises Conflict when the email exists in the location. Sessions of a user who was removed stay ended."""
    uow.tenants.add_user(user, password_hash=password_hash, tokens_valid_after=now)


def change(
    uow: UnitOfWork,
    location_id: LocationId,
    user_id: UserId,
    *,
    name: str | None = None,
    role: Role | None = None,
    password_hash: str | None = None,
    now: datetime,
) -> tuple[User, bool]:
    """Change what is given of a user as stored now; returns the user, and whether older sessions ended.

    A new password and a lesser role end them. Raises NotFound for a user who is not there, and Conflict where the location
    would have no admin left.
    """
    _check_name(name or "")
    known = _known(uow, location_id, user_id)
    changed = known.model_copy(
        update={"name": (name or "").strip() or known.name, "role": role or known.role}
    )
    if changed.role is not Role.ADMIN:
        _keep_an_admin(uow, known, "give the role to somebody else first, then take it from this user")
    ends = password_hash is not None or _RIGHTS.index(changed.role) < _RIGHTS.index(known.role)
    uow.tenants.change_user(changed, password_hash=password_hash, tokens_valid_after=now if ends else None)
    return changed, ends


def remove(uow: UnitOfWork, location_id: LocationId, user_id: UserId) -> User:
    """They sign in no more. Raises NotFound, and Conflict for the last admin of the location."""
    known = _known(uow, location_id, user_id)
    _keep_an_admin(uow, known, "make somebody else an admin first")
    uow.tenants.remove_user(location_id, user_id)
    link(uow, known, None)
    return known


def link(uow: UnitOfWork, user: User, crm_user_id: UserId | None) -> None:
    """Say which of the CRM's users this is; None: by the email address again. Raises InputError for an unknown one."""
    setup = uow.connections.setup(user.location_id)
    linked = {} if setup is None else dict(setup.linked_users)
    if linked.get(user.user_id) == crm_user_id:
        return
    setup = setup or LocationSetup(location_id=user.location_id)
    known = {one.user_id: one.name for one in setup.crm_users}
    if crm_user_id is None:
        del linked[user.user_id]
    elif known and crm_user_id not in known:
        names = ", ".join(f"{user_id} ({name})" for user_id, name in known.items())
        raise InputError(f"crm_user_id: nobody in the CRM account has this id; use one of {names}")
    else:
        linked[user.user_id] = crm_user_id
    uow.connections.put_setup(setup.model_copy(update={"linked_users": linked}))


def _known(uow: UnitOfWork, location_id: LocationId, user_id: UserId) -> User:
    users = uow.tenants.users(location_id, to_change=True)
    found = next((one for one in users if one.user_id == user_id), None)
    if found is None:
        raise NotFound("no such user in this location")
    return found


def _keep_an_admin(uow: UnitOfWork, leaving: User, fix: str) -> None:
    """Nobody else changes the users meanwhile: ``_known`` was asked before."""
    admins = [one for one in uow.tenants.users(leaving.location_id) if one.role is Role.ADMIN]
    if admins == [leaving]:
        raise Conflict(f"{leaving.email} is the last admin of this location; {fix}")
