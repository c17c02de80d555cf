"""A home that a suggested reply names to who states wishes or asks what there is: one that fits, the same for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.identifiers import (
    EventId,
)
from ghl_real_estate_ai.models.leads import (
    Contact,
    Judgement,
    Stamp,
)
from ghl_real_estate_ai.models.matching_models import JudgedBy, Verdict
from ghl_real_estate_ai.models.properties import Listing, StandardStatus, Wishes
from ghl_real_estate_ai.models.replies import SMS_CHARS, SuggestedReply
from ghl_real_estate_ai.services.suggested_reply import SuggestedReplies
from tests.support.reply_house import (
    AGENT,
    ELM,
    LEAD,
    NAMES,
    NOON,
    OAK,
    answered,
    house,
    lead,
    wrote,
)

pytestmark = pytest.mark.asyncio

WISHED = Wishes(city="Austin", max_list_price=Decimal(500_000), min_bedrooms=3)


async def offered(
    text: str,
    *,
    wishes: Wishes = WISHED,
    matches: Sequence[Listing] = (ELM, OAK),
    homes: Sequence[Listing] = (OAK, ELM),
    earlier: Sequence[Delivery] = (),
    **fields: object,
) -> SuggestedReply:
    memory = await house(lead(wishes=wishes, **fields), [*earlier, wrote(text, 50)], homes, matches=matches)
    return await SuggestedReplies(memory=memory).suggest(LEAD, by=AGENT)


async def test_who_states_wishes_is_offered_the_best_match_with_why_it_fits() -> None:
    reply = await offered("We're trying to stay under $450k")
    assert reply.text == (
        "Hi Ana! Thanks, that helps. 7 Elm Ave could be a match: it's listed at $390,000, within your budget. "
        "It's in Austin and has 3 bedrooms. What day and time would work for you to see it? - Maria, Sunrise Realty"
    )
    assert [(ground.claim, ground.source) for ground in reply.grounds] == [
        ("7 Elm Ave", "listing K2"),
        ("listed at $390,000", "listing K2"),
        ("within your budget", "wish: up to $450,000"),
        ("in Austin", "listing K2; wish: Austin"),
        ("3 bedrooms", "listing K2; wish: 3+ bedrooms"),
    ]


@pytest.mark.parametrize(
    "text",
    ["Do you have anything under 500k?", "what else is on the market?", "Any other homes like that?", "please send me some listings", "any 3 bedroom houses with 2 baths?"],
)  # fmt: skip
async def test_who_asks_what_there_is_is_offered_one_home_and_asked_one_thing(text: str) -> None:
    reply = await offered(text)
    assert reply.text is not None
    assert "7 Elm Ave could be a match" in reply.text
    assert reply.text.count("?") == 1


async def test_who_asks_what_there_is_hears_where_there_is_none_what_is_looked_for() -> None:
    reply = await offered("Do you have anything new?", matches=())
    assert reply.text is not None
    assert (
        "I'll look for homes that fit and get back to you. I have you down for Austin, up to $500,000 and 3+ bedrooms."
        in reply.text
    )


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("our budget is 380k", {}),
        ("we need at least 4 bedrooms", {}),
        ("we want a pool", {}),
        ("with a garage please", {}),
        ("a big yard is a must", {}),
        ("at most 2 bedrooms", {}),
        ("looking in Dallas or Austin", {}),
        ("our budget is 500k", {"standard_status": StandardStatus.PENDING}),
        ("our budget is 500k", {"standard_status": StandardStatus.COMING_SOON}),
        ("our budget is 500k", {"list_price": Decimal(510_000)}),
        ("our budget is 500k", {"unparsed_address": None}),
    ],
)
async def test_a_home_that_misses_a_wish_or_cannot_be_seen_as_it_is_now_is_not_offered(
    text: str, change: dict[str, object]
) -> None:
    now = ELM.model_copy(update=change)
    reply = await offered(text, matches=[ELM], homes=[now])
    assert reply.text is not None
    assert "could be a match" not in reply.text


async def test_a_home_that_was_passed_or_talked_of_is_not_offered_again() -> None:
    passed = Judgement(stamp=Stamp(at=NOON, event_id=EventId("j")), verdict=Verdict.PASS, by=JudgedBy.LEAD)
    after_a_pass = await offered("our budget is 500k", judged={"K2": passed})
    after_a_word = await offered("our budget is 500k", earlier=[answered("How about 7 Elm Ave?", 40)])
    assert ["12 Oak St could be" in str(reply.text) for reply in (after_a_pass, after_a_word)] == [True, True]


async def test_a_question_about_an_area_is_never_answered_with_a_home() -> None:
    reply = await offered("Do you have anything under 500k in a safe neighborhood?")
    assert reply.text is not None
    assert "police department" in reply.text
    assert "Elm" not in reply.text


@pytest.mark.parametrize(
    "wish",
    ["no Black people nearby", "not too ethnic", "English-speaking neighbors only", "adults only", "no disabled people", "no section 8 around",
     "great for kids", "an exclusive area", "people like us", "where the Indians live", "no foreigners", "no refugees", "no renters", "a 55+ community",
     "a nice mix of people", "a traditional neighborhood", "somewhere up and coming"],
)  # fmt: skip
async def test_who_wishes_for_certain_neighbors_gets_no_home_and_no_opinion(wish: str) -> None:
    reply = await offered(f"Looking for 3 bedrooms in Austin, {wish}")
    assert reply.text is not None
    assert "a visit at different times of day shows you most" in reply.text
    assert "Elm" not in reply.text
    assert reply.grounds == ()


@pytest.mark.parametrize(
    "text",
    ["Under 450k and no pool please", "we don't want a pool, max 450k", "we dont want a pool. max 450k", "max 450k, without a pool", "450k max but I hate pools",
     "under 450k but never in Austin"],
)  # fmt: skip
async def test_who_rules_something_out_is_offered_no_home_and_told_no_wish(text: str) -> None:
    pool = ELM.model_copy(update={"pool_private_yn": True})
    reply = await offered(text, matches=[pool], homes=[pool])
    assert reply.text is not None
    assert "Thanks, that helps. What time suits you" in reply.text


async def test_what_was_ruled_out_just_before_still_holds() -> None:
    reply = await offered("our budget is 500k", earlier=[wrote("no pool please", 45)])
    assert "could be a match" not in str(reply.text)
    after_an_answer = [wrote("no pool please", 40), answered("Noted!", 45)]
    assert "could be a match" in str((await offered("our budget is 500k", earlier=after_an_answer)).text)


@pytest.mark.parametrize(
    "text",
    ["no rush, our budget is 500k", "no more than 500k", "we can't go over 500k, 3 bedrooms", "We have no car. Our budget is 500k"],
)  # fmt: skip
async def test_a_no_that_rules_out_no_home_keeps_the_offer(text: str) -> None:
    assert "7 Elm Ave could be a match" in str((await offered(text)).text)


@pytest.mark.parametrize(
    "text",
    ["Do you have anything else besides 7 Elm Ave?", "any other homes available other than 7 Elm Ave?", "Any other homes like 7 Elm Ave?"],
)  # fmt: skip
async def test_who_asks_for_homes_besides_one_is_offered_another(text: str) -> None:
    reply = await offered(text)
    assert "12 Oak St could be a match" in str(reply.text)
    assert "Elm" not in str(reply.text)


async def test_who_asks_about_one_home_and_for_others_is_answered_about_the_one() -> None:
    reply = await offered("Is 12 Oak St still available, and do you have any other homes?")
    assert "12 Oak St is on the market" in str(reply.text)


async def test_an_offer_is_the_same_for_everybody() -> None:
    said = (
        "our budget is 500k",
        "We're a Muslim family, our budget is 500k",
        "Asian family of 5 here. Our budget is 500k",
        "Young couple, our budget is 500k",
        "Spanish-speaking family here, our budget is 500k",
        "we have no kids. our budget is 500k",
        "we have many kids, our budget is 500k",
        "I don't speak good English, our budget is 500k",
        "We are Hispanic buyers, our budget is 500k",
        "I have a section 8 voucher, our budget is 500k",
        "My husband and I are Muslim, our budget is 500k",
        "we're on a visa. our budget is 500k",
    )
    told = {(await offered(text)).text for text in said}
    for name in NAMES:
        reply = await offered(said[0], contact=Contact(first_name=name, tags=("spanish",)))
        told.add(str(reply.text).replace(f"Hi {name}!" if name else "Hi!", "Hi Ana!"))
    assert len(told) == 1


async def test_an_offer_fits_into_a_text_message() -> None:
    long = ELM.model_copy(
        update={"unparsed_address": "17 Oldest Elm Harbor Boulevard Number 4", "city": "Q" * 60}
    )
    reply = await offered(
        "our budget is 500k",
        wishes=Wishes(city="Q" * 60, min_bedrooms=1, min_bathrooms=1, min_living_area=900),
        matches=[long],
        homes=[long],
        contact=Contact(first_name="Maximiliana-Alexandra Theodora"),
    )
    assert reply.text is not None
    assert "could be a match" in reply.text
    assert len(reply.text) <= SMS_CHARS
