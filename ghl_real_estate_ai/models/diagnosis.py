"""What the doctor says: one finding per check, in plain words, and the bounds by which it judges.

Made by services/crm_findings.py; printed by ``enterprisehub doctor``, served as ``GET /v1/health/crm``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Final

from pydantic import Field

from ghl_real_estate_ai.models.identifiers import Frozen

PAUSE_WINDOW_DAYS: Final = 3
"""GoHighLevel judges a webhook address by so many days."""

PAUSE_DELIVERIES: Final = 10_000
"""It judges only addresses with more deliveries than this in the window ..."""

PAUSE_SUCCESS_SHARE: Final = 0.90
"""... and warns below this share of 2xx answers; at the next time it pauses the address until somebody re-enables it."""

SKEW_WARNING_S: Final = 60.0
"""A clock that is further off shifts response times."""

SKEW_FAILURE_S: Final = 300.0
"""A clock that is further off lets tokens and signatures look expired."""

QUIET_WARNING: Final = timedelta(days=1)
"""An app whose webhooks have been silent for longer than this is looked at."""

SEEN_DAYS: Final = 30
"""How far back the newest delivery of a door is looked for."""

LATE_WARNING: Final = timedelta(hours=1)
"""A source that was last read to its end longer ago than this is late ..."""

LATE_BY_TURNS_WARNING: Final = timedelta(hours=6)
"""The same for what polling reads by turns: deals, of which large accounts have many pages, meetings, site activity."""

LATE_FAILURE: Final = timedelta(days=1)
"""... and longer ago than this it stands still."""

LAG_WARNING_EVENTS: Final = 1_000
"""More waiting events than this: scores on the screens are old."""

QUOTA_WARNING_SHARE: Final = 0.10
"""Less than this share of the day's API calls left: reading slows down to keep the rest for people."""


class FindingStatus(StrEnum):
    """UNKNOWN: it could not be looked at, or nothing is expected; never a guess."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    UNKNOWN = "unknown"


class Finding(Frozen):
    """One check. ``fix`` is there whenever somebody has to do something."""

    check: str
    status: FindingStatus
    what: str
    fix: str | None = Field(default=None, description="what to do, in the order to do it")


def finding(check: str, status: FindingStatus, what: str, fix: str | None = None) -> Finding:
    """A finding, written short."""
    return Finding(check=check, status=status, what=what, fix=fix)


class Diagnosis(Frozen):
    """All findings about one location."""

    location_id: str
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> FindingStatus:
        """FAILURE before WARNING; UNKNOWN does not count."""
        return worst_of(finding.status for finding in self.findings)


def worst_of(statuses: Iterable[FindingStatus]) -> FindingStatus:
    """The most severe of them; OK for none."""
    seen = set(statuses)
    return next(
        (bad for bad in (FindingStatus.FAILURE, FindingStatus.WARNING) if bad in seen), FindingStatus.OK
    )
