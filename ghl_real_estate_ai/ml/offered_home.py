"""Which one home a reply may name to who states wishes or asks what there is. In doubt: none.

Called by: services/suggested_reply. Nothing but stated wishes decide: a home on the market now, known to meet each wish of
the message and known to miss none that was stated before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import ValidationError

from ghl_real_estate_ai.ml.asked_topics import asks_for_homes
from ghl_real_estate_ai.ml.home_traits import traits_of
from ghl_real_estate_ai.ml.match_words import closeness_of
from ghl_real_estate_ai.ml.named_homes import street_of
from ghl_real_estate_ai.models.conversations import FactKind, MessageFact
from ghl_real_estate_ai.models.properties import Listing, StandardStatus, Wishes

STREET_CHARS: Final = 40
"""A longer address leaves a text message no room for the reasons."""
WISHED: Final = frozenset(
    {
        FactKind.BUDGET,
        FactKind.BEDROOMS,
        FactKind.BATHROOMS,
        FactKind.LIVING_AREA,
        FactKind.CITY,
        FactKind.HOME_TYPE,
        FactKind.FEATURE,
    }
)
_ONE_HOME: Final = frozenset({FactKind.HOME, FactKind.MEETING, FactKind.STOP})

_ASIDE: Final = re.compile(
    r"\b(?:besides|other\s+than|apart\s+from|aside\s+from|instead\s+of|except(?:\s+for)?|rather\s+than|like|similar\s+to)\s+"
    r"(?:(?:the|that)\s+(?:one|home|house|place)\s+(?:at|on)\s+)?$"
)


def without_aside(low: str, facts: Sequence[MessageFact]) -> tuple[str, tuple[MessageFact, ...]]:
    """A message that asks what there is, without the homes that it names only to ask for others: "anything besides 7 Elm Ave"."""
    kept: list[MessageFact] = []
    asks = asks_for_homes(low)
    for fact in facts:
        named = asks and fact.kind is FactKind.HOME
        before, _, after = low.partition(fact.quote.lower()) if named else ("", "", "")
        aside = _ASIDE.search(before)
        if aside is None:
            kept.append(fact)
        else:
            low = f"{before[: aside.start()]}{after}"
    return low, tuple(kept)


def wants_homes(low: str, facts: Sequence[MessageFact]) -> bool:
    """Whether a message (lower-case ``low``) asks what there is to buy, or states wishes and asks nothing."""
    kinds = {fact.kind for fact in facts}
    if kinds & _ONE_HOME:
        return False
    return asks_for_homes(low) or (bool(kinds & WISHED) and FactKind.QUESTION not in kinds)


def wishes_with(wishes: Wishes, facts: Iterable[MessageFact]) -> Wishes | None:
    """The stated wishes with those of a message over them. None when no wish can hold one of these ("at most 3 bedrooms",
    two cities, a big yard): then nobody can say whether a home fits.
    """
    stated: dict[str, object] = {}
    for fact in facts:
        if fact.wish == "features":
            stated["features"] = {*wishes.features, *_several(stated.get("features")), fact.wish_value}
        elif fact.wish is not None:
            if stated.setdefault(fact.wish, fact.wish_value) != fact.wish_value:
                return None
        elif fact.kind in WISHED:
            return None
    try:
        return Wishes.model_validate({**wishes.model_dump(), **stated})
    except ValidationError:
        return None


def _several(features: object) -> set[object]:
    return features if isinstance(features, set) else set()


def offered(homes: Iterable[Listing], wishes: Wishes, facts: Iterable[MessageFact]) -> Listing | None:
    """The first of the homes that fits ``wishes`` (``wishes_with`` the same facts)."""
    stated = {
        f"feature:{fact.wish_value}" if fact.wish == "features" else fact.wish for fact in facts if fact.wish
    }
    return next((home for home in homes if _fits(home, wishes, stated)), None)


def _fits(home: Listing, wishes: Wishes, stated: set[str]) -> bool:
    street = street_of(home)
    if home.standard_status is not StandardStatus.ACTIVE or street is None or len(street) > STREET_CHARS:
        return False
    closeness = closeness_of(wishes, traits_of(home))
    known = {wish for wish, near in closeness.items() if near is not None}
    return bool(known) and stated <= known and all(closeness[wish] == 1.0 for wish in known)
