"""Where every source's deliveries come in: stored once, or refused with a reason. Called by the routes (webhook, click) and ``cli``.

A delivery is answered only after its row is committed. Deliveries of unknown tenants and of forgotten leads are not
stored; genuine but unreadable ones become dead letters that ``enterprisehub replay --dead-letters`` retries.
"""

from __future__ import annotations

from enum import StrEnum

from ghl_real_estate_ai.models.events import DeadLetter, Delivery, RecordedEvent
from ghl_real_estate_ai.models.identifiers import Frozen, LeadId, LocationId, lead_hash
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork, UnreadableDelivery
from ghl_real_estate_ai.services.event_bus import EventBus

INBOX = "inbox"
"""Name under which unreadable deliveries are buried."""


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


_DUPLICATE = Receipt(outcome=Outcome.DUPLICATE)
_UNKNOWN_LOCATION = Receipt(outcome=Outcome.IGNORED, reason="this location is not served here")
_FORGOTTEN = Receipt(outcome=Outcome.IGNORED, reason="this lead was forgotten on request")


class EventInbox:
    """Stores deliveries; tells the bus of new ones."""

    def __init__(self, *, memory: Memory, bus: EventBus, clock: Clock) -> None:
        self._memory = memory
        self._bus = bus
        self._clock = clock
        self._known: frozenset[LocationId] = frozenset()

    async def receive(self, delivery: Delivery | UnreadableDelivery) -> Receipt:
        """Store it, or say why not. Raises StorageUnavailable when the database did not take it."""
        location_id = delivery.event.location_id if isinstance(delivery, Delivery) else delivery.location_id
        if location_id is None or not await self._serves(location_id):
            return _UNKNOWN_LOCATION
        if isinstance(delivery, UnreadableDelivery):
            return await self._bury(delivery, location_id)
        stored = await self._memory.write(lambda uow: append_unless_forgotten(uow, delivery))
        if isinstance(stored, Receipt):
            return stored
        self._bus.announce([stored])
        return Receipt(outcome=Outcome.STORED, position=stored.position)

    async def _serves(self, location_id: LocationId) -> bool:
        if location_id not in self._known:  # a location may have been added since: look again before refusing
            places = await self._memory.read(lambda uow: uow.tenants.locations())
            self._known = frozenset(place.location_id for place in places)
        return location_id in self._known

    async def _bury(self, delivery: UnreadableDelivery, location_id: LocationId) -> Receipt:
        letter = DeadLetter(
            dead_letter_id=0,
            location_id=location_id,
            subscriber=INBOX,
            delivery_id=delivery.delivery_id,
            reason=delivery.reason,
            raw=delivery.raw,
            simulated=delivery.simulated,
            failed_at=self._clock.now(),
        )

        def bury(uow: UnitOfWork) -> Receipt:
            if any(_is_forgotten(uow, location_id, lead_id) for lead_id in delivery.lead_ids):
                return _FORGOTTEN
            uow.cursors.bury(letter)
            return Receipt(outcome=Outcome.DEAD_LETTER, reason=delivery.reason)

        return await self._memory.write(bury)


def append_unless_forgotten(uow: UnitOfWork, delivery: Delivery) -> RecordedEvent | Receipt:
    """Append a delivery inside a transaction; a Receipt says why nothing was appended."""
    event = delivery.event
    if event.lead_id is not None and _is_forgotten(uow, event.location_id, event.lead_id):
        return _FORGOTTEN
    return uow.events.append(delivery) or _DUPLICATE


def _is_forgotten(uow: UnitOfWork, location_id: LocationId, lead_id: LeadId) -> bool:
    return uow.tenants.is_forgotten(location_id, lead_hash(location_id, lead_id))
