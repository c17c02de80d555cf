"""What could not be used in the caller's location, and trying it again. Called by admins' screens.

Letters of no known tenant are for nobody here: ``enterprisehub replay --dead-letters`` tries those too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query

from ghl_real_estate_ai.api.dependencies import ServicesDep, allowed
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.errors import NotFound
from ghl_real_estate_ai.limits import DEAD_LETTERS_AT_ONCE, REPLAY_WAIT_S
from ghl_real_estate_ai.models.events import DeadLetter, RecordedEvent
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId, UtcTime
from ghl_real_estate_ai.models.leads import Identity, Role
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.dead_letters import DeadLetters

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

Admin = Annotated[Identity, Depends(allowed(Role.ADMIN))]

_LARGEST_ID = 2**63 - 1
_LOOK_AGAIN_S: Final = 0.05
_NOT_DONE: Final = "it is in the log again and not yet worked off; if it fails again, it comes back here"


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
    """``replayed``: handled now, or at least on their way to it when the wait was over, which ``reason`` says then.

    ``left``: how many there still are. ``reason``: why one could not be read, or why a handler gave up on it again.
    """

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
    failed, left, all_done = await _heard(services, identity.location_id, done.facts)
    reasons = [*(kept.reason for kept in done.kept), *failed]
    reason = None if all_done else _NOT_DONE
    if reasons:
        reason = f"{len(reasons)} of {done.tried} cannot be used yet; the last one: {reasons[-1]}"
    return ReplayOutcome(replayed=done.used - len(failed), left=left, reason=reason)


@router.post("/{dead_letter_id}/replay")
async def replay_one(
    dead_letter_id: Annotated[int, Path(ge=1, le=_LARGEST_ID)], identity: Admin, services: ServicesDep
) -> ReplayOutcome:
    """Try one again. 404: there is none of this number in the caller's location (any more)."""
    location_id = identity.location_id
    letter = await services.memory.read(lambda uow: uow.cursors.dead_letter(location_id, dead_letter_id))
    if letter is None:
        raise NotFound("no such dead letter in this location; it may have been replayed already")
    done = await _replayer(services).replay(letter)
    failed, left, all_done = await _heard(services, location_id, done.facts)
    reasons = [*(kept.reason for kept in done.kept), *failed, *([] if all_done else [_NOT_DONE])]
    return ReplayOutcome(replayed=done.used - len(failed), left=left, reason=next(iter(reasons), None))


def _replayer(services: Services) -> DeadLetters:
    return DeadLetters(
        memory=services.memory,
        reader=services.webhook_reader,
        clock=services.clock,
        announce=services.bus.announce,
    )


async def _heard(
    services: Services, location_id: LocationId, facts: Sequence[RecordedEvent]
) -> tuple[list[str], int, bool]:
    """Of facts that handlers gave up on again, why; how many letters there are; whether all facts were worked off."""
    positions = {fact.position for fact in facts}
    all_done = not facts or await _worked_off(services, location_id, max(positions))

    def look(uow: UnitOfWork) -> tuple[list[str], int]:
        newest = uow.cursors.newest_dead_letters(location_id, before=None, limit=DEAD_LETTERS_AT_ONCE)
        reasons = {letter.position: letter.reason for letter, _ in newest if letter.position in positions}
        return list(reasons.values()), uow.cursors.dead_letter_count(location_id)

    failed, left = await services.memory.read(look)
    return failed, left, all_done


async def _worked_off(services: Services, location_id: LocationId, position: int) -> bool:
    """Waits until every handler is past the position, or has nothing to do; False after REPLAY_WAIT_S.

    Where another process handles the location, its cursors tell it, or it stays open.
    """
    bus = services.bus
    try:
        async with asyncio.timeout(REPLAY_WAIT_S):
            while True:
                if bus.passed(location_id) >= position or not await bus.lag(location_id):
                    return True
                await asyncio.sleep(_LOOK_AGAIN_S)
    except TimeoutError:
        return False


def _view(letter: DeadLetter, *, has_raw: bool) -> DeadLetterView:
    shown = {name: getattr(letter, name) for name in DeadLetterView.model_fields if name != "has_raw"}
    return DeadLetterView(**shown, has_raw=has_raw)
