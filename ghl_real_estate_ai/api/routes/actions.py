"""What an agent does with a next action: take it on, put it off, say that it is answered or not theirs, take that back.

Called by the screens. Each click becomes one fact; repeating it is the same fact. The tenant is the caller's; another
tenant's lead is simply not found. Nothing is sent to anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Path

from ghl_real_estate_ai.api.dependencies import IdentityDep, ServicesDep
from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.errors import NotFound, UnprocessableInput
from ghl_real_estate_ai.limits import CLICKS_LOOKED_AT, SNOOZE_DAYS, TAKEN_ON_HOURS
from ghl_real_estate_ai.ml.lead_clicks import Click
from ghl_real_estate_ai.models.events import (
    ActionAcknowledged,
    ActionReopened,
    ActionSnoozed,
    Delivery,
    LeadDeclined,
    MarkedAnswered,
    RecordedEvent,
    Source,
)
from ghl_real_estate_ai.models.identifiers import (
    ActionId,
    CorrelationId,
    EventId,
    Frozen,
    LeadId,
    UserId,
    UtcTime,
    derived_id,
)
from ghl_real_estate_ai.models.intelligence import ActionKind, LeadIntelligence
from ghl_real_estate_ai.models.leads import Identity, Lead
from ghl_real_estate_ai.ports import UnitOfWork

router = APIRouter(prefix="/v1/leads/{lead_id}/actions/{action_id}", tags=["leads"])

LeadPath = Annotated[LeadId, Path(min_length=1, max_length=100)]
ActionPath = Annotated[ActionId, Path(min_length=1, max_length=100)]

NO_LEAD: Final = "no such lead in this location"
_NOT_OPEN: Final = "this action is not open for the lead any more; look at its newest one"
_ANSWERABLE: Final = frozenset({ActionKind.FIRST_RESPONSE, ActionKind.REPLY})
_ANSWERS: Final = (ActionAcknowledged, ActionSnoozed, MarkedAnswered, ActionReopened)
"""What is said of the action itself, by whomever."""
_CLICKS: Final = frozenset(kind.__name__ for kind in (*_ANSWERS, LeadDeclined))
_STEP: Final = timedelta(microseconds=1)


class Clicked(Frozen):
    """The fact that the click became. What follows from it comes by the lead's streams."""

    event_id: EventId
    position: int


class PutOff(Frozen):
    """Until when; on the lead's own time line, which is another than the clock's for a simulated lead."""

    until: UtcTime


class _Past(NamedTuple):
    """A click on the lead that is in the log."""

    recorded: RecordedEvent
    click: Click


class _Desk(NamedTuple):
    """The lead, what is shown of it, and the clicks, newest first: ahead of what the house has made of them."""

    lead: Lead
    known: LeadIntelligence | None
    now: datetime
    """On the lead's own time line: simulated leads share one that is not the clock's."""
    every: list[_Past]
    past: list[_Past]
    """Of ``every`` those on the action."""


@router.post("/acknowledge", status_code=202)
async def acknowledge(
    lead_id: LeadPath, action_id: ActionPath, identity: IdentityDep, services: ServicesDep
) -> Clicked:
    """The caller takes the action on. It is one fact, whoever clicked first, until somebody takes it back.

    It is open again after TAKEN_ON_HOURS, if no human's message or call was seen until then.
    """
    desk = await _desk(services, identity, lead_id, action_id)
    last = _last(desk.past, *_ANSWERS)
    if last is not None and isinstance(last.click, ActionAcknowledged) and _holds(last.click, desk.now):
        return _same(last)
    until = desk.now + timedelta(hours=TAKEN_ON_HOURS)
    return await _say(
        services,
        identity,
        desk,
        kind=ActionAcknowledged,
        action_id=action_id,
        after=last,
        told={"until": until},
    )


@router.post("/snooze", status_code=202)
async def snooze(
    lead_id: LeadPath, action_id: ActionPath, put_off: PutOff, identity: IdentityDep, services: ServicesDep
) -> Clicked:
    """It leaves the queue until then, or until the lead gives another reason."""
    desk = await _desk(services, identity, lead_id, action_id)
    _check(put_off.until, desk.now)
    last = _last(desk.past, *_ANSWERS)
    if last is not None and isinstance(last.click, ActionSnoozed) and last.click.until == put_off.until:
        return _same(last)
    said = {"until": put_off.until}
    return await _say(
        services, identity, desk, kind=ActionSnoozed, action_id=action_id, after=last, said=said
    )


@router.post("/answered", status_code=202)
async def answered(
    lead_id: LeadPath, action_id: ActionPath, identity: IdentityDep, services: ServicesDep
) -> Clicked:
    """Nothing waits for an answer: it was given by another way, or none is needed. Stops the clock of the wait.

    Up to the lead's newest message, or its arrival if it never wrote; only of the action that is shown, so that a click never
    covers a message that its agent has not seen.
    """
    desk = await _desk(services, identity, lead_id, action_id)
    newest, last = max(desk.lead.inbound_times, default=None), _last(desk.past, *_ANSWERS)
    if last is not None and isinstance(last.click, MarkedAnswered) and _covers(last.click, newest):
        return _same(last)
    action = None if desk.known is None else desk.known.next_action
    if action is None or action.action_id != action_id:
        raise NotFound(_NOT_OPEN)
    if action.kind not in _ANSWERABLE or action.waiting_since is None:
        raise UnprocessableInput("nothing waits for an answer in this action; look at the lead's newest one")
    through = newest or action.waiting_since
    return await _say(
        services,
        identity,
        desk,
        kind=MarkedAnswered,
        action_id=action_id,
        after=last,
        told={"through": through},
    )


@router.post("/not-mine", status_code=202)
async def not_mine(
    lead_id: LeadPath, action_id: ActionPath, identity: IdentityDep, services: ServicesDep
) -> Clicked:
    """The lead leaves the caller's own queue; for everybody else nothing changes."""
    desk = await _desk(services, identity, lead_id, action_id)
    last = _last(desk.past, LeadDeclined, ActionReopened, by=identity.user_id)
    if last is not None and isinstance(last.click, LeadDeclined):
        return _same(last)
    return await _say(services, identity, desk, kind=LeadDeclined, action_id=action_id, after=last)


@router.post("/reopen", status_code=202)
async def reopen(
    lead_id: LeadPath, action_id: ActionPath, identity: IdentityDep, services: ServicesDep
) -> Clicked:
    """Takes back that the action was taken on, put off or answered, by whomever, and that the lead is not the caller's,
    on whichever action they said so.
    """
    desk = await _desk(services, identity, lead_id, action_id)
    answer = _last(desk.past, *_ANSWERS)
    own = _last(desk.every, LeadDeclined, ActionReopened, by=identity.user_id)
    standing = [last for last in (answer, own) if last and not isinstance(last.click, ActionReopened)]
    if standing:
        newest = max(standing, key=lambda last: last.recorded.position)
        return await _say(services, identity, desk, kind=ActionReopened, action_id=action_id, after=newest)
    undone = answer or own
    if undone is None:
        raise NotFound("nothing was said of this action, so nothing can be taken back")
    return _same(undone)


async def _desk(services: Services, identity: Identity, lead_id: LeadId, action_id: ActionId) -> _Desk:
    location_id = identity.location_id

    def look(uow: UnitOfWork) -> _Desk:
        lead = uow.leads.get(location_id, lead_id)
        if lead is None:
            raise NotFound(NO_LEAD)
        simulated_now = uow.leads.newest_simulated(location_id) if lead.simulated else None
        events = uow.events.of_lead(location_id, lead_id, before=None, limit=CLICKS_LOOKED_AT, types=_CLICKS)
        every = [_Past(one, one.event) for one in events if isinstance(one.event, Click)]
        return _Desk(
            lead=lead,
            known=uow.leads.intelligence(location_id, lead_id),
            now=simulated_now or services.clock.now(),
            every=every,
            past=[one for one in every if one.click.action_id == action_id],
        )

    return await services.memory.read(look)


def _last(past: Sequence[_Past], *kinds: type[Click], by: UserId | None = None) -> _Past | None:
    return next(
        (one for one in past if isinstance(one.click, kinds) and by in (None, one.click.user_id)), None
    )


def _declines(past: Sequence[_Past], who: UserId) -> bool:
    """Whether they say that the lead is not theirs: taking that back is their own word, whoever else clicks meanwhile."""
    last = _last(past, LeadDeclined, ActionReopened, by=who)
    return last is not None and isinstance(last.click, LeadDeclined)


def _covers(said: MarkedAnswered, newest: datetime | None) -> bool:
    return newest is None or newest <= said.through


def _holds(taken: ActionAcknowledged, now: datetime) -> bool:
    return taken.until is None or taken.until > now


def _same(past: _Past) -> Clicked:
    return Clicked(event_id=past.recorded.event.event_id, position=past.recorded.position)


def _check(until: datetime, now: datetime) -> None:
    if until <= now:
        raise UnprocessableInput(f"until: must be later than the lead's own time, {now:%Y-%m-%d %H:%M} UTC")
    if until - now > timedelta(days=SNOOZE_DAYS):
        raise UnprocessableInput(f"until: at most {SNOOZE_DAYS} days ahead")


async def _say(
    services: Services,
    identity: Identity,
    desk: _Desk,
    *,
    kind: type[Click],
    action_id: ActionId,
    after: _Past | None,
    said: dict[str, Any] | None = None,
    told: dict[str, Any] | None = None,
) -> Clicked:
    """One fact. Its id follows from what was last said of the action, so that two who click at once say the same.

    ``said``: fields that the id follows from too; ``told``: those that it does not, for they follow from the clock.
    """
    event_id = _event_id(identity, desk, kind, action_id=action_id, after=after, said=said or {})
    location_id = identity.location_id
    done = await services.memory.read(lambda uow: uow.events.get(location_id, event_id))
    if done is None:
        _still_open(desk, action_id)
        event = kind(
            event_id=event_id,
            location_id=location_id,
            occurred_at=_later_than(desk.every, services.clock.now()),
            correlation_id=CorrelationId(event_id),
            source=Source.API,
            simulated=desk.lead.simulated,
            lead_id=desk.lead.lead_id,
            action_id=action_id,
            user_id=identity.user_id,
            **said or {},
            **told or {},
        )
        delivery = Delivery(delivery_id=f"click:{event_id}", event=event, received_at=services.clock.now())
        # refuses a lead that was forgotten between our look and our write
        await services.inbox.receive(delivery)
        done = await services.memory.read(lambda uow: uow.events.get(location_id, event_id))
    if done is None:
        raise NotFound(NO_LEAD)
    return Clicked(event_id=done.event.event_id, position=done.position)


def _event_id(
    identity: Identity,
    desk: _Desk,
    kind: type[Click],
    *,
    action_id: ActionId,
    after: _Past | None,
    said: dict[str, Any],
) -> EventId:
    own = kind is LeadDeclined or (kind is ActionReopened and _declines(desk.every, identity.user_id))
    whose = identity.user_id if own else ""
    before = "" if after is None else after.recorded.event.event_id
    words = [f"{name}={value}" for name, value in said.items()]
    return EventId(
        derived_id(kind.__name__, identity.location_id, desk.lead.lead_id, action_id, whose, before, *words)
    )


def _still_open(desk: _Desk, action_id: ActionId) -> None:
    """The action that is shown, or one of which something was said: it was shown."""
    action = None if desk.known is None else desk.known.next_action
    if not desk.past and (action is None or action.action_id != action_id):
        raise NotFound(_NOT_OPEN)


def _later_than(past: Sequence[_Past], now: datetime) -> datetime:
    """A click is newer than those that it follows, whatever the clock says: the newest one counts."""
    return max([now, *(one.click.occurred_at + _STEP for one in past[:1])])
