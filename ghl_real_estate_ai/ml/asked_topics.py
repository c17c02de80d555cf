"""What a question about a home is about: a field of the listing, or something to find out.

Called by: ml/message_facts (which questions are quoted), ml/reply_words (what is answered), services/suggested_reply.
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


_FOR_HOMES: Final = re.compile(
    r"\b(?:any|other|more|similar|some)\s+(?:\w+\s+){0,2}(?:homes?|houses?|listings?|places|options|condos?|townhouses?|townhomes?)\b"
    r"|\banything\s+(?:new|else|like|similar|in|under|below|around|with|available|on\s+the\s+market)\b|\bdo\s+you\s+have\s+anything\b"
    r"|\bwhat\s+(?:homes|houses|listings|else)\b|\bwhat\s+do\s+you\s+have\b|\bwhat(?:['’]?s|\s+is)\s+(?:out\s+there|on\s+the\s+market)\b"
    r"|\b(?:send|show|email|text)\s+(?:me|us)\s+(?:\w+\s+){0,3}(?:homes|houses|listings|options|places)\b"
)  # fmt: skip
_NOT_FOR_THEM: Final = re.compile(r"\b(?:don['’]?t|do\s+not|not|stop|quit|no\s+more|no\s+longer)\b")


def asks_for_homes(low: str) -> bool:
    """Whether a lower-case text asks what there is to buy, not about one home. In doubt not."""
    return _FOR_HOMES.search(low) is not None and _NOT_FOR_THEM.search(low) is None
