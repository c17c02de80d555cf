"""What a question about a home is about: a field of the listing, or something to find out.

Called by: ml/message_facts (which questions are quoted), ml/reply_words (what is answered), ml/offered_home, services/suggested_reply.
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


_THANKED: Final = re.compile(
    r"\b(?:(?:many|big|muchas|mil|muito)\s+)?(?:thank\s?(?:you|u)|thanks|thnks|thx|tysm|ty|gracias|merci|danke|grazie|obrigad[oa]|salamat|спасибо|شكرا|cảm\s+ơn)\b"
    r"(?:\s+(?:so|very|too|again|all|much|a\s+(?:lot|bunch|ton|million)|beaucoup|bien))*"
    r"(?:\s+for\s+(?:all\s+)?(?:everything|letting\s+(?:me|us)\s+know|getting\s+back(?:\s+to\s+(?:me|us))?"
    r"|(?:the|your|that|this)(?:\s+(?:quick|fast|kind))?(?:\s+(?:help|time|info|information|update|reply|response|answer))?))?"
    r"|\b(?:(?:i|we)\s+)?(?:(?:really|so)\s+)?appreciate\s+(?:it|that|you|(?:all\s+)?(?:your|the)\s+(?:help|time))\b|\bmuch\s+appreciated\b"
    r"|(?:谢谢|謝謝)你?|ありがとう(?:ございます)?|감사합니다|고마워요?"
)
_PLEASANT: Final = re.compile(
    r"\b(?:ok|okay|k|great|perfect|awesome|cool|wonderful|amazing|excellent|super|got\s+it|sounds\s+good|will\s+do|you\s+too|you're\s+the\s+best|hi|hey|hello"
    r"|(?:have|enjoy)\s+(?:a|your)\s+(?:(?:good|great|nice|lovely)\s+)?(?:day|evening|night|weekend|one))\b"
)


def only_thanks(low: str, *, to: str) -> bool:
    """Whether a lower-case message is nothing but thanks, in whatever of some languages. ``to``: the first name of who is thanked."""
    rest = _THANKED.sub(" ", low)
    if rest == low or "?" in low:
        return False
    rest = re.sub(rf"\b{re.escape(to.lower())}\b", " ", _PLEASANT.sub(" ", rest))
    return re.search(r"\w", rest) is None


_NO_RULING_OUT: Final = re.compile(
    r"\bno\s+(?:rush|hurry|problems?|worries|pressure)\b|\bnot\s+(?:only|just)\b|\b(?:no|not)\s+more\s+than\b|\b(?:nothing|not)\s+(?:over|above)\s+\$?\d"
    r"|\b(?:don't|dont|do\s+not|can't|cant|cannot|won't|not)\s+(?:want\s+to\s+|wanna\s+|able\s+to\s+)?(?:go|spend|pay|exceed)\b"
    r"|\b(?:i|we)\s+(?:have|had|'ve\s+got)\s+no\b|\b(?:i|we)\s+(?:don't|dont|do\s+not|can't)\s+(?:have|know|mind|care|speak)\b"
)
_RULES_OUT: Final = re.compile(
    r"\b(?:no|not|never|nor|neither|none|nothing|without|w/o|avoid\w*|hat(?:e|es|ing)|dislike\w*|except|skip|against|besides|minus|stop|quit|sin|dont|wont|cant|isnt"
    r"|doesnt|didnt|wouldnt|cannot|anything\s+but|(?:other|rather)\s+than|instead\s+of|(?:apart|aside)\s+from|(?:tired|sick)\s+of|rul\w+\s+out|deal[\s-]?breaker)\b|n't\b"
)


def rules_out(low: str) -> bool:
    """Whether a lower-case message may say what a home must not be or have, which no wish can hold. In doubt it does."""
    return _RULES_OUT.search(_NO_RULING_OUT.sub(" ", low)) is not None
