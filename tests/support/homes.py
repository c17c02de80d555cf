"""Random homes and wishes, and the plain definition of a match: one home at a time, in exact fractions.

Called by: the tests of matching.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st

from ghl_real_estate_ai.ml.listing_segments import Segment
from ghl_real_estate_ai.ml.property_matching import ListingIndex
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.matching_models import (
    LIVING_AREA_TOLERANCE,
    ONE_ROOM_SHORT,
    PRICE_TOLERANCE,
    WISH_WEIGHTS,
)
from ghl_real_estate_ai.models.properties import Feature, Listing, Wishes

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


def brute_force(homes: Iterable[Listing], wished: Wishes, k: int) -> list[tuple[str, float]]:
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


def a_home(key: str, **fields: object) -> Listing:
    known = {"list_price": Decimal(400_000), "city": "Austin", "bedrooms_total": 3, "pool_private_yn": True}
    return Listing.model_validate({"listing_key": key, **known, **fields})


def index_of(homes: Iterable[Listing]) -> ListingIndex:
    """The index of these homes; of a key given twice the last stands."""
    return ListingIndex(Segment.of(homes))
