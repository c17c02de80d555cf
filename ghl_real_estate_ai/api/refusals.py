"""Refused deliveries in the log: the first at once, then one line a minute for each reason, with how many there were.

Called by ``api/routes/webhooks.py``; one per process. A stranger who knocks a million times fills no disk. Exact figures
are in ``webhooks_received_total`` and in the days that ``delivery_tally`` writes down.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.models.events import Source

LINE_EVERY: Final = timedelta(minutes=1)

_log = telemetry.get_logger("webhooks")


class Refusals:
    """What is to be logged of them. Bounded: as many entries as there are doors times reasons."""

    def __init__(self) -> None:
        self._told_at: dict[tuple[Source, str], datetime] = {}
        self._untold: dict[tuple[Source, str], int] = {}

    def refused(self, source: Source, why: str, *, now: datetime, not_stored: str | None = None) -> None:
        """One more. ``count``: since the last line of this reason. ``not_stored``: it is ours to mend, in these words."""
        kind = (source, why)
        count = self._untold.get(kind, 0) + 1
        told_at = self._told_at.get(kind)
        if told_at is not None and now - told_at < LINE_EVERY:
            self._untold[kind] = count
            return
        self._told_at[kind], self._untold[kind] = now, 0
        if not_stored is None:
            _log.warning("webhook.refused", source=source.value, why=why, count=count)
        else:
            _log.error("webhook.not_stored", source=source.value, reason=not_stored, count=count)
