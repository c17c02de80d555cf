"""Whether a message takes back the consent to be written to: by keyword or by any reasonable words.

Called by: ml/message_facts (a fact for the screens), services/suggested_reply (no draft then).

47 CFR 64.1200(a)(10): consent may be revoked in any reasonable manner. So the doubt goes to silence, and what only
looks like it ("stop by the house") is named here and tested.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final, NamedTuple


class Revocation(NamedTuple):
    """``words``: what is asked, in the house's words. ``start`` and ``end``: where it stands in the text."""

    words: str
    start: int
    end: int


STOP: Final = "wants no more messages"
WRONG_NUMBER: Final = "wrong number"
NOT_INTERESTED: Final = "not interested"

_KEYWORD: Final = re.compile(
    r"[\s\"'*.!-]*(?:please\s+)?(?:stop\s*all|stopall|stop+|unsubscribe|unsub|opt[\s-]?out|revoke|cancel|end|quit|off|alto|parar?)"
    r"(?:\s+(?:please|pls|thanks|thank you|now|it|this|already|immediately|stop))*[\s\"'*.!-]*"
)
"""The whole message is the keyword."""

_KEYWORD_CHARS: Final = 40
_MOST: Final = 20

_TALK: Final = r"(?:text|messag|contact|call|email|e-mail|writ|reach|bother|spam|harass|dm|ping|send|sms|notif|follow|communicat|correspond)\w*"
_PLEASE: Final = r"(?:\s+(?:please|pls|plz|thanks|thank\s+you|thx|now|it|this|that|already|immediately|asap|all|everything|right|ok|okay|again|stop)\b){0,5}"
_BY_OTHER: Final = (
    r"[^.!?]{0,40}\b(?:texts?|e-?mails?|messages?|calls?)\s+(?:me|us|is|only|instead|works?|preferred)\b"
)
"""After "no calls": another way is asked for."""
_BARE: Final = re.compile(
    r"(?:^|(?<=[.,;:!?\n(])|(?<=\s[-\u2013\u2014]))[ \t\"'*]{0,3}"
    r"(?:(?:please|pls|plz|just|can|could|would|will|you|u|ya|yall|hey|hi|hello|ok|okay|no|nope|thanks|thank|i|said|say|told|asked|asking|want|need|needs|has|this|to|and|so|then|now|again|"
    r"seriously|really|man|dude|guys|sir|ma'am)\s{1,3}){0,8}"
    rf"(?:stop+|quit|unsubscribe){_PLEASE}(?=[ \t\"'*]{{0,3}}(?:$|[.,;:!?\n)]|\s[-\u2013\u2014]))"
    r"|^[\W_]{0,3}(?:please|pls|plz)\s+(?:don'?t|do\s+not)[\W_]{0,3}$"
)
"""A clause that holds nothing else: with an object ("stop by", "stop the search") it is none."""
_STOP_WORDS: Final = re.compile(
    r"\b(?:"
    r"(?:stop|quit|cease)\s+(?:(?:with|2)\s+)?(?:all\s+)?(?:of\s+)?(?:the\s+|these\s+|those\s+|your\s+|this\s+|any\s+|further\s+)?(?:constant\s+|automated\s+)?"
    rf"(?!sending\s+(?:me\s+|us\s+)?(?:condos?|townho\w+|houses?\s+(?:over|under|with)|homes?\s+(?:over|under|with))){_TALK}"
    r"|cease\s+and\s+desist"
    r"|unsubscribe|opt(?:ing)?[\s-]?out|opt\s+me\s+out"
    r"|(?:take|remove|delete|erase|get|scratch|drop)\s+(?:me|us|my\s+(?:number|name|info\w*|phone|contact|email|details)|this\s+number|our\s+\w+)\b(?:\s+(?:off|from|out))?"
    r"(?=\s*(?:$|[.,!;]|please|now|off|from|out|immediately|asap|and\b))"
    r"|lose\s+(?:my|this)\s+number"
    rf"|(?:don'?t|do\s+not|never|please\s+no\s+longer)\s+(?:ever\s+)?{_TALK}\s+(?:out\s+)?(?:to\s+)?(?:me|us|here|this\s+number|again|anymore|any\s+more)\b"
    r"(?!\s+(?:until|before|after|between|during|at|on\s+(?:mon|tue|wed|thu|fri|sat|sun|week)|about\s+(?:condos?|town)|condos?|townho\w+|anything\s+(?:over|under)|homes?|houses?))"
    r"|(?:don'?t|do\s+not)\s+(?:want|wish|need)\s+to\s+be\s+(?:contacted|called|texted|messaged)"
    r"|(?:don'?t|do\s+not)\s+(?:want|wish|need)\s+(?:to\s+(?:get|receive|hear)|any|more|your|these|further)\b[^.!?]{0,20}?(?:more|anymore|messages?|texts?|emails?|calls?|from\s+you|contacted)"
    rf"|(?<!\bi\s)(?<!we\s)(?<!they\s)(?<!you\s)(?:don'?t|do\s+not)\s+(?:ever\s+)?{_TALK}(?:\s+(?:or|and)\s+{_TALK}){{0,3}}{_PLEASE}(?=\s*(?:$|[.,!;]))(?!{_BY_OTHER})"
    rf"|no\s+(?:texts?|messages?|emails?|calls?)\b(?=\s*(?:$|[.,!;]|(?:please|pls|plz|thanks|anymore|any\s+more|from\s+you|at\s+all)\b))(?!{_BY_OTHER})"
    r"|no\s+more\s+(?:texts?|messages?|emails?|calls?|spam|contact)"
    r"|no\s+longer\s+(?:wish|want|care)\s+to\s+(?:receive\b|hear\s+from|be\s+(?:contacted|called|texted|messaged|emailed)|get\s+(?:these|those|your|any|texts?|messages?|emails?|calls?)\b)"
    r"|leave\s+(?:me|us)\s+alone|go\s+away|fuck\s+off|f\s+off|stop\s+it\s+already"
    r"|do\s+not\s+(?:call|contact|text)\s+list"
    r"|(?:report(?:ed|ing)?\s+(?:you|this|it)?\s*(?:as|for)\s+spam|this\s+is\s+(?:spam|harassment))"
    r"|no\s+me\s+(?:escriba|escriban|llame|llamen|mande|manden|contacte)\w*"
    r")"
)
_NOT_THIS: Final = re.compile(
    r"(?:please\s+)?(?:don'?t|do\s+not|never|can'?t|cannot|won'?t|not|hope\s+you\s+don'?t)\s+(?:ever\s+|please\s+)?$"
)
"""Before "stop": "don't stop sending me homes" asks for more."""
_WRONG: Final = re.compile(
    r"\b(?:wrong\s+(?:number|person|guy|phone|contact|one\s+for\s+this)|(?:you|u)\s+(?:have|got|'ve\s+got)\s+the\s+wrong|"
    r"(?:this\s+)?(?:isn'?t|is\s+not|not)\s+(?:his|her|their)\s+(?:number|phone)|i\s+don'?t\s+know\s+(?:who|any)\s+(?:this|you|that)\s+is)"
)
_DONE: Final = re.compile(
    r"\b(?:(?:not|no\s+longer|never\s+was|not\s+really)\s+int(?:e)?rested(?!\s+in\s+(?:that|this|those|the|it|a|any|condo|town|seeing|\d)|\s+if)"
    r"|(?:no\s+longer|not|aren'?t|isn'?t|stopped)\s+(?:looking|in\s+the\s+market|house\s+hunting|buying)\s*(?:any\s?more|at\s+all|for\s+a\s+(?:home|house)|to\s+buy)?(?=\s*(?:$|[.,!;]|thanks|thank|so\b|right\s+now\s*$)))"
)


_ASKED: Final = (
    (STOP, _BARE, ("stop", "quit", "unsub", "please", "pls", "plz")),
    (STOP, _STOP_WORDS, (
        "stop", "quit", "cease", "unsub", "opt out", "opt-out", "optout", "opting", "opt me", "take ", "remove", "delete", "erase", "get me", "get us", "get my", "scratch", "drop me", "drop my", "lose ",
        "leave ", "don't", "dont", "do not", "never", "no longer", "no more", "spam", "harass", "go away", "fuck", "f off", "no me ",
        "no text", "no message", "no email", "no call",
    )),
    (WRONG_NUMBER, _WRONG, ("wrong", "his number", "her number", "their number", "his phone", "her phone", "know who", "know any", "you have the", "u have the")),
    (NOT_INTERESTED, _DONE, ("interested", "intrested", "no longer", "not looking", "n't looking", "stopped", "not in the market", "n't in the market", "not buying", "not house", "n't buying")),
)  # fmt: skip
"""What is asked, how it is said, and a cheap first look: without one of these pieces it is not."""


def revocation(low: str) -> Revocation | None:
    """The first that the text holds; ``low``: lower case, straight apostrophes. None: it asks nothing of the kind."""
    if len(low) <= _KEYWORD_CHARS and _KEYWORD.fullmatch(low):
        begin = len(low) - len(low.lstrip(" \n\t\"'*.!-"))
        return Revocation(STOP, begin, len(low.rstrip(" \n\t\"'*.!-")))
    for words, pattern, first in _ASKED:
        if not any(piece in low for piece in first):
            continue
        for found in islice(pattern.finditer(low), _MOST):
            if _NOT_THIS.search(low, max(0, found.start() - 30), found.start()) is None:
                return Revocation(words, found.start(), found.end())
    return None


def takes_back(low: str) -> bool:
    """Whether the text asks for messages again: the carriers' keywords, alone."""
    return low.strip(" \n\t\"'*.!-") in {"start", "unstop", "resume", "yes start", "start again"}
