"""Columns that no score may learn from: protected classes and their proxies. Called by the tools that read tables.

Fair Housing Act (race, color, religion, sex, familial status, national origin, disability) and Equal Credit Opportunity
Act (also age, marital status, public assistance), with the proxies that stand for them: names, language, ZIP and what is
computed from it, segments. docs/fairness.md tells what is meant and why nothing here can be overridden.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import polars as pl

from ghl_real_estate_ai.ml.column_words import phrase_in, words_of
from ghl_real_estate_ai.ml.evaluation_report import FlaggedColumn
from ghl_real_estate_ai.ml.protected_values import answers_yes_or_no, told_by_values


class ProtectedClass(NamedTuple):
    """One class: what it is called in the reason, and what names it."""

    title: str
    phrases: tuple[str, ...]
    """Words that name it wherever they stand."""
    unless: frozenset[str] = frozenset()
    """Beside these words ``phrases`` mean something else."""
    bare: frozenset[str] = frozenset()
    """Words that name it only alone or ``among`` nothing but these: ``pct_white`` is, ``white_kitchen`` and ``white_label`` are not."""
    among: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    """Whole names that mean it only where the cells say yes or no: a ``partner`` with other cells is a company."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


_THINGS: Final = _words(
    "lead listing account home house property building roof deal domain company inquiry enquiry record ticket case "
    "opportunity invoice loan vehicle car equipment product item order subscription campaign session message "
    "task note day hour minute second month week unit apartment condo kitchen hvac heater file data page"
)
"""What has an age that is nobody's."""
_NOT_PEOPLE: Final = _words(
    "company business campaign street road city town county state product item file list listing community subdivision "
    "building property project event form page source domain user host field column table tag stage pipeline "
    "workflow funnel system medium channel brand agency team office account bank school hotel store shop category utm lender "
    "course plan package device browser model make automation template segment neighborhood district region service"
)
"""What has a name that is nobody's."""
_SAID_OF_SOMEBODY: Final = _words(
    "is are has have with any flag indicator ind yn pct percent percentage share proportion fraction of number num n "
    "population pop household hh people person buyer homebuyer"
)
_PEOPLE: Final = _SAID_OF_SOMEBODY | _words(
    "status count ratio resident renter applicant borrower client customer lead prospect contact owner tenant user adult "
    "group majority american native origin descent heritage background speaker speaking speak alone"
)
_PEOPLES: Final = _words(
    "african arab arabic armenian bengali brazilian cantonese chinese colombian cuban dominican dutch english european "
    "filipino foreign french german greek haitian hindi indian iranian irish italian jamaican japanese korean latin "
    "mandarin mexican nigerian pakistani persian polish portuguese punjabi russian somali spanish tagalog thai turkish "
    "ukrainian urdu vietnamese"
)

CLASSES: Final[tuple[ProtectedClass, ...]] = (
    ProtectedClass(
        "a name, which tells sex and origin",
        _phrases(
            "first name|last name|full name|middle name|maiden name|given name|family name|forename|surname|fname|lname|"
            "nickname|name"
        ),
        _NOT_PEOPLE,
    ),
    ProtectedClass(
        "language, a proxy of national origin",
        _phrases(
            "language|lang|locale|mother tongue|native tongue|english proficiency|english fluency|speak english|"
            "bilingual|habla|espanol|interpreter|translator|accent"
        ),
        _words("programming query code model accented color colour wall"),
    ),
    ProtectedClass(
        "sex or gender",
        _phrases("gender|sex|male|female|pronoun|salutation|honorific|man|woman|gender identity|transgender"),
    ),
    ProtectedClass(
        "sexual orientation",
        _phrases("sexual|sexuality|gay|lesbian|bisexual|homosexual|queer|lgbt|lgbtq|lgbtqia|same sex"),
    ),
    ProtectedClass(
        "age",
        _phrases(
            "age|birth|birthday|birth date|birth year|dob|yob|born|date of birth|year of birth|senior citizen|elderly|"
            "age group|age band|age range|over 65|over 62|55 plus|generation cohort|retiree|retired|pensioner|millennial|"
            "boomer|gen x|gen z"
        ),
        _THINGS,
    ),
    ProtectedClass(
        "marital or family status",
        _phrases(
            "marital|marital status|married|unmarried|marriage|newlywed|spouse|spousal|wife|husband|fiance|fiancee|divorced|"
            "divorce|widow|widowed|widower|cohabiting|cohabitation|civil status|civil union|relationship status|"
            "single status|family status|familial|family size|family member|family composition|size of family|"
            "household size|household composition|household member|size of household|hh size|single parent|single mother|"
            "single mom|single father|single dad|has partner|with partner|domestic partner|life partner|is single|bride|groom"
        ),
        bare=_words("single family couple"),
        among=_SAID_OF_SOMEBODY,
        answered=_words("partner"),
    ),
    ProtectedClass(
        "children",
        _phrases(
            "child|children|n child|n kid|num kid|kid|baby|toddler|infant|newborn|pregnant|pregnancy|maternity|"
            "dependent|parental|parenthood|daycare|nanny"
        ),
        _words("account record ticket node process company id key case element workflow page variable"),
        bare=_words("parent mother father mom dad"),
        among=_SAID_OF_SOMEBODY,
    ),
    ProtectedClass(
        "religion",
        _phrases(
            "religion|religious|faith|church|mosque|synagogue|temple|denomination|caste|worship|creed|christian|"
            "christianity|catholic|protestant|baptist|evangelical|lutheran|methodist|mormon|muslim|islam|islamic|jew|jewish|"
            "judaism|hindu|hinduism|buddhist|buddhism|sikh|atheist|agnostic"
        ),
        _words("good bad"),
    ),
    ProtectedClass(
        "race or ethnicity",
        _phrases(
            "race|racial|ethnicity|ethnic|ethnic group|skin color|skin colour|skin tone|hispanic|latino|latina|latinx|"
            "african american|native american|american indian|pacific islander|caucasian|ancestry|tribe|tribal|minority|"
            "non white|biracial|multiracial|indigenous"
        ),
        _words("horse car condition boat"),
        bare=_words("black white asian"),
        among=_PEOPLE,
    ),
    ProtectedClass(
        "national origin",
        _phrases(
            "country|nationality|national origin|citizenship|citizen|immigration|immigrant|immigration status|"
            "visa status|visa type|birthplace|native country|foreign born|foreign national|foreigner|refugee|"
            "green card|passport|ssn|itin"
        ),
        _words("club kitchen house style road porch"),
        bare=_PEOPLES,
        among=_PEOPLE,
    ),
    ProtectedClass(
        "disability",
        _phrases(
            "disability|disabled|handicap|handicapped|wheelchair|impairment|blind|deaf|medical condition|illness|"
            "mental health|health condition|health status|diagnosis|disease|hiv|diabetes|diabetic|autism|autistic|"
            "hearing impaired|visually impaired|special need|service animal|support animal|accessibility need"
        ),
        _words(
            "account notification email sms tracking alert campaign login feature automation workflow window "
            "copy carbon test cookie javascript"
        ),
    ),
    ProtectedClass(
        "military status",
        _phrases("military|veteran|army|navy|air force|va loan|va eligible|service member"),
    ),
    ProtectedClass(
        "source of income",
        _phrases(
            "source of income|income source|public assistance|welfare|housing voucher|housing choice|section 8|food stamp|"
            "housing assistance|rental assistance|rent assistance|government assistance|government benefit|medicaid|tanf|"
            "social security|alimony|child support|unemployment benefit"
        ),
    ),
    ProtectedClass(
        "a postal code or what is known of an area, which stands for race, origin and income",
        _phrases(
            "zip|zip code|postal|postal code|post code|plz|census|census tract|block group|geoid|"
            "fips|demographic|demography|crime|crime rate|school rating|school score|school quality|school district|"
            "neighborhood income|area income|median household income|redlining"
        ),
        _words("file archive folder download"),
    ),
    ProtectedClass(
        "a segment or cluster of people, whose make-up nobody can see",
        _phrases(
            "segment|segmentation|cluster|persona|psychographic|prizm|mosaic|acorn|geodemographic|lifestyle|"
            "lookalike|audience"
        ),
        _words("road street line word"),
    ),
)

PLACE_OF_A_PERSON: Final = ProtectedClass(
    "where somebody lives or looks, which stands for race, origin and income",
    _phrases(
        "neighborhood|neighbourhood|latitude|longitude|lat|lng|lon|lat long|geohash|gps|street address|home address|"
        "mailing address"
    ),
    _words("view viewed visit visited search searched click saved count number num"),  # deeds, not places
    bare=_words("long"),
)
"""Of a table whose rows are people. The place of a home only says what homes there cost; see ml/list_ranking.py."""

OVERRULE: Final = "cannot be allowed"


def protected_columns(
    names: Iterable[str], table: pl.DataFrame | None = None, *, of_homes: bool = False
) -> list[FlaggedColumn]:
    """Which of ``names`` are a protected class or stand for one, by their words and, with ``table``, by their values.

    Whole words only, in any spelling: ``ZIPCode``, ``zip_code`` and ``Zip codes`` are one; ``usage`` holds no ``age``.
    ``of_homes``: a row is a home, so its place is nobody's. Flags have kind ``protected`` and stand in the order of ``names``.
    """
    classes = CLASSES if of_homes else (*CLASSES, PLACE_OF_A_PERSON)
    flags = []
    for name in names:
        cells = None if table is None or name not in table.columns else table[name]
        told = _told_by_name(words_of(name), classes, cells)
        if told is not None:
            flags.append(_flag(name, told[0], f"its name says {told[1]!r}", {"word": told[1]}))
        elif cells is not None:
            values = told_by_values(cells)
            if values is not None:
                share = f"{100 * values.share:.0f} % of its values are {values.title}"
                flags.append(
                    _flag(name, values.means, share, {"share": values.share, "values": values.title})
                )
    return flags


def _flag(name: str, means: str, why: str, evidence: dict[str, float | int | str]) -> FlaggedColumn:
    return FlaggedColumn(
        column=name, kind="protected", reason=f"{means}: {why}; {OVERRULE}", evidence=evidence
    )


def _told_by_name(
    words: tuple[str, ...], classes: Iterable[ProtectedClass], cells: pl.Series | None
) -> tuple[str, str] | None:
    """Title of the class and the phrase that tells it."""
    present = frozenset(word for word in words if not word.isdigit())
    for known in classes:
        phrase = phrase_in(words, known.phrases)
        if phrase is not None and not present & (known.unless - frozenset(phrase.split())):
            return known.title, phrase
        bare = present & known.bare
        if len(bare) == 1 and present - bare <= known.among:
            return known.title, next(iter(bare))
        if len(present) == 1 and present <= known.answered and cells is not None and answers_yes_or_no(cells):
            return known.title, words[0]
    return None
