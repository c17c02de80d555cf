"""The alarm rings for a month that is unlike the ones before, says what moved, and is silent by chance."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ghl_real_estate_ai.ml.artifacts import Model, shipped_model
from ghl_real_estate_ai.ml.features import FEATURE_NAMES
from ghl_real_estate_ai.ml.history import Table
from ghl_real_estate_ai.ml.model_drift import LEADS_NEEDED, NEWEST_DAYS, Drift, drift_of

DAY_S = 86_400.0
SILENCE = FEATURE_NAMES.index("silence_days")


@pytest.fixture(name="model", scope="module")
def _model() -> Model:
    return shipped_model("lead_score")


def months(model: Model, *, rate: float = 1.0, silence: float = 0.0, leads: int = 300) -> Table:
    """Two months of which the second may differ: ``rate`` times as many outcomes, ``silence`` added to that input."""
    rng = np.random.default_rng(7)
    x = np.zeros((2 * leads, len(FEATURE_NAMES)))
    x[:, SILENCE] = rng.gamma(1.2, 0.8, 2 * leads)
    x[:, FEATURE_NAMES.index("active_days")] = rng.gamma(2.0, 0.5, 2 * leads)
    newest = np.arange(2 * leads) >= leads
    x[newest, SILENCE] += silence
    said = np.array([model.predict(row) for row in x])
    y = (rng.random(2 * leads) < np.clip(said * np.where(newest, rate, 1.0), 0, 1)).astype(np.float64)
    at = np.where(newest, NEWEST_DAYS * DAY_S, 0.0) + rng.random(2 * leads)
    return Table(x, y, at, rng.random(2 * leads))


def drift(model: Model, rows: Table) -> Drift:
    found = drift_of(model, rows, days=14)
    assert found is not None
    json.dumps(found.as_dict())
    return found


def test_a_month_like_the_others_is_silent(model: Model) -> None:
    found = drift(model, months(model))
    assert not found.rings
    assert found.in_words().startswith("no drift")


def test_an_input_that_moved_is_named(model: Model) -> None:
    found = drift(model, months(model, silence=2.0))
    assert found.rings
    assert any(reason.startswith("silence_days moved (PSI ") for reason in found.reasons)
    assert any(reason.startswith("scores moved") for reason in found.reasons)


def test_outcomes_that_no_longer_follow_the_scores_ring_though_no_input_moved(model: Model) -> None:
    found = drift(model, months(model, rate=6.0, leads=800))
    assert max(found.inputs.values()) < 0.25
    assert any("instead of" in reason for reason in found.reasons)
    assert any(reason.startswith("said ") for reason in found.reasons)
    assert found.in_words().startswith("DRIFT: ")


def test_too_few_leads_say_nothing(model: Model) -> None:
    assert drift_of(model, months(model, leads=LEADS_NEEDED - 1), days=14) is None
    empty = months(model).where(np.zeros(600, dtype=np.bool_))
    assert drift_of(model, empty, days=14) is None
