"""Where reading a source of an account goes on: what a cursor holds. Called by history.py."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from pydantic import Field

from ghl_real_estate_ai.models.identifiers import Frozen, UtcTime

OVERLAP: Final = timedelta(minutes=2)
"""GoHighLevel shows a change some seconds late, and not in order: so much is read twice. What is known already is no news."""


class Place(Frozen):
    """A round reads from ``since`` to the end, page by page; then the next round begins."""

    since: UtcTime | None = Field(default=None, description="what changed before is not read; None: read all")
    newest: UtcTime | None = Field(default=None, description="newest time seen in this round")
    after: tuple[str | int | float | None, ...] = Field(
        default=(), description="the vendor's mark of the last item read"
    )
    calendar: int = Field(default=0, description="which of the location's calendars is next")
    oldest_first: bool = Field(default=False, description="the source is sorted so, as its pages have shown")

    def on(self, *seen: datetime | None, after: tuple[str | int | float | None, ...]) -> Place:
        """Within the round, after a page."""
        return self.model_copy(update={"newest": self._newest(seen), "after": after})

    def around(self, *seen: datetime | None, now: datetime) -> Place:
        """The next round: from the newest time seen, or a little before when that is only just past."""
        newest = self._newest(seen)
        return Place(since=self.since if newest is None else min(newest, now - OVERLAP))

    def _newest(self, seen: tuple[datetime | None, ...]) -> datetime | None:
        return max((at for at in (self.newest, *seen) if at is not None), default=None)
