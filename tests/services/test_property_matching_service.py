"""What serving matches promises: ranks and evidence per lead, fresh after an import, tenants apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ghl_real_estate_ai.models.events import Delivery, ListingsImported, Source
from ghl_real_estate_ai.models.identifiers import (
    CorrelationId,
    LeadId,
    ListingKey,
    LocationId,
    new_event_id,
)
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.matching_models import EvidenceGap
from ghl_real_estate_ai.models.properties import Listing, Wishes
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from tests.support.fake_memory import FakeMemory

NOW = datetime(2026, 3, 2, tzinfo=UTC)
OURS = LocationId("ours")


def a_lead(*, location_id: LocationId = OURS, city: str | None = "Austin") -> Lead:
    return Lead(location_id=location_id, lead_id=LeadId("lead"), wishes=Wishes(city=city))


def homes(*keys: str) -> list[Listing]:
    return [Listing(listing_key=ListingKey(key), list_price=Decimal(1), city="Austin") for key in keys]


async def a_memory(*keys: str) -> FakeMemory:
    memory = FakeMemory()
    await memory.write(lambda uow: uow.listings.put_many(OURS, homes(*keys)))
    return memory


async def imported(memory: FakeMemory, listings: list[Listing], *, place: LocationId = OURS) -> None:
    """What the listings route does: homes and fact in one transaction."""
    fact = ListingsImported(
        event_id=new_event_id(),
        location_id=place,
        occurred_at=NOW,
        correlation_id=CorrelationId("import"),
        source=Source.API,
        listing_keys=tuple(home.listing_key for home in listings),
    )

    def store(uow: UnitOfWork) -> None:
        uow.listings.put_many(place, listings)
        uow.events.append(Delivery(delivery_id=fact.event_id, event=fact, received_at=NOW))

    await memory.write(store)


@pytest.mark.asyncio
async def test_matches_carry_rank_score_and_every_gap_by_name() -> None:
    service = PropertyMatchingService(memory=await a_memory("B", "A", "C"))
    matches = await service.matches(a_lead(), NOW, k=2)
    assert [(match.listing_key, match.match_rank, match.overall_score) for match in matches] == [
        ("A", 1, 1.0),
        ("B", 2, 1.0),
    ]
    assert matches[0].gaps == tuple(EvidenceGap)
    assert matches[0].generated_at == NOW
    assert matches[0].reasoning == "in Austin"


@pytest.mark.asyncio
async def test_a_lead_without_wishes_and_another_tenant_get_no_matches() -> None:
    service = PropertyMatchingService(memory=await a_memory("A"))
    assert await service.matches(a_lead(city=None), NOW) == ()
    assert await service.matches(a_lead(location_id=LocationId("theirs")), NOW) == ()


@pytest.mark.asyncio
async def test_listings_are_read_once_until_an_import_says_otherwise() -> None:
    memory = await a_memory("A")
    service = PropertyMatchingService(memory=memory)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(service.matches(a_lead(), NOW))
    assert memory.reads == 1
    await imported(memory, homes("B"))
    assert len(await service.matches(a_lead(), NOW)) == 1
    service.invalidate(OURS)
    assert len(await service.matches(a_lead(), NOW)) == 2
    assert memory.reads == 3  # what the log says of the import, and the home that is shown


@pytest.mark.asyncio
async def test_an_import_during_a_load_is_not_lost() -> None:
    class ImportsWhileRead(FakeMemory):
        async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
            result = await super().read(query)
            if self.reads == 1:
                await imported(self, homes("NEW"))
                service.invalidate(OURS)
            return result

    service = PropertyMatchingService(memory=ImportsWhileRead())
    assert [match.listing_key for match in await service.matches(a_lead(), NOW)] == ["NEW"]
