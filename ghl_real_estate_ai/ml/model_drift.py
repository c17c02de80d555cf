"""Whether a location's newest month still looks like the months before: its inputs, its scores, what came true.

Called by ml/contest.py. The alarm is kept on the model's card, told by ``enterprisehub train`` and on the system stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ghl_real_estate_ai.ml.artifacts import Model
from ghl_real_estate_ai.ml.drift import moved
from ghl_real_estate_ai.ml.evaluation import Array
from ghl_real_estate_ai.ml.features import FEATURE_NAMES
from ghl_real_estate_ai.ml.history import Table

NEWEST_DAYS: Final = 30.0
"""The newest origins whose answer is known, against all before."""
LEADS_NEEDED: Final = 50
"""On either side: below it a month looks strange by chance."""
Z_ALARM: Final = 3.0
"""Standard errors, by lead, between what was said and what came true, or between two base rates."""
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Drift:
    """The newest month against the ones before."""

    rows: int
    leads: int
    inputs: dict[str, float]
    """PSI of the three inputs that moved most."""
    score: float
    """PSI of the model's log-odds."""
    base_rates: tuple[float, float]
    """Before, newest."""
    said: float
    """Mean probability over the newest month, to be held against its base rate."""
    reasons: tuple[str, ...]

    @property
    def rings(self) -> bool:
        """Whether somebody should look."""
        return bool(self.reasons)

    def as_dict(self) -> dict[str, object]:
        """Plain values, rounded."""
        return {
            "rings": self.rings,
            "reasons": list(self.reasons),
            "rows": self.rows,
            "leads": self.leads,
            "inputs_psi": {name: round(value, 4) for name, value in self.inputs.items()},
            "score_psi": round(self.score, 4),
            "base_rate_before": round(self.base_rates[0], 4),
            "base_rate": round(self.base_rates[1], 4),
            "said": round(self.said, 4),
        }

    def in_words(self) -> str:
        """One line."""
        if not self.rings:
            return f"no drift in the newest {NEWEST_DAYS:.0f} days ({self.leads} leads)"
        return "DRIFT: " + "; ".join(self.reasons)


def drift_of(model: Model, rows: Table, *, days: float) -> Drift | None:
    """The alarm for resolved ``rows`` with answers within ``days``; None where there are too few to say."""
    if not len(rows):
        return None
    new = rows.at > rows.at.max() - NEWEST_DAYS * _DAY_S
    newest, before = rows.where(new), rows.where(~new)
    if min(_leads(newest), _leads(before)) < LEADS_NEEDED:
        return None
    inputs = [
        moved(name, before.x[:, place], newest.x[:, place])
        for name in model.feature_names
        for place in (FEATURE_NAMES.index(name),)
    ]
    furthest = sorted(inputs, key=lambda one: -one.psi)[:3]
    scores = [np.array([model.log_odds(row, days=days) for row in part.x]) for part in (before, newest)]
    said = np.array([model.within(row, days=days) for row in newest.x])
    rates = (float(before.y.mean()), float(newest.y.mean()))
    score = moved("scores", scores[0], scores[1])
    reasons = [f"{one.name} moved (PSI {one.psi:.2f})" for one in (*furthest, score) if one.rings]
    apart = abs(rates[1] - rates[0]) / np.hypot(_error(before.y, before), _error(newest.y, newest))
    if apart > Z_ALARM:
        reasons.append(f"came true {rates[1]:.1%} instead of {rates[0]:.1%}")
    if abs(float((newest.y - said).mean())) > Z_ALARM * _error(newest.y - said, newest):
        reasons.append(f"said {said.mean():.1%}, came true {rates[1]:.1%}")
    told = {one.name: one.psi for one in furthest}
    return Drift(len(newest), _leads(newest), told, score.psi, rates, float(said.mean()), tuple(reasons))


def _leads(rows: Table) -> int:
    return int(np.unique(rows.draw).size)


def _error(values: Array, rows: Table) -> float:
    """Standard error of the mean; leads are the unit, not rows."""
    _, of_lead = np.unique(rows.draw, return_inverse=True)
    each = np.bincount(of_lead, values - values.mean())
    return max(1e-6, float(np.sqrt((each**2).sum())) / values.size)
