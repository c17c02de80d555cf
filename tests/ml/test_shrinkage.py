"""An interval holds what it says it holds, a prior gives way to own leads, and no lead at all is a start too."""

from __future__ import annotations

import numpy as np
import pytest

from ghl_real_estate_ai.ml.evaluation import Array, brier
from ghl_real_estate_ai.ml.shrinkage import (
    PRIORS,
    SLOPE_LEAST,
    Recalibration,
    at_home,
    prior_only,
    update,
)

RNG = np.random.default_rng(11)
SCORES = RNG.normal(-2.5, 1.4, 4_000)
"""Log-odds of a model over leads like those it was fitted on."""


def sigmoid(z: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-z)))


def prior(name: str = "lead_score") -> Recalibration:
    found = prior_only(name, SCORES)
    assert found is not None
    return found


class Tenant:
    """Another place: the model's log-odds are off by a line there. Each lead has ``rows`` rows with one fate."""

    def __init__(self, rng: np.random.Generator, *, offset: float, slope: float) -> None:
        self.rng, self.offset, self.slope = rng, offset, slope

    def truth(self, scores: Array) -> Array:
        return sigmoid(self.offset + self.slope * (scores - SCORES.mean()))

    def leads(self, count: int, *, rows: int = 1) -> tuple[Array, Array, Array]:
        """(scores, answers, whose), shape (count * rows,)."""
        scores = self.rng.normal(SCORES.mean(), SCORES.std(), count)
        fates = (self.rng.random(count) < self.truth(scores)).astype(np.float64)
        return np.repeat(scores, rows), np.repeat(fates, rows), np.repeat(np.arange(count), rows)


def tenants(count: int) -> list[Tenant]:
    """As the documented prior expects them."""
    rng, belief = np.random.default_rng(5), prior()
    assert belief.prior_variances is not None
    offset, slope = np.sqrt(belief.prior_variances)
    return [
        Tenant(
            rng,
            offset=belief.offset + offset * rng.normal(),
            slope=max(0.1, belief.slope + slope * rng.normal()),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("name", PRIORS)
def test_without_a_single_lead_the_documented_base_rate_speaks_and_says_that_it_is_all_prior(
    name: str,
) -> None:
    belief = prior(name)
    center = belief.answer(belief.center)
    assert center.prior_share == 1.0
    assert PRIORS[name].low / 3 < center.low < center.probability < center.high < PRIORS[name].high * 1.5
    said = [belief.answer(score).probability for score in SCORES[:500]]
    assert PRIORS[name].low < np.mean(said) < PRIORS[name].high
    assert PRIORS[name].source


def test_a_target_without_a_documented_prior_has_none() -> None:
    assert prior_only("churn_risk", SCORES) is None
    assert prior_only("lead_score", np.array([])) is None


@pytest.mark.parametrize("count", [0, 30, 300])
def test_intervals_hold_the_true_rate_of_a_score_in_about_four_of_five_places(count: int) -> None:
    held = []
    for tenant in tenants(60):
        belief = update(prior(), *tenant.leads(count))
        answers = [belief.answer(score) for score in SCORES[:60]]
        held += [
            said.low <= truth <= said.high
            for said, truth in zip(answers, tenant.truth(SCORES[:60]), strict=True)
        ]
    assert 0.72 < np.mean(held) < 0.97


def test_own_leads_narrow_the_interval_and_push_the_prior_out() -> None:
    tenant = Tenant(np.random.default_rng(1), offset=-3.0, slope=0.8)
    widths, shares = [], []
    for count in (0, 30, 300, 3_000):
        said = update(prior(), *tenant.leads(count)).answer(SCORES.mean())
        widths.append(np.log(said.high / said.low))
        shares.append(said.prior_share)
    assert widths == sorted(widths, reverse=True)
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0
    assert shares[-1] < 0.02
    assert widths[-1] < widths[0] / 3


def test_thirty_resolved_leads_beat_the_raw_model_in_a_place_with_another_base_rate() -> None:
    """And the base rate alone nearly always, never by much the other way."""
    ours, raw, base = [], [], []
    for tenant in tenants(40):
        belief = update(prior(), *tenant.leads(30))
        scores, y, _ = tenant.leads(3_000)
        ours.append(brier(y, np.array([belief.answer(score).probability for score in scores])))
        raw.append(brier(y, sigmoid(scores)))
        base.append(brier(y, np.full_like(y, PRIORS["lead_score"].rate)))
    assert np.mean(ours) < np.mean(raw)
    assert np.mean(np.array(ours) < np.array(raw)) > 0.8
    assert np.mean(ours) < np.mean(base)
    assert np.max(np.array(ours) - np.array(base)) < 0.01


def test_rows_of_one_lead_are_one_leads_information() -> None:
    tenant = Tenant(np.random.default_rng(2), offset=-2.0, slope=1.0)
    scores, y, leads = tenant.leads(40)
    once = update(prior(), scores, y, leads)
    five = update(prior(), *(np.repeat(part, 5) for part in (scores, y, leads)))
    assert five.offset == pytest.approx(once.offset, abs=1e-6)
    assert five.variances == pytest.approx(once.variances, rel=1e-6)
    assert (five.leads, five.rows) == (40, 200)


def test_many_leads_say_themselves_how_much_their_rows_repeat_each_other() -> None:
    tenant = Tenant(np.random.default_rng(3), offset=-1.5, slope=1.0)
    scores, y, leads = tenant.leads(2_000)
    alone, repeated = update(prior(), scores, y, leads), update(prior(), *tenant.leads(2_000, rows=4))
    assert repeated.variances[0] == pytest.approx(alone.variances[0], rel=0.25)
    independent = update(prior(), scores, y, np.repeat(np.arange(500), 4))
    assert independent.variances[0] == pytest.approx(alone.variances[0], rel=0.25)


def test_an_answer_never_falls_while_the_models_log_odds_rise() -> None:
    wide = prior("won")
    for belief in (
        wide,
        update(wide, *tenants(1)[0].leads(30)),
        at_home(SCORES, (SCORES > -1).astype(np.float64), SCORES),
    ):
        answers = [belief.answer(odds) for odds in np.linspace(-30, 30, 601)]
        for place in range(3):
            curve = [answer[place] for answer in answers]
            assert curve == sorted(curve)
        assert all(0 < a.low < a.probability <= a.high < 1 for a in answers)


def test_a_place_where_the_order_is_upside_down_flattens_the_score_and_does_not_turn_it_round() -> None:
    scores = RNG.normal(-2.5, 1.4, 3_000)
    upside_down = (RNG.random(3_000) < sigmoid(-5.0 - scores)).astype(np.float64)
    belief = update(prior(), scores, upside_down, np.arange(3_000))
    assert belief.slope == SLOPE_LEAST


def test_at_home_the_log_odds_stay_as_they_are() -> None:
    y = (RNG.random(SCORES.size) < sigmoid(SCORES)).astype(np.float64)
    belief = at_home(SCORES, y, np.arange(SCORES.size))
    assert belief.answer(-1.0).prior_share == 0.0
    for odds in (-4.0, -2.0, 0.0, 1.0):
        said = belief.answer(odds)
        assert said.probability == pytest.approx(float(sigmoid(np.array(odds))), rel=0.03)
        assert np.log(said.high / said.low) < 1.5


def test_answers_of_a_shorter_time_teach_the_same_line() -> None:
    tenant = Tenant(np.random.default_rng(4), offset=-2.0, slope=0.9)
    scores, _, leads = tenant.leads(4_000)
    sooner = np.full_like(scores, -1.2)
    line = tenant.offset + tenant.slope * (scores - SCORES.mean())
    y = (RNG.random(4_000) < sigmoid(line + sooner)).astype(np.float64)
    belief = update(prior(), scores, y, leads, sooner=sooner)
    said = belief.answer(SCORES.mean())
    assert said.low < float(sigmoid(np.array(tenant.offset))) < said.high


def test_a_belief_survives_its_card() -> None:
    for belief in (prior(), at_home(SCORES, (SCORES > -1).astype(np.float64), SCORES)):
        again = Recalibration.from_dict(belief.as_dict())
        assert again.answer(-2.0) == pytest.approx(belief.answer(-2.0), rel=1e-4)
        assert again == Recalibration.from_dict(again.as_dict())
    with pytest.raises((KeyError, TypeError, ValueError)):
        Recalibration.from_dict({"variances": "wide", "prior_variances": None})


def test_nothing_resolved_changes_nothing() -> None:
    nothing = np.array([], dtype=np.float64)
    assert update(prior(), nothing, nothing, nothing) == prior()
