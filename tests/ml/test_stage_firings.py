"""How often stages of churn risk are entered in 4 weeks of a city, looked at at each event and every 12 hours: no flapping."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache

import pytest

from ghl_real_estate_ai.ml.artifacts import shipped_model
from ghl_real_estate_ai.ml.churn_risk import eligible, watched_from
from ghl_real_estate_ai.ml.features import vector
from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.ml.risk_stages import EXIT_BAND, Standing, settle
from ghl_real_estate_ai.models.intelligence import STAGE_THRESHOLDS, RiskStage, risk_stage
from ghl_real_estate_ai.models.leads import Lead
from tests.support.city_history import held_out_events

pytestmark = pytest.mark.untraced

EVERY, FOR, SOON = timedelta(hours=12), timedelta(days=28), timedelta(days=2)

Look = tuple[datetime, float, datetime, datetime]
"""When, the risk, the lead's last own event, from when on its stages count."""


@cache
def looks() -> list[list[Look]]:
    """Of each lead that was active at some look: its looks, oldest first."""
    model = shipped_model("churn_risk")
    leads: dict[str, Lead] = {}
    seen: dict[str, list[Look]] = {}
    tick = held_out_events()[0].event.occurred_at + timedelta(days=60)
    begin, end = tick, tick + FOR

    def look(key: str, at: datetime) -> None:
        lead = leads[key]
        last, known = lead.activity.last_lead_at, watched_from(lead)
        if eligible(lead, at) and last is not None and known is not None:
            seen.setdefault(key, []).append((at, model.predict(vector(lead, at)), last, known))

    for recorded in held_out_events():
        at, key = recorded.event.occurred_at, str(recorded.event.lead_id)
        if at >= end:
            break
        while tick < at:
            for other in leads:
                look(other, tick)
            tick += EVERY
        leads[key] = apply(leads.get(key), recorded)
        if at >= begin:
            look(key, at)
    return list(seen.values())


def firings(rule: Callable[[Standing | None, Look, bool], Standing]) -> tuple[float, float]:
    """Per active lead: stages entered; stages entered again within two days of having been left."""
    entered = again = 0
    for life in looks():
        before, last = Standing(RiskStage.NONE, None), None
        left: dict[RiskStage, datetime] = {}
        for look in life:
            after = rule(before if last is not None else None, look, look[2] != last)
            entered += after.stage > before.stage
            for stage in STAGE_THRESHOLDS:
                if before.stage >= stage > after.stage:
                    left[stage] = look[0]
                elif after.stage >= stage > before.stage and stage in left:
                    again += look[0] < left[stage] + SOON
            before, last = after, look[2]
    return entered / len(looks()), again / len(looks())


def naive(_before: Standing | None, look: Look, _own_act: bool) -> Standing:
    return Standing(risk_stage(look[1]), None)


def with_band(before: Standing | None, look: Look, _own_act: bool) -> Standing:
    held = RiskStage.NONE if before is None else before.stage
    stays = [stage for stage, at in STAGE_THRESHOLDS.items() if stage <= held and look[1] >= at - EXIT_BAND]
    return Standing(max([risk_stage(look[1]), *stays]), None)


def as_served(before: Standing | None, look: Look, own_act: bool) -> Standing:
    now, risk, last, known = look
    return settle(before, risk, now, own_act=own_act, silent_since=last, not_before=known)


def test_band_and_dwell_enter_stages_more_seldom_and_halve_the_flapping() -> None:
    counts = {rule.__name__: firings(rule) for rule in (naive, with_band, as_served)}
    for name, (entered, again) in counts.items():
        print(
            f"{name}: {entered:.2f} stages entered per active lead, {again:.2f} of them again within two days"
        )
    assert len(looks()) > 150
    assert counts["as_served"][0] < counts["with_band"][0] < counts["naive"][0]
    assert counts["as_served"][1] < 0.6 * counts["naive"][1]


def test_who_stays_silent_is_told_of_all_the_same() -> None:
    """The price of the dwell is half a day, not a lead that nobody hears of."""
    for life in looks():
        before: Standing | None = None
        last: datetime | None = None
        for look in life:
            before = as_served(before, look, look[2] != last)
            last = look[2]
        assert before is not None
        now, risk, last_own, known = life[-1]
        long_above = all(
            r > STAGE_THRESHOLDS[RiskStage.CRITICAL] for at, r, *_ in life if at >= now - 3 * EVERY
        )
        if long_above and last_own < now - 3 * EVERY and known < now - 3 * EVERY and len(life) > 3:
            assert before.stage is RiskStage.CRITICAL
        assert risk_stage(risk) >= before.stage or risk >= STAGE_THRESHOLDS[before.stage] - EXIT_BAND
