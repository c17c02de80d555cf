"""The track record for a terminal or a file: figures beside two rules, by month, and every row behind them.

Called by ``cli_learning.py`` (``report scores``).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime, time
from pathlib import Path

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.learning_ports import ScoreRecord
from ghl_real_estate_ai.models.track_record import Figures, TargetRecord, TrackRecord
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.track_record import TrackRecordKeeper

_NAMES = ("auc", "ap", "brier", "ece", "lift_at_10")


def day_of(text: str) -> datetime:
    """Midnight UTC of an ISO date. Raises InputError."""
    try:
        return datetime.combine(datetime.fromisoformat(text).date(), time(), UTC)
    except ValueError as error:
        raise InputError(f"--since {text!r}: give a date such as 2026-01-31") from error


async def scores(
    memory: Memory, location: str | None, *, since: datetime | None, csv_file: Path | None
) -> TrackRecord:
    """What is known by now of the location's answers; first resolves what is due. Writes the rows to ``csv_file`` if given."""
    place = await records.the_location(memory, location)
    keeper = TrackRecordKeeper(memory=memory, clock=SystemClock())
    await keeper.resolve(place)
    if csv_file is not None:
        write_rows(csv_file, await keeper.rows(place, since=since))
    return await keeper.report(place, since=since)


def write_rows(path: Path, rows: Sequence[ScoreRecord]) -> None:
    """One line per answer: what was said of which lead, and what came true."""
    names = [name for name in ScoreRecord.model_fields if name != "location_id"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row.model_dump(mode="json") for row in rows)


def in_words(record: TrackRecord) -> str:
    """The report for a person."""
    return "\n\n".join(_target(target) for target in record.targets)


def _target(target: TargetRecord) -> str:
    lines = [f"{target.target}: {target.question}"]
    if not target.rows:
        return "\n".join([*lines, target.verdict])
    simulated = ", simulated leads among them" if target.simulated else ""
    lines.append(
        f"{target.rows} answers about {target.leads} leads are resolved, {target.waiting} wait{simulated}; "
        f"came true: {target.base_rate:.1%}"
    )
    lines.append(" " * 22 + "".join(f"{name:>11s}" for name in _NAMES) + "    answers")
    lines.append(_row("as shown", target.figures, target.rows))
    for one in target.compared:
        if one.rows != target.rows:
            lines.append(_row("as shown, same rows", one.shown, one.rows))
        lines.append(_row(one.name, one.rule, one.rows))
    lines += [f"  {month.month}" + _row("", month.figures, month.rows)[9:] for month in target.months]
    lines += [
        f"  said {point.said:6.1%}, came true {point.came_true:6.1%} (80 %: {point.low:.1%} to {point.high:.1%}, "
        f"{point.leads} leads)"
        for point in target.reliability
    ]
    if target.interval_coverage is not None:
        lines.append(
            f"within the shown intervals: {target.interval_coverage:.0%} of the answers (80 % promised)"
        )
    if target.prior_share is not None:
        lines.append(
            f"of the newest answers {target.prior_share:.0%} is the prior, the rest your own resolved leads"
        )
    lines.append(f"models: {', '.join(target.model_versions)}")
    return "\n".join([*lines, target.verdict])


def _row(name: str, figures: Figures, rows: int) -> str:
    values = [getattr(figures, each) for each in _NAMES]
    return f"{name:22s}" + "".join(f"{'-' if v is None else f'{v:.3f}':>11s}" for v in values) + f"{rows:11d}"
