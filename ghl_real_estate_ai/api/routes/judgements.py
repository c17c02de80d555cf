"""What a lead thinks of a home: one click becomes one fact. Called by the screens and by a brokerage's site.

The tenant is the caller's; another tenant's lead or home is simply not found.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from ghl_real_estate_ai.api.dependencies import IdentityDep, ServicesDep
from ghl_real_estate_ai.errors import NotFound
from ghl_real_estate_ai.models.events import Delivery, ListingJudged, Source
from ghl_real_estate_ai.models.identifiers import (
    CorrelationId,
    EventId,
    Frozen,
    LeadId,
    ListingKey,
    new_event_id,
)
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.matching_models import JudgedBy, Verdict
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.ports import UnitOfWork

router = APIRouter(prefix="/v1/leads", tags=["leads"])


class Opinion(Frozen):
    """The verdict, and whose it is."""

    verdict: Verdict
    by: JudgedBy = Field(default=JudgedBy.LEAD, description="an agent's own guess counts half")


class Judged(Frozen):
    """The fact that the click became. The lead's matches follow on its streams."""

    event_id: EventId
    position: int


@router.post("/{lead_id}/listings/{listing_key}/judgement", status_code=202)
async def judge(
    lead_id: Annotated[LeadId, Path(min_length=1, max_length=100)],
    listing_key: Annotated[ListingKey, Path(min_length=1, max_length=255)],
    opinion: Opinion,
    identity: IdentityDep,
    services: ServicesDep,
) -> Judged:
    """Like, pass, save, showing, or undo. The newest verdict on a home counts; a home passed on does not come back."""
    location_id = identity.location_id

    def look(uow: UnitOfWork) -> tuple[Lead | None, LeadIntelligence | None, Listing | None]:
        return (
            uow.leads.get(location_id, lead_id),
            uow.leads.intelligence(location_id, lead_id),
            uow.listings.get(location_id, listing_key),
        )

    lead, known, home = await services.memory.read(look)
    if lead is None:
        raise NotFound("no such lead in this location")
    if home is None:
        raise NotFound("no such listing in this location")
    fit = await services.matching.fit(lead, home)
    event_id = new_event_id()
    event = ListingJudged(
        event_id=event_id,
        location_id=location_id,
        occurred_at=services.clock.now(),
        correlation_id=CorrelationId(event_id),
        source=Source.API,
        simulated=lead.simulated,
        lead_id=lead_id,
        listing_key=listing_key,
        verdict=opinion.verdict,
        by=opinion.by,
        user_id=identity.user_id,
        shown_rank=_shown_rank(known, listing_key),
        closeness=dict(fit.closeness),
        score=fit.score,
    )
    delivery = Delivery(delivery_id=f"judgement:{event_id}", event=event, received_at=event.occurred_at)
    await services.inbox.receive(delivery)  # refuses a lead that was forgotten between our look and our write
    done = await services.memory.read(lambda uow: uow.events.get(location_id, event_id))
    if done is None:
        raise NotFound("no such lead in this location")
    return Judged(event_id=event_id, position=done.position)


def _shown_rank(known: LeadIntelligence | None, listing_key: ListingKey) -> int | None:
    matches = () if known is None else known.matches.value or ()
    return next(
        (match.match_rank for match in matches if listing_key in (match.listing_key, *match.also_listed_as)),
        None,
    )
