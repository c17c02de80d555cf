"""What one column alone says of the outcome: rank, presence, purity and age, measured. Called by ml/availability.py.

Rows stand oldest first. Ranks are compared within blocks of neighbouring rows, so that what only drifts with time (an
interest rate while the base rate moves) counts for nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.ml.column_kinds import numbers
from ghl_real_estate_ai.ml.evaluation import auc

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_FOLDS: Final = 5
_PRIOR_ROWS: Final = 5.0
"""Rows at the base rate that are added to each level, so that a level of two rows says little."""
_BINS: Final = 10
_MODE_SHARE: Final = 0.15
_FEW_LEVELS: Final = 12
_RARE: Final = 5
_BLOCKS: Final = 10
_BLOCK_POSITIVES: Final = 15
_PARSED: Final = 0.95
"""Share of filled texts that must read as numbers or dates."""
_BEST_ODDS: Final = 20.0
_WORST_ODDS: Final = 10.0
"""No honest level multiplies the odds of the outcome by more than 20, or divides them by more than 10."""
_DATES: Final = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%m/%d/%Y", "%m/%d/%Y %H:%M")


class Presence(NamedTuple):
    """Share of the rows of each outcome in which something is written. ``word``: what that means for this column."""

    word: str
    won: float
    lost: float


class Pure(NamedTuple):
    """A level with one outcome only, and log10 of the chance that an honest level of so many rows shows that."""

    level: str
    rows: int
    won: bool
    log10_chance: float


@dataclass(frozen=True, slots=True)
class ColumnEvidence:
    """One column, measured on rows that stand oldest first."""

    codes: Codes
    """Level of each row; 0 is missing."""
    scores: Array
    """Log-odds of the outcome by level, each row judged by the other folds only."""
    auc: float
    filled: Mask
    presence: Presence | None
    pure: Pure | None
    older_filled: float
    """Chance that a filled row is older than an empty one; 0.5 when nothing is missing."""
    grows: float
    """Rank correlation of the number with the row's age, among rows of the commoner outcome."""
    days: Array | None
    """Days since 1970 for a column of dates, NaN where missing."""


def measure(column: pl.Series, y: Array) -> ColumnEvidence:
    """``column`` and ``y`` (0 or 1) have the same rows, oldest first."""
    numbers, is_date = _numbers(column)
    if numbers is not None:
        filled = np.isfinite(numbers)
        codes, names = _bins(numbers, filled)
    else:
        texts = _texts(column)
        filled = (
            texts.is_not_null().to_numpy() & (texts.str.strip_chars() != "").fill_null(value=False).to_numpy()
        )
        codes, names = _levels(texts, filled)
    scores = _out_of_fold(codes, y)
    order = -np.arange(y.size, dtype=np.float64)
    return ColumnEvidence(
        codes=codes,
        scores=scores,
        auc=auc_within_blocks(y, scores),
        filled=filled,
        presence=_presence(numbers, filled, y),
        pure=_pure(codes, names, numbers, y),
        older_filled=auc(filled.astype(np.float64), order) if 0 < filled.sum() < y.size else 0.5,
        grows=_grows(numbers, filled, y),
        days=numbers / 86_400.0 if is_date and numbers is not None else None,
    )


def auc_within_blocks(y: Array, p: Array) -> float:
    """AUC among neighbouring rows only: the mean over blocks, weighted by their pairs."""
    rarer = min(y.sum(), y.size - y.sum())
    blocks = int(max(1, min(_BLOCKS, rarer // _BLOCK_POSITIVES)))
    total = weight = 0.0
    for rows in np.array_split(np.arange(y.size), blocks):
        pairs = float(y[rows].sum() * (rows.size - y[rows].sum()))
        if pairs:
            total, weight = total + pairs * auc(y[rows], p[rows]), weight + pairs
    return total / weight if weight else 0.5


def agreement(one: ColumnEvidence, other: ColumnEvidence) -> float:
    """Cramer's V of two columns (0 to 1, corrected for chance) over the rows where both are filled."""
    both = one.filled & other.filled
    n = int(both.sum())
    if n < _BLOCK_POSITIVES * _BINS:
        return 0.0
    _, a = np.unique(one.codes[both], return_inverse=True)
    _, b = np.unique(other.codes[both], return_inverse=True)
    rows, columns = int(a.max()) + 1, int(b.max()) + 1
    if min(rows, columns) < 2 or rows * columns > n:
        return 0.0
    table = np.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns).astype(np.float64)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / n
    chance = (rows - 1) * (columns - 1) / (n - 1)
    phi = max(0.0, float(((table - expected) ** 2 / expected).sum()) / n - chance)
    return min(1.0, math.sqrt(phi / (min(rows, columns) - 1)))


def missing_together(one: ColumnEvidence, other: ColumnEvidence) -> float:
    """Share of the rows missing in either that are missing in both; 0 when nothing is missing."""
    either = int((~one.filled | ~other.filled).sum())
    return float((~one.filled & ~other.filled).sum()) / either if either else 0.0


# --- reading ------------------------------------------------------------------------------------------------------


def _numbers(column: pl.Series) -> tuple[Array | None, bool]:
    """Floats with NaN for missing, or None for texts; and whether they are dates (then seconds since 1970)."""
    kind = column.dtype
    if kind.is_numeric():
        return column.cast(pl.Float64).to_numpy().astype(np.float64), False
    if kind in (pl.Date, pl.Datetime):
        return _seconds(column.cast(pl.Datetime("us"))), True
    if kind != pl.String:
        return None, False
    texts = column.str.strip_chars().replace("", None)
    filled = len(texts) - texts.null_count()
    if not filled:
        return None, False
    plain = numbers(texts)
    if np.isfinite(plain).sum() >= _PARSED * filled:
        return plain, False
    for form in _DATES:
        moments = texts.str.to_datetime(form, strict=False, time_unit="us")
        if len(moments) - moments.null_count() >= _PARSED * filled:
            return _seconds(moments), True
    return None, False


def _texts(column: pl.Series) -> pl.Series:
    """Of lists and the like only whether they are there."""
    if column.dtype.is_nested():
        return column.is_not_null().replace_strict({True: "present", False: None}, return_dtype=pl.String)
    return column.cast(pl.String, strict=False)


def _seconds(moments: pl.Series) -> Array:
    seconds: Array = moments.dt.epoch("s").cast(pl.Float64).to_numpy().astype(np.float64)
    return seconds


def _bins(numbers: Array, filled: Mask) -> tuple[Codes, dict[int, str]]:
    """0 missing; each of few values by itself; else the commonest value and quantile bins of the others."""
    codes = np.zeros(numbers.size, dtype=np.int64)
    if not filled.any():
        return codes, {}
    values, counts = np.unique(numbers[filled], return_counts=True)
    if values.size <= _FEW_LEVELS:
        codes[filled] = np.searchsorted(values, numbers[filled]) + 1
        return codes, {place + 1: f"{value:g}" for place, value in enumerate(values)}
    mode = values[np.argmax(counts)]
    alone = bool(counts.max() >= _MODE_SHARE * filled.sum())
    rest = filled & (numbers != mode) if alone else filled
    edges = np.unique(np.quantile(numbers[rest], np.linspace(0, 1, _BINS + 1)[1:-1]))
    codes[rest] = np.searchsorted(edges, numbers[rest], side="left") + 1
    ends = [f"{edge:g}" for edge in edges]
    names = {
        place + 1: f"{low} to {high}".strip()
        for place, (low, high) in enumerate(zip(["up", *ends], [*ends, "more"], strict=True))
    }
    if alone:
        codes[filled & (numbers == mode)] = edges.size + 2
        names[edges.size + 2] = f"{mode:g}"
    return codes, names


def _levels(texts: pl.Series, filled: Mask) -> tuple[Codes, dict[int, str]]:
    """0 missing, 1 the rare ones together, then each level."""
    codes = np.zeros(filled.size, dtype=np.int64)
    if not filled.any():
        return codes, {}
    values, inverse, counts = np.unique(
        texts.filter(pl.Series(filled)).to_numpy().astype(str), return_inverse=True, return_counts=True
    )
    common = counts >= _RARE
    place = np.where(common, np.cumsum(common) + 1, 1)
    codes[filled] = place[inverse]
    return codes, {int(at): str(value) for at, value in zip(place[common], values[common], strict=True)}


# --- measuring ----------------------------------------------------------------------------------------------------


def _out_of_fold(codes: Codes, y: Array) -> Array:
    levels = int(codes.max()) + 1
    fold = np.arange(y.size) % _FOLDS
    place = codes * _FOLDS + fold
    rows = np.bincount(place, minlength=levels * _FOLDS).reshape(levels, _FOLDS)
    won = np.bincount(place, weights=y, minlength=levels * _FOLDS).reshape(levels, _FOLDS)
    base = float(y.mean())
    others = rows.sum(axis=1, keepdims=True) - rows
    rate = (won.sum(axis=1, keepdims=True) - won + _PRIOR_ROWS * base) / (others + _PRIOR_ROWS)
    rate = np.clip(rate, 1e-6, 1 - 1e-6)
    odds: Array = np.log(rate / (1 - rate))
    return odds[codes, fold]


def _presence(numbers: Array | None, filled: Mask, y: Array) -> Presence | None:
    """Whether something is written at all, or for numbers whether it is not 0: the one that tells more."""
    found: list[Presence] = []
    won = y > 0
    masks = [("filled in", filled)]
    if numbers is not None:
        masks.append(("filled in and not 0", filled & (numbers != 0)))
    for word, mask in masks:
        if 0 < mask.sum() < y.size:
            found.append(Presence(word, float(mask[won].mean()), float(mask[~won].mean())))
    return max(found, key=lambda told: abs(told.won - told.lost), default=None)


def _pure(codes: Codes, names: dict[int, str], numbers: Array | None, y: Array) -> Pure | None:
    """The level with one outcome only that an honest column would hardly show.

    Of numbers only 0, missing and the rest: at the end of a telling scale one outcome only is no wonder.
    """
    levels = {"any value": codes > 0, "missing": codes == 0}
    if numbers is None:
        levels |= {name: codes == code for code, name in names.items()}
    else:
        levels |= {"0": numbers == 0, "any value but 0": np.isfinite(numbers) & (numbers != 0)}
    found = []
    for name, inside in levels.items():
        count, hits = int(inside.sum()), float(y[inside].sum())
        if _RARE <= count < y.size and hits in (0.0, float(count)):
            won = hits > 0
            chance = _chance_of_purity(inside, y, won=won) + math.log10(len(levels))
            found.append(Pure(name, count, won, chance))
    return min(found, key=lambda pure: pure.log10_chance, default=None)


def _chance_of_purity(inside: Mask, y: Array, *, won: bool) -> float:
    """log10 of it for an honest level, judged by its neighbours in time: where they are all alike, purity says nothing.

    Rows of the level that follow each other count once, so that a week in which everybody bought is no evidence.
    """
    total = 0.0
    begins = inside & ~np.r_[False, inside[:-1]]
    for rows in np.array_split(np.arange(y.size), _BLOCKS):
        others = y[rows][~inside[rows]]
        count = int(begins[rows].sum())
        if count and others.size >= _RARE:
            odds = (others.sum() + 0.5) / (others.size - others.sum() + 0.5)
            odds = odds * _BEST_ODDS if won else odds / _WORST_ODDS
            total += count * math.log10(odds / (1 + odds) if won else 1 / (1 + odds))
    return total


def _grows(numbers: Array | None, filled: Mask, y: Array) -> float:
    if numbers is None:
        return 0.0
    rows = np.flatnonzero(filled & (y == (1.0 if y.mean() > 0.5 else 0.0)))
    if rows.size < _BLOCK_POSITIVES * 2:
        return 0.0
    values = numbers[rows]
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    if counts.size < 2:
        return 0.0
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return float(np.corrcoef(ranks, -rows.astype(np.float64))[0, 1])
