"""Whether later rows still look like the rows a model learnt from. Called by ml/table_score.py and ml/model_drift.py.

Plain arrays in, an alarm with its reasons out. Three questions: have the inputs or the score moved, has the base rate moved,
does what was said still come true. The last two need resolved rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

PSI_ALARM: Final = 0.25
"""Population stability index from which on a shift counts as large: the convention of credit scoring (Siddiqi 2006)."""
SIGMA_ALARM: Final = 4.0
"""Standard errors by which a base rate, or what was said, must be off: once in 16,000 looks by chance."""
RATE_ALARM: Final = 0.02
"""And by so much: with many rows every trifle is significant."""
_BINS: Final = 10
_LEAST_SHARE: Final = 1e-4
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Moved:
    """How far one input, or the score, has moved."""

    name: str
    psi: float
    """Population stability index over deciles of the reference (levels for words), missing as a bin of its own."""
    ks: float
    """Largest distance between the two distribution functions over those bins."""
    by_chance: float
    """The index that this few rows would show by chance, four standard deviations up."""

    @property
    def rings(self) -> bool:
        """Large, and not by chance."""
        return self.psi >= max(PSI_ALARM, self.by_chance)

    def as_dict(self) -> dict[str, object]:
        """Plain values."""
        return {"psi": round(self.psi, 4), "ks": round(self.ks, 4), "rings": self.rings}


@dataclass(frozen=True, slots=True)
class DriftAlarm:
    """What moved, and why the alarm rings; no reasons, no alarm."""

    moved: tuple[Moved, ...]
    """Furthest first."""
    reasons: tuple[str, ...]

    @property
    def rings(self) -> bool:
        """Whether there is a reason."""
        return bool(self.reasons)

    def as_dict(self, *, most: int | None = None) -> dict[str, object]:
        """Plain values; of what moved only the furthest ``most``."""
        return {
            "rings": self.rings,
            "reasons": list(self.reasons),
            "moved": {one.name: one.as_dict() for one in self.moved[:most]},
        }


def moved(name: str, reference: Array, current: Array, *, levels: bool = False) -> Moved:
    """One column then and now. ``levels``: the values are codes, each a bin of its own; else deciles. NaN is missing."""
    before, after = _shares(reference, current, levels=levels)
    index = float(np.sum((after - before) * np.log(after / before)))
    bins = before.size
    noise = 1 / max(reference.size, 1) + 1 / max(current.size, 1)
    chance = noise * (bins - 1 + 4 * math.sqrt(2 * max(bins - 1, 1)))  # the index is noise times chi-squared
    distance = float(np.max(np.abs(np.cumsum(after - before)))) if bins else 0.0
    return Moved(name, index, distance, chance)


def drift_alarm(
    columns: Mapping[str, tuple[Array, Array, bool]],
    score: tuple[Array, Array],
    *,
    outcomes: tuple[Array, Array] | None = None,
    said: Array | None = None,
) -> DriftAlarm:
    """``columns``: by name, values then and now, and whether they are codes. ``score``: log-odds then and now.

    ``outcomes``: resolved rows then and now; ``said``: the probabilities of the rows of now.
    """
    inputs = sorted(
        (moved(name, then, now, levels=levels) for name, (then, now, levels) in columns.items()),
        key=lambda one: (-one.psi, one.name),
    )
    reasons: list[str] = []
    loud = [one for one in inputs if one.rings]
    if loud:
        named = ", ".join(f"{one.name} (PSI {one.psi:.2f})" for one in loud[:_NAMED])
        more = f" and {len(loud) - _NAMED} more" if len(loud) > _NAMED else ""
        reasons.append(f"inputs have moved: {named}{more}")
    whole = moved("score", *score)
    if whole.rings:
        reasons.append(f"the score has moved (PSI {whole.psi:.2f})")
    if outcomes is not None:
        reasons += _outcome_reasons(*outcomes, said)
    return DriftAlarm((whole, *inputs), tuple(reasons))


def _outcome_reasons(then: Array, now: Array, said: Array | None) -> list[str]:
    if not then.size or not now.size:
        return []
    reasons = []
    before, after = float(then.mean()), float(now.mean())
    pooled = float(np.concatenate([then, now]).mean())
    error = math.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / then.size + 1 / now.size))
    if _off(after - before, error):
        reasons.append(f"the base rate has moved from {before:.1%} to {after:.1%}")
    if said is not None:
        gap = after - float(said.mean())
        error = math.sqrt(max(float((said * (1 - said)).sum()), 1e-9)) / now.size
        if _off(gap, error):
            reasons.append(f"{said.mean():.1%} was said and {after:.1%} came true")
    return reasons


def _off(gap: float, error: float) -> bool:
    return abs(gap) >= max(RATE_ALARM, SIGMA_ALARM * error)


def _shares(reference: Array, current: Array, *, levels: bool) -> tuple[Array, Array]:
    there = reference[np.isfinite(reference)]
    if levels:
        known, counts = np.unique(there, return_counts=True)
        common = np.sort(known[np.argsort(-counts, kind="stable")[: 2 * _BINS]])
        places = [_level_places(values, common) for values in (reference, current)]
        bins = common.size + 2
    else:
        cuts = np.unique(np.quantile(there, np.linspace(0, 1, _BINS + 1)[1:-1])) if there.size else there
        places = [
            np.where(np.isfinite(values), np.searchsorted(cuts, np.nan_to_num(values)), cuts.size + 1)
            for values in (reference, current)
        ]
        bins = cuts.size + 2
    counted = [np.bincount(place, minlength=bins).astype(np.float64) for place in places]
    seen = (counted[0] + counted[1]) > 0
    # half a row more in each bin: an empty one is unlikely, not impossible
    before, after = ((one[seen] + 0.5) / (one.sum() + 0.5 * seen.sum()) for one in counted)
    return np.maximum(before, _LEAST_SHARE), np.maximum(after, _LEAST_SHARE)


def _level_places(values: Array, common: Array) -> npt.NDArray[np.intp]:
    """Each level's bin; one for the rare and the new ones, one for missing."""
    if not common.size:
        return np.where(np.isfinite(values), 0, 1)
    near = np.searchsorted(common, np.nan_to_num(values)).clip(0, common.size - 1)
    known = np.isfinite(values) & (common[near] == values)
    return np.where(known, near, np.where(np.isfinite(values), common.size, common.size + 1))
