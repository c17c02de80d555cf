"""A home is shown once, under its newest listing; one building does not fill the page; and that costs little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.home_traits import Home, traits_of
from ghl_real_estate_ai.ml.match_diversity import (
    MOST_LOST,
    Folded,
    folded,
    likeness,
    same_home,
    spread,
    without,
)
from ghl_real_estate_ai.ml.property_matching import Candidate
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.properties import Listing

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def home(key: str, **fields: Any) -> Listing:
    plain: dict[str, Any] = {"list_price": Decimal(400_000), "city": "Austin", "bedrooms_total": 3}
    return Listing(listing_key=ListingKey(key), **(plain | fields))


def candidates(*homes: tuple[Listing, float]) -> list[Candidate]:
    return [Candidate(Home.of(listing), score, {}) for listing, score in homes]


def same(one: Listing, other: Listing) -> bool:
    return same_home(traits_of(one), traits_of(other))


def alike(one: Listing, other: Listing) -> float:
    return likeness(traits_of(one), traits_of(other))


def keys(homes: list[Folded]) -> list[str]:
    return [one.candidate.listing.listing_key for one in homes]


def test_a_relisted_home_is_shown_once_under_its_newest_listing_which_names_the_others() -> None:
    old = home("OLD", unparsed_address="12 Elm St., Austin", modification_timestamp=NOW - timedelta(days=30))
    new = home(
        "NEW",
        unparsed_address="12 ELM ST, Austin TX",
        modification_timestamp=NOW,
        list_price=Decimal(389_000),
    )
    other = home("OTHER", unparsed_address="14 Elm St, Austin")
    found = folded(candidates((old, 0.9), (other, 0.8), (new, 0.7)))
    assert keys(found) == ["OTHER", "NEW"]
    assert found[1].also == ("OLD",)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"bedrooms_total": 2}, False),
        ({"bedrooms_total": None}, True),
        ({"living_area": 1_505.0}, True),
        ({"living_area": 1_900.0}, False),
        ({"unparsed_address": "12 Elm St #4, Austin"}, False),
        ({"unparsed_address": "12 Oak St, Austin"}, False),
        ({"city": "Waco", "unparsed_address": "12 Elm St, Waco"}, False),
        ({"list_price": Decimal(500_000)}, True),
    ],
)
def test_what_makes_two_listings_one_home(change: dict[str, Any], expected: bool) -> None:
    one = home("A", unparsed_address="12 Elm St, Austin", living_area=1_500.0)
    fields: dict[str, Any] = {"unparsed_address": "12 Elm St, Austin", "living_area": 1_500.0} | change
    other = home("B", **fields)
    assert same(one, other) is expected
    assert same(other, one) is expected


def test_units_of_one_building_are_different_homes_unless_all_of_them_is_known_to_be_the_same() -> None:
    tower: dict[str, Any] = {
        "unparsed_address": "500 Main St, Austin", "property_sub_type": "Condominium", "latitude": 30.26, "longitude": -97.74,
    }  # fmt: skip
    assert not same(home("A", **tower), home("B", **tower))
    measured = tower | {"living_area": 810.0}
    assert same(home("A", **measured), home("B", **measured))
    assert not same(home("A", **measured), home("B", **(measured | {"living_area": 640.0})))


def test_the_same_place_without_an_address_is_one_home_when_rooms_and_area_agree() -> None:
    place: dict[str, Any] = {"latitude": 30.26721, "longitude": -97.74312, "living_area": 1_200.0}
    assert same(home("A", **place), home("B", **place))
    assert not same(home("A", **place), home("B", **(place | {"latitude": 30.2691})))


def test_a_home_that_was_passed_on_stays_away_under_another_key() -> None:
    passed = home("P", unparsed_address="12 Elm St, Austin", standard_status="Withdrawn")
    again = home("AGAIN", unparsed_address="12 Elm St, Austin")
    other = home("OTHER", unparsed_address="14 Elm St, Austin")
    assert keys(without(folded(candidates((again, 1.0), (other, 0.5))), [Home.of(passed)])) == ["OTHER"]


def test_one_building_does_not_fill_the_page_when_others_are_as_good() -> None:
    units = [
        home(f"U{n}", unparsed_address=f"500 Main St #{n}, Austin", bedrooms_total=3, property_sub_type="Condominium")
        for n in range(10)
    ]  # fmt: skip
    others = [
        home(f"O{n}", unparsed_address=f"{n} Oak St, Austin", list_price=Decimal(300_000 + 20_000 * n)) for n in range(3)
    ]  # fmt: skip
    found = folded(candidates(*((unit, 0.9) for unit in units), *((other, 0.89) for other in others)))
    shown = keys(spread(found, [one.candidate.score for one in found], 5))
    assert shown[0] == "U0"
    assert {"O0", "O1", "O2"} <= set(shown)


def test_likeness_is_building_and_price_point() -> None:
    one = home("A", unparsed_address="1 Elm St, Austin")
    assert alike(one, home("B", unparsed_address="1 Elm St #2, Austin")) == pytest.approx(1.0)
    assert alike(one, home("B", unparsed_address="2 Elm St, Austin")) == pytest.approx(0.3)
    assert alike(one, home("B", list_price=Decimal(500_000))) == 0.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(30, 40), st.floats(0, 1)), min_size=1, max_size=25),
    st.integers(1, 25),
)
def test_nothing_stands_before_what_scores_clearly_better_and_nothing_is_lost(
    drawn: list[tuple[int, int, float]], k: int
) -> None:
    listings = [
        (home(f"H{n}", unparsed_address=f"{street} Elm St #{n}, Austin", list_price=Decimal(price)), score)
        for n, (street, price, score) in enumerate(sorted(drawn, key=lambda one: -one[2]))
    ]
    homes = [Folded(one) for one in candidates(*listings)]
    scores = [one.candidate.score for one in homes]
    shown = spread(homes, scores, k)
    assert len(shown) == min(k, len(homes))
    left = [one for one in homes if one not in shown]
    for place, one in enumerate(shown):
        best_behind = max((o.candidate.score for o in [*shown[place + 1 :], *left]), default=0.0)
        assert best_behind <= one.candidate.score + MOST_LOST + 1e-12
    assert shown[0] == homes[0]


def plain_spread(homes: list[Folded], scores: list[float], k: int) -> list[Folded]:
    """By its definition: of all that are left, the best now, however long that takes."""
    left, taken = list(range(len(homes))), list[int]()

    def worth(n: int) -> tuple[float, int]:
        own = homes[n].candidate.home.traits
        alike = max((likeness(homes[one].candidate.home.traits, own) for one in taken), default=0.0)
        return scores[n] - MOST_LOST * alike, -n

    while left and len(taken) < k:
        taken.append(max(left, key=worth))
        left.remove(taken[-1])
    return [homes[n] for n in taken]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(30, 36), st.integers(0, 5)), max_size=30),
    st.integers(0, 31),
)
def test_the_quick_way_takes_the_same_places_as_the_definition_ties_included(
    drawn: list[tuple[int, int, int]], k: int
) -> None:
    homes = [
        Folded(
            *candidates(
                (home(f"H{n}", unparsed_address=f"{street} Elm St #{n}", list_price=Decimal(price)), 1.0)
            )
        )
        for n, (street, price, _) in enumerate(drawn)
    ]
    scores = [1.0 - 0.009 * step for _, _, step in drawn]
    assert keys(spread(homes, scores, k)) == keys(plain_spread(homes, scores, k))
