"""The figures agree with scikit-learn, ties and all, and say NaN where there is no answer; folds never see the future."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, ndcg_score, roc_auc_score

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.evaluation import (
    auc,
    average_precision,
    brier,
    dated_folds,
    ece,
    expected_count_correlation,
    figures,
    group_draws,
    judged_lists,
    lift_at_10,
    measure,
    mrr,
    ndcg_at_k,
    reliability,
    rolling_origins,
    rolling_windows,
    top_hits,
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


def test_ties_at_the_edge_of_the_top_count_as_the_mean_over_their_orders() -> None:
    y, same = np.repeat([1.0, 0.0], [30, 70]), np.full(100, 0.5)
    for truth in (y, y[::-1]):
        assert lift_at_10(truth, same) == pytest.approx(1.0)
        assert top_hits(truth, same, 20) == pytest.approx(6.0)
    best_first = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    assert top_hits(np.array([1.0, 1.0, 0.0, 0.0, 1.0]), best_first, 2) == pytest.approx(1 + 1 / 3)
    assert top_hits(np.array([1.0, 1.0, 0.0, 0.0, 1.0]), best_first, 9) == 3.0


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


def test_figures_carry_the_names_of_the_json_and_none_where_there_is_no_answer() -> None:
    y, p = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.1, 0.9, 0.4, 0.4])
    found = figures(y, p)
    assert list(found) == ["n", "base_rate", "auc", "ap", "brier", "ece", "lift_at_10"]
    assert (found["n"], found["base_rate"], found["auc"]) == (4, 0.5, 0.875)
    assert found["ap"] == pytest.approx(average_precision_score(y, p))
    one_class = figures(np.ones(3), np.full(3, 0.2))
    assert (one_class["auc"], one_class["n"]) == (None, 3)
    assert figures(np.array([]), np.array([])) == {"n": 0} | dict.fromkeys(
        ("base_rate", "auc", "ap", "brier", "ece", "lift_at_10")
    )


def test_expected_counts_are_judged_by_their_correlation() -> None:
    rng = np.random.default_rng(0)
    expected = rng.gamma(1.0, 2.0, 500)
    actual = rng.poisson(expected).astype(np.float64)
    assert expected_count_correlation(actual, expected) == pytest.approx(np.corrcoef(actual, expected)[0, 1])
    assert math.isnan(expected_count_correlation(actual, np.ones(500)))
    assert math.isnan(expected_count_correlation(np.ones(1), np.ones(1)))


# --- lists --------------------------------------------------------------------------------------------------------

graded_lists = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=14), min_size=1, max_size=5
)


def _columns(
    lists: list[list[tuple[int, int]]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [(grade, score, number) for number, items in enumerate(lists) for grade, score in items]
    grades, scores, keys = zip(*rows, strict=True)
    return np.array(grades, float), np.array(scores, float), np.array(keys, np.int64)


@settings(max_examples=150, deadline=None)
@given(graded_lists, st.sampled_from([3, 10]))
def test_ndcg_agrees_with_scikit_learn_list_by_list(lists: list[list[tuple[int, int]]], k: int) -> None:
    grades, scores, keys = _columns(lists)
    # scikit-learn's gain is the grade itself, and like ours it shares ties
    each = [
        ndcg_score([2.0 ** grades[keys == key] - 1], [scores[keys == key]], k=k)
        for key in range(len(lists))
        if grades[keys == key].any()
    ]
    assert judged_lists(grades, keys) == len(each)
    shuffled = np.random.default_rng(0).permutation(keys.size)
    for order in (np.arange(keys.size), shuffled):
        found = ndcg_at_k(grades[order], scores[order], keys[order], k=k)
        assert found == pytest.approx(np.mean(each)) if each else math.isnan(found)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=2, max_size=6))
def test_mrr_is_the_mean_over_every_order_of_the_ties(items: list[tuple[int, int]]) -> None:
    grades, scores, keys = _columns([items])
    found = mrr(grades, scores, keys)
    if not grades.any():
        assert math.isnan(found)
        return
    orders = [
        order
        for order in itertools.permutations(range(len(items)))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    expected = np.mean([1 / (1 + next(i for i, row in enumerate(order) if grades[row])) for order in orders])
    assert found == pytest.approx(expected)


def test_lists_may_be_named_by_words_and_stand_in_any_order() -> None:
    grades, scores = np.array([0.0, 2, 0, 1]), np.array([0.9, 0.5, 0.1, 0.7])
    names = np.array(["x", "x", "y", "y"])
    assert mrr(grades, scores, names) == pytest.approx((1 / 2 + 1) / 2)
    assert ndcg_at_k(grades, scores, names) == pytest.approx((1 / math.log2(3) + 1) / 2)


# --- rows ---------------------------------------------------------------------------------------------------------


def test_origins_go_forward_from_the_first_to_the_last() -> None:
    np.testing.assert_allclose(rolling_origins(10.0, 20.0, 4.0), [10.0, 14.0, 18.0])
    np.testing.assert_allclose(rolling_origins(10.0, 18.0, 4.0), [10.0, 14.0, 18.0])
    assert rolling_origins(10.0, 9.0, 4.0).size == 0
    with pytest.raises(InputError, match="step"):
        rolling_origins(0.0, 1.0, 0.0)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1_000), st.integers(0, 9)), min_size=1, max_size=80),
    st.floats(0, 300),
)
def test_no_label_of_a_fold_looks_into_the_next_and_no_lead_that_trained_judges(
    rows: list[tuple[float, int]], horizon: float
) -> None:
    at = np.array([row[0] for row in rows])
    lead = np.array([row[1] for row in rows])
    draws = group_draws(str(number) for number in range(10))[lead]
    folds = dated_folds(at, horizon_s=horizon, shares=(0.5, 0.8), group=draws)
    for earlier, later in ((folds.train, folds.validation), (folds.validation, folds.test)):
        if earlier.any() and later.any():
            assert at[earlier].max() + horizon <= at[later].min() + 1e-9
    assert not set(lead[folds.train]) & set(lead[folds.validation | folds.test])
    assert not (folds.validation & folds.test).any()


def test_folds_without_groups_use_every_lead_on_both_sides() -> None:
    at = np.arange(100.0)
    folds = dated_folds(at, horizon_s=5.0, shares=(0.5, 0.8))
    assert [int(mask.sum()) for mask in folds] == [45, 25, 20]
    empty = dated_folds(np.zeros(0), horizon_s=5.0, shares=(0.5, 0.8))
    assert [mask.size for mask in empty] == [0, 0, 0]


def test_a_lead_draws_the_same_number_every_time_and_draws_are_even() -> None:
    draws = group_draws(str(number) for number in range(2_000))
    assert group_draws(["7"])[0] == draws[7]
    assert 0 <= draws.min() < draws.max() < 1
    assert abs(draws.mean() - 0.5) < 0.03


def test_windows_roll_over_every_row_once_and_learn_only_from_rows_before() -> None:
    windows = list(rolling_windows(23, step=5, window=8, start=6))
    judged = [row for window in windows for row in range(23)[window.judged]]
    assert judged == list(range(6, 23))
    for window in windows:
        assert window.train.stop == window.judged.start
        assert window.train.stop - window.train.start <= 8
    with pytest.raises(InputError, match="first judged row"):
        rolling_windows(10, step=1, window=3, start=10)
    with pytest.raises(InputError, match="1 or more"):
        rolling_windows(10, step=0, window=3, start=5)
