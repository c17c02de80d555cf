"""Plain homes, and their import as the listings route does it. Called by the tests of matching services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from ghl_real_estate_ai.models.events import Delivery, ListingsImported, Source
from ghl_real_estate_ai.models.identifiers import CorrelationId, ListingKey, LocationId, new_event_id
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.ports import UnitOfWork
from tests.support.fake_memory import FakeMemory

_AT = datetime(2026, 3, 2, tzinfo=UTC)


def homes(*keys: str) -> list[Listing]:
    return [Listing(listing_key=ListingKey(key), list_price=Decimal(1), city="Austin") for key in keys]


async def imported(memory: FakeMemory, place: LocationId, listings: Sequence[Listing]) -> None:
    """What the listings route does: homes and fact in one transaction."""
    fact = ListingsImported(
        event_id=new_event_id(),
        location_id=place,
        occurred_at=_AT,
        correlation_id=CorrelationId("import"),
        source=Source.API,
        listing_keys=tuple(home.listing_key for home in listings),
    )

    def store(uow: UnitOfWork) -> None:
        uow.listings.put_many(place, listings)
        uow.events.append(Delivery(delivery_id=fact.event_id, event=fact, received_at=_AT))

    await memory.write(store)
