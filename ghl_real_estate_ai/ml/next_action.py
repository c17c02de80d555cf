"""The one thing to do for a lead now, by a fixed policy over its state, with the evidence for it.

Called by: services/realtime_lead_intelligence. The policy's numbers live in models/intelligence.py.

Pure, the same for every lead: it looks at waiting, meetings, risk and stated wishes, never at person or area.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.ml.features import waiting_since
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.identifiers import ActionId, derived_id
from ghl_real_estate_ai.models.intelligence import (
    CONFIRM_WITHIN_HOURS,
    MATCH_WORTH_SENDING,
    NEW_LEAD_DAYS,
    QUOTE_CHARS,
    REST_AFTER_TOUCH_DAYS,
    URGENCY_FLOOR,
    URGENCY_OF_PRESSURE,
    URGENCY_OF_SCORE,
    WAITING_HALF_LIFE_HOURS,
    ActionKind,
    ChurnRisk,
    Evidence,
    LeadScore,
    NextAction,
    RiskStage,
)
from ghl_real_estate_ai.models.leads import LastMessage, Lead
from ghl_real_estate_ai.models.matching_models import EnhancedPropertyMatch

_CLOSED: Final = frozenset({"won", "lost"})
_UNCONFIRMED: Final = frozenset({None, "new", "booked", "pending"})
_TITLES: Final = {
    ActionKind.FIRST_RESPONSE: "Give the first response",
    ActionKind.REPLY: "Reply",
    ActionKind.CONFIRM_APPOINTMENT: "Confirm the appointment",
    ActionKind.RE_ENGAGE: "Get back in touch before the lead goes silent",
    ActionKind.SEND_MATCHES: "Send matching homes",
    ActionKind.ASK_WISHES: "Ask what the lead is looking for",
}
_DO_NOT_DISTURB: Final = Evidence(text="do not disturb is set: answer what the lead asked, send nothing else")


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why something could be done. ``cause`` names the reason: the same cause gives the same action id."""

    kind: ActionKind
    cause: str
    pressure: float
    evidence: tuple[Evidence, ...]
    since: datetime | None = None


def next_action(
    lead: Lead,
    *,
    score: LeadScore | None,
    churn: ChurnRisk | None,
    matches: tuple[EnhancedPropertyMatch, ...],
    now: datetime,
) -> NextAction | None:
    """The most urgent thing that nobody has taken on yet; None when there is none, or the lead is closed or deleted.

    Urgency rises with waiting time and with score. A lead that wants no messages is only ever answered.
    """
    if lead.deleted or lead.stage in _CLOSED:
        return None
    actions = [
        _action(lead, reason, score)
        for reason in _reasons(lead, churn=churn, matches=matches, now=now)
        if _action_id(lead, reason) not in lead.acknowledged
    ]
    return max(actions, key=lambda action: (action.urgency, action.kind), default=None)


def _reasons(
    lead: Lead, *, churn: ChurnRisk | None, matches: tuple[EnhancedPropertyMatch, ...], now: datetime
) -> Iterator[_Reason]:
    yield from _unanswered(lead, now)
    if lead.contact.dnd is True:
        return
    yield from _first_contact(lead, now)
    yield from _unconfirmed(lead, now)
    touched = lead.activity.last_agent_at
    if touched is not None and now - touched < timedelta(days=REST_AFTER_TOUCH_DAYS):
        return
    yield from _going_silent(lead, churn, now)
    yield from _worth_sending(matches)
    yield from _wishes_unknown(lead, now)


def _action_id(lead: Lead, reason: _Reason) -> ActionId:
    return ActionId(derived_id("NextAction", lead.location_id, lead.lead_id, reason.kind, reason.cause))


def _action(lead: Lead, reason: _Reason, score: LeadScore | None) -> NextAction:
    evidence = reason.evidence
    if score is not None:
        chance = f"{score.probability:.0%} chance of an appointment within {score.horizon_days} days"
        evidence = (*evidence, Evidence(text=chance))
    if lead.contact.dnd is True:
        evidence = (*evidence, _DO_NOT_DISTURB)
    pressed = URGENCY_OF_PRESSURE * reason.pressure
    scored = URGENCY_OF_SCORE * (score.probability if score is not None else 0.0)
    return NextAction(
        action_id=_action_id(lead, reason),
        kind=reason.kind,
        title=_TITLES[reason.kind],
        urgency=min(1.0, URGENCY_FLOOR[reason.kind] + pressed + scored),
        evidence=evidence,
        waiting_since=reason.since,
    )


def _unanswered(lead: Lead, now: datetime) -> Iterator[_Reason]:
    """The lead wrote or called, and no human has answered since."""
    since, message = waiting_since(lead.activity), lead.last_inbound
    if since is None or message is None:
        return
    first = lead.activity.first_agent_at is None
    yield _Reason(
        kind=ActionKind.FIRST_RESPONSE if first else ActionKind.REPLY,
        cause=message.stamp.event_id,
        pressure=_waiting_pressure(since, now),
        evidence=(_quote(message), Evidence(text=f"waiting {_duration(now - since)} for a human answer")),
        since=since,
    )


def _first_contact(lead: Lead, now: datetime) -> Iterator[_Reason]:
    """A fresh lead whom nobody has contacted, and who has not written (else it is unanswered)."""
    activity = lead.activity
    sign = activity.last_lead_at or activity.first_at
    since = activity.first_lead_at or activity.first_at
    if sign is None or since is None or activity.first_agent_at is not None or lead.last_inbound is not None:
        return
    if now - sign > timedelta(days=NEW_LEAD_DAYS):
        return
    yield _Reason(
        kind=ActionKind.FIRST_RESPONSE,
        cause="first",
        pressure=_waiting_pressure(since, now),
        evidence=(Evidence(text=f"new {_duration(now - since)} ago; nobody of the team has been in touch"),),
        since=since,
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
                        text=f"appointment in {_duration(start - now)}, not confirmed",
                    ),
                ),
            )


def _going_silent(lead: Lead, churn: ChurnRisk | None, now: datetime) -> Iterator[_Reason]:
    last = lead.activity.last_lead_at
    if churn is None or churn.stage < RiskStage.ACTIVE or last is None:
        return
    risk = f"{churn.probability:.0%} risk of going silent for {churn.horizon_days} days"
    silent = Evidence(text=f"no sign of the lead for {_duration(now - last)}; {risk}")
    quote = () if lead.last_inbound is None else (_quote(lead.last_inbound),)
    yield _Reason(
        kind=ActionKind.RE_ENGAGE,
        cause=last.isoformat(),
        pressure=churn.probability,
        evidence=(silent, *quote),
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
            Evidence(text=f"active {_duration(now - last)} ago, but no wish is stated: nothing to match"),
        ),
    )


def _waiting_pressure(since: datetime, now: datetime) -> float:
    hours = max(0.0, (now - since) / timedelta(hours=1))
    return float(1.0 - 0.5 ** (hours / WAITING_HALF_LIFE_HOURS))


def _quote(message: LastMessage) -> Evidence:
    words = " ".join((message.text or "").split())
    if not words:
        spoken = {Channel.CALL: "called", Channel.VOICEMAIL: "left a voicemail"}
        return Evidence(
            event_id=message.stamp.event_id, text=spoken.get(message.channel, "wrote, without text")
        )
    cut = words if len(words) <= QUOTE_CHARS else words[: QUOTE_CHARS - 1].rstrip() + "…"
    return Evidence(event_id=message.stamp.event_id, text=f"“{cut}”")


def _duration(span: timedelta) -> str:
    """A span as an agent says it: '42 min', '3 h', '5 days'."""
    minutes = max(0, int(span / timedelta(minutes=1)))
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // (24 * 60)} days"
