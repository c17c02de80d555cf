"""A reply to a lead's newest message, for an agent to copy. Called by the screens, when somebody asks.

The tenant is the caller's; another tenant's lead is simply not found.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from ghl_real_estate_ai.api.dependencies import IdentityDep, ServicesDep
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.replies import SuggestedReply

router = APIRouter(prefix="/v1/leads", tags=["leads"])


@router.get("/{lead_id}/suggested-reply")
async def get_suggested_reply(
    lead_id: Annotated[LeadId, Path(min_length=1, max_length=100)],
    identity: IdentityDep,
    services: ServicesDep,
) -> SuggestedReply:
    """What could be answered, with the ground of every claim; or why nothing is suggested. It is never sent by itself."""
    return await services.replies.suggest(lead_id, by=identity)
