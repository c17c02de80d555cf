"""Columns that no score may learn from: protected classes and their proxies. Called by ml/table_score.py.

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
from ghl_real_estate_ai.ml.protected_values import told_by_values


class ProtectedClass(NamedTuple):
    """One class: what it is called in the reason, the phrases that name it, and the words that make them mean something else."""

    title: str
    phrases: tuple[str, ...]
    unless: frozenset[str] = frozenset()


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
    "course plan package device browser model make automation template segment neighborhood district region"
)
"""What has a name that is nobody's."""

CLASSES: Final[tuple[ProtectedClass, ...]] = (
    ProtectedClass(
        "a name, which tells sex and origin",
        _phrases(
            "first name|last name|full name|middle name|maiden name|given name|family name|firstname|lastname|fullname|"
            "forename|surname|fname|lname|nickname|name"
        ),
        _NOT_PEOPLE,
    ),
    ProtectedClass(
        "language, a proxy of national origin",
        _phrases(
            "language|lang|locale|mother tongue|native tongue|english proficiency|english fluency|speak english|"
            "english speaking|interpreter|translator|accent"
        ),
        _words("programming query code model accented color colour wall"),
    ),
    ProtectedClass(
        "sex or gender",
        _phrases("gender|sex|male|female|pronoun|salutation|honorific|man|woman|gender identity|transgender"),
    ),
    ProtectedClass("sexual orientation", _phrases("sexual|sexuality|lgbt|lgbtq|same sex")),
    ProtectedClass(
        "age",
        _phrases(
            "age|birth|birthday|birthdate|birthyear|dob|yob|born|date of birth|year of birth|senior citizen|elderly|"
            "age group|agegroup|age band|age range|over 65|over 62|55 plus|generation cohort"
        ),
        _THINGS,
    ),
    ProtectedClass(
        "marital or family status",
        _phrases(
            "marital|maritalstatus|married|marriage|spouse|wife|husband|fiance|divorced|divorce|widow|widowed|widower|"
            "civil status|relationship status|family status|familial|familial status|family size|family member|"
            "family composition|household size|household composition|household member|single parent|has partner|"
            "is single|bride|groom"
        ),
    ),
    ProtectedClass(
        "children",
        _phrases(
            "child|children|kid|baby|toddler|infant|newborn|pregnant|pregnancy|maternity|dependent|parental|"
            "is parent|parenthood|number of parent|daycare|nanny"
        ),
        _words("account record ticket node process company id key case element workflow page variable"),
    ),
    ProtectedClass(
        "religion",
        _phrases("religion|religious|faith|church|mosque|synagogue|temple|denomination|caste|worship|creed"),
        _words("good bad"),
    ),
    ProtectedClass(
        "race or ethnicity",
        _phrases(
            "race|racial|ethnicity|ethnic|ethnic group|skin color|skin colour|skin tone|hispanic|latino|latina|latinx|"
            "african american|caucasian|ancestry|tribe|tribal|minority|non white|pct black|percent black|share black|"
            "pct white|percent white|share white|pct asian|percent asian|share asian|indigenous"
        ),
        _words("horse car condition boat"),
    ),
    ProtectedClass(
        "national origin",
        _phrases(
            "country|nationality|national origin|citizenship|citizen|immigration|immigrant|immigration status|"
            "visa status|visa type|birthplace|native country|foreign born|foreign national|foreigner|refugee|"
            "green card|passport"
        ),
        _words("club kitchen house style road"),
    ),
    ProtectedClass(
        "disability",
        _phrases(
            "disability|disabled|handicap|handicapped|wheelchair|impairment|blind|deaf|medical condition|illness|"
            "mental health|diagnosis|special need|service animal|support animal|accessibility need"
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
            "source of income|income source|public assistance|welfare|housing voucher|section 8|food stamp|"
            "government assistance|government benefit|social security|alimony|child support|unemployment benefit"
        ),
    ),
    ProtectedClass(
        "a postal code or what is known of an area, which stands for race, origin and income",
        _phrases(
            "zip|zipcode|postal|postal code|postalcode|postcode|post code|plz|census|census tract|block group|geoid|"
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

OVERRULE: Final = "cannot be allowed"


def protected_columns(names: Iterable[str], table: pl.DataFrame | None = None) -> list[FlaggedColumn]:
    """Which of ``names`` are a protected class or stand for one, by their words and, with ``table``, by their values.

    Whole words only, in any spelling: ``ZIPCode``, ``zip_code`` and ``Zip codes`` are one; ``usage`` holds no ``age``.
    Flags have kind ``protected`` and stand in the order of ``names``.
    """
    flags = []
    for name in names:
        told = _told_by_name(words_of(name))
        if told is not None:
            flags.append(_flag(name, told[0], f"its name says {told[1]!r}", {"word": told[1]}))
        elif table is not None and name in table.columns:
            values = told_by_values(table[name])
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


def _told_by_name(words: tuple[str, ...]) -> tuple[str, str] | None:
    """Title of the class and the phrase that tells it."""
    present = frozenset(words)
    for known in CLASSES:
        phrase = phrase_in(words, known.phrases)
        if phrase is not None and not present & (known.unless - frozenset(phrase.split())):
            return known.title, phrase
    return None
