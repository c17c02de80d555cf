"""The clock of the answer: when it begins, and that only a human of the team stops it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.intelligence import ActionKind
from tests.support.decisions import DAY, HOUR, a_lead, asking, decide, in_conversation, must
from tests.support.lead_events import START, EventMaker


def test_the_clock_begins_with_the_first_unanswered_message_and_no_automation_stops_it() -> None:
    make = EventMaker().make
    events = [
        make("MessageReceived", channel="sms", text="Hi"),
        make("MessageSent", at=START + HOUR, channel="sms", text="Hello", human=True),
        make("MessageReceived", at=START + 2 * HOUR, channel="sms", text="Is it free?"),
        make("MessageSent", at=START + 3 * HOUR, channel="sms", text="Thanks!", human=False),
        make("MessageReceived", at=START + 4 * HOUR, channel="sms", text="Hello?"),
    ]
    action = must(decide(a_lead(*events), START + 5 * HOUR))
    assert action.waiting_since == START + 2 * HOUR
    assert [evidence.text for evidence in action.evidence] == [
        "“Hello?”",
        "waiting 3 h for a human answer, after 2 messages",
    ]
    assert must(decide(a_lead(*events[::-1]), START + 5 * HOUR)) == action


def test_of_a_lead_that_nobody_touched_the_clock_begins_with_its_arrival_if_that_was_lately() -> None:
    def clock(after: timedelta) -> datetime | None:
        return must(decide(asking(START + after), START + after + HOUR)).waiting_since

    assert clock(2 * HOUR) == START
    assert clock(300 * DAY) == START + 300 * DAY


def test_the_clock_runs_on_when_the_answer_was_only_taken_on() -> None:
    make = EventMaker().make
    lead = asking()
    action = must(decide(lead, START + HOUR))
    taken = apply(lead, make("ActionAcknowledged", action_id=action.action_id, user_id="u1"))
    assert must(decide(taken, START + 2 * HOUR)).waiting_since == START


def test_a_lead_stored_before_its_times_were_kept_waits_since_its_newest_message() -> None:
    lead = in_conversation().model_copy(update={"inbound_times": ()})
    assert must(decide(lead, START + 5 * HOUR)).waiting_since == START + 2 * HOUR


THANKS = (
    "Thank you Alex, appreciate it.",
    "Thanks, that was quick!",
    "Great, thank you for checking.",
    "ok",
    "Perfect, got it",
    "\N{THUMBS UP SIGN}",
)
ASKING = (
    "Is there an open house at 710 Canyon St? Tuesday would suit me.",
    "Thanks, but it is too expensive",
    "Thanks! Saturday works",
    "ok 3pm",
    "thanks, I will wait for your call",
    "yes",
    "Thanks, trying to stay under $805k",
    "thanks, let me know",
    "Thanks. STOP",
    "no thanks",
    "Hi",
    "",
)


def wrote(text: str, hours: int, made: EventMaker) -> RecordedEvent:
    return made.make("MessageReceived", at=START + hours * HOUR, channel="sms", text=text)


@pytest.mark.parametrize("text", THANKS)
def test_thanks_that_close_a_conversation_wait_for_nobody(text: str) -> None:
    maker = EventMaker()
    sent = maker.make("MessageSent", at=START + HOUR, channel="sms", text="Hello", human=True)
    events = [wrote("Is it free?", 0, maker), sent, wrote(text, 2, maker)]
    assert decide(a_lead(*events), START + 30 * HOUR) is None
    assert a_lead(*events) == a_lead(*events[::-1])
    waits = must(decide(a_lead(*events, wrote("And the taxes?", 3, maker)), START + 30 * HOUR))
    assert waits.waiting_since == START + 3 * HOUR


@pytest.mark.parametrize("text", ASKING)
def test_whatever_leaves_something_open_waits(text: str) -> None:
    maker = EventMaker()
    sent = maker.make("MessageSent", at=START + HOUR, channel="sms", text="Hello", human=True)
    action = must(decide(a_lead(wrote("Hi", 0, maker), sent, wrote(text, 2, maker)), START + 3 * HOUR))
    assert action.waiting_since == START + 2 * HOUR


def test_thanks_stop_no_clock_and_the_question_is_quoted() -> None:
    maker = EventMaker()
    sent = maker.make("MessageSent", at=START + HOUR, channel="sms", text="Hello", human=True)
    lead = a_lead(sent, wrote("Is it free?", 2, maker), wrote("Thanks", 3, maker))
    action = must(decide(lead, START + 5 * HOUR))
    assert action.waiting_since == START + 2 * HOUR
    assert action.evidence[0].text == "“Is it free?”"


def test_who_only_said_thanks_and_was_never_contacted_still_gets_a_first_response() -> None:
    action = must(decide(a_lead(wrote("Thanks!", 1, EventMaker())), START + 2 * HOUR))
    assert (action.kind, action.waiting_since) == (ActionKind.FIRST_RESPONSE, START)


def test_of_two_messages_of_one_instant_the_one_that_asks_counts() -> None:
    maker = EventMaker()
    sent = maker.make("MessageSent", at=START + HOUR, channel="sms", text="Hello", human=True)
    pair = [wrote("Thanks", 2, maker), wrote("Is it free?", 2, maker), wrote("Thanks", 2, maker)]
    for story in (pair, pair[::-1], pair[1:]):
        assert must(decide(a_lead(sent, *story), START + 3 * HOUR)).waiting_since == START + 2 * HOUR
