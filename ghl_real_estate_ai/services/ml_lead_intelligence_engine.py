"""Serves the lead score: the chance of an appointment, and what speaks for and against it.

Called by services/realtime_lead_intelligence (``score``) and api/routes/leads (``explain``, on demand).
"""

from __future__ import annotations

from datetime import datetime

from ghl_real_estate_ai.ml.artifacts import Model
from ghl_real_estate_ai.ml.features import vector
from ghl_real_estate_ai.models.intelligence import LeadScore
from ghl_real_estate_ai.models.leads import Lead


class MlLeadIntelligenceEngine:
    """Lead scores by one fitted model, which every score names."""

    def __init__(self, *, model: Model) -> None:
        """``model``: the tenant's own ``lead_score`` model, or the shipped one."""
        self.model = model

    async def score(self, lead: Lead, now: datetime) -> LeadScore:
        """P(a new appointment within the model's horizon) as of ``now`` (aware UTC). Pure CPU, well under 1 ms."""
        return LeadScore(
            probability=self.model.predict(vector(lead, now)),
            horizon_days=self.model.horizon_days,
            model=self.model.stamp,
        )

    def explain(self, lead: Lead, now: datetime) -> dict[str, float]:
        """What each feature adds, in log-odds, strongest first, and ``base``. A few ms: on demand, never per event."""
        shares = self.model.contributions(vector(lead, now))
        return dict(sorted(shares.items(), key=lambda share: -abs(share[1])))
