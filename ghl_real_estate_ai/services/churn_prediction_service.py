"""Serves the churn risk: the chance that a lead goes silent, its stage, when the next ones come, what speaks for and against it.

Called by services/realtime_lead_intelligence (``risk``, ``watch``) and api/routes (``explain``, ``ahead``, on demand).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.ml.artifacts import Model
from ghl_real_estate_ai.ml.churn_risk import watched_from
from ghl_real_estate_ai.ml.features import Course, vector
from ghl_real_estate_ai.ml.risk_curve import crossing_times, risk_curve
from ghl_real_estate_ai.ml.risk_stages import Standing, settle
from ghl_real_estate_ai.models.intelligence import ChurnRisk, Crossing, RiskPoint, RiskStage, risk_stage
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.services.tenant_models import TenantModels

CHURN: Final = "churn_risk"


class ChurnPredictionService:
    """Churn risks by fitted models, which every risk names."""

    def __init__(self, *, models: TenantModels) -> None:
        """``models``: says which model answers for which lead."""
        self._models = models

    async def risk(self, seen: Course) -> ChurnRisk:
        """P(no sign of life within the model's horizon) as of the course's now, without memory. Pure CPU, well under 1 ms.

        The stage is the one of the bare number.
        """
        model = self._models.of(seen.lead, CHURN)
        probability = model.predict(seen.x)
        return _risk(model, probability, Standing(risk_stage(probability), None))

    async def watch(
        self, seen: Course, *, shown: ChurnRisk | None, own_act: bool, acted_before: datetime | None = None
    ) -> ChurnRisk:
        """The risk with its stage's history and the crossings ahead. Pure CPU, under 2 ms.

        ``shown``: the lead's last one, None at the first look. ``own_act``: what happened is a sign of life of the lead;
        ``acted_before``: the one before it, if any.
        A lead whose deal is done, or that was deleted, has a risk but no stage.
        """
        lead, now = seen.lead, seen.now
        model = self._models.of(lead, CHURN)
        probability = model.predict(seen.x)
        watched = watched_from(lead)
        if watched is None:
            return _risk(model, probability, Standing(RiskStage.NONE, None))
        standing = settle(
            None if shown is None else Standing.of(shown),
            probability,
            now,
            own_act=own_act,
            silent_since=lead.activity.last_lead_at or lead.activity.first_at or now,
            not_before=watched,
        )
        ahead = crossing_times(
            model,
            seen,
            risk=probability,
            above=standing.stage,
            guesses=_guesses(shown, acted_before, lead.activity.last_lead_at),
        )
        times = sorted({**ahead, **standing.over}.items(), key=lambda crossing: (crossing[1], crossing[0]))
        crossings = tuple(Crossing(stage=stage, at=at) for stage, at in times)
        return _risk(model, probability, standing, crossings)

    def ahead(self, lead: Lead, now: datetime) -> list[RiskPoint]:
        """The risk of the next 14 days if the lead stays silent, 6-hourly. A few ms: on demand."""
        model = self._models.of(lead, CHURN)
        return [RiskPoint(at=at, probability=risk) for at, risk in risk_curve(model, Course(lead, now))]

    def explain(self, lead: Lead, now: datetime) -> dict[str, float]:
        """What each feature adds, in log-odds, strongest first, and ``base``. A few ms: on demand, never per event."""
        shares = self._models.of(lead, CHURN).contributions(vector(lead, now))
        return dict(sorted(shares.items(), key=lambda share: -abs(share[1])))


def _guesses(
    shown: ChurnRisk | None, acted_before: datetime | None, acted: datetime | None
) -> dict[RiskStage, datetime]:
    """The crossings that were shown, as far behind the newest sign of life as they were behind the one before."""
    if shown is None:
        return {}
    moved = acted - acted_before if acted and acted_before else timedelta(0)
    return {ahead.stage: ahead.at + moved for ahead in shown.crossings}


def _risk(
    model: Model, probability: float, standing: Standing, crossings: tuple[Crossing, ...] = ()
) -> ChurnRisk:
    return ChurnRisk(
        probability=probability,
        stage=standing.stage,
        horizon_days=model.horizon_days,
        model=model.stamp,
        stage_since=standing.since,
        crossings=crossings,
    )
