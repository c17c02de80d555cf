"""What every served model must obey, whoever fitted it. Run by test_models.py over each of them.

A check takes the model and realistic rows, float64 of shape (n, len(FEATURES)), and asserts one promise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.ml.artifacts import BASE, Model, load_model
from ghl_real_estate_ai.ml.features import FEATURE_NAMES, FEATURES, FeatureSpec

Rows = npt.NDArray[np.float64]
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


def monotone_where_promised(
    model: Model,
    rows: Rows,
    direction: Callable[[FeatureSpec], int],
    *,
    features: tuple[FeatureSpec, ...] = FEATURES,
) -> None:
    """From every row, an input with a direction moves the answer that way only, over its whole range and beyond."""
    for place, spec in enumerate(features):
        sign = direction(spec)
        if sign == 0:
            continue
        for row in rows:
            curve = np.array(_curve(model, rows, row, place))
            assert (sign * np.diff(curve) >= -1e-12).all(), (
                f"{model.stamp.name} is not monotone in {spec.name}"
            )


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


def _curve(model: Model, rows: Rows, row: Rows, place: int) -> list[float]:
    low, high = float(np.nanmin(rows[:, place])), float(np.nanmax(rows[:, place]))
    width = max(1.0, high - low)
    varied = row.copy()
    curve = []
    for value in np.linspace(low - 0.5 * width, high + 0.5 * width, GRID):
        varied[place] = value
        curve.append(model.predict(varied))
    return curve
