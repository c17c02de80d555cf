"""The words of a suggested reply: fixed templates, filled with nothing but fields of a listing and stated wishes.

Called by: services/suggested_reply. The same question gets the same words, whoever asks: of the lead only the first name
stands in the greeting. What the lead wrote is never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ghl_real_estate_ai.compliance.fair_housing import AreaTopic
from ghl_real_estate_ai.ml.asked_topics import topics_of
from ghl_real_estate_ai.ml.listing_segments import ON_MARKET, feature_fact
from ghl_real_estate_ai.ml.named_homes import street_of
from ghl_real_estate_ai.ml.stated_plans import A_CALL, A_VISIT
from ghl_real_estate_ai.models.conversations import FactKind, MessageFact
from ghl_real_estate_ai.models.properties import Feature, Listing, StandardStatus, Wishes
from ghl_real_estate_ai.models.replies import SMS_CHARS, Ground

_NAME_CHARS: Final = 40


class Writer(NamedTuple):
    """Who signs."""

    agent: str
    brokerage: str


class Question(NamedTuple):
    """What is to be answered. ``names_home``: the message names one, found or not; ``home``: the listing as it is now."""

    facts: Sequence[MessageFact]
    area: tuple[AreaTopic, ...]
    names_home: bool
    home: Listing | None
    wishes: Wishes
    by_email: bool


class Draft(NamedTuple):
    """``body``: without greeting and signature."""

    text: str
    body: str
    grounds: tuple[Ground, ...]


class _Said(NamedTuple):
    words: str
    grounds: tuple[Ground, ...] = ()


_STATUS: Final = {
    StandardStatus.ACTIVE: "active",
    StandardStatus.ACTIVE_UNDER_CONTRACT: "active under contract",
    StandardStatus.COMING_SOON: "coming soon",
    StandardStatus.PENDING: "pending",
    StandardStatus.CLOSED: "closed",
    StandardStatus.WITHDRAWN: "withdrawn",
    StandardStatus.CANCELED: "canceled",
    StandardStatus.EXPIRED: "expired",
    StandardStatus.HOLD: "on hold",
}
_TO_FIND_OUT: Final = {
    "fees": "the association's fees",
    "taxes": "the property taxes",
    "closing costs": "the closing costs",
    "insurance": "the insurance",
    "roof": "the roof",
    "foundation": "the foundation",
    "heating and cooling": "the heating and cooling",
    "offers": "what the sellers say about offers",
    "photos": "more photos",
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
_FEATURE_FIELDS: Final = {
    "PoolPrivateYN": (Feature.POOL, "a pool"),
    "GarageSpaces": (Feature.GARAGE, "a garage"),
    "FireplaceYN": (Feature.FIREPLACE, "a fireplace"),
}
_HEADLINE: Final = ("StandardStatus", "ListPrice", "BedroomsTotal", "BathroomsTotalInteger", "LivingArea")
"""What an email tells of a home, asked or not."""
_SOURCES: Final = {
    AreaTopic.SAFETY: "For crime and safety I point everyone to the local police department's own reports.",
    AreaTopic.SCHOOLS: "For schools I point everyone to the school district's own site: it has the boundaries and reports.",
    AreaTopic.PEOPLE: "I don't describe who lives where; a visit at different times of day shows you most.",
    AreaTopic.AREA: "How a place suits you is yours to judge; a visit at different times of day shows you most.",
}
_ALL_SOURCES: Final = "For questions about an area I point everyone to the sources: the school district, the police department and your own visit."


def draft(asked: Question, *, first_name: str | None, writer: Writer) -> Draft:
    """The reply. A text message has at most SMS_CHARS characters: what an answer can do without is left out first."""
    said, step = [*_answer(asked)], _step(asked)
    name = _plain_name(first_name)
    opening = f"Hi {name}" if name else "Hi"
    if asked.by_email:
        body = "\n\n".join((" ".join(one.words for one in said), step))
        text = f"{opening},\n\n{body}\n\n{_cut(writer.agent)}\n{_cut(writer.brokerage)}"
    else:
        closing = f"- {_cut(writer.agent)}, {_cut(writer.brokerage)}"
        while len(said) > 1 and len(_line(f"{opening}!", said, step, closing)) > SMS_CHARS:
            said.pop()
        body = " ".join([*(one.words for one in said), step])
        text = _line(f"{opening}!", said, step, closing)
    return Draft(text, body, tuple(dict.fromkeys(ground for one in said for ground in one.grounds)))


def _line(opening: str, said: Sequence[_Said], step: str, closing: str) -> str:
    return " ".join([opening, *(one.words for one in said), step, closing])


def _cut(name: str) -> str:
    return " ".join(name.split())[:_NAME_CHARS].rstrip()


def _plain_name(name: str | None) -> str | None:
    """As the CRM has it; none where the field holds something else than a name."""
    plain = " ".join((name or "").split())
    return plain if 0 < len(plain) <= _NAME_CHARS and not re.search(r"[\d@:/<>{}]", plain) else None


# --- what is said -------------------------------------------------------------------------------------------------------


def _answer(asked: Question) -> Iterator[_Said]:
    """The most important first."""
    kinds = {fact.kind for fact in asked.facts}
    topics = _topics(asked.facts)
    yield from _of_area(asked.area)
    if FactKind.MEETING in kinds:
        yield from _of_meeting(asked)
    if asked.home is not None and (topics or asked.names_home):
        yield from _of_home(asked.home, topics, by_email=asked.by_email)
    elif topics:
        yield _Said(_checking(topics))
    elif not asked.area and FactKind.MEETING not in kinds and kinds & {FactKind.QUESTION, FactKind.HOME}:
        yield _Said(_checking(()))
    if not asked.area and not kinds & {FactKind.MEETING, FactKind.QUESTION, FactKind.HOME}:
        yield from _of_statement(kinds, asked.wishes)


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
        grounds = (Ground(claim=place, source=f"listing {asked.home.listing_key} UnparsedAddress"),)
    else:
        thanks = "Thanks for asking." if meeting.startswith(A_VISIT) else "Thanks for the time."
    yield _Said(
        f"{thanks} {'I will check that time and confirm.' if _timed(meeting) else 'I can set that up.'}",
        grounds,
    )


def _timed(meeting: str) -> bool:
    return meeting not in {A_CALL, A_VISIT}


def _topics(facts: Sequence[MessageFact]) -> tuple[str, ...]:
    """What the questions are about, each once; a question of another kind has no topic."""
    found: list[str] = []
    for fact in facts:
        if fact.kind is FactKind.QUESTION:
            found += [topic for topic in topics_of(fact.quote.lower()) if topic not in found]
    return tuple(found)


def _checking(topics: Sequence[str]) -> str:
    if not topics:
        return "Thanks for your question. I'll check and get back to you."
    named = [_TO_FIND_OUT[topic] for topic in topics[:3]]
    return f"Thanks for your question. I'll check {_and(named)} and get back to you."


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _of_home(home: Listing, topics: Sequence[str], *, by_email: bool) -> Iterator[_Said]:
    """What the listing says of what was asked; what it leaves out is to be checked, never guessed."""
    wanted = list(topics) or ["StandardStatus", "ListPrice"]
    wanted += [field for field in _HEADLINE if by_email and field not in wanted]
    wanted.sort(key=_in_order)
    known = {field: claim for field in wanted if (claim := _claim(home, field)) is not None}
    subject, place = "It", street_of(home)
    first = Ground(claim=place or "the home", source=f"listing {home.listing_key} UnparsedAddress")
    for number, (verb, claims) in enumerate(_by_verb(known)):
        subject = (place or "The home") if number == 0 else "It"
        grounds = tuple(
            Ground(claim=known[field], source=f"listing {home.listing_key} {field}") for field in claims
        )
        words = _and([known[field].removeprefix(f"{verb} ") for field in claims])
        yield _Said(f"{subject} {verb} {words}.", (first, *grounds) if number == 0 and place else grounds)
    missing = [_TO_FIND_OUT[topic] for topic in topics if topic not in known]
    if missing:
        yield _Said(f"I'll check {_and(missing[:3])} and get back to you.")


def _by_verb(known: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Claims that share a verb share a sentence: "has 3 bedrooms and 1,800 sq ft"."""
    found: dict[str, list[str]] = {}
    for field, claim in known.items():
        verb = next(verb for verb in _VERBS if claim.startswith(verb))
        found.setdefault(verb, []).append(field)
    return list(found.items())


def _in_order(field: str) -> int:
    return _HEADLINE.index(field) if field in _HEADLINE else len(_HEADLINE)


_VERBS: Final = ("is listed", "has", "was built")


def _claim(home: Listing, field: str) -> str | None:
    """One field in words, to follow the address; None where the listing leaves it out."""
    if field in _FEATURE_FIELDS:
        feature, words = _FEATURE_FIELDS[field]
        fact = feature_fact(home, feature)
        return None if fact is None else f"has {words}" if fact else f"is listed without {words}"
    rooms = {"BedroomsTotal": home.bedrooms_total, "BathroomsTotalInteger": home.bathrooms_total_integer}
    if field in rooms:
        count, noun = rooms[field], "bedroom" if field == "BedroomsTotal" else "bathroom"
        return None if count is None else f"has {count} {noun}{'' if count == 1 else 's'}"
    match field:
        case "StandardStatus":
            return f"is listed as {_STATUS[home.standard_status]}"
        case "ListPrice":
            return f"is listed at ${home.list_price:,.0f}"
        case "LivingArea":
            return None if home.living_area is None else f"has {home.living_area:,.0f} sq ft"
        case "LotSizeAcres":
            return None if home.lot_size_acres is None else f"has a lot of {home.lot_size_acres:g} acres"
        case "YearBuilt":
            return None if home.year_built is None else f"was built in {home.year_built}"
        case _:
            return None


def _of_statement(kinds: set[FactKind], wishes: Wishes) -> Iterator[_Said]:
    """To a message that asks nothing: thanks, and what the house has on its list, if the message spoke of wishes."""
    if FactKind.OBJECTION in kinds:
        yield _Said("Thanks for telling me, that helps.")
        return
    if not kinds:
        yield _Said("Thanks for your message.")
        return
    yield _Said("Thanks, that helps.")
    noted = [*_noted(wishes)]
    if noted and kinds & {FactKind.BUDGET, FactKind.BEDROOMS, FactKind.BATHROOMS, FactKind.CITY}:
        claim = ", ".join(words for words, _ in noted)
        source = ", ".join(f"wish {field}" for _, field in noted)
        yield _Said(f"On your list I have: {claim}.", (Ground(claim=claim, source=source),))


def _noted(wishes: Wishes) -> Iterator[tuple[str, str]]:
    if wishes.city is not None:
        yield " ".join(wishes.city.split())[:_NAME_CHARS], "city"
    if wishes.max_list_price is not None:
        yield f"up to ${wishes.max_list_price:,.0f}", "max_list_price"
    if wishes.min_bedrooms:
        yield f"{wishes.min_bedrooms}+ bedrooms", "min_bedrooms"
    if wishes.min_bathrooms:
        yield f"{wishes.min_bathrooms}+ bathrooms", "min_bathrooms"


# --- the next step ------------------------------------------------------------------------------------------------------


def _step(asked: Question) -> str:
    """Always a question about a time."""
    kinds = {fact.kind for fact in asked.facts}
    if any(fact.kind is FactKind.MEETING and _timed(fact.value) for fact in asked.facts):
        return "In case it's taken, what other day and time would work?"
    if FactKind.MEETING in kinds:
        return "What day and time work for you?"
    if asked.home is not None and asked.home.standard_status in ON_MARKET:
        return "Would you like to see it? What day and time work for you?"
    if asked.home is not None:
        return "Shall I look for homes like it? What time suits you for a quick call?"
    if FactKind.OBJECTION in kinds:
        return "Shall I look for something that fits better? What time suits you for a quick call?"
    return "What time suits you for a quick call?"
