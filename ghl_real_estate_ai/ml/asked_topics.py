"""What a question about a home is about: a field of the listing, or something to find out.

Called by: ml/message_facts (which questions are quoted), ml/reply_words (what is answered).
"""

from __future__ import annotations

import re
from typing import Final

_ASKED: Final = tuple(
    (topic, re.compile(pattern))
    for topic, pattern in (
        ("fees", r"\bhoa\b|\bassociation\b"),
        ("taxes", r"\btax(?:es)?\b"),
        ("closing costs", r"\bclosing\s+costs?\b"),
        ("insurance", r"\binsurance\b"),
        ("roof", r"\broof\b"),
        ("foundation", r"\bfoundation\b"),
        ("heating and cooling", r"\b(?:a/?c|hvac|furnace|heat(?:er|ing)?|air\s+condition\w*)\b"),
        ("offers", r"\boffers?\b|\btake\b.*\d"),
        ("photos", r"\b(?:photos?|pictures?|pics|video)\b"),
        ("open house", r"\bopen\s+house\b"),
        ("StandardStatus", r"\bavailable\b|\bon\s+the\s+market\b|\bsold\b|\btaken\b|\bunder\s+contract\b|\bpending\b|\boff\s+the\s+market\b|\bgone\b"),
        ("BedroomsTotal", r"\bbed(?:room)?s?\b|\bbrs?\b"),
        ("BathroomsTotalInteger", r"\bbath(?:room)?s?\b"),
        ("LivingArea", r"\bsq\.?\s?f|\bsqft\b|\bsquare\s+f|\bhow\s+(?:big|large)\b|\bsize\b"),
        ("LotSizeAcres", r"\bacres?\b|\blot\b"),
        ("YearBuilt", r"\bhow\s+old\s+is\s+(?:it|this|that|the\s+(?:house|home|place|building))\b|\byear\s+built\b|\bbuilt\b"),
        ("PoolPrivateYN", r"\bpool\b"),
        ("GarageSpaces", r"\bgarage\b"),
        ("FireplaceYN", r"\bfire\s?place\b"),
        ("ListPrice", r"\bhow\s+much\s+(?:is|are|does|do|would|for)\s+(?:it|this|that|they|the\s+(?:house|home|place|condo|townhouse|listing|owners?|sellers?)|\d)|\bpriced?\b|\basking\b|\blisted\b|\bcost\b"),
    )
)  # fmt: skip
"""A field of the listing by its RESO name, else something to find out."""


def topics_of(low: str) -> tuple[str, ...]:
    """Of a lower-case question, in a fixed order; empty: of another kind."""
    return tuple(topic for topic, pattern in _ASKED if pattern.search(low))
