"""Suggested replies: grounded or not said, neutral where an answer would steer, withheld with a reason, the same for everybody."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest

from ghl_real_estate_ai.compliance.fair_housing import check
from ghl_real_estate_ai.errors import NotFound
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.identifiers import (
    LeadId,
)
from ghl_real_estate_ai.models.leads import (
    Answered,
    Contact,
)
from ghl_real_estate_ai.models.properties import StandardStatus, Wishes
from ghl_real_estate_ai.models.replies import SMS_CHARS
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
    suggested,
    text_of,
    wrote,
)

pytestmark = pytest.mark.asyncio

# --- what is answered ---------------------------------------------------------------------------------------------


async def test_a_question_about_a_home_named_by_address_is_answered_from_its_listing() -> None:
    reply = await suggested(lead(OAK, ELM), wrote("Is 12 Oak St still available, and how much is it?"))
    assert reply.text == (
        "Hi Ana! 12 Oak St is on the market, listed at $450,000. What day and time would work for you to see it? "
        "- Maria, Sunrise Realty"
    )
    assert [(ground.claim, ground.source) for ground in reply.grounds] == [
        ("12 Oak St", "listing K1"),
        ("on the market", "listing K1"),
        ("listed at $450,000", "listing K1"),
    ]
    assert (reply.answers, reply.by, reply.withheld) == ("in-0", "rules", None)


async def test_a_listing_that_changed_is_told_as_it_is_now_and_one_that_vanished_is_not_claimed() -> None:
    asked = wrote("Is 12 Oak St still available? How much is it?")
    sold = OAK.model_copy(update={"standard_status": StandardStatus.PENDING, "list_price": Decimal(440_000)})
    now = await text_of(lead(OAK), asked, homes=[sold])
    assert "pending, listed at $440,000" in now
    assert "450" not in now
    assert "homes like it" in now
    gone = await suggested(lead(OAK), asked, homes=[ELM])
    assert gone.text is not None
    assert gone.grounds == ()
    assert not re.search(r"\d|on the market|Oak", gone.text)
    assert "I'll check" in gone.text


async def test_what_the_listing_leaves_out_is_to_be_checked() -> None:
    text = await text_of(
        lead(OAK), wrote("How old is the roof at 12 Oak St? When was it built? Does it have a pool?")
    )
    assert "listed without a pool" in text
    assert "I'll check the roof and the year it was built" in text


async def test_it_means_the_home_that_was_named_last() -> None:
    said = [answered("7 Elm Ave just came on at a good price", 0), wrote("Is it still available?", 5)]
    assert "7 Elm Ave is on the market" in await text_of(lead(OAK, ELM), *said)


async def test_it_means_the_only_home_that_the_lead_knows_and_none_of_several() -> None:
    asked = wrote("how many bedrooms does it have?")
    assert "12 Oak St has 3 bedrooms" in await text_of(lead(OAK), asked)
    unsure = await suggested(lead(OAK, ELM), asked)
    assert unsure.text is not None
    assert unsure.grounds == ()


async def test_two_homes_at_one_address_are_in_doubt() -> None:
    twin = OAK.model_copy(update={"listing_key": "K9", "list_price": Decimal(1)})
    reply = await suggested(lead(OAK, twin), wrote("How much is 12 Oak St?"), homes=[OAK, twin])
    assert reply.grounds == ()


async def test_a_visit_is_acknowledged_without_a_promise_and_asks_for_another_time() -> None:
    text = await text_of(lead(OAK), wrote("can we see 12 Oak St Saturday at 2?"))
    assert "Thanks for asking to see 12 Oak St. I will check that time and confirm." in text
    assert text.endswith("what other day and time would work? - Maria, Sunrise Realty")


async def test_wishes_that_the_message_does_not_state_anew_are_told_back_as_they_stand() -> None:
    known = lead(wishes=Wishes(city="Austin", max_list_price=Decimal(500_000), min_bedrooms=3))
    reply = await suggested(known, wrote("our budget is 520k now"))
    assert reply.text is not None
    assert "Thanks, that helps. I also have you down for Austin and 3+ bedrooms." in reply.text
    assert not re.search("520|500", reply.text)
    assert {ground.source for ground in reply.grounds} == {"the lead's wishes"}


async def test_a_nudge_stands_for_the_question_before_it() -> None:
    reply = await suggested(lead(OAK), wrote("How much is 12 Oak St?", 0), wrote("hello?", 9))
    assert reply.answers == "in-0"
    assert reply.text is not None
    assert "$450,000" in reply.text


async def test_an_automation_answers_nothing() -> None:
    reply = await suggested(
        lead(OAK),
        wrote("How much is 12 Oak St?", 0),
        answered("Thanks! Reply STOP to opt out.", 1, human=False),
    )
    assert reply.text is not None


async def test_an_email_tells_more_and_has_lines() -> None:
    text = await text_of(lead(OAK), wrote("Is 12 Oak St still available?", channel=Channel.EMAIL))
    assert text == (
        "Hi Ana,\n\n12 Oak St is on the market, listed at $450,000. It has 3 bedrooms, 2 bathrooms and 1,800 sq ft.\n\n"
        "What day and time would work for you to see it?\n\nMaria\nSunrise Realty"
    )


async def test_a_text_message_stays_short_whatever_is_asked_and_however_long_the_names_are() -> None:
    long = OAK.model_copy(update={"unparsed_address": f"12 Oak St {'Upper ' * 20}, Austin"})
    known = lead(long, contact=Contact(first_name="Maximiliana-Alexandra Theodora-Josephine"))
    for text in (
        "Can we see 12 Oak St Upper tomorrow? is it safe? how much is it, how big, how old is the roof?",
        "Is it safe? Are the schools good?",
    ):
        assert len(await text_of(known, wrote(text), homes=[long])) <= SMS_CHARS


@pytest.mark.parametrize(
    "text",
    ["hi", "Thanks, we will think", "ok", "too expensive", "we are pre approved", "What about the HOA fees?", "can you call me?", "Saturday at 2 works", "3 beds", "¿Sigue disponible?", "?", "MLS 4410927", "send photos please"],
)  # fmt: skip
async def test_every_message_gets_a_lawful_reply_that_ends_in_a_question_about_time(text: str) -> None:
    for channel in (Channel.SMS, Channel.EMAIL, Channel.LIVE_CHAT):
        reply = await suggested(lead(OAK, ELM), wrote(text, channel=channel))
        assert reply.text is not None
        assert check(reply.text) == ()
        assert re.search(r"(time|call|work)[^?]*\?", reply.text)


@pytest.mark.parametrize(
    "text",
    ["Thanks so much!", "thank you!", "Ok great, thanks Maria", "Thx, have a great day", "Thanks for your help 🙏", "Muchas gracias!", "谢谢"],
)  # fmt: skip
async def test_mere_thanks_get_one_short_line_and_no_question(text: str) -> None:
    assert await text_of(lead(OAK), wrote(text)) == (
        "Hi Ana! You're welcome! I'm here whenever you need anything. - Maria, Sunrise Realty"
    )
    by_email = await text_of(lead(OAK), wrote(text, channel=Channel.EMAIL))
    assert by_email == (
        "Hi Ana,\n\nYou're welcome! I'm here whenever you need anything.\n\nMaria\nSunrise Realty"
    )


async def test_thanks_that_say_more_or_come_after_something_are_answered_for_that() -> None:
    assert "$450,000" in await text_of(lead(OAK), wrote("Thanks! How much is 12 Oak St?"))
    assert "$450,000" in await text_of(lead(OAK), wrote("How much is 12 Oak St?", 0), wrote("Thanks!", 5))
    assert "that helps" in await text_of(lead(OAK), wrote("our budget is 500k", 0), wrote("Thanks!", 5))
    for text in ("no thanks", "Thanks, we want 3 beds", "thanks?"):
        assert "You're welcome" not in str((await suggested(lead(OAK), wrote(text))).text)


async def test_what_was_marked_as_answered_gets_a_draft_that_says_so() -> None:
    click = {
        "a": Answered(at=NOON + timedelta(minutes=5), through=NOON + timedelta(minutes=2)),
    }
    asked = [wrote("How much is 12 Oak St?", 0), wrote("hello?", 2)]
    marked = await suggested(lead(OAK, answered=click), *asked)
    assert "$450,000" in str(marked.text)
    assert "marked as answered" in str(marked.note)
    since = await suggested(lead(OAK, answered=click), *asked, wrote("our budget is 500k", 9))
    assert (since.note, since.answers) == (None, "in-9")
    undone = await suggested(lead(OAK, answered=click, reopened={"a": NOON + timedelta(minutes=6)}), *asked)
    assert undone.note is None


async def test_a_call_that_was_marked_as_answered_asks_for_no_call() -> None:
    click = {"a": Answered(at=NOON + timedelta(minutes=5), through=NOON)}
    reply = await suggested(lead(OAK, answered=click), wrote(None, channel=Channel.CALL))
    assert "marked as answered" in str(reply.withheld)
    assert "Call back" not in str(reply.withheld)


async def test_the_leads_words_are_never_repeated() -> None:
    for text in (
        "is the zanzibar flamingo fence at 12 Oak St new?",
        "we love quokkas, can we see it friday at 7:13pm",
        "my budget is 433k",
    ):
        reply = await suggested(lead(OAK), wrote(text))
        assert reply.text is not None
        for word in ("zanzibar", "flamingo", "quokka", "433", "7:13", "friday"):
            assert word not in reply.text.lower()


async def test_the_same_state_gives_the_same_words() -> None:
    memory = await house(lead(OAK), [wrote("How much is 12 Oak St?")])
    replies = SuggestedReplies(memory=memory)
    assert await replies.suggest(LEAD, by=AGENT) == await replies.suggest(LEAD, by=AGENT)


# --- steering -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("is it a safe neighborhood?", "police department"),
        ("how is the crime around 12 Oak St?", "police department"),
        ("are the schools good?", "school district"),
        ("what kind of people live there?", "visit"),
        ("is it a good area for families?", "visit"),
        ("is there a mosque near it?", "visit"),
    ],
)
async def test_a_request_that_would_steer_gets_sources_and_no_adjective(text: str, source: str) -> None:
    reply = await text_of(lead(OAK), wrote(text))
    assert source in reply
    assert check(reply) == ()
    assert not re.search(
        r"\b(?:good|great|safe|nice|quiet|diverse|bad|best|families|friendly|mosque)\b", reply.lower()
    )


async def test_who_asks_about_an_area_gets_the_same_answer() -> None:
    told = {
        await text_of(lead(OAK), wrote(f"Is that a good area for {people}?"))
        for people in (
            "families",
            "a Muslim family",
            "Black families",
            "two gay men",
            "retired people",
            "Hispanic kids",
        )
    }
    assert len(told) <= 2  # people, and people with the area: never an opinion
    assert all("visit" in text for text in told)


# --- withheld -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([wrote("STOP")], "asked on 2026-03-02 not to be written to"),
        (
            [wrote("please take me off your list", 0), wrote("Is 12 Oak St available?", 5), wrote("ok", 9)],
            "not to be written to",
        ),
        ([wrote("stop texting me", 0), answered("Sorry!", 1), wrote("ok", 2)], "not to be written to"),
        ([wrote("not interested")], "not to be written to"),
        ([wrote("wrong number")], "wrong number"),
        ([wrote("we already have an agent")], "represented by another agent"),
        ([wrote("How much is it?", 0), answered("450k", 1)], "Nothing waits"),
        ([], "has not written yet"),
        ([wrote(None, channel=Channel.CALL)], "Call back"),
        ([wrote(None, channel=Channel.VOICEMAIL)], "Call back"),
        ([wrote("  ")], "holds no text"),
    ],
)
async def test_a_reply_is_withheld_with_the_reason_and_what_to_do(said: list[Delivery], why: str) -> None:
    reply = await suggested(lead(OAK), *said)
    assert (reply.text, reply.grounds) == (None, ())
    assert reply.withheld is not None
    assert why in reply.withheld
    assert reply.withheld.count(".") >= 1


async def test_an_own_question_after_a_stop_is_answered_and_after_a_wrong_number_it_is_not() -> None:
    assert "12 Oak St" in await text_of(
        lead(OAK), wrote("Stop, thanks", 0), wrote("Is 12 Oak St available?", 9)
    )
    wrong = await suggested(lead(OAK), wrote("wrong number", 0), wrote("Is 12 Oak St available?", 9))
    assert wrong.text is None


async def test_who_wants_messages_again_gets_replies_again() -> None:
    assert await text_of(lead(OAK), wrote("STOP", 0), wrote("START", 5), wrote("How much is 12 Oak St?", 9))


async def test_no_interest_then_a_new_question_is_answered() -> None:
    said = [wrote("not interested", 0), answered("All right, thanks!", 1), wrote("How much is 12 Oak St?", 9)]
    assert "$450,000" in await text_of(lead(OAK), *said)


async def test_do_not_disturb_a_deleted_lead_and_the_switch_withhold_everything() -> None:
    asked = wrote("How much is 12 Oak St?")
    quiet = await suggested(lead(OAK, contact=Contact(first_name="Ana", dnd=True)), asked)
    gone = await suggested(lead(OAK, deleted=True), asked)
    off = await suggested(lead(OAK), asked, off=True)
    assert [reply.text for reply in (quiet, gone, off)] == [None, None, None]
    assert [str(reply.withheld).split(".")[0] for reply in (quiet, gone, off)] == [
        "Do not disturb is set in the CRM",
        "The lead was deleted in the CRM",
        "Suggested replies are switched off in this location",
    ]


async def test_a_draft_that_holds_a_forbidden_phrase_is_withheld_with_the_phrase_and_the_rule() -> None:
    bad = OAK.model_copy(
        update={"unparsed_address": "12 Oak St, perfect for families: call now".replace(",", "")}
    )
    reply = await suggested(lead(bad), wrote("is it still available?"), homes=[bad])
    assert reply.text is None
    assert reply.withheld is not None
    assert "“perfect for families”" in reply.withheld
    assert "familial status; 42 U.S.C. 3604(c)" in reply.withheld
    assert reply.answers == "in-0"


@pytest.mark.parametrize(
    "street",
    [
        "12 White Street",
        "5 Christian Street",
        "14 Best Location Ct",
        "9 Black Street",
        "101 Orthodox Street Apt 4",
    ],
)
async def test_a_homes_own_address_is_no_forbidden_phrase(street: str) -> None:
    home = OAK.model_copy(update={"unparsed_address": f"{street}, Austin"})
    reply = await suggested(lead(home), wrote("is it still available?"), homes=[home])
    assert reply.text is not None, reply.withheld
    assert f"{street} is on the market" in reply.text
    for text in (f"Is {street} still available?", f"is {street.lower()} still available?"):
        named = await suggested(lead(home), wrote(text), homes=[home])
        assert "who lives where" not in str(named.text)


async def test_the_same_words_outside_the_address_are_caught() -> None:
    home = OAK.model_copy(update={"unparsed_address": "12 White Street, Austin"})
    memory = await house(
        lead(home), [wrote("is it still available?")], [home], brokerage="White Street Realty"
    )
    reply = await SuggestedReplies(memory=memory).suggest(LEAD, by=AGENT)
    assert reply.text is None
    assert "“White Street”" in str(reply.withheld)


async def test_a_lead_that_is_not_there_is_not_found() -> None:
    memory = await house(lead(), [])
    with pytest.raises(NotFound):
        await SuggestedReplies(memory=memory).suggest(LeadId("nobody"), by=AGENT)


# --- the same for everybody ---------------------------------------------------------------------------------------

TEXTS = [
    "Is 12 Oak St still available?",
    "can we see 12 Oak St Saturday at 2?",
    "is it a safe area?",
    "our budget is 500k",
    "too expensive",
    "What are the HOA fees?",
]


@pytest.mark.parametrize("text", TEXTS)
async def test_of_a_name_nothing_but_the_greeting_changes(text: str) -> None:
    told = set()
    for name in NAMES:
        known = lead(
            OAK,
            contact=Contact(
                first_name=name, last_name=f"{name}-son", name=f"{name} Smith", email=f"{name}@example.com"
            ),
        )
        reply = await text_of(known, wrote(text))
        assert reply.startswith(f"Hi {name}! " if name else "Hi! ")
        told.add(reply.removeprefix(f"Hi {name}! " if name else "Hi! "))
    assert len(told) == 1


@pytest.mark.parametrize(
    "name", ["http://spam.example", "ana@example.com", "A1234", "x" * 60, "  ", "<b>Ana</b>"]
)
async def test_what_is_no_name_is_not_greeted(name: str) -> None:
    known = lead(OAK, contact=Contact(first_name=name))
    assert (await text_of(known, wrote("Is 12 Oak St still available?"))).startswith("Hi! ")


async def test_tags_source_phone_and_the_homes_zip_change_nothing() -> None:
    told = set()
    for number, zip_code in enumerate(("78701", "78721", "10027", None)):
        home = OAK.model_copy(
            update={"postal_code": zip_code, "unparsed_address": f"12 Oak St, Austin, TX {zip_code}"}
        )
        person = Contact(
            first_name="Ana",
            phone=f"+1512555010{number}",
            source=f"source {number}",
            tags=(f"spanish {number}",),
        )
        told.add(
            await text_of(lead(home, contact=person), wrote("Is 12 Oak St still available?"), homes=[home])
        )
    assert len(told) == 1


async def test_the_language_of_the_message_changes_no_tone() -> None:
    told = {
        await text_of(lead(OAK), wrote(text))
        for text in ("ok, gracias", "ok, merci", "ok, 谢谢", "ok, thanks")
    }
    assert len(told) == 1
