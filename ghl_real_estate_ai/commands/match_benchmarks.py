"""Top-20 of a million homes, beside the same question put to numpy, Polars and DuckDB. Called by ``benchmarks``.

The homes are synthetic and say so: 400 markets of skewed size, the largest with a quarter of them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import numpy as np
from numpy.dtypes import StringDType

from ghl_real_estate_ai.ml.listing_segments import (
    BATHS_SHIFT,
    KNOWN_SHIFT,
    TYPE_SHIFT,
    UNKNOWN_ROOMS,
    YES_SHIFT,
    Segment,
)
from ghl_real_estate_ai.models.properties import Feature, Wishes

HOMES: Final = 1_000_000
MARKETS: Final = 400
QUERIES: Final = 400
BEST: Final = 20
_TYPES: Final = ("condominium", "singlefamilyresidence", "townhouse")


def synthetic_homes(count: int, *, markets: int = MARKETS, seed: int = 7) -> Segment:
    """Invented homes: prices log-normal around their market's own level, one field in ten left out."""
    rng = np.random.default_rng(seed)
    share = np.arange(1, markets + 1) ** -1.25
    market = rng.choice(markets, size=count, p=share / share.sum())
    level = rng.uniform(220_000, 900_000, size=markets)
    price = np.round(level[market] * rng.lognormal(0, 0.45, size=count), -3).clip(min=20_000)
    beds = rng.choice([1, 2, 3, 4, 5, 6], p=[0.08, 0.22, 0.36, 0.24, 0.08, 0.02], size=count)
    baths = np.clip(beds - rng.integers(0, 3, size=count), 1, None)
    area = np.round(beds * 420 + rng.normal(350, 180, size=count)).clip(min=300)
    area[rng.random(count) < 0.1] = np.nan
    beds[rng.random(count) < 0.1] = UNKNOWN_ROOMS
    codes = beds | baths << BATHS_SHIFT | rng.choice(3, p=[0.25, 0.6, 0.15], size=count) << TYPE_SHIFT
    for bit, chance in enumerate((0.6, 0.15, 0.35, 0.04, 0.07)):
        known, has = rng.random(count) < 0.9, rng.random(count) < chance
        codes |= (known & has).astype(np.int64) << YES_SHIFT + bit | known.astype(
            np.int64
        ) << KNOWN_SHIFT + bit
    keys = np.array([f"SYN{number:08d}" for number in rng.permutation(count)], dtype=StringDType())
    return Segment.of_columns(
        keys=keys,
        market=market,
        markets=tuple(f"market{number:03d}" for number in range(markets)),
        types=_TYPES,
        price=price,
        area=area,
        codes=codes,
    )


def synthetic_wishes(homes: Segment, count: int, *, seed: int = 11) -> list[Wishes]:
    """Wishes of two kinds in turn: narrow ones in any market, and wide ones in the ten largest."""
    rng = np.random.default_rng(seed)
    sizes = np.diff(homes.starts)
    largest = np.argsort(sizes)[::-1]
    wishes = []
    for number in range(count):
        narrow = number % 2 == 0
        market = int(
            rng.choice(len(sizes), p=sizes / sizes.sum()) if narrow else largest[rng.integers(0, 10)]
        )
        prices = homes.price[homes.starts[market] : homes.starts[market + 1]]
        centre = float(prices[int(rng.uniform(0.1, 0.9) * len(prices))])
        width = 0.08 if narrow else rng.uniform(0.15, 0.6)
        bounded = narrow or rng.random() < 0.9
        wishes.append(
            Wishes(
                city=homes.markets[market],
                min_list_price=Decimal(round(centre * (1 - width))) if bounded else None,
                max_list_price=Decimal(round(centre * (1 + width))) if bounded else None,
                min_bedrooms=int(rng.integers(1, 5)),
                min_bathrooms=int(rng.integers(1, 3)),
                min_living_area=float(rng.integers(6, 30) * 100) if rng.random() < 0.6 else None,
                property_sub_type=_TYPES[rng.integers(0, 3)] if narrow or rng.random() < 0.5 else None,
                features=frozenset(
                    rng.choice(list(Feature), size=int(rng.integers(0, 4)), replace=False).tolist()
                ),
            )
        )
    return wishes
