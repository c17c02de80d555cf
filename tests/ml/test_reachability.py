"""By which channel a lead may be reached, and why by none."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.ml.reachability import NO_ADDRESS, channel_for, refusal
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.identifiers import EventId
from ghl_real_estate_ai.models.intelligence import ActionKind, Reach
from ghl_real_estate_ai.models.leads import Contact, LastMessage, Lead, Stamp
from tests.support.decisions import DAY, HOUR, a_lead, a_match, decide, must
from tests.support.lead_events import LEAD, LOCATION, START, EventMaker

PHONE, EMAIL = "+15125550100", "ann@example.com"


def lead(*, phone: bool = True, email: bool = True, dnd: bool | None = None) -> Lead:
    contact = Contact(phone=PHONE if phone else None, email=EMAIL if email else None, dnd=dnd)
    return Lead(location_id=LOCATION, lead_id=LEAD, contact=contact)


def reach_of(lead: Lead, kind: ActionKind, *, answers: LastMessage | None) -> Reach | str:
    return channel_for(lead.contact, kind, answers=answers, refused=refusal(lead))


def who_wrote(text: str | None) -> Lead:
    return lead().model_copy(update={"last_inbound": message("sms", text)})


def message(channel: str, text: str | None = "Hi") -> LastMessage:
    return LastMessage(stamp=Stamp(at=START, event_id=EventId("e")), channel=Channel(channel), text=text)


@pytest.mark.parametrize(
    ("channel", "by", "to"),
    [
        ("sms", "sms", PHONE),
        ("call", "call", PHONE),
        ("voicemail", "call", PHONE),
        ("whatsapp", "whatsapp", PHONE),
        ("email", "email", EMAIL),
        ("live_chat", "sms", PHONE),
        ("social", "sms", PHONE),
    ],
)
def test_a_reply_goes_by_the_channel_that_the_lead_used_if_there_is_an_address_for_it(
    channel: str, by: str, to: str
) -> None:
    assert reach_of(lead(), ActionKind.REPLY, answers=message(channel)) == Reach(channel=Channel(by), to=to)


def test_without_that_address_a_reply_goes_by_another() -> None:
    by_mail = reach_of(lead(phone=False), ActionKind.REPLY, answers=message("sms"))
    assert by_mail == Reach(channel=Channel.EMAIL, to=EMAIL)
    by_phone = reach_of(lead(email=False), ActionKind.REPLY, answers=message("email"))
    assert by_phone == Reach(channel=Channel.SMS, to=PHONE)


def test_the_first_response_is_a_call_if_there_is_a_phone() -> None:
    for answers in (None, message("email")):
        assert reach_of(lead(), ActionKind.FIRST_RESPONSE, answers=answers) == Reach(
            channel=Channel.CALL, to=PHONE
        )
    assert reach_of(lead(phone=False), ActionKind.FIRST_RESPONSE, answers=None) == Reach(
        channel=Channel.EMAIL, to=EMAIL
    )


@pytest.mark.parametrize("kind", sorted(set(ActionKind) - {ActionKind.FIRST_RESPONSE}))
def test_everything_else_goes_by_phone_then_by_email_and_without_either_by_nothing(kind: ActionKind) -> None:
    assert reach_of(lead(), kind, answers=None) == Reach(channel=Channel.SMS, to=PHONE)
    assert reach_of(lead(phone=False), kind, answers=None) == Reach(channel=Channel.EMAIL, to=EMAIL)
    assert reach_of(lead(phone=False, email=False), kind, answers=None) == NO_ADDRESS


@pytest.mark.parametrize("kind", ActionKind)
def test_do_not_disturb_leaves_only_the_answer_by_the_leads_own_channel(kind: ActionKind) -> None:
    quiet = lead(dnd=True)
    assert reach_of(quiet, kind, answers=message("email")) == Reach(channel=Channel.EMAIL, to=EMAIL)
    assert reach_of(quiet, kind, answers=None) == "do not disturb is set in the CRM"
    assert reach_of(lead(dnd=True, email=False), kind, answers=message("email")) == (
        "do not disturb is set, and the CRM has no address to answer by email"
    )
    assert reach_of(quiet, kind, answers=message("live_chat")) == (
        "do not disturb is set, and the CRM has no address to answer by live chat"
    )


@pytest.mark.parametrize("kind", ActionKind)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("STOP", "wants no more messages"),
        ("Please take me off your list", "wants no more messages"),
        ("Wrong number", "wrong number"),
        ("not interested, thanks", "not interested"),
    ],
)
def test_who_asks_to_be_left_alone_is_reached_by_no_channel(kind: ActionKind, text: str, words: str) -> None:
    asked = who_wrote(text)
    assert reach_of(asked, kind, answers=asked.last_inbound) == f"the lead on {START:%Y-%m-%d}: {words}"


@pytest.mark.parametrize("text", ["Can we stop by the house?", "I can't stop thinking about it", None, ""])
def test_what_only_looks_like_it_bars_nothing(text: str | None) -> None:
    assert isinstance(reach_of(who_wrote(text), ActionKind.REPLY, answers=message("sms")), Reach)


@pytest.mark.parametrize("then", ["ok", "\N{THUMBS UP SIGN}", None])
def test_a_stop_is_remembered_after_the_next_word_in_any_order(then: str | None) -> None:
    make = EventMaker().make
    events = [
        make("MessageReceived", channel="sms", text="STOP texting me"),
        make("MessageReceived", at=START + HOUR, channel="sms" if then else "call", text=then),
    ]
    for story in (events, events[::-1]):
        action = must(decide(a_lead(*story), START + 2 * HOUR))
        assert action.reach is None
        assert action.no_reach == f"the lead on {START:%Y-%m-%d}: wants no more messages"


def test_after_a_stop_an_own_question_is_answered_by_its_channel_and_nothing_unasked_is_offered() -> None:
    make = EventMaker().make
    stop = make("MessageReceived", channel="sms", text="please stop")
    asked = make("MessageReceived", at=START + HOUR, channel="email", text="Is 12 Oak St still available?")
    action = must(decide(a_lead(stop, asked), START + 2 * HOUR))
    assert action.reach == Reach(channel=Channel.EMAIL, to="a@example.com")
    assert "send nothing else" in action.evidence[-1].text
    answered = make("MessageSent", at=START + 2 * HOUR, channel="email", text="Yes", human=True)
    quiet = a_lead(stop, asked, answered)
    assert decide(quiet, START + 5 * DAY, risk=0.9, matches=(a_match("K", 0.95),)) is None
    again = make("MessageReceived", at=START + 90 * HOUR, channel="sms", text="START")
    more = make("MessageSent", at=START + 91 * HOUR, channel="sms", text="Hello", human=True)
    assert decide(a_lead(stop, asked, answered, again, more), START + 8 * DAY, risk=0.9) is not None


def test_no_interest_is_over_when_a_human_answered_and_the_lead_wrote_again() -> None:
    make = EventMaker().make
    events = [
        make("MessageReceived", channel="sms", text="not interested"),
        make("MessageSent", at=START + HOUR, channel="sms", text="All right", human=True),
    ]
    assert refusal(a_lead(*events)) is not None
    again = make("MessageReceived", at=START + DAY, channel="sms", text="I changed my mind")
    assert refusal(a_lead(*events, again)) is None
    stop = make("MessageReceived", at=START - HOUR, channel="sms", text="STOP")
    assert must_refuse(a_lead(stop, *events, again)) == "wants no more messages"


def must_refuse(lead: Lead) -> str:
    found = refusal(lead)
    assert found is not None
    return found.words


def test_a_stop_of_a_lead_that_was_stored_before_refusals_were_kept_is_remembered_too() -> None:
    make = EventMaker().make
    old = a_lead(make("MessageReceived", channel="sms", text="STOP")).model_copy(update={"refusals": {}})
    ok = make("MessageReceived", at=START + HOUR, channel="sms", text="ok")
    assert must_refuse(old) == must_refuse(apply(old, ok)) == "wants no more messages"
