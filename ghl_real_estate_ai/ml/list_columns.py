"""A table of homes as numbers: which column carries the price, the photos, the date; what is not used, and why.

Called by ml/list_ranking.py. Names are matched as words, so ``ListPrice``, ``list_price`` and ``list price`` are one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.column_kinds import ColumnKind, cleaned, dates, numbers, read_kind
from ghl_real_estate_ai.ml.column_words import phrase_in, words_of
from ghl_real_estate_ai.ml.evaluation import Array
from ghl_real_estate_ai.ml.evaluation_report import FlaggedColumn


class Concept(StrEnum):
    """What a column's name says it holds; only what the untrained order or a rule of the house needs to know."""

    PRICE = "price"
    OF_A_PRICE = "made of a price"
    PHOTOS = "photos"
    TEXT = "description"
    LISTED = "date listed"
    AGE = "days on the market"
    MORE_IS_BETTER = "more is better"
    PLACE = "place"


# Words are singular, as column_words gives them.
_PRICE_WORDS: Final = frozenset({"price", "rent", "rental"})
_NOT_THE_PRICE: Final = frozenset({
    "per", "sqft", "sq", "square", "foot", "feet", "meter", "m", "original", "old", "previous", "former", "close", "closed",
    "closing", "sold", "sale", "final", "change", "changed", "reduction", "drop", "cut", "rank", "percentile", "index", "log",
    "ratio", "diff", "difference", "tax", "date", "day", "type", "category", "currency", "control", "stabilized", "zestimate",
    "estimate", "estimated", "predicted", "parking", "median", "mean", "average", "avg",
})  # fmt: skip
_BY_WORDS: Final[tuple[tuple[Concept, frozenset[str]], ...]] = (
    (Concept.PLACE, frozenset({
        "latitude", "longitude", "lat", "lng", "lon", "geohash", "coordinate", "neighborhood", "neighbourhood", "district",
        "borough", "subdivision", "county", "city", "market", "region", "address", "street",
    })),
    (Concept.PHOTOS, frozenset({"photo", "picture", "pic", "image"})),
    (Concept.TEXT, frozenset({"description", "remark", "wordcount"})),
    (Concept.AGE, frozenset({"dom", "cdom"})),
    (Concept.LISTED, frozenset({"listed", "posted", "published", "created"})),
    (Concept.MORE_IS_BETTER, frozenset({"bedroom", "bed", "bathroom", "bath", "sqft", "area", "rating", "star"})),
)  # fmt: skip
_AGES: Final = ("day on market", "day listed", "listing age", "age day")
_SPLIT_MARKS: Final = frozenset(
    {"train", "test", "valid", "validation", "val", "dev", "holdout", "training", "testing", "eval"}
)
_DAY_S: Final = 86_400.0
_MOST_CATEGORIES: Final = 50
_EDGE: Final = 0.02  # of a column's values, at each end, that may lie outside what was learnt


@dataclass(frozen=True, slots=True)
class Column:
    """One usable column as float64 with NaN for unknown."""

    name: str
    concept: Concept | None
    train: Array | None
    test: Array


@dataclass(frozen=True, slots=True)
class Columns:
    """What may be used, in the order asked for, and what not."""

    usable: tuple[Column, ...]
    flagged: tuple[FlaggedColumn, ...]

    def of(self, concept: Concept) -> Column | None:
        """The first column of this concept."""
        return next((column for column in self.usable if column.concept is concept), None)


def concept_of(name: str) -> Concept | None:
    """By the words of the name alone."""
    words = words_of(name)
    if _PRICE_WORDS & set(words):
        return Concept.OF_A_PRICE if _NOT_THE_PRICE & set(words) else Concept.PRICE
    if phrase_in(words, _AGES):
        return Concept.AGE
    if "distance" in words:
        return None  # how far it is, not where
    return next((concept for concept, known in _BY_WORDS if known & set(words)), None)


def oldest_first(table: pl.DataFrame) -> npt.NDArray[np.intp]:
    """Row numbers by the first column that holds the date listed; without one, the rows as they stand."""
    for name in table.columns:
        if concept_of(name) is Concept.LISTED:
            column = cleaned(table[name])
            if read_kind(column).kind is ColumnKind.DATE:
                return np.argsort(dates(column), kind="stable")
    return np.arange(table.height)


def read_columns(
    train: pl.DataFrame | None,
    test: pl.DataFrame,
    *,
    names: Sequence[str],
    forbidden: Sequence[FlaggedColumn],
) -> Columns:
    """``names``: candidates. What is constant, an identifier, a split marker, forbidden, or new in the test is flagged."""
    flagged = {flag.column: flag for flag in forbidden}
    usable: list[Column] = []
    for name in names:
        if name in flagged:
            continue
        found = _read(
            name, None if train is None else train[name], test[name] if name in test.columns else None
        )
        if isinstance(found, FlaggedColumn):
            flagged[name] = found
        else:
            usable.append(found)
    if not usable:
        raise InputError(
            "no column is left to order by: " + "; ".join(f"{f.column} ({f.kind})" for f in flagged.values())
        )
    return Columns(tuple(usable), tuple(flagged.values()))


def _read(name: str, train: pl.Series | None, test: pl.Series | None) -> Column | FlaggedColumn:
    if test is None:
        return FlaggedColumn(name, "missing", "the table to judge on does not have it")
    learnt = cleaned(test if train is None else train)
    reader = _reader(name, learnt)
    if isinstance(reader, FlaggedColumn):
        return reader
    column = Column(
        name, reader.concept, None if train is None else reader.read(learnt), reader.read(cleaned(test))
    )
    if np.isnan(column.test).all():
        return FlaggedColumn(name, "missing", "empty, or of another kind, in the table to judge on")
    if column.train is not None and not reader.codes and _apart(column.train, column.test):
        return FlaggedColumn(
            name, "new", "its values lie beyond all that was there to learn from (a running number, a date)"
        )
    return column


class _Reader(NamedTuple):
    """How a column becomes numbers, decided on what there is to learn from."""

    read: Callable[[pl.Series], Array]
    concept: Concept | None
    codes: bool = False


def _reader(name: str, learnt: pl.Series) -> _Reader | FlaggedColumn:
    text = learnt.dtype == pl.String
    marks = set(learnt.drop_nulls().str.to_lowercase().unique().head(100)) if text else set()
    if len(marks) > 1 and marks <= _SPLIT_MARKS:
        why = "marks which rows were set apart for testing: " + ", ".join(sorted(marks))
        return FlaggedColumn(name, "split", why)
    concept = concept_of(name)
    kind, reason = read_kind(learnt)
    if concept is Concept.LISTED and kind is not ColumnKind.DATE:
        concept = None  # a part of a date (its hour, its month) says nothing of age
    if concept is Concept.PRICE and kind is not ColumnKind.CONSTANT and np.isfinite(numbers(learnt)).any():
        return _Reader(numbers, concept)  # also where the rows are sorted by it
    if concept is Concept.PHOTOS and text and kind is not ColumnKind.NUMBER:
        return _Reader(_items, concept)
    match kind:
        case ColumnKind.CONSTANT | ColumnKind.IDENTIFIER:
            return FlaggedColumn(name, str(kind), reason)
        case ColumnKind.NUMBER:
            return _Reader(numbers, concept)
        case ColumnKind.DATE:
            return _Reader(lambda values: dates(values) / _DAY_S, concept)
        case ColumnKind.TEXT:
            return _Reader(_words_said, concept)
        case ColumnKind.CATEGORY:
            return _Reader(_codes(learnt), concept, codes=True)


def _codes(learnt: pl.Series) -> Callable[[pl.Series], Array]:
    """The most frequent words, numbered in alphabetical order; all others, and words of later, are unknown."""
    counts = learnt.cast(pl.String).drop_nulls().rename("word").value_counts(sort=True)
    kept = counts.sort(["count", "word"], descending=[True, False]).head(_MOST_CATEGORIES)["word"].to_list()
    code = {word: float(place) for place, word in enumerate(sorted(kept))}
    return lambda values: np.array(
        [code.get(word, np.nan) for word in values.cast(pl.String).to_list()], dtype=np.float64
    )


def _words_said(values: pl.Series) -> Array:
    """How much a text says, never what: its number of words."""
    return numbers(values.cast(pl.String).fill_null("").str.count_matches(r"\S+"))


def _items(values: pl.Series) -> Array:
    """How many things a text lists: parts between commas."""
    text = values.cast(pl.String).fill_null("").str.strip_chars(" []{}()\"'")
    return np.where((text != "").to_numpy(), numbers(text.str.count_matches(r"[,;|]")) + 1.0, 0.0)


def _apart(learnt: Array, judged: Array) -> bool:
    """Whether hardly any judged value lies within what was learnt."""
    a, b = learnt[np.isfinite(learnt)], judged[np.isfinite(judged)]
    if not a.size or not b.size:
        return False
    return bool(
        np.quantile(b, _EDGE) > np.quantile(a, 1 - _EDGE) or np.quantile(b, 1 - _EDGE) < np.quantile(a, _EDGE)
    )
