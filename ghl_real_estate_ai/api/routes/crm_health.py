"""How the caller's CRM connection is doing. Called by admins' screens and by whatever watches an installation.

Asks the CRM nothing, so it may be loaded often; ``enterprisehub doctor`` asks.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from ghl_real_estate_ai.api.dependencies import ServicesDep, allowed
from ghl_real_estate_ai.models.diagnosis import Finding, FindingStatus
from ghl_real_estate_ai.models.identifiers import Frozen
from ghl_real_estate_ai.models.leads import Identity, Role

router = APIRouter(tags=["health"])


class CrmHealthView(Frozen):
    """``status``: the worst of the findings."""

    location_id: str
    status: FindingStatus
    findings: tuple[Finding, ...]


@router.get("/v1/health/crm")
async def crm_health(
    identity: Annotated[Identity, Depends(allowed(Role.ADMIN))], services: ServicesDep
) -> CrmHealthView:
    """The findings about the caller's own location."""
    diagnosis = await services.crm.health.known(identity.location_id)
    return CrmHealthView(
        location_id=diagnosis.location_id, status=diagnosis.worst, findings=diagnosis.findings
    )
