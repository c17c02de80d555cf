"""One measured promise, as the bench reports it. Made by ``benchmarks`` and ``crm_benchmarks``."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """``peer`` is the same job done the plain way; ``beside`` what else was seen, in words."""

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

    @property
    def passed(self) -> bool:
        """Within the budget."""
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
        return f"{'>=' if self.more_is_better else '<='} {self.budget:g} {self.unit}"

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "name": self.name,
            "what": self.what,
            "measured": self.measured,
            "unit": self.unit,
            "budget": self.budget,
            "more_is_better": self.more_is_better,
            "passed": self.passed,
            "samples": self.samples,
            "peer": self.peer or None,
            "peer_measured": self.peer_measured,
            "ratio": self.ratio,
            "stages": self.stages,
            "beside": self.beside,
        }
