"""Sends a real event log through the signed webhook door, every row accounted for.

Called by ``enterprisehub simulate --replay``. What happened is real; the door is the simulator's, so the gateway stores it
as simulated, and the map's ``source`` says that it was replayed.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from ghl_real_estate_ai.errors import ConfigurationError, InputError
from ghl_real_estate_ai.simulation.replay_map import Cell, LogRow, ReplayMap, Rule, load_map
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel, Progress, Tally


@dataclass(frozen=True, slots=True)
class ReplayEvent:
    """One webhook made from a row. ``key`` names it for ever: file row, place in the row's rule, type."""

    at: datetime
    type: str
    body: dict[str, JsonValue]
    key: str


@dataclass
class ReplayTally:
    """Where every row and every webhook of a replay went.

    rows == rows_sent + rows refused by the map; deliveries.sent == stored + duplicate + dead_letter + ignored + refused +
    failed at the gateway. A row may become several webhooks: ``events`` counts those.
    """

    rows: int = 0
    rows_sent: int = 0
    events: int = 0
    rows_refused: Counter[str] = field(default_factory=Counter)
    deliveries: Tally = field(default_factory=Tally)

    @property
    def balanced(self) -> bool:
        """Whether nothing is missing."""
        rows = self.rows == self.rows_sent + self.rows_refused.total()
        return rows and self.events <= self.deliveries.sent and self.deliveries.balanced

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "rows": self.rows,
            "rows_sent": self.rows_sent,
            "rows_refused": dict(self.rows_refused.most_common()),
            "events": self.events,
            **self.deliveries.as_dict(),
            "balanced": self.balanced,
        }


async def replay(
    path: Path,
    map_path: Path,
    *,
    sender: FakeGoHighLevel,
    location_id: str,
    speed: float,
    limit: int | None = None,
    progress: Progress | None = None,
) -> ReplayTally:
    """Send the log, earliest row first; ``limit``: only that many of the earliest rows.

    ``speed``: seconds of the log per second, 0 for as fast as the gateway takes it. A second replay of the same file is all
    duplicates. Raises ConfigurationError (map) or InputError (log) naming the key and the fix.
    """
    mapping, tally = load_map(map_path), ReplayTally()
    rows = _sendable(_cells(path, mapping), mapping, tally, limit)
    tally.deliveries = await sender.run(
        _events(rows, mapping),
        location_id=location_id,
        speed=speed,
        progress=progress,
        total=tally.events,
        run_id=_digest(path),
        identify=lambda event: event.key,
    )
    return tally


def _digest(path: Path) -> str:
    with path.open("rb") as log:
        return hashlib.file_digest(log, "sha256").hexdigest()


def _cells(path: Path, mapping: ReplayMap) -> pl.DataFrame:
    """The log's mapped columns, under the names of their roles."""
    roles = mapping.columns.named()
    try:
        # CSV is read as text: a case "007" must not become 7
        log = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"log {path}: cannot be read as CSV or Parquet; {error}") from error
    for role, column in roles.items():
        if column not in log.columns:
            raise ConfigurationError(
                f"columns.{role}: the log has no column {column!r}; it has {', '.join(log.columns)}"
            )
    return log.select(pl.col(column).alias(role) for role, column in roles.items())


def _sendable(
    cells: pl.DataFrame, mapping: ReplayMap, tally: ReplayTally, limit: int | None
) -> list[tuple[LogRow, Rule]]:
    """The rows that a rule sends, earliest first; every other row is counted in ``tally`` with the reason."""
    rules = mapping.rules()
    rows: list[LogRow] = []
    unusable: Counter[str] = Counter()
    for number, entry in enumerate(cells.iter_rows(named=True), start=1):
        row = _row(number, entry)
        if isinstance(row, LogRow):
            rows.append(row)
        else:
            unusable[row] += 1
    rows.sort(key=lambda row: (row.time, row.number))
    if limit is None:
        tally.rows_refused.update(unusable)
        tally.rows = cells.height
    else:
        tally.rows = len(rows := rows[:limit])
    taken: list[tuple[LogRow, Rule]] = []
    for row in rows:
        rule = rules.get((row.activity, row.lifecycle)) or rules.get((row.activity, None))
        if rule is None:
            step = row.activity if row.lifecycle is None else f"{row.activity} {row.lifecycle}"
            tally.rows_refused[f"no rule for {step}"] += 1
        elif rule.ignore is not None:
            tally.rows_refused[rule.ignore] += 1
        else:
            taken.append((row, rule))
    tally.rows_sent = len(taken)
    tally.events = sum(len(rule.send) for _, rule in taken)
    return taken


def _row(number: int, entry: Mapping[str, object]) -> LogRow | str:
    """A usable row, or the reason why it is not."""
    texts = {role: _text(entry.get(role)) for role in ("case", "activity", "lifecycle", "resource")}
    case, activity, time = texts["case"], texts["activity"], _time(entry.get("time"))
    if case is None or activity is None or time is None:
        missing = next(
            role for role, value in (("case", case), ("activity", activity), ("time", time)) if value is None
        )
        return f"the row has no readable {missing}"
    return LogRow(
        number=number,
        case=case,
        activity=activity,
        time=time,
        lifecycle=texts["lifecycle"],
        resource=texts["resource"],
        value=_value(entry.get("value")),
    )


def _value(value: object) -> Cell:
    """Numbers stay numbers; a decimal or a date becomes text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float) else _text(value)


def _text(value: object) -> str | None:
    return None if value is None else str(value).strip() or None


def _time(value: object) -> datetime | None:
    """A time of the log; without a zone it is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _events(rows: list[tuple[LogRow, Rule]], mapping: ReplayMap) -> Iterator[ReplayEvent]:
    for row, rule in rows:
        for place, send in enumerate(rule.send, start=1):
            yield ReplayEvent(
                at=row.time,
                type=send.type,
                body=mapping.filled(send, row),
                key=f"{row.number}\x1f{place}\x1f{send.type}",
            )
