"""The homes of the simulated city, as RESO-named dicts that say they are simulated, and what a buyer may wish of them.

Called by simulation/city.py.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

Home = dict[str, JsonValue]
"""One listing by RESO field names; a field that the 'MLS' left out is absent."""

SOURCE_NAME: Final = "EnterpriseHub city simulator"


@dataclass(frozen=True, slots=True)
class Market:
    """A made-up town. ``price_per_sqft`` in US dollars, ``share`` of the city's homes and buyers."""

    name: str
    price_per_sqft: float
    share: float
    near_water: float
    streets: tuple[str, ...]


MARKETS: Final = (
    Market("Larkspur Bay", 420, 0.24, 0.30, ("Harbor View Rd", "Gull Ln", "Larkspur Ave", "Pier St", "Tidewater Ct")),
    Market("Copper Mesa", 215, 0.28, 0.02, ("Mesa Verde Dr", "Copper Ridge Rd", "Sagebrush Way", "Canyon St")),
    Market("Elm Harbor", 310, 0.20, 0.18, ("Elm St", "Boathouse Rd", "Maple Ct", "Lantern Way", "Mill Pond Ln")),
    Market("Juniper Flats", 175, 0.18, 0.01, ("Juniper Blvd", "Meadowlark Dr", "Cottonwood St", "Prairie Ln")),
    Market("Stonebrook", 265, 0.10, 0.06, ("Quarry Rd", "Brookside Dr", "Millstone Ave", "Orchard Hill Rd")),
)  # fmt: skip

_SUB_TYPES: Final = ("SingleFamilyResidence", "Townhouse", "Condominium")
_SUB_TYPE_SHARES: Final = (0.62, 0.20, 0.18)
_BEDROOM_SHARES: Final = {
    "SingleFamilyResidence": (0.02, 0.10, 0.42, 0.34, 0.12),
    "Townhouse": (0.05, 0.38, 0.47, 0.10, 0.0),
    "Condominium": (0.32, 0.48, 0.18, 0.02, 0.0),
}
_SUB_TYPE_PRICE: Final = {"SingleFamilyResidence": 1.0, "Townhouse": 0.93, "Condominium": 1.08}
_MISSING: Final = 0.06
"""Share of optional fields that a listing leaves out: real feeds are never complete."""
_OPTIONAL: Final = (
    "LotSizeAcres", "YearBuilt", "GarageSpaces", "PoolPrivateYN", "FireplaceYN", "WaterfrontYN", "LivingArea",
    "BathroomsTotalInteger",
)  # fmt: skip
_AMENITIES: Final = {
    "garage": "GarageSpaces",
    "pool": "PoolPrivateYN",
    "fireplace": "FireplaceYN",
    "waterfront": "WaterfrontYN",
    "new_construction": "NewConstructionYN",
}


def build_homes(rng: random.Random, count: int, listed_before: datetime) -> list[Home]:
    """``count`` listings; their ModificationTimestamp lies in the 60 days before ``listed_before``."""
    return [_build_home(rng, number, listed_before) for number in range(count)]


def _build_home(rng: random.Random, number: int, listed_before: datetime) -> Home:
    market = rng.choices(MARKETS, [m.share for m in MARKETS])[0]
    sub_type = rng.choices(_SUB_TYPES, _SUB_TYPE_SHARES)[0]
    bedrooms = 1 + rng.choices(range(5), _BEDROOM_SHARES[sub_type])[0]
    area = round(rng.gauss(350 + 480 * bedrooms, 140), -1)
    year = int(rng.triangular(1925, listed_before.year, 1998))
    new = year >= listed_before.year - 1
    waterfront = rng.random() < market.near_water
    pool = sub_type == "SingleFamilyResidence" and rng.random() < 0.16
    price = area * market.price_per_sqft * _SUB_TYPE_PRICE[sub_type] * rng.lognormvariate(0.0, 0.13)
    price *= 1 + 0.25 * waterfront + 0.05 * pool + 0.08 * new + 0.002 * (year - 1975)
    changed = listed_before - timedelta(minutes=rng.randrange(60 * 24 * 60))
    home: Home = {
        "ListingKey": f"CITY-{number + 1:06d}",
        "StandardStatus": "Active" if rng.random() < 0.93 else "Pending",
        "ListPrice": max(60_000, round(price / 1_000) * 1_000),
        "PropertyType": "Residential",
        "PropertySubType": sub_type,
        "BedroomsTotal": bedrooms,
        "BathroomsTotalInteger": max(1, round(bedrooms * 0.7 + rng.gauss(0.2, 0.4))),
        "LivingArea": max(420.0, area),
        "YearBuilt": year,
        "GarageSpaces": 0 if sub_type == "Condominium" and rng.random() < 0.6 else rng.choice((0, 1, 2, 2, 3)),
        "PoolPrivateYN": pool,
        "FireplaceYN": rng.random() < 0.4,
        "WaterfrontYN": waterfront,
        "NewConstructionYN": new,
        "UnparsedAddress": f"{rng.randrange(1, 400) * 5} {rng.choice(market.streets)}, {market.name}",
        "City": market.name,
        "OriginatingSystemName": SOURCE_NAME,
        "ModificationTimestamp": changed.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "Simulated": True,
    }  # fmt: skip
    if sub_type != "Condominium":
        home["LotSizeAcres"] = round(max(0.03, rng.lognormvariate(-1.5, 0.6)), 2)
    for field in _OPTIONAL:
        if field in home and rng.random() < _MISSING:
            del home[field]
    return home


def draw_wishes(rng: random.Random) -> dict[str, JsonValue]:
    """What one buyer wants, by the field names of models.properties.Wishes. Always a town, a budget and bedrooms."""
    market = rng.choices(MARKETS, [m.share for m in MARKETS])[0]
    bedrooms = rng.choices((1, 2, 3, 4), (0.14, 0.34, 0.36, 0.16))[0]
    typical = (350 + 480 * bedrooms) * market.price_per_sqft
    wishes: dict[str, JsonValue] = {
        "city": market.name,
        "max_list_price": round(typical * rng.uniform(0.95, 1.5) / 5_000) * 5_000,
        "min_bedrooms": bedrooms,
    }
    if rng.random() < 0.4:
        wishes["min_bathrooms"] = max(1, bedrooms - 1)
    if rng.random() < 0.25:
        wishes["min_living_area"] = 100 * round((300 + 400 * bedrooms) / 100)
    if rng.random() < 0.3:
        wishes["property_sub_type"] = rng.choices(_SUB_TYPES, _SUB_TYPE_SHARES)[0]
    if rng.random() < 0.35:
        wanted = rng.sample(("garage", "pool", "fireplace", "new_construction"), rng.choice((1, 1, 2)))
        wishes["features"] = [*sorted(wanted)]
    return wishes


def fits(home: Home, wishes: dict[str, JsonValue]) -> bool:
    """Whether a home meets every hard wish; amenities count only where the listing states them."""
    if home["City"] != wishes["city"] or not _at_most(home.get("ListPrice"), wishes.get("max_list_price")):
        return False
    if wishes.get("property_sub_type") not in {None, home.get("PropertySubType")}:
        return False
    floors = (
        ("BedroomsTotal", "min_bedrooms"),
        ("BathroomsTotalInteger", "min_bathrooms"),
        ("LivingArea", "min_living_area"),
    )
    return all(_at_most(wishes.get(wish), home.get(field)) for field, wish in floors)


def meets_amenities(home: Home, wishes: dict[str, JsonValue]) -> bool:
    """Whether the listing states every amenity that was wished for."""
    features = wishes.get("features")
    return all(home.get(_AMENITIES[str(name)]) for name in features) if isinstance(features, list) else True


def _at_most(low: JsonValue, high: JsonValue) -> bool:
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return True
    return low <= high


def shortlist(
    homes_in_town: Sequence[tuple[int, Home]], wishes: dict[str, JsonValue], rng: random.Random
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Indexes of up to 12 homes that fit and up to 6 that do not: what this buyer will come across."""
    sample = rng.sample(homes_in_town, min(len(homes_in_town), 60))
    good = [index for index, home in sample if fits(home, wishes)]
    poor = [index for index, home in sample if not fits(home, wishes)]
    return tuple(good[:12]), tuple(poor[:6])
