"""The one thing to do for a lead now, by a fixed policy over its state, with the evidence for it and its place in the queue.

Called by: services/realtime_lead_intelligence. The policy's numbers live in models/intelligence.py, docs/now-queue.md tells it.

    priority = P(won) x what a won deal brings x urgency x permitted channel

Pure, the same for every lead: it looks at waiting, meetings, risk, stated wishes and the CRM's deal value, never at person,
area or budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ghl_real_estate_ai.limits import TAKEN_ON_HOURS
from ghl_real_estate_ai.ml.action_evidence import duration, quote, silence, views
from ghl_real_estate_ai.ml.lead_clicks import (
    is_gone,
    marked_at,
    newest_snooze,
    said_answered,
    standing_snoozes,
)
from ghl_real_estate_ai.ml.reachability import Refusal, channel_for, refusal
from ghl_real_estate_ai.ml.shrinkage import PRIORS
from ghl_real_estate_ai.ml.waiting import first_touched, last_touched, unanswered, waits_from
from ghl_real_estate_ai.models.identifiers import ActionId, ListingKey, derived_id
from ghl_real_estate_ai.models.intelligence import (
    CONFIRM_WITHIN_HOURS,
    FIRST_RESPONSE_HALF_MINUTES,
    MATCH_WORTH_SENDING,
    MOST_TIMES_TYPICAL,
    NEW_LEAD_DAYS,
    REST_AFTER_TOUCH_DAYS,
    TYPICAL_DEAL_VALUE,
    UNREACHABLE,
    URGENCY_FLOOR,
    URGENCY_OF_PRESSURE,
    WAITING_HALF_LIFE_HOURS,
    ActionKind,
    ChurnRisk,
    Evidence,
    LeadScore,
    NextAction,
    Reach,
    RiskStage,
)
from ghl_real_estate_ai.models.leads import LastMessage, Lead, Snooze, StageRole
from ghl_real_estate_ai.models.matching_models import EnhancedPropertyMatch
from ghl_real_estate_ai.models.properties import Listing

_CLOSED: Final = frozenset({"won", "lost"})
_CALLED_OFF: Final = frozenset({"cancelled", "invalid", "noshow"})
_UNCONFIRMED: Final = frozenset({None, "new", "booked", "pending"})
_TITLES: Final = {
    ActionKind.FIRST_RESPONSE: "Give the first response",
    ActionKind.REPLY: "Reply",
    ActionKind.CONFIRM_APPOINTMENT: "Confirm the appointment",
    ActionKind.RE_ENGAGE: "Get back in touch before the lead goes silent",
    ActionKind.SEND_MATCHES: "Send matching homes",
    ActionKind.ASK_WISHES: "Ask what the lead is looking for",
}
_LESSER: Final = frozenset({ActionKind.RE_ENGAGE, ActionKind.SEND_MATCHES, ActionKind.ASK_WISHES})
"""What the house proposes of itself: it is put off with whatever else of the lead is. Who writes, or has a meeting, is not."""
_NOBODY_SEEN: Final = Evidence(text="taken on, and no message or call of a human was seen since")
_DO_NOT_DISTURB: Final = Evidence(text="do not disturb is set: answer what the lead asked, send nothing else")


_DECIDED: Final = frozenset({StageRole.WON, StageRole.LOST})
_USUAL_CHANCE: Final = PRIORS["won"].rate


@dataclass(frozen=True, slots=True)
class Known:
    """What the models and the listings say of the lead. None: not known."""

    score: LeadScore | None = None
    won: LeadScore | None = None
    churn: ChurnRisk | None = None
    matches: tuple[EnhancedPropertyMatch, ...] = ()
    homes: Mapping[ListingKey, Listing] = field(default_factory=dict)
    """Those that the lead came back to, where the location has them (``action_evidence.homes_on_mind``)."""


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why something could be done. ``cause`` names the reason: the same cause gives the same action id."""

    kind: ActionKind
    cause: str
    pressure: float
    evidence: tuple[Evidence, ...]
    answers: LastMessage | None = None


class _Place(NamedTuple):
    """Where a reason stands among those of the same lead, whose expected value is one."""

    reason: _Reason
    action_id: ActionId
    urgency: float
    reach: Reach | str
    put_off: tuple[ActionId, Snooze] | None
    """In force: of this action, or for a lesser one the longest of any action of the lead."""
    nobody_seen: bool
    """It was taken on, and no human was seen to do anything since."""

    @property
    def weight(self) -> float:
        """Urgency x permitted channel."""
        return self.urgency * (1.0 if isinstance(self.reach, Reach) else UNREACHABLE)


@dataclass(frozen=True, slots=True)
class _Worth:
    """What the lead is worth to the queue, US dollars; ``stated``: the CRM says what the deal brings."""

    value: float
    chance: float | None
    stated: bool

    @property
    def ranking(self) -> float:
        """Where P(won) is not known, the documented prior stands in."""
        return self.value * (_USUAL_CHANCE if self.chance is None else self.chance)


def next_action(
    lead: Lead, known: Known, *, now: datetime, typical_value: float = TYPICAL_DEAL_VALUE
) -> NextAction | None:
    """What stands first of all that nobody has put off or taken on; None when there is none, or the lead is closed or deleted.

    Of actions that are put off, the one that is back soonest, and only when nothing else is left. What is put off takes the
    lesser actions of the lead along; a new message or a meeting comes at once. A lead that wants no messages is only ever
    answered. ``typical_value``: what a won deal brings the location, US dollars, above 0.
    """
    if lead.deleted or lead.stage in _CLOSED:
        return None
    since, refused, put_off = waits_from(lead, now), refusal(lead), standing_snoozes(lead, now)
    places = [
        _place(lead, reason, refused=refused, put_off=put_off)
        for reason in _reasons(lead, known, since=since, refused=refused, now=now)
    ]
    open_ones = [place for place in places if not is_gone(lead, place.action_id)]
    at_hand = [place for place in open_ones if place.put_off is None]
    if at_hand:
        first = max(at_hand, key=lambda place: (place.weight, place.urgency, place.reason.kind))
    elif open_ones:
        first = min(open_ones, key=lambda place: (_back_at(place, now), -place.weight, place.reason.kind))
    else:
        return None
    worth = _worth(lead, known.won, typical_value)
    return _action(lead, first, known, worth=worth, since=since, refused=refused, now=now)


def _worth(lead: Lead, won: LeadScore | None, typical: float) -> _Worth:
    """The newest undecided deal's value as the CRM states it, within a factor of the typical one; never the budget."""
    deals = [
        deal for deal in lead.opportunities.values() if not deal.deleted and deal.standing not in _DECIDED
    ]
    newest = max(deals, key=lambda deal: (deal.stamp.at, deal.stamp.event_id), default=None)
    value = None if newest is None or newest.monetary_value is None else float(newest.monetary_value)
    stated = value is not None and value > 0
    counted = value if value is not None and stated else typical
    return _Worth(
        value=min(max(counted, typical / MOST_TIMES_TYPICAL), typical * MOST_TIMES_TYPICAL),
        chance=None if won is None else won.probability,
        stated=stated,
    )


def _reasons(
    lead: Lead, known: Known, *, since: datetime | None, refused: Refusal | None, now: datetime
) -> Iterator[_Reason]:
    yield from _unanswered(lead, since, now)
    if lead.contact.dnd is True:
        return
    yield from _first_contact(lead, since, now)
    yield from _unconfirmed(lead, now)
    if refused is not None:
        return
    rest = timedelta(days=REST_AFTER_TOUCH_DAYS)
    if any(at is not None and now - at < rest for at in (last_touched(lead), marked_at(lead))):
        return
    yield from _going_silent(lead, known.churn, now)
    yield from _worth_sending(known.matches)
    yield from _wishes_unknown(lead, now)


def _place(
    lead: Lead,
    reason: _Reason,
    *,
    refused: Refusal | None,
    put_off: Mapping[ActionId, Snooze],
) -> _Place:
    parts = ("NextAction", lead.location_id, lead.lead_id, reason.kind, reason.cause)
    action_id = ActionId(derived_id(*parts))
    own = newest_snooze(lead, action_id)
    holding = [each for each in put_off.items() if each[0] == action_id or reason.kind in _LESSER]
    return _Place(
        reason=reason,
        action_id=action_id,
        urgency=URGENCY_FLOOR[reason.kind] + URGENCY_OF_PRESSURE[reason.kind] * reason.pressure,
        reach=channel_for(lead.contact, reason.kind, answers=reason.answers, refused=refused),
        put_off=holding[-1] if holding else None,
        nobody_seen=own is not None and own.taken_on and not _touched_since(lead, own),
    )


def _touched_since(lead: Lead, taken: Snooze) -> bool:
    touched = last_touched(lead)
    return touched is not None and touched > taken.until - timedelta(hours=TAKEN_ON_HOURS)


def _back_at(place: _Place, now: datetime) -> datetime:
    return now if place.put_off is None else place.put_off[1].until


def _action(
    lead: Lead,
    place: _Place,
    known: Known,
    *,
    worth: _Worth,
    since: datetime | None,
    refused: Refusal | None,
    now: datetime,
) -> NextAction:
    reason, reach = place.reason, place.reach
    put_off_by, snooze = place.put_off or (None, None)
    evidence = [*views(lead, now, known.homes), *reason.evidence]
    if place.nobody_seen:
        evidence.insert(0, _NOBODY_SEEN)
    if known.score is not None and not _has_meeting(lead, now):
        evidence.append(_chance(known.score))
    if lead.contact.dnd is True:
        evidence.append(_DO_NOT_DISTURB)
    if refused is not None and isinstance(reach, Reach):
        words = (
            f"{refused.words}, said on {refused.at:%Y-%m-%d}: answer what was asked since, send nothing else"
        )
        evidence.append(Evidence(text=words))
    return NextAction(
        action_id=place.action_id,
        kind=reason.kind,
        title=_TITLES[reason.kind],
        urgency=place.urgency,
        priority=worth.ranking * place.weight,
        expected_value=None if worth.chance is None else worth.value * worth.chance,
        value_assumed=not worth.stated,
        reach=reach if isinstance(reach, Reach) else None,
        no_reach=None if isinstance(reach, Reach) else reach,
        snoozed_until=None if snooze is None else snooze.until,
        taken_on=snooze is not None and snooze.taken_on,
        put_off_by=put_off_by,
        evidence=tuple(evidence),
        waiting_since=since,
    )


def _has_meeting(lead: Lead, now: datetime) -> bool:
    """One is ahead: the chance that there will be one is no news."""
    return any(
        not meeting.deleted
        and meeting.status not in _CALLED_OFF
        and meeting.start_time is not None
        and meeting.start_time > now
        for meeting in lead.appointments.values()
    )


def _chance(score: LeadScore) -> Evidence:
    return Evidence(text=f"{score.probability:.0%} chance of an appointment within {score.horizon_days} days")


def _unanswered(lead: Lead, since: datetime | None, now: datetime) -> Iterator[_Reason]:
    """The lead wrote or called, and no human has answered since."""
    messages, message = unanswered(lead), lead.last_inbound
    if since is None or not messages or message is None:
        return
    waiting = f"waiting {duration(now - since)} for a human answer"
    if len(messages) > 1:
        waiting += f", after {len(messages)} messages"
    first = first_touched(lead) is None and said_answered(lead) is None
    yield _Reason(
        kind=ActionKind.FIRST_RESPONSE if first else ActionKind.REPLY,
        cause=message.stamp.event_id,
        pressure=_first_pressure(since, now) if first else _waiting_pressure(since, now),
        evidence=(quote(message), Evidence(text=waiting)),
        answers=message,
    )


def _first_contact(lead: Lead, since: datetime | None, now: datetime) -> Iterator[_Reason]:
    """A fresh lead whom nobody has contacted, and who has not written (else it is unanswered)."""
    if since is None or lead.last_inbound is not None:
        return
    new = Evidence(text=f"new {duration(now - since)} ago; nobody of the team has been in touch")
    yield _Reason(
        kind=ActionKind.FIRST_RESPONSE,
        cause="first",
        pressure=_first_pressure(since, now),
        evidence=(new,),
    )


def _unconfirmed(lead: Lead, now: datetime) -> Iterator[_Reason]:
    """A meeting that begins soon and is not confirmed."""
    window = timedelta(hours=CONFIRM_WITHIN_HOURS)
    for appointment_id, meeting in lead.appointments.items():
        start = meeting.start_time
        if meeting.deleted or meeting.status not in _UNCONFIRMED or start is None:
            continue
        if timedelta(0) < start - now <= window:
            yield _Reason(
                kind=ActionKind.CONFIRM_APPOINTMENT,
                cause=f"{appointment_id} {start.isoformat()}",
                pressure=1.0 - (start - now) / window,
                evidence=(
                    Evidence(
                        event_id=meeting.stamp.event_id,
                        text=f"appointment in {duration(start - now)}, not confirmed",
                    ),
                ),
            )


def _going_silent(lead: Lead, churn: ChurnRisk | None, now: datetime) -> Iterator[_Reason]:
    last = lead.activity.last_lead_at
    if churn is None or churn.stage < RiskStage.ACTIVE or last is None:
        return
    said = () if lead.last_inbound is None else (quote(lead.last_inbound),)
    yield _Reason(
        kind=ActionKind.RE_ENGAGE,
        cause=last.isoformat(),
        pressure=churn.probability,
        evidence=(silence(last, churn, now), *said),
    )


def _worth_sending(matches: tuple[EnhancedPropertyMatch, ...]) -> Iterator[_Reason]:
    good = [match for match in matches if match.overall_score >= MATCH_WORTH_SENDING]
    if not good:
        return
    best = good[0]
    count = f"{len(good)} home{'s' if len(good) > 1 else ''} close to the stated wishes"
    yield _Reason(
        kind=ActionKind.SEND_MATCHES,
        cause=best.listing_key,
        pressure=best.overall_score,
        evidence=(Evidence(text=f"{count}; best: {best.reasoning}"),),
    )


def _wishes_unknown(lead: Lead, now: datetime) -> Iterator[_Reason]:
    last = lead.activity.last_lead_at
    if lead.wishes.stated or last is None or now - last > timedelta(days=NEW_LEAD_DAYS):
        return
    yield _Reason(
        kind=ActionKind.ASK_WISHES,
        cause="wishes",
        pressure=0.0,
        evidence=(
            Evidence(text=f"active {duration(now - last)} ago, but no wish is stated: nothing to match"),
        ),
    )


def _first_pressure(since: datetime, now: datetime) -> float:
    """Falls with the wait, steeply in the first minutes: what quickness is worth is lost first."""
    return 1.0 / (1.0 + _waited(since, now, timedelta(minutes=FIRST_RESPONSE_HALF_MINUTES)))


def _waiting_pressure(since: datetime, now: datetime) -> float:
    """Rises with the wait: somebody whom a human has answered before counts on the next answer."""
    return float(1.0 - 0.5 ** _waited(since, now, timedelta(hours=WAITING_HALF_LIFE_HOURS)))


def _waited(since: datetime, now: datetime, unit: timedelta) -> float:
    return max(0.0, (now - since) / unit)
