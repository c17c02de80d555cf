"""What one evaluation says: figures, baselines beside them, what was used, what was flagged and why.

Called by the evaluations of this room and by ``enterprisehub evaluate``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Figures = Mapping[str, float | int | None]
"""By name: n, base_rate, auc, ap, brier, ece, lift_at_10, hits, ndcg_at_10, mrr, expected_count_correlation ...

None: the question has no answer here (one class only).
"""

_DIGITS: Final = 6
_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class FlaggedColumn:
    """A column that is not used, and why, in words that name the evidence."""

    column: str
    kind: str
    """late: filled in after the outcome. protected: a protected class or a proxy. identifier, constant, excluded ..."""
    reason: str
    evidence: Mapping[str, float | int | str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Plain values."""
        return {
            "column": self.column,
            "kind": self.kind,
            "reason": self.reason,
            "evidence": {name: _plain(value) for name, value in self.evidence.items()},
        }


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The answer of ``enterprisehub evaluate``."""

    task: str
    model: str
    """Which model answered, in a few words."""
    figures: Figures
    baselines: Mapping[str, Figures]
    used: tuple[str, ...] = ()
    flagged: tuple[FlaggedColumn, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know: the alarm that rings, what was thin, what was assumed."""
    details: Mapping[str, object] = field(default_factory=dict)
    """Plain values that only this task has: reliability bins, drift, windows."""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON: the figures stand at the top level."""
        return {
            "task": self.task,
            "model": self.model,
            **{name: _plain(value) for name, value in self.figures.items()},
            "baselines": {
                name: {key: _plain(value) for key, value in figures.items()}
                for name, figures in self.baselines.items()
            },
            "used": list(self.used),
            "flagged": [flag.as_dict() for flag in self.flagged],
            "notes": list(self.notes),
            "details": dict(self.details),
            "seconds": round(self.seconds, 2),
        }

    def table(self) -> str:
        """For people: the model beside its baselines, what was flagged, the notes."""
        names = [name for name in self.figures if any(name in row for row in self.baselines.values())]
        alone = [name for name in self.figures if name not in names]
        rows = {self.model: self.figures, **self.baselines}
        width = max(len(name) for name in rows) + 2
        lines = [f"{self.task}: " + ", ".join(f"{name} {_shown(self.figures[name])}" for name in alone)]
        lines.append(" " * width + " ".join(f"{name[:14]:>14s}" for name in names))
        for title, figures in rows.items():
            lines.append(
                f"{title:{width}s}" + " ".join(f"{_shown(figures.get(name)):>14s}" for name in names)
            )
        if self.flagged:
            lines += ["", "not used:"]
            lines += [f"  {flag.column} ({flag.kind}): {flag.reason}" for flag in self.flagged]
        lines += ["", *self.notes] if self.notes else []
        lines.append(f"{self.seconds:.1f} s")
        return "\n".join(lines)


def _plain(value: float | int | str | None) -> float | int | str | None:
    if isinstance(value, str) or value is None or isinstance(value, int):
        return value
    return round(float(value), _DIGITS) if math.isfinite(value) else None


def _shown(value: float | int | None) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{_SHOWN}f}"
