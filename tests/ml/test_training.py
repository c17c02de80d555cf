"""Training looks only backwards for inputs, only forwards for answers, and never lets the two folds touch."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.artifacts import load_model
from ghl_real_estate_ai.ml.churn_risk import CHURN_RISK
from ghl_real_estate_ai.ml.features import vector
from ghl_real_estate_ai.ml.fitting import Calibration, calibration
from ghl_real_estate_ai.ml.history import Table, read_history
from ghl_real_estate_ai.ml.lead_scoring import LEAD_SCORE, WON
from ghl_real_estate_ai.ml.lead_state import activity_kind, apply
from ghl_real_estate_ai.ml.model_card import TrainingReport
from ghl_real_estate_ai.ml.targets import Outcomes, Target
from ghl_real_estate_ai.ml.training import MIN_OF_EACH_ANSWER, TARGETS, TRAIN_LEADS, fit_target, split, train
from ghl_real_estate_ai.models.events import AppointmentChanged, Event, OpportunityChanged, RecordedEvent
from ghl_real_estate_ai.models.leads import LEAD_INITIATED, Lead, OpportunityStatus, StageRole
from tests.support.city_history import answer_days, held_out_events, held_out_tables

SOURCE = "a city made for this test"
FITTED = (LEAD_SCORE, CHURN_RISK)
"""A deal takes longer than this city has lasted."""


@pytest.fixture(name="trained", scope="module")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingReport, Path]:
    folder = tmp_path_factory.mktemp("trained")
    return train(held_out_events(), out_dir=folder, fitted_on=SOURCE, simulated=True, targets=FITTED), folder


def _few_leads() -> list[RecordedEvent]:
    """The whole history of the first five leads."""
    wanted = list({recorded.event.lead_id: None for recorded in islice(held_out_events(), 500)})[:5]
    return [recorded for recorded in held_out_events() if recorded.event.lead_id in wanted]


def is_won(event: Event) -> bool:
    return isinstance(event, OpportunityChanged) and event.status is OpportunityStatus.WON


def test_rows_hold_what_was_known_then_and_answers_what_came_true_after() -> None:
    events = _few_leads()
    history = read_history(events, TARGETS)
    assert history.rows
    for row in history.rows:
        lead: Lead | None = None
        of_lead = [r for r in events if r.event.lead_id == row.lead_key.split("\x1f")[1]]
        for recorded in of_lead:
            if recorded.event.occurred_at <= row.at:
                lead = apply(lead, recorded)
        assert lead is not None
        np.testing.assert_array_equal(row.x, vector(lead, row.at))
        after = [r.event for r in of_lead if row.at < r.event.occurred_at <= row.at + timedelta(days=14)]
        outcomes = history.outcomes[row.lead_key]
        assert CHURN_RISK.label(outcomes, row.at) == (
            not any(activity_kind(e) in LEAD_INITIATED for e in after)
        )
        assert LEAD_SCORE.label(outcomes, row.at) == any(
            isinstance(e, AppointmentChanged) and e.created for e in after
        )
        won = [r.event for r in of_lead if r.event.occurred_at > row.at and is_won(r.event)]
        assert WON.label(outcomes, row.at) == bool(won)
        soon = [event for event in won if event.occurred_at <= row.at + timedelta(days=30)]
        assert WON.came_true(outcomes, row.at, 30) == bool(soon)


def test_origins_whose_answer_is_not_known_yet_are_left_out() -> None:
    end = held_out_events()[-1].event.occurred_at.timestamp()
    for target in TARGETS:
        table = held_out_tables()[target.name]
        assert table.at.max() + answer_days(target) * 86_400 <= end
        assert len({(at, draw) for at, draw in zip(table.at, table.draw, strict=True)}) == len(table)


@pytest.mark.parametrize("target", FITTED, ids=lambda target: target.name)
def test_folds_are_apart_in_time_by_the_horizon_and_apart_in_leads(target: Target) -> None:
    folds = split(held_out_tables()[target.name], target)
    embargo = target.horizon_days * 86_400
    assert folds.train.at.max() + embargo <= folds.validation.at.min()
    assert folds.validation.at.max() + embargo <= folds.test.at.min()
    assert folds.train.draw.max() < TRAIN_LEADS <= min(folds.validation.draw.min(), folds.test.draw.min())


def test_the_report_shows_both_models_beside_their_baselines(trained: tuple[TrainingReport, Path]) -> None:
    report, _ = trained
    assert [model.name for model in report.models] == ["lead_score", "churn_risk"]
    for model in report.models:
        more = ["bg_nbd"] if model.name == "churn_risk" else []
        assert list(model.metrics) == ["lightgbm", "logistic", "recency", *more]
        assert model.metrics["lightgbm"].average_precision > model.metrics["recency"].average_precision
        assert 0.02 < model.base_rate < 0.6
        assert model.trees <= 120
    text = report.table()
    assert SOURCE in text
    assert text.count("logistic") >= 2
    assert text.count("base rate") == 2
    json.dumps(report.as_dict())


def test_cards_say_where_the_model_comes_from_and_hold_no_paths(trained: tuple[TrainingReport, Path]) -> None:
    report, folder = trained
    for model in report.models:
        served = load_model(folder / f"{model.name}.json")
        assert served.stamp.fitted_on == SOURCE
        assert served.stamp.simulated
        assert served.horizon_days == 14
        assert served.card["data"]["events"] == len(held_out_events())  # type: ignore[index]
        assert served.card["verdict"] == model.verdict
        for file in (f"{model.name}.json", f"{model.name}.lgb.txt"):
            assert str(folder) not in (folder / file).read_text()


def test_the_same_events_and_seed_give_the_same_model(trained: tuple[TrainingReport, Path]) -> None:
    history = read_history(held_out_events(), FITTED)  # rows from another pass over the same events
    for place, target in enumerate(FITTED):
        again = fit_target(history, place, seed=0)
        assert again.text == (trained[1] / f"{target.name}.lgb.txt").read_text()


def test_too_short_a_history_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for events in ([], list(islice(held_out_events(), 500)), list(islice(held_out_events(), 9_000))):
        with pytest.raises(InputError, match="history"):
            train(events, out_dir=tmp_path / "models", fitted_on=SOURCE, simulated=True)
    assert not (tmp_path / "models").exists()


def test_a_deal_is_judged_within_what_the_history_knows_or_the_words_say_how_long_it_must_be() -> None:
    history = read_history(held_out_events(), (WON,))
    with pytest.raises(InputError, match=r"won: .* 162 days are needed"):
        fit_target(history, 0, seed=0)


def test_a_young_history_teaches_a_shorter_time_of_a_hazard() -> None:
    """Judged within 30 of 90 days: what later periods hold is guessed from the earlier ones, and the card says so."""
    meetings = replace(
        WON,
        horizon_days=90,
        periods=(4.0, 8.0, 14.0, 30.0, 60.0, 90.0),
        event=lambda outcomes: outcomes.booked,
    )
    fitted = fit_target(read_history(held_out_events(), (meetings,)), 0, seed=0)
    assert fitted.report.judged_days == 30
    assert "judged within 30 days" in fitted.report.lines()[0]
    assert fitted.report.metrics["lightgbm"].auc > 0.8


def test_a_fold_without_enough_of_both_answers_is_refused() -> None:
    table = held_out_tables()["churn_risk"]
    one_sided = Table(table.x, np.zeros_like(table.y), table.at, table.draw)
    with pytest.raises(InputError, match=f"{MIN_OF_EACH_ANSWER} are needed"):
        split(one_sided, CHURN_RISK)


def _odds_and_fold(slope: float) -> tuple[np.ndarray, Table]:
    """Log-odds that are too sure of themselves by 1 / slope."""
    rng = np.random.default_rng(5)
    truth = rng.normal(0, 1.5, 4_000)
    y = (rng.random(4_000) < 1 / (1 + np.exp(-truth))).astype(np.float64)
    return truth / slope, Table(x=np.zeros((4_000, 1)), y=y, at=np.zeros(4_000), draw=rng.random(4_000))


def test_calibration_mends_what_is_off_and_leaves_alone_what_is_right() -> None:
    curve = calibration(*_odds_and_fold(0.4))
    assert curve.changes
    assert curve.slope == pytest.approx(0.4, abs=0.05)
    assert calibration(*_odds_and_fold(1.0)) == Calibration()


def test_a_booking_counts_once_and_not_when_cancelled_from_the_start() -> None:
    bookings = [r.event for r in held_out_events() if isinstance(r.event, AppointmentChanged)][:1]
    booked, at = bookings[0], bookings[0].occurred_at
    outcomes = Outcomes()
    outcomes.note(booked, at)
    outcomes.note(booked.model_copy(update={"created": False, "status": "confirmed"}), at + timedelta(days=1))
    outcomes.note(
        booked.model_copy(update={"appointment_id": "another", "status": "cancelled"}), at + timedelta(days=2)
    )
    assert outcomes.booked == [at]


def test_who_is_asked_about_follows_the_definition() -> None:
    lead = apply(None, held_out_events()[0])
    now = lead.activity.first_at
    assert now is not None
    assert not CHURN_RISK.eligible(lead, now + timedelta(days=5)), "no sign of life of its own yet"
    assert LEAD_SCORE.eligible(lead, now + timedelta(days=5))
    assert not LEAD_SCORE.eligible(lead, now + timedelta(days=61))
    assert not LEAD_SCORE.eligible(lead.model_copy(update={"deleted": True}), now + timedelta(days=5))


def test_a_deal_is_won_once_by_its_status_or_by_what_its_stage_means() -> None:
    deals = [r.event for r in held_out_events() if isinstance(r.event, OpportunityChanged)]
    deal, at = deals[0].model_copy(update={"status": OpportunityStatus.OPEN}), deals[0].occurred_at
    outcomes = Outcomes()
    outcomes.note(deal, at)
    assert outcomes.won == []
    mapped = deal.model_copy(update={"opportunity_id": "mapped", "stage_role": StageRole.WON})
    for event in (deal.model_copy(update={"status": OpportunityStatus.WON}), mapped):
        outcomes.note(event, at + timedelta(days=1))
        outcomes.note(event, at + timedelta(days=2))
    lost = mapped.model_copy(update={"opportunity_id": "lost", "status": OpportunityStatus.LOST})
    outcomes.note(lost, at + timedelta(days=3))
    assert outcomes.won == [at + timedelta(days=1)] * 2
