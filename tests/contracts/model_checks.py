"""What every model must obey, whoever fitted it. Run by test_models.py over the served ones, by test_log_models.py over the rest.

The first checks take a served model and realistic rows, float64 of shape (n, len(FEATURES)), and assert one promise. The
others take a ``Task``: a model that learns from one table and is judged on another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.ml.artifacts import BASE, Model, load_model
from ghl_real_estate_ai.ml.evaluation_report import EvaluationReport
from ghl_real_estate_ai.ml.features import FEATURE_NAMES

Rows = npt.NDArray[np.float64]
Answers = Callable[[Rows], Rows]
"""Feature rows, shape (n, inputs), to answers, shape (n,)."""
GRID = 25
"""Values per input, from well below its least to well above its greatest."""


def answers_are_probabilities(model: Model, rows: Rows) -> None:
    """In [0, 1], and not all the same."""
    found = [model.predict(row) for row in rows]
    assert all(0.0 <= p <= 1.0 for p in found)
    assert max(found) - min(found) > 0.1


def input_is_not_mutated(model: Model, rows: Rows) -> None:
    """Neither predict nor contributions write to what they are given."""
    for row in rows[:20]:
        before = row.copy()
        model.predict(row)
        model.contributions(row)
        np.testing.assert_array_equal(row, before)


def same_question_same_answer(model: Model, rows: Rows) -> None:
    """No state leaks from one call into the next."""
    first = [model.predict(row) for row in rows]
    backwards = [model.predict(row) for row in rows[::-1]][::-1]
    assert first == backwards


def unknown_and_extreme_survive(model: Model, rows: Rows) -> None:
    """NaN, zero, infinite and huge inputs give a probability, alone and all together."""
    for value in (math.nan, 0.0, 1e12, -1e12, math.inf, -math.inf):
        assert 0.0 <= model.predict(np.full(len(FEATURE_NAMES), value)) <= 1.0
        for place in range(len(FEATURE_NAMES)):
            row = rows[0].copy()
            row[place] = value
            assert 0.0 <= model.predict(row) <= 1.0


def monotone_where_promised(answers: Answers, rows: Rows, directions: Mapping[str, int]) -> None:
    """From every row, an input with a direction moves the answer that way only, over its whole range and beyond.

    ``directions``: per input, in the order of the columns; 0 promises nothing.
    """
    for place, (name, sign) in enumerate(directions.items()):
        if sign == 0:
            continue
        grid = _grid(rows, place)
        varied = np.repeat(rows, grid.size, axis=0)
        varied[:, place] = np.tile(grid, len(rows))
        curves = answers(varied).reshape(len(rows), grid.size)
        assert (sign * np.diff(curves, axis=1) >= -1e-12).all(), f"not monotone in {name}"


def every_input_moves_the_answer(model: Model, rows: Rows) -> None:
    """Each input that the card names changes the answer of some row; every other feature changes none."""
    for place, name in enumerate(FEATURE_NAMES):
        moved = any(np.ptp(_curve(model, rows, row, place)) > 0 for row in rows)
        assert moved == (name in model.feature_names), f"{model.stamp.name}: {name}"


def contributions_add_up(model: Model, rows: Rows) -> None:
    """Contributions and base sum to the log-odds of the answer."""
    for row in rows[:50]:
        shares = model.contributions(row)
        assert set(shares) == {*model.feature_names, BASE}
        p = model.predict(row)
        assert math.isclose(sum(shares.values()), math.log(p / (1 - p)), abs_tol=1e-9)


def saved_and_loaded_is_the_same(model: Model, rows: Rows, card: Path) -> None:
    """A model read back from ``card`` gives the same answers to the last bit."""
    again = load_model(card)
    assert again.stamp == model.stamp
    assert [again.predict(row) for row in rows] == [model.predict(row) for row in rows]


def sooner_is_never_likelier(model: Model, rows: Rows) -> None:
    """Within fewer days an event is no likelier, and silence no less likely; the horizon's end is the answer itself."""
    ends = model.periods or (float(model.horizon_days),)
    sign = -1.0 if model.card.get("silence") else 1.0
    for row in rows:
        curve = np.array([model.within(row, days=end) for end in ends])
        assert (sign * np.diff(curve) >= -1e-12).all()
        assert math.isclose(curve[-1], model.predict(row), abs_tol=1e-9)


def interval_holds_the_answer(model: Model, rows: Rows) -> None:
    """An interval is a part of [0, 1] around the answer, and the prior's share is a share."""
    for row in rows:
        said = model.answer(row)
        assert 0.0 <= said.low <= said.probability <= said.high <= 1.0
        assert 0.0 <= said.prior_share <= 1.0


def _curve(model: Model, rows: Rows, row: Rows, place: int) -> list[float]:
    varied = row.copy()
    curve = []
    for value in _grid(rows, place):
        varied[place] = value
        curve.append(model.predict(varied))
    return curve


def _grid(rows: Rows, place: int) -> Rows:
    """From well below the least value of an input to well above its greatest."""
    low, high = float(np.nanmin(rows[:, place])), float(np.nanmax(rows[:, place]))
    width = max(1.0, high - low)
    return np.linspace(low - 0.5 * width, high + 0.5 * width, GRID)


# --- models that learn from a table or log ------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """A model as ``enterprisehub evaluate`` asks it: learn on one table, be judged on another."""

    name: str
    train: pl.DataFrame
    test: pl.DataFrame
    inputs: tuple[str, ...]
    """Columns each of which must move the answer."""
    evaluate: Callable[[pl.DataFrame, pl.DataFrame], EvaluationReport]
    judged_by: str = "brier"
    """The figure that changes when any answer does."""

    def said(
        self, *, train: pl.DataFrame | None = None, test: pl.DataFrame | None = None
    ) -> dict[str, object]:
        """All that the report says, but for the time that it took."""
        report = self.evaluate(self.train if train is None else train, self.test if test is None else test)
        return {name: value for name, value in report.as_dict().items() if name != "seconds"}


def asking_again_changes_nothing(task: Task, before: Mapping[str, object]) -> None:
    """Nothing is drawn by chance, no state leaks from one run into the next, and the caller's frames stay as they were."""
    train, test = task.train.clone(), task.test.clone()
    assert task.said(train=train, test=test) == before
    assert train.equals(task.train)
    assert test.equals(task.test)


def order_of_columns_is_irrelevant(task: Task, before: Mapping[str, object]) -> None:
    """Columns are known by name."""
    turned = (frame.select(reversed(frame.columns)) for frame in (task.train, task.test))
    found = task.said(train=next(turned), test=next(turned))
    assert {name: found[name] for name in _FIGURES if name in found} == {
        name: before[name] for name in _FIGURES if name in before
    }


def missing_and_unseen_survive(task: Task) -> None:
    """Cells that are empty and words that no training row had give answers, not errors."""
    third = pl.int_range(pl.len()) % 3
    holes = [
        pl.when(third == 0)
        .then(None)
        .when(third == 1)
        .then(pl.lit("a word never seen") if dtype == pl.String else pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name, dtype in task.test.select(task.inputs).schema.items()
        if not dtype.is_temporal()
    ]
    found = task.said(test=task.test.with_columns(holes))
    assert isinstance(found[task.judged_by], float)
    assert 0.0 <= found[task.judged_by] <= 1.0


def each_input_moves_the_answer(task: Task, before: Mapping[str, object]) -> None:
    """Another value of any input changes some answer: none is read and then forgotten."""
    for name in task.inputs:
        moved = task.said(test=task.test.with_columns(pl.col(name).reverse()))
        assert moved[task.judged_by] != before[task.judged_by], f"{task.name}: {name} moves nothing"


_FIGURES = (
    "n",
    "base_rate",
    "auc",
    "ap",
    "brier",
    "ece",
    "lift_at_10",
    "ndcg_at_10",
    "mrr",
    "expected_count_correlation",
)
