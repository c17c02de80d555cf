"""The words of a suggested reply: fixed templates, filled with nothing but fields of a listing and stated wishes.

Called by: services/suggested_reply. The same question gets the same words, whoever asks: of the lead only the first name
stands in the greeting. What the lead wrote is never repeated. Each reply but that to mere thanks ends in one question, about a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ghl_real_estate_ai.compliance.fair_housing import AreaTopic
from ghl_real_estate_ai.ml.asked_topics import asks_for_homes, topics_of
from ghl_real_estate_ai.ml.home_claims import FEATURES, HEADLINE, by_verb, claim_of, ground
from ghl_real_estate_ai.ml.named_homes import street_of
from ghl_real_estate_ai.ml.stated_plans import A_CALL, A_VISIT
from ghl_real_estate_ai.models.conversations import FactKind, MessageFact
from ghl_real_estate_ai.models.properties import Listing, StandardStatus, Wishes
from ghl_real_estate_ai.models.replies import SMS_CHARS, Ground

_NAME_CHARS: Final = 40


class Writer(NamedTuple):
    """Who signs."""

    agent: str
    brokerage: str


class Question(NamedTuple):
    """What is to be answered; listings as they are now.

    ``names_home``: the message names one, found or not; ``home``: the one it is about. ``for_homes``: it asks what there
    is. ``thanks``: it is nothing but thanks. ``offer``: a home that fits ``wished``: the message's wishes over those that were known before, ``noted``.
    """

    facts: Sequence[MessageFact]
    area: tuple[AreaTopic, ...]
    names_home: bool
    home: Listing | None
    for_homes: bool
    thanks: bool
    offer: Listing | None
    wished: Wishes
    noted: Wishes
    by_email: bool

    @property
    def kinds(self) -> set[FactKind]:
        """What the message states."""
        return {fact.kind for fact in self.facts}


class Draft(NamedTuple):
    """``body``: without greeting and signature. ``streets``: addresses in it that a listing holds."""

    text: str
    body: str
    grounds: tuple[Ground, ...]
    streets: tuple[str, ...]


class _Said(NamedTuple):
    words: str
    grounds: tuple[Ground, ...] = ()


_TO_FIND_OUT: Final = {
    "fees": "the association's fees",
    "taxes": "the property taxes",
    "closing costs": "the closing costs",
    "insurance": "the insurance",
    "roof": "the roof",
    "foundation": "the foundation",
    "heating and cooling": "the heating and cooling",
    "offers": "what the sellers say about offers",
    "photos": "whether there are more photos",
    "open house": "the open house",
    "StandardStatus": "whether it is available",
    "BedroomsTotal": "the bedrooms",
    "BathroomsTotalInteger": "the bathrooms",
    "LivingArea": "the size",
    "LotSizeAcres": "the lot",
    "YearBuilt": "the year it was built",
    "PoolPrivateYN": "the pool",
    "GarageSpaces": "the garage",
    "FireplaceYN": "the fireplace",
    "ListPrice": "the price",
}
_SOURCES: Final = {
    AreaTopic.SAFETY: "For crime and safety I point everyone to the local police department's own reports.",
    AreaTopic.SCHOOLS: "For schools I point everyone to the school district's own site: it has the boundaries and reports.",
    AreaTopic.PEOPLE: "I don't describe who lives where; a visit at different times of day shows you most.",
    AreaTopic.AREA: "How a place suits you is yours to judge; a visit at different times of day shows you most.",
}
_ALL_SOURCES: Final = "For questions about an area I point everyone to the sources: the school district, the police department and your own visit."


def draft(asked: Question, *, first_name: str | None, writer: Writer) -> Draft:
    """The reply. A text message has at most SMS_CHARS characters: what an answer can do without is left out first."""
    topics = _topics(asked.facts)
    about = asked.home if topics or asked.names_home or FactKind.MEETING in asked.kinds else None
    said, step = [*_answer(asked, about, topics)], _step(asked, about or asked.offer)
    name = _plain_name(first_name)
    opening = f"Hi {name}" if name else "Hi"
    if asked.by_email:
        body = "\n\n".join(part for part in (" ".join(one.words for one in said), step) if part)
        text = f"{opening},\n\n{body}\n\n{_cut(writer.agent)}\n{_cut(writer.brokerage)}"
    else:
        closing = f"- {_cut(writer.agent)}, {_cut(writer.brokerage)}"
        while len(said) > 1 and len(_line(f"{opening}!", said, step, closing)) > SMS_CHARS:
            said.pop()
        body = " ".join(part for part in (*(one.words for one in said), step) if part)
        text = _line(f"{opening}!", said, step, closing)
    return Draft(
        text=text,
        body=body,
        grounds=tuple(dict.fromkeys(ground for one in said for ground in one.grounds)),
        streets=tuple(street for home in (about, asked.offer) if home and (street := street_of(home))),
    )


def _line(opening: str, said: Sequence[_Said], step: str, closing: str) -> str:
    return " ".join(part for part in (opening, *(one.words for one in said), step, closing) if part)


def _cut(name: str) -> str:
    return " ".join(name.split())[:_NAME_CHARS].rstrip()


def _plain_name(name: str | None) -> str | None:
    """As the CRM has it; none where the field holds something else than a name."""
    plain = " ".join((name or "").split())
    return plain if 0 < len(plain) <= _NAME_CHARS and not re.search(r"[\d@:/<>{}]", plain) else None


# --- what is said -------------------------------------------------------------------------------------------------------


def _answer(asked: Question, about: Listing | None, topics: Sequence[str]) -> Iterator[_Said]:
    """The most important first."""
    kinds = asked.kinds
    yield from _of_area(asked.area)
    if FactKind.MEETING in kinds:
        yield from _of_meeting(asked)
    if about is not None and (topics or asked.names_home):
        yield from _of_home(about, topics, by_email=asked.by_email)
    elif asked.offer is not None:
        yield from _of_offer(asked.offer, asked)
        yield from _to_check(topics)
    elif topics:
        yield _Said("Thanks for asking.")
        yield from _to_check(topics)
    elif asked.area or FactKind.MEETING in kinds:
        return
    elif asked.for_homes:
        yield _Said("Thanks for asking. I'll look for homes that fit and get back to you.")
        yield from _of_noted(asked)
    elif kinds & {FactKind.QUESTION, FactKind.HOME}:
        yield _Said("Thanks for asking. I'll check and get back to you.")
    else:
        yield from _of_statement(asked)


def _of_area(area: tuple[AreaTopic, ...]) -> Iterator[_Said]:
    if area:
        yield _Said(_SOURCES[area[0]] if len(area) == 1 else _ALL_SOURCES)


def _of_meeting(asked: Question) -> Iterator[_Said]:
    place = None if asked.home is None else street_of(asked.home)
    grounds: tuple[Ground, ...] = ()
    meeting = next(fact.value for fact in asked.facts if fact.kind is FactKind.MEETING)
    if meeting.startswith(A_CALL):
        thanks = "Thanks for asking for a call."
    elif asked.home is not None and place is not None:
        thanks = f"Thanks for asking to see {place}."
        grounds = (ground(asked.home, place),)
    else:
        thanks = "Thanks for asking." if meeting.startswith(A_VISIT) else "Thanks for the time."
    yield _Said(
        f"{thanks} {'I will check that time and confirm.' if _timed(meeting) else 'I can set that up.'}",
        grounds,
    )


def _timed(meeting: str) -> bool:
    return meeting not in {A_CALL, A_VISIT}


def _topics(facts: Sequence[MessageFact]) -> tuple[str, ...]:
    """What the questions about a home are about, each once; a question of another kind has no topic."""
    quotes = (fact.quote.lower() for fact in facts if fact.kind is FactKind.QUESTION)
    return tuple(
        dict.fromkeys(topic for low in quotes if not asks_for_homes(low) for topic in topics_of(low))
    )


def _to_check(fields: Sequence[str]) -> Iterator[_Said]:
    """What no listing here tells: at most three of it are named."""
    if fields:
        yield _Said(f"I'll check {_and([_TO_FIND_OUT[field] for field in fields[:3]])} and get back to you.")


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _of_home(home: Listing, topics: Sequence[str], *, by_email: bool) -> Iterator[_Said]:
    """What the listing says of what was asked; what it leaves out is to be checked, never guessed."""
    wanted = list(topics) or ["StandardStatus", "ListPrice"]
    wanted += [field for field in HEADLINE if by_email and field not in wanted]
    wanted.sort(key=lambda field: HEADLINE.index(field) if field in HEADLINE else len(HEADLINE))
    claims = {field: claim_of(home, field) for field in wanted}
    place = street_of(home)
    subject, grounds = place or "The home", [ground(home, place)] if place else []
    for verb, words in by_verb(claim for claim in claims.values() if claim is not None):
        grounds += [ground(home, claim) for claim in words]
        yield _Said(f"{subject} {verb} {', '.join(words) if verb == 'is' else _and(words)}.", tuple(grounds))
        subject, grounds = "It", []
    yield from _to_check([topic for topic in topics if claims[topic] is None])


def _of_offer(home: Listing, asked: Question) -> Iterator[_Said]:
    """One home, and which of the wishes it meets."""
    wished, place, budget = asked.wished, street_of(home) or "One home", ""
    price = f"listed at ${home.list_price:,.0f}"
    grounds = [ground(home, place), ground(home, price)]
    if wished.max_list_price is not None:
        budget = ", within your budget"
        grounds.append(
            Ground(claim="within your budget", source=f"wish: up to ${wished.max_list_price:,.0f}")
        )
    thanks = "" if asked.for_homes else "Thanks, that helps. "
    yield _Said(f"{thanks}{place} could be a match: it's {price}{budget}.", tuple(grounds))
    where = [] if wished.city is None else [(f"in {_cut(home.city)}", _cut(wished.city))]
    has = [*_offers(home, wished)]
    clauses = [f"'s {claim}" for claim, _ in where]
    if has:
        clauses.append(f" has {_and([claim for claim, _ in has])}")
    if clauses:
        source = f"listing {home.listing_key}; wish"
        met = tuple(Ground(claim=claim, source=f"{source}: {wish}") for claim, wish in where + has)
        yield _Said(f"It{' and'.join(clauses)}.", met)


def _offers(home: Listing, wishes: Wishes) -> Iterator[tuple[str, str]]:
    """What the home has of what is wished, and the wish; what the listing leaves out is left out."""
    for field, least, noun in (
        ("BedroomsTotal", wishes.min_bedrooms, "bedrooms"),
        ("BathroomsTotalInteger", wishes.min_bathrooms, "bathrooms"),
        ("LivingArea", wishes.min_living_area, "sq ft"),
    ):
        claim = claim_of(home, field)
        if least and claim is not None:
            yield claim.words, f"{least:,.0f}+ {noun}"
    for field, (feature, words) in FEATURES.items():
        claim = claim_of(home, field)
        if feature in wishes.features and claim is not None:
            yield claim.words, words


def _of_statement(asked: Question) -> Iterator[_Said]:
    """To a message that asks nothing."""
    if asked.thanks:
        yield _Said("You're welcome! I'm here whenever you need anything.")
    elif FactKind.OBJECTION in asked.kinds:
        yield _Said("Thanks for telling me, that helps.")
    elif asked.kinds:
        yield _Said("Thanks, that helps.")
        if any(fact.wish for fact in asked.facts):
            yield from _of_noted(asked)
    else:
        yield _Said("Thanks for your message.")


def _of_noted(asked: Question) -> Iterator[_Said]:
    """The wishes that were known before and that the message does not state anew."""
    stated = {fact.wish for fact in asked.facts}
    told = [words for field, words in _in_words(asked.noted) if field not in stated]
    if told:
        grounds = tuple(Ground(claim=words, source="the lead's wishes") for words in told)
        yield _Said(f"I {'also ' if stated - {None} else ''}have you down for {_and(told)}.", grounds)


def _in_words(wishes: Wishes) -> Iterator[tuple[str, str]]:
    if wishes.city is not None:
        yield "city", _cut(wishes.city)
    if wishes.max_list_price is not None:
        yield "max_list_price", f"up to ${wishes.max_list_price:,.0f}"
    if wishes.min_bedrooms:
        yield "min_bedrooms", f"{wishes.min_bedrooms}+ bedrooms"
    if wishes.min_bathrooms:
        yield "min_bathrooms", f"{wishes.min_bathrooms}+ bathrooms"


# --- the next step ------------------------------------------------------------------------------------------------------


def _step(asked: Question, home: Listing | None) -> str:
    """One question about a time; none to who only says thanks. ``home``: what the reply speaks of. A home that is not on the market yet is shown to nobody."""
    if asked.thanks:
        return ""
    if any(fact.kind is FactKind.MEETING and _timed(fact.value) for fact in asked.facts):
        return "In case it's taken, what other day and time would work?"
    if FactKind.MEETING in asked.kinds:
        return "What day and time work for you?"
    if home is None:
        about = " about what would fit better" if FactKind.OBJECTION in asked.kinds else ""
    elif home.standard_status is StandardStatus.ACTIVE:
        return "What day and time would work for you to see it?"
    else:
        about = " about it" if home.standard_status is StandardStatus.COMING_SOON else " about homes like it"
    return f"What time suits you for a quick call{about}?"
