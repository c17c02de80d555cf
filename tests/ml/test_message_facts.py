"""Facts from messages: a hand-made corpus, negation, what is never kept about a person, and texts made to hurt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghl_real_estate_ai.compliance.fair_housing import names_a_trait
from ghl_real_estate_ai.ml.message_facts import ASKED, MOST_FACTS, MOST_QUESTIONS, facts_of
from ghl_real_estate_ai.ml.message_text import READ_CHARS
from ghl_real_estate_ai.models.conversations import FactKind, MessageFact
from ghl_real_estate_ai.models.properties import Wishes

CORPUS = Path(__file__).resolve().parent.parent / "fixtures" / "messages"
KIND_OF = {
    "max_list_price": "budget",
    "min_list_price": "budget",
    "min_bedrooms": "bedrooms",
    "min_bathrooms": "bathrooms",
    "min_living_area": "living_area",
    "city": "city",
    "property_sub_type": "home_type",
    "features": "feature",
}
Stated = tuple[str, str, str]
"""Kind, wish and its value; '' for a fact without a wish."""


def corpus(half: str) -> Iterator[tuple[str, Counter[Stated]]]:
    for line in (CORPUS / f"{half}.txt").read_text().splitlines():
        text, _, tokens = line.rpartition("|")
        yield text.strip(), Counter(stated(token) for token in tokens.split())


def stated(token: str) -> Stated:
    wish, _, value = token.partition("=")
    if not value:
        return wish, "", ""
    return KIND_OF[wish], wish, value.lower().replace("_", " ") if wish == "city" else value.lower()


def read(text: str) -> Counter[Stated]:
    return Counter(
        (fact.kind.value, fact.wish or "", str(fact.wish_value).lower() if fact.wish else "")
        for fact in facts_of(text)
    )


def one(text: str, kind: FactKind) -> MessageFact:
    (fact,) = [fact for fact in facts_of(text) if fact.kind is kind]
    return fact


def kinds(text: str) -> set[FactKind]:
    return {fact.kind for fact in facts_of(text)}


# --- the corpus ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "expected"), list(corpus("development")))
def test_a_sentence_of_the_development_half_is_read_as_people_mean_it(
    text: str, expected: Counter[Stated]
) -> None:
    assert read(text) == expected


def test_the_held_out_half_is_read_with_the_precision_and_recall_that_the_documents_tell() -> None:
    right, extra, missed = Counter[str](), Counter[str](), Counter[str]()
    for text, expected in corpus("held_out"):
        found = read(text)
        right.update(kind for kind, *_ in (found & expected).elements())
        extra.update(kind for kind, *_ in (found - expected).elements())
        missed.update(kind for kind, *_ in (expected - found).elements())
    told = {kind: (right[kind], extra[kind], missed[kind]) for kind in sorted({*right, *extra, *missed})}
    assert right.total() / (right.total() + extra.total()) >= 0.95, told
    assert right.total() / (right.total() + missed.total()) >= 0.95, told
    assert missed["stop"] == 0, told
    assert extra["stop"] == 0, told


def test_both_halves_together_are_as_large_as_promised_and_share_no_line() -> None:
    ours, theirs = ({text for text, _ in corpus(half)} for half in ("development", "held_out"))
    assert len(ours) + len(theirs) >= 150
    assert len(theirs) >= 75
    assert not ours & theirs


# --- what a fact is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("half", ["development", "held_out"])
def test_every_quote_stands_in_the_message_and_every_wish_is_one(half: str) -> None:
    for text, _ in corpus(half):
        for fact in facts_of(text):
            assert fact.quote or fact.value == ASKED
            assert fact.quote in text
            if fact.wish is not None:
                value = [fact.wish_value] if fact.wish == "features" else fact.wish_value
                assert Wishes.model_validate({fact.wish: value}).stated


def test_values_are_told_in_the_same_words_however_they_were_typed() -> None:
    for text in ("up to 450k", "$450,000 max", "under 450", "no more than 450000", "450K tops"):
        fact = one(text, FactKind.BUDGET)
        assert (fact.value, fact.wish, fact.wish_value) == ("up to $450,000", "max_list_price", 450_000)


def test_facts_stand_in_the_order_of_the_text_each_once() -> None:
    facts = facts_of("3 beds in Austin under 400k. Really, 3 beds, under 400k!")
    assert [fact.kind.value for fact in facts] == ["bedrooms", "city", "budget"]


def test_a_meeting_names_what_and_when() -> None:
    assert one("can we see 12 Oak St Saturday at 2?", FactKind.MEETING).value == "a visit, saturday at 2"
    assert one("please call me tomorrow", FactKind.MEETING).value == "a call, tomorrow"
    assert one("can we see it?", FactKind.MEETING).value == "a visit"


def test_questions_are_at_most_three_and_trimmed() -> None:
    text = (
        "Is the roof new? Are photos there? Any offers? What are the taxes? How about 12 Oak St "
        + "x" * 300
        + "?"
    )
    questions = [fact for fact in facts_of(text) if fact.kind is FactKind.QUESTION]
    assert [fact.quote for fact in questions] == ["Is the roof new?", "Are photos there?", "Any offers?"]
    assert len(questions) == MOST_QUESTIONS
    assert max(len(fact.quote) for fact in facts_of("Is the roof " + "very " * 200 + "old?")) == 140


@pytest.mark.parametrize(
    "text",
    [
        "Is it okay if I am blind?", "I'm bipolar, is it quiet?", "I'm 72, is there a pool?", "Do you take my HUD-VASH offer?", "Is the lot good for someone with MS or using a walker?", "Are there other Nigerians?",
        "Is there a gurdwara close?", "Would the garage work for my hubby and me, we're expecting?", "is it ok for my twins?", "Is the pool ok for my boys and our girl?", "Is it near my husband's mosque?",
        "Can somebody of my tribe live there?", "Is it fine that I hear voices?", "Would they mind my guide dog?",
    ],
)  # fmt: skip
def test_a_question_that_may_be_of_a_person_is_told_without_its_words(text: str) -> None:
    assert {(fact.kind, fact.value, fact.quote) for fact in facts_of(text)} <= {
        (FactKind.QUESTION, ASKED, "")
    }


@pytest.mark.parametrize("text", ["Is the roof new?", "Can we see it at 2?", "what about MLS# 1234567?"])
def test_a_question_of_the_purchase_is_quoted(text: str) -> None:
    assert one(text, FactKind.QUESTION).quote == text


@pytest.mark.parametrize(
    "text",
    [
        "don't need a pool", "we do not want a garage", "no fireplace please", "a pool is not necessary", "a garage isn't important", "pool optional", "not a townhouse", "without a pool", "skip the pool",
        "never liked a pool", "no condos", "we don't care about a fireplace", "their pool is green", "does it have a pool", "is there a garage?", "our condo has a pool", "The house has 3 beds, 2 baths and a pool",
    ],
)  # fmt: skip
def test_what_is_not_wanted_is_no_wish(text: str) -> None:
    assert not [fact for fact in facts_of(text) if fact.wish is not None]


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("we can't live without a pool", {"features": "pool"}),
        ("Our house has 2 beds, we need 4 bedrooms", {"min_bedrooms": 4}),
        ("no less than 3 beds", {"min_bedrooms": 3}),
        ("not a condo, a townhouse", {"property_sub_type": "Townhouse"}),
        ("don’t want to go over 500k", {"max_list_price": 500_000}),
        ("nothing over 500k", {"max_list_price": 500_000}),
        ("nothing under 300k", {"min_list_price": 300_000}),
    ],
)
def test_what_is_wanted_beside_a_negation_is_a_wish(text: str, wishes: dict[str, object]) -> None:
    assert {fact.wish: fact.wish_value for fact in facts_of(text) if fact.wish} == wishes


@pytest.mark.parametrize(
    "text",
    ["we are approved for 500k", "they offered 430k", "my house is worth 400k", "it sold for 300k", "we make 120k", "rent is $2,100", "HOA is 450 a month", "put 50k down", "listed at 500k", "12 Oak St, unit 450"],
)  # fmt: skip
def test_money_that_is_not_a_budget_is_none(text: str) -> None:
    assert FactKind.BUDGET not in kinds(text)


# --- nothing about the person -------------------------------------------------------------------------------------

PERSONAL = [
    "for my kids", "we have two children and a baby on the way", "near the church", "close to the mosque please", "we're Catholic", "I'm Muslim", "section 8 ok?", "we have a housing voucher", "I use a wheelchair",
    "my son is autistic", "we are retired", "I'm 67", "my wife is pregnant", "single mom here", "we're from Mexico", "I don't speak English well, Spanish please", "is it a Black neighborhood?", "are there many Asian families?",
    "we're a gay couple", "I'm a disabled veteran using a VA loan", "I live on social security", "my food stamps", "good schools for my daughter?", "is it kid friendly", "we keep kosher", "in the Jewish part of town", "service dog allowed?",
    "my mother would live with us", "newly married", "on disability",
]  # fmt: skip
MARK = "3 bedrooms under 400k in Austin"


@pytest.mark.parametrize("text", PERSONAL)
def test_what_a_message_says_of_the_person_is_never_kept(text: str) -> None:
    for message in (text, f"{text}, {MARK}", f"{MARK}. {text}", f"{MARK} {text}"):
        for fact in facts_of(message):
            assert not names_a_trait(f"{fact.value} {fact.quote}".lower()), fact
            assert fact.kind is FactKind.QUESTION or fact.quote in MARK or fact.kind is FactKind.FINANCING, (
                fact
            )


@pytest.mark.parametrize("text", PERSONAL)
def test_what_is_said_of_the_purchase_is_kept_all_the_same(text: str) -> None:
    assert {fact.wish for fact in facts_of(f"{MARK}. {text}") if fact.wish} == {
        "min_bedrooms",
        "max_list_price",
        "city",
    }


def test_the_same_purchase_gives_the_same_facts_whoever_writes() -> None:
    told = {
        facts_of(f"Hi, this is {name}. Looking for {MARK}, can we see 12 Oak St Saturday at 2?")
        for name in ("Emily Walsh", "Lakisha Washington", "Mohammed Hassan", "Guadalupe Hernández", "王芳")
    }
    assert len(told) == 1


# --- texts made to hurt -------------------------------------------------------------------------------------------

HURTFUL = {
    "digits": "1" * 4_000,
    "amounts": "450k " * 800,
    "ranges": "400-450k " * 450,
    "rooms": "3br/2ba " * 500,
    "slashes": "3/2 " * 1_000,
    "dots": "." * 4_000,
    "spaces": "a" + " " * 3_998 + "b",
    "negations": "don't " * 660,
    "stops": "stop " * 800,
    "almost stop": "don't want to " * 280,
    "almost a date": "move by the end of " * 210,
    "almost an address": "12 oak " * 570,
    "capitals": "In Aa Bb " * 440,
    "letters": "a" * 4_000,
    "questions": "can we see " * 360 + "?",
    "commas": "1,000," * 660,
    "dollars": "$ " * 2_000,
    "people": "kind of " * 500,
    "near": "near a near a " * 280,
    "sentences": "Is it 3 bed under 400k? " * 160,
    "agents": "have an agent's an agent with an " * 120,
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", sorted(HURTFUL))
def test_no_text_takes_long(name: str) -> None:
    """Some take milliseconds; a pattern that explodes would take minutes, and the time limit ends it."""
    assert len(facts_of(HURTFUL[name])) <= MOST_FACTS


def test_what_follows_the_part_that_is_read_changes_nothing() -> None:
    text = "3 beds under 400k " + "x" * READ_CHARS
    assert facts_of(text) == facts_of(text + " and a pool, stop texting me")


@given(st.text(max_size=300) | st.text(alphabet="stop 0123456789k$/.,'?-beduntilover", max_size=300))
def test_any_text_is_read_the_same_way_twice_and_quoted_as_it_stands(text: str) -> None:
    facts = facts_of(text)
    assert facts == facts_of(text)
    assert len(facts) <= MOST_FACTS
    assert all(fact.quote in text for fact in facts)
