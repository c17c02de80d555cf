"""Every model in service passes the shared battery: what ships, and what a fresh fit makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ghl_real_estate_ai.ml.artifacts import (
    SHIPPED_DIR,
    Model,
    content_version,
    load_model,
    save_model,
    shipped_model,
)
from ghl_real_estate_ai.ml.features import FEATURE_NAMES, FEATURES
from ghl_real_estate_ai.ml.fitting import Trees, fit_trees
from ghl_real_estate_ai.ml.history import Table
from ghl_real_estate_ai.ml.targets import Target
from ghl_real_estate_ai.ml.training import TARGETS
from tests.contracts import model_checks
from tests.support.city_history import tables_of, village_events

pytestmark = pytest.mark.untraced

CASES = [(target, origin) for target in TARGETS for origin in ("shipped", "fresh")]


def _noise(target: Target, seed: int) -> Table:
    """Rows whose answer leans on every input the way it should, plus chance."""
    rng = np.random.default_rng(seed)
    x = rng.gamma(1.5, 0.8, size=(4_000, len(FEATURE_NAMES)))
    lean = [0.5 * (target.direction(spec) or 1) for spec in FEATURES]
    odds = (x - x.mean(axis=0)) @ np.array(lean)
    y = (rng.random(4_000) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    return Table(x=x, y=y, at=np.zeros(4_000), draw=rng.random(4_000))


def _fit(target: Target, seed: int) -> Trees:
    return fit_trees(target, _noise(target, 1), _noise(target, 2), seed=seed)


def _card(target: Target, trees: Trees) -> dict[str, object]:
    return {
        "stamp": {
            "name": target.name,
            "version": content_version(trees.text),
            "fitted_on": "noise with a lean",
            "simulated": True,
        },
        "feature_names": list(trees.inputs),
        "horizon_days": target.horizon_days,
        "calibration": [0.9, -0.1],
    }


@pytest.fixture(name="case", params=CASES, ids=lambda case: f"{case[0].name}-{case[1]}", scope="module")
def _case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Target, Model, Path]:
    target, origin = request.param
    if origin == "shipped":
        return target, shipped_model(target.name), SHIPPED_DIR / f"{target.name}.json"
    trees = _fit(target, seed=0)
    path = save_model(trees.text, _card(target, trees), tmp_path_factory.mktemp("models"))
    return target, load_model(path), path


@pytest.fixture(name="rows", scope="module")
def _rows() -> model_checks.Rows:
    tables = tables_of(village_events())
    x = np.concatenate([table.x for table in tables.values()])
    return x[np.random.default_rng(0).choice(len(x), 60, replace=False)]


def test_answers_are_probabilities(case: tuple[Target, Model, Path], rows: model_checks.Rows) -> None:
    model_checks.answers_are_probabilities(case[1], rows)


def test_input_is_not_mutated(case: tuple[Target, Model, Path], rows: model_checks.Rows) -> None:
    model_checks.input_is_not_mutated(case[1], rows)


def test_same_question_same_answer(case: tuple[Target, Model, Path], rows: model_checks.Rows) -> None:
    model_checks.same_question_same_answer(case[1], rows)


def test_unknown_and_extreme_inputs_survive(
    case: tuple[Target, Model, Path], rows: model_checks.Rows
) -> None:
    model_checks.unknown_and_extreme_survive(case[1], rows)


def test_monotone_where_promised(case: tuple[Target, Model, Path], rows: model_checks.Rows) -> None:
    target, model, _ = case
    model_checks.monotone_where_promised(
        lambda varied: np.array([model.predict(row) for row in varied]),
        rows,
        {spec.name: target.direction(spec) for spec in FEATURES},
    )


def test_every_named_input_moves_the_answer_and_no_other(
    case: tuple[Target, Model, Path], rows: model_checks.Rows
) -> None:
    model_checks.every_input_moves_the_answer(case[1], rows)


def test_contributions_add_up_to_the_answer(
    case: tuple[Target, Model, Path], rows: model_checks.Rows
) -> None:
    model_checks.contributions_add_up(case[1], rows)


def test_sooner_is_never_likelier(case: tuple[Target, Model, Path], rows: model_checks.Rows) -> None:
    model_checks.sooner_is_never_likelier(case[1], rows)


def test_an_interval_holds_the_answer(case: tuple[Target, Model, Path], rows: model_checks.Rows) -> None:
    model_checks.interval_holds_the_answer(case[1], rows)


def test_saved_and_loaded_is_the_same(case: tuple[Target, Model, Path], rows: model_checks.Rows) -> None:
    model_checks.saved_and_loaded_is_the_same(case[1], rows, case[2])


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_same_seed_and_rows_give_the_same_model(target: Target) -> None:
    assert _fit(target, seed=3).text == _fit(target, seed=3).text
