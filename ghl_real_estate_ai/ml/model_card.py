"""What is said about a fitted model: its card on disk, and the report that ``enterprisehub train`` prints.

Called by ml/training.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ghl_real_estate_ai.ml.artifacts import Card, content_version
from ghl_real_estate_ai.ml.evaluation import Metrics, ReliabilityBin
from ghl_real_estate_ai.ml.features import FEATURE_NAMES
from ghl_real_estate_ai.ml.fitting import Calibration
from ghl_real_estate_ai.ml.history import History
from ghl_real_estate_ai.ml.shrinkage import Recalibration

_DIGITS: Final = 6
"""Of figures on the card: beyond them lies the noise of the machine's maths library."""


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One fitted model beside its baselines, on the test fold."""

    name: str
    question: str
    horizon_days: int
    inputs: tuple[str, ...]
    trees: int
    calibration: Calibration
    rows: dict[str, int]
    base_rate: float
    metrics: dict[str, Metrics]
    reliability: tuple[ReliabilityBin, ...]
    judged_days: float
    """Within so many days were answers known to judge on: the horizon, or less where a hazard's history was too short."""
    periods: tuple[float, ...] = ()
    silence: bool = False

    @property
    def left_out(self) -> tuple[str, ...]:
        """Features that the fit found no use for."""
        return tuple(name for name in FEATURE_NAMES if name not in self.inputs)

    @property
    def verdict(self) -> str:
        """Whether the trees were worth it, judged by average precision and Brier score."""
        ours, logistic, recency = (self.metrics[name] for name in ("lightgbm", "logistic", "recency"))
        ranks = ours.average_precision - logistic.average_precision
        errs = ours.brier - logistic.brier
        against = f"average precision {ranks:+.3f}, Brier {errs:+.4f} against logistic regression"
        if ours.average_precision <= recency.average_precision:
            return f"does NOT beat the recency rule: do not use it ({against})"
        if ranks > 0 and errs < 0:
            return f"beats logistic regression and the recency rule: {against}"
        return f"beats the recency rule but NOT clearly logistic regression: {against}"

    def as_dict(self) -> dict[str, object]:
        """Plain values, rounded."""
        return {
            "name": self.name,
            "question": self.question,
            "horizon_days": self.horizon_days,
            "judged_days": self.judged_days,
            "periods": list(self.periods),
            "silence": self.silence,
            "feature_names": list(self.inputs),
            "left_out": list(self.left_out),
            "trees": self.trees,
            "calibration": [self.calibration.slope, self.calibration.offset],
            "rows": self.rows,
            "base_rate": round(self.base_rate, _DIGITS),
            "metrics": {
                name: {key: round(value, _DIGITS) for key, value in metrics._asdict().items()}
                for name, metrics in self.metrics.items()
            },
            "reliability": [
                [bin_.rows, round(bin_.mean_predicted, _DIGITS), round(bin_.observed, _DIGITS)]
                for bin_ in self.reliability
            ],
            "verdict": self.verdict,
        }

    def lines(self) -> list[str]:
        """For people."""
        calibrated = "recalibrated" if self.calibration.changes else "calibrated as fitted"
        folds = ", ".join(f"{count} {fold}" for fold, count in self.rows.items())
        header = f"{'':10s} {'AUC':>6s} {'AP':>6s} {'Brier':>6s} {'ECE':>6s} {'lift@10':>8s}"
        rows = [
            f"{name:10s} {m.auc:6.3f} {m.average_precision:6.3f} {m.brier:6.3f} {m.ece:6.3f} {m.lift_at_10:8.2f}"
            for name, m in self.metrics.items()
        ]
        within = (
            f"; judged within {self.judged_days:g} days, as far as answers are known"
            if self.judged_days < self.horizon_days
            else ""
        )
        return [
            f"{self.name}: {self.question}{within}",
            f"{self.trees} trees on {len(self.inputs)} inputs, {calibrated}; rows: {folds}; base rate {self.base_rate:.3f}",
            header,
            *rows,
            self.verdict,
        ]


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What one run of training did."""

    models: tuple[ModelReport, ...]
    events: int
    leads: int
    seconds: float
    fitted_on: str
    simulated: bool

    def as_dict(self) -> dict[str, object]:
        """Plain values, for ``--json``."""
        return {
            "fitted_on": self.fitted_on,
            "simulated": self.simulated,
            "events": self.events,
            "leads": self.leads,
            "seconds": round(self.seconds, 1),
            "models": [model.as_dict() for model in self.models],
        }

    def table(self) -> str:
        """For people: each model beside its baselines, on the test fold."""
        head = (
            f"fitted on {self.fitted_on}: {self.events} events of {self.leads} leads in {self.seconds:.0f} s"
        )
        return "\n".join([head, *(line for model in self.models for line in ("", *model.lines()))])


def write_card(
    report: ModelReport,
    text: str,
    history: History,
    *,
    recalibration: Recalibration,
    fitted_on: str,
    simulated: bool,
    seed: int,
) -> Card:
    """The card of a fitted model: the report, the stamp that every answer will carry, and where the data came from."""
    belief = recalibration.as_dict()
    return {
        **report.as_dict(),
        "recalibration": belief,
        "stamp": {
            "name": report.name,
            "version": content_version(text, belief),
            "fitted_on": fitted_on,
            "simulated": simulated,
        },
        "data": {
            "events": history.events,
            "leads": len(history.outcomes),
            "first_event": history.first_at.isoformat() if history.first_at else None,
            "last_event": history.last_at.isoformat() if history.last_at else None,
            "fit_seed": seed,
        },
    }
