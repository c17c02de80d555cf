"""Homes on the market as columns, sorted by (market, price, listing key): 49 bytes a home, no object each.

Called by: property_matching (one large segment, one small one of what changed since), commands/match_benchmarks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numpy.dtypes import StringDType

from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.properties import Feature, Listing, StandardStatus

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]
Flags = npt.NDArray[np.uint8]
Keys = npt.NDArray[Any]  # of StringDType: up to 15 bytes of a key lie in the array itself

ON_MARKET: Final = frozenset({StandardStatus.ACTIVE, StandardStatus.COMING_SOON})

ROOM_BITS: Final = 7
UNKNOWN_ROOMS: Final = (1 << ROOM_BITS) - 1
BATHS_SHIFT: Final = ROOM_BITS
FEATURES: Final = tuple(Feature)
FEATURE_BITS: Final = 5
YES_SHIFT: Final = 2 * ROOM_BITS
KNOWN_SHIFT: Final = YES_SHIFT + FEATURE_BITS
TYPE_SHIFT: Final = KNOWN_SHIFT + FEATURE_BITS
UNKNOWN_TYPE: Final = 0xFFFF_FFFF  # more than a segment has homes, so each type has a code of its own
"""One integer per home: bedrooms, bathrooms, the features that it has, those that it speaks of, its type."""

MOST_ROWS: Final = 1 << 24
"""Rows of one segment: as many as the ranking integer has places for keys."""

_GATHERED: Final = 50_000  # keys copied at once: the copy holds the interpreter's lock


@dataclass(frozen=True)
class Segment:
    """Immutable. ``keys`` lie in their own order; ``rank[row]`` is a row's place among them, ``row_of`` the way back.

    ``starts[m] : starts[m + 1]`` are the rows of ``markets[m]``, by price. An area that is not known is NaN.
    """

    keys: Keys
    row_of: Places
    markets: tuple[str, ...]
    starts: Codes
    types: tuple[str, ...]
    price: Floats
    area: Floats
    codes: Codes
    rank: Places

    @classmethod
    def of(cls, listings: Iterable[Listing]) -> Segment:
        """The homes among them that are on the market; of a key given twice the last stands."""
        newest = {home.listing_key: home for home in listings}
        homes = [home for home in newest.values() if home.standard_status in ON_MARKET]
        cities = [name_of(home.city) for home in homes]
        kinds = [name_of(home.property_sub_type) for home in homes]
        markets, market = _coded(cities)
        types, kind = _coded(kinds)
        if types and not types[0]:  # the empty name sorts first: not stated
            types, kind = types[1:], np.where(kind == 0, UNKNOWN_TYPE, kind - 1)
        codes = np.fromiter(map(_code, homes), dtype=np.int64, count=len(homes))
        return cls.of_columns(
            keys=np.array([home.listing_key for home in homes], dtype=StringDType()),
            market=market,
            markets=markets,
            types=types,
            price=np.array([float(home.list_price) for home in homes], dtype=np.float64),
            area=np.array([home.living_area or np.nan for home in homes], dtype=np.float64),
            codes=codes | kind << TYPE_SHIFT,
        )

    @classmethod
    def of_columns(
        cls,
        *,
        keys: Keys,
        market: Codes,
        markets: tuple[str, ...],
        types: tuple[str, ...],
        price: Floats,
        area: Floats,
        codes: Codes,
    ) -> Segment:
        """Sort columns whose rows lie in any order. Each key once; ``market`` and the types are places in their sorted names."""
        count = len(keys)
        if count >= MOST_ROWS:
            raise ValueError(f"{count} homes on the market; one segment holds {MOST_ROWS - 1}")
        by_key = np.argsort(keys, kind="stable")
        rank = np.empty(count, dtype=np.int32)
        rank[by_key] = np.arange(count, dtype=np.int32)
        rows = np.lexsort((rank, price, market))
        row_of = np.empty(count, dtype=np.int32)
        rank = rank[rows]
        row_of[rank] = np.arange(count, dtype=np.int32)
        return cls(
            keys=_gather(keys, by_key),
            row_of=row_of,
            markets=markets,
            starts=np.searchsorted(market[rows], np.arange(len(markets) + 1)).astype(np.int64),
            types=types,
            price=price[rows],
            area=area[rows],
            codes=codes[rows],
            rank=rank,
        )

    @classmethod
    def merged(cls, parts: Sequence[tuple[Segment, Flags]]) -> Segment:
        """One segment of the rows that are not dead. Each part has its flags by row; no key lives in two parts."""
        markets = tuple(sorted({name for part, _ in parts for name in part.markets}))
        types = tuple(sorted({name for part, _ in parts for name in part.types}))
        columns = [part.living(dead, markets, types) for part, dead in parts]
        keys, market, price, area, codes = zip(*columns, strict=True) if columns else ((), (), (), (), ())
        return cls.of_columns(
            keys=np.concatenate([np.empty(0, dtype=StringDType()), *keys]),
            market=np.concatenate([np.empty(0, dtype=np.int64), *market]),
            markets=markets,
            types=types,
            price=np.concatenate([np.empty(0), *price]),
            area=np.concatenate([np.empty(0), *area]),
            codes=np.concatenate([np.empty(0, dtype=np.int64), *codes]),
        )

    def living(
        self, dead: Flags, markets: tuple[str, ...], types: tuple[str, ...]
    ) -> tuple[Keys, Codes, Floats, Floats, Codes]:
        """Keys, markets, prices, areas and codes of the rows that are not dead, by key, in the words of another segment."""
        rows = self.row_of[dead[self.row_of] == 0]
        place = {name: code for code, name in enumerate(markets)}
        market = np.repeat(
            np.array([place[name] for name in self.markets], dtype=np.int64), np.diff(self.starts)
        )
        kinds = {name: code for code, name in enumerate(types)}
        kind = np.array([*(kinds[name] for name in self.types), UNKNOWN_TYPE], dtype=np.int64)
        own = np.minimum(self.codes[rows] >> TYPE_SHIFT, len(self.types))  # unknown is the last
        codes = (self.codes[rows] & (1 << TYPE_SHIFT) - 1) | kind[own] << TYPE_SHIFT
        return _gather(self.keys, self.rank[rows]), market[rows], self.price[rows], self.area[rows], codes

    def __len__(self) -> int:
        return len(self.price)

    @property
    def nbytes(self) -> int:
        """Bytes of the columns; what lies beside them of keys over 15 bytes is not counted."""
        columns = (self.keys, self.row_of, self.starts, self.price, self.area, self.codes, self.rank)
        return sum(column.nbytes for column in columns)

    def row(self, key: ListingKey) -> int | None:
        """The row of a home; None if it is not here."""
        place = bisect_left(self.keys, key)
        return int(self.row_of[place]) if place < len(self.keys) and self.keys[place] == key else None

    def market_rows(self, city: str | None) -> tuple[Codes, Codes]:
        """First row and the one after the last, of the market with this name, or of every market."""
        if city is None:
            return self.starts[:-1], self.starts[1:]
        name = name_of(city)
        place = bisect_left(self.markets, name)
        found = int(place < len(self.markets) and self.markets[place] == name)
        return self.starts[place : place + found], self.starts[place + 1 : place + 1 + found]

    def type_code(self, sub_type: str) -> int | None:
        """The code of a type; None if no home is of it."""
        name = name_of(sub_type)
        place = bisect_left(self.types, name)
        return place if place < len(self.types) and self.types[place] == name else None


def name_of(text: str | None) -> str:
    """A city or type as it is compared: case and spaces do not matter ('Single Family' is 'SingleFamily')."""
    return "".join((text or "").split()).casefold()


def room_code(rooms: int | None) -> int:
    """So many rooms, as a code; beyond 126 all are one."""
    return UNKNOWN_ROOMS if rooms is None else min(rooms, UNKNOWN_ROOMS - 1)


def feature_fact(home: Listing, feature: Feature) -> bool | None:
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


def _code(home: Listing) -> int:
    """Everything but the type."""
    code = room_code(home.bedrooms_total) | room_code(home.bathrooms_total_integer) << BATHS_SHIFT
    for bit, feature in enumerate(FEATURES):
        fact = feature_fact(home, feature)
        if fact is not None:
            code |= int(fact) << YES_SHIFT + bit | 1 << KNOWN_SHIFT + bit
    return code


def _coded(names: list[str]) -> tuple[tuple[str, ...], Codes]:
    """The distinct names, sorted, and each name's place among them."""
    distinct = tuple(sorted(set(names)))
    place = {name: code for code, name in enumerate(distinct)}
    return distinct, np.fromiter((place[name] for name in names), dtype=np.int64, count=len(names))


def _gather(keys: Keys, places: npt.NDArray[Any]) -> Keys:
    """``keys[places]``, with a breath between parts: other threads, the event loop among them, get their turn."""
    gathered = np.empty(len(places), dtype=keys.dtype)
    for start in range(0, len(places), _GATHERED):
        gathered[start : start + _GATHERED] = keys[places[start : start + _GATHERED]]
    return gathered
