"""Any two words are an outcome; it is said which one is 1, and anything else is refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.outcome_words import outcome_words


def table(*cells: object) -> pl.DataFrame:
    return pl.DataFrame({"won": list(cells)}, strict=False)


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        ((0, 1, 1), (0, 1, 1)),
        ((0.0, 1.0, None), (0, 1, np.nan)),
        ((True, False, True), (1, 0, 1)),
        (("yes", "No", " YES "), (1, 0, 1)),
        (("won", "lost", ""), (1, 0, np.nan)),
        (("Y", "N", "n/a"), (1, 0, np.nan)),
        (("1.0", "0.0", "1"), (1, 0, 1)),
        (("no", "no", "no"), (0, 0, 0)),
    ],
)
def test_known_words_are_read_in_any_spelling(cells: tuple[object, ...], read: tuple[float, ...]) -> None:
    frame = table(*cells)
    np.testing.assert_array_equal(outcome_words([frame], "won").read(frame), read)


def test_of_two_unknown_words_the_rarer_one_is_1_and_a_note_says_so() -> None:
    frame = table("nested", "flown", "nested", "nested")
    words = outcome_words([frame], "won")
    np.testing.assert_array_equal(words.read(frame), [0, 1, 0, 0])
    assert "'flown' counts as 1" in words.note


def test_a_known_no_makes_the_other_word_1() -> None:
    frame = table("no", "maybe later", "maybe later")
    np.testing.assert_array_equal(outcome_words([frame], "won").read(frame), [0, 1, 1])


def test_of_two_numbers_the_greater_is_1() -> None:
    frame = table(2, 1, 1)
    words = outcome_words([frame], "won")
    np.testing.assert_array_equal(words.read(frame), [1, 0, 0])
    assert "greater number 2" in words.note


def test_the_word_is_the_same_in_both_tables() -> None:
    train, test = table("a", "a", "b"), table("a", "b", "b", "b")
    words = outcome_words([train, test], "won")
    np.testing.assert_array_equal(words.read(train) + words.read(table("a", "a", "b")), words.read(train) * 2)
    np.testing.assert_array_equal(words.read(test), 1 - (np.array([1, 0, 0, 0]) if words.positive == "b" else np.array([0, 1, 1, 1])))  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (("low", "mid", "high"), "3 different values"),
        ((1, 2, 3, 4), "4 different values"),
        ((None, None), "every cell is empty"),
        (("hm", "hm"), "every row is 'hm'"),
    ],
)
def test_anything_else_is_refused_with_the_reason(cells: tuple[object, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        outcome_words([table(*cells)], "won")
