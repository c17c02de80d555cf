"""LambdaRank by LightGBM: fitted on judged lists, served by LightGBM's C API.

Called by ml/list_models.py (fit, on any table), ml/match_rank.py (fit and serve, for matches). Source: Burges (2010),
"From RankNet to LambdaRank to LambdaMART". lightgbm is imported inside the function that fits: a heavy start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.ml.evaluation import Array, ndcg_at_k

Lists = npt.NDArray[np.int64]

LONGEST_LIST: Final = 100
"""A longer list is cut into pieces of so many rows, in their order: pairs grow with the square, and LightGBM stops at 10,000."""
TRUNCATION: Final = 20  # pairs above this place count: what is judged is the first ten
PATIENCE: Final = 25
_PARAMETERS: Final[dict[str, object]] = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": TRUNCATION,
    "num_leaves": 15,
    "learning_rate": 0.05,
    "min_data_in_leaf": 30,
    "lambda_l2": 5.0,
    "feature_fraction": 0.8,
    "monotone_constraints_method": "intermediate",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True)
class JudgedLists:
    """Rows of lists, oldest first: inputs (n, columns), grades (0, 1, 2 ... whole numbers), and the list of each row."""

    x: Array
    grades: Array
    lists: Lists

    def rows(self, mask: npt.NDArray[np.bool_]) -> JudgedLists:
        """The rows of a mask."""
        return JudgedLists(self.x[mask], self.grades[mask], self.lists[mask])


@dataclass(frozen=True, slots=True)
class FittedOrder:
    """LightGBM's text and the number of its trees."""

    text: str
    trees: int


def fit_lambdarank(
    train: JudgedLists,
    *,
    directions: Sequence[int] | None = None,
    validation: JudgedLists | None = None,
    rounds: int,
    seed: int = 7,
) -> FittedOrder:
    """With ``validation``: as many trees, up to ``rounds``, as order its lists best. ``directions``: +1, 0 or -1 per input.

    Inputs go by place: LightGBM refuses names with a colon or a comma in them.
    """
    import lightgbm  # heavy start, see above

    parameters = {**_PARAMETERS, "seed": seed, "label_gain": gains(train, validation)}
    if directions is not None:
        parameters["monotone_constraints"] = list(directions)
    ordered, sizes = _pieces(train)
    data = lightgbm.Dataset(ordered.x, ordered.grades, group=sizes)
    booster = lightgbm.train(parameters, data, num_boost_round=rounds)
    count = rounds if validation is None else _best_count(booster, validation, rounds)
    return FittedOrder(booster.model_to_string(num_iteration=count), count)


def gains(*folds: JudgedLists | None) -> list[float]:
    """2^grade - 1 for every grade that occurs, and those below."""
    highest = max(int(fold.grades.max()) for fold in folds if fold is not None and fold.grades.size)
    return [float(2**grade - 1) for grade in range(highest + 1)]


def _best_count(booster: object, validation: JudgedLists, rounds: int) -> int:
    """By NDCG@10 with ties shared out, looked at every few trees; LightGBM's own NDCG orders ties by the file."""
    counts = range(10, rounds + 1, 10)
    found = {
        count: ndcg_at_k(
            validation.grades,
            np.asarray(booster.predict(validation.x, num_iteration=count)),  # type: ignore[attr-defined]  # reason: lightgbm ships no types
            validation.lists,
        )
        for count in counts
    }
    return max(found, key=lambda count: (round(found[count], 4), -count)) if found else rounds


def _pieces(fold: JudgedLists) -> tuple[JudgedLists, npt.NDArray[np.int64]]:
    """The rows list by list, and the size of each piece."""
    order = np.argsort(fold.lists, kind="stable")
    lists = fold.lists[order]
    starts = np.flatnonzero(np.append(True, lists[1:] != lists[:-1]))
    place = np.arange(lists.size) - np.repeat(starts, np.diff(np.append(starts, lists.size)))
    begins = np.flatnonzero((place % LONGEST_LIST) == 0)
    sizes = np.diff(np.append(begins, lists.size)).astype(np.int64)
    return JudgedLists(fold.x[order], fold.grades[order], lists), sizes
