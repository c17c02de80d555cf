"""An agent corrects what a lead wishes for: a fact like any other, and what it replaced comes back for the undo.

Called by the screens. The tenant is the caller's; another tenant's lead is simply not found.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ghl_real_estate_ai.api.dependencies import IdentityDep, ServicesDep, now_of
from ghl_real_estate_ai.errors import NotFound, TranslationError, UnprocessableInput
from ghl_real_estate_ai.limits import CLICKS_LOOKED_AT
from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.ml.wish_voices import crm_words
from ghl_real_estate_ai.models.events import (
    Delivery,
    LeadUpserted,
    PropertyActivityRecorded,
    RecordedEvent,
    Source,
    WishesCorrected,
)
from ghl_real_estate_ai.models.identifiers import (
    CorrelationId,
    EventId,
    Frozen,
    LeadId,
    LocationId,
    new_event_id,
)
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import Identity, Lead
from ghl_real_estate_ai.models.properties import Wishes
from ghl_real_estate_ai.ports import UnitOfWork

router = APIRouter(prefix="/v1/leads", tags=["leads"])

_STEP: Final = timedelta(microseconds=1)
_WORDS: Final = (LeadUpserted, PropertyActivityRecorded, WishesCorrected)
_WORD_TYPES: Final = frozenset(kind.__name__ for kind in _WORDS)


class Correction(Frozen):
    """Only the wishes that are touched, by the names of ``models.properties.Wishes``; null takes one out."""

    wishes: dict[str, Any]


class Corrected(Frozen):
    """The fact, and what the touched wishes were: posting ``before`` is the undo. The lead's matches follow on its streams."""

    event_id: EventId
    position: int
    before: dict[str, Any]


@router.post("/{lead_id}/wishes", status_code=202)
async def correct_wishes(
    lead_id: Annotated[LeadId, Path(min_length=1, max_length=100)],
    correction: Correction,
    identity: IdentityDep,
    services: ServicesDep,
) -> Corrected:
    """A correction holds until the CRM states something else than it does now, or the lead searches for something else.

    An unusable field or value is named.
    """
    location_id = identity.location_id
    lead, known = await services.memory.read(lambda uow: _ahead(uow, location_id, lead_id))
    if lead is None:
        raise NotFound("no such lead in this location")
    wishes = _read(correction.wishes)
    if {"min_list_price", "max_list_price"} & set(wishes):
        _fit_together({**_plain(lead.wishes), **wishes}, said=wishes)
    at = _later_than(lead, wishes, now_of(services, known))
    delivery = _delivery(identity, lead, wishes, at=at, received_at=services.clock.now())
    event_id = delivery.event.event_id
    await services.inbox.receive(delivery)  # refuses a lead that was forgotten between our look and our write
    done = await services.memory.read(lambda uow: uow.events.get(location_id, event_id))
    if done is None:
        raise NotFound("no such lead in this location")
    before = _plain(lead.wishes)
    return Corrected(
        event_id=event_id, position=done.position, before={name: before[name] for name in wishes}
    )


def _ahead(
    uow: UnitOfWork, location_id: LocationId, lead_id: LeadId
) -> tuple[Lead | None, LeadIntelligence | None]:
    """The lead with the words on wishes that are in the log and not in it yet: of two quick corrections each undoes its own."""
    lead = uow.leads.get(location_id, lead_id)
    if lead is None:
        return None, None
    events = uow.events.of_lead(location_id, lead_id, before=None, limit=CLICKS_LOOKED_AT, types=_WORD_TYPES)
    for recorded in reversed(events):
        if recorded.position > lead.position and isinstance(recorded.event, _WORDS):
            with suppress(TranslationError):  # whoever handles it will set it aside
                lead = apply(lead, _as_applied(recorded, lead))
    return lead, uow.leads.intelligence(location_id, lead_id)


def _as_applied(recorded: RecordedEvent, lead: Lead) -> RecordedEvent:
    """Without its position: events in between are not in the lead yet."""
    return recorded.model_copy(update={"position": lead.position})


def _read(said: dict[str, Any]) -> dict[str, Any]:
    """The wishes as the event holds them. Raises UnprocessableInput, which names the first bad field."""
    if not said:
        raise UnprocessableInput("wishes: name at least one, e.g. max_list_price")
    unknown = sorted(set(said) - set(Wishes.model_fields))
    if unknown:
        raise UnprocessableInput(
            f"wishes: there is no such wish as {unknown[0][:40]!r}; there are {', '.join(Wishes.model_fields)}"
        )
    named = {
        name: None if isinstance(value, str) and not value.strip() else value for name, value in said.items()
    }
    for name, value in named.items():
        if "\x00" in str(value):
            raise UnprocessableInput(f"wishes.{name}: holds the character NUL; take it out")
    features = {"features": named["features"] or []} if "features" in named else {}
    try:
        wishes = Wishes.model_validate({**named, **features})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UnprocessableInput(f"wishes.{field}: {_in_words(first)}") from None
    plain = _plain(wishes)
    return {name: plain[name] for name in said}


def _in_words(problem: ErrorDetails) -> str:
    """The problem as somebody who corrects a wish reads it."""
    bounds = problem.get("ctx") or {}
    if "ge" in bounds:
        return f"must be {bounds['ge']} or more"
    if "gt" in bounds:
        return f"must be more than {bounds['gt']}"
    return str(problem["msg"])


def _plain(wishes: Wishes) -> dict[str, Any]:
    """As JSON has them; the features in order."""
    plain = wishes.model_dump(mode="json")
    return {**plain, "features": sorted(plain["features"])}


def _fit_together(wishes: dict[str, Any], *, said: dict[str, Any]) -> None:
    known = Wishes.model_validate(wishes)
    low, high = known.min_list_price, known.max_list_price
    if low is None or high is None or low <= high:
        return
    change = "change both, or take one out"
    if "max_list_price" in said:
        raise UnprocessableInput(
            f"wishes.max_list_price: ${high:,.0f} is below the minimum of ${low:,.0f}; {change}"
        )
    raise UnprocessableInput(
        f"wishes.min_list_price: ${low:,.0f} is above the maximum of ${high:,.0f}; {change}"
    )


def _later_than(lead: Lead, wishes: dict[str, Any], now: datetime) -> datetime:
    """Now on the lead's own time line, and after what is known of these wishes: the newest word counts."""
    return max([now, *(lead.stamps[name].at + _STEP for name in wishes if name in lead.stamps)])


def _delivery(
    identity: Identity, lead: Lead, wishes: dict[str, Any], *, at: datetime, received_at: datetime
) -> Delivery:
    event_id = new_event_id()
    crm = _plain(crm_words(lead).wishes)
    event = WishesCorrected(
        event_id=event_id,
        location_id=identity.location_id,
        occurred_at=at,
        correlation_id=CorrelationId(event_id),
        source=Source.API,
        simulated=lead.simulated,
        lead_id=lead.lead_id,
        wishes=wishes,
        instead_of={name: crm[name] for name in wishes},
        user_id=identity.user_id,
    )
    return Delivery(delivery_id=f"wishes:{event_id}", event=event, received_at=received_at)
