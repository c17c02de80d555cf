"""Response times in words: what the curve says for whoever does not see it, and how each figure compares with the days before.

Called by ``team_response.py``.
"""

from __future__ import annotations

from ghl_real_estate_ai.models.team import Direction, ResponseGroup, TeamResponse
from ghl_real_estate_ai.streamlit_components.page_tables import NOTHING, minutes_in_words


def percent(share: float | None) -> str:
    """'41%', or a dash for what is not known."""
    return NOTHING if share is None else f"{share:.0%}"


def counted_leads(count: int) -> str:
    """'1 lead', '1,204 leads'."""
    return f"{count:,} {'lead' if count == 1 else 'leads'}"


def curve_in_words(group: ResponseGroup) -> str:
    """What the chart says, for whoever does not see it."""
    if not group.curve and not group.marks:
        return "Too few leads of this group have been answered or watched for a curve."
    moments = (
        (group.within_5_min, "5 min"),
        (group.within_60_min, "1 h"),
        (group.within_1440_min, "1 day"),
    )
    parts = [f"{percent(share)} within {name}" for share, name in moments if share is not None]
    answered = f"Answered: {', '.join(parts)}. " if parts else ""
    marks = " Upright strokes: leads that still wait, by how long so far." if group.marks else ""
    return f"{answered}{_waiting(group)}{_end(group)}{marks} Band: 80 % certain. Dashed: 5 minutes."


def _waiting(group: ResponseGroup) -> str:
    if not group.waiting:
        return "No lead still waits for its first answer."
    verbs = ("has", "is") if group.waiting == 1 else ("have", "are")
    return f"{group.waiting:,} of {group.leads:,} {verbs[0]} no first answer yet, and {verbs[1]} counted as not answered."


def _end(group: ResponseGroup) -> str:
    if group.watched_min is None:
        return ""
    end = minutes_in_words(group.watched_min)
    return f" The line rises to the share answered so far and ends at {end}: no lead was watched for longer."


def marked_in_words(group: ResponseGroup) -> str:
    """How many leads count neither as answered nor as waiting, because an agent said so; empty for none."""
    return f"marked as answered: {group.marked:,}" if group.marked else ""


def trends(answer: TeamResponse) -> dict[str, str]:
    """For within_5, p50 and waiting the figure of the days before and how that of now compares; empty without one."""
    before = answer.earlier
    if before is None:
        return {}
    share = before.waiting / before.leads
    half = minutes_in_words(before.p50_min) if before.p50_min is not None else "fewer than half answered"
    return {
        "within_5": _trend(percent(before.within_5_min), before.within_5_is, answer.days),
        "p50": _trend(half, before.p50_is, answer.days),
        "waiting": _trend(
            f"{before.waiting:,} of {before.leads:,} ({share:.0%})", before.waiting_is, answer.days
        ),
    }


def _trend(then: str, direction: Direction, days: int) -> str:
    now = direction.value if direction is Direction.SAME else f"{direction.value} now"
    return f"{days} days before: {then}, {now}"


def comparison_in_words(answer: TeamResponse) -> str:
    """With what the figures are compared, or why with nothing."""
    before = answer.earlier
    if before is None:
        why = answer.no_earlier or "this gateway does not tell them"
        return f"No comparison with the {answer.days} days before: {why}."
    return (
        f"Compared with the {counted_leads(before.leads)} of the {answer.days} days before, as they stood when those days were over. "
        "Better or worse is said only where the two 80 % intervals do not touch."
    )
