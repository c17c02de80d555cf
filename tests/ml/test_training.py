"""Training looks only backwards for inputs, only forwards for answers, and never lets the two folds touch."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.artifacts import load_model
from ghl_real_estate_ai.ml.churn_risk import CHURN_RISK
from ghl_real_estate_ai.ml.features import vector
from ghl_real_estate_ai.ml.fitting import Calibration, calibration, fit_trees
from ghl_real_estate_ai.ml.history import Table, read_history
from ghl_real_estate_ai.ml.lead_scoring import LEAD_SCORE
from ghl_real_estate_ai.ml.lead_state import activity_kind, apply
from ghl_real_estate_ai.ml.model_card import TrainingReport
from ghl_real_estate_ai.ml.targets import Outcomes
from ghl_real_estate_ai.ml.training import MIN_OF_EACH_ANSWER, TARGETS, TRAIN_LEADS, split, train
from ghl_real_estate_ai.models.events import AppointmentChanged, RecordedEvent
from ghl_real_estate_ai.models.leads import LEAD_INITIATED, Lead
from tests.support.city_history import held_out_events, held_out_tables

SOURCE = "a city made for this test"


@pytest.fixture(name="trained", scope="module")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingReport, Path]:
    folder = tmp_path_factory.mktemp("trained")
    return train(held_out_events(), out_dir=folder, fitted_on=SOURCE, simulated=True), folder


def _few_leads() -> list[RecordedEvent]:
    """The whole history of the first five leads."""
    wanted = list({recorded.event.lead_id: None for recorded in islice(held_out_events(), 500)})[:5]
    return [recorded for recorded in held_out_events() if recorded.event.lead_id in wanted]


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


def test_origins_whose_answer_is_not_known_yet_are_left_out() -> None:
    end = held_out_events()[-1].event.occurred_at.timestamp()
    for target in TARGETS:
        table = held_out_tables()[target.name]
        assert table.at.max() + target.horizon_days * 86_400 <= end
        assert len({(at, draw) for at, draw in zip(table.at, table.draw, strict=True)}) == len(table)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_folds_are_apart_in_time_by_the_horizon_and_apart_in_leads(target) -> None:
    folds = split(held_out_tables()[target.name], target)
    embargo = target.horizon_days * 86_400
    assert folds.train.at.max() + embargo <= folds.validation.at.min()
    assert folds.validation.at.max() + embargo <= folds.test.at.min()
    assert folds.train.draw.max() < TRAIN_LEADS <= min(folds.validation.draw.min(), folds.test.draw.min())


def test_the_report_shows_both_models_beside_their_baselines(trained: tuple[TrainingReport, Path]) -> None:
    report, _ = trained
    assert [model.name for model in report.models] == ["lead_score", "churn_risk"]
    for model in report.models:
        assert list(model.metrics) == ["lightgbm", "logistic", "recency"]
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
    for target in TARGETS:
        folds = split(held_out_tables()[target.name], target)  # rows from another pass over the same events
        again = fit_trees(target, folds.train, folds.validation, seed=0)
        assert again.text == (trained[1] / f"{target.name}.lgb.txt").read_text()


def test_too_short_a_history_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for events in ([], list(islice(held_out_events(), 500)), list(islice(held_out_events(), 9_000))):
        with pytest.raises(InputError, match="history"):
            train(events, out_dir=tmp_path / "models", fitted_on=SOURCE, simulated=True)
    assert not (tmp_path / "models").exists()


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
