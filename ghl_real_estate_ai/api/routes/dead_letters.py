"""What could not be used in the caller's location, and trying it again. Called by admins' screens.

Letters of no known tenant are for nobody here: ``enterprisehub replay --dead-letters`` tries those too.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from ghl_real_estate_ai.api.dependencies import ServicesDep, allowed
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.errors import NotFound
from ghl_real_estate_ai.limits import DEAD_LETTERS_AT_ONCE
from ghl_real_estate_ai.models.events import DeadLetter
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId, UtcTime
from ghl_real_estate_ai.models.leads import Identity, Role
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.dead_letters import DeadLetters

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

Admin = Annotated[Identity, Depends(allowed(Role.ADMIN))]

_LARGEST_ID = 2**63 - 1


class DeadLetterView(Frozen):
    """A letter without what it holds. ``subscriber``: 'inbox' for an unreadable delivery, else the handler that gave up."""

    dead_letter_id: int
    subscriber: str
    delivery_id: str
    position: int | None
    reason: str
    failed_at: UtcTime
    simulated: bool
    has_raw: bool


class DeadLetterPage(Frozen):
    """Newest first; ``total``: how many there are."""

    items: tuple[DeadLetterView, ...]
    total: int


class ReplayOutcome(Frozen):
    """``replayed``: in the log now; their handlers hear them as new. ``left``: how many there still are; ``reason``: why."""

    replayed: int
    left: int
    reason: str | None


@router.get("")
async def list_dead_letters(
    identity: Admin,
    services: ServicesDep,
    after: Annotated[
        int, Query(ge=0, le=_LARGEST_ID, description="last id of the page before; 0: the first page")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> DeadLetterPage:
    """A page of the location's own, newest first."""
    location_id = identity.location_id

    def look(uow: UnitOfWork) -> DeadLetterPage:
        page = uow.cursors.newest_dead_letters(location_id, before=after or None, limit=limit)
        return DeadLetterPage(
            items=tuple(_view(letter, has_raw=has_raw) for letter, has_raw in page),
            total=uow.cursors.dead_letter_count(location_id),
        )

    return await services.memory.read(look)


@router.post("/replay")
async def replay_all(identity: Admin, services: ServicesDep) -> ReplayOutcome:
    """Try them all again, the oldest first; DEAD_LETTERS_AT_ONCE at most. Those that stay have their new reason."""
    done = await _replayer(services).replay_all(identity.location_id, most=DEAD_LETTERS_AT_ONCE)
    reason = None
    if done.kept:
        reason = f"{len(done.kept)} of {done.tried} cannot be used yet; the last one: {done.kept[-1].reason}"
    return await _outcome(services, identity.location_id, replayed=done.used, reason=reason)


@router.post("/{dead_letter_id}/replay")
async def replay_one(
    dead_letter_id: Annotated[int, Path(ge=1, le=_LARGEST_ID)], identity: Admin, services: ServicesDep
) -> ReplayOutcome:
    """Try one again. 404: there is none of this number in the caller's location (any more)."""
    location_id = identity.location_id
    letter = await services.memory.read(lambda uow: uow.cursors.dead_letter(location_id, dead_letter_id))
    if letter is None:
        raise NotFound("no such dead letter in this location; it may have been replayed already")
    reason = await _replayer(services).replay(letter)
    return await _outcome(services, location_id, replayed=int(reason is None), reason=reason)


def _replayer(services: Services) -> DeadLetters:
    return DeadLetters(
        memory=services.memory,
        reader=services.webhook_reader,
        clock=services.clock,
        announce=services.bus.announce,
    )


async def _outcome(
    services: Services, location_id: LocationId, *, replayed: int, reason: str | None
) -> ReplayOutcome:
    left = await services.memory.read(lambda uow: uow.cursors.dead_letter_count(location_id))
    return ReplayOutcome(replayed=replayed, left=left, reason=reason)


def _view(letter: DeadLetter, *, has_raw: bool) -> DeadLetterView:
    shown = {name: getattr(letter, name) for name in DeadLetterView.model_fields if name != "has_raw"}
    return DeadLetterView(**shown, has_raw=has_raw)
