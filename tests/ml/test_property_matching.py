"""What the matcher promises: exactly the brute-force answer, in either engine, and only stated wishes count."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.home_traits import traits_of
from ghl_real_estate_ai.ml.match_kernel import NUMPY, Kernel
from ghl_real_estate_ai.ml.match_words import answers, closeness_of
from ghl_real_estate_ai.ml.property_matching import Hit
from ghl_real_estate_ai.models.matching_models import WISH_WEIGHTS
from ghl_real_estate_ai.models.properties import Feature, Listing, StandardStatus, Wishes
from tests.support.homes import a_home, brute_force, index_of, listings, wishes


def keys(found: list[Hit]) -> list[str]:
    return [hit.listing_key for hit in found]


@given(st.lists(listings, max_size=60), wishes, st.integers(1, 8))
@settings(max_examples=250, deadline=None)
def test_the_top_k_is_exactly_the_brute_force_one(
    numba_kernel: Kernel, homes: list[Listing], wished: Wishes, k: int
) -> None:
    index = index_of(homes)
    found = index.query(wished, k)
    expected = brute_force(homes, wished, k) if wished.stated else []
    assert keys(found) == [key for key, _ in expected]
    assert [hit.score for hit in found] == pytest.approx([score for _, score in expected], abs=1e-8)
    assert index.query(wished, k, kernel=numba_kernel) == found


@given(st.lists(listings, max_size=30), wishes, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_import_does_not_matter(homes: list[Listing], wished: Wishes, random: Random) -> None:
    unique = list({home.listing_key: home for home in homes}.values())
    shuffled = list(unique)
    random.shuffle(shuffled)
    one, other = (index_of(rows).query(wished, 5) for rows in (unique, shuffled))
    assert one == other


def test_without_stated_wishes_nothing_matches() -> None:
    index = index_of([a_home("A")])
    assert index.query(Wishes(), 5) == []
    assert index.query(Wishes(city="Austin"), 0) == []


def test_only_homes_on_the_market_are_indexed() -> None:
    homes = [a_home(status, standard_status=status) for status in StandardStatus]
    index = index_of(homes)
    assert len(index) == 2
    assert keys(index.query(Wishes(city="Austin"), 9)) == ["Active", "ComingSoon"]


def test_a_home_with_an_unknown_field_never_stands_before_an_equal_known_one() -> None:
    homes = [a_home("A", pool_private_yn=None), a_home("B"), a_home("C", pool_private_yn=False)]
    found = index_of(homes).query(Wishes(city="Austin", features=frozenset({Feature.POOL})), 5)
    assert keys(found) == ["B", "A", "C"]


def test_a_home_of_which_nothing_wished_is_known_is_no_match() -> None:
    index = index_of([a_home("A", bedrooms_total=None)])
    assert index.query(Wishes(min_bedrooms=2), 5) == []


def test_equal_homes_are_ordered_by_listing_key() -> None:
    homes = [a_home(key) for key in "DBAC"]
    assert keys(index_of(homes).query(Wishes(city="Austin"), 3)) == ["A", "B", "C"]


def test_the_place_beyond_the_wished_city_never_moves_a_match() -> None:
    here = a_home("A", postal_code="78701", latitude=30.2, unparsed_address="1 Main St")
    there = a_home("A", postal_code="78799", latitude=30.9, unparsed_address="9 Church Rd")
    wished = Wishes(city="Austin", min_bedrooms=4)
    (one,), (other,) = (index_of([home]).query(wished, 1) for home in (here, there))
    assert one == other
    near, far = (closeness_of(wished, traits_of(home)) for home in (here, there))
    assert answers(wished, here, near) == answers(wished, there, far)


def test_weights_may_be_a_leads_own_even_of_a_single_feature(numba_kernel: Kernel) -> None:
    homes = [
        a_home("A", fireplace_yn=False, garage_spaces=1),
        a_home("B", fireplace_yn=True, garage_spaces=0),
    ]
    wished = Wishes(city="Austin", features=frozenset({Feature.GARAGE, Feature.FIREPLACE}))
    index = index_of(homes)
    for kernel in (NUMPY, numba_kernel):
        assert keys(index.query(wished, 1, weights=WISH_WEIGHTS, kernel=kernel)) == ["A"]
        own = {**WISH_WEIGHTS, "feature:fireplace": 3.7}
        (best,) = index.query(wished, 1, weights=own, kernel=kernel)
        assert best.listing_key == "B"
        assert best.score == pytest.approx((2 + 3.7) / (2 + 3.7 + 3))
