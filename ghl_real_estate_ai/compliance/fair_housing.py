"""Fair housing: what no draft may say, what no message is read for, and which questions get sources instead of an opinion.

Called by: ml/message_facts, ml/reply_words, services/suggested_reply.

42 U.S.C. 3604 and 3604(c), 24 CFR 100.75, NAR Code of Ethics art. 10, and HUD's advertising memorandum of 9 January 1995,
which names words that are no violation ("master bedroom", "family room", "walk to bus stop", "wheelchair ramp").
No legal advice: the list is a floor, and docs/replies.md says what it was measured on.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from ghl_real_estate_ai.models.identifiers import Frozen


class Category(StrEnum):
    """The protected class that a phrase speaks of, or AREA: an opinion on a place, which steers all the same."""

    RACE_OR_ORIGIN = "race, color or national origin"
    RELIGION = "religion"
    FAMILY = "familial status"
    DISABILITY = "disability"
    SEX = "sex, orientation or gender identity"
    AGE = "age"
    INCOME = "source of income"
    AREA = "opinion on an area, its schools or its safety"


class Violation(Frozen):
    """A phrase that must not be said, where it stands, and the rule that it breaks."""

    phrase: str
    category: Category
    source: str


class AreaTopic(StrEnum):
    """What a lead asks about a place that nobody may answer with an opinion."""

    SAFETY = "safety"
    SCHOOLS = "schools"
    PEOPLE = "people"
    AREA = "area"


_ADS: Final = "42 U.S.C. 3604(c), 24 CFR 100.75"
_STEERING: Final = "42 U.S.C. 3604(a), 24 CFR 100.70; NAR Code of Ethics art. 10"
_STATE: Final = "state and city law on source of income"

_PEOPLE: Final = r"(?:people|persons?|famil(?:y|ies)|buyers?|tenants?|residents?|neighbou?rs|households?|couples?|professionals?|singles|folks)"
_PLACE: Final = r"(?:area|neighbou?rhood|communit(?:y|ies)|part\s+of\s+town|district|street|block|location)"
_RACES: Final = (
    r"(?:white|black|asian|hispanic|latin[oax]|african[\s-]american|caucasian|mexican|chinese|indian|korean|vietnamese|arab|"
    r"jewish|irish|italian|polish|native\s+american|immigrants?|foreign)"
)
_FAITHS: Final = (
    r"(?:christian|catholic|jewish|muslim|islamic|hindu|buddhist|mormon|protestant|baptist|orthodox)"
)
_NATION: Final = r"(?:other|any|many|more|fellow|lots\s+of)\s+(?!(?:plans|loans|means|fans|vans|cleans|pans|scans|clans|oceans|artisans|beans|jeans)\b)[a-z]{3,}ans\b"
"""Of a lower-case question: "are there other Nigerians"."""
_WORSHIP: Final = r"(?:church(?:es)?|mosques?|synagogues?|shuls?|parish(?:es)?|masjids?|temples?|cathedrals?|gurdwaras?|mandirs?)"

_RULES: Final[tuple[tuple[Category, str, re.Pattern[str]], ...]] = tuple(
    (category, source, re.compile(rf"\b(?:{words})", re.IGNORECASE))
    for category, source, words in (
        (Category.RACE_OR_ORIGIN, _ADS, (rf"{_RACES}\s+(?:{_PEOPLE}|{_PLACE})\b|(?:no|only|mostly|all|many|few)\s+{_RACES}\b"
         r"|(?:racially|ethnically|racial|ethnic)\b|(?:diverse|integrated|white|restricted)\s+(?:area|neighbou?rhood|community)\b"
         r"|(?:spanish|english|chinese|korean|arabic)[\s-]+speaking\b|speaks?\s+(?:good\s+)?english\b")),
        (Category.RELIGION, _ADS, (rf"{_FAITHS}\s+(?:{_PEOPLE}|{_PLACE}|home|values)\b|(?:no|only|mostly)\s+{_FAITHS}s?\b"
         rf"|(?:near|close\s+to|next\s+to|by|walk(?:ing)?(?:\s+distance)?\s+to|minutes\s+(?:from|to)|steps\s+(?:from|to))\s+"
         rf"(?:(?:a|an|the|your|several|many|local)\s+)?(?:\w+\s+)?{_WORSHIP}\b(?!\s+(?:st|street|rd|road|ave|avenue|ln|lane|dr|drive|hill|way|blvd)\b)")),
        (Category.FAMILY, _ADS, (r"no\s+(?:kids|children)\b|adults?[\s-]only\b|child(?:ren)?[\s-]free\b|adult\s+(?:living|community|building)\b"
         r"|(?:perfect|ideal|great|good|suitable|best|made|right)\s+for\s+(?:(?:a|an|young|growing|large|small|your|empty|mature)\s+){0,3}"
         r"(?:famil(?:y|ies)|kids|children|couples?|singles?|bachelors?|newlyweds|empty[\s-]nesters)\b"
         r"|(?:family|kid|child)[\s-]+(?:friendly|oriented)\b|(?:young|growing|traditional)\s+famil(?:y|ies)\b|empty[\s-]nesters?\b"
         r"|(?:lots?\s+of|many|other)\s+(?:kids|children|families)\b|your\s+(?:kids|children|little\s+ones)\b")),
        (Category.DISABILITY, _ADS, (r"able[\s-]bodied\b|no\s+(?:wheelchairs?|disabled|service\s+(?:dogs?|animals?))\b|not\s+(?:suitable|ideal)\s+for\s+"
         r"(?:the\s+)?(?:disabled|handicapped|wheelchairs?)\b|(?:mentally|physically)\s+(?:ill|fit|healthy|disabled)\b|must\s+be\s+able\s+to\s+live\s+independently\b"
         r"|handicapped\s+(?:people|persons?)\b")),
        (Category.SEX, _ADS, (r"(?:male|female|men|women|ladies|gentlemen)\s+(?:only|preferred)\b|(?:no|only)\s+(?:men|women|males|females)\b"
         r"|(?:gay|lesbian|lgbt\w*|straight|trans(?:gender)?)\s+(?:area|neighbou?rhood|community|people|couples?|friendly)\b")),
        (Category.AGE, _ADS, (r"(?:young|older|mature|elderly|senior)\s+(?:people|persons?|professionals?|couples?|buyers?|residents?|adults?)\b|no\s+(?:seniors|students)\b"
         r"|(?:perfect|ideal|great)\s+for\s+(?:retirees|seniors|students|millennials)\b")),
        (Category.INCOME, _STATE, (r"no\s+(?:section\s*8|vouchers?|welfare|housing\s+assistance)\b|(?:section\s*8|vouchers?)\s+(?:not|need\s+not)\b"
         r"|must\s+(?:be\s+employed|have\s+a\s+job)\b")),
        (Category.AREA, _STEERING, (rf"(?:good|great|nice|safe|safer|safest|bad|better|best|rough|sketchy|dangerous|up[\s-]and[\s-]coming|exclusive|"
         rf"prestigious|high[\s-]class|low[\s-]income|quiet\s+family|wholesome)\s+(?:\w+\s+)?{_PLACE}\b"
         rf"|{_PLACE}\s+is\s+(?:very\s+|really\s+|quite\s+|pretty\s+)?(?:good|great|nice|safe|bad|rough|quiet|diverse|dangerous)\b"
         r"|(?:low|no|high|little)[\s-]+crime\b|crime\s+(?:rates?|statistics?|is)\b|(?:good|great|top|best|excellent|bad|poor|better|highly[\s-]rated|top[\s-]rated|"
         r"award[\s-]winning)[\s-]+(?:\w+\s+)?schools?\b|schools?\s+(?:is|are)\s+(?:very\s+|really\s+)?(?:good|great|excellent|bad|poor|top)\b"
         r"|(?:safe|unsafe)\s+(?:for|to\s+live|there|place)\b")),
    )
)  # fmt: skip


def check(text: str) -> tuple[Violation, ...]:
    """Every phrase of a draft that must not be said, in the order of the text. Empty: it may be shown."""
    found = [
        (match.start(), Violation(phrase=match.group(), category=category, source=source))
        for category, source, pattern in _RULES
        for match in pattern.finditer(text)
    ]
    return tuple(violation for _, violation in sorted(found, key=lambda one: one[0]))


# --- what a message is not read for -------------------------------------------------------------------------------

_STREET: Final = r"(?!\s+(?:st|street|rd|road|ave|avenue|ln|lane|dr|drive|hill|way|blvd|ct|court|pl|place)\b)"
_TRAITS: Final = re.compile(
    r"\b(?:kids?|child(?:ren)?|bab(?:y|ies)|toddlers?|infants?|newborns?|sons?|daughters?|boys?|girls?|twins|triplets|teen(?:s|agers?)|grand(?:kids|children|parents|sons?|daughters?|mother|father|ma|pa)|pregnan\w+|"
    r"(?:we|she|i|they)(?:['’]?(?:re|s|m)|\s+(?:are|is|am))\s+expecting(?!\s+(?:to|an\s+offer)\b)|hubby|wifey|my\s+partner|"
    r"famil(?:y|ies)(?!\s+(?:rooms?|homes?|houses?|residences?|propert\w+))|husband|wife|spouse|married|divorc\w+|fianc\w+|boyfriend|girlfriend|"
    r"(?:single|new)\s+(?:mom|dad|mother|father|parent)s?|mom|dad|mother|father|parents?|school\w*|daycare|"
    rf"{_WORSHIP}{_STREET}|{_FAITHS}{_STREET}|kosher|halal|eruv|sabbath|ramadan|"
    r"(?:hispanic|latin[oax]s?|african|asian|caucasian|mexican|chinese|korean|vietnamese|immigrants?|refugees?|citizens?|citizenship|visa|green\s*card|"
    rf"ethnic\w*|racial\w*|spanish|arabic|mandarin|foreign\w*|(?:white|black|brown)\s+(?:{_PEOPLE}|{_PLACE})){_STREET}|"
    rf"{_NATION}|(?:mexican|asian|african|indian|korean|nigerian|haitian|cuban|russian|ukrainian)s|filipin[oa]s?|somalis?|pakistanis?|"
    r"(?:i['’]?m|(?:we|they)['’]re|s?he['’]s|i\s+am|(?:we|they)\s+are|s?he\s+is)\s+(?:almost\s+|nearly\s+|over\s+)?\d{2}(?!\s*(?:[\d,.]*\d|k|m|%|min\w*|miles?|hours?|hrs?|days?|weeks?|months?)\b)|"
    r"blind|bipolar|(?:a|my|his|her|with)\s+walker|(?:with|have|has|had)\s+(?:ms|adhd|cancer|diabetes|ptsd|a\s+stroke)|ptsd|dialysis|epilep\w+|schizo\w+|depression|hearing\s+aids?|"
    r"(?:hud[\s-]*)?vash|"
    r"wheelchairs?|disab\w+|handicap\w*|deaf|autis\w+|dementia|service\s+(?:dogs?|animals?)|emotional\s+support|veterans?|military|va\s+loans?|"
    r"gay|lesbian|lgbt\w*|transgender|seniors?|elderly|retired|retire|retirement|retirees?|"
    r"section\s*(?:8|eight)|vouchers?|welfare|food\s+stamps|ssi|ssdi|social\s+security|child\s+support|alimony|unemploy\w+)\b"
)


def names_a_trait(low: str) -> bool:
    """Whether lower-case words name who somebody is, or a proxy of it: then they are kept by nobody."""
    return _TRAITS.search(low) is not None


# --- what gets sources instead of an answer -----------------------------------------------------------------------

_ASKED: Final[tuple[tuple[AreaTopic, tuple[str, ...], re.Pattern[str]], ...]] = (
    (AreaTopic.SAFETY, ("crim", "safe", "danger", "sketch", "ghetto", "break", "burgl", "gang", "offender", "shooting", "police"), re.compile(
        r"\b(?:crime|criminal|unsafe|dangerous|sketchy|ghetto|break[\s-]?ins?|burglar\w*|gangs?|sex\s+offenders?|shootings?|police)\b"
        rf"|\bsafe(?:r|ty)?\b[^.?!]{{0,40}}\b(?:{_PLACE}|there|area|live|night|walk|kids|around)\b|\b(?:{_PLACE}|it|there)\b[^.?!]{{0,25}}\bsafe(?:r|ty)?\b"
    )),
    (AreaTopic.SCHOOLS, ("school", "isd", "kinder", "daycare"), re.compile(r"\b(?:schools?|school\s+district|isd|greatschools|kindergarten|daycare)\b")),
    (AreaTopic.PEOPLE, ("people", "neighb", "folks", "famil", "resid", "crowd", "person", "buyer", "who ", "demogr", "divers", "kids", "child", "couple", "retire", "senior", "muslim", "christ", "jew", "hisp", "latin", "asian", "immig", "white", "black", "mixed", "church", "mosque", "synag", "shul", "parish", "masjid", "temple", "cathedral", "gurdw", "mandir", "ans", "speak", " live", "foreign", "refugee", "renter", "own kind", "mix of", "communit"), re.compile(
        r"\b(?:kind|type|sort)s?\s+of\s+(?:people|neighbou?rs|folks|families|residents|crowd|person|buyers?)\b|\bwho\s+(?:lives?|are\s+the\s+neighbou?rs)\b"
        r"|\bdemographics?\b|\b(?:diverse|diversity)\b|\bneighbou?rs\s+like\b|\b(?:people|families|kids|children|couples|retirees|seniors|muslims?|christians?|jews|jewish|"
        r"hispanics?|latinos?|asians?|immigrants?|whites?|blacks?)\b[^.?!]{0,30}\b(?:there|live|around|in\s+th(?:e|at|is)\s+(?:area|neighbou?rhood|street|building))\b"
        r"|\b(?:white|black|asian|hispanic|latino|jewish|muslim|christian|mixed)\s+(?:area|neighbou?rhood|community)\b"
        rf"|\b{_WORSHIP}\b[^.?!]{{0,20}}\b(?:close|near|nearby|around|walk)\b|\b(?:near|close\s+to|walk\w*\s+to)\s+(?:a\s+|the\s+|any\s+)?{_WORSHIP}{_STREET}\b"
        rf"|\b{_NATION}"
        r"|\bpeople\s+(?:like|similar\s+to)\s+(?:us|me)\b|\b(?:my|our)\s+own\s+kind\b|\bmix\s+of\s+(?:\w+\s+)?(?:people|folks|families|cultures|residents)\b"
        r"|\bno\s+(?:foreigners|refugees|immigrants|renters)\b|\b\d{2}\s*(?:\+|plus\b|and\s+(?:over|older|up)\b)[\s-]*(?:\w+\s+)?communit(?:y|ies)\b"
        r"|\bwhere\s+(?:all\s+|most\s+(?:of\s+)?)?(?:the\s+|other\s+)?(?!(?:we|i|you|they|he|she|it|to|can|could|do|my|our|your)\b)(?:\w+\s+){1,2}live\b"
        r"|\b(?:are|is)\s+(?:most|the\s+majority|everyone|many)\b[^.?!]{0,20}\b(?:people|speak\w*|families)\b"
    )),
    (AreaTopic.AREA, ("area", "neighb", "communit", "part of", "district", "street", "block", "location", "good ", "coming", "gentrif"), re.compile(
        rf"\b(?:good|nice|great|bad|decent|rough|best|better|friendly|quiet|family)\s+(?:\w+\s+)?{_PLACE}\b"
        rf"|\b(?:{_PLACE})\b[^.?!]{{0,20}}\b(?:good|nice|bad|like|decent|family|families)\b|\bhow(?:'?s|\s+is|\s+are)\s+the\s+{_PLACE}\b"
        rf"|\bup[\s-]and[\s-]coming\b|\bgentrif\w+|\btraditional\s+{_PLACE}\b"
        r"|\bgood\s+(?:place\s+)?for\s+(?:famil\w+|kids|children|raising)\b"
    )),
)  # fmt: skip


def area_topics(low: str) -> tuple[AreaTopic, ...]:
    """What a lower-case text asks of a place that gets sources, never an adjective."""
    return tuple(
        topic
        for topic, first, pattern in _ASKED
        if any(piece in low for piece in first) and pattern.search(low)
    )


_OWN_NOUN: Final = r"(?:family|couple|household|buyer|person|professional|empty[\s-]nester)"
_STREET_NAME: Final = re.compile(r"\W?[A-Z]\w+\s+(?:Street|District)\b|(?<=\d)\s\w+\s+(?i:street)\b")
_OF_THEMSELVES: Final = re.compile(rf"(?!(?:no|only|mostly|all|few)\b)[\w-]+\s+{_OWN_NOUN}", re.IGNORECASE)
"""A phrase of ``check`` by which people say who they are: "Muslim family", "young couple"."""
_AFTER_WE: Final = re.compile(
    rf"(?:no|many|other|lots?\s+of)\s+(?:kids|children)|speaks?\s.*|\w+[\s-]+speaking|(?!(?:no|only|mostly)\b)[\w-]+\s+{_PEOPLE}|empty[\s-]nesters",
    re.IGNORECASE,
)
"""What says so only after ``_WE``: "we have no kids", "we are young professionals"."""
_WE: Final = re.compile(
    r"\b(?:i|we)(?:'ve|'m|'re)?(?:\s+(?:am|are|also|both|all|two|have|had|got|can|don't|do\s+not|can't|not))*\s+(?:so\s+)?$"
)
_SPEAKING_BUYER: Final = re.compile(rf"\s+{_OWN_NOUN}\b", re.IGNORECASE)


def wished_topics(text: str) -> tuple[AreaTopic, ...]:
    """What a wish says of who lives somewhere, or of what a place is like: no home is named in answer to it.

    Who they are themselves ("we're a Muslim family", "we have no kids") is no such wish and must change nothing; nor is a
    street's name. ``text``: without the addresses of homes.
    """
    plain = text.replace("\u2019", "'")
    found = [
        category
        for category, _, pattern in _RULES
        for match in pattern.finditer(plain)
        if not _of_themselves(plain, match)
    ]
    return tuple(dict.fromkeys(AreaTopic.AREA if one is Category.AREA else AreaTopic.PEOPLE for one in found))


def _of_themselves(text: str, phrase: re.Match[str]) -> bool:
    if _OF_THEMSELVES.fullmatch(phrase.group()) or _STREET_NAME.match(text, max(0, phrase.start() - 1)):
        return True
    if not _AFTER_WE.fullmatch(phrase.group()):
        return False
    before = text[max(0, phrase.start() - 40) : phrase.start()].lower()
    return _WE.search(before) is not None or _SPEAKING_BUYER.match(text, phrase.end()) is not None
