"""The learners of an order on any table: graded probabilities, LambdaRank, and their blend; regression as the baseline.

Called by ml/list_ranking.py. lightgbm is imported inside the functions that fit: a heavy start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ghl_real_estate_ai.ml.evaluation import Array, ndcg_at_k
from ghl_real_estate_ai.ml.lambdarank import JudgedLists, fit_lambdarank

NEWEST_SHARE: Final = 0.2
"""The newest rows: they decide how many trees and which blend, then everything is fitted anew on all rows."""
FEWEST_ROWS: Final = 60
"""Fewer judged rows, and no part of them is held out: small models of a fixed size."""
SHARES: Final = (0.0, 0.25, 0.5)
"""Of LambdaRank in the blend: the smallest that is not clearly worse than the best."""
CLEAR_GAIN: Final = 0.003
SEEDS: Final = (7, 8, 9)
_MOST_TREES: Final = 300
_SMALL_TREES: Final = 40
_PARAMETERS: Final[Mapping[str, object]] = {
    "num_leaves": 31,
    "learning_rate": 0.05,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}

Order = Callable[[Array], Array]
"""Inputs (n, columns) to scores (n,): higher stands first."""


@dataclass(frozen=True, slots=True)
class LearntOrder:
    """The blend, how it came about, and how far each input moves it (empty: all judgements were the same)."""

    score: Order
    share_of_lambdarank: float
    trees: Mapping[str, int]
    held_out_ndcg: Mapping[str, float]
    importance: Mapping[str, float]


def fit_order(judged: JudgedLists, names: Sequence[str], *, say: Callable[[str], None]) -> LearntOrder:
    """Rows oldest first. Settled on the newest fifth, then fitted on all; the same rows give the same order."""
    if np.unique(judged.grades).size < 2:
        return LearntOrder(lambda x: np.zeros(len(x)), 0.0, {}, {}, {})
    if judged.grades.size < FEWEST_ROWS:
        return _fitted(judged, names, trees=(_SMALL_TREES, _SMALL_TREES), share=0.0, held_out={})
    newest = np.arange(judged.grades.size) >= round((1 - NEWEST_SHARE) * judged.grades.size)
    older, newer = judged.rows(~newest), judged.rows(newest)
    say("fitting graded probabilities")
    graded, count = _fit_graded(older, newer, rounds=_MOST_TREES, seed=SEEDS[0])
    say("fitting LambdaRank")
    ranker = fit_lambdarank(older, validation=newer, rounds=_MOST_TREES)
    by_grade = _on_one_scale(graded, older.x)(newer.x)
    by_list = _on_one_scale(_from_text(ranker.text), older.x)(newer.x)
    held_out = {
        f"{share:g} lambdarank": ndcg_at_k(
            newer.grades, (1 - share) * by_grade + share * by_list, newer.lists
        )
        for share in SHARES
    }
    best = max(held_out.values())
    share = next(
        share for share, found in zip(SHARES, held_out.values(), strict=True) if found >= best - CLEAR_GAIN
    )
    say("fitting on all rows")
    return _fitted(judged, names, trees=(count, ranker.trees), share=share, held_out=held_out)


def fit_regression(judged: JudgedLists) -> Order:
    """The plain baseline: LightGBM's defaults on the gain of each row, blind to lists."""
    import lightgbm  # heavy start, see above

    parameters = {
        "objective": "regression",
        "num_threads": 1,
        "deterministic": True,
        "seed": 7,
        "verbosity": -1,
    }
    booster = lightgbm.train(parameters, lightgbm.Dataset(judged.x, np.exp2(judged.grades) - 1.0))
    return lambda x: np.asarray(booster.predict(x), dtype=np.float64)


def _on_one_scale(order: Order, rows: Array) -> Order:
    """The same order, mean 0 and deviation 1 on ``rows``: two learners can be added up."""
    scores = order(rows)
    mean, spread = float(scores.mean()), float(scores.std())
    return lambda x: (order(x) - mean) / (spread if spread > 0 else 1.0)


def _fitted(
    judged: JudgedLists,
    names: Sequence[str],
    *,
    trees: tuple[int, int],
    share: float,
    held_out: Mapping[str, float],
) -> LearntOrder:
    members = [_fit_graded(judged, None, rounds=trees[0], seed=seed)[0] for seed in SEEDS]
    graded = _on_one_scale(lambda x: np.mean([member(x) for member in members], axis=0), judged.x)
    ranker = None
    if share:
        text = fit_lambdarank(judged, rounds=trees[1]).text
        ranker = _on_one_scale(_from_text(text), judged.x)

    def score(x: Array) -> Array:
        return graded(x) if ranker is None else (1 - share) * graded(x) + share * ranker(x)

    return LearntOrder(
        score=score,
        share_of_lambdarank=share,
        trees={"graded": trees[0], "lambdarank": trees[1] if share else 0},
        held_out_ndcg=held_out,
        importance=_importance(score, judged.x, names),
    )


def _fit_graded(
    older: JudgedLists, newer: JudgedLists | None, *, rounds: int, seed: int
) -> tuple[Order, int]:
    """Expected gain from the probability of each grade (Li, Burges and Wu 2007, McRank); trees by the log loss of newer rows."""
    import lightgbm  # heavy start, see above

    grades = np.unique(older.grades)
    if grades.size < 2:
        return (lambda x: np.zeros(len(x))), 0
    code = np.searchsorted(grades, older.grades)
    parameters = {
        **_PARAMETERS,
        "objective": "multiclass",
        "num_class": int(grades.size),
        "min_data_in_leaf": int(np.clip(older.grades.size // 100, 5, 30)),
        "seed": seed,
    }
    data = lightgbm.Dataset(older.x, code)
    watched, callbacks = [], []
    if newer is not None and np.isin(newer.grades, grades).all():
        watched = [lightgbm.Dataset(newer.x, np.searchsorted(grades, newer.grades), reference=data)]
        callbacks = [lightgbm.early_stopping(25, verbose=False)]
    booster = lightgbm.train(
        parameters, data, num_boost_round=rounds, valid_sets=watched, callbacks=callbacks
    )
    count = booster.best_iteration or rounds
    gain = np.exp2(grades) - 1.0
    return (lambda x: np.asarray(booster.predict(x, num_iteration=count)) @ gain), count


def _from_text(text: str) -> Order:
    import lightgbm  # heavy start, see above

    booster = lightgbm.Booster(model_str=text)
    return lambda x: np.asarray(booster.predict(x), dtype=np.float64)


def _importance(score: Order, x: Array, names: Sequence[str], *, rows: int = 2_000) -> dict[str, float]:
    """How far the scores of up to ``rows`` rows move, on average, when an input is set to its median: nothing random."""
    sample = x[:: max(1, len(x) // rows)]
    plain = score(sample)
    moved: dict[str, float] = {}
    for place, name in enumerate(names):
        without = sample.copy()
        known = sample[:, place][np.isfinite(sample[:, place])]
        without[:, place] = np.median(known) if known.size else np.nan
        moved[name] = float(np.mean(np.abs(score(without) - plain)))
    return moved
