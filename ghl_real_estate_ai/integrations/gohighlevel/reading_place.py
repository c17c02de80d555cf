"""Where reading a source of an account goes on: what a cursor holds. Called by history.py."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from pydantic import Field, JsonValue, ValidationError

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.models.identifiers import Frozen, UtcTime

OVERLAP: Final = timedelta(minutes=2)
"""GoHighLevel shows a change some seconds late, and not in order: so much is read twice. What is known already is no news."""

type Mark = tuple[JsonValue, ...]
"""The vendor's mark of the last item read: values without a meaning of our own."""

_log = telemetry.get_logger("crm_history")


class Place(Frozen):
    """A round reads from ``since`` to the end, page by page; then the next round begins."""

    since: UtcTime | None = Field(default=None, description="what changed before is not read; None: read all")
    newest: UtcTime | None = Field(default=None, description="newest time seen in this round")
    after: Mark = ()
    edge: UtcTime | None = Field(
        default=None,
        description="when this round first read what had only just happened: later than that, more may have come between",
    )
    unfinished: UtcTime | None = Field(
        default=None,
        description="the oldest thing seen in this round that is no fact yet: the next one must not begin after it",
    )
    calendar: int = Field(default=0, description="which of the location's calendars is next")
    oldest_first: bool = Field(default=False, description="the source is sorted so, as its pages have shown")
    tail: Mark = Field(default=(), description="deals: where reading the quiet ones goes on")
    pages: int = Field(default=0, description="deals: how many pages were read")

    def on(
        self,
        *seen: datetime | None,
        after: Mark,
        now: datetime,
        unfinished: Iterable[datetime] = (),
    ) -> Place:
        """Within the round, after a page."""
        newest = _newest(self.newest, *seen)
        live = newest is not None and newest > now - OVERLAP
        return self.model_copy(
            update={
                "newest": newest,
                "after": after,
                "edge": self.edge or (now if live else None),
                "unfinished": _oldest(self.unfinished, *unfinished),
            }
        )

    def around(self, *seen: datetime | None, now: datetime, unfinished: Iterable[datetime] = ()) -> Place:
        """The next round: from a little before the newest time seen, or before now when the vendor's clock is ahead."""
        newest = _newest(self.newest, *seen)
        since = self.since if newest is None else min(newest, self.edge or now) - OVERLAP
        return Place(since=since and _oldest(since, self.unfinished, *unfinished))


def place_of(cursor: str, *, since: datetime | None) -> Place:
    """What a cursor says. One that cannot be read, such as a newer release's after a step back, says nothing."""
    if cursor:
        try:
            return Place.model_validate_json(cursor)
        except ValidationError as error:
            _log.warning("cursor.unreadable", fields=[str(one["loc"]) for one in error.errors()])
    return Place(since=since)


def _newest(*times: datetime | None) -> datetime | None:
    return max((at for at in times if at is not None), default=None)


def _oldest(*times: datetime | None) -> datetime | None:
    return min((at for at in times if at is not None), default=None)
