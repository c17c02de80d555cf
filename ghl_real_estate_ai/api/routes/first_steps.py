"""What is still to do in the caller's location before the screens show anything. Called by the screens while they are empty."""

from __future__ import annotations

import json

from fastapi import APIRouter

from ghl_real_estate_ai.api.dependencies import IdentityDep, ServicesDep
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.limits import INSTALL_STATE_S
from ghl_real_estate_ai.models.leads import Identity, Role
from ghl_real_estate_ai.services.first_steps import FirstSteps, Known, first_steps, known_of

router = APIRouter(prefix="/v1", tags=["first steps"])


@router.get("/first-steps")
async def list_first_steps(identity: IdentityDep, services: ServicesDep) -> FirstSteps:
    """The steps, with how each is done by whoever asks."""
    known = await services.memory.read(lambda uow: known_of(uow, identity.location_id))
    return first_steps(
        known,
        location_id=identity.location_id,
        role=identity.role,
        install_url=await _install_url(identity, services, known),
    )


async def _install_url(identity: Identity, services: Services, known: Known) -> str | None:
    """The consent page of the app, for an admin who needs it: one address for half of its life, not one for each look."""
    if identity.role is not Role.ADMIN or known.connected or known.leads:
        return None

    async def make() -> bytes:
        return (await services.crm.connections.install_url()).encode()

    key = json.dumps(["install url", identity.location_id, identity.user_id])
    try:
        return (await services.cache.get_or_make(key, make, seconds=INSTALL_STATE_S / 2)).decode()
    except ConfigurationError:
        return None  # no app: the account is connected by a private token
