"""Serves the lead score: the chance of an appointment and of a won deal, how sure they are, what speaks for and against.

Called by services/realtime_lead_intelligence (``score``, ``won``) and api/routes/leads (``explain``, on demand).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ghl_real_estate_ai.ml.features import Course, vector
from ghl_real_estate_ai.models.intelligence import Interval, LeadScore
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.services.tenant_models import TenantModels

SCORE: Final = "lead_score"
WON: Final = "won"

NOTHING_SEEN: Final = "not enough data: nothing that the lead or the team did was seen yet"
WON_ALREADY: Final = "the deal is won"


class MlLeadIntelligenceEngine:
    """Lead scores by fitted models, which every score names."""

    def __init__(self, *, models: TenantModels) -> None:
        """``models``: says which model answers for which lead."""
        self._models = models

    async def score(self, seen: Course) -> LeadScore:
        """P(a new appointment within the model's horizon) as of the course's now. Pure CPU, well under 1 ms."""
        return self._answer(SCORE, seen)

    async def won(self, seen: Course) -> LeadScore:
        """P(a deal is won within the model's horizon); ask ``no_odds`` first. Pure CPU, well under 1 ms."""
        return self._answer(WON, seen)

    def no_odds(self, lead: Lead) -> str | None:
        """Why nothing sensible can be said of a deal; None where something can."""
        if lead.stage == "won":
            return WON_ALREADY
        return NOTHING_SEEN if lead.activity.first_at is None else None

    def _answer(self, name: str, seen: Course) -> LeadScore:
        model = self._models.of(seen.lead, name)
        said = model.answer(seen.x)
        return LeadScore(
            probability=said.probability,
            horizon_days=model.horizon_days,
            model=model.stamp,
            interval=Interval(low=said.low, high=said.high),
            prior_share=said.prior_share,
        )

    def explain(self, lead: Lead, now: datetime, *, name: str = SCORE) -> dict[str, float]:
        """What each feature adds to ``name``, in log-odds, strongest first, and ``base``. A few ms: on demand."""
        shares = self._models.of(lead, name).contributions(vector(lead, now))
        return dict(sorted(shares.items(), key=lambda share: -abs(share[1])))
