"""What a log tells of each lead at one instant, as numbers that move one way. Called by ml/lapse.py.

Only events up to the origin are read. Two promises hold for every input with its direction: when time passes without an
event, and when the last event had come earlier, no input moves towards less risk. So the models that keep the directions
keep both promises too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.ml.bgnbd import BgNbd, Histories
from ghl_real_estate_ai.ml.event_logs import EventLog

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

HALF_LIVES: Final = (0.1, 0.5, 2.0)
"""Of the decayed counts, in horizons."""
KINDS: Final = 8
"""Kinds of event, the commonest, whose shares are inputs."""
_LEAST_SHARE: Final = -28.0  # log; four horizons of silence
_INSTANT: Final = 0.005  # of a horizon: silences shorter than that are the same


class Feature(NamedTuple):
    """An input and the way it moves the risk: +1 never less, -1 never more, 0 as the data say."""

    name: str
    direction: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Leads known at an origin. Arrays have shape (n,) but ``x``, shape (n, len(features))."""

    origin: float
    lead: Codes
    """Places in the log's ``leads``."""
    x: Array
    """NaN where a lead has no such number."""
    features: tuple[Feature, ...]
    histories: Histories
    """In days, for BG/NBD."""
    silence: Array
    """Days since the last event."""


class Past(NamedTuple):
    """The events up to an origin, one lead after the other."""

    at: Array
    starts: npt.NDArray[np.intp]
    """Where each lead's events begin."""
    counts: Array
    """Events per lead."""
    lead: Codes
    """Place of each lead in the log."""

    def per_lead(self, of_events: Array) -> Array:
        """Sum over each lead's events."""
        return np.asarray(np.add.reduceat(of_events, self.starts), dtype=np.float64)

    def latest[T: np.generic](self, of_events: npt.NDArray[T]) -> npt.NDArray[T]:
        """Of each lead's last event."""
        return of_events[self.starts + self.counts.astype(np.int64) - 1]

    def spread(self, of_leads: Array) -> Array:
        """Each lead's number at each of its events."""
        return np.repeat(of_leads, self.counts.astype(np.int64))


def rows_at(
    log: EventLog, origin: float, *, horizon: float, model: BgNbd | None, active_within: float | None = None
) -> Rows:
    """The leads with an event up to the origin (in its last ``active_within`` days, if given). Days throughout."""
    log = log.where(log.at <= origin)
    past = _past(log)
    first, last = past.at[past.starts], past.latest(past.at)
    silence, span = origin - last, last - first
    histories = Histories(past.counts - 1.0, span, silence + span)
    columns: dict[Feature, Array] = {
        **_rhythm(past, silence, span, origin=origin, horizon=horizon),
        **_amounts(log, past, origin=origin, horizon=horizon),
        **_kinds(log, past),
        **_outlook(model, histories, horizon),
    }
    rows = Rows(
        origin=origin,
        lead=past.lead,
        x=np.column_stack(list(columns.values())) if past.lead.size else np.zeros((0, len(columns))),
        features=tuple(columns),
        histories=histories,
        silence=silence,
    )
    return rows if active_within is None else _only(rows, silence < active_within)


def counts_after(log: EventLog, rows: Rows, horizon: float) -> Array:
    """Events of each row's lead in (origin, origin + horizon]: the answers."""
    after = (log.at > rows.origin) & (log.at <= rows.origin + horizon)
    return np.bincount(log.lead[after], minlength=len(log.leads))[rows.lead].astype(np.float64)


def _only(rows: Rows, keep: npt.NDArray[np.bool_]) -> Rows:
    return Rows(
        origin=rows.origin,
        lead=rows.lead[keep],
        x=rows.x[keep],
        features=rows.features,
        histories=Histories(*(each[keep] for each in rows.histories)),
        silence=rows.silence[keep],
    )


def _past(log: EventLog) -> Past:
    lead, starts, counts = np.unique(log.lead, return_index=True, return_counts=True)
    return Past(log.at, starts, counts.astype(np.float64), lead)


def _rhythm(
    past: Past, silence: Array, span: Array, *, origin: float, horizon: float
) -> dict[Feature, Array]:
    n = past.counts
    repeated = n > 1
    instant = _INSTANT * horizon
    mean_gap = np.where(repeated, span / np.maximum(n - 1.0, 1.0), np.nan)
    gaps = np.diff(past.at, prepend=0.0)
    gaps[past.starts] = 0.0
    longest = np.where(repeated, np.maximum.reduceat(gaps, past.starts) if gaps.size else gaps, np.nan)
    decayed = [past.per_lead(0.5 ** ((origin - past.at) / (life * horizon))) for life in HALF_LIVES]
    log_silence = np.log(silence + instant)
    return {
        Feature("silence", 1): log_silence,
        Feature("events", -1): np.log(n),
        Feature("active_span", -1): np.log1p(span / horizon),
        Feature("days_per_event", 1): np.log((silence + span) / n + instant),
        **{
            Feature(f"events_decayed_{life:g}", -1): np.log1p(each)
            for life, each in zip(HALF_LIVES, decayed, strict=True)
        },
        Feature("recent_share", -1): _recent_share(past, silence, horizon),
        Feature("silence_over_mean_gap", 1): log_silence - np.log(mean_gap + instant),
        Feature("silence_over_longest_gap", 1): log_silence - np.log(longest + instant),
        Feature("gap_variation", 0): _variation(past, gaps),
    }


def _recent_share(past: Past, silence: Array, horizon: float) -> Array:
    """Log of the fastest decayed count over the slowest: falls with silence at a steady rate, down to a floor."""
    before_last = past.spread(past.latest(past.at)) - past.at
    fast, slow = (life * horizon for life in (HALF_LIVES[0], HALF_LIVES[-1]))
    at_last = past.per_lead(0.5 ** (before_last / fast)) / past.per_lead(0.5 ** (before_last / slow))
    found = np.log(at_last) - silence * math.log(2.0) * (1.0 / fast - 1.0 / slow)
    return np.asarray(np.maximum(found, _LEAST_SHARE), dtype=np.float64)


def _variation(past: Past, gaps: Array) -> Array:
    """Standard deviation over mean of the gaps before the last one, which an earlier last event would change."""
    earlier = gaps.copy()
    if earlier.size:
        earlier[past.starts + past.counts.astype(np.int64) - 1] = 0.0
    known = np.maximum(past.counts - 2.0, 1.0)
    mean = past.per_lead(earlier) / known
    variance = np.maximum(past.per_lead(earlier**2) / known - mean**2, 0.0)
    return np.where((past.counts > 3) & (mean > 0), np.sqrt(variance) / np.maximum(mean, 1e-9), np.nan)


def _amounts(log: EventLog, past: Past, *, origin: float, horizon: float) -> dict[Feature, Array]:
    rows = {
        Feature("rows_per_event", 0): np.log(past.per_lead(log.rows) / past.counts),
        Feature("rows_of_last", 0): np.log(past.latest(log.rows)),
    }
    if log.value is None:
        return rows
    total = past.per_lead(log.value)
    gained = np.maximum(log.value, 0.0)
    decayed = past.per_lead(gained * 0.5 ** ((origin - log.at) / (HALF_LIVES[-1] * horizon)))
    return {
        **rows,
        Feature("value_per_event", 0): _signed_log(total / past.counts),
        Feature("value_of_last", 0): _signed_log(past.latest(log.value)),
        Feature("value_decayed", -1): np.log1p(decayed),
        Feature("share_negative", 0): past.per_lead((log.value < 0).astype(np.float64)) / past.counts,
    }


def _kinds(log: EventLog, past: Past) -> dict[Feature, Array]:
    if log.kind is None:
        return {}
    found: dict[Feature, Array] = {}
    last = past.latest(log.kind)
    for place, name in enumerate(log.kinds[:KINDS]):
        found[Feature(f"share_of_{name}", 0)] = (
            past.per_lead((log.kind == place).astype(np.float64)) / past.counts
        )
        found[Feature(f"last_is_{name}", 0)] = (last == place).astype(np.float64)
    return found


def _outlook(model: BgNbd | None, histories: Histories, horizon: float) -> dict[Feature, Array]:
    if model is None:
        return {}
    silent = np.clip(model.p_silent(histories, horizon), 1e-6, 1 - 1e-6)
    return {
        Feature("bgnbd_silent", 1): np.log(silent / (1.0 - silent)),
        Feature("bgnbd_alive", -1): model.p_alive(histories),
        Feature("bgnbd_expected", -1): np.log(model.expected(histories, horizon) + 1e-6),
    }


def _signed_log(amounts: Array) -> Array:
    return np.sign(amounts) * np.log1p(np.abs(amounts))
