"""A buyer's stated wishes as numbers that a scan over columns can use: closeness tables, bounds, weights.

Called by: property_matching, relaxation.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from ghl_real_estate_ai.ml.listing_segments import (
    FEATURES,
    UNKNOWN_ROOMS,
    Floats,
    Segment,
)
from ghl_real_estate_ai.models.matching_models import LIVING_AREA_TOLERANCE, ONE_ROOM_SHORT, PRICE_TOLERANCE
from ghl_real_estate_ai.models.properties import Wishes

Weights = Mapping[str, float]
"""By wish as ``WishResult`` names it. ``feature`` stands for each feature that has no weight of its own."""

NOISE: Final = 1e-9
"""Below this two closenesses are the same: floats, not homes, differ."""

EXCLUDED: Final = -1e6
"""A closeness so low that no sum of weights lifts it above zero."""

Closeness = Mapping[str, float | None]
"""Of one home, by stated wish, in the order in which they are answered; None: the listing does not say."""

_FEATURE_CODES: Final = [
    (np.arange(1 << len(FEATURES)) >> bit & 1).astype(np.float64) for bit in range(len(FEATURES))
]  # for each feature, by code: whether it is in it

ANY_TYPE: Final = -1
NO_SUCH_TYPE: Final = -2


class Plan(NamedTuple):
    """What a scan needs. A wish that is not stated weighs 0 and excludes nothing.

    ``tables``, by code: weighted closeness of bedrooms, bathrooms and features, then the weight known of each.
    ``lowest``, ``highest``: prices beyond are excluded, a little wider than exact.
    """

    tables: Floats
    city_weight: float
    kind: int
    kind_weight: float
    ceiling: float
    ceiling_span: float
    ceiling_weight: float
    floor: float
    floor_span: float
    floor_weight: float
    area: float
    area_span: float
    area_weight: float
    lowest: float
    highest: float
    stated_weight: float


class Demand(NamedTuple):
    """The wishes when a home has to meet every one. Not stated: -1 rooms, infinite bounds, ANY_TYPE, no bit."""

    lowest: float
    highest: float
    ceiling: float
    floor: float
    bedrooms: int
    bathrooms: int
    area: float
    kind: int
    features: int


def weight_of(wish: str, weights: Weights) -> float:
    """What a wish weighs."""
    return float(weights[wish] if wish in weights else weights["feature"])


def stated_wishes(wishes: Wishes) -> list[str]:
    """Names of the stated wishes, in the order in which they are answered. A minimum price of 0 says nothing."""
    plain = [
        name
        for name in (
            "city",
            "max_list_price",
            "min_list_price",
            "min_bedrooms",
            "min_bathrooms",
            "min_living_area",
            "property_sub_type",
        )
        if getattr(wishes, name) is not None and not (name == "min_list_price" and not wishes.min_list_price)
    ]
    return plain + [f"feature:{feature}" for feature in sorted(wishes.features)]


def plan_of(wishes: Wishes, segment: Segment, weights: Weights) -> Plan:
    """The numbers for one segment: it has its own codes of types."""
    weight = {name: weight_of(name, weights) for name in stated_wishes(wishes)}
    ceiling = np.inf if wishes.max_list_price is None else float(wishes.max_list_price)
    floor = float(wishes.min_list_price) if wishes.min_list_price else -np.inf
    return Plan(
        tables=_tables(wishes, weight),
        city_weight=weight.get("city", 0.0),
        kind=_kind(wishes.property_sub_type, segment),
        kind_weight=weight.get("property_sub_type", 0.0),
        ceiling=ceiling,
        ceiling_span=PRICE_TOLERANCE * ceiling if np.isfinite(ceiling) else 1.0,
        ceiling_weight=weight.get("max_list_price", 0.0),
        floor=floor,
        floor_span=PRICE_TOLERANCE * floor if np.isfinite(floor) else 1.0,
        floor_weight=weight.get("min_list_price", 0.0),
        area=wishes.min_living_area or -np.inf,
        area_span=LIVING_AREA_TOLERANCE * (wishes.min_living_area or 1.0),
        area_weight=weight.get("min_living_area", 0.0),
        lowest=floor * (1 - PRICE_TOLERANCE) * (1 - NOISE),
        highest=ceiling * (1 + PRICE_TOLERANCE) * (1 + NOISE),
        stated_weight=sum(weight.values()),
    )


def demand_of(
    wishes: Wishes, segment: Segment, *, lowest: float = -np.inf, highest: float = np.inf
) -> Demand:
    """Every wish to be met, in one segment; prices beyond ``lowest`` and ``highest`` are of no interest."""
    bits = [1 << bit for bit, feature in enumerate(FEATURES) if feature in wishes.features]
    return Demand(
        lowest=lowest,
        highest=highest,
        ceiling=np.inf if wishes.max_list_price is None else float(wishes.max_list_price),
        floor=float(wishes.min_list_price) if wishes.min_list_price else -np.inf,
        bedrooms=-1 if wishes.min_bedrooms is None else wishes.min_bedrooms,
        bathrooms=-1 if wishes.min_bathrooms is None else wishes.min_bathrooms,
        area=wishes.min_living_area or -np.inf,
        kind=_kind(wishes.property_sub_type, segment),
        features=sum(bits),
    )


@functools.lru_cache(maxsize=64)
def room_closeness(wanted: int) -> Floats:
    """Closeness by room code: enough 1, one short ONE_ROOM_SHORT, fewer excluded, unknown NaN. Not to be written to."""
    table = np.full(UNKNOWN_ROOMS + 1, EXCLUDED)
    table[max(0, wanted - 1)] = ONE_ROOM_SHORT
    table[wanted:] = 1.0
    table[UNKNOWN_ROOMS] = np.nan
    table.flags.writeable = False
    return table


def price_closeness(outside: float, span: float) -> float:
    """Closeness of a price so far outside its bound (negative: within): linear to 0 at ``span``, excluded beyond."""
    if outside <= 0.0:
        return 1.0
    closeness = outside / -span + 1.0
    return EXCLUDED if closeness < -NOISE else max(closeness, 0.0)


def area_closeness(area: float, wanted: float) -> float:
    """Closeness of a living area: linear to 0 at LIVING_AREA_TOLERANCE below the wish; it never excludes."""
    return min(1.0, max(0.0, 1.0 - (wanted - area) / (LIVING_AREA_TOLERANCE * wanted)))


def _kind(wished: str | None, segment: Segment) -> int:
    if wished is None:
        return ANY_TYPE
    code = segment.type_code(wished)
    return NO_SUCH_TYPE if code is None else code


def _tables(wishes: Wishes, weight: Mapping[str, float]) -> Floats:
    tables = np.zeros((6, UNKNOWN_ROOMS + 1))
    for row, name, wanted in (
        (0, "min_bedrooms", wishes.min_bedrooms),
        (1, "min_bathrooms", wishes.min_bathrooms),
    ):
        if wanted is not None:
            tables[row, :UNKNOWN_ROOMS] = weight[name] * room_closeness(wanted)[:UNKNOWN_ROOMS]
            tables[row + 3, :UNKNOWN_ROOMS] = weight[name]
    for has, feature in zip(_FEATURE_CODES, FEATURES, strict=True):
        if feature in wishes.features:
            tables[2, : len(has)] += weight[f"feature:{feature}"] * has
    tables[5] = tables[2]
    return tables
