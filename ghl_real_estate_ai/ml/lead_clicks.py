"""What the team's clicks on the queue leave in a lead: taken on, put off, not mine, and each taken back.

Called by: ml/lead_state (the merge), ml/next_action and api/routes/actions (what is in force).

Newest wins by time, in any order of arrival; each memory is bounded and drops what was clicked longest ago.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ghl_real_estate_ai.models.events import ActionAcknowledged, ActionReopened, ActionSnoozed, LeadDeclined
from ghl_real_estate_ai.models.identifiers import ActionId, UserId
from ghl_real_estate_ai.models.leads import ACKNOWLEDGED_KEPT, DECLINED_KEPT, Declined, Lead, Snooze, Stamp

Click = ActionAcknowledged | ActionSnoozed | LeadDeclined | ActionReopened


def clicked(lead: Lead, event: Click, stamp: Stamp) -> dict[str, object]:
    """The fields of the lead that the click changes."""
    match event:
        case ActionAcknowledged():
            return {"acknowledged": with_newest(lead.acknowledged, event.action_id, event.occurred_at)}
        case ActionSnoozed():
            return {"snoozed": _snoozed(lead, event)}
        case LeadDeclined():
            return {"declined": _declined(lead, event.user_id, stamp, declined=True)}
        case ActionReopened():
            return {
                "reopened": with_newest(lead.reopened, event.action_id, event.occurred_at),
                "declined": _declined(lead, event.user_id, stamp, declined=False),
            }


def is_taken_on(lead: Lead, action_id: ActionId) -> bool:
    """Whether an agent took the action on, and nobody has taken that back since."""
    at = lead.acknowledged.get(action_id)
    return at is not None and not _taken_back(lead, action_id, at)


def snoozed_until(lead: Lead, action_id: ActionId, now: datetime) -> datetime | None:
    """Until when the action is put off, on the lead's own time line; None: it is not, or its time has come."""
    snooze = lead.snoozed.get(action_id)
    if snooze is None or snooze.until <= now or _taken_back(lead, action_id, snooze.at):
        return None
    return snooze.until


def declined_by(lead: Lead) -> tuple[UserId, ...]:
    """Users who say that the lead is not theirs, by id."""
    return tuple(sorted(user_id for user_id, said in lead.declined.items() if said.declined))


def with_newest[K: str](known: dict[K, datetime], key: K, at: datetime) -> dict[K, datetime]:
    """The newest time per key, of the ACKNOWLEDGED_KEPT newest keys; ties fall by key, so that arrival order never shows."""
    before = known.get(key)
    newest = {**known, key: at if before is None else max(before, at)}
    return bounded(newest, ACKNOWLEDGED_KEPT, lambda name: (newest[name], name))


def bounded[K, V](kept: dict[K, V], most: int, age: Callable[[K], tuple[object, ...]]) -> dict[K, V]:
    """``kept`` without its oldest entry, if it holds one too many."""
    if len(kept) > most:
        del kept[min(kept, key=age)]
    return kept


def _taken_back(lead: Lead, action_id: ActionId, at: datetime) -> bool:
    reopened = lead.reopened.get(action_id)
    return reopened is not None and at <= reopened


def _snoozed(lead: Lead, event: ActionSnoozed) -> dict[ActionId, Snooze]:
    new = Snooze.model_construct(at=event.occurred_at, until=event.until)
    known = lead.snoozed.get(event.action_id)
    newer = known is None or (known.at, known.until) < (new.at, new.until)
    kept = {**lead.snoozed, event.action_id: new if newer or known is None else known}
    return bounded(kept, ACKNOWLEDGED_KEPT, lambda action_id: (kept[action_id].at, action_id))


def _declined(lead: Lead, user_id: UserId, stamp: Stamp, *, declined: bool) -> dict[UserId, Declined]:
    """A taking back counts even before what it takes back: deliveries come in any order."""
    known = lead.declined.get(user_id)
    new = Declined.model_construct(stamp=stamp, declined=declined)
    kept = {**lead.declined, user_id: new if known is None or known.stamp < stamp else known}
    return bounded(kept, DECLINED_KEPT, lambda user: (kept[user].stamp.at, kept[user].stamp.event_id))
