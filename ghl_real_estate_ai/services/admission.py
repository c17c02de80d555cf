"""The one gate to the log: what is refused, what is known already, and what a delivery is given on its way in.

Called inside a transaction by every door: event_inbox (webhooks, clicks, pages read from the CRM), the CSV import and
the operator's replay. Three doors may tell of one fact; whichever comes first is stored, the others are duplicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeGuard

from ghl_real_estate_ai.ml.lead_state import is_state, states_something_new
from ghl_real_estate_ai.models.conversations import Channel
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


_Words = tuple[LeadId | None, str, Channel | None, str | None]


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
    judged = _judged(uow, delivery, _Page(uow, [delivery]))
    if isinstance(judged, Receipt):
        return judged
    return uow.events.append(judged) or _DUPLICATE


def admit_page(uow: UnitOfWork, deliveries: Sequence[Delivery]) -> list[RecordedEvent | Receipt]:
    """The same for a page of one location: hundreds at once, in few statements."""
    page = _Page(uow, deliveries)
    judged = [_judged(uow, delivery, page) for delivery in deliveries]
    passed = [one for one in judged if isinstance(one, Delivery)]
    appended = iter(uow.events.append_page(passed))
    return [(next(appended) or _DUPLICATE) if isinstance(one, Delivery) else one for one in judged]


def _judged(uow: UnitOfWork, delivery: Delivery, page: _Page) -> Delivery | Receipt:
    """The delivery as it goes into the log, or why it does not."""
    event = delivery.event
    if event.lead_id is not None and page.is_forgotten(event.location_id, event.lead_id):
        return FORGOTTEN
    if isinstance(event, OpportunityChanged):
        event = _with_stage_role(uow, event)
        delivery = delivery.model_copy(update={"event": event})
    if _is_known(uow, event, page):
        return _DUPLICATE
    return _OWN_CHANGE if is_own_echo(uow, delivery) else delivery


class _Page:
    """What is asked of memory once for deliveries that are judged together."""

    def __init__(self, uow: UnitOfWork, deliveries: Sequence[Delivery]) -> None:
        self._uow = uow
        self._doubtful = [event for one in deliveries if _may_have_been_said(event := one.event)]
        self._said: dict[_Words, list[Event]] | None = None
        self._forgotten: dict[LeadId, bool] = {}

    def is_forgotten(self, location_id: LocationId, lead_id: LeadId) -> bool:
        """Whether the lead was erased on request."""
        if lead_id not in self._forgotten:
            self._forgotten[lead_id] = is_forgotten(self._uow, location_id, lead_id)
        return self._forgotten[lead_id]

    def was_said(self, event: MessageReceived | MessageSent) -> bool:
        """Whether the log holds this message from the other door, the one with ids or the one without."""
        if self._said is None:
            self._said = self._said_around()
        return any(_is_the_same(event, known) for known in self._said.get(_words(event), ()))

    def _said_around(self) -> dict[_Words, list[Event]]:
        leads = {event.lead_id for event in self._doubtful if event.lead_id is not None}
        times = [event.occurred_at for event in self._doubtful]
        recorded = self._uow.events.near(
            self._doubtful[0].location_id,
            leads,
            since=min(times) - SAME_MESSAGE_WITHIN,
            until=max(times) + SAME_MESSAGE_WITHIN,
        )
        said: dict[_Words, list[Event]] = {}
        for one in recorded:
            said.setdefault(_words(one.event), []).append(one.event)
        return said


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


def _is_known(uow: UnitOfWork, event: Event, page: _Page) -> bool:
    """What the log's own unique ids cannot see: a state read again, and a message of which one door gave no id."""
    if isinstance(event, MessageReceived | MessageSent):
        return _may_have_been_said(event) and page.was_said(event)
    if event.source is not Source.POLLING or event.lead_id is None or not is_state(event):
        return False
    return not states_something_new(uow.leads.get(event.location_id, event.lead_id), event)


def _may_have_been_said(event: Event) -> TypeGuard[MessageReceived | MessageSent]:
    """A polled message may have come by a webhook that gave no id, a webhook without an id may have been polled before."""
    if not isinstance(event, MessageReceived | MessageSent):
        return False
    return (event.source is Source.POLLING) == _names_itself(event)


def _names_itself(event: MessageReceived | MessageSent) -> bool:
    """Whether the event's id follows from the vendor's id of the message."""
    own = event.message_id
    return own is not None and event.event_id == fact_id(event.location_id, "message", own)


def _words(event: Event) -> _Words:
    """Who said what, which way and how; the same for nothing but the same message, or the same words again."""
    if isinstance(event, MessageReceived | MessageSent):
        return (event.lead_id, event.type, event.channel, event.text)
    return (event.lead_id, event.type, None, None)


def _is_the_same(event: MessageReceived | MessageSent, known: Event) -> bool:
    return (
        isinstance(known, MessageReceived | MessageSent)
        and abs(known.occurred_at - event.occurred_at) <= SAME_MESSAGE_WITHIN
        and Source.POLLING in {known.source, event.source}
        and _names_itself(known) != _names_itself(event)
    )
