"""Who may sign in to the caller's location: seen, added, changed and removed by its admins. Called by admins' screens.

The rules are services/user_accounts.py; what ends somebody's sessions ends them here at once.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from ghl_real_estate_ai.api.auth import hash_password
from ghl_real_estate_ai.api.dependencies import ServicesDep, allowed
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.identifiers import Frozen, UserId
from ghl_real_estate_ai.models.leads import Identity, Role, User
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services import user_accounts
from ghl_real_estate_ai.services.team_directory import Directory

router = APIRouter(prefix="/v1/users", tags=["users"])

Admin = Annotated[Identity, Depends(allowed(Role.ADMIN))]
Who = Annotated[UserId, Path(min_length=1, max_length=200)]
Email = Annotated[str, Field(min_length=3, max_length=254)]
Name = Annotated[str, Field(max_length=200)]
Password = Annotated[str, Field(min_length=1, max_length=user_accounts.LONGEST_PASSWORD)]
CrmUserId = Annotated[UserId, Field(min_length=1, max_length=100)]


class UserView(Frozen):
    """A user. ``crm_user_id``: which of the CRM's users that is, by their link or their email; None: not known."""

    user_id: UserId
    name: str
    email: str
    role: Role
    crm_user_id: UserId | None


class Users(Frozen):
    """Everybody, by email."""

    items: tuple[UserView, ...]


class NewUser(Frozen):
    """``name`` empty: the email's first part. ``crm_user_id`` left out: found by the email address."""

    email: Email
    name: Name = ""
    role: Role = Role.AGENT
    password: Password
    crm_user_id: CrmUserId | None = None


class UserChange(Frozen):
    """What is left out stays. ``crm_user_id`` null: no link, the email address tells."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    role: Role | None = None
    password: Password | None = None
    crm_user_id: CrmUserId | None = None


@router.get("")
async def list_users(identity: Admin, services: ServicesDep) -> Users:
    """Who may sign in here."""

    def look(uow: UnitOfWork) -> Users:
        setup = uow.connections.setup(identity.location_id)
        return Users(items=tuple(_view(user, setup) for user in uow.tenants.users(identity.location_id)))

    return await services.memory.read(look)


@router.post("", status_code=201)
async def add_user(wanted: NewUser, identity: Admin, services: ServicesDep) -> UserView:
    """Somebody may sign in from now on. 409: the email is here already."""
    user = user_accounts.new_user(
        location_id=identity.location_id, email=wanted.email, name=wanted.name, role=wanted.role
    )
    user_accounts.check_password(wanted.password)
    digest, now = await hash_password(wanted.password), services.clock.now()

    def change(uow: UnitOfWork) -> UserView:
        user_accounts.add(uow, user, password_hash=digest, now=now)
        if wanted.crm_user_id is not None:
            user_accounts.link(uow, user, wanted.crm_user_id)
        return _view(user, uow.connections.setup(user.location_id))

    view = await services.memory.write(change)
    services.access.end(user.location_id, user.user_id, upto=now)  # of who was removed and is back
    return view


@router.post("/{user_id}")
async def change_user(user_id: Who, wanted: UserChange, identity: Admin, services: ServicesDep) -> UserView:
    """Change what is given. A new password and a lesser role end the user's older sessions, also one's own.

    409: the location would have no admin left.
    """
    location_id, now = identity.location_id, services.clock.now()
    digest = None
    if wanted.password is not None:
        user_accounts.check_password(wanted.password)
        digest = await hash_password(wanted.password)

    def change(uow: UnitOfWork) -> tuple[UserView, bool]:
        user, ends = user_accounts.change(
            uow, location_id, user_id, name=wanted.name, role=wanted.role, password_hash=digest, now=now
        )
        if "crm_user_id" in wanted.model_fields_set:
            user_accounts.link(uow, user, wanted.crm_user_id)
        return _view(user, uow.connections.setup(location_id)), ends

    view, ends = await services.memory.write(change)
    if ends:
        services.access.end(location_id, user_id, upto=now)
    return view


@router.post("/{user_id}/removal")
async def remove_user(user_id: Who, identity: Admin, services: ServicesDep) -> UserView:
    """They are out: no sign-in, no renewal, no open token or socket. 409: the last admin stays. The answer is who they were."""
    location_id = identity.location_id

    def change(uow: UnitOfWork) -> UserView:
        setup = uow.connections.setup(location_id)
        return _view(user_accounts.remove(uow, location_id, user_id), setup)

    view = await services.memory.write(change)
    services.access.end(location_id, user_id, upto=None)
    return view


def _view(user: User, setup: LocationSetup | None) -> UserView:
    people = Directory() if setup is None else Directory(known=setup.crm_users, linked=setup.linked_users)
    return UserView(
        user_id=user.user_id,
        name=user.name,
        email=user.email,
        role=user.role,
        crm_user_id=people.team_of(user.user_id, user.email).me,
    )
