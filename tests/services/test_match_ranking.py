"""A location's learned order is taken up, answers there only, and an unreadable one leaves the weights in charge."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from ghl_real_estate_ai.learning_ports import LearnedModel, ModelRole
from ghl_real_estate_ai.ml.artifacts import content_version
from ghl_real_estate_ai.ml.lambdarank import JudgedLists, fit_lambdarank
from ghl_real_estate_ai.ml.match_rank import INPUTS, NAME, MatchRank
from ghl_real_estate_ai.models.identifiers import LeadId, ListingKey, LocationId
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.properties import Feature, Listing, Wishes
from ghl_real_estate_ai.services.match_ranking import MatchRanking
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from tests.support.fake_memory import FakeMemory

NOW = datetime(2026, 3, 2, tzinfo=UTC)
OURS, THEIRS = LocationId("ours"), LocationId("theirs")
WISHES = Wishes(city="Austin", features=frozenset({Feature.GARAGE, Feature.POOL}))

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]


@pytest.fixture(scope="module")
def pool_first() -> str:
    """A tiny order fitted on made-up lists in which only the pool mattered."""
    rng = np.random.default_rng(1)
    x = rng.random((800, len(INPUTS)))
    grades = (x[:, INPUTS.index("feature:pool")] > 0.5).astype(np.float64)
    lists = np.arange(800) // 8
    return fit_lambdarank(JudgedLists(x, grades, lists), directions=[1] * len(INPUTS), rounds=20).text


def model(text: str, *, inputs: str | None = None) -> LearnedModel:
    card = json.dumps({"inputs": list(INPUTS)}) if inputs is None else inputs
    return LearnedModel(
        location_id=OURS,
        name=NAME,
        version=content_version(text),
        role=ModelRole.CHAMPION,
        card=card,
        content=text,
        fitted_at=NOW,
    )


def home(key: str, *, garage: bool, pool: bool, price: int) -> Listing:
    return Listing(
        listing_key=ListingKey(key), list_price=Decimal(price), city="Austin", garage_spaces=float(garage), pool_private_yn=pool
    )  # fmt: skip


async def houses() -> tuple[FakeMemory, MatchRanking, PropertyMatchingService]:
    memory = FakeMemory()
    homes = [home("A", garage=True, pool=False, price=100), home("B", garage=False, pool=True, price=200)]
    for place in (OURS, THEIRS):
        await memory.write(lambda uow, place=place: uow.listings.put_many(place, homes))  # type: ignore[misc]  # reason: mypy cannot type a default
    ranking = MatchRanking(memory=memory)
    return memory, ranking, PropertyMatchingService(memory=memory, ranking=ranking)


async def first(matching: PropertyMatchingService, place: LocationId) -> str:
    matches = await matching.matches(Lead(location_id=place, lead_id=LeadId("l"), wishes=WISHES), NOW)
    return matches[0].listing_key


async def test_a_learned_order_answers_where_it_was_learnt_and_nowhere_else(pool_first: str) -> None:
    memory, ranking, matching = await houses()
    assert await first(matching, OURS) == "A"
    await memory.write(lambda uow: uow.learned.put(model(pool_first)))
    await ranking.refresh()
    assert await first(matching, OURS) == "B"
    assert await first(matching, THEIRS) == "A"


async def test_an_order_of_another_version_leaves_the_weights_in_charge(pool_first: str) -> None:
    memory, ranking, matching = await houses()
    await memory.write(lambda uow: uow.learned.put(model(pool_first, inputs='{"inputs": ["age"]}')))
    await ranking.refresh()
    await ranking.refresh()
    assert ranking.of(OURS) is None
    assert await first(matching, OURS) == "A"


async def test_a_long_list_is_drawn_up_beside_the_event_loop_and_a_short_one_in_it() -> None:
    class Noted(MatchRank):
        def __init__(self) -> None:
            pass

        def scores(self, rows: Sequence[Sequence[float]]) -> list[float]:
            drawn_in.append(threading.current_thread() is threading.main_thread())
            return [0.5] * len(rows)

    class Orders(MatchRanking):
        def of(self, location_id: LocationId) -> MatchRank | None:
            return Noted()

    drawn_in: list[bool] = []
    memory = FakeMemory()
    few = [home(f"F{n}", garage=True, pool=True, price=100_000 + 10_000 * n) for n in range(20)]
    many = [home(f"M{n}", garage=True, pool=True, price=100_000 + 10_000 * n) for n in range(90)]
    await memory.write(lambda uow: uow.listings.put_many(OURS, few))
    await memory.write(lambda uow: uow.listings.put_many(THEIRS, many))
    matching = PropertyMatchingService(memory=memory, ranking=Orders(memory=memory))
    for place, k in ((OURS, 5), (THEIRS, 90)):
        lead = Lead(location_id=place, lead_id=LeadId("l"), wishes=WISHES)
        assert len(await matching.matches(lead, NOW, k=k)) == k
    assert drawn_in == [True, False]
