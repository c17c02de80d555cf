"""The scan over columns as loops that numba compiles: row by row, nothing in between is stored.

Called by: match_kernel.compiled, in a thread. Nobody else imports this module: numba takes a second.

No ``fastmath``: every float64 operation is the one that numpy does, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba import njit

from ghl_real_estate_ai.ml.listing_segments import (
    BATHS_SHIFT,
    FEATURE_BITS,
    KNOWN_SHIFT,
    TYPE_SHIFT,
    UNKNOWN_ROOMS,
    UNKNOWN_TYPE,
    YES_SHIFT,
    Codes,
    Flags,
    Floats,
)
from ghl_real_estate_ai.ml.match_kernel import (
    AREA,
    BATHROOMS,
    BEDROOMS,
    FEATURE_MASK,
    FIRST_FEATURE,
    KIND,
    KNOWN_STEPS,
    KNOWN_WEIGHT_SHIFT,
    LAST_KEY,
    MAX_PRICE,
    MIN_PRICE,
    SEVERAL_UNMET,
    STEPS_SHIFT,
    Kernel,
    Rows,
)
from ghl_real_estate_ai.ml.match_plan import ANY_TYPE, EXCLUDED, NOISE, Demand, Plan


def _jit[F: Callable[..., Any]](loop: F) -> F:
    return cast(F, njit(loop, nogil=True, cache=True))


@_jit
def _first_at(price: Floats, low: int, high: int, bound: float) -> int:
    """The first row of a range sorted by price that is not below the bound."""
    while low < high:
        middle = (low + high) // 2
        if price[middle] < bound:
            low = middle + 1
        else:
            high = middle
    return low


@_jit
def _push(heap: Codes, count: int, order: int) -> None:
    """Into a heap of ``count`` with the smallest on top; into a full one in place of the smallest."""
    place = count
    if count < len(heap):
        while place > 0 and heap[(place - 1) // 2] > order:
            heap[place] = heap[(place - 1) // 2]
            place = (place - 1) // 2
    else:
        place = 0
        child = 1
        while child < count:
            if child + 1 < count and heap[child + 1] < heap[child]:
                child += 1
            if heap[child] >= order:
                break
            heap[place] = heap[child]
            place, child = child, 2 * child + 1
    heap[place] = order


@_jit
def _outside(distance: float, span: float) -> float:
    """Closeness of a price so far outside a bound; negative when it is excluded."""
    if distance <= 0.0:
        return 1.0
    closeness = distance / -span + 1.0
    return EXCLUDED if closeness < -NOISE else max(closeness, 0.0)


@_jit
def _order(total: float, known: float, stated: float, rank: int) -> int:
    """The ranking integer of match_kernel."""
    order = np.int64(total / known / NOISE + 0.5) << STEPS_SHIFT
    order |= np.int64(known / stated * KNOWN_STEPS + 0.5) << KNOWN_WEIGHT_SHIFT
    return int(order | (LAST_KEY - np.int64(rank)))


@_jit
def _best(plan: Plan, rows: Rows, starts: Codes, stops: Codes, k: int) -> Codes:
    # arrays in names of their own, and none handed to a function: counting references costs more than a row does
    price, area, codes, rank, dead = rows.price, rows.area, rows.codes, rows.rank, rows.dead
    tables = plan.tables
    heap = np.empty(k, dtype=np.int64)
    count = 0
    least = 0.0
    for part in range(len(starts)):
        for row in range(_first_at(price, starts[part], stops[part], plan.lowest), stops[part]):
            if price[row] > plan.highest:
                break
            code = codes[row]
            beds, baths = code & UNKNOWN_ROOMS, code >> BATHS_SHIFT & UNKNOWN_ROOMS
            total = tables[0, beds] + tables[1, baths]
            total += tables[2, code >> YES_SHIFT & FEATURE_MASK]
            if total < 0.0 or dead[row] != 0:
                continue
            known = tables[3, beds] + tables[4, baths]
            known += tables[5, code >> KNOWN_SHIFT & FEATURE_MASK]
            if plan.kind != ANY_TYPE:
                if code >> TYPE_SHIFT == plan.kind:
                    total += plan.kind_weight
                    known += plan.kind_weight
                elif code >> TYPE_SHIFT != UNKNOWN_TYPE:
                    continue
            total += plan.city_weight
            known += plan.city_weight
            above = _outside(price[row] - plan.ceiling, plan.ceiling_span)
            below = _outside(plan.floor - price[row], plan.floor_span)
            if above < 0.0 or below < 0.0:
                continue
            total += plan.ceiling_weight * above
            known += plan.ceiling_weight
            total += plan.floor_weight * below
            known += plan.floor_weight
            if not np.isnan(area[row]):
                closeness = 1.0 - (plan.area - area[row]) / plan.area_span
                total += plan.area_weight * min(1.0, max(0.0, closeness))
                known += plan.area_weight
            if known <= 0.0 or total < least * known:
                continue
            order = _order(total, known, plan.stated_weight, rank[row])
            if count < k or order > heap[0]:
                _push(heap, count, order)
                count = min(k, count + 1)
                # what scores below the worst of k cannot enter; a step of margin, as the next may be rounded otherwise
                least = ((heap[0] >> STEPS_SHIFT) - 1) * NOISE if count == k else 0.0
    return heap[:count]


@_jit
def _unmet(demand: Demand, rows: Rows, starts: Codes, stops: Codes, out: Flags) -> None:
    price, area, codes, dead = rows.price, rows.area, rows.codes, rows.dead
    for part in range(len(starts)):
        for row in range(starts[part], stops[part]):
            code = codes[row]
            which = 0
            count = 0
            if price[row] > demand.ceiling:
                count, which = count + 1, MAX_PRICE
            if price[row] < demand.floor:
                count, which = count + 1, MIN_PRICE
            if demand.bedrooms >= 0:
                rooms = code & UNKNOWN_ROOMS
                if rooms < demand.bedrooms or rooms == UNKNOWN_ROOMS:
                    count, which = count + 1, BEDROOMS
            if demand.bathrooms >= 0:
                rooms = code >> BATHS_SHIFT & UNKNOWN_ROOMS
                if rooms < demand.bathrooms or rooms == UNKNOWN_ROOMS:
                    count, which = count + 1, BATHROOMS
            if demand.area > 0.0 and not area[row] >= demand.area:  # NaN: not known, so not met
                count, which = count + 1, AREA
            if demand.kind != ANY_TYPE and code >> TYPE_SHIFT != demand.kind:
                count, which = count + 1, KIND
            lacking = demand.features & ~(code >> YES_SHIFT)
            if lacking:
                for bit in range(FEATURE_BITS):
                    if lacking >> bit & 1:
                        count, which = count + 1, FIRST_FEATURE + bit
            far = price[row] < demand.lowest or price[row] > demand.highest
            out[row] = SEVERAL_UNMET if count > 1 or far or dead[row] != 0 else which


KERNEL = Kernel("numba", _best, _unmet)
