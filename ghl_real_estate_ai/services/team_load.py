"""Leads as work: who waits since when, what each agent has on the desk, what is too much, and which hot leads nobody touched.

Called by services/team_response. Pure. Only work is looked at: never who an agent or a lead is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from statistics import median
from typing import Final

from ghl_real_estate_ai.ml.lead_clicks import marked_at, said_answered
from ghl_real_estate_ai.ml.waiting import arrived, first_touched, last_touched
from ghl_real_estate_ai.models.identifiers import LeadId, UserId
from ghl_real_estate_ai.models.intelligence import NEW_LEAD_DAYS, RiskStage
from ghl_real_estate_ai.models.leads import StageRole
from ghl_real_estate_ai.models.team import AgentLoad, LeadGist, LookGist, UntouchedLead
from ghl_real_estate_ai.services.team_directory import Directory, name_of_unknown

OVERLOAD_RATIO: Final = 2.0
"""Too much begins above so many times the median of the other agents: a team that is slow as a whole is not one person's load."""
OVERLOAD_WAITING: Final = 5
"""Fewer waiting leads are never too much, whatever the others have."""
LONG_WAIT_H: Final = 4.0
"""A shorter wait is never too long, counted in working time; a longer one is behind, whatever the others have."""
BEHIND_WAITING: Final = 10
"""So many waiting leads are behind, however short their waits and whatever the others have."""
WORK_BEGINS, WORK_ENDS = time(8), time(20)
"""Working time of every day of the week: weekends are the busiest of this trade."""

LATELY: Final = timedelta(days=NEW_LEAD_DAYS)

HOT: Final = 0.3
"""A score from which a lead is hot wherever it stands among the others."""
HOT_SHARE: Final = 0.1
"""Of a location's open leads, the share with the highest scores that is hot whatever the scores are."""
UNTOUCHED_FOR: Final = timedelta(days=2)
"""A hot lead that no human has touched for so long is forgotten."""
UNTOUCHED_AT_FIRST: Final = timedelta(hours=1)
"""The same for one that no human ever touched, since it came."""
UNTOUCHED_SHOWN: Final = 20

NOBODY: Final = "nobody"
"""What the desk of leads without an agent is called."""


@dataclass(frozen=True, slots=True)
class TeamLead:
    """A lead that exists in the CRM, as work."""

    lead_id: LeadId
    name: str
    source: str | None
    assigned_to: UserId | None
    simulated: bool
    wants_no_messages: bool
    first_at: datetime | None
    """The first that is known of it."""
    arrived_at: datetime | None
    """As ml/waiting.py has it; None: it did nothing itself, and it was seen first when it was long there."""
    first_touch_at: datetime | None
    last_touch_at: datetime | None
    waiting_since: datetime | None
    closed_at: datetime | None
    """When its deal was won, or its last one lost; None: it is open."""
    marked_at: datetime | None
    """When an agent said that nothing of what it wrote waits for an answer; None: nobody did, or it wrote since."""
    score: float | None
    at_risk: bool
    has_action: bool
    snoozed_until: datetime | None


def team_lead(lead: LeadGist, look: LookGist | None, *, created: bool) -> TeamLead:
    """``created``: whether the log holds its creation."""
    activity = lead.activity
    is_arrival_known = created or activity.first_lead_at is not None
    known = look or LookGist()
    return TeamLead(
        lead_id=lead.lead_id,
        name=lead.contact.display_name,
        source=(lead.contact.source or "").strip() or None,
        assigned_to=lead.contact.assigned_to or None,
        simulated=lead.simulated,
        wants_no_messages=lead.contact.dnd is True,
        first_at=activity.first_at,
        arrived_at=arrived(activity) if is_arrival_known else None,
        first_touch_at=first_touched(lead),
        last_touch_at=last_touched(lead),
        waiting_since=_waiting_since(lead, known),
        closed_at=_closed_at(lead),
        marked_at=_marked_at(lead),
        score=None if known.score.value is None else known.score.value.probability,
        at_risk=known.churn.value is not None and known.churn.value.stage >= RiskStage.ACTIVE,
        has_action=known.next_action is not None,
        snoozed_until=None if known.next_action is None else known.next_action.snoozed_until,
    )


def _waiting_since(lead: LeadGist, known: LookGist) -> datetime | None:
    """The clock on the screens, where the lead has an action. Where it has none, for somebody may have taken it on with a click,
    as ml/waiting.py begins that clock: with the first unanswered message or call; of a lead that nobody ever touched with its
    arrival, if that was lately before it.
    """
    if known.next_action is not None:
        return known.next_action.waiting_since
    activity = lead.activity
    touched_at, answered_at, came_at = last_touched(lead), said_answered(lead), arrived(activity)
    settled_at = max((at for at in (touched_at, answered_at) if at is not None), default=None)
    wrote_at = [at for at in _wrote_at(lead) if settled_at is None or at > settled_at]
    if not wrote_at:
        return came_at if settled_at is None else None
    first = min(wrote_at)
    if settled_at is None and came_at is not None and came_at < first <= came_at + LATELY:
        return came_at
    return first


def _marked_at(lead: LeadGist) -> datetime | None:
    through = said_answered(lead)
    if through is None or any(at > through for at in _wrote_at(lead)):
        return None
    return marked_at(lead)


def _wrote_at(lead: LeadGist) -> tuple[datetime, ...]:
    """Of a lead that was stored before the times were kept, the newest alone."""
    newest = () if lead.last_inbound is None else (lead.last_inbound.stamp.at,)
    return (*lead.inbound_times, *newest)


def _closed_at(lead: LeadGist) -> datetime | None:
    """As ``Lead.stage``: one deal won, or all of them lost."""
    deals = [deal for deal in lead.opportunities.values() if not deal.deleted]
    standings = {deal.standing for deal in deals}
    if StageRole.WON not in standings and standings != {StageRole.LOST}:
        return None
    decided = StageRole.WON if StageRole.WON in standings else StageRole.LOST
    return max(deal.stamp.at for deal in deals if deal.standing is decided)


# --- what each agent has on the desk ------------------------------------------------------------------------------


def loads(
    leads: Iterable[TeamLead],
    *,
    people: Directory,
    since: datetime,
    now: datetime,
    zone: tzinfo,
) -> tuple[AgentLoad, ...]:
    """Everybody's desk, those with too much first. Waits that began before ``since`` are history, and left out."""
    names = people.names
    desks: dict[UserId | None, list[TeamLead]] = {user.user_id: [] for user in people.known}
    for lead in leads:
        if lead.closed_at is None:
            desks.setdefault(lead.assigned_to, []).append(lead)
    counted = [
        _desk(user_id, own, names=names, since=since, now=now, zone=zone) for user_id, own in desks.items()
    ]
    judged = [_judged(desk, counted) for desk in counted]
    return tuple(sorted(judged, key=_most_loaded_first))


@dataclass(frozen=True, slots=True)
class _Desk:
    load: AgentLoad
    working_h: float
    """Of the longest wait, the hours of working time."""


def _desk(
    user_id: UserId | None,
    own: Sequence[TeamLead],
    *,
    names: Mapping[UserId, str],
    since: datetime,
    now: datetime,
    zone: tzinfo,
) -> _Desk:
    waits = [at for lead in own if (at := lead.waiting_since) is not None and since <= at <= now]
    oldest = min(waits, default=None)
    load = AgentLoad(
        user_id=user_id,
        name=NOBODY if user_id is None else names.get(user_id) or name_of_unknown(user_id),
        open_leads=len(own),
        waiting=len(waits),
        longest_wait_min=None if oldest is None else (now - oldest) / timedelta(minutes=1),
        open_actions=sum(_is_open(lead, now) for lead in own),
        at_risk=sum(lead.at_risk for lead in own),
        overloaded=False,
    )
    working_h = 0.0 if oldest is None else working_time(oldest, now, zone) / timedelta(hours=1)
    behind = working_h > LONG_WAIT_H or len(waits) >= BEHIND_WAITING
    return _Desk(load.model_copy(update={"behind": behind}), working_h)


def _is_open(lead: TeamLead, now: datetime) -> bool:
    return lead.has_action and (lead.snoozed_until is None or lead.snoozed_until <= now)


def _judged(desk: _Desk, everybody: Sequence[_Desk]) -> AgentLoad:
    """Whether it is too much, beside the others who have leads. Leads of nobody are nobody's load, but somebody should know."""
    load = desk.load
    if load.user_id is None:
        waiting = f"{_leads(load.waiting)} of nobody wait{'s' if load.waiting == 1 else ''}"
        return load.model_copy(update={"why": waiting}) if load.waiting else load
    others = [
        one for one in everybody if one is not desk and one.load.user_id is not None and one.load.open_leads
    ]
    why = "; ".join(reason for reason in (_too_many(desk, others), _too_long(desk, others)) if reason)
    return load.model_copy(update={"overloaded": bool(why), "why": why})


def _too_many(desk: _Desk, others: Sequence[_Desk]) -> str:
    waiting = desk.load.waiting
    if not others or waiting < OVERLOAD_WAITING:
        return ""
    usual = median(one.load.waiting for one in others)
    if waiting <= OVERLOAD_RATIO * usual:
        return ""
    return f"{_leads(waiting)} wait; the median of the others is {usual:g}"


def _too_long(desk: _Desk, others: Sequence[_Desk]) -> str:
    usual = median(one.working_h for one in others) if others else 0.0
    if desk.working_h <= LONG_WAIT_H or desk.working_h <= OVERLOAD_RATIO * usual:
        return ""
    beside = f"; the median of the others is {usual:.1f} h" if others else ""
    return f"one lead has waited {desk.working_h:.1f} h of working time{beside}"


def working_time(since: datetime, until: datetime, zone: tzinfo) -> timedelta:
    """How much of a wait lies between WORK_BEGINS and WORK_ENDS in the zone."""
    day, last, total = since.astimezone(zone).date(), until.astimezone(zone).date(), timedelta()
    while day <= last:
        begins, ends = (
            datetime.combine(day, hour, zone).astimezone(UTC) for hour in (WORK_BEGINS, WORK_ENDS)
        )
        total += max(timedelta(), min(ends, until) - max(begins, since))
        day += timedelta(days=1)
    return total


def _most_loaded_first(load: AgentLoad) -> tuple[bool, bool, int, float, int, str]:
    return (
        not load.overloaded,
        not load.behind,
        -load.waiting,
        -(load.longest_wait_min or 0.0),
        -load.open_leads,
        load.user_id or "",
    )


def _leads(count: int) -> str:
    return f"{count} lead{'' if count == 1 else 's'}"


# --- hot leads that nobody touched --------------------------------------------------------------------------------


def untouched(leads: Iterable[TeamLead], *, now: datetime) -> tuple[UntouchedLead, ...]:
    """The hottest open leads that no human has touched for UNTOUCHED_FOR, or ever. None of those who want no messages."""
    scored = [(lead.score, lead) for lead in leads if lead.closed_at is None and lead.score is not None]
    scored.sort(key=lambda pair: (-pair[0], pair[1].lead_id))
    among_the_highest = math.ceil(HOT_SHARE * len(scored))
    forgotten = (
        _forgotten(lead, score, now=now)
        for place, (score, lead) in enumerate(scored)
        if place < among_the_highest or score >= HOT
    )
    return tuple(one for one in forgotten if one is not None)[:UNTOUCHED_SHOWN]


def _forgotten(lead: TeamLead, score: float, *, now: datetime) -> UntouchedLead | None:
    never = lead.last_touch_at is None
    since = lead.last_touch_at or lead.arrived_at or lead.first_at
    if since is None or lead.wants_no_messages:
        return None
    if now - since < (UNTOUCHED_AT_FIRST if never else UNTOUCHED_FOR):
        return None
    return UntouchedLead(
        lead_id=lead.lead_id,
        name=lead.name,
        assigned_to=lead.assigned_to,
        source=lead.source,
        score=score,
        untouched_since=since,
        never_touched=never,
        simulated=lead.simulated,
    )
