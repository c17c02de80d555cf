"""Judgements as grades: words on a scale, numbers as they are."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.grades import scale_of


def grades(values: list[object]) -> list[float]:
    labels = pl.Series("y", values)
    return list(scale_of(labels, where="here").read(labels, where="here"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["low", "High", " medium "], [0, 2, 1]),
        (["yes", "no"], [1, 0]),
        (["Y", "n"], [1, 0]),
        (["no", "maybe", "yes"], [0, 1, 2]),
        (["pass", "like"], [0, 1]),
        (["passed", "saved", "showing"], [0, 2, 3]),
        (["0", "3", "2"], [0, 3, 2]),
        ([True, False], [1, 0]),
        ([0, 10, 5], [0, 10, 5]),
    ],
)
def test_words_and_numbers_become_grades(values: list[object], expected: list[float]) -> None:
    assert grades(values) == expected


def test_counts_become_the_quarters_of_what_lies_above_zero() -> None:
    found = grades([0, 1, 10, 20, 30, 1_000])
    assert found[0] == 0
    assert found == sorted(found)
    assert max(found) == 4


def test_a_missing_judgement_is_none() -> None:
    assert np.isnan(grades(["low", None, "high"])[1])


def test_unknown_words_are_listed_with_the_known_scales() -> None:
    with pytest.raises(InputError, match=r"'blue'.*low < medium < high"):
        grades(["low", "blue"])


def test_a_word_that_the_training_table_did_not_have_is_refused_by_name() -> None:
    scale = scale_of(pl.Series("y", ["low", "high"]), where="train")
    with pytest.raises(InputError, match="'perhaps'"):
        scale.read(pl.Series("y", ["low", "perhaps"]), where="test")
