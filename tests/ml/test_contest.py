"""Who is clearly better answers from then on; a gain counts by leads, and a small history has an answer without a verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ghl_real_estate_ai.ml.artifacts import Model, shipped_model
from ghl_real_estate_ai.ml.contest import CHALLENGER, CLEARLY, SHIPPED, base_of, contest, paired_gain
from ghl_real_estate_ai.ml.history import History, Table, read_history
from ghl_real_estate_ai.ml.lead_scoring import LEAD_SCORE
from ghl_real_estate_ai.services.tenant_models import abroad
from tests.support.city_history import as_if_real, held_out_events, village_events
from tests.support.tracing import untraced

pytestmark = pytest.mark.untraced


@pytest.fixture(name="history", scope="module")
def _history() -> History:
    with untraced():
        return read_history(as_if_real(held_out_events()), (LEAD_SCORE,))


def _confused() -> Model:
    """What ships, looking at the wrong inputs."""
    shipped = shipped_model("lead_score")
    return Model(shipped.text, {**shipped.card, "feature_names": list(shipped.feature_names[::-1])})


def test_who_is_clearly_better_answers_from_then_on_and_stays(history: History) -> None:
    first = contest(history, 0, champion=None, shipped=_confused(), fitted_on="here")
    assert first.winner == CHALLENGER
    assert any("clearly better" in words and "not" not in words for words in first.words)
    champion = Model(first.text, first.card)
    assert champion.stamp.fitted_on == "here"
    assert not champion.stamp.simulated
    again = contest(history, 0, champion=champion, shipped=_confused(), fitted_on="here")
    assert again.winner == "champion", "the same trees, fitted again, are not clearly better than themselves"
    assert again.prior_share == 0.0
    assert again.text == first.text


def test_a_gain_counts_by_leads_not_by_rows() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(200) < 0.3).astype(np.float64)
    rows = Table(np.zeros((200, 1)), y, np.zeros(200), rng.random(200))
    now, other = np.full(200, 0.5), np.clip(y * 0.2 + 0.2, 0, 1)
    gain, error = paired_gain(now, other, rows)
    assert gain > 2 * error > 0
    fivefold = replace(
        rows, x=np.zeros((1_000, 1)), y=np.repeat(y, 5), at=np.zeros(1_000), draw=np.repeat(rows.draw, 5)
    )
    assert paired_gain(np.repeat(now, 5), np.repeat(other, 5), fivefold) == pytest.approx((gain, error))
    assert paired_gain(now, now, rows) == (0.0, 0.0)


def test_a_rival_that_is_no_better_seldom_passes() -> None:
    """Each says the truth with an error of its own: of a contest a day, one in forty may be lucky."""
    rng = np.random.default_rng(1)
    passed = 0
    for _ in range(400):
        true = rng.normal(-1.0, 1.0, 500)
        y = (rng.random(500) < 1 / (1 + np.exp(-true))).astype(np.float64)
        now, other = (1 / (1 + np.exp(-true - rng.normal(0, 0.5, 500))) for _ in range(2))
        gain, error = paired_gain(now, other, Table(np.zeros((500, 1)), y, np.zeros(500), rng.random(500)))
        passed += gain > CLEARLY * error
    assert passed / 400 < 0.05


def test_before_the_first_own_lead_the_belief_is_what_answers_real_leads_already() -> None:
    shipped = shipped_model("churn_risk")
    believed, answering = base_of(shipped, real=True), abroad(shipped).recalibration
    assert believed == answering
    assert believed.leads == 0
    at_home = base_of(shipped, real=False)
    for odds in np.linspace(-4, 4, 33):
        assert believed.answer(odds).probability == pytest.approx(at_home.answer(odds).probability, abs=0.02)
        assert believed.answer(odds).low <= at_home.answer(odds).low


def test_village_is_too_small_for_a_verdict_but_not_for_an_answer() -> None:
    verdict = contest(
        read_history(as_if_real(village_events()), (LEAD_SCORE,)),
        0,
        champion=None,
        shipped=shipped_model("lead_score"),
        fitted_on="a village",
    )
    assert verdict.winner == SHIPPED
    assert 0 < verdict.leads < 100
    assert 0.1 < verdict.prior_share < 1.0
