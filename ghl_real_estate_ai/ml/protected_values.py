"""Values that give a protected class away under whatever column name. Called by ml/protected_columns.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Final, NamedTuple

import polars as pl

MOSTLY: Final = 0.9
"""Share of a column's filled rows that must be of one vocabulary."""
_NAMES_SHARE: Final = 0.3
"""No list of first names is long: so many rows whose first word is on ours are enough."""
_NAMES_DISTINCT: Final = 8
_LEVELS: Final = 400
"""A column of more distinct texts is looked at by its commonest only."""
_BIRTH_YEARS: Final = range(1905, 2013)
_BIRTH_SPREAD: Final = 25
"""Years between the 5th and 95th percentile of dates of birth; business dates lie closer, and nearer to today."""


class ToldByValues(NamedTuple):
    """What the values are, what that means, and how many of the filled rows."""

    means: str
    title: str
    share: float


class _Vocabulary(NamedTuple):
    means: str
    title: str
    words: frozenset[str]
    sure: frozenset[str]
    """At least one of these must be there: ``single`` and ``white`` alone may be beds and walls."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split("|"))


_UNKNOWN: Final = _set(
    "|unknown|other|others|n/a|na|none|null|not stated|not specified|unspecified|prefer not to say|undisclosed|-|?|u|x|select"
)
_LANGUAGES: Final = _set(
    "english|spanish|french|german|italian|portuguese|chinese|mandarin|cantonese|vietnamese|tagalog|korean|arabic|russian|"
    "hindi|urdu|bengali|punjabi|gujarati|tamil|telugu|japanese|farsi|persian|hebrew|polish|ukrainian|haitian creole|"
    "creole|somali|amharic|armenian|hmong|navajo|thai|turkish|dutch|swedish|finnish|greek|swahili|español|espanol|"
    "français|deutsch|en|es|fr|de|pt|zh|vi|ko|ar|ru|ja|en-us|en-gb|es-mx|es-us|fr-ca|pt-br|zh-cn"
)
_COUNTRIES: Final = _set(
    "united states|united states of america|usa|us|canada|mexico|united kingdom|uk|germany|france|spain|italy|portugal|"
    "poland|ukraine|russia|china|hong kong|taiwan|japan|south korea|vietnam|philippines|india|pakistan|bangladesh|"
    "sri lanka|nepal|iran|iraq|israel|saudi arabia|united arab emirates|qatar|kuwait|oman|bahrain|egypt|nigeria|ghana|"
    "kenya|ethiopia|somalia|south africa|brazil|argentina|colombia|venezuela|peru|chile|ecuador|cuba|haiti|jamaica|"
    "dominican republic|guatemala|honduras|el salvador|nicaragua|australia|new zealand|singapore|malaysia|indonesia|"
    "thailand|turkey|greece|sweden|norway|denmark|finland|netherlands|belgium|switzerland|austria|ireland|romania|"
    "hungary|czech republic|morocco|algeria|tunisia|lebanon|syria|afghanistan"
)
_COUNTRY_CODES: Final = _set(
    "us|gb|uk|ca|mx|de|fr|es|it|pt|pl|ua|ru|cn|hk|tw|jp|kr|vn|ph|in|pk|bd|lk|np|ir|iq|il|sa|ae|qa|kw|eg|ng|gh|ke|et|za|br|"
    "ar|co|ve|pe|cl|ec|cu|ht|jm|do|gt|hn|sv|ni|au|nz|sg|my|id|th|tr|gr|se|no|dk|fi|nl|be|ch|at|ie|ro|hu|cz|ma|dz|tn|lb|sy|"
    "af|usa|gbr|can|mex|deu|fra|esp|ita|prt|pol|ukr|rus|chn|jpn|kor|vnm|phl|ind|pak|bra|arg|col|ven|chl|aus|nzl|nga|zaf|"
    "non-us|non us|united states|canada|mexico|other country|foreign"
)
_NO_STATE: Final = _set("us|gb|uk|mx|cn|jp|kr|vn|ph|ng|br|usa|gbr|mex|chn|jpn|kor|vnm|phl|deu|fra|bra")
"""Codes that are no state of the USA and no short word."""
_RELIGIONS: Final = _set(
    "christian|catholic|protestant|orthodox|baptist|muslim|islam|jewish|judaism|hindu|hinduism|buddhist|buddhism|sikh|"
    "atheist|agnostic|christianity|mormon|no religion"
)
_RACES: Final = _set(
    "white|black|asian|hispanic|latino|latina|latinx|caucasian|african american|african-american|native american|"
    "american indian|american indian or alaska native|black or african american|pacific islander|"
    "native hawaiian or other pacific islander|asian or pacific islander|asian-pac-islander|amer-indian-eskimo|mixed|"
    "multiracial|two or more races|indigenous|middle eastern|non-hispanic|not hispanic or latino|hispanic or latino"
)
_VOCABULARIES: Final = (
    _Vocabulary(
        "sex or gender",
        "male or female",
        _set(
            "male|female|m|f|man|woman|men|women|non-binary|nonbinary|boy|girl|transgender|he/him|she/her|they/them"
        ),
        _set("female|f|woman|women|girl|she/her"),
    ),
    _Vocabulary(
        "sex and marital status",
        "Mr, Mrs or Ms",
        _set("mr|mrs|ms|miss|mx|dr|mr.|mrs.|ms.|dr.|prof|sir|madam|master"),
        _set("mrs|ms|miss|mrs.|ms.|madam"),
    ),
    _Vocabulary(
        "marital or family status",
        "kinds of marital status",
        _set(
            "single|married|divorced|widowed|separated|widow|widower|engaged|never married|never-married|unmarried|"
            "domestic partner|domestic partnership|civil union|in a relationship|cohabiting|partnered|"
            "married-civ-spouse|married-spouse-absent|married-af-spouse|married with children|divorced/widowed"
        ),
        _set("married|divorced|widowed|married-civ-spouse|unmarried|never married|married with children"),
    ),
    _Vocabulary("language, a proxy of national origin", "languages", _LANGUAGES, _LANGUAGES),
    _Vocabulary("national origin", "countries", _COUNTRIES, _COUNTRIES),
    _Vocabulary("national origin", "codes of countries", _COUNTRY_CODES, _NO_STATE),
    _Vocabulary("religion", "religions", _RELIGIONS, _RELIGIONS - {"orthodox"}),
    _Vocabulary("race or ethnicity", "races", _RACES, _RACES - {"white", "black", "mixed"}),
)
_FIRST_NAMES: Final = _set(
    "james|john|robert|michael|william|david|richard|joseph|thomas|daniel|matthew|anthony|mark|steven|paul|andrew|kevin|"
    "brian|george|edward|ronald|timothy|jason|jeffrey|ryan|jacob|eric|stephen|mary|patricia|jennifer|linda|elizabeth|"
    "barbara|susan|jessica|sarah|karen|lisa|nancy|sandra|ashley|emily|kimberly|donna|michelle|carol|amanda|melissa|"
    "deborah|stephanie|rebecca|laura|sharon|cynthia|amy|anna|maria|jose|juan|carlos|luis|jorge|miguel|pedro|alejandro|"
    "guadalupe|carmen|rosa|ana|sofia|lucia|fernando|ricardo|mohammed|muhammad|mohamed|ahmed|ali|omar|hassan|fatima|"
    "aisha|khadija|ibrahim|yusuf|abdul|wei|jing|li|ming|xin|yan|hui|nguyen|minh|linh|thi|priya|raj|rahul|anil|sunita|"
    "sanjay|deepak|lakshmi|arjun|kavita|jamal|lakisha|tyrone|keisha|latoya|darnell|shanice|deshawn|ebony|moshe|sarai|"
    "rivka|chaim|shlomo|olga|ivan|dmitri|svetlana|tatiana|natasha|kwame|chidi|ngozi|amara|yuki|haruto|sakura|kim|ji|"
    "anne|ann|emma|olivia|liam|noah|sophia|isabella|mia|lucas|ethan|peter|julia|martin|thomas|hans|klaus|pierre|marie"
)
_POST_CODES: Final = re.compile(
    r"(?:\d{5}-\d{4}|0\d{4}|[A-Z]\d[A-Z] ?\d[A-Z]\d|[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2})", re.IGNORECASE
)
_DAY: Final = re.compile(r"((?:19|20)\d\d)-\d\d-\d\d|\d{1,2}/\d{1,2}/((?:19|20)\d\d)")


_ANSWERS: Final = _set("yes|no|y|n|true|false|t|f|1|0|1.0|0.0")


def answers_yes_or_no(column: pl.Series) -> bool:
    """Whether the filled cells say nothing but yes and no, in words or as 1 and 0."""
    said = column.drop_nulls().unique().head(_LEVELS).cast(pl.String, strict=False)
    return len(said) > 0 and {str(cell).strip().lower() for cell in said} - {""} <= _ANSWERS


def told_by_values(column: pl.Series) -> ToldByValues | None:
    """What protected class the values of ``column`` are, if they are clearly one; None for numbers and short evidence."""
    if column.dtype in (pl.Date, pl.Datetime):
        return _births(column.drop_nulls().cast(pl.Date).to_list())
    if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return None
    texts = column.cast(pl.String).drop_nulls().str.strip_chars()
    counts = texts.value_counts(sort=True).head(_LEVELS)
    levels = [(str(value), int(rows)) for value, rows in counts.iter_rows()]
    stated = [(value, rows) for value, rows in levels if value.lower() not in _UNKNOWN]
    if not stated:
        return None
    for known in _VOCABULARIES:
        found = {value.lower() for value, _ in stated} & known.words
        share = _share(stated, lambda value, words=known.words: value.lower() in words)  # type: ignore[misc]
        if len(found) > 1 and found & known.sure and share >= MOSTLY:
            return ToldByValues(known.means, known.title, share)
    return _codes_names_births(stated)


def _codes_names_births(stated: list[tuple[str, int]]) -> ToldByValues | None:
    codes = _share(stated, lambda value: _POST_CODES.fullmatch(value) is not None)
    if codes >= MOSTLY and len(stated) > 1:
        return ToldByValues("a postal code, which stands for race, origin and income", "postal codes", codes)
    firsts = {_first_word(value) for value, _ in stated} & _FIRST_NAMES
    named = _share(stated, lambda value: _first_word(value) in _FIRST_NAMES)
    if len(firsts) >= _NAMES_DISTINCT and named >= _NAMES_SHARE:
        return ToldByValues("a name, which tells sex and origin", "names of people", named)
    years = [found for value, _ in stated if (found := _DAY.match(value))]
    if len(years) >= MOSTLY * len(stated):
        return _births([date(int(found[1] or found[2]), 1, 1) for found in years])
    return None


def _share(levels: list[tuple[str, int]], holds: Callable[[str], bool]) -> float:
    return sum(rows for value, rows in levels if holds(value)) / sum(rows for _, rows in levels)


def _first_word(value: str) -> str:
    return re.split(r"[\s,.]+", value.lower(), maxsplit=1)[0]


def _births(days: list[date]) -> ToldByValues | None:
    """Dates spread over a generation, whose newest lie years before the log of any CRM."""
    if len(days) < _NAMES_DISTINCT:
        return None
    years = sorted(day.year for day in days)
    low, high = years[len(years) // 20], years[-1 - len(years) // 20]
    inside = sum(year in _BIRTH_YEARS for year in years) / len(years)
    if inside >= MOSTLY and high - low >= _BIRTH_SPREAD:
        return ToldByValues("age", "dates of birth", inside)
    return None
