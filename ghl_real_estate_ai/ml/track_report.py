"""Turns records of what was said and what came true into figures, beside two rules that everybody could follow. Pure.

Called by services/track_record.py and commands/reporting.py. Half a million records take a second or two: columns, sorted once.

The rules are the base rate, and the recency rule (the rate among leads that had been silent for as long). Each knows only
outcomes that were known when its answer was due: a week's answers come from records whose horizon had ended before that week.
Rows of one lead resemble each other, so certainty counts leads: spans come from drawing whole leads again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.learning_ports import RecordColumns
from ghl_real_estate_ai.ml.evaluation import TOP_SHARE, auc, average_precision, brier, ece, lift_at_10
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
"""At least so many leads in each bin, so fewer bins where there are fewer leads: a point on three leads misleads."""
DRAWS: Final = 200
"""Samples of whole leads behind each span."""
RANKS: Final = 256
"""Steps of probability that the spans of ranking figures tell apart; the figures themselves tell all."""
SPAN_LEVEL: Final = 0.8
_Z: Final = 1.2815515655446004  # of a normal distribution: 80 % lie within
_SEED: Final = 20_261_126  # of the draws: the same records give the same spans
SILENCE_BUCKETS: Final = (1.0, 3.0, 7.0, 14.0, 30.0)
"""Days of silence that the recency rule tells apart."""
BASE_RATE, RECENCY = "base rate", "recency rule"
_WEEK_S: Final = 7 * 86_400.0
_MONTH_S: Final = 30 * 86_400.0
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

    def where(self, mask: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> _Rows:
        return _Rows(*(getattr(self, name)[mask] for name in self.__slots__))

    @property
    def leads(self) -> int:
        return int(np.unique(self.lead).size)

    @property
    def rarer(self) -> int:
        """Leads with the outcome that fewer of them have."""
        return min(int(np.unique(self.lead[self.y == outcome]).size) for outcome in (0.0, 1.0))

    def __len__(self) -> int:
        return int(self.p.size)


@dataclass(frozen=True, slots=True)
class Asked:
    """The question whose record it is."""

    target: str
    question: str
    horizon_days: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Answers whose horizon is not over: how many, and when the first outcome will be known."""

    answers: int = 0
    next_due_at: datetime | None = None


def target_record(
    asked: Asked,
    said: RecordColumns,
    *,
    since: datetime | None = None,
    waiting: Waiting = Waiting(),
    simulated: bool = False,
) -> TargetRecord:
    """The record of one question, of answers that were given ``since`` then. ``said``: all, for the rules learn from all."""
    every = _Rows(
        p=said.probability,
        y=said.outcome,
        lead=said.lead,
        silence=said.silence_days,
        made=said.made_at,
        due=said.due_at,
        low=said.low,
        high=said.high,
    )
    begin = 0 if since is None else int(np.searchsorted(every.made, since.timestamp()))
    rows = every.where(slice(begin, None))
    known = {
        "target": asked.target,
        "question": asked.question,
        "horizon_days": asked.horizon_days,
        "rows": len(rows),
        "waiting": waiting.answers,
        "next_due_at": waiting.next_due_at,
        "simulated": simulated,
    }
    if not len(rows):
        return TargetRecord(**known, leads=0, verdict=_nothing_yet(asked, waiting))
    rules = {name: p[begin:] for name, p in _rules(every).items()}
    judged = np.isfinite(rules[BASE_RATE])  # where one rule can answer the other can too
    compared = tuple(
        _compared(name, p[judged], rows.where(judged)) for name, p in rules.items() if judged.any()
    )
    used = said.model[begin:]
    return TargetRecord(
        **known,
        leads=rows.leads,
        base_rate=float(rows.y.mean()),
        figures=_figures(rows.y, rows.p),
        spans=_spans(rows),
        reliability=tuple(_reliability(rows)),
        prior_share=_prior_share(said.prior_share[begin:], rows.made),
        model_versions=tuple(said.models[one] for one in dict.fromkeys(used.tolist())),
        compared=compared,
        months=tuple(_months(rows, rules)),
        verdict=_verdict(rows, rows.where(judged), compared),
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
    """Per rule its answer to each row, NaN where too little was known when the row's week began."""
    _, first, week = np.unique(rows.made // _WEEK_S, return_index=True, return_inverse=True)
    begins = rows.made[first]
    bucket = np.digitize(rows.silence, SILENCE_BUCKETS)  # NaN falls into the last: as if silent for long
    known, hits = np.zeros((2, len(SILENCE_BUCKETS) + 1, begins.size))
    for place in range(len(known)):
        alike = np.flatnonzero(bucket == place)
        alike = alike[np.argsort(rows.due[alike], kind="stable")]
        over = np.searchsorted(rows.due[alike], begins, side="right")  # horizons that had ended by then
        known[place], hits[place] = over, np.append(0.0, np.cumsum(rows.y[alike]))[over]
    all_known = known.sum(axis=0)
    rate = np.where(all_known >= _RULE_ROWS, hits.sum(axis=0) / np.maximum(all_known, 1.0), math.nan)
    # two rows' worth of the base rate: a bucket with few rows says little
    alike_rate = (hits + 2 * rate) / (known + 2)
    return {RECENCY: alike_rate[bucket, week], BASE_RATE: rate[week]}


def _compared(name: str, p: Array, rows: _Rows) -> Compared:
    gains = (p - rows.y) ** 2 - (rows.p - rows.y) ** 2
    return Compared(
        name=name,
        rows=len(rows),
        leads=rows.leads,
        rule=_figures(rows.y, p),
        shown=_figures(rows.y, rows.p),
        brier_gain=float(gains.mean()),
        brier_gain_span=_span(_drawn_means(gains, rows)),
    )


# --- certainty ----------------------------------------------------------------------------------------------------


def _draws(leads: int) -> Iterator[Array]:
    """DRAWS samples of as many whole leads, with replacement: how often each lead is in the sample."""
    rng = np.random.default_rng(_SEED)
    for _ in range(DRAWS):
        yield np.bincount(rng.integers(0, leads, leads), minlength=leads).astype(np.float64)


def _drawn_means(values: Array, rows: _Rows) -> Array:
    """The mean of ``values`` in each sample: sums per lead are all that it takes."""
    _, lead = np.unique(rows.lead, return_inverse=True)
    sums, sizes = np.bincount(lead, values), np.bincount(lead).astype(np.float64)
    return np.array([(times * sums).sum() / (times * sizes).sum() for times in _draws(sums.size)])


def _spans(rows: _Rows) -> dict[str, Span]:
    """Of every figure but the calibration error: drawn again it only grows, so its span would mislead."""
    if rows.leads < LEADS_PER_BIN:
        return {}
    drawn = {"brier": _drawn_means((rows.p - rows.y) ** 2, rows), **_ranked(_drawn_counts(rows))}
    known = {name: values[np.isfinite(values)] for name, values in drawn.items()}
    return {name: _span(values) for name, values in known.items() if values.size > DRAWS // 2}


def _drawn_counts(rows: _Rows) -> Array:
    """(samples, rising steps of p, without and with the outcome): how many rows each sample holds."""
    _, lead = np.unique(rows.lead, return_inverse=True)
    steps = np.unique(np.quantile(rows.p, np.linspace(0, 1, RANKS), method="inverted_cdf"))
    cell = 2 * np.searchsorted(steps, rows.p) + rows.y.astype(np.intp)
    order = np.argsort(cell, kind="stable")
    held, begins = np.unique(cell[order], return_index=True)
    lead = lead[order]
    counts = np.zeros((DRAWS, 2 * steps.size))
    for place, times in enumerate(_draws(rows.leads)):
        counts[place, held] = np.add.reduceat(times[lead], begins)
    return counts.reshape(DRAWS, -1, 2)


def _ranked(counts: Array) -> dict[str, Array]:
    """AUC, average precision and lift per sample, from ``_drawn_counts``.

    As ml/evaluation.py, with the rows of one step as ties; the last step of the top tenth counts in part.
    """
    without, with_it = counts[:, ::-1, 0], counts[:, ::-1, 1]  # best first
    hits, misses = np.cumsum(with_it, axis=1), np.cumsum(without, axis=1)
    positives, negatives = hits[:, -1], misses[:, -1]
    told = hits + misses
    with np.errstate(divide="ignore", invalid="ignore"):  # a sample with one outcome only has no answer: NaN
        beaten = (with_it * (negatives[:, None] - misses + without / 2)).sum(axis=1)
        precision = np.where(told > 0, hits / told, 0.0)
        tops = [
            np.interp(TOP_SHARE * n[-1], np.append(0, n), np.append(0, h))
            for n, h in zip(told, hits, strict=True)
        ]
        return {
            "auc": beaten / (positives * negatives),
            "ap": (with_it * precision).sum(axis=1) / positives,
            "lift_at_10": np.array(tops) / TOP_SHARE / positives,
        }


def _span(values: Array) -> Span:
    low, high = np.quantile(values, [(1 - SPAN_LEVEL) / 2, (1 + SPAN_LEVEL) / 2])
    return Span(low=float(low), high=float(high))


def _reliability(rows: _Rows) -> Iterator[ReliabilityPoint]:
    for part in _bins(rows):
        bin_ = rows.where(part)
        _, of_lead = np.unique(bin_.lead, return_counts=True)
        # as many leads with one row each would say as much (Kish 1965): a busy lead among others is not all of them
        low, high = _wilson(float(bin_.y.mean()), float(of_lead.sum() ** 2 / (of_lead**2).sum()))
        told = np.isfinite(bin_.low) & np.isfinite(bin_.high)
        yield ReliabilityPoint(
            rows=len(bin_),
            leads=of_lead.size,
            said=float(bin_.p.mean()),
            came_true=float(bin_.y.mean()),
            low=low,
            high=high,
            said_low=float(bin_.low[told].mean()) if told.any() else None,
            said_high=float(bin_.high[told].mean()) if told.any() else None,
        )


def _bins(rows: _Rows) -> Iterator[npt.NDArray[np.intp]]:
    """Row numbers by rising p, cut so that each part weighs as many leads; equal answers stay together.

    A row weighs one over the rows of its lead: a part that weighs n holds n leads or more.
    """
    order = np.argsort(rows.p, kind="stable")
    _, lead, of_lead = np.unique(rows.lead, return_inverse=True, return_counts=True)
    weighed = np.cumsum(1.0 / of_lead[lead[order]])
    ends = np.append(np.flatnonzero(np.diff(rows.p[order])) + 1, order.size)
    upto = weighed[ends - 1]
    share = of_lead.size / _bins_of(of_lead.size) - 1e-6  # sums of fractions
    cuts, begun = [0], 0.0
    while (place := int(np.searchsorted(upto, begun + share))) < ends.size:
        cuts.append(int(ends[place]))
        begun = float(upto[place])
    cuts[-1] = order.size  # what is left is less than a part
    return (order[begin:end] for begin, end in pairwise(cuts))


def _wilson(rate: float, n: float) -> tuple[float, float]:
    """Wilson's score interval (1927), at SPAN_LEVEL."""
    middle = (rate + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(rate * (1 - rate) / n + _Z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _prior_share(shares: Array, made: Array) -> float | None:
    newest = shares[(made > made[-1] - _MONTH_S) & np.isfinite(shares)]
    return float(newest.mean()) if newest.size else None


# --- by month, and in words ---------------------------------------------------------------------------------------


def _months(rows: _Rows, rules: dict[str, Array]) -> Iterator[MonthRow]:
    names, begins = np.unique(
        rows.made.astype("datetime64[s]").astype("datetime64[M]"), return_index=True
    )  # oldest first
    for name, begin, end in zip(names, begins, [*begins[1:], len(rows)], strict=True):
        month = rows.where(slice(begin, end))
        told = {rule: p[begin:end] for rule, p in rules.items()}
        yield MonthRow(
            month=str(name),
            rows=len(month),
            leads=month.leads,
            base_rate=float(month.y.mean()),
            figures=_figures(month.y, month.p),
            rules={rule: _figures(month.y, p) for rule, p in told.items() if np.isfinite(p).all()},
        )


def _nothing_yet(asked: Asked, waiting: Waiting) -> str:
    if not waiting.answers:
        return "not enough data: nothing was said of a lead yet"
    due = waiting.next_due_at
    when = "" if due is None else f"; the first outcome is known on {due:%d %b %Y}"
    return f"not enough data: {waiting.answers} answers wait for their {asked.horizon_days} days to end{when}"


def _verdict(rows: _Rows, judged: _Rows, compared: Sequence[Compared]) -> str:
    """``judged``: the rows that the rules could answer. Both must hold enough: a comparison rests on them alone."""
    if few := _too_few(rows, "resolved leads"):
        return f"not enough data: {few}"
    if not compared:
        return "not enough data: no rule could have answered yet, so there is nothing to compare with"
    if few := _too_few(judged, "resolved leads that a rule could have answered for"):
        return f"not enough data: {few}"
    return "; ".join(_in_words(one) for one in compared)


def _too_few(rows: _Rows, which: str) -> str:
    if rows.leads < LEADS_FOR_A_VERDICT:
        return f"{rows.leads} {which}, {LEADS_FOR_A_VERDICT} needed for a verdict"
    if rows.rarer < OF_EACH_OUTCOME:
        return f"{rows.rarer} {which} with the rarer outcome, {OF_EACH_OUTCOME} needed for a verdict"
    return ""


def _in_words(one: Compared) -> str:
    gain, span = one.brier_gain, one.brier_gain_span
    told = f"Brier score {gain:+.4f} against the {one.name}, 80 % span {span.low:+.4f} to {span.high:+.4f}"
    if span.low > 0:
        return f"better than the {one.name} ({told})"
    return (
        f"WORSE than the {one.name} ({told})"
        if span.high < 0
        else f"no clear difference from the {one.name} ({told})"
    )
