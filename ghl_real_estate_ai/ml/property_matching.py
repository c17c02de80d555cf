"""Exact matching of homes to a buyer's stated wishes, over columns sorted by market and price.

Called by: services/property_matching_service.

Hard filters (a home known to break one is no match): on the market, the wished city, the price band and its tolerance,
at most one bed- or bathroom short, the wished type. What remains is ranked by weighted closeness of the wishes that
are known of it. A field that the listing leaves out is neither met nor missed: it passes the filter and adds no weight,
and among equal scores the home with more known weight stands first. Nothing but stated wishes steers a match.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.matching_models import (
    LIVING_AREA_TOLERANCE,
    ONE_ROOM_SHORT,
    PRICE_TOLERANCE,
    WISH_WEIGHTS,
    WishOutcome,
    WishResult,
)
from ghl_real_estate_ai.models.properties import Feature, Listing, StandardStatus, Wishes

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

_ON_MARKET: Final = frozenset({StandardStatus.ACTIVE, StandardStatus.COMING_SOON})
_EXCLUDED: Final = -1e6  # a closeness so low that no sum of weights lifts it above zero
_UNKNOWN: Final = -1  # a code; as an index it reads the last row of a table
_ROOMS: Final = 100  # room counts from 98 on are one code; the last row is "unknown"
_NOISE: Final = 1e-9  # below this two closenesses are the same: floats, not homes, differ
_KEY_BITS: Final = 24
_WEIGHT_BITS: Final = 8
_FEATURE_BITS: Final = {feature: 1 << index for index, feature in enumerate(Feature)}
_ALL_FEATURES: Final = len(_FEATURE_BITS)


class Candidate(NamedTuple):
    """A home that passed the filters, its score (0 to 1), and what it says to each stated wish."""

    listing: Listing
    score: float
    wishes: tuple[WishResult, ...]


class ListingIndex:
    """The homes on the market of one tenant. Immutable: build a new one when listings change."""

    def __init__(self, listings: Sequence[Listing]) -> None:
        newest = {home.listing_key: home for home in listings}
        keyed = {key: home for key, home in newest.items() if home.standard_status in _ON_MARKET}
        if len(keyed) >= 1 << _KEY_BITS:
            raise ValueError(f"{len(keyed)} listings on the market; one index holds {(1 << _KEY_BITS) - 1}")
        homes = sorted(keyed.values(), key=lambda home: (_name(home.city), home.list_price, home.listing_key))
        ranks: dict[ListingKey, int] = {key: rank for rank, key in enumerate(sorted(keyed))}
        types = sorted({_name(home.property_sub_type) for home in homes if home.property_sub_type})
        self._homes = homes
        self._markets = _slices([_name(home.city) for home in homes])
        self._types = {name: code for code, name in enumerate(types)}
        self._key_order = _codes((1 << _KEY_BITS) - 1 - ranks[home.listing_key] for home in homes)
        self._price = np.array([float(home.list_price) for home in homes], dtype=np.float64)
        self._area = np.array([home.living_area or np.nan for home in homes], dtype=np.float64)
        self._beds = _codes(_room_code(home.bedrooms_total) for home in homes)
        self._baths = _codes(_room_code(home.bathrooms_total_integer) for home in homes)
        self._type = _codes(
            self._types[_name(home.property_sub_type)] if home.property_sub_type else _UNKNOWN
            for home in homes
        )
        self._features = _codes(_feature_code(home) for home in homes)

    @classmethod
    def build(cls, listings: Sequence[Listing]) -> ListingIndex:
        """Index the listings that are Active or ComingSoon; of a key given twice, the last stands."""
        return cls(listings)

    def __len__(self) -> int:
        return len(self._homes)

    def query(self, wishes: Wishes, k: int) -> list[Candidate]:
        """The exact best ``k``: by score, then known weight, then listing key. Empty when no wish is stated.

        A home of which no stated wish is known is no match.
        """
        if not wishes.stated or k < 1:
            return []
        start, stop = self._slice(wishes)
        score, known = self._scores(wishes, slice(start, stop))
        least = np.partition(score, len(score) - k)[len(score) - k] if len(score) > k else 0.0
        rows = np.flatnonzero(score >= max(0.0, least - _NOISE))
        steps = np.rint(score[rows] / _NOISE).astype(np.int64)
        # one integer per home, unique: score, then known weight, then key; so the order is total and exact
        order = (steps << _KEY_BITS + _WEIGHT_BITS) | (known[rows].astype(np.int64) << _KEY_BITS)
        order |= self._key_order[start:stop][rows]
        best = np.argpartition(order, len(order) - k)[-k:] if len(order) > k else np.arange(len(order))
        best = best[np.argsort(order[best])[::-1]]
        return [self._explained(wishes, start + int(rows[row]), float(steps[row]) * _NOISE) for row in best]

    def _slice(self, wishes: Wishes) -> tuple[int, int]:
        """Rows of the wished market within the tolerated price band (a little wider: floats), or all rows."""
        if wishes.city is None:
            return 0, len(self._homes)
        start, stop = self._markets.get(_name(wishes.city), (0, 0))
        prices = self._price[start:stop]
        low, high = 0, stop - start
        if wishes.min_list_price is not None:
            bound = float(wishes.min_list_price) * (1 - PRICE_TOLERANCE)
            low = int(np.searchsorted(prices, bound * (1 - _NOISE), side="left"))
        if wishes.max_list_price is not None:
            bound = float(wishes.max_list_price) * (1 + PRICE_TOLERANCE)
            high = int(np.searchsorted(prices, bound * (1 + _NOISE), side="right"))
        return start + low, start + max(low, high)

    def _scores(self, wishes: Wishes, rows: slice) -> tuple[Floats, Floats]:
        """Per row: the mean of the known closenesses by weight (negative: filtered), and the known weight."""
        total, known = self._sums(wishes, rows)
        if wishes.city is None:  # else every home has some known weight
            total[known == 0] = _EXCLUDED
            known[known == 0] = 1.0
        total /= known
        return total, known

    def _sums(self, wishes: Wishes, rows: slice) -> tuple[Floats, Floats]:
        count = rows.stop - rows.start
        closeness = np.zeros(count)
        known = np.zeros(count)
        if wishes.city is not None:
            closeness += WISH_WEIGHTS["city"]
            known += WISH_WEIGHTS["city"]
        for name, values in self._price_closeness(wishes, self._price[rows]):
            closeness += WISH_WEIGHTS[name] * values
            known += WISH_WEIGHTS[name]
        if wishes.min_living_area is not None:
            values = _area_closeness(self._area[rows], wishes.min_living_area)
            is_known = np.isfinite(values)
            np.add(closeness, WISH_WEIGHTS["min_living_area"] * values, out=closeness, where=is_known)
            known += WISH_WEIGHTS["min_living_area"] * is_known
        for codes, weighted, weights in self._coded(wishes):
            closeness += weighted[codes[rows]]
            known += weights[codes[rows]]
        return closeness, known

    def _price_closeness(self, wishes: Wishes, prices: Floats) -> Iterator[tuple[str, Floats]]:
        if wishes.max_list_price is not None:
            ceiling = float(wishes.max_list_price)
            yield "max_list_price", _outside(prices - ceiling, PRICE_TOLERANCE * ceiling)
        if wishes.min_list_price:
            floor = float(wishes.min_list_price)
            yield "min_list_price", _outside(floor - prices, PRICE_TOLERANCE * floor)

    def _coded(self, wishes: Wishes) -> Iterator[tuple[Codes, Floats, Floats]]:
        """Per wish about a coded column: the codes, and by code the weighted closeness and the known weight."""
        for name, codes, wanted in (
            ("min_bedrooms", self._beds, wishes.min_bedrooms),
            ("min_bathrooms", self._baths, wishes.min_bathrooms),
        ):
            if wanted is not None:
                yield codes, *_weighted(_room_closeness(wanted), WISH_WEIGHTS[name])
        if wishes.property_sub_type is not None:
            by_type = np.full(len(self._types) + 1, _EXCLUDED)
            by_type[self._types.get(_name(wishes.property_sub_type), _UNKNOWN)] = 1.0
            by_type[_UNKNOWN] = np.nan
            yield self._type, *_weighted(by_type, WISH_WEIGHTS["property_sub_type"])
        if wishes.features:
            yield self._features, *_feature_tables(wishes.features)

    def _explained(self, wishes: Wishes, row: int, score: float) -> Candidate:
        home = self._homes[row]
        return Candidate(home, min(1.0, score), tuple(_results(wishes, home)))


def _name(text: str | None) -> str:
    """A city or type as it is compared: case and spaces do not matter ('Single Family' is 'SingleFamily')."""
    return "".join((text or "").split()).casefold()


def _codes(values: Iterator[int]) -> Codes:
    return np.fromiter(values, dtype=np.intp)


def _slices(markets: Sequence[str]) -> dict[str, tuple[int, int]]:
    starts = [row for row, name in enumerate(markets) if row == 0 or markets[row - 1] != name]
    return {markets[start]: (start, stop) for start, stop in pairwise([*starts, len(markets)])}


def _room_code(rooms: int | None) -> int:
    return _UNKNOWN if rooms is None else min(rooms, _ROOMS - 2)


def _fact(home: Listing, feature: Feature) -> bool | None:
    """Whether the home has the feature, by its RESO field; None: the listing does not say."""
    match feature:
        case Feature.GARAGE:
            return None if home.garage_spaces is None else home.garage_spaces >= 1
        case Feature.POOL:
            return home.pool_private_yn
        case Feature.FIREPLACE:
            return home.fireplace_yn
        case Feature.WATERFRONT:
            return home.waterfront_yn
        case Feature.NEW_CONSTRUCTION:
            return home.new_construction_yn


def _feature_code(home: Listing) -> int:
    """All features in one code: low bits say yes, high bits say known."""
    code = 0
    for feature, bit in _FEATURE_BITS.items():
        fact = _fact(home, feature)
        code |= (bit if fact else 0) | (0 if fact is None else bit << _ALL_FEATURES)
    return code


def _feature_tables(wished: frozenset[Feature]) -> tuple[Floats, Floats]:
    codes = np.arange(1 << (2 * _ALL_FEATURES))
    bits = [_FEATURE_BITS[feature] for feature in wished]
    yes = sum(((codes & bit) != 0).astype(np.float64) for bit in bits)
    known = sum(((codes & (bit << _ALL_FEATURES)) != 0).astype(np.float64) for bit in bits)
    return np.asarray(WISH_WEIGHTS["feature"] * yes), np.asarray(WISH_WEIGHTS["feature"] * known)


def _weighted(closeness: Floats, weight: int) -> tuple[Floats, Floats]:
    return np.nan_to_num(weight * closeness), np.where(np.isnan(closeness), 0.0, float(weight))


def _room_closeness(wanted: int) -> Floats:
    """Closeness by room code: enough 1, one short ONE_ROOM_SHORT, fewer excluded, unknown NaN."""
    table = np.full(_ROOMS, _EXCLUDED)
    table[max(0, wanted - 1)] = ONE_ROOM_SHORT
    table[wanted:] = 1.0
    table[_UNKNOWN] = np.nan
    return table


def _outside(distance: Floats, tolerance: float) -> Floats:
    """Closeness of a price ``distance`` outside its bound (negative: within): linear to 0, excluded beyond."""
    closeness = np.maximum(distance, 0.0)
    closeness /= -tolerance
    closeness += 1.0
    beyond = closeness < -_NOISE
    np.maximum(closeness, 0.0, out=closeness)
    closeness[beyond] = _EXCLUDED
    return closeness


def _area_closeness(area: Floats, wanted: float) -> Floats:
    return np.clip(1.0 - (wanted - area) / (LIVING_AREA_TOLERANCE * wanted), 0.0, 1.0)


# --- in words: only for the homes that are shown ------------------------------------------------------------------


def _results(wishes: Wishes, home: Listing) -> Iterator[WishResult]:
    """What the home says to each stated wish, in a fixed order."""
    if wishes.city is not None:
        yield _met("city", f"in {home.city}")
    yield from _price_results(wishes, home)
    for name, rooms, wanted, words in (
        ("min_bedrooms", home.bedrooms_total, wishes.min_bedrooms, "bedrooms"),
        ("min_bathrooms", home.bathrooms_total_integer, wishes.min_bathrooms, "bathrooms"),
    ):
        if wanted is not None:
            closeness = None if rooms is None else float(_room_closeness(wanted)[_room_code(rooms)])
            said = f"{words} not stated" if rooms is None else f"{rooms} {words}"
            yield _result(name, closeness, f"{said} (wished {wanted} or more)")
    if wishes.min_living_area is not None:
        area = home.living_area
        closeness = None if area is None else float(_area_closeness(np.array(area), wishes.min_living_area))
        said = "living area not stated" if area is None else f"{area:,.0f} sq ft"
        yield _result("min_living_area", closeness, f"{said} (wished {wishes.min_living_area:,.0f} or more)")
    if wishes.property_sub_type is not None:
        kind = home.property_sub_type
        yield _result("property_sub_type", 1.0 if kind else None, kind or "type not stated")
    for feature in sorted(wishes.features):
        fact, words = _fact(home, feature), feature.replace("_", " ")
        said = f"{words} not stated" if fact is None else words if fact else f"no {words}"
        yield _result(f"feature:{feature}", None if fact is None else float(fact), said)


def _price_results(wishes: Wishes, home: Listing) -> Iterator[WishResult]:
    price, wanted = home.list_price, wishes.max_list_price
    if wanted is not None:
        over = f"${price - wanted:,.0f} above" if price > wanted else "within"
        closeness = _outside(np.array([float(price - wanted)]), PRICE_TOLERANCE * float(wanted))[0]
        yield _result("max_list_price", closeness, f"${price:,.0f}, {over} the maximum of ${wanted:,.0f}")
    wanted = wishes.min_list_price
    if wanted:
        under = f"${wanted - price:,.0f} below" if price < wanted else "above"
        closeness = _outside(np.array([float(wanted - price)]), PRICE_TOLERANCE * float(wanted))[0]
        yield _result("min_list_price", closeness, f"${price:,.0f}, {under} the minimum of ${wanted:,.0f}")


def _met(wish: str, detail: str) -> WishResult:
    return WishResult(wish=wish, outcome=WishOutcome.MET, closeness=1.0, detail=detail)


def _result(wish: str, closeness: float | None, detail: str) -> WishResult:
    if closeness is None:
        return WishResult(wish=wish, outcome=WishOutcome.UNKNOWN, closeness=None, detail=detail)
    outcome = WishOutcome.MET if closeness >= 1.0 else WishOutcome.MISSED
    return WishResult(wish=wish, outcome=outcome, closeness=closeness, detail=detail)
