"""What a message of a lead states about the purchase: budget, rooms, place, time, money, meetings, homes, questions, doubts, stop.

Called by: services/stream_projection (each inbound message), services/suggested_reply; ``asks`` also by ml/reachability.

Fixed rules, no model: the same text gives the same facts, each with the words that it was read from. What names a trait of
the person (family, faith, origin, disability, age, source of income) is not kept, nor quoted, as far as the list of
compliance/fair_housing reaches. No list names everything: a question is quoted only where it is of something that belongs
to a purchase; of any other the fact says no more than that something was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from ghl_real_estate_ai.compliance.fair_housing import AreaTopic, area_topics, names_a_trait
from ghl_real_estate_ai.compliance.revocation import revocation
from ghl_real_estate_ai.ml.asked_topics import topics_of
from ghl_real_estate_ai.ml.message_text import Found, MessageText, Sentence, stems
from ghl_real_estate_ai.ml.stated_plans import (
    LOCATED,
    MOVED,
    OBJECTED,
    SEEN_OR_TIMED,
    financing,
    homes,
    meetings,
    move_by,
    objections,
)
from ghl_real_estate_ai.ml.stated_wishes import budget, cities, features, rooms, size, types
from ghl_real_estate_ai.models.conversations import FactKind, MessageFact

MOST_FACTS: Final = 16
"""Facts of one message that are kept, in the order of the text."""
MOST_QUESTIONS: Final = 3
MOST_SENTENCES: Final = 60
"""Sentences that are read: a lead's message has a handful."""
QUESTION_CHARS: Final = 140
"""Most characters of a question's quote."""

ASKED: Final = "asks something"
"""What is told of a question that is not quoted."""
_OF_PURCHASE: Final = frozenset({FactKind.MEETING, FactKind.HOME})
_ASKS: Final = frozenset({FactKind.QUESTION, FactKind.MEETING, FactKind.HOME})

_Reader = Callable[[Sentence], Iterator[Found]]

_READERS: Final[tuple[tuple[frozenset[str], _Reader], ...]] = (
    (stems("0 million"), budget),
    (stems("0 bed beds bedroom bath bathroom br brs bd bdrm ba"), rooms),
    (stems("sq sqft square sf 0"), size),
    (stems("condo condos town townhouse townhomes single sfh detached duplex manufactured mobile"), types),
    (stems("pool garage fire fireplace water waterfront lakefront riverfront lake river new newly brand yard backyard basement home big large "
           "fenced office deck patio balcony open workshop solar hardwood dock swimming"), features),
    (stems("in around near to outside"), cities),
    (MOVED, move_by),
    (stems("pre preapproved pre-approved approved lender bank mortgage prequalified cash all-cash sell selling sale contingent fha "
           "conventional down financing"), financing),
    (SEEN_OR_TIMED, meetings),
    (LOCATED, homes),
    (OBJECTED, objections),
)  # fmt: skip
"""Each reader behind a cheap first look at the words of a sentence: most have nothing to find in it."""


def facts_of(text: str) -> tuple[MessageFact, ...]:
    """In the order of the text, each fact once. ``text``: as the lead wrote it; READ_CHARS of it are read."""
    message = MessageText.of(text)
    found = list(_found(message))
    found.sort(key=lambda one: (one.start, one.end))
    facts: list[MessageFact] = []
    seen: set[tuple[object, ...]] = set()
    for one in found:
        what = (one.kind, one.value.lower(), one.wish, one.wish_value)
        quote = message.text[one.start : one.end]
        if what in seen or names_a_trait(message.low[one.start : one.end]):
            continue
        seen.add(what)
        facts.append(
            MessageFact(kind=one.kind, value=one.value, quote=quote, wish=one.wish, wish_value=one.wish_value)
        )
    return tuple(facts[:MOST_FACTS])


def asks(text: str) -> bool:
    """Whether an answer is asked for in words: a question, a meeting, a home, or what a place is like."""
    return any(fact.kind in _ASKS for fact in facts_of(text)) or bool(area_topics(MessageText.of(text).low))


def _found(message: MessageText) -> Iterator[Found]:
    asked = revocation(message.low)
    if asked is not None:
        yield Found(FactKind.STOP, asked.words, asked.start, asked.end)
    questions = 0
    for sentence in islice(message.sentences(), MOST_SENTENCES):
        kinds: set[FactKind] = set()
        for first, reader in _READERS:
            if sentence.has(first):
                for one in reader(sentence):
                    kinds.add(one.kind)
                    yield one
        if (
            sentence.asks
            and questions < MOST_QUESTIONS
            and " " in sentence.words.strip()
            and not _about_people(sentence.words)
        ):
            questions += 1
            yield _question(message, sentence, of_purchase=bool(kinds & _OF_PURCHASE))


def _about_people(low: str) -> bool:
    return names_a_trait(low) or AreaTopic.PEOPLE in area_topics(low)


def _question(message: MessageText, sentence: Sentence, *, of_purchase: bool) -> Found:
    """With its words only where they are of something that belongs to a purchase: what no list knows is not quoted."""
    words = sentence.words
    start = sentence.start + len(words) - len(words.lstrip())
    if not (of_purchase or topics_of(words)):
        return Found(FactKind.QUESTION, ASKED, start, start)
    end = sentence.start + len(words.rstrip())
    if message.text[end : end + 1] == "?":
        end += 1
    end = min(end, start + QUESTION_CHARS)
    return Found(FactKind.QUESTION, " ".join(message.text[start:end].split()), start, end)
