"""A message made ready to be read: sentences, which of them ask, and where the writer speaks of a home rather than of a wish.

Called by: message_facts and what it is made of (stated_wishes, stated_plans).

Positions are the message's own: lower case never moves a letter, so a quote is always cut from what was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from ghl_real_estate_ai.models.conversations import FactKind

READ_CHARS: Final = 4_000
"""So much of a message is read; what follows is a forwarded thread or a newsletter."""

MOST_PER_SENTENCE: Final = 12
"""Candidates of one kind that are looked at in one sentence."""

_ASCII_LOW: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_BREAK: Final = re.compile(
    r"\.(?=\s|$|[a-z]{3})(?<!\bst\.)(?<!\bdr\.)(?<!\brd\.)(?<!\bln\.)(?<!\bct\.)(?<!\bave\.)(?<!\bblvd\.)(?<!\bmr\.)(?<!\bmrs\.)(?<!\bms\.)"
    r"(?<!\bsq\.)(?<!\bft\.)(?<!\bapprox\.)(?<!\bmin\.)(?<!\bmax\.)(?<!\bapt\.)(?<!\bno\.)|[?!]+|\n+"
)
_DIGIT: Final = re.compile(r"\d")
_SPACES: Final = {ord(mark): " " for mark in '.,;:!?()/+~-–—"\n\t'}
_ASKS: Final = re.compile(
    r"\s*(?:(?:hi|hey|hello|hi there|ok|okay|and|but|so|also|thanks|well)[,.!\s]+)*"
    r"(?:is|are|was|were|does|do you|do they|did|has|can|could|would you|would they|will|how|what|what's|when|where|why|who|which|any chance|any idea)\b(?!')"
    r"(?!\s+(?:i need|we need|we want|i want|i like|we like)\b)"
)
_STANCE: Final = re.compile(
    r"(?P<home>\b(?:does|do|did|is|are|was|were|has|had|will|would)\s+(?:it|its|this|that|they|these|the|there)\b(?!\s+(?:any|some|anything|something|more|other)\b)"
    r"|\bhow\s+(?:many|much|big|old|large)\b|\bwhy\b"
    r"|\b(?:it|that\s+one|this\s+one|that\s+house|(?:the|that|this)\s+(?:house|home|place|listing|unit|one))\s+(?:only\s+|already\s+)?(?:has|had|have|was|comes|came|looks?|looked)\b"
    r"|\bthe\s+(?:\d|one|two|three|four|five)\b|\b(?:listed|sold|dropped|reduced)\b"
    r"|\b(?:we|i)\s+(?:\w+ly\s+|now\s+|already\s+|only\s+)?(?:have|had|'?ve\s+got|live|lived|own|owned|rent|rented|bought|sold)\b(?!\s+to\b)"
    r"|\b(?:we|i)'ve\s+got\b|\b(?:our|my)\s+(?:current|old|present|house|home|place|condo|apartment|townhouse|townhome|duplex|\d)\b"
    r"|\bsell(?:ing)?\b|\bused\s+to\b|\bcurrently\b)"
    r"|\b(?:need|needs|want|wants|wanna|looking|prefer|hoping|hope|wish|like\s+to|love\s+to|would\s+like|searching|hunting|interested\s+in|find|"
    r"must|anything|something|require|at\s+least|minimum|budget|instead|moving\s+to|relocating|in\s+search|buy|buying)\b"
)
"""Where the writer turns to a home, their own or a listed one, and where to what they want: whichever came last counts."""
_NOT: Final = re.compile(
    r"\b(?:no|not|don'?t|do\s+not|doesn'?t|didn'?t|without|never|neither|nor|isn'?t|hate|avoid|except|skip|against|aren'?t|won'?t|wouldn'?t)\b"
    r"(?!\s+(?:only|just|sure)\b)[^,;.!?]{0,40}$"
)
_NOT_AFTER: Final = re.compile(
    r"\w*\s*(?:is|are|isn'?t|aren'?t|would\s+be|'s)?\s*(?:not\s+|n'?t\s+)?(?:optional|not\s+(?:necessary|needed|important|required|a\s+(?:must|priority|deal))|"
    r"(?<=n't )(?:necessary|needed|important|required|a\s+must)|unnecessary|no\s+need|(?:is|are)n'?t\s+(?:necessary|needed|important|required|a\s+must))"
)
_YET_YES: Final = re.compile(
    r"(?:can'?t|cannot|won'?t|not)\s+(?:live\s+|be\s+|do\s+)?without\b[^,;.!?]{0,30}$"
)


STEM: Final = 4
"""Letters of a word by which it is looked up."""


def words(text: str) -> frozenset[str]:
    """Words that a rule names."""
    return frozenset(text.split())


def stems(text: str) -> frozenset[str]:
    """Of words that a rule waits for."""
    return frozenset(word[:STEM] for word in words(text))


def _stems_of(low: str) -> set[str]:
    """Of words in lower case; whatever holds a digit is one more stem, '0'."""
    parts = {word[:STEM] for word in low.split()}
    if _DIGIT.search(low):
        parts.add("0")
    return parts


class Found(NamedTuple):
    """A fact and where its words stand."""

    kind: FactKind
    value: str
    start: int
    end: int
    wish: str | None = None
    wish_value: str | int | float | None = None


class Sentence:
    """``low`` is the whole message in lower case; the sentence stands between ``start`` and ``end``."""

    def __init__(self, text: str, low: str, span: tuple[int, int], *, words: str, asks: bool) -> None:
        """``words``: its own, with spaces for punctuation. ``asks``: it ends with a question mark, or begins as a question does."""
        self.text = text
        self.low = low
        self.start, self.end = span
        self.asks = asks
        self.words = low[self.start : self.end]
        self.stems = _stems_of(words)

    @cached_property
    def _turns(self) -> list[tuple[int, bool]]:
        return [
            (turn.start() + self.start, turn.lastgroup == "home") for turn in _STANCE.finditer(self.words)
        ]

    def has(self, stems: frozenset[str]) -> bool:
        """Whether one of its words begins so: a cheap first look before a dear one."""
        return not self.stems.isdisjoint(stems)

    def of_a_home(self, place: int) -> bool:
        """Whether what stands there describes a home that exists, not what is wanted."""
        last = False
        for at, home in self._turns:
            if at > place:
                break
            last = home
        return last

    def wanted(self, place: int) -> bool:
        """Whether words of wanting came before, and nothing has turned away from them."""
        return bool(self._turns) and self._turns[0][0] <= place and not self.of_a_home(place)

    def before(self, place: int, chars: int = 50) -> str:
        """What stands just before, within the sentence."""
        return self.low[max(self.start, place - chars) : place]

    def after(self, place: int, chars: int = 40) -> str:
        """What stands just after, within the sentence."""
        return self.low[place : min(self.end, place + chars)]

    def negated(self, start: int, end: int) -> bool:
        """Whether the words between are said not to be wanted: "don't need a pool", "a pool is not important"."""
        before = self.before(start, 60)
        if _YET_YES.search(before):
            return False
        return _NOT.search(before) is not None or _NOT_AFTER.match(self.after(end)) is not None


@dataclass(frozen=True)
class MessageText:
    """``text`` cut to READ_CHARS, with straight apostrophes in ``low``."""

    text: str
    low: str

    @classmethod
    def of(cls, text: str) -> MessageText:
        """Make it ready."""
        text = text[:READ_CHARS]
        low = text.lower()
        if len(low) != len(text):  # some letters grow: then only ASCII is lowered
            low = text.translate(_ASCII_LOW)
        return cls(text, low.replace("’", "'").replace("‘", "'"))

    def sentences(self) -> Iterator[Sentence]:
        """In order; without those that are blank."""
        start, spaced = 0, self.low.translate(_SPACES)  # once: it is dear for each short piece
        for end, mark in self._breaks():
            if self.low[start:end].strip():
                asks = "?" in mark or _ASKS.match(self.low, start, end) is not None
                yield Sentence(self.text, self.low, (start, end), words=spaced[start:end], asks=asks)
            start = end + len(mark)

    def _breaks(self) -> Iterator[tuple[int, str]]:
        for mark in _BREAK.finditer(self.low):
            yield mark.start(), mark.group()
        yield len(self.low), ""
