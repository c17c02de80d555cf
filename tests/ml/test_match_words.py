"""What a shown home says to each wish: every stated one is answered, and the score follows from the answers."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.home_traits import traits_of
from ghl_real_estate_ai.ml.match_kernel import Kernel
from ghl_real_estate_ai.ml.match_plan import stated_wishes
from ghl_real_estate_ai.ml.match_words import WishedHome, answers
from ghl_real_estate_ai.models.matching_models import WishOutcome, WishResult
from ghl_real_estate_ai.models.properties import (
    LEAST_AREA,
    LEAST_PRICE,
    MOST_AREA,
    MOST_PRICE,
    Feature,
    Listing,
    Wishes,
)
from tests.support.homes import a_home, index_of, listings, per_wish, wishes


def said_of(wished: Wishes, home: Listing) -> tuple[WishResult, ...]:
    found = WishedHome(wished).match(traits_of(home))
    assert found is not None
    return answers(wished, home, found[1])


@given(st.lists(listings, max_size=30), wishes)
@settings(max_examples=100, deadline=None)
def test_each_stated_wish_is_answered_and_the_score_follows_from_the_answers(
    homes: list[Listing], wished: Wishes
) -> None:
    newest = {home.listing_key: home for home in homes}
    hits = index_of(homes).query(wished, 30)
    for hit in hits:
        home = newest[hit.listing_key]
        found = WishedHome(wished).match(traits_of(home))
        assert found is not None
        assert found[0] == pytest.approx(hit.score, abs=1e-8)
        assert WishedHome(wished).closeness(traits_of(home)) == found[1]
        said = answers(wished, home, found[1])
        for result in said:
            assert (result.closeness is None) == (result.outcome is WishOutcome.UNKNOWN)
            assert (result.closeness == 1.0) == (result.outcome is WishOutcome.MET)
        assert len(said) == len(per_wish(newest[hit.listing_key], wished))
    no_hits = newest.keys() - {hit.listing_key for hit in hits}
    assert all(WishedHome(wished).match(traits_of(newest[key])) is None for key in no_hits)


def test_near_misses_are_named_with_how_far_they_miss() -> None:
    home = a_home("A", list_price=Decimal(420_000), bedrooms_total=2, living_area=1_350)
    wished = Wishes(
        city="austin",
        min_list_price=Decimal(425_000),
        max_list_price=Decimal(400_000),
        min_bedrooms=3,
        min_living_area=1_500,
        property_sub_type="Condominium",
    )
    said = said_of(wished, home)
    assert [(result.detail, result.closeness) for result in said] == [
        ("in Austin", 1.0),
        ("$420,000, $20,000 above the maximum of $400,000", pytest.approx(0.5)),
        ("$420,000, $5,000 below the minimum of $425,000", pytest.approx(1 - 5 / 42.5)),
        ("2 bedrooms (wished 3 or more)", 0.5),
        ("1,350 sq ft (wished 1,500 or more)", pytest.approx(0.5)),
        ("type not stated", None),
    ]


def test_one_room_is_one_room() -> None:
    home = a_home("A", bathrooms_total_integer=1)
    (told,) = said_of(Wishes(min_bathrooms=2), home)
    assert told.detail == "1 bathroom (wished 2 or more)"


def test_a_feature_is_there_is_not_or_is_not_spoken_of() -> None:
    wished = Wishes(city="Austin", features=frozenset({Feature.POOL}))
    said = [said_of(wished, a_home("A", pool_private_yn=fact)) for fact in (True, None, False)]
    assert [(one.outcome, one.detail) for (_, one) in said] == [
        ("met", "pool"),
        ("unknown", "pool not stated"),
        ("missed", "no pool"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"city": "Waco"},
        {"standard_status": "Closed"},
        {"list_price": Decimal(480_000)},
        {"bedrooms_total": 1},
        {"property_sub_type": "Condominium"},
    ],
)
def test_a_home_that_breaks_a_filter_has_no_answers(fields: dict[str, object]) -> None:
    wished = Wishes(
        city="Austin", max_list_price=Decimal(400_000), min_bedrooms=3, property_sub_type="Townhouse"
    )
    assert WishedHome(wished).match(traits_of(a_home("A"))) is not None
    assert WishedHome(wished).match(traits_of(a_home("A", **fields))) is None


@pytest.mark.parametrize("area", [float("inf"), float("nan"), -1.0])
def test_a_living_area_is_a_finite_number(area: float) -> None:
    with pytest.raises(ValueError, match="min_living_area"):
        Wishes(min_living_area=area)
    with pytest.raises(ValueError, match="living_area"):
        a_home("A", living_area=area)


@pytest.mark.parametrize("price", ["1e400", "1e-400", "0.99", "1000000000.01", "NaN", "-1"])
def test_a_price_is_between_a_dollar_and_a_billion(price: str) -> None:
    with pytest.raises(ValueError, match="list_price"):
        a_home("A", list_price=price)
    for wish in ("max_list_price", "min_list_price"):
        with pytest.raises(ValueError, match=wish):
            Wishes.model_validate({wish: price})
    assert not stated_wishes(Wishes(min_list_price=Decimal(0)))


@pytest.mark.parametrize("area", [5e-324, 0.5, 1e8])
def test_a_living_area_is_one_that_a_home_can_have(area: float) -> None:
    with pytest.raises(ValueError, match="min_living_area"):
        Wishes(min_living_area=area)
    with pytest.raises(ValueError, match="living_area"):
        a_home("A", living_area=area)


def test_both_engines_answer_at_the_ends_of_prices_and_areas(numba_kernel: Kernel) -> None:
    homes = [
        a_home(f"K{place}", list_price=price, living_area=area)
        for place, (price, area) in enumerate(product((LEAST_PRICE, MOST_PRICE), (LEAST_AREA, MOST_AREA)))
    ]
    for price, area in product((LEAST_PRICE, MOST_PRICE), (LEAST_AREA, MOST_AREA)):
        wished = Wishes(max_list_price=price, min_list_price=price, min_living_area=area)
        hits = index_of(homes).query(wished, 9)
        assert hits == index_of(homes).query(wished, 9, kernel=numba_kernel)
        for hit in hits:
            found = WishedHome(wished).match(traits_of(homes[int(hit.listing_key[1])]))
            assert found is not None
            assert found[0] == pytest.approx(hit.score, abs=1e-8)
