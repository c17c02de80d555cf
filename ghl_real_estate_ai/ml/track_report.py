"""Turns records of what was said and what came true into figures, beside two rules that everybody could follow. Pure.

Called by services/track_record.py and commands/reporting.py.

The rules are the base rate, and the recency rule (the rate among leads that had been silent for as long). Each knows only
outcomes that were known when its answer was due: a week's answers come from records whose horizon had ended before that week.
Rows of one lead resemble each other, so certainty counts leads: spans come from drawing whole leads again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.learning_ports import ScoreRecord
from ghl_real_estate_ai.ml.evaluation import auc, average_precision, brier, ece, lift_at_10
from ghl_real_estate_ai.models.track_record import (
    Compared,
    Figures,
    MonthRow,
    ReliabilityPoint,
    Span,
    TargetRecord,
)

Array = npt.NDArray[np.float64]

LEADS_FOR_A_VERDICT: Final = 100
"""Resolved leads below which no verdict is given: the span of a Brier score is then as wide as most differences."""
OF_EACH_OUTCOME: Final = 10
"""Leads with the rarer outcome that a verdict needs."""
BINS: Final = 10
"""Quantile bins of the reliability plot."""
LEADS_PER_BIN: Final = 15
"""Fewer bins where there are fewer leads: a point that rests on three leads misleads."""
DRAWS: Final = 200
SPAN_LEVEL: Final = 0.8
_Z: Final = 1.2815515655446004  # of a normal distribution: 80 % lie within
_SEED: Final = 20_261_126  # of the draws: the same records give the same spans
SILENCE_BUCKETS: Final = (1.0, 3.0, 7.0, 14.0, 30.0)
"""Days of silence that the recency rule tells apart."""
BASE_RATE, RECENCY = "base rate", "recency rule"
_WEEK: Final = timedelta(days=7)
_RULE_ROWS: Final = 30
"""Records that must have been resolved before a rule may answer."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Resolved records as columns, oldest first."""

    p: Array
    y: Array
    lead: npt.NDArray[np.intp]
    silence: Array
    made: Array
    due: Array
    low: Array
    high: Array

    def where(self, mask: npt.NDArray[np.bool_]) -> _Rows:
        return _Rows(*(getattr(self, name)[mask] for name in self.__slots__))

    @property
    def leads(self) -> int:
        return int(np.unique(self.lead).size)

    def __len__(self) -> int:
        return int(self.p.size)


@dataclass(frozen=True, slots=True)
class Asked:
    """The question whose record it is."""

    target: str
    question: str
    horizon_days: int


def target_record(
    asked: Asked, records: Sequence[ScoreRecord], *, waiting: int = 0, next_due_at: datetime | None = None
) -> TargetRecord:
    """The record of one question. ``records``: resolved, of one target and location, in any order."""
    ordered = sorted(records, key=lambda record: (record.made_at, record.lead_id))
    known = {
        "target": asked.target,
        "question": asked.question,
        "horizon_days": asked.horizon_days,
        "rows": len(ordered),
        "waiting": waiting,
        "next_due_at": next_due_at,
        "simulated": any(record.simulated for record in ordered),
    }
    if not ordered:
        return TargetRecord(**known, leads=0, verdict=_nothing_yet(asked, waiting, next_due_at))
    rows = _columns(ordered)
    rules = _rules(rows)
    points = tuple(_reliability(rows))
    compared = tuple(_compared(name, p, rows) for name, p in rules.items() if np.isfinite(p).any())
    return TargetRecord(
        **known,
        leads=rows.leads,
        base_rate=float(rows.y.mean()),
        figures=_figures(rows.y, rows.p),
        spans=_spans(rows),
        reliability=points,
        interval_coverage=_coverage(points),
        prior_share=_prior_share(ordered),
        model_versions=tuple(dict.fromkeys(record.model_version for record in ordered)),
        compared=compared,
        months=tuple(_months(rows, rules)),
        verdict=_verdict(rows, compared),
    )


def _columns(records: Sequence[ScoreRecord]) -> _Rows:
    def column(values: Iterator[float | None]) -> Array:
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)

    _, lead = np.unique([record.lead_id for record in records], return_inverse=True)
    return _Rows(
        p=column(record.probability for record in records),
        y=column(float(bool(record.outcome)) for record in records),
        lead=lead.astype(np.intp),
        silence=column(record.silence_days for record in records),
        made=column(record.made_at.timestamp() for record in records),
        due=column(record.due_at.timestamp() for record in records),
        low=column(record.low for record in records),
        high=column(record.high for record in records),
    )


def _figures(y: Array, p: Array) -> Figures:
    if not y.size:
        return Figures()
    values = {
        "auc": auc(y, p),
        "ap": average_precision(y, p),
        "brier": brier(y, p),
        "ece": ece(y, p, bins=_bins_of(y.size)),
        "lift_at_10": lift_at_10(y, p),
    }
    return Figures(**{name: _known(value) for name, value in values.items()})


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _bins_of(leads: int) -> int:
    return max(1, min(BINS, leads // LEADS_PER_BIN))


# --- the rules ----------------------------------------------------------------------------------------------------


def _rules(rows: _Rows) -> dict[str, Array]:
    """Per rule its answer to each row, NaN where too little was known then."""
    base, recency = np.full(len(rows), math.nan), np.full(len(rows), math.nan)
    buckets = np.digitize(rows.silence, SILENCE_BUCKETS)  # NaN falls into the last: as if silent for long
    for week in np.unique(rows.made // _WEEK.total_seconds()):
        here = rows.made // _WEEK.total_seconds() == week
        known = rows.due <= rows.made[here].min()
        if known.sum() < _RULE_ROWS:
            continue
        rate = float(rows.y[known].mean())
        base[here] = rate
        for bucket in np.unique(buckets[here]):
            alike = known & (buckets == bucket)
            # two rows' worth of the base rate: a bucket with few rows says little
            recency[here & (buckets == bucket)] = (rows.y[alike].sum() + 2 * rate) / (alike.sum() + 2)
    return {RECENCY: recency, BASE_RATE: base}


def _compared(name: str, p: Array, rows: _Rows) -> Compared:
    answered = np.isfinite(p)
    same = rows.where(answered)
    gains = (p[answered] - same.y) ** 2 - (same.p - same.y) ** 2
    return Compared(
        name=name,
        rows=len(same),
        rule=_figures(same.y, p[answered]),
        shown=_figures(same.y, same.p),
        brier_gain=float(gains.mean()),
        brier_gain_span=_span([float(gains[drawn].mean()) for drawn in _draws(same)]),
    )


# --- certainty ----------------------------------------------------------------------------------------------------


def _draws(rows: _Rows) -> Iterator[npt.NDArray[np.intp]]:
    """Row numbers of DRAWS samples of whole leads."""
    rng = np.random.default_rng(_SEED)
    order = np.argsort(rows.lead, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(rows.lead[order])) + 1)
    for _ in range(DRAWS):
        yield np.concatenate([groups[place] for place in rng.integers(0, len(groups), len(groups))])


def _spans(rows: _Rows) -> dict[str, Span]:
    if rows.leads < LEADS_PER_BIN:
        return {}
    drawn = [_figures(rows.y[sample], rows.p[sample]) for sample in _draws(rows)]
    spans = {}
    for name in Figures.model_fields:
        values = [value for one in drawn if (value := getattr(one, name)) is not None]
        span = _span(values) if len(values) > DRAWS // 2 else None
        if (
            span is not None and name != "ece"
        ):  # drawn again, a calibration error only grows: its span would mislead
            spans[name] = span
    return spans


def _span(values: Sequence[float]) -> Span | None:
    if len(values) < 2:
        return None
    low, high = np.quantile(values, [(1 - SPAN_LEVEL) / 2, (1 + SPAN_LEVEL) / 2])
    return Span(low=float(low), high=float(high))


def _reliability(rows: _Rows) -> Iterator[ReliabilityPoint]:
    order = np.argsort(rows.p, kind="stable")
    for part in np.array_split(order, _bins_of(rows.leads)):
        bin_ = rows.where(np.isin(np.arange(len(rows)), part))
        low, high = _wilson(float(bin_.y.mean()), bin_.leads)
        shown = np.isfinite(bin_.low).all() and np.isfinite(bin_.high).all()
        yield ReliabilityPoint(
            rows=len(bin_),
            leads=bin_.leads,
            said=float(bin_.p.mean()),
            came_true=float(bin_.y.mean()),
            low=low,
            high=high,
            said_low=float(bin_.low.mean()) if shown else None,
            said_high=float(bin_.high.mean()) if shown else None,
        )


def _wilson(rate: float, n: int) -> tuple[float, float]:
    """Wilson's score interval (1927), at SPAN_LEVEL."""
    middle = (rate + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(rate * (1 - rate) / n + _Z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _coverage(points: Sequence[ReliabilityPoint]) -> float | None:
    told = [point for point in points if point.said_low is not None and point.said_high is not None]
    if not told:
        return None
    held = [p.rows for p in told if (p.said_low or 0.0) <= p.came_true <= (p.said_high or 0.0)]
    return sum(held) / sum(point.rows for point in told)


def _prior_share(records: Sequence[ScoreRecord]) -> float | None:
    newest = records[-1].made_at - timedelta(days=30)
    shares = [r.prior_share for r in records if r.made_at > newest and r.prior_share is not None]
    return float(np.mean(shares)) if shares else None


# --- by month, and in words ---------------------------------------------------------------------------------------


def _months(rows: _Rows, rules: dict[str, Array]) -> Iterator[MonthRow]:
    names = np.array([datetime.fromtimestamp(at, UTC).strftime("%Y-%m") for at in rows.made])
    for name in dict.fromkeys(names.tolist()):
        here = names == name
        month = rows.where(here)
        told = {rule: p[here] for rule, p in rules.items()}
        yield MonthRow(
            month=name,
            rows=len(month),
            leads=month.leads,
            base_rate=float(month.y.mean()),
            figures=_figures(month.y, month.p),
            rules={rule: _figures(month.y, p) for rule, p in told.items() if np.isfinite(p).all()},
        )


def _nothing_yet(asked: Asked, waiting: int, next_due_at: datetime | None) -> str:
    if not waiting:
        return "not enough data: nothing was said of a lead yet"
    when = "" if next_due_at is None else f"; the first outcome is known on {next_due_at:%d %b %Y}"
    return f"not enough data: {waiting} answers wait for their {asked.horizon_days} days to end{when}"


def _verdict(rows: _Rows, compared: Sequence[Compared]) -> str:
    with_it = int(np.unique(rows.lead[rows.y > 0]).size)
    without = int(np.unique(rows.lead[rows.y == 0]).size)
    if rows.leads < LEADS_FOR_A_VERDICT:
        return f"not enough data: {rows.leads} resolved leads, {LEADS_FOR_A_VERDICT} needed for a verdict"
    if min(with_it, without) < OF_EACH_OUTCOME:
        return (
            f"not enough data: {min(with_it, without)} resolved leads with the rarer outcome, "
            f"{OF_EACH_OUTCOME} needed for a verdict"
        )
    if not compared:
        return "not enough data: no rule could have answered yet, so there is nothing to compare with"
    return "; ".join(_in_words(one) for one in compared)


def _in_words(one: Compared) -> str:
    gain, span = one.brier_gain or 0.0, one.brier_gain_span
    if span is None:
        return f"compared with the {one.name}: one lead only"
    told = f"Brier score {gain:+.4f} against the {one.name}, 80 % span {span.low:+.4f} to {span.high:+.4f}"
    if span.low > 0:
        return f"better than the {one.name} ({told})"
    return (
        f"WORSE than the {one.name} ({told})"
        if span.high < 0
        else f"no clear difference from the {one.name} ({told})"
    )
