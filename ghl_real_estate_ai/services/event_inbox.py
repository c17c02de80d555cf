"""Where every source's deliveries come in: stored once, or refused with a reason. Called by the routes (webhook, click),
``crm_sync``, ``crm_reread``, ``workflow_hints`` and ``cli``.

A delivery is answered only after its row is committed. Deliveries of unknown tenants and of forgotten leads are not
stored; genuine but unreadable ones become dead letters that ``enterprisehub replay --dead-letters`` retries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ghl_real_estate_ai.models.events import DeadLetter, Delivery, RecordedEvent, Source
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import AnyDelivery, Clock, Memory, UnitOfWork, UnreadableDelivery
from ghl_real_estate_ai.services.admission import (
    FORGOTTEN,
    Outcome,
    Receipt,
    admit,
    admit_page,
    is_forgotten,
)
from ghl_real_estate_ai.services.delivery_tally import DeliveryCounter
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.shared_admission import SharedAdmission

INBOX = "inbox"
"""Name under which unreadable deliveries are buried."""

_UNKNOWN_LOCATION = Receipt(outcome=Outcome.IGNORED, reason="this location is not served here")


class EventInbox:
    """Stores deliveries; counts them; tells the bus of new ones."""

    def __init__(
        self, *, memory: Memory, bus: EventBus, clock: Clock, counter: DeliveryCounter | None = None
    ) -> None:
        """``counter``: somebody runs it; None for one that counts and writes nothing down."""
        self._memory = memory
        self._bus = bus
        self._clock = clock
        self._known: frozenset[LocationId] = frozenset()
        self._shared = SharedAdmission(memory)
        self.counter = counter or DeliveryCounter(memory=memory, clock=clock)
        bus.give_way_to(self._shared.is_busy)

    def has_work(self) -> bool:
        """Whether somebody waits for an answer, or an event that was taken in is being handled."""
        return self._shared.under_way > 0 or self._bus.has_work

    async def receive(
        self,
        delivery: AnyDelivery,
        *,
        source: Source = Source.APP_WEBHOOK,
        also: Callable[[UnitOfWork, Receipt], None] | None = None,
    ) -> Receipt:
        """Store it, or say why not. Raises StorageUnavailable when the database did not take it.

        ``also``: what becomes true with it, in the same transaction.
        """
        location_id = _location_of(delivery)
        if location_id is None or not await self.serves(location_id):
            self.counter.count(source, _UNKNOWN_LOCATION.outcome)
            return _UNKNOWN_LOCATION

        if isinstance(delivery, Delivery) and also is None:
            stored = await self._shared.admit(delivery)
        else:
            stored = await self._memory.write(lambda uow: self._store(uow, delivery, location_id, also))
        if isinstance(stored, RecordedEvent):
            self._bus.announce([stored])
        receipt = _receipt(stored)
        self.counter.count(source, receipt.outcome, location_id)
        return receipt

    async def receive_page(
        self,
        location_id: LocationId,
        deliveries: Sequence[AnyDelivery],
        *,
        if_so: Callable[[UnitOfWork], bool] = lambda _uow: True,
    ) -> Counter[Outcome] | None:
        """Store what was read from the CRM of one location, all in one transaction; how many had which outcome.

        ``if_so`` runs first in the transaction: it moves the reader's cursor, or says that another process did (None).
        Raises StorageUnavailable when the database did not take it.
        """
        if any(_location_of(delivery) != location_id for delivery in deliveries):
            raise ValueError(f"a page of {location_id} speaks of another location")

        def store(uow: UnitOfWork) -> list[RecordedEvent | Receipt] | None:
            if not if_so(uow):
                return None
            readable = [one for one in deliveries if isinstance(one, Delivery)]
            buried = [
                self._bury(uow, one, location_id) for one in deliveries if not isinstance(one, Delivery)
            ]
            return [*admit_page(uow, readable), *buried]

        stored = await self._memory.write(store)
        if stored is None:
            return None
        self._bus.announce(fact for fact in stored if isinstance(fact, RecordedEvent))
        outcomes = Counter(_receipt(one).outcome for one in stored)
        for outcome, times in outcomes.items():
            self.counter.count(Source.POLLING, outcome, location_id, times=times)
        return outcomes

    async def serves(self, location_id: LocationId) -> bool:
        """Whether it is a tenant of this installation: a location, or a connected agency."""
        if location_id not in self._known:  # a location may have been added since: look again before refusing
            self._known = await self._memory.read(_owners_of_logs)
        return location_id in self._known

    def _store(
        self,
        uow: UnitOfWork,
        delivery: AnyDelivery,
        location_id: LocationId,
        also: Callable[[UnitOfWork, Receipt], None] | None,
    ) -> RecordedEvent | Receipt:
        stored = (
            admit(uow, delivery) if isinstance(delivery, Delivery) else self._bury(uow, delivery, location_id)
        )
        if also is not None:
            also(uow, _receipt(stored))
        return stored

    def _bury(self, uow: UnitOfWork, delivery: UnreadableDelivery, location_id: LocationId) -> Receipt:
        if any(is_forgotten(uow, location_id, lead_id) for lead_id in delivery.lead_ids):
            return FORGOTTEN
        uow.cursors.bury(
            DeadLetter(
                dead_letter_id=0,
                location_id=location_id,
                subscriber=INBOX,
                delivery_id=delivery.delivery_id,
                reason=delivery.reason,
                raw=delivery.raw,
                simulated=delivery.simulated,
                failed_at=self._clock.now(),
            )
        )
        return Receipt(outcome=Outcome.DEAD_LETTER, reason=delivery.reason)


def _location_of(delivery: AnyDelivery) -> LocationId | None:
    return delivery.event.location_id if isinstance(delivery, Delivery) else delivery.location_id


def _receipt(stored: RecordedEvent | Receipt) -> Receipt:
    if isinstance(stored, Receipt):
        return stored
    return Receipt(outcome=Outcome.STORED, position=stored.position)


def _owners_of_logs(uow: UnitOfWork) -> frozenset[LocationId]:
    """Each location that is served, and each connected agency: what is said of it as a whole has a log of its own."""
    return frozenset(place.location_id for place in uow.tenants.locations()) | {
        LocationId(company_id) for company_id in uow.connections.companies()
    }
