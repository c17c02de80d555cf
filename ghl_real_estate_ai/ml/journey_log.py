"""A log of cases as arrays, and how each case ended, as far as the log tells. Called by ml/journey.py.

A case has the outcome when the deciding activity occurs. What may be seen of it ends before the first deciding event: that
activity, or any at which a case is decided. A case that is still open when the log ends has no answer yet, and is neither
taught from nor judged.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.evaluation import Array, Mask
from ghl_real_estate_ai.ml.event_logs import lead_names
from ghl_real_estate_ai.ml.log_dates import event_days
from ghl_real_estate_ai.ml.tables import require_columns

Codes = npt.NDArray[np.int64]

DAY_S: Final = 86_400.0
FINAL_SHARE: Final = 0.01
"""An activity at which cases are decided is final when at most this share of the cases that saw it have the outcome."""
LONGEST_SILENCE: Final = 0.95
"""A case without a final event has ended when it is silent for longer than this share of the cases with the outcome ever were."""
MOST_WEIGHT: Final = 5.0
_SEEN_FROM: Final = 0.05


@dataclass(frozen=True, slots=True)
class CaseLog:
    """Events by case, the case that began first at the top; within a case by time, equal times as in the file."""

    names: tuple[str, ...]
    """One per case."""
    first: Codes
    """Place of each case's first event, and the number of events at the end: shape (cases + 1,)."""
    at: Array
    """POSIX seconds, shape (events,)."""
    activity: pl.Series
    table: pl.DataFrame
    """The other columns, a row per event."""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def case(self) -> Codes:
        """Number of the case of each event."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    @property
    def place(self) -> Codes:
        """Of each event, how many came before it in its case."""
        return np.arange(self.at.size) - self.first[:-1][self.case]

    @property
    def started(self) -> Array:
        """First event of each case."""
        return self.at[self.first[:-1]]

    def where(self, keep: Mask) -> CaseLog:
        """Only these events, and the cases that still have one."""
        cases, sizes = np.unique(self.case[keep], return_counts=True)
        return CaseLog(
            names=tuple(self.names[case] for case in cases),
            first=np.append(0, np.cumsum(sizes)).astype(np.int64),
            at=self.at[keep],
            activity=self.activity.filter(pl.Series(keep)),
            table=self.table.filter(pl.Series(keep)),
            notes=self.notes,
        )

    def first_events(self, number: Codes) -> CaseLog:
        """Of each case only so many events: shape (cases,)."""
        return self.where(self.place < number[self.case])

    def cases(self, keep: Mask) -> CaseLog:
        """Only these cases."""
        return self.where(keep[self.case])


class Ending(NamedTuple):
    """How each case of a log ended, shape (cases,)."""

    outcome: Mask
    """The deciding activity occurred."""
    known_at: Array
    """When the answer was known, POSIX seconds; NaN: still open when the log ends."""
    visible: Codes
    """Events before the first deciding one."""
    decided_at: Array
    """When that one came, or a silence ended the case; infinite while the case is open."""

    @property
    def known(self) -> Mask:
        """Cases that have an answer."""
        return np.isfinite(self.known_at)


@dataclass(frozen=True, slots=True)
class EndingRule:
    """What ends a case, learnt on the training log."""

    outcome: str
    decisive: frozenset[str]
    """What must not be seen: the outcome's activity and those at which a case is decided."""
    final: frozenset[str]
    """Of those, after which the outcome does not come any more."""
    patience_s: float
    """Silence after which a case without a final event has ended."""

    def applied(self, log: CaseLog) -> Ending:
        """The endings of a log, whose end is its newest event."""
        outcome_at = _first_time(log, {self.outcome})
        final_at = _first_time(log, self.final)
        silent_at = log.at[log.first[1:] - 1] + self.patience_s
        silent_at[silent_at > log.at.max()] = np.nan
        known_at = np.where(
            np.isfinite(outcome_at), outcome_at, np.where(np.isfinite(final_at), final_at, silent_at)
        )
        decided_at = np.fmin(_first_time(log, self.decisive), known_at)
        return Ending(
            outcome=np.isfinite(outcome_at),
            known_at=known_at,
            visible=_visible(log, self.decisive),
            decided_at=np.where(np.isfinite(decided_at), decided_at, np.inf),
        )


def read_cases(table: pl.DataFrame, *, case: str, activity: str, time: str, source: str) -> CaseLog:
    """The cases of a table in any order of rows. Raises InputError that names ``source`` and the column that cannot be read."""
    require_columns(table, (case, activity, time), path=source)
    days, assumed = event_days(table[time], source=source)
    places = pl.DataFrame(
        {
            "case": lead_names(table[case]),
            "at": pl.Series(days * DAY_S, dtype=pl.Float64).fill_nan(None),
            "activity": lead_names(table[activity]),
        }
    ).with_row_index("row")
    whole = places.drop_nulls()
    if whole.is_empty():
        raise InputError(f"{source}: no row has all of {case!r}, {activity!r} and {time!r}")
    ordered = (
        whole.with_columns(pl.col("at").min().over("case").alias("start")).sort(
            "start", "case", "at", "row"
        )  # the row last: events of one instant stay in the order of the file
    )
    sizes = ordered.group_by("case", maintain_order=True).len()
    left_out = places.height - whole.height
    notes = [f"{source}: {left_out:,} rows without case, activity or time left out"] if left_out else []
    return CaseLog(
        names=tuple(sizes["case"]),
        first=np.append(0, np.cumsum(sizes["len"].to_numpy())).astype(np.int64),
        at=ordered["at"].to_numpy(),
        activity=ordered["activity"],
        table=table.drop(case, activity, time)[ordered["row"]],
        notes=(*notes, *([assumed] if assumed else [])),
    )


def ending_rule(log: CaseLog, *, outcome: str, cut: Collection[str]) -> EndingRule:
    """Which deciding activities are final, and how long a silence ends a case. Raises InputError when no case has the outcome."""
    seen = set(log.activity.unique())
    if outcome not in seen:
        raise InputError(
            f"--outcome: no event of the training log is {outcome!r}; it has {', '.join(sorted(seen)[:12])}"
        )
    with_outcome = np.isfinite(_first_time(log, {outcome}))
    final = {
        name
        for name in cut
        if name != outcome
        and name in seen
        and with_outcome[np.isfinite(_first_time(log, {name}))].mean() <= FINAL_SHARE
    }
    return EndingRule(outcome, frozenset({outcome, *cut}), frozenset(final), _patience(log, outcome))


def same_cases(one: CaseLog, other: CaseLog) -> frozenset[str]:
    """Ids of the cases that both logs tell of: all that both name, if most of these are the same; else those with an event in common.

    A case is the same if an event of it stands in both, or it goes on in one log after a silence as cases have it. Two logs
    that both count their cases from 1 show neither.
    """
    common = sorted(set(one.names) & set(other.names))
    if not common:
        return frozenset()
    shared = set(
        _events(one).join(_events(other), on=["case", "at", "activity"], how="semi")["case"].unique()
    )
    mine, theirs = ({name: place for place, name in enumerate(log.names)} for log in (one, other))
    a, b = np.array([mine[name] for name in common]), np.array([theirs[name] for name in common])
    ends_a, ends_b = (log.at[log.first[1:] - 1] for log in (one, other))
    gap = np.maximum(other.started[b] - ends_a[a], one.started[a] - ends_b[b])
    usual = max(float(np.quantile(_longest_gaps(log), LONGEST_SILENCE)) for log in (one, other))
    same = np.array([name in shared for name in common]) | ((gap >= 0) & (gap <= usual))
    return frozenset(common if same.mean() >= 0.5 else shared)


def observation_weights(log: CaseLog, ending: Ending) -> Array:
    """Per case, 1 / the chance that a case which took so long would have ended within this log; 0 where still open.

    Slow cases are known only when they began early; weighted so, the known ones stand for all (inverse probability of
    censoring, Robins and Finkelstein 2000).
    """
    followed = np.sort(log.at.max() - log.started)
    took = np.where(ending.known, ending.known_at - log.started, np.inf)
    chance = 1.0 - np.searchsorted(followed, took, side="left") / followed.size
    return np.where(ending.known, np.minimum(1.0 / np.maximum(chance, _SEEN_FROM), MOST_WEIGHT), 0.0)


def _events(log: CaseLog) -> pl.DataFrame:
    return pl.DataFrame({"case": pl.Series(log.names)[log.case], "at": log.at, "activity": log.activity})


def _longest_gaps(log: CaseLog) -> Array:
    """Of each case, the longest time between two of its events, seconds."""
    gap = np.diff(log.at, prepend=log.at[0])
    gap[log.first[:-1]] = 0.0
    return np.asarray(np.maximum.reduceat(gap, log.first[:-1]), dtype=np.float64)


def _patience(log: CaseLog, outcome: str) -> float:
    """The silence, anywhere before the outcome, that only one in twenty cases with the outcome exceeded."""
    ends = _first_time(log, {outcome})[log.case]
    gap = np.diff(log.at, prepend=log.at[0])
    gap[log.first[:-1]] = 0.0
    before = np.where(log.at <= ends, gap, 0.0)  # NaN compares false
    longest = np.maximum.reduceat(before, log.first[:-1])
    return float(np.quantile(longest[np.isfinite(ends[log.first[:-1]])], LONGEST_SILENCE))


def _first_time(log: CaseLog, activities: Collection[str]) -> Array:
    """When one of them first occurred in each case, NaN where none did."""
    hit = log.activity.is_in(list(activities)).to_numpy()
    times = np.minimum.reduceat(np.where(hit, log.at, np.inf), log.first[:-1])
    return np.where(np.isfinite(times), times, np.nan)


def _visible(log: CaseLog, decisive: Collection[str]) -> Codes:
    hit = log.activity.is_in(list(decisive)).to_numpy()
    return np.minimum.reduceat(np.where(hit, log.place, np.diff(log.first)[log.case]), log.first[:-1]).astype(
        np.int64
    )
