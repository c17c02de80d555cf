"""The track record for a terminal or a file: figures beside two rules, by month, and every row behind them.

Called by ``cli_learning.py`` (``report scores``).
"""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, time
from pathlib import Path

import numpy as np

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.learning_ports import RECORD_COLUMNS, RecordColumns, ScoreRecord
from ghl_real_estate_ai.ml.artifacts import Model, shipped_model
from ghl_real_estate_ai.ml.features import FEATURE_NAMES
from ghl_real_estate_ai.ml.history import History, Table
from ghl_real_estate_ai.ml.targets import Target
from ghl_real_estate_ai.ml.track_report import Asked, target_record
from ghl_real_estate_ai.ml.training import TARGETS
from ghl_real_estate_ai.models.track_record import Figures, ReliabilityPoint, TargetRecord, TrackRecord
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
        await write_rows(csv_file, keeper.pages(place, since=since))
    return await keeper.report(place, since=since)


async def replayed(
    memory: Memory, location: str | None, *, since: datetime | None, progress: Callable[[], None]
) -> TrackRecord:
    """What the models that ship would have said of the location's past, beside what came true: they saw none of it.

    For an installation that is new to an account with a history. A location's own models are judged when they are fitted,
    on leads and days that they did not learn from (``enterprisehub train --location``).
    """
    place = await records.the_location(memory, location)
    histories = {simulated: History(TARGETS) for simulated in (False, True)}  # each on its own time line
    async for recorded in records.log_events(memory, place):
        histories[recorded.event.simulated].add(recorded)
        progress()
    simulated = not histories[False].events
    targets = [
        target_record(
            Asked(target.name, target.question, target.horizon_days),
            _said(target, histories[simulated].table(target, number), simulated=simulated),
            since=since,
            simulated=simulated,
        )
        for number, target in enumerate(TARGETS)
    ]
    return TrackRecord(location_id=place, as_of=SystemClock().now(), kind="replayed", targets=tuple(targets))


def _said(target: Target, rows: Table, *, simulated: bool) -> RecordColumns:
    shipped = shipped_model(target.name)
    model: Model = shipped if simulated else abroad(shipped)
    answers = [model.answer(x) for x in rows.x]
    _, first, lead = np.unique(rows.draw, return_index=True, return_inverse=True)
    return RecordColumns(
        probability=np.array([answer.probability for answer in answers]),
        outcome=rows.y,
        made_at=rows.at,
        due_at=rows.at + target.horizon_days * 86_400.0,
        silence_days=np.expm1(rows.x[:, FEATURE_NAMES.index("silence_days")]),
        low=np.array([answer.low for answer in answers]),
        high=np.array([answer.high for answer in answers]),
        prior_share=np.array([answer.prior_share for answer in answers]),
        lead=np.argsort(np.argsort(first))[lead],
        model=np.zeros(len(rows), np.intp),
        models=(model.stamp.version,),
    )


async def write_rows(path: Path, pages: AsyncIterator[list[ScoreRecord]]) -> None:
    """One line per answer: what was said of which lead, and what came true."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, RECORD_COLUMNS, extrasaction="ignore")
        writer.writeheader()
        async for page in pages:
            writer.writerows(row.model_dump(mode="json") for row in page)


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
    kind = "simulated leads" if target.simulated else "leads"
    lines.append(
        f"{target.rows} answers about {target.leads} {kind} are resolved, {target.waiting} wait; "
        f"came true: {target.base_rate:.1%}"
    )
    lines.append(" " * 22 + "".join(f"{name:>11s}" for name in _NAMES) + "    answers")
    lines.append(_row("scores", target.figures, target.rows))
    for one in target.compared:
        if one.rows != target.rows:
            lines.append(_row("scores, same rows", one.shown, one.rows))
        lines.append(_row(one.name, one.rule, one.rows))
    lines += [f"  {month.month}" + _row("", month.figures, month.rows)[9:] for month in target.months]
    lines += [_point(point) for point in target.reliability]
    if target.prior_share is not None:
        lines.append(
            f"of the newest answers {target.prior_share:.0%} is the prior, the rest your own resolved leads"
        )
    lines.append(f"models: {', '.join(target.model_versions)}")
    return "\n".join([*lines, target.verdict])


def _point(point: ReliabilityPoint) -> str:
    low, high = point.said_low, point.said_high
    between = "" if low is None or high is None else f" (on average {low:.1%} to {high:.1%})"
    return (
        f"  said {point.said:6.1%}{between}, came true {point.came_true:6.1%} "
        f"(80 % certain: {point.low:.1%} to {point.high:.1%}, {point.leads} leads)"
    )


def _row(name: str, figures: Figures, rows: int) -> str:
    values = [getattr(figures, each) for each in _NAMES]
    return f"{name:22s}" + "".join(f"{'-' if v is None else f'{v:.3f}':>11s}" for v in values) + f"{rows:11d}"
