"""Judgements as grades: numbers as they are, or words that stand on a known scale.

Called by ml/list_ranking.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.column_kinds import numbers
from ghl_real_estate_ai.ml.evaluation import Array

SCALES: Final[tuple[tuple[str, ...], ...]] = (
    ("no", "yes"),
    ("false", "true"),
    ("irrelevant", "relevant"),
    ("pass", "like"),
    ("dislike", "like"),
    ("cold", "warm", "hot"),
    ("low", "medium", "high"),
    ("no", "maybe", "yes"),
    ("dislike", "neutral", "like"),
    ("bad", "ok", "good"),
    ("irrelevant", "partial", "relevant"),
    ("poor", "fair", "good", "excellent"),
    ("none", "low", "medium", "high"),
    ("pass", "like", "save", "showing"),
    ("none", "view", "click", "save", "contact"),
    ("very low", "low", "medium", "high", "very high"),
)
"""Words from the least to the most wanted. The first scale that holds all words of a column is theirs."""

_SAME_WORD: Final = {
    "n": "no", "y": "yes", "f": "false", "t": "true", "med": "medium", "moderate": "medium", "passed": "pass", "liked": "like",
    "disliked": "dislike", "saved": "save", "viewed": "view", "clicked": "click", "contacted": "contact", "okay": "ok",
}  # fmt: skip
MOST_GRADES: Final = 11
"""Whole numbers 0 to 10 are grades already; the gain 2^grade - 1 of anything larger would drown all others."""
_STEPS: Final = 4  # other numbers: 0, then the quarters of what lies above 0


@dataclass(frozen=True, slots=True)
class Scale:
    """How a column's judgements are read."""

    words: Mapping[str, int] | None = None
    """None: the judgements are numbers."""
    edges: tuple[float, ...] | None = None
    """Numbers that are no grades: a grade is the number of edges below it."""

    def read(self, labels: pl.Series, *, where: str) -> Array:
        """Float grades, NaN where there is no judgement. Raises InputError that lists the words it does not know."""
        if self.words is None:
            numbers = _numbers(labels)
            if numbers is None:
                raise InputError(f"{where}: {labels.name!r} holds words here and numbers elsewhere")
            return numbers if self.edges is None else _stepped(numbers, self.edges)
        words = _words(labels)
        unknown = sorted({word for word in words if word is not None and word not in self.words})
        if unknown:
            raise InputError(
                f"{where}: {labels.name!r} holds {_listed(unknown)}; known are {_listed(self.words)}"
            )
        return np.array([np.nan if word is None else self.words[word] for word in words], dtype=np.float64)

    def note(self) -> str:
        """How it reads, in words."""
        if self.words is not None:
            return "grades: " + ", ".join(f"{word} = {grade}" for word, grade in self.words.items())
        if self.edges is not None:
            return f"the judgements are no grades from 0 to {MOST_GRADES - 1}: read as 0 and the quarters of what lies above 0"
        return "grades: the numbers as they are"


def scale_of(labels: pl.Series, *, where: str) -> Scale:
    """The scale of a column. Raises InputError for words on no scale, or no judgement at all."""
    if labels.null_count() == labels.len():
        raise InputError(f"{where}: {labels.name!r} is empty")
    numbers = _numbers(labels)
    if numbers is not None:
        known = numbers[np.isfinite(numbers)]
        if known.min() >= 0 and known.max() < MOST_GRADES and np.all(known == np.rint(known)):
            return Scale()
        above = known[known > 0]
        quarters = np.quantile(above, [0.25, 0.5, 0.75]) if above.size else np.array([])
        return Scale(edges=(0.0, *(float(edge) for edge in np.unique(quarters))))
    words = {word for word in _words(labels) if word is not None}
    for scale in SCALES:
        if words <= set(scale):
            return Scale(words={word: grade for grade, word in enumerate(scale)})
    known_words = {word for scale in SCALES for word in scale}
    strange = sorted(words - known_words) or sorted(words)
    raise InputError(
        f"{where}: {labels.name!r} holds {_listed(strange)}, which no scale orders; give numbers, or words of one scale: "
        + "; ".join(" < ".join(scale) for scale in SCALES)
    )


def _numbers(labels: pl.Series) -> Array | None:
    """As float64 with NaN for nothing; None when some value is no number."""
    if labels.dtype == pl.Boolean or labels.dtype.is_numeric():
        return numbers(labels)
    text = labels.cast(pl.String).str.strip_chars()
    text = text.set(text == "", None)
    read = text.cast(pl.Float64, strict=False)
    return None if read.null_count() > text.null_count() else numbers(read)


def _words(labels: pl.Series) -> list[str | None]:
    """Lower case, one space between words, usual spellings made one."""
    found: list[str | None] = []
    for value in labels.cast(pl.String).to_list():
        word = " ".join((value or "").replace("_", " ").lower().split())
        found.append(_SAME_WORD.get(word, word) or None)
    return found


def _stepped(numbers: Array, edges: tuple[float, ...]) -> Array:
    grades = np.searchsorted(np.array(edges), numbers, side="left").astype(np.float64)
    return np.where(np.isnan(numbers), np.nan, np.minimum(grades, _STEPS))


def _listed(words: Iterable[str]) -> str:
    every = [repr(word) for word in words]
    return ", ".join(every[:8]) + (f" and {len(every) - 8} more" if len(every) > 8 else "")
