"""Inputs of a table as what learners take: smooth columns for a linear model, plain ones for trees.

Called by ml/table_model.py. Everything fitted here is fitted on training rows only, and a row's own outcome never enters
its own encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ghl_real_estate_ai.ml.table_inputs import Array, Codes, Inputs

PRIOR_ROWS: Final = 20.0
"""Rows by which a level's rate is drawn to the base rate, so that a rare level says little."""
LEVELS: Final = 25
"""Levels of a word column that become inputs of their own, commonest first."""
_LEVEL_ROWS: Final = 10
_CLIP: Final = 2.5
"""Standard deviations: beyond what training rows showed a linear input says no more."""
_GRID: Final = 128
_BINS: Final = 8
"""Quantile bins of a number whose rate of outcomes is learnt."""
_CODED: Final = 40
"""Whole numbers with no more distinct values than this may be names (a region, a browser): each has a rate of its own."""


class Design(NamedTuple):
    """Encoded rows: shape (rows, linear inputs) without NaN, and (rows, tree inputs) with NaN where a number is missing."""

    linear: Array
    trees: Array


@dataclass(frozen=True, slots=True)
class _Scale:
    """One number to a standard normal by its rank among the training rows."""

    grid: Array
    scores: Array
    centre: float
    width: float
    missing: bool
    cuts: Array
    """Between the bins."""
    coded: bool

    def applied(self, values: Array) -> list[Array]:
        there = np.isfinite(values)
        score = np.interp(np.where(there, values, self.grid[0]), self.grid, self.scores)
        score = np.clip((score - self.centre) / self.width, -_CLIP, _CLIP)
        columns = [np.where(there, score, 0.0)]
        return [*columns, (~there).astype(np.float64)] if self.missing else columns

    def binned(self, values: Array) -> Codes:
        """Number of the bin, -1 where missing."""
        return np.where(np.isfinite(values), np.searchsorted(self.cuts, np.nan_to_num(values)), -1).astype(
            np.int64
        )


@dataclass(frozen=True, slots=True)
class _Levels:
    """One word column: the common levels as columns of 0 and 1, and how common each level is."""

    common: Codes
    share: Array
    """Log of the rows of each level, missing first, the last one for levels never seen."""
    many: bool

    def indicators(self, codes: Codes) -> list[Array]:
        return [(codes == level).astype(np.float64) for level in self.common]

    def frequency(self, codes: Codes) -> Array:
        return self.share[_place(codes, self.share.size)]


@dataclass(frozen=True, slots=True)
class TableEncoder:
    """What was learnt of the training rows' columns."""

    scales: tuple[_Scale | None, ...]
    levels: tuple[_Levels, ...]
    rates: tuple[Array, ...]
    """Of each coded column, then of each number's bins: log-odds of each level against the base rate."""

    def encode(self, inputs: Inputs) -> Design:
        """Rows that were not learnt from."""
        groups = self.groups(inputs)
        return self.design(
            inputs, [rate[_place(c, rate.size)] for rate, c in zip(self.rates, groups, strict=True)]
        )

    def rate_columns(self, inputs: Inputs) -> list[str]:
        """Source column of each of the last linear inputs: the rates of outcomes."""
        numbers = zip(self.scales, inputs.number_columns, strict=True)
        return [*inputs.code_columns, *(name for scale, name in numbers if scale is not None)]

    def groups(self, inputs: Inputs) -> list[Codes]:
        """The words of each word column, then the bins of each number, as codes."""
        coded = [inputs.codes[:, place] for place in range(inputs.codes.shape[1])]
        return coded + [
            s.binned(inputs.numbers[:, place]) for place, s in enumerate(self.scales) if s is not None
        ]

    def design(self, inputs: Inputs, rates: list[Array]) -> Design:
        """``rates``: of each group, shape (rows,)."""
        linear: list[Array] = []
        trees: list[Array] = []
        for place, scale in enumerate(self.scales):
            if scale is not None:
                linear += scale.applied(inputs.numbers[:, place])
                trees.append(inputs.numbers[:, place])
        for place, levels in enumerate(self.levels):
            codes = inputs.codes[:, place]
            shown = levels.indicators(codes)
            linear += shown
            trees += shown
            if levels.many:
                trees += [rates[place], levels.frequency(codes)]
        linear += rates
        numbers = [scale for scale in self.scales if scale is not None]
        trees += [rate for scale, rate in zip(numbers, rates[len(self.levels) :], strict=True) if scale.coded]
        rows = len(inputs)
        return Design(_columns(linear, rows), _columns(trees, rows))


def fit_encoder(inputs: Inputs, y: Array, weight: Array) -> tuple[TableEncoder, Design]:
    """The encoder, and the training rows encoded.

    A training row's rates come of the rows above it only (CatBoost's ordered target statistics, Prokhorenkova et al. 2018),
    so no row sees its own outcome.
    """
    scales = tuple(_scale(inputs.numbers[:, place]) for place in range(inputs.numbers.shape[1]))
    levels = tuple(_levels(inputs.codes[:, place]) for place in range(inputs.codes.shape[1]))
    bare = TableEncoder(scales, levels, ())
    groups = bare.groups(inputs)
    base = float(np.average(y, weights=weight))
    fitted = TableEncoder(scales, levels, tuple(_rates(codes, y, weight, base) for codes in groups))
    return fitted, fitted.design(inputs, [_ordered_rates(codes, y, weight, base) for codes in groups])


def _columns(parts: list[Array], rows: int) -> Array:
    return np.column_stack(parts) if parts else np.empty((rows, 0))


def _place(codes: Codes, size: int) -> Codes:
    """Missing (-1) is the first level; what was never seen is the last."""
    return np.where(codes + 1 >= size, size - 1, codes + 1)


def _scale(values: Array) -> _Scale | None:
    there = values[np.isfinite(values)]
    if there.size == 0:
        return None
    from scipy.special import ndtri  # heavy start

    levels, counts = np.unique(there, return_counts=True)
    all_levels = levels
    coded = 2 < levels.size <= _CODED and bool((levels == np.round(levels)).all())
    ranks = (np.cumsum(counts) - counts / 2) / there.size
    if levels.size > _GRID:
        picked = np.unique(
            np.searchsorted(ranks, np.linspace(ranks[0], ranks[-1], _GRID)).clip(0, levels.size - 1)
        )
        levels, ranks = levels[picked], ranks[picked]
    scores = ndtri(ranks)
    mine = np.interp(there, levels, scores)
    gone = values.size - there.size
    return _Scale(
        grid=levels,
        scores=scores,
        centre=float(mine.mean()),
        width=float(mine.std()) or 1.0,
        missing=_LEVEL_ROWS <= gone <= values.size - _LEVEL_ROWS,
        cuts=(all_levels[1:] + all_levels[:-1]) / 2
        if coded
        else np.unique(np.quantile(there, np.linspace(0, 1, _BINS + 1)[1:-1])),
        coded=coded,
    )


def _levels(codes: Codes) -> _Levels:
    seen, counts = np.unique(codes, return_counts=True)
    order = np.lexsort((seen, -counts))
    common = seen[order][counts[order] >= _LEVEL_ROWS][:LEVELS]
    share = np.zeros(int(seen.max()) + 3 if seen.size else 2)
    share[seen + 1] = np.log1p(counts)
    return _Levels(common=common, share=share, many=seen.size > common.size)


def _rates(codes: Codes, y: Array, weight: Array, base: float) -> Array:
    size = int(codes.max()) + 3 if codes.size else 2
    rows = np.bincount(codes + 1, weights=weight, minlength=size)
    won = np.bincount(codes + 1, weights=weight * y, minlength=size)
    return _log_odds(won, rows, base)


def _ordered_rates(codes: Codes, y: Array, weight: Array, base: float) -> Array:
    """As _rates, of the rows above each row."""
    order = np.argsort(codes, kind="stable")
    sorted_codes = codes[order]
    firsts = np.flatnonzero(np.append(True, sorted_codes[1:] != sorted_codes[:-1]))
    sizes = np.diff(np.append(firsts, codes.size))

    def before(values: Array) -> Array:
        running = np.cumsum(values[order])
        start = np.repeat(running[firsts] - values[order][firsts], sizes)
        above = np.empty_like(running)
        above[order] = running - values[order] - start
        return above

    return _log_odds(before(weight * y), before(weight), base)


def _log_odds(won: Array, rows: Array, base: float) -> Array:
    rate = (won + PRIOR_ROWS * base) / (rows + PRIOR_ROWS)
    return np.asarray(np.log(rate / (1 - rate)) - np.log(base / (1 - base)), dtype=np.float64)
