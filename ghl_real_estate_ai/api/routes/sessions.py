"""Signing in, staying signed in, and who is. Called by the screens and by scripts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from ghl_real_estate_ai.api.auth import verify_password
from ghl_real_estate_ai.api.dependencies import DoorsDep, IdentityDep, ServicesDep
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.errors import InputError, Unauthenticated
from ghl_real_estate_ai.limits import PROVEN_ELSEWHERE
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId, UserId
from ghl_real_estate_ai.models.leads import Identity, Role, User

router = APIRouter(prefix="/v1", tags=["sessions"])


class SignIn(Frozen):
    """``location_id`` is needed only when the same email and password belong to several locations."""

    email: Annotated[str, Field(min_length=3, max_length=254)]
    password: Annotated[str, Field(min_length=1, max_length=1_024)]
    location_id: LocationId | None = None


class SignedInUser(Frozen):
    """A user, as screens show it."""

    user_id: UserId
    name: str
    email: str
    role: Role
    location_id: LocationId
    location_name: str | None = Field(default=None, description="None: it was given no name")

    @classmethod
    def of(cls, user: User, *, location_name: str | None) -> SignedInUser:
        """From a user or an identity."""
        return cls(
            user_id=user.user_id,
            name=user.name,
            email=user.email,
            role=user.role,
            location_id=user.location_id,
            location_name=location_name,
        )


class Session(Frozen):
    """What signing in gives."""

    access_token: str
    expires_at: datetime
    user: SignedInUser


@router.post("/sessions", status_code=201)
async def sign_in(attempt: SignIn, services: ServicesDep, doors: DoorsDep) -> Session:
    """401 is the same for an unknown email and a wrong password, and takes the same time."""
    email = attempt.email.strip().lower()
    await doors.sign_ins.spend(email)
    known = await services.memory.read(lambda uow: uow.tenants.credentials(email))
    meant = [one for one in known if attempt.location_id in {None, one[0].location_id}]
    # The password is checked before anything is said about locations: who asks must know it.
    proven = await _proven(meant, attempt.password)
    if not meant:
        await verify_password(attempt.password, None)
    if not proven:
        raise Unauthenticated("email or password is wrong")
    if len(proven) > 1:
        places = ", ".join(user.location_id for user in proven)
        raise InputError(f"location_id: this account exists in several locations; send one of {places}")
    others = [one for one in known if one not in meant][:PROVEN_ELSEWHERE]
    also_at = [user.location_id for user in await _proven(others, attempt.password)]
    name = await _location_name(services, proven[0].location_id)
    return _session(*doors.tokens.issue(proven[0], also_at=also_at), name)


async def _proven(accounts: Sequence[tuple[User, str]], password: str) -> list[User]:
    """Whose password it is, among these users and their hashes."""
    return [user for user, password_hash in accounts if await verify_password(password, password_hash)]


@router.post("/sessions/renewal", status_code=201)
async def renew(identity: IdentityDep, services: ServicesDep, doors: DoorsDep) -> Session:
    """A fresh token of the same session, with name and role as they are stored now. 401: the user is gone, or the session too old."""
    location_id, user_id = identity.location_id, identity.user_id
    access = await services.memory.read(lambda uow: uow.tenants.access_of(location_id, user_id))
    if access is None:  # another process removed them just now
        services.access.end(location_id, user_id, upto=None)
        raise Unauthenticated("this account was removed; ask an admin of your location")
    if access.ends(identity.signed_in_at):
        services.access.end(location_id, user_id, upto=access.tokens_valid_after)
    name = await _location_name(services, location_id)
    return _session(*doors.tokens.issue(access.user, of=doors.tokens.admit(identity)), name)


@router.get("/me")
async def me(identity: IdentityDep, services: ServicesDep) -> SignedInUser:
    """The caller."""
    return SignedInUser.of(identity, location_name=await _location_name(services, identity.location_id))


async def _location_name(services: Services, location_id: LocationId) -> str | None:
    places = await services.memory.read(lambda uow: uow.tenants.locations())
    return next((place.name for place in places if place.location_id == location_id and place.name), None)


def _session(token: str, identity: Identity, location_name: str | None) -> Session:
    user = SignedInUser.of(identity, location_name=location_name)
    return Session(access_token=token, expires_at=identity.expires_at, user=user)
