"""Which listing a text means by an address, a street or an MLS number. In doubt: none.

Called by: services/suggested_reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from ghl_real_estate_ai.ml.message_text import words
from ghl_real_estate_ai.models.conversations import FactKind, MessageFact
from ghl_real_estate_ai.models.properties import Listing

_LEFT_OUT: Final = words(
    "st street ave av avenue rd road dr drive ln lane ct court blvd boulevard pl place cir circle ter terrace trl trail pkwy parkway hwy highway "
    "cv cove n s e w ne nw se sw north south east west"
)
"""What people leave out or write in many ways."""
_WORD: Final = re.compile(r"[a-z0-9]+")
_UNIT: Final = re.compile(r"\b(?:apt|apartment|unit|ste|suite)\b\.?\s*#?\s*[\w-]+|#\s*[\w-]+")
_MLS: Final = re.compile(r"mls\D*(\w*\d{5,})")


def meant(facts: Iterable[MessageFact], listings: Sequence[Listing]) -> Listing | None:
    """The one home among ``listings`` that facts of a message name; None when none or several fit."""
    for fact in facts:
        if fact.kind is FactKind.HOME:
            fitting = [home for home in listings if _fits(fact.value.lower(), home)]
            if len(fitting) == 1:
                return fitting[0]
    return None


def street_of(home: Listing) -> str | None:
    """The address as people say it: up to the first comma."""
    street = (home.unparsed_address or "").partition(",")[0].strip()
    return street or None


def _fits(said: str, home: Listing) -> bool:
    number = _MLS.search(said)
    if number is not None:
        return home.listing_key.lower().endswith(number.group(1))
    said_number, said_name = _parts(said)
    number_of, name_of = _parts((home.unparsed_address or "").lower().partition(",")[0])
    same_street = bool(said_name) and said_name == name_of
    return same_street and (said_number is None or said_number == number_of)


def _parts(address: str) -> tuple[str | None, tuple[str, ...]]:
    """House number and the words of the street's name that tell it from others."""
    found = _WORD.findall(_UNIT.sub(" ", address))
    number = found.pop(0) if found and found[0].isdigit() else None
    name = tuple(word for word in found if word not in _LEFT_OUT)
    return number, name or tuple(found[:1])
