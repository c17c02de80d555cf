"""What serving matches promises: ranks and evidence per lead, fresh after an import, tenants apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.ml.listing_segments import Codes
from ghl_real_estate_ai.ml.match_kernel import NUMPY, Kernel
from ghl_real_estate_ai.models.identifiers import EventId, LeadId, ListingKey, LocationId
from ghl_real_estate_ai.models.leads import Judgement, Lead, Stamp
from ghl_real_estate_ai.models.matching_models import EvidenceGap, JudgedBy, Verdict
from ghl_real_estate_ai.models.properties import Wishes
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from tests.support.fake_memory import FakeMemory
from tests.support.listing_imports import homes, imported

NOW = datetime(2026, 3, 2, tzinfo=UTC)
OURS = LocationId("ours")


def a_lead(*, location_id: LocationId = OURS, city: str | None = "Austin") -> Lead:
    return Lead(location_id=location_id, lead_id=LeadId("lead"), wishes=Wishes(city=city))


async def a_memory(*keys: str) -> FakeMemory:
    memory = FakeMemory()
    await memory.write(lambda uow: uow.listings.put_many(OURS, homes(*keys)))
    return memory


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
    await imported(memory, OURS, homes("B"))
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
                await imported(self, OURS, homes("NEW"))
                service.invalidate(OURS)
            return result

    service = PropertyMatchingService(memory=ImportsWhileRead())
    assert [match.listing_key for match in await service.matches(a_lead(), NOW)] == ["NEW"]


@pytest.mark.asyncio
async def test_a_home_that_changed_unheard_is_found_out_and_read_again() -> None:
    memory = await a_memory("A", "B", "C")
    service = PropertyMatchingService(memory=memory)
    await service.load(OURS)
    gone = [home.model_copy(update={"standard_status": "Closed"}) for home in homes("A")]
    moved = [home.model_copy(update={"city": "Waco"}) for home in homes("B")]
    await imported(memory, OURS, [*gone, *moved])
    service._indexes._homes.clear()  # read anew from the database, with the index still as it was
    assert [match.listing_key for match in await service.matches(a_lead(), NOW)] == ["C"]


@pytest.mark.asyncio
async def test_a_home_that_changes_under_every_look_is_left_out_and_nothing_hangs() -> None:
    memory = await a_memory("A", "B")
    service = PropertyMatchingService(memory=memory)
    await service.load(OURS)
    # stored behind the log's back: no fact will ever tell the index
    sold = [home.model_copy(update={"standard_status": "Closed"}) for home in homes("A")]
    await memory.write(lambda uow: uow.listings.put_many(OURS, sold))
    service._indexes._homes.clear()
    assert [match.listing_key for match in await service.matches(a_lead(), NOW)] == ["B"]


@pytest.mark.asyncio
async def test_candidates_take_a_leads_own_weights_and_relaxations_count_the_same_homes() -> None:
    memory = await a_memory("A")
    far = [home.model_copy(update={"city": "Austin", "bedrooms_total": 2}) for home in homes("B", "C", "D")]
    await imported(memory, OURS, far)
    service = PropertyMatchingService(memory=memory)
    wished = Wishes(city="Austin", min_bedrooms=3)
    plain = await service.candidates(OURS, wished, 1)
    own = await service.candidates(OURS, wished, 2, weights={"city": 6, "min_bedrooms": 2, "feature": 1})
    assert (plain[0].listing.listing_key, plain[0].score) == ("A", 1.0)
    assert own[1].score == pytest.approx((6 + 1) / 8)
    relaxed = await service.relaxations(Lead(location_id=OURS, lead_id=LeadId("lead"), wishes=wished))
    assert (relaxed.meeting, [change.change for change in relaxed.changes]) == (0, ["one bedroom fewer"])


@pytest.mark.asyncio
async def test_homes_are_looked_for_again_only_when_something_that_they_follow_from_has_changed() -> None:
    def counted(*asked: Any) -> Codes:
        scans.append(1)
        return NUMPY.best(*asked)

    async def scanned(lead: Lead, *, k: int = 5, at: datetime = NOW) -> int:
        """Scans that these matches cost; they are those of a service that was never asked before."""
        scans.clear()
        found = await service.matches(lead, at, k=k)
        taken = len(scans)
        assert found == await PropertyMatchingService(memory=memory).matches(lead, at, k=k)
        return taken

    scans: list[int] = []
    memory = await a_memory("A", "B", "C")
    service = PropertyMatchingService(memory=memory)
    service._indexes.kernel = Kernel("counted", counted, NUMPY.unmet)
    lead = a_lead()
    assert await scanned(lead) == 1
    later = NOW + timedelta(days=1)
    assert await scanned(lead.model_copy(update={"position": 7}), at=later) == 0
    assert await scanned(lead.model_copy(update={"lead_id": LeadId("another")})) == 0
    assert await scanned(lead, k=2) == 1
    said = Judgement(stamp=Stamp(at=NOW, event_id=EventId("e")), verdict=Verdict.PASS, by=JudgedBy.LEAD)
    for verdict in (Verdict.PASS, Verdict.LIKE, Verdict.SAVE):
        judged = {ListingKey("A"): said.model_copy(update={"verdict": verdict})}
        assert await scanned(lead.model_copy(update={"judged": judged})) == 1
    await imported(memory, OURS, homes("0"))
    service.invalidate(OURS)
    assert await scanned(lead) > 0
    assert await scanned(lead) == 0
