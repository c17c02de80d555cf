"""A home with what matching looks at as plain values, read once: where it is, what it offers, what tells it from another.

Called by: services/listing_indexes (makes them, beside the event loop); match_words, match_diversity, property_matching.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ghl_real_estate_ai.ml.listing_segments import FEATURES, ON_MARKET, feature_fact, name_of
from ghl_real_estate_ai.models.properties import Feature, Listing

SAME_PLACE_DEGREES: Final = 4
"""Coordinates that agree to so many decimals (11 m) are one building."""

_SHARED_BUILDINGS: Final = frozenset(
    {"condominium", "apartment", "stockcooperative", "cooperative", "loft", "timeshare"}
)
_WORD: Final = re.compile(r"[a-z0-9]+")
_UNIT: Final = re.compile(r"(?:\b(?:apt|apartment|unit|ste|suite|no)\b\.?|#)\s*#?\s*([\w-]+)")


class Traits(NamedTuple):
    """``places``: street and city, rounded coordinates: what two listings of one building share. None or '': not stated."""

    on_market: bool
    city: str
    kind: str
    price: float
    bedrooms: int | None
    bathrooms: int | None
    area: float | None
    features: dict[Feature, bool | None]
    places: frozenset[tuple[str, str] | tuple[float, float]]
    unit: str
    in_a_building: bool


class Home(NamedTuple):
    """A listing and its traits."""

    listing: Listing
    traits: Traits

    @classmethod
    def of(cls, listing: Listing) -> Home:
        """The home of a listing as it is now. All but its first photo stay in the database."""
        return cls(listing.with_one_photo, traits_of(listing))


def traits_of(home: Listing) -> Traits:
    """Read the listing: some ten microseconds, most of them for the address."""
    words = (home.unparsed_address or "").lower()
    unit = _UNIT.search(words) if words else None
    street = "".join(_WORD.findall(_UNIT.sub(" ", words).partition(",")[0])) if words else ""
    city, kind = name_of(home.city), name_of(home.property_sub_type)
    places: set[tuple[str, str] | tuple[float, float]] = set()
    if street:
        places.add((city, street))
    if home.latitude is not None and home.longitude is not None:
        places.add((round(home.latitude, SAME_PLACE_DEGREES), round(home.longitude, SAME_PLACE_DEGREES)))
    return Traits(
        on_market=home.standard_status in ON_MARKET,
        city=city,
        kind=kind,
        price=float(home.list_price),
        bedrooms=home.bedrooms_total,
        bathrooms=home.bathrooms_total_integer,
        area=home.living_area,
        features={feature: feature_fact(home, feature) for feature in FEATURES},
        places=frozenset(places),
        unit=unit[1] if unit else "",
        in_a_building=kind in _SHARED_BUILDINGS,
    )
