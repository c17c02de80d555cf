"""The words of a column's name, whatever its spelling. Called by ml/protected_columns.py and ml/availability.py."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_HUMP: Final = re.compile(
    r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])"
)
_GAP: Final = re.compile(r"[^A-Za-z0-9]+")
_SHORT: Final = 3
"""A word of at most so many letters is no plural: ``yes``, ``gas``; but ``follow ups`` are."""
_SHORT_PLURALS: Final = frozenset({"ups"})
_NO_PLURALS: Final = ("ss", "us", "is")
_ES_PLURALS: Final = ("ches", "shes", "xes", "sses")


def words_of(name: str) -> tuple[str, ...]:
    """``LastNotableActivity``, ``last_notable_activity`` and ``Last notable activities`` are the same lower-case words.

    Numbers stand alone (``zip3``: zip, 3), a plural counts as its singular and a letter as the one without its accent.
    """
    plain = "".join(
        letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter)
    )
    parts = _GAP.split(_HUMP.sub(" ", plain))
    return tuple(singular(part.lower()) for part in parts if part)


def singular(word: str) -> str:
    """English plurals by their ending; good enough for names of columns."""
    if word in _SHORT_PLURALS:
        return word[:-1]
    if len(word) <= _SHORT or not word.endswith("s") or word.endswith(_NO_PLURALS):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(_ES_PLURALS) else word[:-1]


def phrase_in(words: tuple[str, ...], phrases: Iterable[str]) -> str | None:
    """The first of ``phrases`` (words joined by one space, singular) that stands in ``words``, whole and in order.

    Written as one word it stands there too: ``yearofbirth`` is ``year of birth``.
    """
    line = f" {' '.join(words)} "
    return next(
        (phrase for phrase in phrases if f" {phrase} " in line or phrase.replace(" ", "") in words), None
    )
