"""A lead's matches in full, and the cheapest ways to more of them. Called by the screens, when somebody asks.

The tenant is the caller's; another tenant's lead is simply not found.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from ghl_real_estate_ai.api.dependencies import IdentityDep, ServicesDep
from ghl_real_estate_ai.errors import NotFound
from ghl_real_estate_ai.limits import PAGE_ROWS
from ghl_real_estate_ai.models.identifiers import Frozen, LeadId
from ghl_real_estate_ai.models.matching_models import EnhancedPropertyMatch, LearnedWeight, Relaxation
from ghl_real_estate_ai.models.properties import Wishes

router = APIRouter(prefix="/v1/leads", tags=["leads"])


class LeadMatches(Frozen):
    """Matches best first. Without stated wishes there are none, and nothing to relax."""

    wishes: Wishes
    matches: tuple[EnhancedPropertyMatch, ...]
    learned: tuple[LearnedWeight, ...] = Field(
        description="what the lead's judgements of homes say of its wishes, the largest change first"
    )
    meeting_all: int = Field(description="homes on the market that meet every stated wish, counted")
    relaxations: tuple[Relaxation, ...] = Field(
        description="smallest change of one wish each, cheapest first"
    )


@router.get("/{lead_id}/matches")
async def get_matches(
    lead_id: Annotated[LeadId, Path(min_length=1, max_length=100)],
    identity: IdentityDep,
    services: ServicesDep,
    k: Annotated[int, Query(ge=1, le=PAGE_ROWS)] = 20,
) -> LeadMatches:
    """The best ``k`` homes for the lead's stated wishes as they are now, and what would give more."""
    lead = await services.memory.read(lambda uow: uow.leads.get(identity.location_id, lead_id))
    if lead is None:
        raise NotFound("no such lead in this location")
    relaxed = await services.matching.relaxations(lead)
    return LeadMatches(
        wishes=lead.wishes,
        matches=await services.matching.matches(lead, services.clock.now(), k=k),
        learned=await services.matching.learned(lead),
        meeting_all=relaxed.meeting,
        relaxations=relaxed.changes,
    )
