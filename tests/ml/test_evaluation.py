"""The metrics agree with scikit-learn, ties and all, and say NaN where the question has no answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from ghl_real_estate_ai.ml.evaluation import (
    auc,
    average_precision,
    brier,
    ece,
    lift_at_10,
    measure,
    reliability,
)

# few distinct values, so that ties are the rule
pairs = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.integers(0, 8)), min_size=2, max_size=60)


@settings(max_examples=200, deadline=None)
@given(pairs)
def test_ranking_and_accuracy_agree_with_scikit_learn(rows: list[tuple[float, int]]) -> None:
    y, p = np.array([r[0] for r in rows]), np.array([r[1] / 8 for r in rows])
    assert brier(y, p) == pytest.approx(brier_score_loss(y, p))
    if y.sum() > 0:
        assert average_precision(y, p) == pytest.approx(average_precision_score(y, p))
    if 0 < y.sum() < y.size:
        assert auc(y, p) == pytest.approx(roc_auc_score(y, p))


def test_a_perfect_ranking_scores_one_and_lifts_fully() -> None:
    y = np.repeat([1.0, 0.0], [10, 90])
    p = np.linspace(0.99, 0.01, 100)
    metrics = measure(y, p)
    assert (metrics.auc, metrics.average_precision, metrics.lift_at_10) == (1.0, 1.0, 10.0)


def test_calibrated_answers_have_no_calibration_error_and_shifted_ones_have_their_shift() -> None:
    p = np.repeat([0.25, 0.75], 400)
    y = np.concatenate([np.tile([1.0, 0, 0, 0], 100), np.tile([1.0, 1, 1, 0], 100)])
    assert ece(y, p) == pytest.approx(0.0)
    assert ece(y, p + 0.1) == pytest.approx(0.1)


def test_reliability_bins_hold_every_row_once_and_keep_ties_together() -> None:
    rng = np.random.default_rng(0)
    p = np.round(rng.random(1_000), 1)
    y = (rng.random(1_000) < p).astype(np.float64)
    table = reliability(y, p)
    assert sum(bin_.rows for bin_ in table) == 1_000
    assert [bin_.mean_predicted for bin_ in table] == sorted(bin_.mean_predicted for bin_ in table)
    assert len(table) <= 11
    assert sum(bin_.rows * bin_.observed for bin_ in table) == pytest.approx(y.sum())


def test_questions_without_an_answer_are_nan() -> None:
    nothing, ones, half = np.array([]), np.ones(5), np.full(5, 0.5)
    assert math.isnan(auc(ones, half))
    assert math.isnan(average_precision(np.zeros(5), half))
    assert math.isnan(lift_at_10(np.zeros(5), half))
    assert math.isnan(brier(nothing, nothing))
    assert math.isnan(ece(nothing, nothing))
    assert reliability(nothing, nothing) == ()
