"""What was said of the caller's leads and what came true: figures and rows. Called by screens and by whoever checks.

For managers and admins: agents are not judged by it, and the rows name every lead of the team.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from ghl_real_estate_ai.api.dependencies import ServicesDep, allowed
from ghl_real_estate_ai.learning_ports import RECORD_COLUMNS, ScoreRecord
from ghl_real_estate_ai.limits import TRACK_ANSWER_S
from ghl_real_estate_ai.models.leads import Identity, Role
from ghl_real_estate_ai.models.track_record import TrackRecord

router = APIRouter(prefix="/v1/track-record", tags=["track record"])

Manager = Annotated[Identity, Depends(allowed(Role.MANAGER, Role.ADMIN))]
Since = Annotated[date | None, Query(description="only answers given on this day (UTC) or later")]


@router.get("", response_model=TrackRecord)
async def track_record(identity: Manager, services: ServicesDep, since: Since = None) -> Response:
    """Figures per question, by month, beside two rules, with the verdict in words. May be a minute old."""
    location_id = identity.location_id

    async def make() -> bytes:
        return (await services.record.report(location_id, since=_moment(since))).model_dump_json().encode()

    key = json.dumps(["track record", location_id, None if since is None else since.isoformat()])
    body = await services.cache.get_or_make(key, make, seconds=TRACK_ANSWER_S)
    return Response(body, media_type="application/json")


@router.get(".csv")
async def track_record_rows(
    identity: Manager, services: ServicesDep, since: Since = None
) -> StreamingResponse:
    """Every resolved answer as a row of CSV, question by question: what was said of which lead, and what came true."""
    pages = services.record.pages(identity.location_id, since=_moment(since))
    nothing: list[ScoreRecord] = []
    first = await anext(pages, nothing)  # before the answer begins: an error still has a status of its own
    return StreamingResponse(
        _csv(first, pages),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="track-record.csv"'},
    )


async def _csv(first: Sequence[ScoreRecord], pages: AsyncIterator[list[ScoreRecord]]) -> AsyncIterator[str]:
    """Page by page: a year of a large team is some hundred thousand rows."""
    yield ",".join(RECORD_COLUMNS) + "\r\n"
    yield await asyncio.to_thread(_lines, first)
    async for page in pages:
        yield await asyncio.to_thread(_lines, page)


def _lines(records: Sequence[ScoreRecord]) -> str:
    lines = io.StringIO()
    csv.DictWriter(lines, RECORD_COLUMNS, extrasaction="ignore").writerows(
        record.model_dump(mode="json") for record in records
    )
    return lines.getvalue()


def _moment(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)
