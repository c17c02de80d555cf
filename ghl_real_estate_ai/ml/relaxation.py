"""The cheapest way to more homes: for each stated wish the smallest change that lets enough others meet every wish.

Called by: services/property_matching_service, when somebody asks.

A home counts when each stated wish is known of it and met. Counts are exact. The cost of a change is the closeness given up,
times the wish's weight: on the scale that ranks matches, a price 10 % over costs 8, a bedroom fewer 3, a feature less 3.
The city is never relaxed: where to live is not for us to suggest.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal
from typing import Final, NamedTuple

import numpy as np

from ghl_real_estate_ai.ml.listing_segments import (
    BATHS_SHIFT,
    FEATURES,
    UNKNOWN_ROOMS,
    Codes,
    Floats,
    Segment,
)
from ghl_real_estate_ai.ml.match_kernel import (
    ALL_MET,
    AREA,
    BATHROOMS,
    BEDROOMS,
    FIRST_FEATURE,
    KIND,
    MAX_PRICE,
    MIN_PRICE,
    NUMPY,
    SEVERAL_UNMET,
    Kernel,
    Rows,
)
from ghl_real_estate_ai.ml.match_plan import Demand, Weights, demand_of, stated_wishes, weight_of
from ghl_real_estate_ai.ml.property_matching import ListingIndex
from ghl_real_estate_ai.models.matching_models import (
    LIVING_AREA_TOLERANCE,
    ONE_ROOM_SHORT,
    PRICE_TOLERANCE,
    WISH_WEIGHTS,
    Relaxation,
)
from ghl_real_estate_ai.models.properties import LEAST_AREA, LEAST_PRICE, MOST_PRICE, Feature, Wishes

ENOUGH: Final = 3
"""A change that gives fewer further homes than this is not worth a question."""

MOST_SHARE: Final = 0.25
"""A price or living area is moved by at most this share of the wish."""

_STEP_SHARE: Final = Decimal("0.01")  # changes are multiples of a round number of about this share


class Relaxations(NamedTuple):
    """How many homes meet every stated wish, and the changes that give more, cheapest first."""

    meeting: int
    changes: tuple[Relaxation, ...]


class _Near(NamedTuple):
    """Homes that meet every wish but ``which`` (ALL_MET: none is missing): their columns."""

    which: Codes
    price: Floats
    area: Floats
    codes: Codes


def relaxations(
    index: ListingIndex,
    wishes: Wishes,
    *,
    enough: int = ENOUGH,
    weights: Weights = WISH_WEIGHTS,
    kernel: Kernel = NUMPY,
) -> Relaxations:
    """For each stated wish but the city the smallest change with ``enough`` more homes. Milliseconds: in a thread if many rows."""
    stated = stated_wishes(wishes)
    if not stated:
        return Relaxations(0, ())
    near = _near(index, wishes, kernel)
    found = []
    for wish in stated:
        change = _CHANGES.get(wish, _without_feature)
        relaxed = change(wish, wishes, near, enough)
        if relaxed is not None and stated_wishes(relaxed.wishes):  # who wishes nothing more meets nothing
            found.append(relaxed._replace(cost=weight_of(wish, weights) * relaxed.cost).named(wish))
    found.sort(key=lambda one: (one.cost, -one.more, one.wish))
    return Relaxations(int(np.count_nonzero(near.which == ALL_MET)), tuple(found))


class _Change(NamedTuple):
    """``cost`` is the closeness given up, before the weight."""

    words: str
    more: int
    cost: float
    wishes: Wishes

    def named(self, wish: str) -> Relaxation:
        return Relaxation(
            wish=wish, change=self.words, more=self.more, cost=round(self.cost, 3), wishes=self.wishes
        )


def _near(index: ListingIndex, wishes: Wishes, kernel: Kernel) -> _Near:
    highest, lowest = wishes.max_list_price, wishes.min_list_price
    bounds = {
        "highest": np.inf if highest is None else float(_furthest(highest, 1)),
        "lowest": float(_furthest(lowest, -1)) if lowest else -np.inf,
    }
    parts = [
        _near_of(segment, rows, wishes, demand_of(wishes, segment, **bounds), kernel)
        for segment, rows in index.parts
    ]
    return _Near(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _near_of(segment: Segment, rows: Rows, wishes: Wishes, demand: Demand, kernel: Kernel) -> _Near:
    starts, stops = segment.market_rows(wishes.city)
    if not len(starts):
        return _Near(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int64))
    first, last = int(starts[0]), int(stops[-1])
    unmet = np.full(len(segment), SEVERAL_UNMET, dtype=np.uint8)
    kernel.unmet(demand, rows, starts, stops, unmet)
    found = first + np.flatnonzero(unmet[first:last] != SEVERAL_UNMET)
    return _Near(unmet[found].astype(np.int64), rows.price[found], rows.area[found], rows.codes[found])


# --- one wish ---------------------------------------------------------------------------------------------------------


def _higher_price(_wish: str, wishes: Wishes, near: _Near, enough: int) -> _Change | None:
    bound = wishes.max_list_price
    prices = near.price[near.which == MAX_PRICE]
    if bound is None or len(prices) < enough:
        return None
    step = _step(bound)
    reach = Decimal(float(np.partition(prices, enough - 1)[enough - 1]))
    moved = min(bound + step * ((reach - bound) / step).to_integral_value(ROUND_CEILING), _furthest(bound, 1))
    return _Change(
        f"raise the maximum by ${moved - bound:,.0f} to ${moved:,.0f}",
        int(np.count_nonzero(prices <= float(moved))),
        float((moved - bound) / bound) / PRICE_TOLERANCE,
        wishes.model_copy(update={"max_list_price": moved}),
    )


def _lower_price(_wish: str, wishes: Wishes, near: _Near, enough: int) -> _Change | None:
    bound = wishes.min_list_price
    prices = near.price[near.which == MIN_PRICE]
    if not bound or len(prices) < enough:
        return None
    step = _step(bound)
    reach = Decimal(float(np.partition(prices, len(prices) - enough)[len(prices) - enough]))
    moved = max(
        bound - step * ((bound - reach) / step).to_integral_value(ROUND_CEILING), _furthest(bound, -1)
    )
    return _Change(
        f"lower the minimum by ${bound - moved:,.0f} to ${moved:,.0f}",
        int(np.count_nonzero(prices >= float(moved))),
        float((bound - moved) / bound) / PRICE_TOLERANCE,
        wishes.model_copy(update={"min_list_price": moved}),
    )


def _fewer_rooms(wish: str, wishes: Wishes, near: _Near, enough: int) -> _Change | None:
    bedrooms = wish == "min_bedrooms"
    wanted = (wishes.min_bedrooms if bedrooms else wishes.min_bathrooms) or 0
    codes = near.codes[near.which == (BEDROOMS if bedrooms else BATHROOMS)]
    rooms = codes >> (0 if bedrooms else BATHS_SHIFT) & UNKNOWN_ROOMS
    for fewer in range(1, wanted + 1):
        more = int(np.count_nonzero((rooms >= wanted - fewer) & (rooms != UNKNOWN_ROOMS)))
        if more >= enough:
            word = "bedroom" if bedrooms else "bathroom"
            return _Change(
                f"{'one' if fewer == 1 else fewer} {word}{'' if fewer == 1 else 's'} fewer",
                more,
                fewer * (1.0 - ONE_ROOM_SHORT),
                wishes.model_copy(update={wish: wanted - fewer}),
            )
    return None


def _smaller(_wish: str, wishes: Wishes, near: _Near, enough: int) -> _Change | None:
    wanted = wishes.min_living_area or 0.0
    areas = near.area[near.which == AREA]
    areas = areas[areas >= wanted * (1.0 - MOST_SHARE)]  # NaN is not
    if len(areas) < enough:
        return None
    step = float(_step(Decimal(wanted)))
    reach = float(np.partition(areas, len(areas) - enough)[len(areas) - enough])
    moved = max(wanted - step * np.ceil((wanted - reach) / step), wanted * (1.0 - MOST_SHARE), LEAST_AREA)
    return _Change(
        f"{wanted - moved:,.0f} sq ft less: {moved:,.0f} or more",
        int(np.count_nonzero(areas >= moved)),
        (wanted - moved) / (LIVING_AREA_TOLERANCE * wanted),
        wishes.model_copy(update={"min_living_area": float(moved)}),
    )


def _any_type(_wish: str, wishes: Wishes, near: _Near, enough: int) -> _Change | None:
    more = int(np.count_nonzero(near.which == KIND))
    if more < enough:
        return None
    return _Change("any type of home", more, 1.0, wishes.model_copy(update={"property_sub_type": None}))


def _without_feature(wish: str, wishes: Wishes, near: _Near, enough: int) -> _Change | None:
    feature = Feature(wish.removeprefix("feature:"))
    more = int(np.count_nonzero(near.which == FIRST_FEATURE + FEATURES.index(feature)))
    if more < enough:
        return None
    relaxed = wishes.model_copy(update={"features": wishes.features - {feature}})
    return _Change(f"without {feature.replace('_', ' ')}", more, 1.0, relaxed)


def _never(_wish: str, _wishes: Wishes, _near: _Near, _enough: int) -> _Change | None:
    return None


_CHANGES: Final[dict[str, Callable[[str, Wishes, _Near, int], _Change | None]]] = {
    "city": _never,
    "max_list_price": _higher_price,
    "min_list_price": _lower_price,
    "min_bedrooms": _fewer_rooms,
    "min_bathrooms": _fewer_rooms,
    "min_living_area": _smaller,
    "property_sub_type": _any_type,
}


def _step(bound: Decimal) -> Decimal:
    """A round number, 1, 2 or 5 times a power of ten, of about a hundredth of the bound."""
    share = bound * _STEP_SHARE
    unit = Decimal(10) ** share.adjusted()
    return next(unit * times for times in (1, 2, 5, 10) if unit * times >= share)


def _furthest(bound: Decimal, way: int) -> Decimal:
    """As far as a price may be moved: whole steps, at most MOST_SHARE of it, and to a price that may be wished."""
    step = _step(bound)
    return min(max(bound + way * step * (bound * Decimal(str(MOST_SHARE)) // step), LEAST_PRICE), MOST_PRICE)
