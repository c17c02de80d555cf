"""The manager's page: how soon people are answered by a human, who carries how much, which hot leads nobody has touched.

Called by api/routes/team. Definitions in docs/team.md; curves in ml/response_times.py, rules of load in services/team_load.py.

Figures are about work: an agent's are the waits and leads on their desk, and nothing about the person.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import Enum, auto
from functools import partial
from typing import Final

import numpy as np

from ghl_real_estate_ai.limits import TEAM_LEADS_LOOKED_AT, TEAM_PAGE_LEADS
from ghl_real_estate_ai.ml.response_times import (
    AnsweredCurve,
    Span,
    Waits,
    answered_curve,
    drawn,
    height_at,
    minutes_until,
    seen,
    share_within,
    span_of_minutes,
    span_of_part,
    span_of_share,
)
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.team import (
    Direction,
    EarlierResponse,
    ResponseGroup,
    ResponsePoint,
    TeamResponse,
    WaitingMark,
)
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
FEWEST_COMPARED: Final = 20
"""Of fewer leads a share moves by five points with each of them: nothing is said of a change."""
MARKS_A_DECADE: Final = 12
SHORTEST_MARK_MIN: Final = 0.5

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


class _End(Enum):
    """What became of a lead's wait for its first answer."""

    ANSWERED = auto()
    CLOSED = auto()
    MARKED = auto()
    WAITING = auto()


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """Leads that came within some days, each with its wait and what had become of it when those days were over."""

    leads: Sequence[TeamLead]
    waits: Waits
    ends: Sequence[_End]

    def of(self, rows: Sequence[int]) -> _Arrivals:
        """Those in these rows."""
        own = np.array(rows, dtype=np.intp)
        return _Arrivals(
            [self.leads[row] for row in rows], self.waits.of(own), [self.ends[row] for row in rows]
        )

    def count(self, end: _End) -> int:
        """How many ended so."""
        return sum(one is end for one in self.ends)


def _page(read: _Read, *, people: Directory, days: int, zone: tzinfo) -> TeamResponse:
    now, length = read.now, timedelta(days=days)
    since = now - length
    came = _arrivals(read.leads, since, now)
    before = _arrivals(read.leads, since - length, since)
    why = _not_comparable(came, before, days=days, truncated=read.truncated)
    grouped = partial(_groups, came)
    return TeamResponse(
        days=days,
        now=now,
        simulated=read.simulated,
        overall=_group("all", came, with_curve=True),
        by_source=grouped(lambda lead: lead.source or "")[:SOURCES_SHOWN],
        by_hour=_by_hour(grouped(partial(_hour, zone=zone))),
        by_agent=grouped(lambda lead: lead.assigned_to or "", with_curve=True),
        load=loads(read.leads, people=people, since=since, now=now, zone=zone),
        untouched=untouched(read.leads, now=now),
        earlier=None if why else _compared(came, before),
        no_earlier=why,
        truncated=read.truncated,
    )


def _arrivals(leads: Iterable[TeamLead], since: datetime, until: datetime) -> _Arrivals:
    """Of leads that came within these days, and were not known before them: an import knows old acquaintances."""
    came = [
        (lead, lead.arrived_at)
        for lead in leads
        if lead.arrived_at is not None
        and lead.first_at is not None
        and since < lead.first_at <= until
        and lead.arrived_at <= until
    ]
    ended = [_ended(lead, until) for lead, _ in came]
    minutes = [
        max(0.0, (at - arrived_at) / timedelta(minutes=1))  # 0 where a human was first: it waited for nobody
        for (_, arrived_at), (at, _) in zip(came, ended, strict=True)
    ]
    ends = [end for _, end in ended]
    answered = np.array([end is _End.ANSWERED for end in ends], dtype=np.bool_)
    waits = Waits(np.array(minutes, dtype=np.float64), answered)
    return _Arrivals([lead for lead, _ in came], waits, ends)


def _ended(lead: TeamLead, until: datetime) -> tuple[datetime, _End]:
    """When the wait ended and how, as it was known ``until`` then: until when the lead was watched, if nobody answered.

    A click ends no wait: a marked lead is watched as long as it would be without. One that left at the click would leave its
    weight to those who were answered later, and ten early clicks would make a team look quick.
    """
    if lead.first_touch_at is not None and lead.first_touch_at <= until:
        return lead.first_touch_at, _End.ANSWERED
    closed = lead.closed_at if lead.closed_at is not None and lead.closed_at <= until else None
    if lead.marked_at is not None and lead.marked_at <= (closed or until):
        return closed or until, _End.MARKED
    return (until, _End.WAITING) if closed is None else (closed, _End.CLOSED)


def _hour(lead: TeamLead, *, zone: tzinfo) -> str:
    return "" if lead.arrived_at is None else f"{lead.arrived_at.astimezone(zone).hour:02}"


def _groups(
    came: _Arrivals, key: Callable[[TeamLead], str], *, with_curve: bool = False
) -> tuple[ResponseGroup, ...]:
    """By a property, most leads first."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, lead in enumerate(came.leads):
        rows[key(lead)].append(row)
    groups = (_group(name, came.of(own), with_curve=with_curve) for name, own in rows.items())
    return tuple(sorted(groups, key=lambda group: (-group.leads, group.name)))


def _by_hour(groups: Sequence[ResponseGroup]) -> tuple[ResponseGroup, ...]:
    """All hours of the day, those without leads too."""
    found = {group.name: group for group in groups}
    nothing = _Arrivals((), Waits(np.empty(0), np.empty(0, dtype=np.bool_)), ())
    return tuple(found.get(hour) or _group(hour, nothing, with_curve=False) for hour in _HOURS)


def _group(name: str, some: _Arrivals, *, with_curve: bool) -> ResponseGroup:
    curve, leads = seen(answered_curve(some.waits), some.waits), len(some.leads)
    return ResponseGroup(
        name=name,
        leads=leads,
        answered=some.count(_End.ANSWERED),
        waiting=some.count(_End.WAITING),
        marked=some.count(_End.MARKED),
        p50_min=minutes_until(curve, 0.5),
        p90_min=minutes_until(curve, 0.9),
        within_5_min=share_within(curve, SOON_MIN) if leads else None,
        within_60_min=share_within(curve, HOUR_MIN) if leads else None,
        within_1440_min=share_within(curve, DAY_MIN) if leads else None,
        curve=_points(curve) if with_curve else (),
        watched_min=curve.watched_min if with_curve and leads else None,
        marks=_marks(curve, some) if with_curve else (),
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


def _marks(curve: AnsweredCurve, some: _Arrivals) -> tuple[WaitingMark, ...]:
    """Those who still wait, MARKS_A_DECADE at most of a time and the tenfold of it: the chart's axis is such."""
    waiting = np.array([end is _End.WAITING for end in some.ends], dtype=np.bool_)
    if not waiting.any():
        return ()
    powers = np.log10(np.maximum(some.waits.minutes[waiting], SHORTEST_MARK_MIN))
    places, leads = np.unique(np.round(powers * MARKS_A_DECADE), return_counts=True)
    minutes = np.minimum(10.0 ** (places / MARKS_A_DECADE), curve.watched_min)
    heights = height_at(curve, minutes)
    return tuple(
        WaitingMark(minutes=float(at), answered=float(height), leads=int(count))
        for at, height, count in zip(minutes, heights, leads, strict=True)
    )


# --- beside the days before ---------------------------------------------------------------------------------------


def _not_comparable(came: _Arrivals, before: _Arrivals, *, days: int, truncated: bool) -> str:
    """Why nothing can be said of a change; empty: it can."""
    if truncated:
        return "there are more leads than are looked at, and those of the days before are not complete"
    for some, when in ((came, f"these {days} days"), (before, f"the {days} days before")):
        if len(some.leads) < FEWEST_COMPARED:
            return f"{len(some.leads)} leads came in {when}, and {FEWEST_COMPARED} are needed"
    return ""


def _compared(came: _Arrivals, before: _Arrivals) -> EarlierResponse:
    now, then = (seen(answered_curve(some.waits), some.waits) for some in (came, before))
    counts = [(some.count(_End.WAITING), len(some.leads)) for some in (came, before)]
    soon = [
        span_of_share(curve, SOON_MIN, leads) for curve, (_, leads) in zip((now, then), counts, strict=True)
    ]
    return EarlierResponse(
        leads=len(before.leads),
        waiting=before.count(_End.WAITING),
        p50_min=minutes_until(then, 0.5),
        within_5_min=share_within(then, SOON_MIN),
        p50_is=_direction(span_of_minutes(now, 0.5), span_of_minutes(then, 0.5), more_is=Direction.WORSE),
        within_5_is=_direction(*soon, more_is=Direction.BETTER),
        waiting_is=_direction(*(span_of_part(*one) for one in counts), more_is=Direction.WORSE),
    )


def _direction(now: Span, then: Span, *, more_is: Direction) -> Direction:
    if now.low > then.high:
        return more_is
    if now.high < then.low:
        return Direction.WORSE if more_is is Direction.BETTER else Direction.BETTER
    return Direction.SAME
