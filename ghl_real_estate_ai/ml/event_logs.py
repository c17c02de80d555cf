"""An event log of any make as arrays: who, when, how much, what kind. Called by ml/lapse.py.

Several rows with the same lead and the same time (the lines of one invoice) are one event: their values are summed, and
how many they were is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.log_dates import event_days, without_blanks
from ghl_real_estate_ai.ml.tables import require_columns

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MOST_KINDS: Final = 32
"""Kinds of event that are told apart; the rarer ones become one kind, ``OTHER_KIND``."""
OTHER_KIND: Final = "(other)"


@dataclass(frozen=True, slots=True)
class LogColumns:
    """Which column of a table holds what."""

    lead: str
    time: str
    value: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class EventLog:
    """Events by lead, then by time. Arrays have shape (events,)."""

    leads: tuple[str, ...]
    """Names in order; ``lead`` holds places in it."""
    lead: Codes
    at: Array
    """Days since 1970-01-01 UTC."""
    rows: Array
    """How many rows of the table this event was."""
    value: Array | None
    """Sum over its rows, 0 where the table holds none."""
    kind: Codes | None
    """Place in ``kinds``: the kind of most of its rows."""
    kinds: tuple[str, ...]
    notes: tuple[str, ...]
    """What was left out, joined or assumed."""

    def __len__(self) -> int:
        return int(self.at.size)

    def where(self, keep: Mask) -> EventLog:
        """Only these events; leads and kinds keep their places."""
        return replace(
            self,
            lead=self.lead[keep],
            at=self.at[keep],
            rows=self.rows[keep],
            value=None if self.value is None else self.value[keep],
            kind=None if self.kind is None else self.kind[keep],
        )


def read_log(
    table: pl.DataFrame, columns: LogColumns, *, source: str, kinds: Sequence[str] | None = None
) -> EventLog:
    """The events of a table, whatever the order of its rows and columns.

    ``kinds``: those of another log, whose places this one takes over. Raises InputError that names ``source`` (the option
    or file) and the column which is missing or cannot be read.
    """
    named = (columns.lead, columns.time, columns.value, columns.kind)
    require_columns(table, [name for name in named if name is not None], path=source)
    days, assumed = event_days(table[columns.time], source=source)
    rows = pl.DataFrame(
        {
            "lead": lead_names(table[columns.lead]),
            "at": pl.Series(days).fill_nan(None),
            "value": _amounts(table, columns.value, source=source),
            "kind": _kind_words(table, columns.kind),
        }
    )
    whole = rows.drop_nulls(["lead", "at"])
    if whole.is_empty():
        raise InputError(f"{source}: no row has both {columns.lead!r} and {columns.time!r}")
    notes = [
        f"{source}: {rows[name].null_count():,} rows without {column!r} left out"
        for name, column in (("lead", columns.lead), ("at", columns.time))
        if rows[name].null_count()
    ]
    if kinds is None:
        kinds = _commonest(whole["kind"])
    events = _one_per_moment(whole)
    if events.height < whole.height:
        notes.append(f"{source}: {whole.height:,} rows are {events.height:,} events: one per lead and time")
    names = events["lead"].unique().sort()
    kind_places = events["kind"].replace_strict(
        list(kinds), list(range(len(kinds))), default=len(kinds) - 1, return_dtype=pl.Int64
    )
    return EventLog(
        leads=tuple(names),
        lead=events["lead"].rle_id().cast(pl.Int64).to_numpy(),
        at=events["at"].to_numpy(),
        rows=events["rows"].cast(pl.Float64).to_numpy(),
        value=None if columns.value is None else events["value"].to_numpy(),
        kind=None if columns.kind is None else kind_places.to_numpy(),
        kinds=tuple(kinds),
        notes=(*notes, *([assumed] if assumed else [])),
    )


def lead_names(column: pl.Series) -> pl.Series:
    """Ids as text, the same whether a file holds 17850, 17850.0 or "17850 "; null where there is none."""
    if column.dtype.is_float():
        known = column.fill_nan(None).drop_nulls()
        if bool((known == known.round(0)).all()):
            column = column.fill_nan(None).cast(pl.Int64)
    return without_blanks(column.cast(pl.String))


def _amounts(table: pl.DataFrame, column: str | None, *, source: str) -> pl.Series:
    if column is None:
        return pl.repeat(0.0, table.height, eager=True)
    values = table[column]
    if values.dtype == pl.String:
        values = without_blanks(values.str.replace_all(r"[$€£,\s]", ""))
    numbers = values.cast(pl.Float64, strict=False)
    if numbers.null_count() > values.null_count():
        text = table[column].filter(numbers.is_null() & values.is_not_null()).sort()[0]
        raise InputError(f"{source}: column {column!r} holds {text!r}; --value takes amounts")
    return numbers.set(~numbers.is_finite(), None).fill_null(0.0)


def _kind_words(table: pl.DataFrame, column: str | None) -> pl.Series:
    if column is None:
        return pl.repeat(OTHER_KIND, table.height, eager=True)
    return without_blanks(table[column].cast(pl.String)).fill_null(OTHER_KIND)


def _commonest(kinds: pl.Series) -> tuple[str, ...]:
    """The kinds that are told apart, commonest first, and the one for all others."""
    counts = kinds.value_counts().filter(pl.col(kinds.name) != OTHER_KIND)
    ranked = counts.sort(["count", kinds.name], descending=[True, False])[kinds.name].head(MOST_KINDS - 1)
    return (*ranked, OTHER_KIND)


def _one_per_moment(rows: pl.DataFrame) -> pl.DataFrame:
    moment = ["lead", "at"]
    by_kind = rows.group_by([*moment, "kind"]).agg(pl.len().alias("rows"), pl.col("value").sum())
    by_kind = by_kind.sort([*moment, "rows", "kind"], descending=[False, False, True, False])
    return by_kind.group_by(moment, maintain_order=True).agg(
        pl.col("rows").sum(), pl.col("value").sum(), pl.col("kind").first()
    )


def shared_events(one: EventLog, other: EventLog) -> float | None:
    """Share of ``other``'s events, in the time that ``one`` covers too, which ``one`` holds as well: same lead, same time.

    None: the two have no time in common.
    """
    both = other.where((other.at >= one.at.min()) & (other.at <= one.at.max()))
    if not len(both):
        return None
    found = _named(both).join(_named(one), on=["lead", "at"], how="semi")
    return float(found.height / len(both))


def shared_leads(one: EventLog, other: EventLog) -> float:
    """Share of ``other``'s leads that ``one`` names too."""
    return len(set(other.leads) & set(one.leads)) / len(other.leads)


def continued(earlier: EventLog, later: EventLog) -> EventLog:
    """``later``, with what ``earlier`` holds from before it begins. Both were read with the same kinds and columns."""
    earlier = earlier.where(earlier.at < later.at.min())
    leads = sorted({*earlier.leads, *later.leads})
    place = {name: number for number, name in enumerate(leads)}
    lead = np.concatenate(
        [np.array([place[name] for name in log.leads], dtype=np.int64)[log.lead] for log in (earlier, later)]
    )
    at = np.concatenate([earlier.at, later.at])
    order = np.lexsort((at, lead))
    return EventLog(
        leads=tuple(leads),
        lead=lead[order],
        at=at[order],
        rows=np.concatenate([earlier.rows, later.rows])[order],
        value=_joined(earlier.value, later.value, order),
        kind=_joined(earlier.kind, later.kind, order),
        kinds=later.kinds,
        notes=later.notes,
    )


def _joined[T: np.generic](
    one: npt.NDArray[T] | None, other: npt.NDArray[T] | None, order: npt.NDArray[np.intp]
) -> npt.NDArray[T] | None:
    return None if one is None or other is None else np.concatenate([one, other])[order]


def _named(log: EventLog) -> pl.DataFrame:
    return pl.DataFrame({"lead": pl.Series(log.leads)[log.lead], "at": log.at})
