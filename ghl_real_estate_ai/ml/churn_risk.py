"""The churn risk as a question: will this lead stay silent for the next 14 days?

Called by ml/training.py. Serving is services/churn_prediction_service.py.

Silent means: no lead-initiated event in (t, t + 14 d]. What the team or an automation sends never counts as life.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.ml.targets import Outcomes, Target, any_within
from ghl_real_estate_ai.models.leads import Lead

HORIZON_DAYS: Final = 14
PERIODS: Final = (2.0, 6.0, 14.0)
"""Ends of the hazard's periods in days: a lead that is in touch comes back soon. Five periods said no more (docs/adr/0025)."""
KNOWN_FOR: Final = timedelta(days=3)
"""A lead that just arrived has no rhythm yet."""
ACTIVE_WITHIN: Final = timedelta(days=21)
"""Who has been silent for longer has gone already; the risk is then near 1 by its monotone inputs."""


def eligible(lead: Lead, now: datetime) -> bool:
    """Leads known for 3 days or more who were active within 21, whose deal is not done."""
    activity = lead.activity
    if activity.first_at is None or activity.last_lead_at is None:
        return False
    known, silent = now - activity.first_at, now - activity.last_lead_at
    return (
        known >= KNOWN_FOR
        and silent <= ACTIVE_WITHIN
        and lead.stage not in {"won", "lost"}
        and not lead.deleted
    )


def watched_from(lead: Lead) -> datetime | None:
    """From when on the lead's stages mean something; None for one whose deal is done, or that was deleted."""
    first = lead.activity.first_at
    if lead.deleted or lead.stage in {"won", "lost"} or first is None:
        return None
    return first + KNOWN_FOR


def silent(outcomes: Outcomes, at: datetime) -> bool:
    """No sign of life within the horizon."""
    return not any_within(outcomes.own, at, HORIZON_DAYS)


CHURN_RISK: Final = Target(
    name="churn_risk",
    question=f"P(no lead-initiated event within {HORIZON_DAYS} days)",
    horizon_days=HORIZON_DAYS,
    eligible=eligible,
    label=silent,
    direction=lambda spec: spec.churn_direction,
    event=lambda outcomes: outcomes.own,
    periods=PERIODS,
    silence=True,
)
