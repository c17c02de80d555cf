"""One home once, and not twenty of one building: near-duplicates folded, the first places spread, at a bounded cost.

Called by: services/property_matching_service. Pure.

Diversity is maximal marginal relevance (Carbonell and Goldstein 1998), with a bound: a home never stands before one that scores more
than MOST_LOST better. So who wants the 20 closest units of one tower still gets them when nothing else comes near.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from ghl_real_estate_ai.ml.home_traits import Home, Traits
from ghl_real_estate_ai.ml.property_matching import Candidate
from ghl_real_estate_ai.models.identifiers import ListingKey

MOST_LOST: Final = 0.03
"""Of a score from 0 to 1: what a home may lose against a less alike one that stands behind it."""
SAME_AREA: Final = 0.02
SAME_PRICE_POINT: Final = 0.02
"""Prices (and areas) closer than this share are the same to a buyer."""
LIKENESS_OF_BUILDING: Final = 0.7
LIKENESS_OF_PRICE: Final = 0.3
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class Folded(NamedTuple):
    """A home, and the keys of its older listings."""

    candidate: Candidate
    also: tuple[ListingKey, ...] = ()


def folded(candidates: Sequence[Candidate]) -> list[Folded]:
    """Each home once: of listings of the same home the newest stays, at its own place in the order that came in."""
    traits = [candidate.home.traits for candidate in candidates]
    places = [place for own in traits for place in own.places]
    if len(set(places)) == len(places):  # as a rule: no two share one
        return [Folded(candidate) for candidate in candidates]
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
            tuple(candidates[n].listing.listing_key for n in group if n != stays),
        )
        for stays, group in found
    ]


def without(homes: Sequence[Folded], unwanted: Sequence[Home]) -> list[Folded]:
    """Without these homes, under whatever key they are listed now."""
    keys = {home.listing.listing_key for home in unwanted}
    return [
        one
        for one in homes
        if not keys & {one.candidate.listing.listing_key, *one.also}
        and not any(same_home(one.candidate.home.traits, other.traits) for other in unwanted)
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
    taken: list[Traits] = []
    shown: list[Folded] = []
    alike = [0.0] * len(homes)
    compared = [0] * len(homes)
    # Lazily: what is taken can only lower a home, so the best old value, brought up to date and still the best, is the best.
    queue = [(-score, n) for n, score in enumerate(scores)]
    heapq.heapify(queue)
    while queue and len(shown) < k:
        _, n = queue[0]
        if compared[n] == len(taken):
            heapq.heappop(queue)
            shown.append(homes[n])
            taken.append(homes[n].candidate.home.traits)
            continue
        own = homes[n].candidate.home.traits
        alike[n] = max(alike[n], *(likeness(other, own) for other in taken[compared[n] :]))
        compared[n] = len(taken)
        heapq.heapreplace(queue, (-(scores[n] - MOST_LOST * alike[n]), n))
    return shown


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
