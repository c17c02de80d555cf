"""Since when a lead waits for a human of the team. No automation stops this clock, and of the clicks only "answered".

Called by: ml/next_action, and for the arrival services/team_load. The models have a wait of their own (``ml/features.waiting_since``), which they were fitted on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from ghl_real_estate_ai.ml.features import waiting_since
from ghl_real_estate_ai.ml.lead_clicks import said_answered
from ghl_real_estate_ai.models.intelligence import NEW_LEAD_DAYS
from ghl_real_estate_ai.models.leads import Lead


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


def unanswered(lead: Lead) -> tuple[datetime, ...]:
    """When the lead wrote or called since the newest human touch, or the message up to which an agent said that nothing waits.

    Newest first; at most INBOUND_TIMES_KEPT of them.
    """
    touched, answered = lead.activity.last_agent_at, said_answered(lead)
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
    untouched = activity.first_agent_at is None and said_answered(lead) is None
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
