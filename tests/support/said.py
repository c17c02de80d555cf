"""Records of what was said, made to order: for tests of the track record."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np

from ghl_real_estate_ai.learning_ports import NUMBERS, RecordColumns, ScoreRecord
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from tests.support.facts import LEAD, LOCATION, NOON


def said(
    probability: float = 0.4,
    *,
    lead: str = LEAD,
    location: LocationId = LOCATION,
    target: str = "lead_score",
    at: datetime = NOON,
    days: int = 14,
    outcome: bool | None = None,
    silence_days: float | None = 1.0,
    band: float | None = None,
    simulated: bool = False,
) -> ScoreRecord:
    """One answer; with an ``outcome`` it is resolved. ``band``: half the width of its interval."""
    return ScoreRecord(
        location_id=location,
        lead_id=LeadId(lead),
        target=target,
        made_at=at,
        due_at=at + timedelta(days=days),
        probability=probability,
        low=None if band is None else max(0.0, probability - band),
        high=None if band is None else min(1.0, probability + band),
        prior_share=0.25,
        silence_days=silence_days,
        model_version="v1",
        simulated=simulated,
        outcome=outcome,
        resolved_at=None if outcome is None else at + timedelta(days=days, hours=7),
    )


def history(
    leads: int, *, days: int = 90, honest: bool = True, seed: int = 0, silence_tells: bool = False
) -> list[ScoreRecord]:
    """Three resolved answers per lead over so many days. Honest: what comes true does so as often as was said."""
    rng = np.random.default_rng(seed)
    records = []
    for number in range(leads):
        chance = float(rng.beta(1.2, 2.5))
        for _ in range(3):
            at = NOON + timedelta(days=float(rng.uniform(0, days)))
            outcome = bool(rng.random() < chance)
            told = chance if honest else float(rng.random())
            silence = 20.0 * (1.0 - chance) if silence_tells else float(rng.uniform(0, 20))
            records.append(
                said(told, lead=f"l-{number}", at=at, outcome=outcome, silence_days=silence, band=0.1)
            )
    return records


def columns(records: Iterable[ScoreRecord]) -> RecordColumns:
    """Resolved records of one question as a memory hands them out."""
    rows = sorted(records, key=lambda r: (r.made_at, r.lead_id))
    leads = {lead: place for place, lead in enumerate(dict.fromkeys(r.lead_id for r in rows))}
    models = tuple(dict.fromkeys(r.model_version for r in rows))

    def number(value: float | datetime | None) -> float | None:
        return value.timestamp() if isinstance(value, datetime) else value

    numbers = {name: np.array([number(getattr(r, name)) for r in rows], np.float64) for name in NUMBERS}
    return RecordColumns(
        **numbers,
        lead=np.array([leads[r.lead_id] for r in rows], np.intp),
        model=np.array([models.index(r.model_version) for r in rows], np.intp),
        models=models,
    )
