"""How each account stands by GoHighLevel's newest answers: limits, and the vendor's clock against ours.

One per app, handed to all of its clients: what one of them was told (polling), another may show (the health page).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import Quota, http_date, quota_of


@dataclass(frozen=True, slots=True)
class Standing:
    """What the answers told about an owner's account beside their content, the newest figure of each kind."""

    quota: Quota = field(default_factory=Quota)
    clock_skew: timedelta | None = None
    """How far the vendor's clock is ahead of ours; None: no answer yet."""


class Standings:
    """By owner: a locationId, or a companyId for an agency's own calls."""

    def __init__(self) -> None:
        self._newest: Final[dict[str, Standing]] = {}

    def of(self, owner_id: str) -> Standing:
        """The newest one; an empty one before the first answer."""
        return self._newest.get(owner_id, Standing())

    def learn(self, owner_id: str, headers: Mapping[str, str], *, now: datetime) -> None:
        """Take in an answer's headers (names in lower case), which arrived now."""
        known, sent_at = self.of(owner_id), http_date(headers.get("date", ""))
        self._newest[owner_id] = Standing(
            quota=known.quota.updated(quota_of(headers)),
            clock_skew=known.clock_skew if sent_at is None else sent_at - now,
        )
