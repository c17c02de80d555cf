"""What a home says to each stated wish, in words: only for the homes that are shown.

Called by: services/property_matching_service.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ghl_real_estate_ai.ml.listing_segments import ON_MARKET, feature_fact, name_of, room_code
from ghl_real_estate_ai.ml.match_plan import (
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

_Said = tuple[float | None, str]
"""Closeness (None: not known; negative: the home breaks a filter), and the words."""

SAME_SCORE: Final = 1e-8
"""Scores of one home that differ by less are the same."""


def answers(wishes: Wishes, home: Listing) -> tuple[WishResult, ...] | None:
    """What the home says to each stated wish, in a fixed order; None when it is no match for them."""
    said = [(wish, *_said(wish, wishes, home)) for wish in stated_wishes(wishes)]
    if home.standard_status not in ON_MARKET or any(
        closeness is not None and closeness < 0.0 for _, closeness, _ in said
    ):
        return None
    return tuple(_result(*one) for one in said)


def closeness_of(wishes: Wishes, home: Listing) -> dict[str, float | None]:
    """By stated wish, of any home, on the market or not: one that breaks a filter is not close at all (0)."""
    said = {wish: _said(wish, wishes, home)[0] for wish in stated_wishes(wishes)}
    return {wish: None if closeness is None else max(0.0, closeness) for wish, closeness in said.items()}


def score_of(results: Sequence[WishResult], weights: Weights = WISH_WEIGHTS) -> float | None:
    """The mean of the known closenesses by weight: what the index ranks by. None when nothing is known."""
    known = [
        (weight_of(result.wish, weights), result.closeness)
        for result in results
        if result.closeness is not None
    ]
    weight = sum(one for one, _ in known)
    return sum(one * closeness for one, closeness in known) / weight if weight else None


def _said(wish: str, wishes: Wishes, home: Listing) -> _Said:
    if wish.startswith("feature:"):
        return _feature(Feature(wish.removeprefix("feature:")), home)
    match wish:
        case "city":
            same = name_of(home.city) == name_of(wishes.city)
            return (1.0 if same else -1.0), f"in {home.city}"
        case "max_list_price" | "min_list_price":
            return _price(wish, wishes, home)
        case "min_bedrooms":
            return _rooms(home.bedrooms_total, wishes.min_bedrooms or 0, "bedrooms")
        case "min_bathrooms":
            return _rooms(home.bathrooms_total_integer, wishes.min_bathrooms or 0, "bathrooms")
        case "min_living_area":
            return _area(home.living_area, wishes.min_living_area or 0.0)
        case _:
            return _kind(home.property_sub_type, wishes.property_sub_type)


def _price(wish: str, wishes: Wishes, home: Listing) -> _Said:
    price, highest, lowest = home.list_price, wishes.max_list_price, wishes.min_list_price
    if wish == "max_list_price" and highest is not None:
        over = f"${price - highest:,.0f} above" if price > highest else "within"
        closeness = price_closeness(float(price) - float(highest), PRICE_TOLERANCE * float(highest))
        return closeness, f"${price:,.0f}, {over} the maximum of ${highest:,.0f}"
    lowest = lowest or price
    under = f"${lowest - price:,.0f} below" if price < lowest else "above"
    closeness = price_closeness(float(lowest) - float(price), PRICE_TOLERANCE * float(lowest))
    return closeness, f"${price:,.0f}, {under} the minimum of ${lowest:,.0f}"


def _rooms(rooms: int | None, wanted: int, words: str) -> _Said:
    said = f"{words} not stated" if rooms is None else f"{rooms} {words}"
    closeness = None if rooms is None else float(room_closeness(wanted)[room_code(rooms)])
    return closeness, f"{said} (wished {wanted} or more)"


def _area(area: float | None, wanted: float) -> _Said:
    said = "living area not stated" if area is None else f"{area:,.0f} sq ft"
    closeness = None if area is None else area_closeness(area, wanted)
    return closeness, f"{said} (wished {wanted:,.0f} or more)"


def _kind(kind: str | None, wished: str | None) -> _Said:
    if kind is None or not name_of(kind):
        return None, "type not stated"
    return (1.0 if name_of(kind) == name_of(wished) else -1.0), kind


def _feature(feature: Feature, home: Listing) -> _Said:
    fact, words = feature_fact(home, feature), feature.replace("_", " ")
    if fact is None:
        return None, f"{words} not stated"
    return float(fact), words if fact else f"no {words}"


def _result(wish: str, closeness: float | None, detail: str) -> WishResult:
    if closeness is None:
        outcome = WishOutcome.UNKNOWN
    else:
        outcome = WishOutcome.MET if closeness >= 1.0 else WishOutcome.MISSED
    return WishResult(wish=wish, outcome=outcome, closeness=closeness, detail=detail)
