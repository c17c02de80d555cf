"""Matches after the lead has judged homes: passed ones stay away, liked ones are marked, the weights follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ghl_real_estate_ai.models.identifiers import EventId, LeadId, ListingKey, LocationId
from ghl_real_estate_ai.models.leads import Judgement, Lead, Stamp
from ghl_real_estate_ai.models.matching_models import EnhancedPropertyMatch, JudgedBy, Verdict
from ghl_real_estate_ai.models.properties import Feature, Listing, StandardStatus, Wishes
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from tests.support.fake_memory import FakeMemory
from tests.support.listing_imports import imported

NOW = datetime(2026, 3, 2, tzinfo=UTC)
OURS = LocationId("ours")
WISHES = Wishes(city="Austin", features=frozenset({Feature.GARAGE, Feature.POOL}))

pytestmark = pytest.mark.asyncio


def home(key: str, *, garage: bool = True, pool: bool = True, **fields: object) -> Listing:
    plain: dict[str, object] = {"list_price": Decimal(400_000), "unparsed_address": f"{key} Elm St, Austin"}
    return Listing.model_validate(
        plain
        | {
            "listing_key": key,
            "city": "Austin",
            "garage_spaces": float(garage),
            "pool_private_yn": pool,
            "modification_timestamp": NOW,
        }
        | fields
    )


async def service(*homes: Listing) -> PropertyMatchingService:
    memory = FakeMemory()
    await memory.write(lambda uow: uow.listings.put_many(OURS, homes))
    return PropertyMatchingService(memory=memory)


def lead(**verdicts: Verdict) -> Lead:
    judged = {
        ListingKey(key): Judgement(
            stamp=Stamp(at=NOW, event_id=EventId(key)), verdict=verdict, by=JudgedBy.LEAD
        )
        for key, verdict in verdicts.items()
    }
    return Lead(location_id=OURS, lead_id=LeadId("lead"), wishes=WISHES, judged=judged)


def keys(matches: tuple[EnhancedPropertyMatch, ...]) -> list[str]:
    return [match.listing_key for match in matches]


async def test_a_home_that_was_passed_on_does_not_come_back_until_that_is_undone() -> None:
    matching = await service(home("A"), home("B"), home("C"))
    assert keys(await matching.matches(lead(A=Verdict.PASS), NOW)) == ["B", "C"]
    assert "A" in keys(await matching.matches(lead(A=Verdict.UNDO), NOW))


async def test_it_does_not_come_back_under_another_key_either() -> None:
    withdrawn = home("A", unparsed_address="1 Oak St, Austin", standard_status=StandardStatus.WITHDRAWN)
    again = home("A2", unparsed_address="1 Oak St, Austin")
    matching = await service(withdrawn, again, home("B"))
    assert keys(await matching.matches(lead(A=Verdict.PASS), NOW)) == ["B"]


async def test_passing_on_many_still_fills_the_page() -> None:
    matching = await service(*(home(f"H{n:02}") for n in range(30)))
    passed = {f"H{n:02}": Verdict.PASS for n in range(25)}
    assert keys(await matching.matches(lead(**passed), NOW, k=5)) == ["H25", "H26", "H27", "H28", "H29"]


async def test_a_liked_home_is_marked() -> None:
    matching = await service(home("A"), home("B"))
    marked = {match.listing_key: match.verdict for match in await matching.matches(lead(A=Verdict.LIKE), NOW)}
    assert marked == {"A": Verdict.LIKE, "B": None}


async def test_what_was_passed_on_teaches_which_wish_matters() -> None:
    """Two homes that lack one thing each change places when homes without a garage are passed on."""
    no_garage, no_pool = home("A", garage=False), home("B", pool=False)
    lacking = [home(f"P{n}", garage=False) for n in range(4)]
    matching = await service(no_garage, no_pool, *lacking)
    passed = {f"P{n}": Verdict.PASS for n in range(4)}
    before = [key for key in keys(await matching.matches(lead(), NOW)) if key in {"A", "B"}]
    after = await matching.matches(lead(**passed), NOW)
    assert before[0] == "A"  # as close as B; the key decides
    assert keys(after)[0] == "B"
    learned = await matching.learned(lead(**passed))
    assert learned[0].reason.startswith("passed on 4 homes that fell short of it: garage weighs more")


async def test_a_relisted_home_is_shown_once_and_keeps_its_verdict() -> None:
    old = home("A", unparsed_address="1 Oak St, Austin", modification_timestamp=NOW - timedelta(days=9))
    new = home("Z", unparsed_address="1 Oak St, Austin")
    matching = await service(old, new)
    (match,) = await matching.matches(lead(A=Verdict.LIKE), NOW)
    assert (match.listing_key, match.also_listed_as, match.verdict) == ("Z", ("A",), Verdict.LIKE)


async def test_judgements_of_homes_that_are_gone_change_nothing() -> None:
    matching = await service(home("A"), home("B"))
    assert keys(await matching.matches(lead(GONE=Verdict.PASS), NOW)) == ["A", "B"]


async def test_a_judged_home_counts_as_it_is_after_an_import() -> None:
    memory = FakeMemory()
    await imported(memory, OURS, [home("A"), home("B"), *(home(f"P{n}", garage=False) for n in range(4))])
    matching = PropertyMatchingService(memory=memory)
    passed = lead(**{f"P{n}": Verdict.PASS for n in range(4)})
    assert (await matching.learned(passed))[0].wish == "feature:garage"
    await imported(memory, OURS, [home(f"P{n}", garage=True) for n in range(4)])
    matching.invalidate(OURS)
    assert await matching.learned(passed) == ()


async def test_how_a_home_fits_is_told_whether_or_not_it_is_on_the_market() -> None:
    sold = home("A", pool=False, standard_status=StandardStatus.CLOSED)
    matching = await service(sold)
    fit = await matching.fit(lead(), sold)
    assert fit.closeness == {"city": 1.0, "feature:garage": 1.0, "feature:pool": 0.0}
    assert fit.score == pytest.approx(5 / 8)
    nothing = await matching.fit(Lead(location_id=OURS, lead_id=LeadId("mute")), sold)
    assert (nothing.closeness, nothing.score) == ({}, None)
