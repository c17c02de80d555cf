"""The track record for a terminal or a file: figures beside two rules, by month, and every row behind them.

Called by ``cli_learning.py`` (``report scores``).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.learning_ports import ScoreRecord
from ghl_real_estate_ai.ml.artifacts import Model, shipped_model
from ghl_real_estate_ai.ml.features import FEATURE_NAMES
from ghl_real_estate_ai.ml.history import History, Table
from ghl_real_estate_ai.ml.targets import Target
from ghl_real_estate_ai.ml.track_report import Asked, target_record
from ghl_real_estate_ai.ml.training import TARGETS
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.track_record import Figures, TargetRecord, TrackRecord
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.tenant_models import abroad
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


async def replayed(
    memory: Memory, location: str | None, *, since: datetime | None, progress: Callable[[], None]
) -> TrackRecord:
    """What the models that ship would have said of the location's past, beside what came true: they saw none of it.

    For an installation that is new to an account with a history. A location's own models are judged when they are fitted,
    on leads and days that they did not learn from (``enterprisehub train --location``).
    """
    place = await records.the_location(memory, location)
    history = History(TARGETS)
    async for recorded in records.log_events(memory, place):
        history.add(recorded)
        progress()
    targets = []
    for number, target in enumerate(TARGETS):
        shipped = shipped_model(target.name)
        model = shipped if history.simulated else abroad(shipped)
        rows = history.table(target, number)
        if since is not None:
            rows = rows.where(rows.at >= since.timestamp())
        said = list(_said(place, target, model, rows, simulated=history.simulated))
        targets.append(target_record(Asked(target.name, target.question, target.horizon_days), said))
    return TrackRecord(location_id=place, as_of=SystemClock().now(), kind="replayed", targets=tuple(targets))


def _said(
    place: LocationId, target: Target, model: Model, rows: Table, *, simulated: bool
) -> Iterator[ScoreRecord]:
    silence = FEATURE_NAMES.index("silence_days")
    for x, y, at, draw in zip(rows.x, rows.y, rows.at, rows.draw, strict=True):
        answer, made_at = model.answer(x), datetime.fromtimestamp(at, UTC)
        due_at = made_at + timedelta(days=target.horizon_days)
        yield ScoreRecord(
            location_id=place,
            lead_id=LeadId(
                f"{draw:.12f}"
            ),  # a hash: figures need to know which rows are of one lead, not which lead
            target=target.name,
            made_at=made_at,
            due_at=due_at,
            probability=answer.probability,
            low=answer.low,
            high=answer.high,
            prior_share=answer.prior_share,
            silence_days=math.expm1(x[silence]),
            model_version=model.stamp.version,
            simulated=simulated,
            outcome=bool(y),
            resolved_at=due_at,
        )


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
    head = (
        "Replayed: what the models that ship would have said of the past, which they never saw."
        if record.kind == "replayed"
        else "As shown: what screens said at the time."
    )
    return "\n\n".join([head, *(_target(target) for target in record.targets)])


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
    lines.append(_row("scores", target.figures, target.rows))
    for one in target.compared:
        if one.rows != target.rows:
            lines.append(_row("scores, same rows", one.shown, one.rows))
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
