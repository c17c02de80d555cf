"""What the matcher promises: exactly the brute-force answer, only stated wishes, unknown never beats known."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.property_matching import Candidate, ListingIndex
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.matching_models import (
    LIVING_AREA_TOLERANCE,
    ONE_ROOM_SHORT,
    PRICE_TOLERANCE,
    WISH_WEIGHTS,
    WishOutcome,
)
from ghl_real_estate_ai.models.properties import Feature, Listing, StandardStatus, Wishes

_maybe = st.none() | st.booleans()


def fields_of[T](kind: type[T], **fields: st.SearchStrategy[object]) -> st.SearchStrategy[T]:
    return st.fixed_dictionaries(fields).map(lambda drawn: kind(**drawn))


listings = fields_of(
    Listing,
    listing_key=st.integers(0, 400).map(lambda number: ListingKey(f"K{number:03}")),
    standard_status=st.sampled_from(["Active", "Active", "ComingSoon", "Pending", "Closed"]),
    list_price=st.integers(20, 60).map(lambda number: Decimal(number * 10_000)),
    city=st.sampled_from(["Austin", "AUSTIN ", "Waco"]),
    bedrooms_total=st.none() | st.integers(0, 5),
    bathrooms_total_integer=st.none() | st.integers(0, 3),
    living_area=st.none() | st.integers(5, 30).map(lambda number: number * 100.0),
    property_sub_type=st.sampled_from([None, "Condominium", "SingleFamilyResidence"]),
    garage_spaces=st.sampled_from([None, 0, 2]),
    pool_private_yn=_maybe,
    fireplace_yn=_maybe,
    waterfront_yn=_maybe,
    new_construction_yn=_maybe,
)
wishes = fields_of(
    Wishes,
    city=st.sampled_from([None, "austin", "Waco", "Paris"]),
    min_list_price=st.none() | st.integers(0, 40).map(lambda number: Decimal(number * 10_000)),
    max_list_price=st.none() | st.integers(20, 60).map(lambda number: Decimal(number * 10_000)),
    min_bedrooms=st.none() | st.integers(0, 5),
    min_bathrooms=st.none() | st.integers(0, 3),
    min_living_area=st.none() | st.sampled_from([900.0, 1500.0, 2500.0]),
    property_sub_type=st.sampled_from([None, "condominium", "Single Family Residence", "Castle"]),
    features=st.frozensets(st.sampled_from(Feature), max_size=3),
)

GONE = object()
Closeness = Fraction | None | object


def price_closeness(outside: Decimal, bound: Decimal) -> Closeness:
    if outside <= 0:
        return Fraction(1)
    closeness = 1 - Fraction(outside) / (Fraction(str(PRICE_TOLERANCE)) * Fraction(bound))
    return closeness if closeness >= 0 else GONE


def room_closeness(rooms: int | None, wanted: int) -> Closeness:
    if rooms is None:
        return None
    return {True: Fraction(1), False: Fraction(str(ONE_ROOM_SHORT)) if rooms == wanted - 1 else GONE}[
        rooms >= wanted
    ]


def per_wish(home: Listing, wished: Wishes) -> list[tuple[int, Closeness]]:
    """The definition, one home at a time, in exact fractions."""
    parts: list[tuple[int, Closeness]] = []

    def add(name: str, closeness: Closeness) -> None:
        parts.append((WISH_WEIGHTS[name], closeness))

    if wished.city is not None:
        add("city", Fraction(1) if home.city.strip().lower() == wished.city.lower() else GONE)
    if wished.max_list_price is not None:
        add("max_list_price", price_closeness(home.list_price - wished.max_list_price, wished.max_list_price))
    if wished.min_list_price:
        add("min_list_price", price_closeness(wished.min_list_price - home.list_price, wished.min_list_price))
    if wished.min_bedrooms is not None:
        add("min_bedrooms", room_closeness(home.bedrooms_total, wished.min_bedrooms))
    if wished.min_bathrooms is not None:
        add("min_bathrooms", room_closeness(home.bathrooms_total_integer, wished.min_bathrooms))
    if wished.min_living_area is not None:
        short = (
            None
            if home.living_area is None
            else Fraction(wished.min_living_area - home.living_area)
            / (Fraction(str(LIVING_AREA_TOLERANCE)) * Fraction(wished.min_living_area))
        )
        add("min_living_area", None if short is None else min(Fraction(1), max(Fraction(0), 1 - short)))
    if wished.property_sub_type is not None:
        same = (home.property_sub_type or "").lower() == wished.property_sub_type.replace(" ", "").lower()
        add("property_sub_type", None if home.property_sub_type is None else Fraction(1) if same else GONE)
    facts = {
        Feature.GARAGE: None if home.garage_spaces is None else home.garage_spaces >= 1,
        Feature.POOL: home.pool_private_yn,
        Feature.FIREPLACE: home.fireplace_yn,
        Feature.WATERFRONT: home.waterfront_yn,
        Feature.NEW_CONSTRUCTION: home.new_construction_yn,
    }
    for feature in wished.features:
        fact = facts[feature]
        add("feature", None if fact is None else Fraction(fact))
    return parts


def brute_force(homes: list[Listing], wished: Wishes, k: int) -> list[tuple[str, float]]:
    ranked = []
    for home in {home.listing_key: home for home in homes}.values():
        if home.standard_status not in {"Active", "ComingSoon"}:
            continue
        parts = per_wish(home, wished)
        known = [(weight, closeness) for weight, closeness in parts if closeness is not None]
        if any(closeness is GONE for _, closeness in known) or not known:
            continue
        weight = sum(weight for weight, _ in known)
        score = sum((weight * closeness for weight, closeness in known), Fraction(0)) / weight  # type: ignore[operator]
        ranked.append((-score, -weight, home.listing_key))
    return [(key, float(-score)) for score, _, key in sorted(ranked)[:k]]


def keys(found: list[Candidate]) -> list[str]:
    return [candidate.listing.listing_key for candidate in found]


def a_home(key: str, **fields: object) -> Listing:
    known = {"list_price": Decimal(400_000), "city": "Austin", "bedrooms_total": 3, "pool_private_yn": True}
    return Listing(listing_key=ListingKey(key), **{**known, **fields})  # type: ignore[arg-type]


@given(st.lists(listings, max_size=60), wishes, st.integers(1, 8))
@settings(max_examples=250, deadline=None)
def test_the_top_k_is_exactly_the_brute_force_one(homes: list[Listing], wished: Wishes, k: int) -> None:
    found = ListingIndex.build(homes).query(wished, k)
    expected = brute_force(homes, wished, k) if wished.stated else []
    assert keys(found) == [key for key, _ in expected]
    assert [candidate.score for candidate in found] == pytest.approx(
        [score for _, score in expected], abs=1e-8
    )


@given(st.lists(listings, max_size=30), wishes, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_import_does_not_matter(homes: list[Listing], wished: Wishes, random: object) -> None:
    unique = list({home.listing_key: home for home in homes}.values())
    shuffled = list(unique)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (ListingIndex.build(rows).query(wished, 5) for rows in (unique, shuffled))
    assert one == other


@given(st.lists(listings, max_size=30), wishes)
@settings(max_examples=100, deadline=None)
def test_each_stated_wish_is_answered_and_the_score_follows_from_the_answers(
    homes: list[Listing], wished: Wishes
) -> None:
    for candidate in ListingIndex.build(homes).query(wished, 30):
        known = 0.0
        total = 0.0
        for result in candidate.wishes:
            weight = WISH_WEIGHTS["feature" if ":" in result.wish else result.wish]
            assert (result.closeness is None) == (result.outcome is WishOutcome.UNKNOWN)
            assert (result.closeness == 1.0) == (result.outcome is WishOutcome.MET)
            if result.closeness is not None:
                known += weight
                total += weight * result.closeness
        assert candidate.score == pytest.approx(total / known, abs=1e-8)
        assert len(candidate.wishes) == len(per_wish(candidate.listing, wished))


def test_without_stated_wishes_nothing_matches() -> None:
    index = ListingIndex.build([a_home("A")])
    assert index.query(Wishes(), 5) == []
    assert index.query(Wishes(city="Austin"), 0) == []


def test_only_homes_on_the_market_are_indexed() -> None:
    homes = [a_home(status, standard_status=status) for status in StandardStatus]
    index = ListingIndex.build(homes)
    assert len(index) == 2
    assert keys(index.query(Wishes(city="Austin"), 9)) == ["Active", "ComingSoon"]


def test_a_home_with_an_unknown_field_never_stands_before_an_equal_known_one() -> None:
    homes = [a_home("A", pool_private_yn=None), a_home("B"), a_home("C", pool_private_yn=False)]
    found = ListingIndex.build(homes).query(Wishes(city="Austin", features=frozenset({Feature.POOL})), 5)
    assert keys(found) == ["B", "A", "C"]
    assert [candidate.wishes[-1].outcome for candidate in found] == ["met", "unknown", "missed"]
    assert [candidate.wishes[-1].detail for candidate in found] == ["pool", "pool not stated", "no pool"]


def test_a_home_of_which_nothing_wished_is_known_is_no_match() -> None:
    index = ListingIndex.build([a_home("A", bedrooms_total=None)])
    assert index.query(Wishes(min_bedrooms=2), 5) == []


def test_near_misses_are_named_with_how_far_they_miss() -> None:
    homes = [a_home("A", list_price=Decimal(420_000), bedrooms_total=2, living_area=1_350)]
    wished = Wishes(
        city="austin",
        min_list_price=Decimal(425_000),
        max_list_price=Decimal(400_000),
        min_bedrooms=3,
        min_living_area=1_500,
        property_sub_type="Condominium",
    )
    (match,) = ListingIndex.build(homes).query(wished, 5)
    assert [(result.detail, result.closeness) for result in match.wishes] == [
        ("in Austin", 1.0),
        ("$420,000, $20,000 above the maximum of $400,000", pytest.approx(0.5)),
        ("$420,000, $5,000 below the minimum of $425,000", pytest.approx(1 - 5 / 42.5)),
        ("2 bedrooms (wished 3 or more)", 0.5),
        ("1,350 sq ft (wished 1,500 or more)", pytest.approx(0.5)),
        ("type not stated", None),
    ]


def test_equal_homes_are_ordered_by_listing_key() -> None:
    homes = [a_home(key) for key in "DBAC"]
    assert keys(ListingIndex.build(homes).query(Wishes(city="Austin"), 3)) == ["A", "B", "C"]


def test_the_place_beyond_the_wished_city_never_moves_a_match() -> None:
    here = a_home("A", postal_code="78701", latitude=30.2, unparsed_address="1 Main St")
    there = a_home("A", postal_code="78799", latitude=30.9, unparsed_address="9 Church Rd")
    wished = Wishes(city="Austin", min_bedrooms=4)
    (one,), (other,) = (ListingIndex.build([home]).query(wished, 1) for home in (here, there))
    assert (one.score, one.wishes) == (other.score, other.wishes)


def test_the_weights_of_all_wishes_fit_the_ranking_integer() -> None:
    assert sum(WISH_WEIGHTS.values()) + len(Feature) * WISH_WEIGHTS["feature"] < 256
