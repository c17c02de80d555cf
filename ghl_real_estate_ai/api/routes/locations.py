"""The locations that the caller runs: where their email and password open an admin's account. Called by admins' screens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from ghl_real_estate_ai.api.dependencies import ServicesDep, allowed
from ghl_real_estate_ai.models.connections import ConnectionStatus
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId, UserId
from ghl_real_estate_ai.models.leads import Identity, Role
from ghl_real_estate_ai.ports import UnitOfWork

router = APIRouter(prefix="/v1/locations", tags=["locations"])


class LocationView(Frozen):
    """``connection`` None: the CRM account is not connected. ``here``: the caller is signed in to this one."""

    location_id: LocationId
    name: str
    connection: ConnectionStatus | None
    leads: int
    here: bool


class Locations(Frozen):
    """By name; at least the caller's own."""

    items: tuple[LocationView, ...]


@router.get("")
async def list_locations(
    identity: Annotated[Identity, Depends(allowed(Role.ADMIN))], services: ServicesDep
) -> Locations:
    """An email alone proves nothing elsewhere, for any admin may enter any: the password counted at the sign-in."""

    def look(uow: UnitOfWork) -> Locations:
        run = _run_by(uow, identity)
        views = [
            _view(uow, place.location_id, place.name, here=place.location_id == identity.location_id)
            for place in uow.tenants.locations()
            if place.location_id in run
        ]
        return Locations(
            items=tuple(sorted(views, key=lambda view: (view.name.casefold(), view.location_id)))
        )

    return await services.memory.read(look)


def _run_by(uow: UnitOfWork, identity: Identity) -> set[LocationId]:
    accounts = [user for user, _ in uow.tenants.credentials(identity.email)]
    elsewhere = {
        user.location_id
        for user in accounts
        if user.role is Role.ADMIN
        and user.location_id in identity.also_at
        and _is_as_it_was(uow, identity, user.location_id, user.user_id)
    }
    return elsewhere | {identity.location_id}


def _is_as_it_was(uow: UnitOfWork, identity: Identity, location_id: LocationId, user_id: UserId) -> bool:
    """The account there has not got another password since the sign-in."""
    access = uow.tenants.access_of(location_id, user_id)
    return access is not None and not access.ends(identity.signed_in_at)


def _view(uow: UnitOfWork, location_id: LocationId, name: str, *, here: bool) -> LocationView:
    connection = uow.connections.get(location_id)
    return LocationView(
        location_id=location_id,
        name=name,
        connection=None if connection is None else connection.status,
        leads=uow.leads.count(location_id),
        here=here,
    )
