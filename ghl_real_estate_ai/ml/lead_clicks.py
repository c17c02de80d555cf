"""What the team's clicks on the queue leave in a lead: taken on, put off, answered, not mine, and each taken back.

Called by: ml/lead_state (the merge), ml/next_action, ml/waiting, services/team_load and api/routes/actions (what is in force).

Newest wins by time, in any order of arrival; each memory is bounded and drops what was clicked longest ago.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from ghl_real_estate_ai.models.events import (
    ActionAcknowledged,
    ActionReopened,
    ActionSnoozed,
    LeadDeclined,
    MarkedAnswered,
)
from ghl_real_estate_ai.models.identifiers import ActionId, UserId
from ghl_real_estate_ai.models.leads import (
    ACKNOWLEDGED_KEPT,
    DECLINED_KEPT,
    REOPENED_KEPT,
    Answered,
    Declined,
    Lead,
    Snooze,
    Stamp,
)

Click = ActionAcknowledged | ActionSnoozed | MarkedAnswered | LeadDeclined | ActionReopened


class AnswersSaid(Protocol):
    """Of ``leads.Lead``, or of the part of it that a page reads."""

    @property
    def answered(self) -> Mapping[ActionId, Answered]:
        """By the action on which it was said."""
        ...

    @property
    def reopened(self) -> Mapping[ActionId, datetime]:
        """When the newest undo of an action came."""
        ...


class Marked(AnswersSaid, Protocol):
    """The same, with whose time line it is."""

    @property
    def simulated(self) -> bool:
        """Whether the simulator made it."""
        ...


def clicked(lead: Lead, event: Click, stamp: Stamp) -> dict[str, object]:
    """The fields of the lead that the click changes."""
    match event:
        case ActionAcknowledged():
            return _taken_on(lead, event)
        case ActionSnoozed():
            return _snoozed(lead, event.action_id, at=event.occurred_at, until=event.until, taken_on=False)
        case MarkedAnswered():
            return {"answered": _answered(lead, event)}
        case LeadDeclined():
            return {"declined": _declined(lead, event.user_id, stamp, declined=True)}
        case ActionReopened():
            return {
                "reopened": with_newest(
                    lead.reopened, event.action_id, event.occurred_at, most=REOPENED_KEPT
                ),
                "declined": _declined(lead, event.user_id, stamp, declined=False),
            }


def is_gone(lead: Lead, action_id: ActionId) -> bool:
    """Whether an agent took the action on without an end, and nobody has taken that back since."""
    at = lead.acknowledged.get(action_id)
    return at is not None and not _taken_back(lead, action_id, at)


def newest_snooze(lead: Lead, action_id: ActionId) -> Snooze | None:
    """The newest putting off or taking on of the action that nobody took back; its time may have come."""
    snooze = lead.snoozed.get(action_id)
    return None if snooze is None or _taken_back(lead, action_id, snooze.at) else snooze


def standing_snoozes(lead: Lead, now: datetime) -> dict[ActionId, Snooze]:
    """Actions that are put off or taken on beyond ``now`` (the lead's own time), soonest back first."""
    newest = ((action_id, newest_snooze(lead, action_id)) for action_id in lead.snoozed)
    ahead = [(action_id, one) for action_id, one in newest if one is not None and one.until > now]
    return dict(sorted(ahead, key=lambda each: (each[1].until, each[0])))


def newest_answered(lead: AnswersSaid) -> Answered | None:
    """The newest word of an agent that nothing waits for an answer, if nobody took it back."""
    standing = (
        said for action_id, said in lead.answered.items() if not _taken_back(lead, action_id, said.at)
    )
    return max(standing, key=lambda said: (said.through, said.at), default=None)


def marked_at(lead: Marked) -> datetime | None:
    """When that word came, on the lead's own time line: a click has the clock's time, a simulated lead that of its message."""
    newest = newest_answered(lead)
    return None if newest is None else newest.through if lead.simulated else newest.at


def said_answered(lead: AnswersSaid) -> datetime | None:
    """Up to which of its messages the lead waits for no answer, as an agent said and nobody took back."""
    newest = newest_answered(lead)
    return None if newest is None else newest.through


def declined_by(lead: Lead) -> tuple[UserId, ...]:
    """Users who say that the lead is not theirs, by id."""
    return tuple(sorted(user_id for user_id, said in lead.declined.items() if said.declined))


def with_newest[K: str](
    known: dict[K, datetime], key: K, at: datetime, *, most: int = ACKNOWLEDGED_KEPT
) -> dict[K, datetime]:
    """The newest time per key, of the ``most`` newest keys; ties fall by key, so that arrival order never shows."""
    before = known.get(key)
    newest = {**known, key: at if before is None else max(before, at)}
    return bounded(newest, most, lambda name: (newest[name], name))


def bounded[K, V](kept: dict[K, V], most: int, age: Callable[[K], tuple[object, ...]]) -> dict[K, V]:
    """``kept`` without its oldest entry, if it holds one too many."""
    if len(kept) > most:
        del kept[min(kept, key=age)]
    return kept


def _taken_back(lead: AnswersSaid, action_id: ActionId, at: datetime) -> bool:
    reopened = lead.reopened.get(action_id)
    return reopened is not None and at <= reopened


def _taken_on(lead: Lead, event: ActionAcknowledged) -> dict[str, object]:
    action_id, at = event.action_id, event.occurred_at
    if event.until is None:
        return {"acknowledged": with_newest(lead.acknowledged, action_id, at)}
    return _snoozed(lead, action_id, at=at, until=event.until, taken_on=True)


def _snoozed(
    lead: Lead, action_id: ActionId, *, at: datetime, until: datetime, taken_on: bool
) -> dict[str, object]:
    new = Snooze.model_construct(at=at, until=until, taken_on=taken_on)
    known = lead.snoozed.get(action_id)
    newer = known is None or (known.at, known.until, known.taken_on) < (at, until, taken_on)
    kept = {**lead.snoozed, action_id: new if newer or known is None else known}
    return {"snoozed": bounded(kept, ACKNOWLEDGED_KEPT, lambda one: (kept[one].at, one))}


def _answered(lead: Lead, event: MarkedAnswered) -> dict[ActionId, Answered]:
    new = Answered.model_construct(at=event.occurred_at, through=event.through)
    known = lead.answered.get(event.action_id)
    newer = known is None or (known.at, known.through) < (new.at, new.through)
    kept = {**lead.answered, event.action_id: new if newer or known is None else known}
    return bounded(kept, ACKNOWLEDGED_KEPT, lambda one: (kept[one].at, one))


def _declined(lead: Lead, user_id: UserId, stamp: Stamp, *, declined: bool) -> dict[UserId, Declined]:
    """A taking back counts even before what it takes back: deliveries come in any order."""
    known = lead.declined.get(user_id)
    new = Declined.model_construct(stamp=stamp, declined=declined)
    kept = {**lead.declined, user_id: new if known is None or known.stamp < stamp else known}
    return bounded(kept, DECLINED_KEPT, lambda user: (kept[user].stamp.at, kept[user].stamp.event_id))
