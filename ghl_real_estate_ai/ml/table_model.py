"""A probability for each row of a table: three learners that differ, blended by what they said of rows they had not seen.

Called by ml/table_score.py and ml/rolling.py. lightgbm and scikit-learn are imported inside the functions that fit.

The learners: a ridge logistic regression on smooth inputs; boosted trees of four leaves, which add up single effects and a
few pairs; boosted trees of eight leaves with random cuts, which find more and trust each cut less; and, where rows stand in
time's order, a logistic regression that forgets. How hard each is held back (ridge, number of trees, memory) and how much
each counts is decided on folds: forward in time, or interleaved where the order says nothing. Weights are drawn to equal
shares by a prior, so few rows cannot overturn them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.ml.column_encoding import Design, TableEncoder, fit_encoder
from ghl_real_estate_ai.ml.table_inputs import Array, Inputs

Rows = npt.NDArray[np.int64]

FOLDS: Final = 4
FORWARD_FROM: Final = 0.5
"""Share of the rows that the first forward fold learns from."""
ENOUGH_RARE: Final = 30
"""Outcomes of the rarer kind below which trees and folds say nothing, and one logistic regression under a strong prior answers."""
_FOLD_RARE: Final = 10
RIDGES: Final = (0.003, 0.03, 0.3)
"""Prior variance of a standardised coefficient: from hardly any effect to as much as the rows show."""
THIN_RIDGE: Final = 0.01
FORGETFUL_RIDGE: Final = 0.01
TREES: Final = (15, 30, 60, 100, 150, 250)
_LEARNING_RATE: Final = 0.08
MEMORIES: Final = (0.25, 0.0625)
"""Half-lives of the learners that forget, as shares of the rows."""
_NEWTON_INPUTS: Final = 400
"""Up to so many inputs Newton's method needs few steps and each is cheap."""
_SUM_WIDTH: Final = 0.1
_WEIGHT_WIDTH: Final = 0.2
"""Prior standard deviation of a learner's weight around its equal share."""


class Lesson(NamedTuple):
    """Rows to learn from: oldest first, if their order is time."""

    inputs: Inputs
    encoder: TableEncoder
    design: Design
    y: Array
    weight: Array
    seed: int


class Question(NamedTuple):
    """Rows to answer for, plain and encoded by the lesson's encoder."""

    inputs: Inputs
    design: Design


Fitted = Callable[[Question, float], Array]
"""Rows and a setting to log-odds."""


class Learner(NamedTuple):
    """One way to learn, and the settings among which the folds choose."""

    name: str
    fit: Callable[[Lesson], Fitted]
    settings: tuple[float, ...]
    thin: float
    """The setting where there are no folds to choose by."""
    share: float
    """Its weight in the blend before any fold has spoken, against the others'."""


def _ridge(design: Design, y: Array, weight: Array, ridge: float) -> Callable[[Design], Array]:
    from sklearn.linear_model import LogisticRegression  # heavy start

    solver = "newton-cholesky" if design.linear.shape[1] <= _NEWTON_INPUTS else "lbfgs"
    fitted = LogisticRegression(C=ridge, solver=solver, max_iter=300, tol=1e-4).fit(design.linear, y, weight)
    return lambda rows: np.asarray(fitted.decision_function(rows.linear), dtype=np.float64)


def _logistic(lesson: Lesson) -> Fitted:
    fitted: dict[float, Callable[[Design], Array]] = {}

    def log_odds(rows: Question, ridge: float) -> Array:
        if ridge not in fitted:
            fitted[ridge] = _ridge(lesson.design, lesson.y, lesson.weight, ridge)
        return fitted[ridge](rows.design)

    return log_odds


def _forgetful(memory: float) -> Callable[[Lesson], Fitted]:
    """A row counts half as much as one that came ``memory`` of all rows later, in the encoding too."""

    def fit(lesson: Lesson) -> Fitted:
        weight = lesson.weight * 0.5 ** (np.arange(lesson.y.size)[::-1] / (memory * lesson.y.size))
        weight = weight / weight.mean()
        encoder, design = fit_encoder(lesson.inputs, lesson.y, weight)
        fitted = _ridge(design, lesson.y, weight, FORGETFUL_RIDGE)
        return lambda rows, setting: fitted(encoder.encode(rows.inputs))

    return fit


def _boosted(leaves: int, *, random_cuts: bool) -> Callable[[Lesson], Fitted]:
    def fit(lesson: Lesson) -> Fitted:
        import lightgbm  # heavy start

        options = {
            "objective": "binary", "num_leaves": leaves, "learning_rate": _LEARNING_RATE, "extra_trees": random_cuts,
            "min_data_in_leaf": 20 if random_cuts else 30, "lambda_l2": 10.0, "max_bin": 63, "feature_fraction": 0.5,
            "bagging_fraction": 0.7, "bagging_freq": 1, "deterministic": True, "force_row_wise": True, "num_threads": 1,
            "verbosity": -1, "seed": lesson.seed,
        }  # fmt: skip
        rows = lightgbm.Dataset(lesson.design.trees, lesson.y, weight=lesson.weight)
        booster = lightgbm.train(options, rows, TREES[-1])

        def log_odds(rows: Question, trees: float) -> Array:
            found = booster.predict(rows.design.trees, raw_score=True, num_iteration=int(trees))
            return np.asarray(found, dtype=np.float64)

        return log_odds

    return fit


LEARNERS: Final = (
    Learner("logistic", _logistic, RIDGES, THIN_RIDGE, 1.0),
    Learner("boosted trees", _boosted(4, random_cuts=False), TREES, 60, 1.0),
    Learner("boosted random cuts", _boosted(8, random_cuts=True), TREES, 100, 1.0),
)
FORGETFUL: Final = tuple(
    Learner(
        f"logistic, half-life {memory:.0%} of the rows",
        _forgetful(memory),
        (FORGETFUL_RIDGE,),
        FORGETFUL_RIDGE,
        1.0,
    )
    for memory in MEMORIES
)


class Member(NamedTuple):
    """A fitted learner in the blend."""

    name: str
    setting: float
    weight: float
    log_odds: Callable[[Question], Array]


@dataclass(frozen=True, slots=True)
class TableModel:
    """A fitted blend."""

    encoder: TableEncoder | None
    """None: nothing to learn from, the base rate is all that is known."""
    members: tuple[Member, ...]
    base: float
    """Log-odds of the base rate, around which the weights work."""
    level: float = 0.0
    """Added to every answer."""

    def log_odds(self, inputs: Inputs) -> Array:
        """Shape (rows,)."""
        total = np.full(len(inputs), self.base + self.level)
        if self.encoder is None:
            return total
        rows = Question(inputs, self.encoder.encode(inputs))
        for member in self.members:
            total += member.weight * (member.log_odds(rows) - self.base)
        return total

    def levelled(self, inputs: Inputs, y: Array, *, half_life: float) -> TableModel:
        """The same with its level set by its newest rows (oldest first), for rows that follow at once.

        A row counts half as much as one that came ``half_life`` rows later. Not for a far future: that the last weeks were rich
        says little about the next quarter.
        """
        weight = 0.5 ** (np.arange(y.size)[::-1] / half_life)
        said = self.log_odds(inputs)
        moved = recentred(said, y, weight)
        return replace(self, level=self.level + float(moved[0] - said[0]))

    def probabilities(self, inputs: Inputs) -> Array:
        """Shape (rows,), within (0, 1)."""
        return sigmoid(self.log_odds(inputs))


def fit_table_model(
    inputs: Inputs, y: Array, *, in_time: bool, weight: Array | None = None, seed: int = 7
) -> TableModel:
    """``y``: 0 or 1, oldest row first if ``in_time``. ``weight``: how much each row counts, 1 on average."""
    weight = np.ones(y.size) if weight is None else weight
    rare = int(min(y.sum(), y.size - y.sum()))
    rate = float(np.average(y, weights=weight))
    if rare == 0:
        rate = (rate * y.size + 0.5) / (y.size + 1)
    base = float(np.log(rate / (1 - rate)))
    if rare == 0 or not inputs.number_columns + inputs.code_columns:
        return TableModel(None, (), base)
    encoder, design = fit_encoder(inputs, y, weight)
    if rare < ENOUGH_RARE:
        chosen = [Choice(LEARNERS[0], LEARNERS[0].thin, 1.0)]
    else:
        chosen = _choose(inputs, y, weight, in_time=in_time, seed=seed)
    members = []
    for learner, setting, share in chosen:
        fitted = learner.fit(Lesson(inputs, encoder, design, y, weight, seed))
        members.append(Member(learner.name, setting, share, lambda rows, f=fitted, s=setting: f(rows, s)))  # type: ignore[misc]  # reason: defaults bind the loop's values
    return TableModel(encoder, tuple(members), base)


class Choice(NamedTuple):
    """A learner at a setting, and its weight in the blend."""

    learner: Learner
    setting: float
    weight: float


def folds(n: int, *, in_time: bool) -> Iterator[tuple[Rows, Rows]]:
    """Rows to learn from and rows to judge, FOLDS times: forward from the middle on, or every FOLDS-th row."""
    rows = np.arange(n)
    if not in_time:
        yield from ((rows[rows % FOLDS != k], rows[rows % FOLDS == k]) for k in range(FOLDS))
        return
    edges = np.linspace(round(FORWARD_FROM * n), n, FOLDS + 1).astype(int)
    yield from ((rows[:a], rows[a:b]) for a, b in pairwise(edges))


def _choose(inputs: Inputs, y: Array, weight: Array, *, in_time: bool, seed: int) -> list[Choice]:
    learners = (*LEARNERS, *FORGETFUL) if in_time else LEARNERS
    said: list[list[list[Array]]] = [[[] for _ in learner.settings] for learner in learners]
    bases: list[Array] = []
    judged: list[Rows] = []
    for learn, judge in folds(y.size, in_time=in_time):
        if min(y[learn].sum(), learn.size - y[learn].sum()) < _FOLD_RARE:
            continue
        judged.append(judge)
        rate = float(np.average(y[learn], weights=weight[learn]))
        bases.append(np.full(judge.size, np.log(rate / (1 - rate))))
        known, asked = inputs.take(learn), inputs.take(judge)
        encoder, design = fit_encoder(known, y[learn], weight[learn])
        rows = Question(asked, encoder.encode(asked))
        for place, learner in enumerate(learners):
            fitted = learner.fit(Lesson(known, encoder, design, y[learn], weight[learn], seed))
            for number, setting in enumerate(learner.settings):
                said[place][number].append(fitted(rows, setting))
    if not judged:
        return [Choice(one, one.thin, one.share / sum(each.share for each in learners)) for one in learners]
    truth, counts, base = y[np.concatenate(judged)], weight[np.concatenate(judged)], np.concatenate(bases)
    best: list[tuple[float, Array]] = []
    for learner, answers in zip(learners, said, strict=True):
        losses = [
            _loss(answer, [y[one] for one in judged], [weight[one] for one in judged]) for answer in answers
        ]
        number = int(np.argmin(losses))
        best.append((learner.settings[number], np.concatenate(answers[number])))
    prior = np.array([one.share for one in learners]) / sum(one.share for one in learners)
    shares = blend(np.column_stack([answer - base for _, answer in best]), truth, base, counts, prior=prior)
    return [Choice(one, s, float(w)) for one, (s, _), w in zip(learners, best, shares, strict=True)]


def _loss(answers: list[Array], truths: list[Array], weights: list[Array]) -> float:
    """Over all folds. A base rate that moves between folds is a matter of memory alone; it must not choose ridge or trees."""
    moved = [recentred(answer, y, weight) for answer, y, weight in zip(answers, truths, weights, strict=True)]
    return log_loss(np.concatenate(truths), np.concatenate(moved), np.concatenate(weights))


def blend(said: Array, y: Array, base: Array, weight: Array, *, prior: Array) -> Array:
    """Weights of the columns of ``said`` (log-odds above ``base``), by maximum a posteriori.

    The prior: each weight near its own, all together near 1. No weight falls below 0.
    """
    from scipy.optimize import minimize  # heavy start

    def cost(shares: Array) -> tuple[float, Array]:
        z = base + said @ shares
        drawn, excess = (shares - prior) / _WEIGHT_WIDTH, (float(shares.sum()) - 1.0) / _SUM_WIDTH
        loss = float(weight @ (np.logaddexp(0.0, z) - y * z)) + 0.5 * float(drawn @ drawn) + 0.5 * excess**2
        slope = said.T @ (weight * (sigmoid(z) - y)) + drawn / _WEIGHT_WIDTH + excess / _SUM_WIDTH
        return loss, slope

    found = minimize(cost, prior, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * prior.size)
    return np.asarray(found.x, dtype=np.float64)


def recentred(log_odds: Array, y: Array, weight: Array) -> Array:
    """Log-odds moved by one step so that they expect as many outcomes as came.

    A base rate that moves between folds is nobody's fault: what is compared is how learners tell rows apart.
    """
    rate = (float(weight @ y) + 1.0) / (float(weight.sum()) + 2.0)
    moved = log_odds
    for _ in range(20):
        p = sigmoid(moved)
        step = (rate - float(np.average(p, weights=weight))) / max(
            float(np.average(p * (1 - p), weights=weight)), 1e-6
        )
        moved = moved + np.clip(step, -1.0, 1.0)
        if abs(step) < 1e-6:
            break
    return moved


def one_thread() -> AbstractContextManager[object]:
    """Linear algebra on one thread: small matrices on many cores are five times the work, and sums differ between machines."""
    import sklearn.linear_model  # noqa: F401  # its libraries must be there before their threads can be limited
    from threadpoolctl import threadpool_limits

    limited: AbstractContextManager[object] = threadpool_limits(1)
    return limited


def sigmoid(z: Array) -> Array:
    """Log-odds to probabilities, kept off 0 and 1 by one part in a million."""
    return np.clip(1.0 / (1.0 + np.exp(-np.clip(z, -30.0, 30.0))), 1e-6, 1 - 1e-6)


def log_loss(y: Array, log_odds: Array, weight: Array) -> float:
    """Mean negative log-likelihood."""
    return float(np.average(np.logaddexp(0.0, log_odds) - y * log_odds, weights=weight))
