"""What the CRM should say about a lead, as content of changes: fields, tags, a task, a note. Pure.

Called by services/crm_write_back.py. Policy numbers and names live in models/write_back.py. What is simulated, lead or
model, says so in every text, and in the field ``EnterpriseHub Basis`` beside the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from ghl_real_estate_ai.models.intelligence import LeadIntelligence, NextAction, RiskStage
from ghl_real_estate_ai.models.write_back import (
    HOT_SCORE,
    RIDES_ALONG,
    STEPS,
    TASK_DUE_HOURS,
    TASK_URGENCY,
    OwnField,
    OwnTag,
)

_NO_MARKUP: Final = str.maketrans("<>", "‹›")
"""The CRM shows notes as HTML, and evidence quotes what leads wrote: their words stay words."""

Content = dict[str, JsonValue]
"""What a ``CrmChange`` holds."""


def fields_of(seen: LeadIntelligence) -> Content:
    """Our custom fields by name. What is not known is left out: an old value is better than an invented one."""
    content: Content = {
        OwnField.STAGE.value: seen.stage,
        OwnField.NEXT_ACTION.value: "" if seen.next_action is None else seen.next_action.title,
        OwnField.BASIS.value: _basis(seen),
    }
    for field, part in ((OwnField.SCORE, seen.score), (OwnField.WON, seen.won)):
        if part.value is not None:
            content[field.value] = round(part.value.probability * 100)
    if intervals := _intervals(seen):
        content[OwnField.INTERVAL.value] = intervals
    if seen.churn.value is not None:
        content[OwnField.RISK.value] = seen.churn.value.stage.name.lower()
    return content


def fields_worth_writing(known: Mapping[str, JsonValue], wanted: Content) -> bool:
    """Whether ``wanted`` differs enough from what was written: another word, or a number that really moved."""
    for field in OwnField:
        before, value = known.get(field), wanted.get(field)
        if value is None or field in RIDES_ALONG:
            continue
        if field in STEPS and isinstance(before, int) and isinstance(value, int):
            if abs(value - before) >= STEPS[field]:
                return True
        elif before != value:
            return True
    return False


def _intervals(seen: LeadIntelligence) -> str:
    """Between which chances the two numbers lie with 80 % certainty, where that is known."""
    told = (("appointment", seen.score.value), ("won", seen.won.value))
    return ", ".join(
        f"{name} {score.interval.low:.0%} to {score.interval.high:.0%}"
        for name, score in told
        if score is not None and score.interval is not None
    )


def tags_of(seen: LeadIntelligence) -> Content:
    """All of our tags that the lead should have now."""
    score, churn, action = seen.score.value, seen.churn.value, seen.next_action
    holds = {
        OwnTag.HOT: score is not None and score.probability >= HOT_SCORE,
        OwnTag.WAITING: action is not None and action.waiting_since is not None,
        OwnTag.SLIPPING: churn is not None and churn.stage >= RiskStage.ACTIVE,
    }
    return {"tags": [tag.value for tag, so in sorted(holds.items()) if so]}


def task_of(seen: LeadIntelligence, *, mark: str) -> Content | None:
    """A task for the next action; None when there is none, or it can wait."""
    action = seen.next_action
    if action is None or action.urgency < TASK_URGENCY or _cannot_be_done(action):
        return None
    content: Content = {
        "action_id": action.action_id,
        "action": action.kind.value,
        "title": f"{action.title}{' (simulated)' if seen.simulated else ''}",
        "body": _signed([f"- {evidence.text}" for evidence in action.evidence], seen, mark),
        "due_at": _due_at(action, seen.as_of).isoformat(),
    }
    return content if seen.assigned_to is None else {**content, "assigned_to": seen.assigned_to}


def _cannot_be_done(action: NextAction) -> bool:
    """No channel is permitted, or an agent put it off."""
    return action.no_reach is not None or action.snoozed_until is not None


def note_of(seen: LeadIntelligence, *, mark: str) -> Content | None:
    """Why the lead is about to go silent, when the risk has just become critical; None otherwise."""
    churn = seen.churn.value
    if churn is None or not _became_critical(seen):
        return None
    lines = [
        f"Risk of going silent rose to critical: {churn.probability:.0%} for the next {churn.horizon_days} days.",
        f"- last event: {seen.cause.summary}",
    ]
    if seen.next_action is not None:
        lines += [f"- {evidence.text}" for evidence in seen.next_action.evidence]
        lines.append(f"What to do: {seen.next_action.title}.")
    return {"body": _signed(lines, seen, mark)}


def _became_critical(seen: LeadIntelligence) -> bool:
    """The stage became critical since the last look, by the event or by time. A first look is no rise."""
    churn, before = seen.churn, seen.cause.stage_before
    if churn.value is None or churn.stale_reason is not None or before is None:
        return False
    return churn.value.stage is RiskStage.CRITICAL and before < RiskStage.CRITICAL


def _due_at(action: NextAction, now: datetime) -> datetime:
    hours = next(hours for urgency, hours in TASK_DUE_HOURS if action.urgency >= urgency)
    return now + timedelta(hours=hours)


def _signed(lines: list[str], seen: LeadIntelligence, mark: str) -> str:
    """The lines, and under them who wrote it and what it is based on. The mark lets us know the text again."""
    words = [line.translate(_NO_MARKUP) for line in lines]
    return "\n".join([*words, "", f"Written by EnterpriseHub ({_basis(seen)}). {mark}"])


def _basis(seen: LeadIntelligence) -> str:
    """What the numbers rest on, in words for the account's owner."""
    simulated = [
        part.value.model.simulated for part in (seen.score, seen.won, seen.churn) if part.value is not None
    ]
    if not simulated:
        model = "no model"
    else:
        model = "model of simulated leads" if any(simulated) else "model of your own leads"
    return f"{'simulated lead' if seen.simulated else 'real lead'}, {model}"
