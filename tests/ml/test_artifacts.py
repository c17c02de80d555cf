"""An artifact answers exactly as LightGBM does, without its package, and a bad one is refused with the fix."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from ghl_real_estate_ai.errors import ModelArtifactError
from ghl_real_estate_ai.ml.artifacts import (
    BASE,
    SHIPPED_DIR,
    Model,
    content_version,
    load_model,
    open_library,
    save_model,
    shipped_model,
)
from ghl_real_estate_ai.ml.features import FEATURE_NAMES
from ghl_real_estate_ai.ml.hazard import with_period
from ghl_real_estate_ai.ml.shrinkage import prior_only

ROWS = np.random.default_rng(1).gamma(1.5, 1.0, size=(100, len(FEATURE_NAMES)))
ROWS[::7, 3] = np.nan


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A copy of what ships, to be spoilt."""
    return Path(shutil.copytree(SHIPPED_DIR, tmp_path / "models"))


def _rewrite(folder: Path, **changes: object) -> Path:
    card = folder / "lead_score.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), **changes}))
    return card


def _inputs(model: Model) -> np.ndarray:
    return ROWS[:, [FEATURE_NAMES.index(feature) for feature in model.feature_names]]


def test_log_odds_and_contributions_are_lightgbms_own() -> None:
    model = shipped_model("lead_score")
    booster = lightgbm.Booster(model_file=SHIPPED_DIR / "lead_score.lgb.txt")
    slope, offset = model.card["calibration"]  # type: ignore[misc]
    expected = slope * np.asarray(booster.predict(_inputs(model), raw_score=True)) + offset
    np.testing.assert_allclose([model.log_odds(row) for row in ROWS], expected, rtol=1e-12)
    shares = np.asarray(booster.predict(_inputs(model), pred_contrib=True))[:, :-1] * slope
    said = [[v for k, v in model.contributions(row).items() if k != BASE] for row in ROWS]
    np.testing.assert_allclose(said, shares, atol=1e-12)


@pytest.mark.parametrize("name", ["won", "churn_risk"])
def test_a_hazards_answer_comes_from_lightgbms_own_hazard_in_each_period(name: str) -> None:
    model = shipped_model(name)
    booster = lightgbm.Booster(model_file=SHIPPED_DIR / f"{name}.lgb.txt")
    rows = [with_period(_inputs(model), number) for number in range(len(model.periods))]
    hazards = 1 / (
        1 + np.exp(-np.column_stack([np.asarray(booster.predict(x, raw_score=True)) for x in rows]))
    )
    slope, offset = model.card["calibration"]  # type: ignore[misc]
    for days in (model.periods[1], math.inf):
        seen = [end <= days for end in model.periods]
        stays_away = np.prod(1 - hazards[:, seen], axis=1)
        p = stays_away if model.card["silence"] else 1 - stays_away
        expected = slope * np.log(p / (1 - p)) + offset
        np.testing.assert_allclose([model.log_odds(row, days=days) for row in ROWS], expected, rtol=1e-7)


def test_within_fewer_days_less_is_likely() -> None:
    model = shipped_model("won")
    for row in ROWS[:20]:
        answers = [model.within(row, days=end) for end in model.periods]
        assert answers == sorted(answers)
        assert answers[-1] == model.predict(row)


def test_calibration_bends_the_log_odds_and_contributions_alike(folder: Path) -> None:
    plain, bent = shipped_model("lead_score"), load_model(_rewrite(folder, calibration=[0.5, 0.25]))
    for row in ROWS[:10]:
        assert bent.log_odds(row) == pytest.approx(0.5 * plain.log_odds(row) + 0.25)
        q = bent.predict(row)
        assert sum(bent.contributions(row).values()) == pytest.approx(np.log(q / (1 - q)))


def test_another_belief_moves_the_answer_and_leaves_the_shared_trees_alone() -> None:
    shipped = shipped_model("lead_score")
    prior = prior_only("lead_score", np.array(shipped.card["scores"]))
    assert prior is not None
    moved = shipped.recalibrated(prior)
    before = [shipped.predict(row) for row in ROWS]
    assert [moved.answer(row) for row in ROWS] == [prior.answer(shipped.log_odds(row)) for row in ROWS]
    assert [shipped.predict(row) for row in ROWS] == before
    assert [moved.predict(row) for row in ROWS] == [moved.answer(row).probability for row in ROWS]
    assert moved.text is shipped.text
    assert moved.stamp.version != shipped.stamp.version, "who answers otherwise is somebody else"
    assert shipped.recalibrated(prior).stamp == moved.stamp


def test_a_belief_is_part_of_the_version(folder: Path) -> None:
    card = json.loads((folder / "lead_score.json").read_text())
    other = {**card["recalibration"], "slope": 0.9}
    with pytest.raises(ModelArtifactError, match="does not match its card"):
        load_model(_rewrite(folder, recalibration=other))
    with pytest.raises(ModelArtifactError, match="recalibration"):
        load_model(_rewrite(folder, recalibration="none"))


@pytest.mark.untraced
def test_serving_imports_neither_lightgbm_nor_its_friends() -> None:
    code = (
        "import sys, numpy as np\n"
        "from ghl_real_estate_ai.services.churn_prediction_service import ChurnPredictionService\n"
        "from ghl_real_estate_ai.ml.artifacts import shipped_model\n"
        "from ghl_real_estate_ai.ml.features import FEATURE_NAMES\n"
        "shipped_model('churn_risk').predict(np.zeros(len(FEATURE_NAMES)))\n"
        "print(sorted({'lightgbm', 'sklearn', 'pandas', 'scipy', 'polars'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_threads_may_share_a_model() -> None:
    model = shipped_model("churn_risk")
    alone = [model.predict(row) for row in ROWS]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: [model.predict(row) for row in ROWS], range(40)))
    assert all(found == alone for found in together)


def test_saving_writes_both_files_and_leaves_no_draft(tmp_path: Path) -> None:
    shipped = shipped_model("lead_score")
    text = (SHIPPED_DIR / "lead_score.lgb.txt").read_text()
    path = save_model(text, shipped.card, tmp_path / "new" / "place")
    assert sorted(p.name for p in path.parent.iterdir()) == ["lead_score.json", "lead_score.lgb.txt"]
    assert load_model(path).stamp == shipped.stamp
    assert shipped.stamp.version == content_version(text, shipped.card["recalibration"])


def test_a_model_that_cannot_be_loaded_is_never_saved(tmp_path: Path) -> None:
    with pytest.raises(ModelArtifactError):
        save_model("not a model", shipped_model("lead_score").card, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named_with_the_fix(folder: Path) -> None:
    (folder / "lead_score.lgb.txt").unlink()
    with pytest.raises(ModelArtifactError, match=r"lead_score.*enterprisehub train"):
        load_model(folder / "lead_score.json")
    with pytest.raises(ModelArtifactError, match="nothing"):
        shipped_model("nothing")


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-5_000], lambda t: t.replace("leaf_value=", "leaf_value=9", 1)]
)
def test_a_damaged_text_is_refused_before_it_reaches_native_code(folder: Path, spoil) -> None:
    text = folder / "lead_score.lgb.txt"
    text.write_text(spoil(text.read_text()))
    with pytest.raises(ModelArtifactError, match="does not match its card"):
        load_model(folder / "lead_score.json")


def test_a_text_that_lightgbm_refuses_is_an_artifact_error(folder: Path) -> None:
    stamp = {
        **json.loads((folder / "lead_score.json").read_text())["stamp"],
        "version": content_version("tree\n"),
    }
    bare = {"stamp": stamp, "recalibration": None}
    (folder / "lead_score.lgb.txt").write_text("tree\n")
    with pytest.raises(ModelArtifactError, match="LightGBM"):
        load_model(_rewrite(folder, **bare))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature_names": ["silence_days", "shoe_size"]}, r"shoe_size.*enterprisehub train"),
        ({"feature_names": []}, "none named"),
        ({"feature_names": ["silence_days"]}, r"takes \d+ inputs, its card names 1"),
        ({"feature_names": "silence_days"}, "expected a list"),
        ({"stamp": {"name": "lead_score"}}, "model card"),
        ({"calibration": [1.0]}, "model card"),
        ({"calibration": None}, "model card"),
        ({"horizon_days": "soon"}, "model card"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(folder: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelArtifactError, match=message):
        load_model(_rewrite(folder, **changes))


@pytest.mark.parametrize("content", ["{", "[1, 2]"])
def test_a_card_that_is_no_object_is_refused(folder: Path, content: str) -> None:
    (folder / "lead_score.json").write_text(content)
    with pytest.raises(ModelArtifactError, match="enterprisehub train"):
        load_model(folder / "lead_score.json")


def test_a_missing_or_broken_library_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelArtifactError, match="not installed"):
        open_library([])
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "lib_lightgbm.so").write_bytes(b"no library")
    with pytest.raises(ModelArtifactError, match="libgomp1"):
        open_library([str(tmp_path)])


def test_dropped_models_give_their_native_memory_back() -> None:
    import resource

    text, card = (SHIPPED_DIR / "lead_score.lgb.txt").read_text(), shipped_model("lead_score").card
    for _ in range(20):
        Model(text, card)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        Model(text, card)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 20_000, "200 leaked models would hold some 100 MB"
