"""What a listing says of a home, field by field, in the words of an agent's message. What it leaves out is not said.

Called by: ml/reply_words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ghl_real_estate_ai.ml.listing_segments import feature_fact
from ghl_real_estate_ai.models.properties import Feature, Listing, StandardStatus
from ghl_real_estate_ai.models.replies import Ground


class Claim(NamedTuple):
    """``verb`` and ``words`` follow the address: "12 Oak St", "is", "listed at $450,000"."""

    verb: str
    words: str


HEADLINE: Final = ("StandardStatus", "ListPrice", "BedroomsTotal", "BathroomsTotalInteger", "LivingArea")
"""What matters most of a home, in this order."""

_STATUS: Final = {
    StandardStatus.ACTIVE: "on the market",
    StandardStatus.ACTIVE_UNDER_CONTRACT: "under contract",
    StandardStatus.COMING_SOON: "coming soon",
    StandardStatus.PENDING: "pending",
    StandardStatus.CLOSED: "closed",
    StandardStatus.WITHDRAWN: "withdrawn",
    StandardStatus.CANCELED: "canceled",
    StandardStatus.EXPIRED: "expired",
    StandardStatus.HOLD: "on hold",
}
FEATURES: Final = {
    "PoolPrivateYN": (Feature.POOL, "a pool"),
    "GarageSpaces": (Feature.GARAGE, "a garage"),
    "FireplaceYN": (Feature.FIREPLACE, "a fireplace"),
}


def claim_of(home: Listing, field: str) -> Claim | None:
    """By the field's RESO name; None where the listing leaves it out, or no words are known for it."""
    if field in FEATURES:
        feature, words = FEATURES[field]
        fact = feature_fact(home, feature)
        if fact is None:
            return None
        return Claim("has", words) if fact else Claim("is listed", f"without {words}")
    match field:
        case "StandardStatus":
            return Claim("is", _STATUS[home.standard_status])
        case "ListPrice":
            return Claim("is", f"listed at ${home.list_price:,.0f}")
        case "BedroomsTotal":
            return _counted(home.bedrooms_total, "bedroom")
        case "BathroomsTotalInteger":
            return _counted(home.bathrooms_total_integer, "bathroom")
        case "LivingArea" if home.living_area is not None:
            return Claim("has", f"{home.living_area:,.0f} sq ft")
        case "LotSizeAcres" if home.lot_size_acres is not None:
            return Claim("has", f"a lot of {home.lot_size_acres:g} acres")
        case "YearBuilt" if home.year_built is not None:
            return Claim("was", f"built in {home.year_built}")
        case _:
            return None


def _counted(rooms: int | None, noun: str) -> Claim | None:
    return None if rooms is None else Claim("has", f"{rooms} {noun}{'' if rooms == 1 else 's'}")


def by_verb(claims: Iterable[Claim]) -> list[tuple[str, list[str]]]:
    """Claims that share a verb share a sentence: "has 3 bedrooms and 1,800 sq ft"."""
    found: dict[str, list[str]] = {}
    for claim in claims:
        found.setdefault(claim.verb, []).append(claim.words)
    return list(found.items())


def ground(home: Listing, claim: str) -> Ground:
    """A claim that rests on the home's listing."""
    return Ground(claim=claim, source=f"listing {home.listing_key}")
