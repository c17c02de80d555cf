"""Fair housing: phrases that no draft may hold, with counter-examples, and questions that get sources instead of an opinion."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.compliance.fair_housing import (
    AreaTopic,
    Category,
    area_topics,
    check,
    names_a_trait,
    wished_topics,
)

FORBIDDEN = {
    Category.RACE_OR_ORIGIN: [
        "a mostly white neighborhood", "Hispanic families live here", "a diverse community", "Spanish-speaking area", "ethnic food nearby", "popular with Asian buyers", "an integrated neighborhood", "no Mexicans, only Chinese",
    ],
    Category.RELIGION: [
        "walking distance to the synagogue", "near a church", "close to the local mosque", "a Christian community", "Catholic families love it", "steps from the temple", "Jewish area", "minutes to your parish",
    ],
    Category.FAMILY: [
        "perfect for a young family", "ideal for kids", "great for growing families", "family-friendly street", "no children", "adults only", "ideal for a couple", "lots of kids on the block", "suits empty nesters", "room for your kids",
    ],
    Category.DISABILITY: ["able-bodied only", "no wheelchairs", "not suitable for the disabled", "physically fit owners", "no service animals"],
    Category.SEX: ["male preferred", "women only", "a gay neighborhood"],
    Category.AGE: ["young professionals love it", "no seniors", "perfect for retirees", "mature couples"],
    Category.INCOME: ["no Section 8", "no vouchers", "must be employed"],
    Category.AREA: [
        "it's a safe neighborhood", "a great area", "the best part of town", "low crime", "the schools are excellent", "top-rated schools", "good schools nearby", "an up-and-coming area", "a rough district", "that street is safe", "the neighborhood is really nice",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("category", "text"), [(category, text) for category, texts in FORBIDDEN.items() for text in texts]
)
def test_a_forbidden_phrase_is_found_with_its_category_and_rule(category: Category, text: str) -> None:
    found = check(text)
    assert category in {violation.category for violation in found}
    assert all(violation.source and violation.phrase.lower() in text.lower() for violation in found)


@pytest.mark.parametrize(
    "text",
    [
        "The master bedroom is upstairs", "12 Church Street is listed at $450,000", "walking distance to the shops", "a family room and two baths", "It has a wheelchair ramp", "a single family home", "8 Temple Ave, near 14 Church St",
        "Hi Christian! 5 White Oak Ln", "homes in Temple, TX", "black granite and white cabinets", "a mother-in-law suite", "bachelor pad with a great view", "fourth-floor walk-up", "walk to the bus stop", "no smoking", "quiet streets",
        "Black Hawk Dr", "great kitchen", "good light", "safe deposit", "a nice yard", "private school road 5", "School St", "Spanish tile roof", "English garden", "the best time to call", "within the school district boundary",
        "an accessible bathroom", "Mexican tile", "one bedroom, ideal for storage", "the Jewish Museum exhibit", "Young Street", "Senior Ave",
    ],
)  # fmt: skip
def test_counter_examples_pass(text: str) -> None:
    assert check(text) == ()


def test_violations_come_in_the_order_of_the_text() -> None:
    phrases = [violation.phrase for violation in check("no kids, near a church, in a safe area")]
    assert phrases == ["no kids", "near a church", "safe area"]


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("is it a safe neighborhood?", AreaTopic.SAFETY), ("how's the crime there", AreaTopic.SAFETY), ("would you feel safe walking at night", AreaTopic.SAFETY), ("is that area sketchy", AreaTopic.SAFETY),
        ("are the schools good", AreaTopic.SCHOOLS), ("what school district is it in", AreaTopic.SCHOOLS), ("what kind of people live there", AreaTopic.PEOPLE), ("who lives on that street", AreaTopic.PEOPLE),
        ("is it a diverse area", AreaTopic.PEOPLE), ("are there many families around", AreaTopic.PEOPLE), ("any mosques near it", AreaTopic.PEOPLE), ("is it close to a church", AreaTopic.PEOPLE), ("is it mostly a white neighborhood", AreaTopic.PEOPLE),
        ("are there other nigerians", AreaTopic.PEOPLE), ("is there a gurdwara close", AreaTopic.PEOPLE),
        ("is it a good area for families", AreaTopic.AREA), ("what's the neighborhood like", AreaTopic.AREA), ("is this a nice part of town", AreaTopic.AREA), ("good for raising kids?", AreaTopic.AREA),
    ],
)  # fmt: skip
def test_a_request_that_would_steer_is_known(text: str, topic: AreaTopic) -> None:
    assert topic in area_topics(text)


@pytest.mark.parametrize(
    "text",
    [
        "is 12 church st still available?", "what is the lot size", "how old is the roof", "can we see it saturday", "is the price firm", "does it have a family room", "how far is the train", "is there a garage",
        "what are the taxes", "good morning, can you call me", "is the deposit safe", "who pays closing costs", "which area has homes under 400k",
    ],
)  # fmt: skip
def test_a_plain_question_is_not_taken_for_one(text: str) -> None:
    assert area_topics(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "for my kids", "near the church", "section 8", "i'm muslim", "my wife is pregnant", "i use a wheelchair", "we are retired", "va loan", "good schools", "hispanic", "service dog", "single mom", "social security",
        "i am blind", "i'm 72", "we’re expecting", "my twins", "using a walker", "hud-vash", "other nigerians", "a gurdwara", "someone with ms", "my hubby",
    ],
)  # fmt: skip
def test_a_trait_of_a_person_is_known(text: str) -> None:
    assert names_a_trait(text)


@pytest.mark.parametrize(
    "text",
    [
        "12 church st",
        "a family room",
        "single family home",
        "3 beds",
        "white oak ln",
        "temple drive",
        "cash buyer",
        "i'm 20 minutes away",
        "any plans",
        "window blinds",
        "walker st",
        "we are expecting to move in june",
    ],
)
def test_a_home_is_not_taken_for_a_person(text: str) -> None:
    assert not names_a_trait(text)


@pytest.mark.parametrize(
    "wish",
    ["no Black people nearby", "not too ethnic", "English-speaking neighbors only", "adults only", "no kids around", "great for a young family",
     "with young professionals around", "neighbors who are young professionals", "there are many kids", "Austin and many kids on the block"],
)  # fmt: skip
def test_a_wish_for_certain_neighbors_is_found(wish: str) -> None:
    assert wished_topics(wish) == (AreaTopic.PEOPLE,)


@pytest.mark.parametrize(
    "said",
    ["We’re a Muslim family", "a young couple here", "we have no kids", "we have many kids", "I don't speak good English", "Spanish-speaking buyer",
     "we're young professionals", "We are Hispanic buyers", "I'm an older buyer", "is 12 white street available", "Is White Street still open", "3 bedrooms, a pool"],
)  # fmt: skip
def test_who_somebody_is_and_a_streets_name_are_no_such_wish(said: str) -> None:
    assert wished_topics(said) == ()


@pytest.mark.parametrize(
    "said", ["where we live now", "where do you live", "the community pool", "a mix of carpet and tile"]
)
def test_plain_words_ask_nothing_of_people(said: str) -> None:
    assert area_topics(said) == ()
