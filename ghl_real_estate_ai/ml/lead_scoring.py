"""The lead score as two questions: will this lead book an appointment within 14 days, will a deal be won within 180?

Called by ml/training.py and services/track_record.py. Serving is services/ml_lead_intelligence_engine.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.ml.targets import Outcomes, Target, any_within
from ghl_real_estate_ai.models.leads import Lead

HORIZON_DAYS: Final = 14
WON_HORIZON_DAYS: Final = 180
WON_PERIODS: Final = (14.0, 30.0, 60.0, 90.0, 135.0, 180.0)
"""Ends of the hazard's periods in days: finer early, where deals of leads that are out touring are won."""
ACTIVE_WITHIN: Final = timedelta(days=60)
"""A lead that has been silent for longer teaches nothing but its silence."""


def eligible(lead: Lead, now: datetime) -> bool:
    """Leads seen lately whose deal is not done."""
    last = lead.activity.last_lead_at or lead.activity.first_at
    return (
        last is not None
        and now - last <= ACTIVE_WITHIN
        and lead.stage not in {"won", "lost"}
        and not lead.deleted
    )


def booked(outcomes: Outcomes, at: datetime) -> bool:
    """A new appointment came in within the horizon; one cancelled from the start does not count."""
    return any_within(outcomes.booked, at, HORIZON_DAYS)


LEAD_SCORE: Final = Target(
    name="lead_score",
    question=f"P(a new appointment is booked within {HORIZON_DAYS} days)",
    horizon_days=HORIZON_DAYS,
    eligible=eligible,
    label=booked,
    direction=lambda spec: spec.score_direction,
)


def deal_won(outcomes: Outcomes, at: datetime) -> bool:
    """News of a won deal came in within the horizon."""
    return any_within(outcomes.won, at, WON_HORIZON_DAYS)


WON: Final = Target(
    name="won",
    question=f"P(a deal is won within {WON_HORIZON_DAYS} days)",
    horizon_days=WON_HORIZON_DAYS,
    eligible=eligible,
    label=deal_won,
    direction=lambda spec: spec.score_direction,
    event=lambda outcomes: outcomes.won,
    periods=WON_PERIODS,
)
