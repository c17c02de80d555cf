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
_UNIT: Final = re.compile(r"(?:\b(?:apt|apartment|unit|ste|suite|no)\b\.?|#)\s*#?\s*([\w-]+)")


class Folded(NamedTuple):
    """A home, and the keys of its older listings."""

    candidate: Candidate
    also: tuple[ListingKey, ...] = ()


def folded(candidates: Sequence[Candidate]) -> list[Folded]:
    """Each home once: of listings of the same home the newest stays, at its own place in the order that came in."""
    groups: list[list[int]] = []
    by_place: dict[tuple[object, ...], list[int]] = {}
    for place, candidate in enumerate(candidates):
        keys = _places(candidate.listing)
        near = sorted({number for key in keys for number in by_place.get(key, ())})
        number = next(
            (n for n in near if same_home(candidates[groups[n][0]].listing, candidate.listing)), None
        )
        if number is None:
            number = len(groups)
            groups.append([])
        groups[number].append(place)
        for key in keys:
            by_place.setdefault(key, []).append(number)
    found = [_newest(candidates, group) for group in groups]
    return [home for _, home in sorted(found, key=lambda one: one[0])]


def without(homes: Sequence[Folded], unwanted: Sequence[Listing]) -> list[Folded]:
    """Without these homes, under whatever key they are listed now."""
    keys = {home.listing_key for home in unwanted}
    places = {place for home in unwanted for place in _places(home)}
    return [
        home
        for home in homes
        if not keys & {home.candidate.listing.listing_key, *home.also}
        and not (
            places & set(_places(home.candidate.listing))
            and any(same_home(home.candidate.listing, other) for other in unwanted)
        )
    ]


def same_home(one: Listing, other: Listing) -> bool:
    """Same address or coordinates, and nothing known that tells them apart: unit, rooms, living area.

    Where units of one building may share both (no house number of their own), rooms and area must be known, and the same.
    """
    shared = set(_places(one)) & set(_places(other))
    if not shared or _unit(one) != _unit(other):
        return False
    pairs = [
        (one.bedrooms_total, other.bedrooms_total, 0.0),
        (one.bathrooms_total_integer, other.bathrooms_total_integer, 0.0),
        (one.living_area, other.living_area, SAME_AREA),
    ]
    if any(a is not None and b is not None and not _near(a, b, share) for a, b, share in pairs):
        return False
    own_door = bool(_unit(one)) or not (_in_a_building(one) or _in_a_building(other))
    by_address = any(isinstance(place[1], str) for place in shared)
    return (own_door and by_address) or all(a is not None and b is not None for a, b, _ in pairs[::2])


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
        listing = homes[chosen].candidate.listing
        for n in left:
            alike[n] = max(alike[n], likeness(listing, homes[n].candidate.listing))
    return taken


def likeness(one: Listing, other: Listing) -> float:
    """0 to 1: same building, same price point."""
    building = bool(set(_places(one)) & set(_places(other)))
    price = _near(float(one.list_price), float(other.list_price), SAME_PRICE_POINT)
    return LIKENESS_OF_BUILDING * building + LIKENESS_OF_PRICE * price


def _newest(candidates: Sequence[Candidate], group: Sequence[int]) -> tuple[int, Folded]:
    """Its place, and itself. Without times the better one counts as newer."""
    changed = {n: candidates[n].listing.modification_timestamp or _LONG_AGO for n in group}
    stays = max(group, key=lambda n: (changed[n], -n))
    others = tuple(candidates[n].listing.listing_key for n in group if n != stays)
    return stays, Folded(candidates[stays], others)


def _places(home: Listing) -> tuple[tuple[object, ...], ...]:
    """What two listings of one building share: street and city, rounded coordinates."""
    found: list[tuple[object, ...]] = []
    street = _street(home)
    if street:
        found.append((name_of(home.city), street))
    if home.latitude is not None and home.longitude is not None:
        place = round(home.latitude, SAME_PLACE_DEGREES), round(home.longitude, SAME_PLACE_DEGREES)
        found.append(place)
    return tuple(found)


def _street(home: Listing) -> str:
    """The address without its unit, letters and digits only."""
    words = (home.unparsed_address or "").lower()
    return "".join(re.findall(r"[a-z0-9]+", _UNIT.sub(" ", words).partition(",")[0]))


def _unit(home: Listing) -> str:
    found = _UNIT.search((home.unparsed_address or "").lower())
    return found[1] if found else ""


def _in_a_building(home: Listing) -> bool:
    return name_of(home.property_sub_type) in _SHARED_BUILDINGS


def _near(a: float, b: float, share: float) -> bool:
    return abs(a - b) <= share * max(a, b)
