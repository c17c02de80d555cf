"""One measured promise, as the bench reports it. Made by the benchmarks, printed by ``benchmarks`` and ``bench_report``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Self

from ghl_real_estate_ai import budgets


def figure_of(value: float, unit: str) -> str:
    """Three digits that count, as people write numbers: 5,470 /s."""
    return f"{float(f'{value:.3g}'):,.10g} {unit}".rstrip()


@dataclass(frozen=True)
class Row:
    """``peer`` is the same job done the plain way; ``beside`` what else was seen, in words; ``figures`` the same by server.

    ``left_out``: why there is no figure, and none is missed. ``failed``: why what was measured does not count.
    """

    name: str
    what: str
    measured: float
    unit: str
    budget: float
    samples: int
    peer: str = ""
    peer_measured: float | None = None
    stages: dict[str, float] = field(default_factory=dict)
    more_is_better: bool = False
    beside: dict[str, str] = field(default_factory=dict)
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    not_here: str = ""
    failed: str = ""

    @classmethod
    def left_out(cls, name: str, what: str, *, why: str) -> Self:
        """No figure, because something is not on this machine."""
        return cls(name, what, math.nan, "", getattr(budgets, name), 0, not_here=why)

    @classmethod
    def broken(cls, name: str, *, why: str) -> Self:
        """No figure, because something went wrong."""
        return cls(name, "", math.nan, "", getattr(budgets, name), 0, failed=why)

    @property
    def passed(self) -> bool:
        """Within the budget, or left out."""
        if self.not_here or self.failed:
            return not self.failed
        if self.more_is_better:
            return self.measured >= self.budget
        return self.measured <= self.budget

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer: above 1, we are better."""
        if self.peer_measured is None or not self.measured or not self.peer_measured:
            return None
        ratio = self.peer_measured / self.measured
        return 1 / ratio if self.more_is_better else ratio

    @property
    def target(self) -> str:
        """The budget, with its direction."""
        return f"{'>=' if self.more_is_better else '<='} {self.budget:,.10g} {self.unit}".rstrip()

    @property
    def figure(self) -> str:
        """What was measured, or why nothing was."""
        if self.not_here or math.isnan(self.measured):
            return f"not measured: {self.not_here or self.failed}"
        return figure_of(self.measured, self.unit) + (f"; failed: {self.failed}" if self.failed else "")

    @property
    def verdict(self) -> str:
        """One word."""
        if self.not_here:
            return "-"
        return "pass" if self.passed else "MISSED"

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "name": self.name,
            "what": self.what,
            "measured": None if math.isnan(self.measured) else self.measured,
            "unit": self.unit,
            "budget": self.budget,
            "more_is_better": self.more_is_better,
            "passed": self.passed,
            "not_here": self.not_here or None,
            "failed": self.failed or None,
            "samples": self.samples,
            "peer": self.peer or None,
            "peer_measured": self.peer_measured,
            "ratio": self.ratio,
            "stages": self.stages,
            "beside": self.beside,
            "figures": self.figures,
        }
