"""The manager's page: how soon people are answered by a human, who carries how much, which hot leads nobody has touched.

Called by api/routes/team. Definitions in docs/team.md; curves in ml/response_times.py, rules of load in services/team_load.py.

Figures are about work: an agent's are the waits and leads on their desk, and nothing about the person.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Final

import numpy as np

from ghl_real_estate_ai.limits import TEAM_LEADS_LOOKED_AT, TEAM_PAGE_LEADS
from ghl_real_estate_ai.ml.response_times import (
    AnsweredCurve,
    Waits,
    answered_curve,
    drawn,
    minutes_until,
    share_within,
)
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.team import ResponseGroup, ResponsePoint, TeamResponse
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork
from ghl_real_estate_ai.services.team_directory import Directory, directory
from ghl_real_estate_ai.services.team_load import TeamLead, loads, team_lead, untouched
from ghl_real_estate_ai.team_ports import LeadPlace

SOON_MIN: Final = 5.0
"""What ``within_5_min`` asks. A target that teams set themselves, no law of nature: docs/team.md."""
HOUR_MIN: Final = 60.0
DAY_MIN: Final = 1_440.0
SOURCES_SHOWN: Final = 50
"""Sources with the most leads: some accounts hold an address of a page as the source of each lead."""

_HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
_FIGURES: Final = ThreadPoolExecutor(1, thread_name_prefix="team-response")
"""One page at a time: one that nobody waits for any more takes no thread from matches and scores."""


@dataclass(frozen=True, slots=True)
class _Read:
    """The leads of a location that a page looks at, real or simulated, and what time it is for them."""

    leads: Sequence[TeamLead]
    now: datetime
    simulated: bool
    truncated: bool


class TeamResponses:
    """Reads, counts, keeps nothing. One per process."""

    def __init__(
        self,
        *,
        memory: Memory,
        clock: Clock,
        most: int = TEAM_LEADS_LOOKED_AT,
        page: int = TEAM_PAGE_LEADS,
    ) -> None:
        """``most``: leads that a report looks at, ``page`` of them in one read."""
        self._memory: Final = memory
        self._clock: Final = clock
        self._most: Final = most
        self._page: Final = page
        self._turns: Final[dict[LocationId, asyncio.Lock]] = {}

    async def report(self, location_id: LocationId, *, days: int, zone: tzinfo) -> TeamResponse:
        """The page. ``zone``: where the hours of arrival and the working hours are. Raises StorageUnavailable.

        Of simulated leads only where there are no others: figures over both would be true of neither.
        """
        async with self._turns.setdefault(
            location_id, asyncio.Lock()
        ):  # who asks for many keeps only themselves waiting
            people = await directory(self._memory, location_id)
            read = await self._read(location_id)
            work = partial(_page, read, people=people, days=days, zone=zone)
            return await asyncio.get_running_loop().run_in_executor(_FIGURES, work)

    async def _read(self, location_id: LocationId) -> _Read:
        """Page by page, so that no other reader waits for more than one of them."""
        simulated_now = await self._memory.read(partial(_simulated_now, location_id=location_id))
        simulated, now = simulated_now is not None, simulated_now or self._clock.now()
        found: dict[LeadId, TeamLead] = {}
        look = partial(_next, location_id=location_id, simulated=simulated)
        after: LeadPlace | None = None
        looked_at = 0
        while looked_at < self._most:
            limit = min(self._page, self._most - looked_at)
            page, after = await self._memory.read(partial(look, after=after, limit=limit))
            found |= {one.lead_id: one for one in page}
            looked_at += limit
            if after is None:
                return _Read(tuple(found.values()), now, simulated, truncated=False)
        _, more = await self._memory.read(partial(look, after=after, limit=1))
        return _Read(tuple(found.values()), now, simulated, truncated=more is not None)


def _simulated_now(uow: UnitOfWork, *, location_id: LocationId) -> datetime | None:
    """What time it is for simulated leads, where there are no others; else None."""
    if uow.team.has_real_leads(location_id):
        return None
    return uow.leads.newest_simulated(location_id)


def _next(
    uow: UnitOfWork, *, location_id: LocationId, simulated: bool, after: LeadPlace | None, limit: int
) -> tuple[list[TeamLead], LeadPlace | None]:
    """The next leads, and where to go on; None at the end."""
    rows = uow.team.page(location_id, simulated=simulated, after=after, limit=limit)
    silent = [row.lead.lead_id for row in rows if row.lead.activity.first_lead_at is None]
    created = uow.team.created(location_id, silent) if silent else set()
    leads = [
        team_lead(row.lead, row.look, created=row.lead.lead_id in created)
        for row in rows
        if not row.lead.deleted
    ]
    return leads, rows[-1].place if rows else None


# --- the figures --------------------------------------------------------------------------------------------------


def _page(read: _Read, *, people: Directory, days: int, zone: tzinfo) -> TeamResponse:
    now, since = read.now, read.now - timedelta(days=days)
    came = [lead for lead in read.leads if _came(lead, since, now)]
    waits = Waits(
        np.array([_minutes(lead, now) for lead in came], dtype=np.float64),
        np.array([lead.first_touch_at is not None for lead in came], dtype=np.bool_),
    )
    grouped = partial(_groups, came, waits)
    return TeamResponse(
        days=days,
        now=now,
        simulated=read.simulated,
        overall=_group("all", came, waits, with_curve=True),
        by_source=grouped(lambda lead: lead.source or "")[:SOURCES_SHOWN],
        by_hour=_by_hour(grouped(partial(_hour, zone=zone))),
        by_agent=grouped(lambda lead: lead.assigned_to or "", with_curve=True),
        load=loads(read.leads, people=people, since=since, now=now, zone=zone),
        untouched=untouched(read.leads, now=now),
        truncated=read.truncated,
    )


def _came(lead: TeamLead, since: datetime, now: datetime) -> bool:
    """Whether it came within the days that are looked at, and was not known before them: an import knows old acquaintances."""
    if lead.arrived_at is None or lead.first_at is None:
        return False
    return since <= lead.first_at and lead.arrived_at <= now


def _minutes(lead: TeamLead, now: datetime) -> float:
    """From its arrival to the first human, else for how long it was watched: until now, or until it was closed.

    0 where a human was first: the lead waited for nobody.
    """
    until = lead.first_touch_at or lead.closed_at or now
    return 0.0 if lead.arrived_at is None else max(0.0, (until - lead.arrived_at) / timedelta(minutes=1))


def _hour(lead: TeamLead, *, zone: tzinfo) -> str:
    return "" if lead.arrived_at is None else f"{lead.arrived_at.astimezone(zone).hour:02}"


def _groups(
    leads: Sequence[TeamLead], waits: Waits, key: Callable[[TeamLead], str], *, with_curve: bool = False
) -> tuple[ResponseGroup, ...]:
    """By a property, most leads first."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, lead in enumerate(leads):
        rows[key(lead)].append(row)
    groups = (
        _group(name, [leads[row] for row in own], waits.of(np.array(own)), with_curve=with_curve)
        for name, own in rows.items()
    )
    return tuple(sorted(groups, key=lambda group: (-group.leads, group.name)))


def _by_hour(groups: Sequence[ResponseGroup]) -> tuple[ResponseGroup, ...]:
    """All hours of the day, those without leads too."""
    found = {group.name: group for group in groups}
    nothing = Waits(np.empty(0), np.empty(0, dtype=np.bool_))
    return tuple(found.get(hour) or _group(hour, (), nothing, with_curve=False) for hour in _HOURS)


def _group(name: str, leads: Sequence[TeamLead], waits: Waits, *, with_curve: bool) -> ResponseGroup:
    curve = answered_curve(waits)
    return ResponseGroup(
        name=name,
        leads=len(leads),
        answered=int(waits.answered.sum()),
        waiting=sum(lead.first_touch_at is None and lead.closed_at is None for lead in leads),
        p50_min=minutes_until(curve, 0.5),
        p90_min=minutes_until(curve, 0.9),
        within_5_min=share_within(curve, SOON_MIN) if leads else None,
        within_60_min=share_within(curve, HOUR_MIN) if leads else None,
        within_1440_min=share_within(curve, DAY_MIN) if leads else None,
        curve=_points(curve) if with_curve else (),
    )


def _points(curve: AnsweredCurve) -> tuple[ResponsePoint, ...]:
    return tuple(
        ResponsePoint(
            minutes=float(curve.minutes[row]),
            answered=float(curve.answered[row]),
            low=float(curve.low[row]),
            high=float(curve.high[row]),
            still_waiting=int(curve.still_waiting[row]),
        )
        for row in drawn(curve)
    )
