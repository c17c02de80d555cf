"""How close a home comes to each stated wish, and that in words: words only for the homes that are shown.

Called by: services/property_matching_service.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

from ghl_real_estate_ai.ml.home_traits import Traits
from ghl_real_estate_ai.ml.listing_segments import feature_fact, name_of, room_code
from ghl_real_estate_ai.ml.match_plan import (
    Closeness,
    Weights,
    area_closeness,
    price_closeness,
    room_closeness,
    stated_wishes,
    weight_of,
)
from ghl_real_estate_ai.models.matching_models import (
    PRICE_TOLERANCE,
    WISH_WEIGHTS,
    WishOutcome,
    WishResult,
)
from ghl_real_estate_ai.models.properties import Feature, Listing, Wishes

_Near = Callable[[Traits], float | None]

SAME_SCORE: Final = 1e-8
"""Scores of one home that differ by less are the same."""


class WishedHome:
    """Stated wishes, made ready to be held against one home after the other."""

    def __init__(self, wishes: Wishes, weights: Weights = WISH_WEIGHTS) -> None:
        """``weights``: what ``score`` counts by."""
        self._asked = [
            (wish, weight_of(wish, weights), _near(wish, wishes)) for wish in stated_wishes(wishes)
        ]

    def closeness(self, home: Traits) -> dict[str, float | None]:
        """Of any home, on the market or not: one that breaks a filter is not close at all (0)."""
        said = {wish: near(home) for wish, _, near in self._asked}
        return {wish: None if near is None else max(0.0, near) for wish, near in said.items()}

    def match(self, home: Traits) -> tuple[float, dict[str, float | None]] | None:
        """Score (the mean of the known closenesses by weight, which the index ranks by) and closeness.

        None when the home is no match: off the market, a filter broken, or nothing known.
        """
        if not home.on_market:
            return None
        said: dict[str, float | None] = {}
        total = known = 0.0
        for wish, weight, near in self._asked:
            closeness = said[wish] = near(home)
            if closeness is None:
                continue
            if closeness < 0.0:
                return None
            total += weight * closeness
            known += weight
        return (total / known, said) if known else None


def closeness_of(wishes: Wishes, home: Traits) -> dict[str, float | None]:
    """``WishedHome.closeness`` of a single home."""
    return WishedHome(wishes).closeness(home)


def answers(wishes: Wishes, home: Listing, closeness: Closeness) -> tuple[WishResult, ...]:
    """What a home that matches says to each stated wish, in a fixed order."""
    return tuple(_result(wish, near, _words(wish, wishes, home)) for wish, near in closeness.items())


# --- how close ----------------------------------------------------------------------------------------------------------


def _near(wish: str, wishes: Wishes) -> _Near:
    """Closeness to one stated wish: None when it is not known, negative when the home breaks a filter."""
    if wish.startswith("feature:"):
        return _has(Feature(wish.removeprefix("feature:")))
    match wish:
        case "city":
            return _in_city(name_of(wishes.city))
        case "max_list_price":
            return _below(float(wishes.max_list_price or 0))
        case "min_list_price":
            return _above(float(wishes.min_list_price or 0))
        case "min_bedrooms":
            return _bedrooms(wishes.min_bedrooms or 0)
        case "min_bathrooms":
            return _bathrooms(wishes.min_bathrooms or 0)
        case "min_living_area":
            return _as_large(wishes.min_living_area or 0.0)
        case _:
            return _of_type(name_of(wishes.property_sub_type))


def _has(feature: Feature) -> _Near:
    def near(home: Traits) -> float | None:
        fact = home.features[feature]
        return None if fact is None else float(fact)

    return near


def _in_city(wished: str) -> _Near:
    return lambda home: 1.0 if home.city == wished else -1.0


def _below(highest: float) -> _Near:
    return lambda home: price_closeness(home.price - highest, PRICE_TOLERANCE * highest)


def _above(lowest: float) -> _Near:
    return lambda home: price_closeness(lowest - home.price, PRICE_TOLERANCE * lowest)


def _bedrooms(wanted: int) -> _Near:
    return lambda home: _rooms(home.bedrooms, wanted)


def _bathrooms(wanted: int) -> _Near:
    return lambda home: _rooms(home.bathrooms, wanted)


def _rooms(rooms: int | None, wanted: int) -> float | None:
    return None if rooms is None else float(room_closeness(wanted)[room_code(rooms)])


def _as_large(wanted: float) -> _Near:
    return lambda home: None if home.area is None else area_closeness(home.area, wanted)


def _of_type(wished: str) -> _Near:
    return lambda home: None if not home.kind else 1.0 if home.kind == wished else -1.0


# --- in words -----------------------------------------------------------------------------------------------------------


def _words(wish: str, wishes: Wishes, home: Listing) -> str:
    if wish.startswith("feature:"):
        return _feature_words(Feature(wish.removeprefix("feature:")), home)
    match wish:
        case "city":
            return f"in {home.city}"
        case "max_list_price" | "min_list_price":
            return _price_words(wish, wishes, home)
        case "min_bedrooms":
            return _room_words(home.bedrooms_total, wishes.min_bedrooms or 0, "bedrooms")
        case "min_bathrooms":
            return _room_words(home.bathrooms_total_integer, wishes.min_bathrooms or 0, "bathrooms")
        case "min_living_area":
            area = home.living_area
            said = "living area not stated" if area is None else f"{area:,.0f} sq ft"
            return f"{said} (wished {wishes.min_living_area:,.0f} or more)"
        case _:
            kind = home.property_sub_type
            return kind if kind and name_of(kind) else "type not stated"


def _price_words(wish: str, wishes: Wishes, home: Listing) -> str:
    price, highest, lowest = home.list_price, wishes.max_list_price, wishes.min_list_price
    if wish == "max_list_price" and highest is not None:
        over = f"${price - highest:,.0f} above" if price > highest else "within"
        return f"${price:,.0f}, {over} the maximum of ${highest:,.0f}"
    lowest = lowest or price
    under = f"${lowest - price:,.0f} below" if price < lowest else "above"
    return f"${price:,.0f}, {under} the minimum of ${lowest:,.0f}"


def _room_words(rooms: int | None, wanted: int, words: str) -> str:
    said = (
        f"{words} not stated"
        if rooms is None
        else f"{rooms} {words.removesuffix('s') if rooms == 1 else words}"
    )
    return f"{said} (wished {wanted} or more)"


def _feature_words(feature: Feature, home: Listing) -> str:
    fact, words = feature_fact(home, feature), feature.replace("_", " ")
    if fact is None:
        return f"{words} not stated"
    return words if fact else f"no {words}"


@functools.lru_cache(maxsize=4_096)  # most homes say the same of a city, of rooms, of a feature
def _result(wish: str, closeness: float | None, detail: str) -> WishResult:
    if closeness is None:
        outcome = WishOutcome.UNKNOWN
    else:
        outcome = WishOutcome.MET if closeness >= 1.0 else WishOutcome.MISSED
    return WishResult(wish=wish, outcome=outcome, closeness=closeness, detail=detail)
