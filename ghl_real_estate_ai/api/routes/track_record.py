"""What was said of the caller's leads and what came true: figures and rows. Called by screens and by whoever checks.

For managers and admins: agents are not judged by it, and the rows name every lead of the team.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from ghl_real_estate_ai.api.dependencies import ServicesDep, allowed
from ghl_real_estate_ai.learning_ports import ScoreRecord
from ghl_real_estate_ai.models.leads import Identity, Role
from ghl_real_estate_ai.models.track_record import TrackRecord

router = APIRouter(prefix="/v1/track-record", tags=["track record"])

Manager = Annotated[Identity, Depends(allowed(Role.MANAGER, Role.ADMIN))]
Since = Annotated[date | None, Query(description="only answers given on this day (UTC) or later")]

COLUMNS: Final = tuple(name for name in ScoreRecord.model_fields if name != "location_id")


@router.get("", response_model=TrackRecord)
async def track_record(identity: Manager, services: ServicesDep, since: Since = None) -> TrackRecord:
    """Figures per question, by month, beside two rules, with the verdict in words."""
    return await services.record.report(identity.location_id, since=_moment(since))


@router.get(".csv")
async def track_record_rows(
    identity: Manager, services: ServicesDep, since: Since = None
) -> StreamingResponse:
    """Every resolved answer as a row of CSV: what was said of which lead, and what came true."""
    records = await services.record.rows(identity.location_id, since=_moment(since))
    return StreamingResponse(
        _csv(records),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="track-record.csv"'},
    )


def _csv(records: Sequence[ScoreRecord]) -> Iterator[str]:
    """Line by line: a year of a large team is some hundred thousand rows."""
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    for record in records:
        row = record.model_dump(mode="json")
        writer.writerow([row[name] for name in COLUMNS])
        yield line.getvalue()
        line.seek(0)
        line.truncate()
    yield line.getvalue()


def _moment(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)
