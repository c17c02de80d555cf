"""The scan over columns: filter, score and keep the best, exact to the last bit in either of two engines.

Called by: property_matching, relaxation; services/property_matching_service asks for the compiled one.

``NUMPY`` is always there. ``compiled`` gives the loops of match_loops.py as machine code: several times as fast, but importing
numba takes a second, which small tenants never pay. Both do the same float64 operations in the same order: equal answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.ml.listing_segments import (
    BATHS_SHIFT,
    FEATURE_BITS,
    KNOWN_SHIFT,
    MOST_ROWS,
    TYPE_SHIFT,
    UNKNOWN_ROOMS,
    UNKNOWN_TYPE,
    YES_SHIFT,
    Codes,
    Flags,
    Floats,
    Places,
    Segment,
)
from ghl_real_estate_ai.ml.match_plan import ANY_TYPE, EXCLUDED, NOISE, Demand, Plan, demand_of, plan_of
from ghl_real_estate_ai.models.matching_models import WISH_WEIGHTS
from ghl_real_estate_ai.models.properties import Wishes

KNOWN_STEPS: Final = 255
KNOWN_WEIGHT_SHIFT: Final = 24
STEPS_SHIFT: Final = KNOWN_WEIGHT_SHIFT + 8
LAST_KEY: Final = MOST_ROWS - 1
FEATURE_MASK: Final = (1 << FEATURE_BITS) - 1
"""A ranking integer, unique to a home: score in steps of NOISE, then known share of the stated weight, then key, upside down."""

ALL_MET: Final = 0
SEVERAL_UNMET: Final = 255
MAX_PRICE, MIN_PRICE, BEDROOMS, BATHROOMS, AREA, KIND, FIRST_FEATURE = range(1, 8)
"""What ``unmet`` says of a row: the one wish that it does not meet."""


class Rows(NamedTuple):
    """The columns of a segment, and which of its rows are dead."""

    price: Floats
    area: Floats
    codes: Codes
    rank: Places
    dead: Flags


@dataclass(frozen=True)
class Kernel:
    """One engine. ``best(plan, rows, starts, stops, k)``: the ``k`` largest ranking integers of these ranges, in no order.

    ``unmet(demand, rows, starts, stops, out)`` writes for each row of the ranges ALL_MET, SEVERAL_UNMET, or the one wish that
    it does not meet or does not speak of.
    """

    name: str
    best: Callable[[Plan, Rows, Codes, Codes, int], Codes]
    unmet: Callable[[Demand, Rows, Codes, Codes, Flags], None]


def unpacked(order: Codes) -> tuple[Codes, Codes, Codes]:
    """Of ranking integers: score in steps of NOISE, known share of the stated weight (0 to 255), place of the key."""
    return (
        order >> STEPS_SHIFT,
        order >> KNOWN_WEIGHT_SHIFT & KNOWN_STEPS,
        LAST_KEY - (order & LAST_KEY),
    )


# --- in numpy: column by column ---------------------------------------------------------------------------------------


def _best_numpy(plan: Plan, rows: Rows, starts: Codes, stops: Codes, k: int) -> Codes:
    if len(starts) == 1:
        parts = [_priced(plan, rows.price, int(starts[0]), int(stops[0]))]
    else:
        parts = _joined(starts, stops)  # prices are sorted within a market only: the scan looks at each
    found = [_best_of_range(plan, rows, slice(start, stop), k) for start, stop in parts]
    return _largest(np.concatenate([np.empty(0, dtype=np.int64), *found]), k)


def _priced(plan: Plan, price: Floats, start: int, stop: int) -> tuple[int, int]:
    low = start + int(np.searchsorted(price[start:stop], plan.lowest, side="left"))
    return low, low + int(np.searchsorted(price[low:stop], plan.highest, side="right"))


def _joined(starts: Codes, stops: Codes) -> list[tuple[int, int]]:
    """Ranges that touch, as one."""
    cuts = np.flatnonzero(starts[1:] != stops[:-1]) + 1
    ranges = zip(np.split(starts, cuts), np.split(stops, cuts), strict=True)
    return [(int(first[0]), int(last[-1])) for first, last in ranges if len(first)]


def _best_of_range(plan: Plan, rows: Rows, part: slice, k: int) -> Codes:
    """Filters first, then the rest on the rows that passed; a wish that is not stated adds zeros, so it is left out."""
    codes = rows.codes[part]
    baths = codes >> BATHS_SHIFT & UNKNOWN_ROOMS
    total = plan.tables[0][codes & UNKNOWN_ROOMS] + plan.tables[1][baths]
    keep = (total >= 0.0) & (rows.dead[part] == 0)
    if plan.kind != ANY_TYPE:
        kind = codes >> TYPE_SHIFT
        keep &= (kind == plan.kind) | (kind == UNKNOWN_TYPE)
    kept = np.flatnonzero(keep)
    codes, baths, total, price = codes[kept], baths[kept], total[kept], rows.price[part][kept]
    known = plan.tables[3][codes & UNKNOWN_ROOMS] + plan.tables[4][baths]
    if plan.tables[5].any():
        total += plan.tables[2][codes >> YES_SHIFT & FEATURE_MASK]
        known += plan.tables[5][codes >> KNOWN_SHIFT & FEATURE_MASK]
    if plan.kind != ANY_TYPE:
        same = plan.kind_weight * (codes >> TYPE_SHIFT == plan.kind)
        total += same
        known += same
    total += plan.city_weight
    known += plan.city_weight
    for bound, outside, span, weight in (
        (plan.ceiling, price - plan.ceiling, plan.ceiling_span, plan.ceiling_weight),
        (plan.floor, plan.floor - price, plan.floor_span, plan.floor_weight),
    ):
        if np.isfinite(bound):
            closeness = np.maximum(outside, 0.0) / -span + 1.0
            total[closeness < -NOISE] = EXCLUDED
            total += weight * np.maximum(closeness, 0.0)
            known += weight
    if np.isfinite(plan.area):
        area = rows.area[part][kept]
        stated = ~np.isnan(area)
        closeness = np.clip(1.0 - (plan.area - area) / plan.area_span, 0.0, 1.0)
        np.add(total, plan.area_weight * closeness, out=total, where=stated)
        known += plan.area_weight * stated
    passed = np.flatnonzero((total >= 0.0) & (known > 0.0))
    kept, known = kept[passed], known[passed]
    order = (total[passed] / known / NOISE + 0.5).astype(np.int64) << STEPS_SHIFT
    order |= (known / plan.stated_weight * KNOWN_STEPS + 0.5).astype(np.int64) << KNOWN_WEIGHT_SHIFT
    return _largest(order | LAST_KEY - rows.rank[part][kept].astype(np.int64), k)


def _largest(order: Codes, k: int) -> Codes:
    return np.partition(order, len(order) - k)[-k:] if len(order) > k else order


def _unmet_numpy(demand: Demand, rows: Rows, starts: Codes, stops: Codes, out: Flags) -> None:
    for start, stop in _joined(starts, stops):
        out[start:stop] = _unmet_of_range(demand, rows, slice(start, stop))


def _unmet_of_range(demand: Demand, rows: Rows, part: slice) -> Flags:
    codes, price = rows.codes[part], rows.price[part]
    count = np.zeros(len(price), dtype=np.uint8)
    which = np.zeros(len(price), dtype=np.uint8)

    def miss(missed: npt.NDArray[np.bool_], wish: int) -> None:
        nonlocal count
        count += missed
        which[missed] = wish

    miss(price > demand.ceiling, MAX_PRICE)
    miss(price < demand.floor, MIN_PRICE)
    for rooms, wanted, wish in (
        (codes & UNKNOWN_ROOMS, demand.bedrooms, BEDROOMS),
        (codes >> BATHS_SHIFT & UNKNOWN_ROOMS, demand.bathrooms, BATHROOMS),
    ):
        if wanted >= 0:
            miss((rooms < wanted) | (rooms == UNKNOWN_ROOMS), wish)
    if demand.area > 0.0:
        miss(~(rows.area[part] >= demand.area), AREA)  # NaN: not known, so not met
    if demand.kind != ANY_TYPE:
        miss(codes >> TYPE_SHIFT != demand.kind, KIND)
    lacking = demand.features & ~(codes >> YES_SHIFT)
    for bit in range(FEATURE_BITS):
        miss((lacking >> bit & 1).astype(np.bool_), FIRST_FEATURE + bit)
    which[(count > 1) | (rows.dead[part] != 0) | (price < demand.lowest) | (price > demand.highest)] = (
        SEVERAL_UNMET
    )
    return which


NUMPY: Final = Kernel("numpy", _best_numpy, _unmet_numpy)


def compiled(cache: Path) -> Kernel:
    """The loops as machine code: a second of import, and of compiling once per machine, kept in ``cache`` (made if absent).

    What is kept and cannot be read (a full disk, a crash while it was written) is thrown away and compiled once more. Raises OSError, RuntimeError or ImportError when the folder or numba does not do. Call it in a thread.
    """
    import numba  # imported here: it would add a second to every start

    cache.mkdir(mode=0o700, parents=True, exist_ok=True)  # what lies in it is executed
    setattr(numba.config, "CACHE_DIR", str(cache))  # noqa: B010  # numba makes its settings at import, unseen by mypy
    from ghl_real_estate_ai.ml import match_loops

    try:
        return _ready(match_loops.KERNEL)
    except Exception:  # noqa: BLE001  # reading a damaged pickle may raise anything
        for kept in (*cache.rglob("*.nbi"), *cache.rglob("*.nbc")):
            kept.unlink(missing_ok=True)
    try:
        return _ready(match_loops.KERNEL)
    except Exception as error:
        raise RuntimeError(f"kernel: {type(error).__name__}") from error


def _ready(kernel: Kernel) -> Kernel:
    """The first call of each loop compiles it, or reads what was compiled before."""
    nothing, no_range = Segment.of(()), np.zeros(1, dtype=np.int64)
    rows = Rows(nothing.price, nothing.area, nothing.codes, nothing.rank, np.zeros(0, dtype=np.uint8))
    plan = plan_of(Wishes(city="nowhere"), nothing, WISH_WEIGHTS)
    kernel.best(plan, rows, no_range, no_range, 1)
    kernel.unmet(demand_of(Wishes(), nothing), rows, no_range, no_range, np.zeros(0, dtype=np.uint8))
    return kernel
