"""One home once, and not twenty of one building: near-duplicates folded, the first places spread, at a bounded cost.

Called by: services/property_matching_service. Pure.

Diversity is maximal marginal relevance (Carbonell and Goldstein 1998), with a bound: a home never stands before one that scores more
than MOST_LOST better. So who wants the 20 closest units of one tower still gets them when nothing else comes near.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from ghl_real_estate_ai.ml.listing_segments import name_of
from ghl_real_estate_ai.ml.property_matching import Candidate
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.properties import Listing

MOST_LOST: Final = 0.03
"""Of a score from 0 to 1: what a home may lose against a less alike one that stands behind it."""
SAME_PLACE_DEGREES: Final = 4
"""Coordinates that agree to so many decimals (11 m) are one building."""
SAME_AREA: Final = 0.02
SAME_PRICE_POINT: Final = 0.02
"""Prices (and areas) closer than this share are the same to a buyer."""
LIKENESS_OF_BUILDING: Final = 0.7
LIKENESS_OF_PRICE: Final = 0.3
_SHARED_BUILDINGS: Final = frozenset(
    {"condominium", "apartment", "stockcooperative", "cooperative", "loft", "timeshare"}
)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_WORD: Final = re.compile(r"[a-z0-9]+")
_UNIT: Final = re.compile(r"(?:\b(?:apt|apartment|unit|ste|suite|no)\b\.?|#)\s*#?\s*([\w-]+)")


class Traits(NamedTuple):
    """What tells one home from another, read once."""

    places: frozenset[tuple[str, str] | tuple[float, float]]
    unit: str
    in_a_building: bool
    bedrooms: int | None
    bathrooms: int | None
    area: float | None
    price: float


class Folded(NamedTuple):
    """A home, its traits, and the keys of its older listings."""

    candidate: Candidate
    traits: Traits
    also: tuple[ListingKey, ...] = ()


def traits_of(home: Listing) -> Traits:
    """Places: street and city, rounded coordinates; what two listings of one building share."""
    words = (home.unparsed_address or "").lower()
    unit = _UNIT.search(words) if words else None
    street = "".join(_WORD.findall(_UNIT.sub(" ", words).partition(",")[0])) if words else ""
    places: set[tuple[str, str] | tuple[float, float]] = set()
    if street:
        places.add((name_of(home.city), street))
    if home.latitude is not None and home.longitude is not None:
        places.add((round(home.latitude, SAME_PLACE_DEGREES), round(home.longitude, SAME_PLACE_DEGREES)))
    return Traits(
        places=frozenset(places),
        unit=unit[1] if unit else "",
        in_a_building=name_of(home.property_sub_type) in _SHARED_BUILDINGS,
        bedrooms=home.bedrooms_total,
        bathrooms=home.bathrooms_total_integer,
        area=home.living_area,
        price=float(home.list_price),
    )


def folded(candidates: Sequence[Candidate]) -> list[Folded]:
    """Each home once: of listings of the same home the newest stays, at its own place in the order that came in."""
    traits = [traits_of(candidate.listing) for candidate in candidates]
    groups: list[list[int]] = []
    by_place: dict[object, list[int]] = {}
    for place, own in enumerate(traits):
        near = sorted({number for key in own.places for number in by_place.get(key, ())})
        number = next((n for n in near if same_home(traits[groups[n][0]], own)), None)
        if number is None:
            number = len(groups)
            groups.append([])
        groups[number].append(place)
        for key in own.places:
            by_place.setdefault(key, []).append(number)
    found = sorted((_newest(candidates, group), group) for group in groups)
    return [
        Folded(
            candidates[stays],
            traits[stays],
            tuple(candidates[n].listing.listing_key for n in group if n != stays),
        )
        for stays, group in found
    ]


def without(homes: Sequence[Folded], unwanted: Sequence[Listing]) -> list[Folded]:
    """Without these homes, under whatever key they are listed now."""
    keys = {home.listing_key for home in unwanted}
    others = [traits_of(home) for home in unwanted]
    return [
        home
        for home in homes
        if not keys & {home.candidate.listing.listing_key, *home.also}
        and not any(same_home(home.traits, other) for other in others)
    ]


def same_home(one: Traits, other: Traits) -> bool:
    """Same address or coordinates, and nothing known that tells them apart: unit, rooms, living area.

    Where units of one building may share both (no house number of their own), rooms and area must be known, and the same.
    """
    if one.places.isdisjoint(other.places) or one.unit != other.unit:
        return False
    rooms = (one.bedrooms, other.bedrooms), (one.bathrooms, other.bathrooms)
    if any(a is not None and b is not None and a != b for a, b in rooms):
        return False
    if one.area and other.area and not _near(one.area, other.area, SAME_AREA):
        return False
    own_door = bool(one.unit) or not (one.in_a_building or other.in_a_building)
    if own_door and any(isinstance(place[0], str) for place in one.places & other.places):
        return True
    return bool(one.area and other.area) and None not in rooms[0]


def spread(homes: Sequence[Folded], scores: Sequence[float], k: int) -> list[Folded]:
    """The first ``k`` places: each time the best score less MOST_LOST times the likeness to the likest before it.

    Likeness is at most 1, so no home stands before one that scores more than MOST_LOST better. Of equals the first stays first.
    """
    left = list(range(len(homes)))
    alike = [0.0] * len(homes)
    taken: list[Folded] = []
    while left and len(taken) < k:
        chosen = max(left, key=lambda n: (scores[n] - MOST_LOST * alike[n], -n))
        left.remove(chosen)
        taken.append(homes[chosen])
        traits = homes[chosen].traits
        for n in left:
            alike[n] = max(alike[n], likeness(traits, homes[n].traits))
    return taken


def likeness(one: Traits, other: Traits) -> float:
    """0 to 1: same building, same price point."""
    building = 0.0 if one.places.isdisjoint(other.places) else LIKENESS_OF_BUILDING
    return building + (LIKENESS_OF_PRICE if _near(one.price, other.price, SAME_PRICE_POINT) else 0.0)


def _newest(candidates: Sequence[Candidate], group: Sequence[int]) -> int:
    """Its place. Without times the better one counts as newer."""
    if len(group) == 1:
        return group[0]
    changed = {n: candidates[n].listing.modification_timestamp or _LONG_AGO for n in group}
    return max(group, key=lambda n: (changed[n], -n))


def _near(a: float, b: float, share: float) -> bool:
    return abs(a - b) <= share * max(a, b)
