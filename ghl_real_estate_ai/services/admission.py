"""The one gate to the log: what is refused, what is known already, and what a delivery is given on its way in.

Called inside a transaction by every door: event_inbox (webhooks, clicks, pages read from the CRM), the CSV import and
the operator's replay. Three doors may tell of one fact; whichever comes first is stored, the others are duplicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final

from ghl_real_estate_ai.ml.lead_state import held_since, is_state, states_something_new
from ghl_real_estate_ai.models.events import (
    Delivery,
    Event,
    LeadUpserted,
    OpportunityChanged,
    RecordedEvent,
    Source,
)
from ghl_real_estate_ai.models.identifiers import EventId, Frozen, LeadId, LocationId, derived_id, lead_hash
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.loop_guard import is_own_echo
from ghl_real_estate_ai.services.page_knowledge import PageKnowledge

SAME_STATE_WITHIN: Final = timedelta(minutes=2)
"""A state that is held already is no news, unless it is newer by more: a webhook from in between may still come, and lose."""


class Outcome(StrEnum):
    """What became of a delivery. Each counts as accepted: the vendor need not send it again."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    DEAD_LETTER = "dead_letter"
    IGNORED = "ignored"


class Receipt(Frozen):
    """The answer to a delivery."""

    outcome: Outcome
    reason: str | None = None
    position: int | None = None


FORGOTTEN: Final = Receipt(outcome=Outcome.IGNORED, reason="this lead was forgotten on request")
_DUPLICATE: Final = Receipt(outcome=Outcome.DUPLICATE)
_OWN_CHANGE: Final = Receipt(outcome=Outcome.IGNORED, reason="our own change came back")


def admit(uow: UnitOfWork, delivery: Delivery) -> RecordedEvent | Receipt:
    """Append a delivery; a Receipt says why nothing was appended."""
    judged = _judged(delivery, PageKnowledge(uow, [delivery]))
    if isinstance(judged, Receipt):
        return judged
    return uow.events.append(judged) or _DUPLICATE


def admit_page(uow: UnitOfWork, deliveries: Sequence[Delivery]) -> list[RecordedEvent | Receipt]:
    """The same for a page of one location: hundreds at once, in few statements."""
    if not deliveries:
        return []
    page = PageKnowledge(uow, deliveries)
    judged = [_judged(delivery, page) for delivery in deliveries]
    passed = [one for one in judged if isinstance(one, Delivery)]
    appended = iter(uow.events.append_page(passed))
    return [(next(appended) or _DUPLICATE) if isinstance(one, Delivery) else one for one in judged]


def is_forgotten(uow: UnitOfWork, location_id: LocationId, lead_id: LeadId) -> bool:
    """Whether the lead was erased on request: nothing about them is taken any more."""
    return uow.tenants.is_forgotten(location_id, lead_hash(location_id, lead_id))


def _judged(delivery: Delivery, page: PageKnowledge) -> Delivery | Receipt:
    """The delivery as it goes into the log, or why it does not."""
    lead_id = delivery.event.lead_id
    if lead_id is not None and page.is_forgotten(lead_id):
        return FORGOTTEN
    if page.holds(delivery.delivery_id):
        return _DUPLICATE
    delivery = _with_stage_role(_as_a_change_if_restored(delivery, page), page)
    if page.holds(delivery.event.event_id) or page.was_said(delivery.event):
        return _DUPLICATE
    if _is_held_already(delivery.event, page):
        return _DUPLICATE
    if is_own_echo(delivery, page):
        return _OWN_CHANGE
    page.note(delivery)
    return delivery


def _as_a_change_if_restored(delivery: Delivery, page: PageKnowledge) -> Delivery:
    """A contact is created once; the creation of one that was deleted tells that it exists again."""
    event = delivery.event
    if not isinstance(event, LeadUpserted) or not event.created or event.lead_id is None:
        return delivery
    if not page.holds(event.event_id) or not _was_deleted_before(event, event.lead_id, page):
        return delivery
    own_id = EventId(derived_id(event.location_id, delivery.delivery_id))
    change = event.model_copy(update={"event_id": own_id, "created": False})
    return delivery.model_copy(update={"event": change})


def _was_deleted_before(event: Event, lead_id: LeadId, page: PageKnowledge) -> bool:
    lead = page.lead(lead_id)
    held = lead.stamps["deleted"].at if lead is not None and lead.deleted else None
    deleted_at = page.unapplied_deletion(lead_id) or held
    return deleted_at is not None and deleted_at < event.occurred_at


def _with_stage_role(delivery: Delivery, page: PageKnowledge) -> Delivery:
    """What the stage means, by the owner's map as it is today: a map that changes later does not rewrite the past."""
    event = delivery.event
    if not isinstance(event, OpportunityChanged) or event.stage_role or event.pipeline_stage_id is None:
        return delivery
    role = None if page.setup is None else page.setup.stages.get(event.pipeline_stage_id)
    return delivery.model_copy(update={"event": event.model_copy(update={"stage_role": role})})


def _is_held_already(event: Event, page: PageKnowledge) -> bool:
    """Whether it is a state that was read again, and says what the lead has held until a moment ago."""
    if event.source is not Source.POLLING or event.lead_id is None or not is_state(event):
        return False
    lead = page.lead(event.lead_id)
    if lead is None or states_something_new(lead, event) or page.is_behind_its_log(event.lead_id):
        return False
    return event.occurred_at - held_since(lead, event) <= SAME_STATE_WITHIN
