"""What ships keeps its word on a city it has never seen, beats the recency rule there, and says it knows cities only."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ghl_real_estate_ai.ml.artifacts import SHIPPED_DIR, shipped_model
from ghl_real_estate_ai.ml.evaluation import measure
from ghl_real_estate_ai.ml.features import FEATURE_NAMES, FEATURES
from ghl_real_estate_ai.ml.fitting import RECENCY_INPUT
from ghl_real_estate_ai.ml.training import TARGETS
from tests.support.city_history import HELD_OUT_SEED, held_out_tables

pytestmark = pytest.mark.untraced

SHIPPED_KB = 600


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_metrics_on_the_card_hold_in_a_city_of_another_seed(target) -> None:
    model, table = shipped_model(target.name), held_out_tables()[target.name]
    said = model.card["metrics"]["lightgbm"]  # type: ignore[index]
    found = measure(table.y, np.array([model.predict(row) for row in table.x]))
    assert found.auc == pytest.approx(said["auc"], abs=0.04)
    assert found.average_precision == pytest.approx(said["average_precision"], abs=0.08)
    assert found.brier == pytest.approx(said["brier"], abs=0.03)
    assert found.ece < 0.06


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_recency_rule_is_beaten_in_a_city_of_another_seed(target) -> None:
    model, table = shipped_model(target.name), held_out_tables()[target.name]
    silence = table.x[:, FEATURE_NAMES.index(RECENCY_INPUT)]
    rule = measure(table.y, silence if target.name == "churn_risk" else -silence)
    found = measure(table.y, np.array([model.predict(row) for row in table.x]))
    assert found.auc > rule.auc + 0.01
    assert found.average_precision > rule.average_precision + 0.02


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_stamp_and_card_say_that_only_a_simulated_city_was_seen(target) -> None:
    model = shipped_model(target.name)
    assert model.stamp.simulated
    assert model.stamp.fitted_on.startswith("city simulator, seed")
    assert f"seed {HELD_OUT_SEED}" not in model.stamp.fitted_on
    assert {"question", "rows", "base_rate", "metrics", "verdict", "data", "left_out"} <= model.card.keys()
    assert set(model.card["metrics"]) == {"lightgbm", "logistic", "recency"}  # type: ignore[call-overload]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_each_feature_is_an_input_or_named_as_left_out(target) -> None:
    card = json.loads((SHIPPED_DIR / f"{target.name}.json").read_text())
    assert sorted(card["feature_names"] + card["left_out"]) == sorted(FEATURE_NAMES)
    assert len(card["left_out"]) <= 4


def test_every_feature_serves_at_least_one_model() -> None:
    used = {name for target in TARGETS for name in shipped_model(target.name).feature_names}
    assert used == {spec.name for spec in FEATURES}


def test_what_ships_is_small_and_names_no_machine() -> None:
    files = list(SHIPPED_DIR.iterdir())
    assert sum(file.stat().st_size for file in files) < SHIPPED_KB * 1_024
    for file in files:
        assert "/home/" not in file.read_text()
        assert "/tmp/" not in file.read_text()
