"""Words of after-the-fact columns: a prior that lowers the evidence needed, never enough alone. Called by ml/availability.py."""

from __future__ import annotations

from typing import Final, NamedTuple

import polars as pl

from ghl_real_estate_ai.ml.column_words import phrase_in, words_of

STRONG: Final = 0.75
WEAK: Final = 0.35
TOLD_BY_VALUES: Final = 0.8
JUDGED: Final = 0.65
MOST: Final = 0.9
"""Name and values together: words alone never reach the bar of 1."""
_VALUES_SHARE: Final = 0.8
"""Share of filled rows with such a word at which the values speak with full weight."""
_LEVELS: Final = 200


class Words(NamedTuple):
    """How much the words of a column weigh, and which they are."""

    weight: float
    told: str


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


_AFTER: Final = _phrases(
    "disposition|outcome|closed|close date|closing date|closing price|sold price|sold date|commission|won|lost|cancelled|"
    "canceled|cancellation|cancel|resolution|converted|conversion|contract signed|agreement signed|signed at|signed on|signed date|date signed|settlement|payout|churned|unsubscribed|"
    "final price|final status|final|tag|notable|modified|updated|changed|touch|follow up|followup|attempt|"
    "disqualified|rejection|decline|declined|decided|decision date|sale price|sale amount|deal value|deal amount|gci|escrow|under contract|lost at|won at"
)
"""Strong by themselves."""
_JUDGED: Final = _set("quality profile score index rating grade level temperature rank priority")
_STATE: Final = _set("status stage")
_OF_THE_DEAL: Final = _set(
    "lead deal opportunity pipeline call contact final application sale agent crm activity engagement churn"
)
_TALK: Final = _set("call contact talk conversation phone meeting handle")
_LAST_OF: Final = _set(
    "activity contact contacted touch call called note update email message event response agent stage status action "
    "conversation interaction reply modified notable"
)
_WEAK: Final = _set(
    "reason last duration note result response remark comment call agreement contract deposit revenue decision signed"
)
_EARLIER: Final = _set(
    "previous prior prev past before best initial first source origin requested preferred desired planned target wish wished"
)
"""Words that put a column before the dealing with the lead: they silence every other word."""
_OWN_DOING: Final = _set("website site page session web browsing click view visit visitor search")
"""What the lead did by itself before anybody dealt with it: as a rule known early, so more numbers are asked for."""
_ELSEWHERE: Final = _set(
    "credit fico property home house listing air star walk school employment job neighborhood education experience skill "
    "floor energy condition price product budget moving buying selling loan"
)
"""Words that make a grade, a reason or a state one of something else than the lead."""
BEFORE: Final = -0.4

_VALUE_PHRASES: Final = _phrases(
    "sent|opened|bounced|clicked|unsubscribed|unreachable|replied|answered|modified|contacted|closed|lost|won|"
    "cancelled|canceled|converted|ringing|busy|voicemail|switched off|not interested|interested in|invalid number|"
    "wrong number|no answer|left message|follow up|revert|not eligible|duplicate|junk|unqualified|disqualified|"
    "nurture|no show|worst|might be|not sure|relevance|potential|phone conversation|"
    "visited on|marked spam|approached|not doing|in touch|rejected|declined|"
    "other lead|hot lead|warm lead|cold lead|dead lead|good lead|bad lead|junk lead"
)
_NOTHING: Final = _set("select unknown none na null nan unspecified undefined")
"""Values of a form that nobody filled in."""
_GRADES: Final = _set("low medium high poor fair good")
_TEMPERATURES: Final = _set("hot warm cold")


def told_by_name(name: str) -> Words:
    """How much the name says that the column was written while or after the lead was dealt with; below 0: before."""
    words = words_of(name)
    present = frozenset(words)
    if present & _EARLIER:
        return Words(0.0, "")
    strong = phrase_in(words, _AFTER) or _pair(present)
    if strong is not None:
        return Words(STRONG, strong)
    if present & _OWN_DOING:
        return Words(BEFORE, min(present & _OWN_DOING))
    weak = present & (_WEAK | _JUDGED | _STATE)
    return Words(WEAK, min(weak)) if weak and not present & _ELSEWHERE else Words(0.0, "")


def _pair(present: frozenset[str]) -> str | None:
    """Two words that are strong together."""
    for one, others in (
        (_set("last"), _LAST_OF),
        (_JUDGED | _STATE, _OF_THE_DEAL),
        (_set("duration length minute min second sec time after"), _TALK),
        (_JUDGED, _set("activity profile")),
        (_JUDGED, _JUDGED),
        (_set("reason"), _set("cancel cancelled close lost loss decline rejection churn")),
        (
            _set("number num count total made sent logged placed length agent"),
            _set("call contacted note showing email sm text"),
        ),
    ):
        first, second = present & one, present & others
        if first and second and len(first | second) > 1:
            return " ".join(sorted(first | second))
    return "duration" if present == {"duration"} else None


def told_by_values(column: pl.Series) -> Words:
    """The same of its texts: dispositions, an activity log, a judgement; grades alone say less."""
    if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return Words(0.0, "")
    counts = column.cast(pl.String).drop_nulls().value_counts(sort=True)
    if counts.height > _LEVELS:
        return Words(0.0, "")
    stated = [
        (words, count) for value, count in counts.iter_rows() if not set(words := words_of(value)) <= _NOTHING
    ]
    rows = max(1, sum(count for _, count in stated))
    told: dict[str, int] = {}
    graded = warmth = 0
    for words, count in stated:
        phrase = phrase_in(words, _VALUE_PHRASES)
        if phrase is not None:
            told[phrase] = told.get(phrase, 0) + count
        graded += count * bool(_GRADES & frozenset(words))
        warmth += count * (len(words) == 1 and words[0] in _TEMPERATURES)
    share = sum(told.values()) / rows
    if len(told) > 1 and share > 0:
        most = sorted(told, key=lambda phrase: -told[phrase])[:3]
        return Words(TOLD_BY_VALUES * min(1.0, share / _VALUES_SHARE), ", ".join(most))
    if warmth >= _VALUES_SHARE * rows:
        return Words(JUDGED, "hot, warm, cold")
    graded_mostly = graded >= _VALUES_SHARE * rows
    return Words(WEAK, "grades such as low, medium, high") if graded_mostly else Words(0.0, "")
