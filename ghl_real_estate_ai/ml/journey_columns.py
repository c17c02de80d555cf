"""Which other columns of a log a journey may learn from, and their cells as numbers and codes. Called by ml/journey.py.

A column that never changes within a case describes the case; one that changes tells of the event that carries it. Both are
used from the event that first carries them. What was filled in at the end, what is protected, what only names rows and what
the log to judge on lacks is refused, with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from ghl_real_estate_ai.ml.availability import late_columns
from ghl_real_estate_ai.ml.column_kinds import ColumnKind, ReadColumn, cleaned, dates, numbers, read_kind
from ghl_real_estate_ai.ml.evaluation import Array, mean_ranks
from ghl_real_estate_ai.ml.evaluation_report import FlaggedColumn
from ghl_real_estate_ai.ml.journey_features import MISSING, OTHER, WORDS, Codes, LogColumn
from ghl_real_estate_ai.ml.journey_log import CaseLog, Ending
from ghl_real_estate_ai.ml.protected_columns import protected_columns
from ghl_real_estate_ai.ml.table_columns import unlike

TRANSITIONS: Final = frozenset(
    {"schedule", "assign", "withdraw", "reassign", "start", "suspend", "resume", "pi_abort", "ate_abort"}
    | {"complete", "autoskip", "manualskip", "unknown"}
)
"""The states of an activity in the XES standard (IEEE 1849): a column that holds only these is part of the activity."""
FORETELLS: Final = 0.97
"""Rank correlation with how long a case will still last, from which a number must have been written at its end."""
_WRONG_OF_THE_NEXT: Final = 0.03
"""A column that is so seldom wrong about the next kind of event was written after it; unless the kind now tells it as well."""
_SURER: Final = 4.0
"""How many times more often the kind now must be wrong."""
_CASES_JUDGED: Final = 50


@dataclass(frozen=True, slots=True)
class ChosenColumns:
    """What a log's other columns are good for."""

    transition: str | None
    columns: tuple[LogColumn, ...]
    flagged: tuple[FlaggedColumn, ...]

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the columns."""
        own = (column.name for column in self.columns)
        return (*([self.transition] if self.transition else []), *own)


def kinds_of(log: CaseLog, transition: str | None) -> pl.Series:
    """The kind of each event: its activity, and the state of it where the log tells."""
    if transition is None or transition not in log.table.columns:
        return log.activity
    state = cleaned(log.table[transition]).cast(pl.String).fill_null("")
    return log.activity + " " + state.str.to_lowercase()


def choose_columns(log: CaseLog, ending: Ending, judged: pl.DataFrame) -> ChosenColumns:
    """Look at the training log's other columns, up to each case's deciding event.

    ``ending``: of its cases. ``judged``: the same of the log to judge on; what it does not tell is not learnt from.
    """
    names = sorted(log.table.columns)
    shown = log.first_events(ending.visible)
    flags = {flag.column: flag for flag in protected_columns(names, shown.table)}
    states = [name for name in names if _is_transition(shown.table[name])]
    transition = next((name for name in states if _told(judged, name) and _is_transition(judged[name])), None)
    columns = [
        _read(shown, name, flags, judged) for name in names if name != transition and name not in flags
    ]
    chosen = [column for column in columns if column is not None]
    for found in (
        _foretelling(log, ending, chosen),
        _late(log, ending, chosen),
        _late_events(log, ending, chosen),
        _telling_the_next(log, ending, chosen, transition),
    ):
        for flag in found:
            flags.setdefault(flag.column, flag)
    return ChosenColumns(
        transition=transition,
        columns=tuple(column for column in chosen if column.name not in flags),
        flagged=tuple(flags[name] for name in names if name in flags),
    )


def number_cells(log: CaseLog, column: LogColumn) -> Array:
    """A number per event, or the hours since a date; NaN where missing, everywhere when this log lacks the column."""
    if column.name not in log.table.columns:
        return np.full(log.at.size, np.nan)
    series = cleaned(log.table[column.name])
    return (log.at - dates(series)) / 3_600.0 if column.kind == ColumnKind.DATE else numbers(series)


def word_cells(log: CaseLog, column: LogColumn) -> Codes:
    """A word's code per event: MISSING, OTHER when it is rare or new, else 1 and up."""
    if column.name not in log.table.columns:
        return np.full(log.at.size, MISSING)
    series = cleaned(log.table[column.name]).cast(pl.String)
    codes = {word: code for code, word in enumerate(column.words, start=1)}
    coded = series.replace_strict(codes, default=OTHER, return_dtype=pl.Int64)
    return np.where(series.is_null().to_numpy(), MISSING, coded.to_numpy()).astype(np.int64)


def _is_transition(series: pl.Series) -> bool:
    if series.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return False
    words = set(cleaned(series).cast(pl.String).str.to_lowercase().drop_nulls().unique())
    return bool(words) and words <= TRANSITIONS


def _told(judged: pl.DataFrame, name: str) -> bool:
    return name in judged.columns and cleaned(judged[name]).null_count() < judged.height


def _read(log: CaseLog, name: str, flags: dict[str, FlaggedColumn], judged: pl.DataFrame) -> LogColumn | None:
    series = cleaned(log.table[name]).rename(name)  # its name tells part of its kind
    pairs = pl.DataFrame({"case": log.case, "cell": series.cast(pl.String)}).drop_nulls().unique()
    varies = pairs.height > pairs["case"].n_unique()
    found = read_kind(series if varies else series[log.first[:-1]])
    if found.kind in (ColumnKind.IDENTIFIER, ColumnKind.CONSTANT, ColumnKind.TEXT):
        flags[name] = FlaggedColumn(name, str(found.kind), found.reason or "free text is not read from logs")
        return None
    if (reason := _absent(judged, name, found)) is not None:
        flags[name] = FlaggedColumn(name, "absent", reason)
        return None
    words: tuple[str, ...] = ()
    if found.kind == ColumnKind.CATEGORY:
        counts = (
            series.cast(pl.String).drop_nulls().value_counts().sort(["count", name], descending=[True, False])
        )
        words = tuple(counts[name][:WORDS])
    return LogColumn(name, found.kind, varies, words)


def _absent(judged: pl.DataFrame, name: str, found: ReadColumn) -> str | None:
    """Why the log to judge on does not tell what was learnt of a column, or None."""
    if name in judged.columns and not _told(judged, name):
        return "empty in the log to judge on, so it was not learnt from"
    return unlike(judged, name, found)


def _foretelling(log: CaseLog, ending: Ending, columns: list[LogColumn]) -> Iterator[FlaggedColumn]:
    """Numbers that tell how long the case will still last, and dates that lie after the event which carries them."""
    if len(log) < _CASES_JUDGED:
        return
    ends = log.first[1:] - 1
    left = {
        "time left": log.at[ends][log.case] - log.at,
        "events left": (ends[log.case] - np.arange(log.at.size)).astype(np.float64),
    }
    visible = np.flatnonzero(log.place < ending.visible[log.case])
    for column in columns:
        if column.is_word:
            continue
        values = number_cells(log, column)
        seen = visible if column.varies else log.first[:-1]
        there = seen[np.isfinite(values[seen])]
        if there.size < _CASES_JUDGED:
            continue
        if column.kind == ColumnKind.DATE and (later := float((values[there] < 0).mean())) > 0.5:
            yield FlaggedColumn(
                column.name,
                "late",
                f"lies after the event that carries it in {later:.0%} of the rows, so it was not known then",
                {"share_after_event": later},
            )
            continue
        for what, length in left.items():
            if abs(rank := _rank_correlation(values[there], length[there])) >= FORETELLS:
                yield FlaggedColumn(
                    column.name,
                    "late",
                    f"goes with the {what} of its case (rank correlation {rank:.2f}), which only its end tells",
                    {"rank_correlation": rank},
                )
                break


def _late_events(log: CaseLog, ending: Ending, columns: list[LogColumn]) -> Iterator[FlaggedColumn]:
    """What tells of events, judged where a case first has it: later, a column may well know more.

    Its name does not count: of an event a status is known at once.
    """
    known = log.cases(ending.known).first_events(ending.visible[ending.known])
    outcome = dict(zip(log.names, ending.outcome.tolist(), strict=True))
    y = np.array([outcome[name] for name in known.names], dtype=np.float64)
    context = pl.DataFrame(
        {
            "kind": known.activity,
            "events": known.place,
            "hours": (known.at - known.started[known.case]) / 3_600.0,
        }
    )
    for column in columns:
        if not column.varies:
            continue
        cells = cleaned(known.table[column.name])
        filled = np.flatnonzero(cells.is_not_null().to_numpy())
        case, place = np.unique(known.case[filled], return_index=True)
        rows = filled[place]
        table = context[rows].with_columns(cells[rows].rename("cell"))
        for flag in late_columns(table, y[case], table.columns, at=known.at[rows]):
            if flag.column == "cell":
                yield replace(flag, column=column.name, reason=f"where a case first has it: {flag.reason}")


def _telling_the_next(
    log: CaseLog, ending: Ending, columns: list[LogColumn], transition: str | None
) -> Iterator[FlaggedColumn]:
    """Words that name the next kind of event, in whatever words, far more surely than the kind now does."""
    if len(log) < _CASES_JUDGED:
        return
    case = log.case
    rows = np.flatnonzero((log.place[:-1] < ending.visible[case[:-1]]) & (case[1:] == case[:-1]))
    if not rows.size:
        return
    kinds = kinds_of(log, transition)
    following = log.activity[rows + 1]
    by_kind = _wrong(kinds[rows], following)
    for column in columns:
        if not (column.is_word and column.varies):
            continue
        codes = pl.Series(word_cells(log, column)[rows])
        wrong = _wrong(codes, following)
        if wrong <= _WRONG_OF_THE_NEXT and by_kind > _SURER * wrong and (by_kind - wrong) * rows.size >= 10:
            yield FlaggedColumn(
                column.name,
                "late",
                f"tells the next event in {1 - wrong:.0%} of the rows, the event itself in {1 - by_kind:.0%}",
                {"tells_the_next": 1 - wrong, "kind_tells_the_next": 1 - by_kind},
            )


def _wrong(told: pl.Series, following: pl.Series) -> float:
    """Share of rows whose following event is not the commonest one after what was told."""
    counts = pl.DataFrame({"told": told, "next": following}).group_by("told", "next").len()
    right = int(counts.group_by("told").agg(pl.col("len").max())["len"].sum())
    return 1.0 - right / len(told)


def _late(log: CaseLog, ending: Ending, columns: list[LogColumn]) -> list[FlaggedColumn]:
    """What describes a case, judged like the columns of any table: was it filled in after the outcome?"""
    fixed = [column.name for column in columns if not column.varies]
    if not fixed:
        return []
    known = log.cases(ending.known)
    rows = known.table[known.first[:-1]].select(fixed)
    return late_columns(rows, ending.outcome[ending.known].astype(np.float64), fixed, at=known.started)


def _rank_correlation(a: Array, b: Array) -> float:
    """Spearman's; ties share their mean rank."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(mean_ranks(a), mean_ranks(b))[0, 1])
