"""What memory holds of that which deliveries speak of, asked once for all that are judged together.

Called by admission and loop_guard, inside their transaction. Nothing is asked before somebody wants to know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, TypeGuard

from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import (
    LEAD_FACTS,
    Delivery,
    Event,
    MessageReceived,
    MessageSent,
    Source,
)
from ghl_real_estate_ai.models.identifiers import LeadId, fact_id, lead_hash
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.synchronization import CrmChange
from ghl_real_estate_ai.ports import UnitOfWork

SAME_MESSAGE_WITHIN: Final = timedelta(minutes=2)
"""A message that has no id, and one that was read by API: the same one, if they say the same and lie no further apart."""

_Words = tuple[LeadId | None, str, Channel | None, str | None]


class PageKnowledge:
    """Of one location. What has passed since is told to it, and counts as known from then on."""

    def __init__(self, uow: UnitOfWork, deliveries: Sequence[Delivery]) -> None:
        """``deliveries``: at least one, all of the same location."""
        self._uow: Final = uow
        self._deliveries: Final = deliveries
        self._location_id: Final = deliveries[0].event.location_id
        self._passed: Final[set[str]] = set()
        self._told_of: Final[set[LeadId]] = set()

    def note(self, delivery: Delivery) -> None:
        """It is about to be appended."""
        self._passed.update((delivery.delivery_id, delivery.event.event_id))
        if delivery.event.lead_id is not None and delivery.event.type in LEAD_FACTS:
            self._told_of.add(delivery.event.lead_id)

    # --- the log ----------------------------------------------------------------------------------------------------

    def holds(self, name: str) -> bool:
        """Whether the log has a delivery, or a fact, of this id."""
        return name in self._known_ids or name in self._passed

    def was_said(self, event: Event) -> bool:
        """Whether the log holds this message from the other door, the one with ids or the one without."""
        if not _may_have_been_said(event):
            return False
        return any(_is_the_same(event, known) for known in self._said.get(_words(event), ()))

    @cached_property
    def _known_ids(self) -> set[str]:
        return self._uow.events.known_ids(self._location_id, self._deliveries)

    @cached_property
    def _said(self) -> dict[_Words, list[Event]]:
        """What was said around the times of the page's doubtful messages."""
        doubtful = [event for one in self._deliveries if _may_have_been_said(event := one.event)]
        times = [event.occurred_at for event in doubtful]
        recorded = self._uow.events.near(
            self._location_id,
            {event.lead_id for event in doubtful if event.lead_id is not None},
            since=min(times) - SAME_MESSAGE_WITHIN,
            until=max(times) + SAME_MESSAGE_WITHIN,
        )
        said: dict[_Words, list[Event]] = {}
        for one in recorded:
            said.setdefault(_words(one.event), []).append(one.event)
        return said

    # --- leads ------------------------------------------------------------------------------------------------------

    def is_forgotten(self, lead_id: LeadId) -> bool:
        """Whether the lead was erased on request."""
        return lead_hash(self._location_id, lead_id) in self._forgotten

    def lead(self, lead_id: LeadId) -> Lead | None:
        """The lead as of the newest fact that was applied to it."""
        return self._leads.get(lead_id)

    def is_behind_its_log(self, lead_id: LeadId) -> bool:
        """Whether the lead does not hold every fact yet: compared with it, what was changed back would look like no news."""
        return lead_id in self._told_of or lead_id in self._unapplied

    def unapplied_deletion(self, lead_id: LeadId) -> datetime | None:
        """When the lead was deleted, if it does not hold that yet."""
        return self._unapplied.get(lead_id, {}).get("LeadDeleted")

    def changes(self, lead_id: LeadId) -> Sequence[CrmChange]:
        """What we write, or wrote, into the CRM about the lead."""
        return self._changes.get(lead_id, ())

    @cached_property
    def _lead_ids(self) -> set[LeadId]:
        return {one.event.lead_id for one in self._deliveries if one.event.lead_id is not None}

    @cached_property
    def _asked_about(self) -> set[LeadId]:
        """Whose state may matter: leads of which nothing new is told need not be read."""
        new = (one.event for one in self._deliveries if one.delivery_id not in self._known_ids)
        return {event.lead_id for event in new if event.lead_id is not None}

    @cached_property
    def _forgotten(self) -> set[str]:
        hashes = {lead_hash(self._location_id, lead_id) for lead_id in self._lead_ids}
        return self._uow.tenants.forgotten(self._location_id, hashes)

    @cached_property
    def _leads(self) -> dict[LeadId, Lead]:
        return self._uow.leads.get_many(self._location_id, self._asked_about)

    @cached_property
    def _unapplied(self) -> dict[LeadId, dict[str, datetime]]:
        return self._uow.leads.unapplied(self._location_id, self._asked_about)

    @cached_property
    def _changes(self) -> dict[LeadId, list[CrmChange]]:
        found: dict[LeadId, list[CrmChange]] = {}
        for change in self._uow.changes.of_leads(self._location_id, self._asked_about):
            found.setdefault(change.lead_id, []).append(change)
        return found

    # --- the location -----------------------------------------------------------------------------------------------

    @cached_property
    def setup(self) -> LocationSetup | None:
        """What the location's owner decided."""
        return self._uow.connections.setup(self._location_id)


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
