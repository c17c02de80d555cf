"""What was said of leads beside what came true: the report that anyone can check.

Made by ml/track_report.py; shown by ``enterprisehub report scores``, ``GET /v1/track-record`` and the screen.
"""

from __future__ import annotations

from pydantic import Field

from ghl_real_estate_ai.models.identifiers import Frozen, Probability, UtcTime

Measured = float | None
"""None: the question has no answer on these rows, e.g. because only one outcome occurred."""


class Figures(Frozen):
    """How good probabilities were. Higher is better for auc, ap, lift_at_10; lower for brier and ece."""

    auc: Measured = None
    ap: Measured = None
    brier: Measured = None
    ece: Measured = None
    lift_at_10: Measured = None


class Span(Frozen):
    """Where a figure lies with 80 % certainty, by drawing leads again."""

    low: float
    high: float


class ReliabilityPoint(Frozen):
    """One bin: what was said on average, what came true, and between which rates the truth lies with 80 % certainty."""

    rows: int
    leads: int
    said: Probability
    came_true: Probability
    low: Probability
    high: Probability
    said_low: Probability | None = Field(
        default=None, description="mean lower end of the intervals that were shown, of the rows that have one"
    )
    said_high: Probability | None = None


class Compared(Frozen):
    """A rule on the rows that it could have answered then, and the shown scores on the same rows."""

    name: str
    rows: int
    leads: int
    rule: Figures
    shown: Figures
    brier_gain: float = Field(
        description="rule's Brier score less the shown one: above 0 the scores are better"
    )
    brier_gain_span: Span


class MonthRow(Frozen):
    """One month of answers, by when they were given (UTC)."""

    month: str
    rows: int
    leads: int
    base_rate: Probability
    figures: Figures
    rules: dict[str, Figures] = Field(default_factory=dict)


class TargetRecord(Frozen):
    """The record of one question."""

    target: str
    question: str
    horizon_days: int
    rows: int = Field(description="answers whose horizon is over")
    leads: int
    waiting: int = Field(description="answers whose horizon is not over yet")
    next_due_at: UtcTime | None = Field(
        default=None, description="when the next outcome will be known; never a past day"
    )
    simulated: bool = Field(
        description="whether the leads are simulated: only where nothing was said of others"
    )
    base_rate: Probability | None = None
    figures: Figures = Figures()
    spans: dict[str, Span] = Field(default_factory=dict)
    reliability: tuple[ReliabilityPoint, ...] = ()
    prior_share: Measured = Field(default=None, description="mean over the newest month")
    model_versions: tuple[str, ...] = ()
    compared: tuple[Compared, ...] = ()
    months: tuple[MonthRow, ...] = ()
    verdict: str = ""


class TrackRecord(Frozen):
    """The record of a location."""

    location_id: str
    as_of: UtcTime
    kind: str = Field(
        default="as shown",
        description="as shown: what screens said then; replayed: what today's model would have said",
    )
    targets: tuple[TargetRecord, ...]
