"""What a sentence states of the purchase: by when, paid how, a meeting, a home by its address, and what speaks against.

Called by: message_facts. Nothing about the person: a loan for veterans, a voucher or an income is no fact here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from ghl_real_estate_ai.ml.message_text import MOST_PER_SENTENCE, Found, Sentence, stems
from ghl_real_estate_ai.models.conversations import FactKind

_MONTH: Final = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
_WHEN: Final = (
    rf"(?:(?:the\s+)?(?:end|beginning|start|middle|first|last\s+week)\s+of\s+)?(?:early\s+|mid[\s-]?|late\s+)?"
    rf"(?:{_MONTH}\b\.?(?:\s+\d{{1,2}}(?:st|nd|rd|th)?\b)?(?:,?\s+20\d\d)?|(?:the\s+)?(?:next\s+|this\s+|coming\s+)?(?:spring|summer|fall|autumn|winter)\b|"
    r"(?:the\s+)?(?:end\s+of\s+)?(?:this|next|the)\s+(?:month|year)\b|christmas|thanksgiving|the\s+holidays|(?:the\s+)?new\s+year|year[\s-]?end|\d{1,2}/\d{1,2}(?:/\d{2,4})?)"
)
_MOVE_WORDS: Final = (
    r"\b(?:mov(?:e|ing)|clos(?:e|ing)|relocat\w+|lease|be\s+(?:in|out|settled)|get\s+in|buy(?:ing)?|settled?|start\s+(?:work|the\s+job|my\s+new)|need\s+(?:something|a\s+(?:place|home|house))|"
    r"purchase|timeline|possession|under\s+contract)\b"
)
_MOVE_BY: Final = re.compile(
    rf"(?:{_MOVE_WORDS})[^.?!]{{0,40}}?\b((?:by|before|until|no\s+later\s+than|in|around|on|is\s+up|ends?|expires?|for|after|up|this|next)\s+(?:in\s+|at\s+|on\s+|by\s+)?{_WHEN})"
)
_SPAN: Final = re.compile(
    r"\b(?:within|in\s+the\s+next|in\s+about|over\s+the\s+next|in)\s+(?:the\s+next\s+|about\s+)?"
    r"(?:\d{1,2}(?:\s*(?:-|–|to|or)\s*\d{1,2})?|a|one|two|three|four|five|six|a\s+few|few|a\s+couple(?:\s+of)?)\s+(?:days?|weeks?|months?|years?)\b"
)
_NO_RUSH: Final = re.compile(
    r"\b(?:no|not\s+in\s+(?:a|any)|zero)\s+(?:rush|hurry)\b|\btaking\s+our\s+time\b|\bflexible\s+on\s+(?:timing|dates)\b|\bnot\s+(?:until|till|before)\s+(?:"
    + _WHEN
    + r")"
)
_AT_ONCE: Final = re.compile(r"\basap\b|\bas\s+soon\s+as\s+possible\b|\bright\s+away\b|\bimmediately\b")
_OTHER_HASTE: Final = re.compile(
    r"\b(?:call|text|send|reply|respond|answer|let\s+me\s+know|see|tour|view|get\s+back|talk|email|dropped|ago|show|stop|remove)\w*\b"
)

_FINANCING: Final[tuple[tuple[str, frozenset[str], re.Pattern[str]], ...]] = tuple(
    (value, stems(first), re.compile(pattern))
    for value, first, pattern in (
        ("not pre-approved yet", "pre preapproved prequalified pre-approved pre-qualified lender bank mortgage", (r"\b(?:not|haven'?t\s+(?:been|gotten)|isn'?t|aren'?t|never\s+got|without)\s+(?:\w+\s+)?pre[\s-]?(?:approv\w+|qual\w*)\b(?:\s+yet)?"
         r"|\b(?:haven'?t|have\s+not|not)\s+(?:talked|spoken|spoke)\s+(?:to|with)\s+(?:a|any|the)\s+(?:lender|bank|mortgage\s+\w+)(?:\s+yet)?"
         r"|\b(?:need|have|how)\s+to\s+get\s+pre[\s-]?(?:approv\w+|qual\w*)")),
        ("pre-approved", "pre preapproved pre-approved approved", r"\bpre[\s-]?approv(?:ed|al)\b|\bapproved\s+(?:for|up\s+to|by)\b"),
        ("pre-qualified", "pre prequalified pre-qualified", r"\bpre[\s-]?qual(?:ified|ification)?\b"),
        ("pays cash", "cash all-cash financing", r"\b(?:cash\s+(?:buyers?|offer|purchase|deal)|(?:pay(?:ing)?|buy(?:ing)?)\s+(?:all\s+|in\s+|with\s+)?cash|all[\s-]cash|no\s+financing\s+needed)\b"),
        ("has to sell first", "sell selling sale contingent", (r"\b(?:sell(?:ing)?|sale\s+of)\s+(?:our|my|the)\s+(?:\w+\s+)?(?:house|home|place|condo|townhouse|townhome|current\s+\w+)\s*(?:first|before)\b"
         r"|\b(?:house|home|place|condo)\s+(?:has|needs)\s+to\s+sell\s+first\b|\bcontingent\s+on\s+(?:selling|the\s+sale)\b")),
        ("FHA loan", "fha", r"\bfha\b"),
        ("conventional loan", "conventional", r"\bconventional\s+(?:loan|mortgage|financing)\b"),
    )
)  # fmt: skip
_DOWN: Final = re.compile(r"\b(\d{1,2}(?:\.5)?)\s?(?:%|percent)\s+down\b")
_APPROVED_FOR: Final = re.compile(
    r"[^.?!]{0,25}?\b(?:for|to|at|of)\s+\$?\s?(\d{1,3}(?:,\d{3})+|\d{1,7}(?:\.\d{1,2})?)\s?(k|m|mil|million)?\b(?!\s*%)"
)

_DAY: Final = r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs?(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
_TIME: Final = r"(?:(?:at|around|after|before|by|@|like)\s+)?(?:\d{1,2}(?::\d{2})?\s?(?:am|pm|a\.m\.|p\.m\.|ish|o'?clock)?|noon|midday|lunch(?:time)?)\b"
_PART: Final = r"(?:(?:in\s+the\s+)?(?:morning|afternoon|evening)|night)"
_MOMENT: Final = re.compile(
    rf"\b(?:(?:this|next)\s+)?(?:{_DAY}\b|tomorrow|today|tonight|this\s+(?:weekend|week|afternoon|evening|morning)|next\s+week(?:end)?|weekend)"
    rf"(?:\s+{_PART}\b)?(?:\s*,?\s*{_TIME})?(?:\s+{_PART}\b)?"
)
_CLOCK: Final = re.compile(
    rf"\b(?:at|around|after|before|@)\s+(?:\d{{1,2}}(?::\d{{2}})?\s?(?:am|pm)?|noon)\b(?!\s*(?:%|k\b|,\d|\w*th\b|sq|[a-z]+\s+(?:st|street|ave|rd|ln|dr)\b))(?:\s+(?:on|this|next)?\s*{_DAY}\b)?"
)
_VISIT: Final = re.compile(
    r"\b(?:(?:can|could|may|would|like|love|want|wanna|able|available|free|let'?s|when|hoping|possible|interested\s+in|please|need|i'?ll|we'?ll|will|try)\b[^.?!]{0,30}?\b"
    r"(?:see(?:ing)?|view(?:ing)?|tour(?:ing)?|visit(?:ing)?|walk\s?through|walk\s+thr(?:ough|u)|look\s+at|check\s+out|show(?:ing)?|stop\s+by|swing\s+by|come\s+by|drop\s+by|meet(?:ing)?|call|talk|chat)\b"
    r"|(?:a|schedule|book|set\s+up|arrange|request)\s+(?:a\s+)?(?:private\s+)?(?:showing|tour|viewing|visit|walkthrough|call|meeting|appointment)\b"
    r"|call\s+me|give\s+me\s+a\s+call|swing\s+by|see\s+it\b)"
)
_WORKS: Final = re.compile(
    r"\b(?:works?|free|available|good|better|best|can\s+do|could\s+do|can\s+make|suits?|fine|open|how\s+about|what\s+about|instead|does)\b"
)
_PAST: Final = re.compile(
    r"\b(?:saw|seen|toured|visited|walked|went|looked|met|was|were|had|did|drove|last|yesterday|ago)\b"
)
_SEND: Final = re.compile(
    r"\b(?:send|see)\s+(?:\w+\s+){0,2}(?:photos?|pictures?|pics|details|info\w*|listings?|disclosures?|floor\s*plans?)\b"
)
_IDLE: Final = re.compile(r"\b(?:don'?t|do\s+not|can'?t|cannot|not|won'?t|never)\s+(?:\w+\s+){0,2}$")

_SUFFIX: Final = r"(?:st|street|ave?|avenue|rd|road|dr|drive|ln|lane|ct|court|blvd|boulevard|way|pl|place|cir|circle|ter|terrace|trl|trail|pkwy|parkway|hwy|loop|cove|cv|view|ridge|run|path|bend|pass|sq|square)"
_ADDRESS: Final = re.compile(
    rf"\d{{1,6}}\s+(?:(?:n|s|e|w|ne|nw|se|sw|north|south|east|west)\.?\s+)?(?:(?!at\b|on\b|in\b|for\b|bed|bath|a\b|the\b|sq\b|acre)[a-z0-9'-]{{1,18}}\s+){{1,3}}{_SUFFIX}\b(?!\s*(?:ft|feet|foot))(?:\s+(?:drive|dr|ln|lane|rd|st|ct)\b)?"
)
_STREET: Final = re.compile(
    rf"\b(?:house|home|place|condo|townhouse|townhome|one|listing|unit|bedroom|bed|it|property)\s+(?:on|at|off)\s+((?:[a-z0-9'-]{{2,18}}\s+){{1,2}}{_SUFFIX})\b"
)
_NUMBERED: Final = re.compile(r"\d{1,5}\s+[A-Z][a-z]{2,15}(?:\s+[A-Z][a-z]{2,15})?\b(?![\w'])")
_NOT_A_STREET: Final = re.compile(
    r"\d+\s+(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun|bed|bath|people|homes|houses|days|weeks|months|years|car|percent|square|acre)"
)
_MLS: Final = re.compile(r"\bmls\s*(?:#|no\.?|number|id)?\s*:?\s*#?\s*([a-z]?\d{5,12})\b")

_OBJECTIONS: Final[tuple[tuple[str, frozenset[str], re.Pattern[str]], ...]] = tuple(
    (value, stems(first), re.compile(pattern))
    for value, first, pattern in (
        ("price", "expensive pricey pricy costly over above outside out beyond overpriced high rich much can't cant afford more", (r"\b(?:too|so|pretty|very)\s+(?:expensive|pricey|pricy|costly)\b|\b(?:over|above|outside|out\s+of|beyond)\s+(?:of\s+)?(?:our|my|the)\s+(?:budget|price\s+range|range|means)\b|"
         r"\bovepriced\b|\boverpriced\b|\btoo\s+(?:high|rich|much\s+money)\b|\bcan'?t\s+afford\b|\bover\s+what\s+we\b|\bmore\s+than\s+we\s+(?:want|wanted|can)\b")),
        ("size", "small tight tiny cramped big large narrow enough", r"\b(?:too|so|feels?|felt|little|bit)\s+(?:small|tight|tiny|cramped|big|large|narrow)\b|\bnot\s+(?:big|large)\s+enough\b|\bnot\s+enough\s+(?:space|room|storage)\b"),
        ("location", "far commute close noisy loud", r"\btoo\s+far\b|\b(?:long|bad|terrible)\s+commute\b|\bcommute\s+(?:is|would\s+be)\s+(?:too\s+)?(?:long|bad|much)\b|\btoo\s+close\s+to\s+(?:the\s+)?(?:highway|freeway|road|train|airport)\b|\btoo\s+(?:noisy|loud)\b"),
        ("condition", "work updating repairs old dated outdated work dark run fixer", r"\bneeds?\s+(?:too\s+much|a\s+lot\s+of|more|so\s+much)\s+(?:work|updating|repairs?)\b|\btoo\s+(?:old|dated|outdated|much\s+work|dark)\b|\b(?:dated|outdated|run\s+down|fixer)\b"),
        ("interest rates", "rate rates", r"\brates?\s+(?:\w+\s+){0,3}(?:too\s+)?(?:high|crazy|scare|nervous|insane|come\s+down|drop)\b|\brates?\s+make\b"),
        ("has an agent", "agent agent's realtor broker represented", (r"\b(?:already\s+)?(?:have|has|got|using|hired|signed\s+with|under\s+contract\s+with|working\s+with|work\s+with|represented\s+by)\s+(?:an?|another|our\s+own|my\s+own|a\s+different|our|my)\s+"
         r"(?:\w+\s+)?(?:agent|realtor|broker)\b|\b(?:we'?re|i'?m|we\s+are|i\s+am|already)\s+represented\b")),
        ("not ready", "looking browsing curious window shopping ready serious position think hold holding sure stay rather", (r"\bjust\s+(?:looking|browsing|curious|window\s+shopping)\b|\bnot\s+(?:ready|serious|in\s+a\s+position)\b|\b(?:need|have|want)\s+to\s+think\b|\bthink\s+(?:about\s+it|it\s+over)\b|"
         r"\bon\s+hold\b|\bhold(?:ing)?\s+off\b|\bnot\s+sure\s+(?:yet|about)\b|\bstay\s+where\s+we\s+are\b|\brather\s+wait\b")),
        ("not this home", "interested fan us what like love hate hated hates", r"\bnot\s+(?:interested\s+in|a\s+fan\s+of|for\s+us|what\s+we)\b|\b(?:don'?t|didn'?t|do\s+not)\s+(?:like|love)\b|\bhate[ds]?\s+the\b"),
    )
)  # fmt: skip

OBJECTED: Final = frozenset().union(*(first for _, first, _ in _OBJECTIONS))
"""Words of doubt begin so."""

_MOVING: Final = stems(
    "move moving close closing relocating relocate lease be get buy buying settle settled start need purchase timeline possession under"
)
_DATED: Final = stems(
    "0 january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec spring summer "
    "fall autumn winter next this end beginning middle month year christmas thanksgiving holidays new early mid late"
)
_CALM: Final = stems("rush hurry time timing flexible until till before")
_SOON: Final = stems("asap soon right immediately days day weeks week month months year years")
MOVED: Final = _DATED | _CALM | _SOON


def move_by(sentence: Sentence) -> Iterator[Found]:
    """By when, in the lead's own words."""
    low, start, end = sentence.low, sentence.start, sentence.end
    if sentence.has(_MOVING) and sentence.has(_DATED):
        for match in islice(_MOVE_BY.finditer(low, start, end), MOST_PER_SENTENCE):
            yield _said(FactKind.MOVE_BY, low, match.start(1), match.end(1))
    if sentence.has(_CALM):
        for match in islice(_NO_RUSH.finditer(low, start, end), 1):
            yield Found(FactKind.MOVE_BY, "no hurry", match.start(), match.end())
    if not sentence.has(_SOON) or _OTHER_HASTE.search(low, start, end) or sentence.asks:
        return
    for match in islice(_SPAN.finditer(low, start, end), 1):
        yield _said(FactKind.MOVE_BY, low, match.start(), match.end())
    for match in islice(_AT_ONCE.finditer(low, start, end), 1):
        yield Found(FactKind.MOVE_BY, "as soon as possible", match.start(), match.end())


def financing(sentence: Sentence) -> Iterator[Found]:
    """How it is to be paid. What a bank lends is no wish: a buyer may want to spend less."""
    low, start, end = sentence.low, sentence.start, sentence.end
    taken: list[range] = []
    for value, first, pattern in _FINANCING:
        match = pattern.search(low, start, end) if sentence.has(first) else None
        if match is None or any(match.start() in span for span in taken):
            continue
        taken.append(range(match.start(), match.end()))
        amount = (
            _APPROVED_FOR.match(low, match.end(), end) if value in {"pre-approved", "pre-qualified"} else None
        )
        dollars = None if amount is None else _lent(amount.group(1), amount.group(2))
        if amount is None or dollars is None:
            yield Found(FactKind.FINANCING, value, match.start(), match.end())
        else:
            yield Found(FactKind.FINANCING, f"{value} for ${dollars:,}", match.start(), amount.end())
    for down in islice(_DOWN.finditer(low, start, end), 1):
        yield Found(FactKind.FINANCING, f"{down.group(1)} % down", down.start(), down.end())


def _lent(number: str, unit: str | None) -> int | None:
    value = float(number.replace(",", ""))
    value *= {"k": 1_000, "m": 1_000_000}.get((unit or "")[:1], 1_000 if 50 <= value < 1_000 else 1)
    return round(value) if 20_000 <= value <= 50_000_000 else None


_SEEN: Final = stems(
    "see seeing view viewing tour touring visit visiting walkthrough walk look check show showing stop swing come drop meet meeting call talk chat appointment"
)
SEEN_OR_TIMED: Final = _SEEN | stems(
    "mon monday tue tues tuesday wed wednesday thu thur thurs thursday fri friday sat saturday sun sunday tomorrow today tonight weekend week morning "
    "afternoon evening 0 noon"
)


def meetings(sentence: Sentence) -> Iterator[Found]:
    """A visit or a call that is asked for or agreed to, with its time where one is named. What is past is none."""
    low, start, end = sentence.low, sentence.start, sentence.end
    if not sentence.has(SEEN_OR_TIMED) or _PAST.search(low, start, end) or _SEND.search(low, start, end):
        return
    visit = _VISIT.search(low, start, end) if sentence.has(_SEEN) else None
    if visit is not None and _IDLE.search(sentence.before(visit.start(), 25)):
        return
    moment = _MOMENT.search(low, start, end) or _CLOCK.search(low, start, end)
    if moment is not None and (visit is not None or _WORKS.search(low, start, end)):
        when = " ".join(moment.group().split())
        value = when if visit is None else f"{_what(visit.group())}, {when}"
        yield Found(FactKind.MEETING, value, moment.start(), moment.end())
    elif visit is not None and (sentence.asks or _ASKS_FOR.search(visit.group())):
        yield Found(FactKind.MEETING, _what(visit.group()), visit.start(), visit.end())


def _what(words: str) -> str:
    return A_CALL if _CALLS.search(words) else A_VISIT


A_VISIT: Final = "a visit"
A_CALL: Final = "a call"
_CALLS: Final = re.compile(r"\b(?:call|talk|chat|meeting)\b")


_ASKS_FOR: Final = re.compile(
    r"like\s+to|love\s+to|want|wanna|let'?s|showing|tour|viewing|call\s+me|swing|stop\s+by|schedule|set\s+up|book"
)


def homes(sentence: Sentence) -> Iterator[Found]:
    """Homes named by address, by street or by MLS number."""
    low, start, end = sentence.low, sentence.start, sentence.end
    taken: list[int] = []
    for pattern, group, first in _HOMES:
        if not sentence.has(first):
            continue
        for match in islice(pattern.finditer(low, start, end), MOST_PER_SENTENCE):
            known = any(match.start() <= one < match.end(group) for one in taken)
            if not known and not _glued(low, match.start(group)):
                taken.append(match.start(group))
                yield _home(sentence, match.start(group), match.end(group))
    if "0" not in sentence.stems:
        return
    for match in islice(_NUMBERED.finditer(sentence.text, start, end), MOST_PER_SENTENCE):
        known = any(match.start() <= one < match.end() for one in taken)
        if not known and not _glued(low, match.start()) and not _NOT_A_STREET.match(match.group().lower()):
            yield _home(sentence, match.start(), match.end())


_HOMES: Final = (
    (_ADDRESS, 0, stems("0")),
    (
        _STREET,
        1,
        stems(
            "st street ave av avenue rd road dr drive ln lane ct court blvd boulevard way pl place cir circle terrace trail loop cove"
        ),
    ),
    (_MLS, 0, stems("mls mls# mls#1")),
)
LOCATED: Final[frozenset[str]] = frozenset().union(*(first for *_, first in _HOMES))


def _glued(low: str, start: int) -> bool:
    return start > 0 and (low[start - 1].isalnum() or low[start - 1] in "$.,#/:-_")


def _home(sentence: Sentence, start: int, end: int) -> Found:
    return Found(FactKind.HOME, " ".join(sentence.text[start:end].split()), start, end)


def objections(sentence: Sentence) -> Iterator[Found]:
    """What speaks against it, by what it is about."""
    if sentence.asks:
        return
    for value, first, pattern in _OBJECTIONS:
        match = pattern.search(sentence.low, sentence.start, sentence.end) if sentence.has(first) else None
        if match is not None:
            yield Found(FactKind.OBJECTION, value, match.start(), match.end())
            return


def _said(kind: FactKind, low: str, start: int, end: int) -> Found:
    return Found(kind, " ".join(low[start:end].split()), start, end)
