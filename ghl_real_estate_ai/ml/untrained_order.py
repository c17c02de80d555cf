"""The order of homes before anybody has judged any: cheap, cheap for its like, complete, new. A prior, written down.

Called by ml/list_ranking.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from ghl_real_estate_ai.ml.evaluation import Array
from ghl_real_estate_ai.ml.list_columns import Columns, Concept

WEIGHTS: Final[Mapping[str, float]] = {
    "price": 0.5,  # within a list the cheaper home is asked about more
    "price for its like": 0.5,  # and the one that costs less than its like: half each, no judgement tells which
    "complete": 1.0,  # photos and a description: an offer without them is passed over
    "new": 0.1,
    "more is better": 0.5,  # only where no price is known: else it is in the price for its like
}
"""Of deviations from the table's mean (price, age), or of a share from 0 to 1 (complete)."""
_FULL_PHOTOS: Final = 4.0
_FULL_WORDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class UntrainedOrder:
    """Scores of the judged rows (higher stands first), the columns behind them, and what a reader must know."""

    score: Array
    used: tuple[str, ...]
    weights: Mapping[str, float]
    notes: tuple[str, ...]


def untrained_order(columns: Columns, residual: Array | None) -> UntrainedOrder:
    """``residual``: log price over its like, per judged row; None where there is no price."""
    rows = columns.usable[0].test.size
    score = np.zeros(rows)
    used: list[str] = []
    weights: dict[str, float] = {}
    price = columns.of(Concept.PRICE)

    def add(name: str, values: Array, *, by: list[str]) -> None:
        nonlocal score
        score = score + WEIGHTS[name] * np.nan_to_num(values)
        weights[name] = WEIGHTS[name]
        used.extend(column for column in by if column not in used)

    if price is not None:
        add("price", -deviation(np.log(np.maximum(price.test, 1e-9))), by=[price.name])
        if residual is not None:
            like = [c.name for c in columns.usable if c.concept not in (Concept.PRICE, Concept.OF_A_PRICE)]
            add("price for its like", -deviation(residual), by=[price.name, *like])
    else:
        better = [column for column in columns.usable if column.concept is Concept.MORE_IS_BETTER]
        for column in better:
            add("more is better", deviation(column.test) / len(better), by=[column.name])
    complete, shown = _complete(columns)
    add("complete", complete, by=shown)
    for concept, sign in ((Concept.AGE, -1.0), (Concept.LISTED, 1.0)):
        dated = columns.of(concept)
        if dated is not None:
            add("new", sign * deviation(dated.test), by=[dated.name])
    notes = () if price is not None else (_no_price(weights),)
    return UntrainedOrder(score, tuple(used), weights, notes)


def _no_price(weights: Mapping[str, float]) -> str:
    if "more is better" in weights:
        return "no column is named as a price: the order is by size, rating and completeness"
    return "no column's name says what it holds: the untrained order is by completeness only"


def _complete(columns: Columns) -> tuple[Array, list[str]]:
    """0 to 1: photos, a description, and the share of all fields that are filled in; the mean of what the table has."""
    parts = [np.mean([np.isfinite(column.test) for column in columns.usable], axis=0)]
    shown = [column.name for column in columns.usable if np.isnan(column.test).any()]
    for concept, full in ((Concept.PHOTOS, _FULL_PHOTOS), (Concept.TEXT, _FULL_WORDS)):
        column = columns.of(concept)
        if column is not None:
            parts.append(np.clip(np.nan_to_num(column.test) / full, 0.0, 1.0))
            shown.append(column.name)
    return np.mean(parts, axis=0), shown


def deviation(values: Array) -> Array:
    """Deviations from the mean, in standard deviations; unknown stays NaN."""
    known = values[np.isfinite(values)]
    spread = float(known.std()) if known.size else 0.0
    return (values - known.mean()) / spread if spread > 0 else np.zeros_like(values)
