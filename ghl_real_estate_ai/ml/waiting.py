"""Since when a lead waits for a human of the team. No automation stops this clock, and of the clicks only "answered".
A call of the lead that somebody of the team took is an answer itself.

Called by: ml/next_action, ml/lead_state (what is a talk), and for arrival and touches services/team_load. The models have a wait of their own (``ml/features.waiting_since``), which they were fitted on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Protocol

from ghl_real_estate_ai.ml.features import waiting_since
from ghl_real_estate_ai.ml.lead_clicks import said_answered
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import MessageReceived
from ghl_real_estate_ai.models.intelligence import NEW_LEAD_DAYS
from ghl_real_estate_ai.models.leads import Lead

SHORTEST_TALK_S: Final = 60.0
"""A call of the lead that lasted so long was talked. GHL tells its own voicemail apart, but calls it answered when the mailbox of
the phone that it forwards to picks up: half a minute of greeting, half a minute of message. Our own judgement, not fitted."""


class Beginning(Protocol):
    """Of ``leads.LeadActivity``, or of the part of it that a page reads."""

    @property
    def first_at(self) -> datetime | None:
        """Its first event of any kind."""
        ...

    @property
    def first_lead_at(self) -> datetime | None:
        """Its first own sign."""
        ...


class Touches(Protocol):
    """Of ``leads.LeadActivity``, or of the part of it that a page reads."""

    @property
    def first_agent_at(self) -> datetime | None:
        """The team's first human message or call."""
        ...

    @property
    def last_agent_at(self) -> datetime | None:
        """The newest."""
        ...


class Touched(Protocol):
    """Of ``leads.Lead``, or of the part of it that a page reads."""

    @property
    def activity(self) -> Touches:
        """What the team did itself."""
        ...

    @property
    def first_talk_at(self) -> datetime | None:
        """The lead's first call that was talked."""
        ...

    @property
    def last_talk_at(self) -> datetime | None:
        """The newest."""
        ...


def is_talk(event: MessageReceived) -> bool:
    """Whether somebody of the team talked with the lead that called."""
    return event.channel is Channel.CALL and (event.call_seconds or 0.0) >= SHORTEST_TALK_S


def first_touched(lead: Touched) -> datetime | None:
    """When a human of the team first wrote, called, or took the lead's call."""
    return min(_known(lead.activity.first_agent_at, lead.first_talk_at), default=None)


def last_touched(lead: Touched) -> datetime | None:
    """When a human of the team last did."""
    return max(_known(lead.activity.last_agent_at, lead.last_talk_at), default=None)


def _known(*times: datetime | None) -> list[datetime]:
    return [at for at in times if at is not None]


def unanswered(lead: Lead) -> tuple[datetime, ...]:
    """When the lead wrote or called since the newest human touch (a talk is one), or the message up to which an agent said that nothing waits.

    Newest first; at most INBOUND_TIMES_KEPT of them.
    """
    touched, answered = last_touched(lead), said_answered(lead)
    newest = waiting_since(lead.activity)  # of a lead that was stored before the times were kept
    times = lead.inbound_times or (() if newest is None else (newest,))
    return tuple(
        at for at in times if (touched is None or at > touched) and (answered is None or at > answered)
    )


def waits_from(lead: Lead, now: datetime) -> datetime | None:
    """When the clock of the answer began; None: nobody waits.

    It begins with the first unanswered message or call. Of a lead that nobody ever touched it begins with its arrival, if
    that was lately: a contact that was imported years ago and writes today has waited since today.
    """
    messages, activity = unanswered(lead), lead.activity
    untouched = first_touched(lead) is None and said_answered(lead) is None
    if messages:
        first, came_at = messages[-1], arrived(activity) if untouched else None
        return came_at if came_at is not None and came_at < first and _lately(came_at, first) else first
    if not untouched or lead.last_inbound is not None:
        return None
    sign = activity.last_lead_at or activity.first_at
    return arrived(activity) if sign is not None and _lately(sign, now) else None


def arrived(activity: Beginning) -> datetime | None:
    """When the lead was first heard of, or first did something itself if that came much later.

    A form brings a contact, and the person may write a day later: the clock began with the form.
    """
    first, own = activity.first_at, activity.first_lead_at
    if first is None or own is None:
        return first or own
    return first if _lately(first, own) else own


def _lately(then: datetime, now: datetime) -> bool:
    return now - then <= timedelta(days=NEW_LEAD_DAYS)
