"""Columns that were filled in after the outcome: found by evidence, not by being told. Called by ml/table_score.py.

Evidence is added up per column; 1 is enough. Words of the name and of the values weigh 0.9 at most, so a column is never
flagged without numbers; numbers alone are enough where they are extreme. docs/evaluate.md tells the kinds of evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.ml.column_evidence import (
    ColumnEvidence,
    agreement,
    auc_within_blocks,
    measure,
    missing_together,
)
from ghl_real_estate_ai.ml.evaluation_report import FlaggedColumn
from ghl_real_estate_ai.ml.late_words import MOST, STRONG, told_by_name, told_by_values

Array = npt.NDArray[np.float64]

ENOUGH: Final = 1.0
"""Sum of weights from which a column is flagged."""
SUPPORT: Final = 0.1
"""Of which so much must be numbers."""
ROWS_LOOKED_AT: Final = 20_000
"""More rows are thinned evenly: the evidence is about shares, and must not cost more than the fit."""
_ROWS_COMBINED: Final = 5_000
_STRONG: Final = 0.82
_DOMINANT: Final = 0.85
_AHEAD: Final = 0.03
_FAR_AHEAD: Final = 0.25
"""AUC of a column that is looked at beside all weaker ones; of one that may dominate, and by how much."""
_BLOCK: Final = 3
_FEWEST: Final = 10
"""Rows of the rarer outcome below which nothing is judged."""


class Part(NamedTuple):
    """One piece of evidence: what it weighs, its words, its numbers."""

    weight: float
    words: str
    numbers: Mapping[str, float | int | str]


@dataclass(slots=True)
class _Case:
    """All that speaks for one column."""

    words: list[Part]
    numbers: list[Part]

    @property
    def prior(self) -> float:
        return min(MOST, sum(part.weight for part in self.words))

    @property
    def support(self) -> float:
        return sum(part.weight for part in self.numbers)

    @property
    def total(self) -> float:
        return self.prior + self.support

    @property
    def late(self) -> bool:
        return self.total >= ENOUGH and self.support >= SUPPORT


def late_columns(
    table: pl.DataFrame,
    y: npt.NDArray[np.float64],
    columns: Sequence[str],
    *,
    at: npt.NDArray[np.float64] | None = None,
) -> list[FlaggedColumn]:
    """Which of ``columns`` a lead would not have had yet when it was scored, each with its reason and evidence.

    Give rows to learn from only. ``y``: 0 or 1, shape (rows,). ``at``: POSIX seconds of each row; None when the table has
    no time, then its order counts as oldest first. Flags have kind ``late`` and stand in the order of ``columns``.
    """
    rarer = min(y.sum(), y.size - y.sum())
    if rarer < _FEWEST or not columns:
        return []
    order = np.arange(y.size) if at is None else np.argsort(at, kind="stable")
    order = order[:: -(-y.size // ROWS_LOOKED_AT)]
    rows = table.select(columns)[order]
    outcome = np.asarray(y, dtype=np.float64)[order]
    measured = {name: measure(rows[name], outcome) for name in columns}
    moments = _first_days(measured) if at is None else np.asarray(at, dtype=np.float64)[order] / 86_400.0
    weaker = _combined_weaker(measured, outcome)
    cases = {
        name: _Case(_words(name, rows[name]), _alone(one, weaker.get(name))) for name, one in measured.items()
    }
    for name, one in measured.items():
        cases[name].numbers += _dated(one, moments, cases[name].prior)
    _by_company(cases, measured)
    return [_flag(name, case) for name, case in cases.items() if case.late]


# --- evidence of words --------------------------------------------------------------------------------------------


def _words(name: str, column: pl.Series) -> list[Part]:
    named, valued = told_by_name(name), told_by_values(column)
    parts = []
    if named.weight < 0:
        parts.append(Part(named.weight, f"though its name speaks of {named.told!r}", {"word": named.told}))
    elif named.weight:
        parts.append(Part(named.weight, f"its name speaks of {named.told!r}", {"word": named.told}))
    if valued.weight:
        parts.append(Part(valued.weight, f"its values speak of {valued.told}", {"value_words": valued.told}))
    return parts


# --- evidence of numbers ------------------------------------------------------------------------------------------


def _ramp(value: float, start: float, full: float) -> float:
    return min(1.0, max(0.0, (value - start) / (full - start)))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share in (0.0, 1.0) or 0.01 <= share <= 0.99 else f"{100 * share:.1f} %"


def _alone(one: ColumnEvidence, weaker: float | None) -> list[Part]:
    """What the column alone says of the outcome."""
    parts = [_rank(one), _dominance(one, weaker), _presence(one), _purity(one), _ageing(one)]
    return [part for part in parts if part.weight > 0]


def _rank(one: ColumnEvidence) -> Part:
    weight = 0.5 * _ramp(one.auc, 0.6, 0.85)
    return Part(weight, f"alone it ranks the outcome with AUC {one.auc:.2f}", {"auc": one.auc})


def _dominance(one: ColumnEvidence, weaker: float | None) -> Part:
    if weaker is None:
        return Part(0.0, "", {})
    ahead = one.auc - weaker
    weight = 0.6 * _ramp(one.auc, 0.84, 0.9) * _ramp(ahead, 0.0, _AHEAD)
    weight += 0.4 * _ramp(one.auc, _STRONG, 0.86) * _ramp(ahead, 0.1, _FAR_AHEAD)
    weight *= 1.0 - _ramp(
        weaker, 0.82, 0.9
    )  # where the others tell the outcome anyway, a telling column is no wonder
    return Part(
        weight,
        f"alone it ranks better than all weaker columns together (AUC {one.auc:.2f} against {weaker:.2f})",
        {"auc_of_weaker_columns_together": weaker},
    )


def _presence(one: ColumnEvidence) -> Part:
    told = one.presence
    if told is None:
        return Part(0.0, "", {})
    return Part(
        _ramp(abs(told.won - told.lost), 0.25, 0.75),
        f"{told.word} for {_percent(told.won)} of won and {_percent(told.lost)} of lost leads",
        {"filled_won": told.won, "filled_lost": told.lost},
    )


def _purity(one: ColumnEvidence) -> Part:
    pure = one.pure
    if pure is None:
        return Part(0.0, "", {})
    full = 1.0 if pure.won else 0.8
    which = "won" if pure.won else "lost"
    return Part(
        full * _ramp(-pure.log10_chance, 2.0, 6.0),
        f"all {pure.rows} leads with {pure.level!r} were {which}",
        {"pure_value": pure.level, "pure_rows": pure.rows},
    )


def _ageing(one: ColumnEvidence) -> Part:
    if one.older_filled > 0.5:
        weight = 0.5 * _ramp(one.older_filled, 0.7, 0.85)
        if weight:
            return Part(
                weight,
                f"it fills with age: a filled row is older than an empty one in {_percent(one.older_filled)} of pairs",
                {"older_filled": one.older_filled},
            )
    return Part(
        0.2 * _ramp(one.grows, 0.2, 0.4),
        f"it grows with the age of the row (rank correlation {one.grows:.2f})",
        {"grows_with_age": one.grows},
    )


def _dated(one: ColumnEvidence, moments: Array | None, prior: float) -> list[Part]:
    """A date after the row's own time that is no plan: its words say so, or it does not reach beyond the newest row."""
    if one.days is None or moments is None:
        return []
    known = np.isfinite(one.days) & np.isfinite(moments)
    if known.sum() < _FEWEST:
        return []
    later = float((one.days[known] > moments[known] + 1.0).mean())
    beyond = float((one.days[known] > np.nanmax(moments) + 1.0).mean())
    planned = 0.0 if prior >= STRONG else _ramp(beyond, 0.03, 0.08)
    weight = 0.7 * _ramp(later, 0.5, 0.8) * (1.0 - planned)
    if not weight:
        return []
    return [Part(weight, f"{_percent(later)} of its dates lie after the lead's own", {"later_dates": later})]


def _first_days(measured: Mapping[str, ColumnEvidence]) -> Array | None:
    """The rows' own days where no time was named: the column of dates that is always there and before the others."""
    dated = [one.days for one in measured.values() if one.days is not None]
    always = [days for days in dated if np.isfinite(days).mean() >= 0.99]
    if len(dated) < 2 or not always:
        return None
    first = min(always, key=lambda days: float(np.nanmean(days)))
    others = [
        days[np.isfinite(days) & np.isfinite(first)] >= first[np.isfinite(days) & np.isfinite(first)]
        for days in dated
    ]
    return first if all(later.mean() >= 0.95 for later in others if later.size) else None


def _combined_weaker(measured: Mapping[str, ColumnEvidence], y: Array) -> dict[str, float]:
    """For each column that ranks well: the AUC of all weaker ones together. What beats one that dominates, dominates too."""
    names = sorted(measured, key=lambda name: -measured[name].auc)
    thin = slice(None, None, -(-y.size // _ROWS_COMBINED))
    outcome = y[thin]
    matrix = np.stack([measured[name].scores[thin] for name in names], axis=1)
    found: dict[str, float] = {}
    best = 1.0
    for place in reversed(range(sum(measured[name].auc > _STRONG for name in names))):
        own = measured[names[place]].auc
        if own - best < _FAR_AHEAD:  # else what is already known says all that more could say
            weaker = matrix[:, place + 1 :]
            alone = not weaker.shape[1]
            together = 0.5 if alone else auc_within_blocks(outcome, _logistic(weaker, outcome))
            if own >= _DOMINANT and own - together >= _AHEAD:
                best = min(best, together)
            found[names[place]] = min(best, together)
        else:
            found[names[place]] = best
    return found


def _logistic(matrix: Array, y: Array, *, ridge: float = 5.0, steps: int = 5) -> Array:
    """Cross-fitted log-odds of a ridge logistic regression by Newton's method, two interleaved halves."""
    scale = matrix.std(axis=0)
    inputs = np.column_stack(
        [np.ones(y.size), (matrix - matrix.mean(axis=0)) / np.where(scale > 0, scale, 1.0)]
    )
    penalty = np.diag([1e-6] + [ridge] * matrix.shape[1])
    said = np.empty(y.size)
    half = np.arange(y.size) % 2 == 0
    for learn in (half, ~half):
        rows, weights = inputs[learn], np.zeros(inputs.shape[1])
        for _ in range(steps):
            p = 1.0 / (1.0 + np.exp(-np.clip(np.einsum("ij,j->i", rows, weights), -30, 30)))
            slope = np.einsum("ij,i->j", rows, y[learn] - p) - penalty @ weights
            # not by BLAS, whose threads cost more than so small a product wherever cores are busy
            bend = np.einsum("ij,ik->jk", rows * (p * (1 - p))[:, None], rows) + penalty
            weights += np.linalg.solve(bend, slope)
        said[~learn] = np.einsum("ij,j->i", inputs[~learn], weights)
    return said


# --- evidence of company ------------------------------------------------------------------------------------------


def _by_company(cases: dict[str, _Case], measured: Mapping[str, ColumnEvidence]) -> None:
    """Columns that are missing with a flagged one, or nearly repeat it, inherit some of its weight; until nothing changes."""
    _blocks(cases, measured)
    settled: set[str] = set()
    while True:
        fresh = [name for name, case in cases.items() if case.late and name not in settled]
        if not fresh:
            return
        settled.update(fresh)
        for name, case in cases.items():
            if case.late:
                continue
            for late in fresh:
                part = _kinship(measured[name], measured[late], late)
                if part.weight and not any("with" in known.numbers for known in case.numbers):
                    case.numbers.append(part)


def _blocks(cases: Mapping[str, _Case], measured: Mapping[str, ColumnEvidence]) -> None:
    """Columns that fill with age and are missing together came from one hand that writes later, or wrote for a while."""
    aged = [name for name, one in measured.items() if one.older_filled >= 0.85]
    for name in aged:
        block = [other for other in aged if missing_together(measured[name], measured[other]) >= 0.99]
        if len(block) >= _BLOCK:
            cases[name].numbers.append(
                Part(0.2, f"one of {len(block)} columns that are missing together", {"block": len(block)})
            )


def _kinship(one: ColumnEvidence, late: ColumnEvidence, name: str) -> Part:
    together = missing_together(one, late)
    same = agreement(one, late)
    by_missing, by_value = 0.5 * _ramp(together, 0.95, 0.99), 0.6 * _ramp(same, 0.6, 0.9)
    if by_missing >= by_value:
        return Part(
            by_missing,
            f"missing together with {name!r} ({_percent(together)})",
            {"with": name, "together": together},
        )
    return Part(
        by_value, f"nearly the same as {name!r} (Cramer's V {same:.2f})", {"with": name, "cramers_v": same}
    )


def _flag(name: str, case: _Case) -> FlaggedColumn:
    parts = sorted(case.numbers, key=lambda part: -part.weight) + case.words
    evidence: dict[str, float | int | str] = {"weight": round(case.total, 2)}
    for part in parts:
        evidence.update(part.numbers)
    return FlaggedColumn(
        column=name,
        kind="late",
        reason="filled in after the outcome, as it seems: " + "; ".join(part.words for part in parts),
        evidence=evidence,
    )
