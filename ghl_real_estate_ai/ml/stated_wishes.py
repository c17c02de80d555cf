"""What a sentence states of the home that is wanted: price, rooms, size, city, type, features.

Called by: message_facts. Numbers as people text them: "450k", "$1.2m", "under 500", "3br/2ba", "between 400 and 450".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from ghl_real_estate_ai.ml.message_text import MOST_PER_SENTENCE, Found, Sentence, stems, words
from ghl_real_estate_ai.models.conversations import FactKind
from ghl_real_estate_ai.models.properties import Feature

_LEAST, _MOST = 20_000, 50_000_000
"""US dollars: below it is a rent or a fee, above it a slip of the keyboard."""
_FEW, _MANY = 100, 1_000
"""From the first to below the second, a bare number in a price means thousands: "under 500"."""

_NUMBER: Final = (
    r"(\d{1,3}(?:,\d{3}){1,3}|\d{1,9}(?:\.\d{1,3})?)\s?(k|mm?|mil|millions?|thousand|grand)?(?!\w)"
)
_AMOUNT: Final = re.compile(_NUMBER)
_GLUED: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.,/#-_")
"""Before a number: it is part of something longer."""
_MILLIONS: Final = re.compile(r"\b(?:half\s+a|a)\s+million\b(?!\s+and)")
_RANGE: Final = re.compile(_NUMBER + r"\s*(?:-|–|—|\bto\b|\band\b|\bthru\b)\s*\$?\s?" + _NUMBER)
_NOT_MONEY: Final = re.compile(
    r"\s*(?:\+\s*)?(?:%|percent|sq|sf\b|square|bed|bd|br\b|bath|ba\b|acre|days?\b|weeks?\b|months?\b|mos?\b|years?\b|yrs?\b|min|miles?\b|hours?\b|"
    r"am\b|pm\b|:|st\b|nd\b|rd\b|th\b|people|homes|houses|down\b|offers|/)"
)
_LINK: Final = r"(?:\s+(?:is|of|at|to|like|about|around|approximately|roughly|maybe|probably|right|that|would|be|it|the|going|are|for))"
_MAX: Final = re.compile(
    rf"\b(?:under|below|beneath|less\s+than|no\s+more\s+than|not\s+more\s+than|up\s*to|maximum|max(?:es)?(?:\s+out)?|at\s+most|within|lower\s+than|cheaper\s+than|"
    rf"topp?(?:s|ing)?\s+out|cap(?:ped)?|limit|ceiling|budget(?:'s|ed)?|budget\s+tops\s+out|spend|afford|price\s+range|can\s+do|as\s+high\s+as|stay(?:ing)?\s+under|top\s+end)"
    rf"{_LINK}{{0,4}}\s*[:=~<]*\s*$"
)
_OVER: Final = r"(?:over|above|more\s+than|past|beyond|exceed|higher\s+than|north\s+of)"
_NOT_OVER: Final = re.compile(
    rf"\b(?:can'?t|cannot|won'?t|don'?t|do\s+not|not|never|no|nothing|shouldn'?t|wouldn'?t|without|couldn'?t)\b[^,;]{{0,30}}\b{_OVER}\s*$"
)
_NOT_UNDER: Final = re.compile(
    r"\b(?:nothing|not|no|don'?t|never)\b[^,;]{0,25}\b(?:under|below|less\s+than|cheaper\s+than)\s*$"
)
_MIN: Final = re.compile(
    rf"\b(?:{_OVER}|at\s+least|minimum(?:\s+of)?|min|starting\s+at|no\s+less\s+than|not\s+less\s+than)\s*(?:is\s+|of\s+)?$"
)
_TOO_MUCH: Final = re.compile(
    r"\s*(?:is|are|'s|would\s+be)?\s*(?:just\s+|way\s+)?(?:too|out\s+of|a\s+stretch|beyond|more\s+than\s+we|not\s+possible)\b"
)
_MAX_AFTER: Final = re.compile(
    r"\s*(?:max(?:imum)?\b|tops\b|or\s+(?:less|under|below|lower|cheaper)\b|and\s+(?:under|below|less)\b|is\s+(?:our|my|the)\s+(?:max|limit|budget|ceiling|top)|"
    r"budget\b|all[\s-]in\b|at\s+(?:the\s+)?most\b|limit\b|ceiling\b|to\s+spend\b|is\s+what\s+(?:we|i)\s+(?:can|could))"
)
_MIN_AFTER: Final = re.compile(r"\s*(?:and\s+(?:up|above|over)\b|or\s+(?:more|above|up)\b|minimum\b|\+)")
_ABOUT: Final = re.compile(r"(?:\b(?:around|about|roughly|approximately|approx|near|somewhere)|~)\s*$")
_ABOUT_AFTER: Final = re.compile(r"\s*-?(?:ish\b|,?\s*give\s+or\s+take|range\b)")
_OTHER_MONEY: Final = re.compile(
    r"\b(?:approv\w*|qualif\w*|pre-?approv\w*|offer\w*|take|accept|income|salary|earn\w*|make|makes|down\s+payment|deposit|rent|hoa|tax(?:es)?|fees?|loan|mortgage|"
    r"owe|equity|worth|appraised|assessed|zestimate|sell|selling|sold|listed\s+at|listed\s+for|asking|priced|dropped|reduced|price\s+cut|paid|closing\s+costs?)\b[^,;]{0,45}$"
)
_OTHER_MONEY_AFTER: Final = re.compile(
    r"\s*(?:a|per|/|each)\s*(?:month|mo\b|year|yr\b)|\s*(?:down\b|in\s+(?:equity|cash\s+down)|income|salary|rent\b|loan|mortgage)"
)

_OTHER_STEMS: Final = stems(
    "approved approval qualified pre-approved preapproved pre-qualified prequalified offer take accept income salary earn make down deposit rent hoa tax taxes fee "
    "fees loan mortgage owe equity worth appraised assessed zestimate sell selling sold listed asking priced dropped reduced price paid closing"
)
_LIMIT_STEMS: Final = stems(
    "under below beneath less more up upto maximum max maxes most within lower cheaper top tops topping topped cap capped limit ceiling budget budget's spend afford price "
    "can high stay over above past beyond exceed higher north at min minimum starting or and is all to around about roughly approximately approx near "
    "somewhere ish give range"
)

_COUNTS: Final = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}
_COUNT: Final = r"(\d{1,2}(?:\.5)?|one|two|three|four|five|six|seven)"
_ROOMS: Final = re.compile(
    rf"{_COUNT}(?:\s*(?:-|–|/|or|to)\s*{_COUNT})?\s*(?:\+|plus\b|or\s+more\b)?[\s-]*(?:full\s+|big\s+|real\s+|good\s+|decent\s+)?"
    r"(bed(?:room)?s?|bdrms?|bdr|bds?|brs?|bath(?:room)?s?|ba|bths?)\b"
)
_SLASHED: Final = re.compile(
    r"(?:^|(?:\b(?:a|an|or|for|need|want|find|minimum|least))\s+)\s*([2-6])\s?/\s?([1-5](?:\.5)?)(?=\s*$|\s+(?:with|in|under|for|home|house|near|please|or|around|and|at|w/)|[,!?])"
)
_ROOM_STEMS: Final = stems("bed beds bedroom bdr bdrm br brs bd bds bath baths ba bdrms bth")
_GLUED_ROOM: Final = re.compile(r"\d\+?-?b[deratm]|\d ?/ ?\d")
_AT_MOST: Final = re.compile(
    r"\b(?:no\s+more\s+than|at\s+most|max(?:imum)?(?:\s+of)?|up\s+to|(?<!\bno )(?<!\bnot )(?:fewer|less)\s+than|not\s+more\s+than|under|below|"
    r"(?:nothing|not|no)\s+(?:bigger|larger|over)(?:\s+than)?|smaller\s+than)\s*$"
)
_SIZE: Final = re.compile(
    r"(\d{1,2},\d{3}|\d{3,5})\s*(?:\+|plus\b)?\s*(?:sq\.?\s?-?(?:ft|feet|foot)?\b|sqft|sf\b|square\s?-?(?:feet|foot|ft|footage))"
)

_TYPES: Final = re.compile(
    r"\b(?:(?P<Condominium>condos?|condominiums?)|(?P<Townhouse>town\s?-?(?:houses?|homes?))|(?P<SingleFamilyResidence>single[\s-]family(?:\s+(?:homes?|houses?|residence))?|sfh|"
    r"detached(?:\s+(?:home|house))?)|(?P<Duplex>duplex(?:es)?)|(?P<ManufacturedHome>manufactured\s+homes?|mobile\s+homes?))\b"
)
_TYPE_WORDS: Final = {
    "Condominium": "condo",
    "Townhouse": "townhouse",
    "SingleFamilyResidence": "single-family home",
    "Duplex": "duplex",
    "ManufacturedHome": "manufactured home",
}
_FEATURES: Final = re.compile(
    r"\b(?:(?P<pool>(?:swimming\s+)?pool)|(?P<garage>garage)|(?P<fireplace>fire\s?place)|"
    r"(?P<waterfront>water\s?front|lake\s?front|river\s?front|on\s+the\s+(?:water|lake|river))|(?P<new_construction>new\s+(?:construction|builds?)|newly\s+built|brand\s+new\s+(?:home|house|build))|"
    r"(?P<other>(?:big\s+|large\s+|fenced\s+)?(?:back)?yard|basement|home\s+office|deck|patio|balcony|open\s+floor\s*plan|workshop|solar(?:\s+panels)?|hardwood\s+floors|dock))\b"
    r"(?!\s+(?:table|hall|party|of))"
)
_POINTED: Final = re.compile(
    r"\b(?:the|their|its|that|this|your|my|our|those|these|community|neighborhood|shared)\s+(?:\w+\s+){0,2}$"
)
_ASKED_FOR: Final = re.compile(r"\s+(?:is|are|would\s+be)?\s*(?:a\s+must|required|essential|important)\b")

_CITY: Final = re.compile(
    r"\b(?:[iI]n|[aA]round|near|to|outside) ((?:[A-Z][a-z]{1,20}\.?)(?:[ -][A-Z][a-z]{1,20}){0,2})(?![\w'])"
)
_CAPITAL: Final = re.compile(r" [A-Z][a-z]")
_CITY_LOW: Final = re.compile(
    r"\b(?:homes?|houses?|condos?|townhomes?|places?|listings?|looking|hunting|properties|property|anything|something|buy|buying|move|moving|relocating|search(?:ing)?)\s+"
    r"(?:for\s+sale\s+)?(?:in|around|to)\s+([a-z]{3,20}(?: [a-z]{3,20})?)(?=\s+(?:or|with|under|for|around|near|please|area|and|below|up|by|that|between|from|this|next|in)\b|[,]|\s*$)"
)
_CITY_STEMS: Final = stems(
    "home homes house houses condo condos townhomes place places listing listings looking hunting properties anything something buy buying move moving "
    "relocating search searching"
)
_NOT_A_CITY: Final = words(
    "january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec monday "
    "tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun spring summer fall autumn winter christmas thanksgiving "
    "easter the a an my our your this that general good nice great cash person mind days fact time market price town area areas city suburbs country zillow "
    "redfin realtor trulia english spanish french chinese german advance addition particular case detail details there it some any all order early late mid "
    "next last about what which let see be pieces process school move buy sell rent view hoa mls i we you us them him her their his its"
)
_GOING: Final = re.compile(
    r"\b(?:mov(?:e|ing)|relocat(?:e|ing)|transferr?(?:ing|ed)?|headed|coming)\s+(?:back\s+|over\s+|down\s+|up\s+|from\s+[a-z ]{2,20}\s)?to\s+$"
)
_STREET_AFTER: Final = re.compile(
    r"\s+(?:st|street|ave|avenue|rd|road|ln|lane|dr|drive|ct|court|blvd|isd|elementary|high|middle|church|parish|school)\b"
)
_TOWN: Final = re.compile(r"\s+(?:or|and)\s+(?:nearby|close|around)|\s+area\b")


def budget(sentence: Sentence) -> Iterator[Found]:
    """What may be spent, with the limit that it states. Offers, loans, rents and the price of a home are no budget."""
    low, taken = sentence.low, sentence.start
    if "0" in sentence.stems:
        for match in _few(_RANGE, sentence):
            found = () if _glued(low, match.start()) else _range(sentence, match)
            if found:
                yield from found
                taken = match.end()
        for match in _few(_AMOUNT, sentence):
            number, unit = match.groups()
            amount = _dollars(number, unit)
            if match.start() < taken or amount is None or _glued(low, match.start()):
                continue
            sure = unit is not None or "," in number or "." not in number or _has_sign(low, match.start())
            if sure and not _NOT_MONEY.match(low, match.end(), sentence.end):
                yield from _limit(sentence, match.start(), match.end(), amount)
    if "million" in sentence.words:
        for match in _few(_MILLIONS, sentence):
            yield from _limit(sentence, match.start(), match.end(), _MILLION[match.group().split()[0]])


_MILLION: Final = {"half": 500_000, "a": 1_000_000}


def _few(pattern: re.Pattern[str], sentence: Sentence) -> Iterator[re.Match[str]]:
    return islice(pattern.finditer(sentence.low, sentence.start, sentence.end), MOST_PER_SENTENCE)


def _glued(low: str, start: int) -> bool:
    return start > 0 and low[start - 1] in _GLUED


def _has_sign(low: str, start: int) -> bool:
    return low[max(0, start - 2) : start].strip() == "$"


def _dollars(number: str, unit: str | None, other: str | None = None) -> int | None:
    """None: no price of a home."""
    value = float(number.replace(",", ""))
    unit = unit or (other if value < _MANY else None)
    if unit is None:
        value *= 1_000 if _FEW <= value < _MANY and "," not in number else 1
    else:
        value *= 1_000_000 if unit.startswith("m") else 1_000
    return round(value) if _LEAST <= value <= _MOST else None


def _limit(sentence: Sentence, start: int, end: int, amount: int) -> Iterator[Found]:
    if _has_sign(sentence.low, start):
        start = sentence.low.rindex("$", 0, start)
    before, after = sentence.before(start, 70), sentence.after(end)
    if (sentence.has(_OTHER_STEMS) and _OTHER_MONEY.search(before)) or _OTHER_MONEY_AFTER.match(after):
        return
    if not sentence.has(_LIMIT_STEMS) and "~" not in before and not after.startswith("+"):
        return
    if _NOT_OVER.search(before) or (_MIN.search(before) and _TOO_MUCH.match(after)):
        yield _at_most(start, end, amount)
    elif _NOT_UNDER.search(before) or _MIN_AFTER.match(after):
        yield _at_least(start, end, amount)
    elif _MAX.search(before) or _MAX_AFTER.match(after):
        yield _at_most(start, end, amount)
    elif _MIN.search(before):
        yield _at_least(start, end, amount)
    elif (_ABOUT.search(before) or _ABOUT_AFTER.match(after)) and not sentence.of_a_home(start):
        yield Found(FactKind.BUDGET, f"about ${amount:,}", start, end, "max_list_price", amount)


def _at_most(start: int, end: int, amount: int) -> Found:
    return Found(FactKind.BUDGET, f"up to ${amount:,}", start, end, "max_list_price", amount)


def _at_least(start: int, end: int, amount: int) -> Found:
    return Found(FactKind.BUDGET, f"from ${amount:,}", start, end, "min_list_price", amount)


def _range(sentence: Sentence, match: re.Match[str]) -> tuple[Found, ...]:
    low_number, low_unit, high_number, high_unit = match.groups()
    low, high = _dollars(low_number, low_unit, high_unit), _dollars(high_number, high_unit)
    start = match.start() - _has_sign(sentence.low, match.start())
    before = sentence.before(start, 70)
    told: object = "$" in sentence.low[start : match.end()] or "," in match.group() or high_unit or low_unit
    told = told or re.search(r"\b(?:between|from|range|budget)\b[^,;]{0,15}$", before)
    if low is None or high is None or low >= high or not told or _OTHER_MONEY.search(before):
        return ()
    if _NOT_MONEY.match(sentence.low, match.end(), sentence.end) or _OTHER_MONEY_AFTER.match(
        sentence.after(match.end())
    ):
        return ()
    return _at_least(start, match.end(), low), _at_most(start, match.end(), high)


# --- rooms and size -----------------------------------------------------------------------------------------------------


def rooms(sentence: Sentence) -> Iterator[Found]:
    """Bedrooms and bathrooms that are wanted at least; of "no more than 3" no wish can be made."""
    units, glued = sentence.has(_ROOM_STEMS), "0" in sentence.stems and _GLUED_ROOM.search(sentence.words)
    for match in _few(_ROOMS, sentence) if units or glued else ():
        if not _glued_room(sentence.low, match.start()) and not sentence.of_a_home(match.start()):
            yield from _room(sentence, match)
    for match in _few(_SLASHED, sentence) if glued else ():
        start, end = match.start(1), match.end(2)
        if not sentence.of_a_home(start):
            beds, baths = int(match.group(1)), float(match.group(2))
            yield Found(FactKind.BEDROOMS, f"{beds} bedrooms or more", start, end, "min_bedrooms", beds)
            yield Found(
                FactKind.BATHROOMS, f"{baths:g} bathrooms or more", start, end, "min_bathrooms", int(baths)
            )


def _glued_room(low: str, start: int) -> bool:
    return start > 0 and (low[start - 1].isalnum() or low[start - 1] in ".,$_")


def _room(sentence: Sentence, match: re.Match[str]) -> Iterator[Found]:
    first, last, unit = match.groups()
    bath = unit.startswith(("ba", "bt"))
    kind = FactKind.BATHROOMS if bath else FactKind.BEDROOMS
    noun = "bathrooms" if bath else "bedrooms"
    wish = "min_bathrooms" if bath else "min_bedrooms"
    wanted = _count(first)
    if not 0 < wanted <= 12:
        return
    start, end = match.start(), match.end()
    if _AT_MOST.search(sentence.before(start, 30)) or re.match(
        r"\s*(?:max|or\s+(?:less|fewer)|at\s+most)\b", sentence.after(end)
    ):
        yield Found(kind, f"at most {_count(last or first):g} {noun}", start, end)
    elif not sentence.negated(start, end) or re.search(
        r"\b(?:less|fewer)\s+than\s*$", sentence.before(start, 20)
    ):
        yield Found(kind, f"{wanted:g} {noun} or more", start, end, wish, int(wanted))


def _count(words: str) -> float:
    return float(_COUNTS.get(words) or words)


def size(sentence: Sentence) -> Iterator[Found]:
    """Square feet that are wanted at least."""
    for match in _few(_SIZE, sentence):
        start, end = match.start(), match.end()
        area = int(match.group(1).replace(",", ""))
        if _glued_room(sentence.low, start) or sentence.of_a_home(start) or not 200 <= area <= 50_000:
            continue
        if _AT_MOST.search(sentence.before(start, 30)):
            yield Found(FactKind.LIVING_AREA, f"at most {area:,} sq ft", start, end)
        else:
            yield Found(FactKind.LIVING_AREA, f"{area:,} sq ft or more", start, end, "min_living_area", area)


# --- type, features, city -----------------------------------------------------------------------------------------------


def types(sentence: Sentence) -> Iterator[Found]:
    """Kinds of home that are wanted; "the condo on 5th" and "our condo" are homes, no wishes."""
    for match in _few(_TYPES, sentence):
        kind = match.lastgroup or ""
        if _meant(sentence, match.start(), match.end()):
            yield Found(
                FactKind.HOME_TYPE, _TYPE_WORDS[kind], match.start(), match.end(), "property_sub_type", kind
            )


def features(sentence: Sentence) -> Iterator[Found]:
    """Amenities that are wanted. Those that no wish can hold count only after words of wanting."""
    for match in _few(_FEATURES, sentence):
        start, end, name = match.start(), match.end(), match.lastgroup or ""
        if not _meant(sentence, start, end):
            continue
        if name != "other":
            feature = Feature(name)
            yield Found(FactKind.FEATURE, feature.replace("_", " "), start, end, "features", feature.value)
        elif sentence.wanted(start) or _ASKED_FOR.match(sentence.after(end)):
            yield Found(FactKind.FEATURE, match.group(), start, end)


def _meant(sentence: Sentence, start: int, end: int) -> bool:
    return not (
        sentence.of_a_home(start)
        or sentence.negated(start, end)
        or _POINTED.search(sentence.before(start, 40))
    )


def cities(sentence: Sentence) -> Iterator[Found]:
    """Where a home is wanted, as far as words tell a town from other things that one is in."""
    if _CAPITAL.search(sentence.text, sentence.start, sentence.end) is None and not sentence.has(_CITY_STEMS):
        return
    for match in islice(_CITY.finditer(sentence.text, sentence.start, sentence.end), MOST_PER_SENTENCE):
        yield from _city(sentence, match.start(1), match.end(1))
    for match in _few(_CITY_LOW, sentence) if sentence.has(_CITY_STEMS) else ():
        if sentence.text[match.start(1)].islower():
            yield from _city(sentence, match.start(1), match.end(1))


def _city(sentence: Sentence, start: int, end: int) -> Iterator[Found]:
    before = sentence.before(start, 45)
    name = sentence.low[start:end].strip()
    if any(word in _NOT_A_CITY for word in name.split()) or _STREET_AFTER.match(sentence.after(end)):
        return
    if before.endswith("to ") and not _GOING.search(before):
        return
    if (
        before.endswith("near ")
        and not _TOWN.match(sentence.after(end))
        and not re.match(r"\s*(?:$|,)", sentence.after(end))
    ):
        return
    if sentence.of_a_home(start) or sentence.negated(start, end):
        return
    title = " ".join(word.capitalize() for word in name.split())
    yield Found(FactKind.CITY, title, start, end, "city", title)
