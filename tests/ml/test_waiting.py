"""The clock of the answer: when it begins, and that only a human of the team stops it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations

import pytest

from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.ml.waiting import SHORTEST_TALK_S, first_touched, last_touched, waits_from
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


def test_a_call_that_somebody_took_is_an_answer_and_begins_no_wait_in_any_order() -> None:
    make = EventMaker().make
    events = [
        make("MessageReceived", channel="sms", text="Hi"),
        make("MessageReceived", at=START + HOUR, channel="call", call_seconds=466.0),
        make("MessageReceived", at=START + 3 * HOUR, channel="sms", text="One thing more"),
    ]
    assert waits_from(a_lead(*events[:2]), START + 2 * HOUR) is None
    for some in permutations(events):
        lead = a_lead(*some)
        assert first_touched(lead) == last_touched(lead) == START + HOUR
        action = must(decide(lead, START + 4 * HOUR))
        assert (action.kind, action.waiting_since) == (ActionKind.REPLY, START + 3 * HOUR)


@pytest.mark.parametrize(
    ("channel", "seconds"), [("call", None), ("call", SHORTEST_TALK_S - 1), ("voicemail", 466.0)]
)
def test_a_call_that_may_have_reached_nobody_waits_for_an_answer(channel: str, seconds: float | None) -> None:
    lead = a_lead(EventMaker().make("MessageReceived", channel=channel, call_seconds=seconds))
    assert must(decide(lead, START + HOUR)).waiting_since == START
    assert first_touched(lead) is None
