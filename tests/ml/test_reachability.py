"""By which channel a lead may be reached, and why by none."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.ml.reachability import NO_ADDRESS, channel_for, refusal
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.identifiers import EventId
from ghl_real_estate_ai.models.intelligence import ActionKind, Reach
from ghl_real_estate_ai.models.leads import Contact, LastMessage, Lead, Stamp
from tests.support.lead_events import LEAD, LOCATION, START

PHONE, EMAIL = "+15125550100", "ann@example.com"


def lead(*, phone: bool = True, email: bool = True, dnd: bool | None = None) -> Lead:
    contact = Contact(phone=PHONE if phone else None, email=EMAIL if email else None, dnd=dnd)
    return Lead(location_id=LOCATION, lead_id=LEAD, contact=contact)


def reach_of(lead: Lead, kind: ActionKind, *, answers: LastMessage | None) -> Reach | str:
    return refusal(lead) or channel_for(lead.contact, kind, answers=answers)


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
    assert reach_of(asked, kind, answers=asked.last_inbound) == f"the lead's newest message: {words}"


@pytest.mark.parametrize("text", ["Can we stop by the house?", "I can't stop thinking about it", None, ""])
def test_what_only_looks_like_it_bars_nothing(text: str | None) -> None:
    assert isinstance(reach_of(who_wrote(text), ActionKind.REPLY, answers=message("sms")), Reach)
