"""The one gate to the log: what is refused, what is known already, and what a delivery is given on its way in.

Called inside a transaction by every door: event_inbox (webhooks, clicks, pages read from the CRM), the CSV import and
the operator's replay. Three doors may tell of one fact; whichever comes first is stored, the others are duplicates.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

from ghl_real_estate_ai.ml.lead_state import is_state, states_something_new
from ghl_real_estate_ai.models.events import (
    Delivery,
    Event,
    MessageReceived,
    MessageSent,
    OpportunityChanged,
    RecordedEvent,
    Source,
)
from ghl_real_estate_ai.models.identifiers import Frozen, LeadId, LocationId, fact_id, lead_hash
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.loop_guard import is_own_echo

SAME_MESSAGE_WITHIN: Final = timedelta(minutes=2)
"""A message that has no id, and one that was read by API: the same one, if they say the same and lie no further apart."""


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
    event = delivery.event
    if event.lead_id is not None and is_forgotten(uow, event.location_id, event.lead_id):
        return FORGOTTEN
    if isinstance(event, OpportunityChanged):
        event = _with_stage_role(uow, event)
        delivery = delivery.model_copy(update={"event": event})
    if _is_known(uow, event):
        return _DUPLICATE
    if is_own_echo(uow, delivery):
        return _OWN_CHANGE
    return uow.events.append(delivery) or _DUPLICATE


def is_forgotten(uow: UnitOfWork, location_id: LocationId, lead_id: LeadId) -> bool:
    """Whether the lead was erased on request: nothing about them is taken any more."""
    return uow.tenants.is_forgotten(location_id, lead_hash(location_id, lead_id))


def _with_stage_role(uow: UnitOfWork, event: OpportunityChanged) -> OpportunityChanged:
    """What the stage means, by the owner's map as it is today: a map that changes later does not rewrite the past."""
    if event.stage_role is not None or event.pipeline_stage_id is None:
        return event
    setup = uow.connections.setup(event.location_id)
    role = None if setup is None else setup.stages.get(event.pipeline_stage_id)
    return event if role is None else event.model_copy(update={"stage_role": role})


def _is_known(uow: UnitOfWork, event: Event) -> bool:
    """What the log's own unique ids cannot see: a state read again, and a message of which one door gave no id."""
    polled = event.source is Source.POLLING
    if isinstance(event, MessageReceived | MessageSent):
        return polled == _names_itself(event) and _was_said(uow, event)
    if not polled or event.lead_id is None or not is_state(event):
        return False
    return not states_something_new(uow.leads.get(event.location_id, event.lead_id), event)


def _names_itself(event: MessageReceived | MessageSent) -> bool:
    """Whether the event's id follows from the vendor's id of the message."""
    own = event.message_id
    return own is not None and event.event_id == fact_id(event.location_id, "message", own)


def _was_said(uow: UnitOfWork, event: MessageReceived | MessageSent) -> bool:
    """Whether the lead's log holds this message from the other door, the one with ids or the one without."""
    if event.lead_id is None:
        return False
    around = uow.events.near(
        event.location_id,
        event.lead_id,
        since=event.occurred_at - SAME_MESSAGE_WITHIN,
        until=event.occurred_at + SAME_MESSAGE_WITHIN,
    )
    return any(_is_the_same(event, recorded.event) for recorded in around)


def _is_the_same(event: MessageReceived | MessageSent, known: Event) -> bool:
    return (
        isinstance(known, MessageReceived | MessageSent)
        and known.type == event.type
        and (known.channel, known.text) == (event.channel, event.text)
        and _names_itself(known) != _names_itself(event)
        and Source.POLLING in {known.source, event.source}
    )
