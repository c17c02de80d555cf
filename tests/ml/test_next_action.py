"""What the policy promises: the lead that waits comes first, with its own words, and an acknowledged reason is gone."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghl_real_estate_ai.limits import TAKEN_ON_HOURS
from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.ml.shrinkage import PRIORS
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.intelligence import (
    MOST_TIMES_TYPICAL,
    QUOTE_CHARS,
    TYPICAL_DEAL_VALUE,
    UNREACHABLE,
    URGENCY_FLOOR,
    URGENCY_OF_PRESSURE,
    ActionKind,
)
from tests.support.decisions import (
    DAY,
    HOUR,
    a_lead,
    a_match,
    asking,
    decide,
    in_conversation,
    lead_of,
    must,
)
from tests.support.lead_events import START, EventMaker


def test_an_unanswered_new_lead_gets_a_first_response_quoting_its_words() -> None:
    make = EventMaker().make
    lead = lead_of(
        make("MessageReceived", channel="sms", text="Is  it\nstill available?"),
        make("MessageSent", channel="sms", text="Thanks!", human=False),
    )
    action = must(decide(lead, START + 3 * HOUR, chance=0.25))
    assert action.kind is ActionKind.FIRST_RESPONSE
    assert action.waiting_since == START
    assert [evidence.text for evidence in action.evidence] == [
        "“Is it still available?”",
        "waiting 3 h for a human answer",
        "25% chance of an appointment within 14 days",
    ]
    assert action.evidence[0].event_id == "event-0001"


def test_after_a_human_has_answered_a_new_message_asks_for_a_reply() -> None:
    make = EventMaker().make
    answered = (
        make("MessageReceived", channel="sms", text="Hi"),
        make("MessageSent", at=START + HOUR, channel="sms", text="Hello", human=True),
    )
    asked_again = make("MessageReceived", at=START + 2 * HOUR, channel="call")
    assert must(decide(lead_of(*answered, asked_again), START + 3 * HOUR)).kind is ActionKind.REPLY
    assert must(decide(lead_of(*answered, asked_again), START + 3 * HOUR)).evidence[0].text == "called"
    assert decide(lead_of(*answered), START + 3 * HOUR) is None


def deal(value: str | None, *, status: str = "open", at: datetime = START, name: str = "o") -> RecordedEvent:
    return EventMaker().make(
        "OpportunityChanged", at=at, opportunity_id=name, status=status, monetary_value=value
    )


# --- the formula --------------------------------------------------------------------------------------------------


def test_priority_is_expected_value_times_urgency() -> None:
    action = must(decide(asking(), START + HOUR, deal=0.1))
    assert action.expected_value == pytest.approx(0.1 * TYPICAL_DEAL_VALUE)
    assert action.priority == pytest.approx(0.1 * TYPICAL_DEAL_VALUE * action.urgency)
    assert action.value_assumed


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_likelier_deal_never_stands_lower(one: float, other: float) -> None:
    low, high = sorted((one, other))
    base = must(decide(asking(), START + HOUR, deal=low))
    assert must(decide(asking(), START + HOUR, deal=high)).priority >= base.priority


@given(st.decimals("0.01", "1e12"), st.decimals("0.01", "1e12"))
def test_a_dearer_deal_never_stands_lower_and_none_counts_beyond_the_bounds(
    one: Decimal, other: Decimal
) -> None:
    low, high = sorted((one, other))
    make = EventMaker().make
    wrote = make("MessageReceived", channel="sms", text="Hi")
    cheap, dear = (must(decide(a_lead(wrote, deal(str(price))), START, deal=0.1)) for price in (low, high))
    assert cheap.priority <= dear.priority
    for action in (cheap, dear):
        assert not action.value_assumed
        assert action.expected_value is not None
        times = action.expected_value / (0.1 * TYPICAL_DEAL_VALUE)
        assert (1 - 1e-9) / MOST_TIMES_TYPICAL <= times <= MOST_TIMES_TYPICAL * (1 + 1e-9)


def test_the_newest_undecided_deal_counts_and_without_a_value_the_typical_one() -> None:
    wrote = EventMaker().make("MessageReceived", at=START, channel="sms", text="Hi")
    older, newer = deal("5000", at=START, name="a"), deal("8000", at=START + HOUR, name="b")
    lost = deal("20000", status="lost", at=START + 2 * HOUR, name="c")

    def value(*deals: RecordedEvent) -> tuple[float, bool]:
        action = must(decide(a_lead(wrote, *deals), START + 3 * HOUR, deal=0.5, typical=7_000))
        return round((action.expected_value or 0) / 0.5, 6), action.value_assumed

    assert value(newer, older, lost) == (8_000.0, False)
    assert value(older) == (5_000.0, False)
    for unstated in ((), (lost, older, deal(None, at=START + HOUR, name="b")), (deal("0"),), (deal("-9"),)):
        assert value(*unstated) == (7_000.0, True)


def test_without_odds_of_a_deal_the_documented_prior_ranks_and_nothing_is_claimed() -> None:
    action = must(decide(asking(), START))
    assert action.expected_value is None
    assert action.priority == pytest.approx(PRIORS["won"].rate * TYPICAL_DEAL_VALUE * action.urgency)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_chance_of_an_appointment_moves_no_place_a_second_time(one: float, other: float) -> None:
    low, high = (must(decide(asking(), START + HOUR, chance=chance, deal=0.1)) for chance in (one, other))
    assert (low.priority, low.urgency) == (high.priority, high.urgency)


def test_a_stated_budget_moves_nothing() -> None:
    make = EventMaker().make
    wrote = make("MessageReceived", channel="sms", text="Hi")
    poor, rich = (
        must(
            decide(
                a_lead(
                    wrote,
                    make("LeadUpserted", created=False, contact={}, wishes={"max_list_price": price}),
                ),
                START,
                deal=0.1,
            )
        )
        for price in ("90000", "9000000")
    )
    assert poor == rich


# --- urgency ------------------------------------------------------------------------------------------------------


@given(st.floats(0, 500), st.floats(0, 500))
def test_the_first_answer_is_the_more_urgent_the_fresher_the_lead(hours: float, more_hours: float) -> None:
    sooner, later = sorted((hours, more_hours))
    fresh, stale = (must(decide(asking(), START + wait * HOUR)) for wait in (sooner, later))
    assert fresh.urgency >= stale.urgency
    assert fresh.priority >= stale.priority


def test_what_quickness_is_worth_is_lost_in_the_first_minutes() -> None:
    now, ten, half, day = (
        must(decide(asking(), START + minutes * HOUR / 60)).urgency for minutes in (0, 10, 30, 1440)
    )
    assert now == 1.0
    assert ten == pytest.approx(0.85)
    assert half == pytest.approx(0.775)
    assert 0.70 < day < 0.71


@given(st.floats(0, 500), st.floats(0, 500))
def test_in_a_conversation_urgency_rises_with_the_wait(hours: float, more_hours: float) -> None:
    sooner, later = sorted((hours, more_hours))
    first, then = (must(decide(in_conversation(), START + (2 + wait) * HOUR)) for wait in (sooner, later))
    assert first.kind is then.kind is ActionKind.REPLY
    assert first.urgency <= then.urgency
    assert first.priority <= then.priority


def test_who_waits_for_the_first_answer_stands_before_all_else_of_equal_value() -> None:
    others = set(ActionKind) - {ActionKind.FIRST_RESPONSE}
    most = {kind: URGENCY_FLOOR[kind] + URGENCY_OF_PRESSURE[kind] for kind in ActionKind}
    assert max(most[kind] for kind in others) < URGENCY_FLOOR[ActionKind.FIRST_RESPONSE]
    assert most[ActionKind.FIRST_RESPONSE] == 1.0


@given(st.floats(0.61, 1), st.floats(0.61, 1))
def test_a_higher_risk_of_silence_is_more_urgent(one: float, other: float) -> None:
    make = EventMaker().make
    lead = a_lead(
        make("MessageReceived", channel="sms", text="Hi"),
        make("MessageSent", at=START + HOUR, channel="sms", text="Hello", human=True),
    )
    low, high = (must(decide(lead, START + 9 * DAY, risk=risk)) for risk in sorted((one, other)))
    assert low.kind is high.kind is ActionKind.RE_ENGAGE
    assert low.urgency <= high.urgency


# --- put off, not mine, taken back --------------------------------------------------------------------------------


def test_an_action_that_is_put_off_gives_way_and_comes_back_alone_by_its_time() -> None:
    make = EventMaker().make
    lead = asking()
    first = must(decide(lead, START + HOUR))
    later = START + 5 * HOUR
    put_off = apply(
        lead, make("ActionSnoozed", action_id=first.action_id, user_id="u1", until=later.isoformat())
    )
    hidden = must(decide(put_off, START + HOUR))
    assert (hidden.action_id, hidden.snoozed_until, hidden.taken_on) == (first.action_id, later, False)
    back = must(decide(put_off, later))
    assert (back.action_id, back.snoozed_until) == (first.action_id, None)
    written = apply(put_off, make("MessageReceived", at=START + 2 * HOUR, channel="sms", text="Hello?"))
    assert must(decide(written, START + 3 * HOUR)).snoozed_until is None


def test_what_is_put_off_takes_the_lesser_actions_along_but_not_a_meeting() -> None:
    make = EventMaker().make
    lead = in_conversation()
    reply = must(decide(lead, START + 3 * HOUR))
    until = START + 9 * DAY
    said: dict[str, Any] = {"action_id": reply.action_id, "user_id": "u1", "until": until.isoformat()}
    quiet = apply(lead, make("ActionSnoozed", **said))
    answered = make("MessageSent", at=START + 3 * HOUR, channel="sms", text="Yes", human=True)
    slipping = must(decide(apply(quiet, answered), START + 5 * DAY, risk=0.9))
    assert slipping.kind is ActionKind.RE_ENGAGE
    assert (slipping.snoozed_until, slipping.put_off_by) == (until, reply.action_id)
    assert slipping.action_id != reply.action_id
    booked = make(
        "AppointmentChanged",
        at=START + 4 * DAY,
        appointment_id="a1",
        created=True,
        status="new",
        start_time=(START + 6 * DAY).isoformat(),
    )
    meeting = must(decide(apply(quiet, booked), START + 5 * DAY, risk=0.9))
    assert (meeting.kind, meeting.snoozed_until) == (ActionKind.CONFIRM_APPOINTMENT, None)


def test_what_was_taken_on_is_back_with_a_word_when_nobody_was_seen_to_do_it() -> None:
    make = EventMaker().make
    lead = asking()
    action = must(decide(lead, START + HOUR))
    until = START + HOUR + TAKEN_ON_HOURS * HOUR
    said: dict[str, Any] = {"action_id": action.action_id, "user_id": "u1", "until": until.isoformat()}
    taken = apply(lead, make("ActionAcknowledged", at=START + HOUR, **said))
    hidden, back = must(decide(taken, START + 2 * HOUR)), must(decide(taken, until))
    assert (hidden.action_id, hidden.snoozed_until, hidden.taken_on) == (action.action_id, until, True)
    assert (back.action_id, back.snoozed_until, back.taken_on) == (action.action_id, None, False)
    assert "no message or call of a human was seen" in back.evidence[0].text
    done = apply(taken, make("MessageSent", at=START + 2 * HOUR, channel="sms", text="Hello", human=True))
    assert decide(done, until) is None


def test_what_is_said_to_be_answered_waits_no_more_and_the_next_message_is_a_reply() -> None:
    make = EventMaker().make
    lead = asking()
    action = must(decide(lead, START + HOUR))
    said: dict[str, Any] = {"action_id": action.action_id, "user_id": "u1"}
    answered = apply(lead, make("MarkedAnswered", at=START + HOUR, through=START.isoformat(), **said))
    assert decide(answered, START + 2 * HOUR) is None
    assert must(decide(answered, START + 3 * DAY)).kind is ActionKind.ASK_WISHES
    late = apply(lead, make("MarkedAnswered", at=START + 4 * DAY, through=START.isoformat(), **said))
    assert (
        decide(late, START + 5 * DAY, risk=0.9) is None
    )  # two days of rest since the click, not since the message
    written = apply(answered, make("MessageReceived", at=START + 3 * HOUR, channel="sms", text="And?"))
    reply = must(decide(written, START + 4 * HOUR))
    assert (reply.kind, reply.waiting_since) == (ActionKind.REPLY, START + 3 * HOUR)
    undone = apply(answered, make("ActionReopened", at=START + 2 * HOUR, **said))
    assert must(decide(undone, START + HOUR)) == action


def test_with_a_meeting_ahead_the_chance_of_one_is_no_news() -> None:
    make = EventMaker().make
    booked = {"appointment_id": "a1", "created": True, "start_time": (START + 5 * DAY).isoformat()}
    wrote = make("MessageReceived", at=START, channel="sms", text="See you")
    for status, is_told in (("confirmed", False), ("cancelled", True)):
        lead = a_lead(make("AppointmentChanged", status=status, **booked), wrote)
        told = [evidence.text for evidence in must(decide(lead, START + HOUR, chance=0.8)).evidence]
        assert any("chance of an appointment" in text for text in told) is is_told


def test_an_undo_opens_what_was_taken_on_or_put_off() -> None:
    make = EventMaker().make
    lead = asking()
    action = must(decide(lead, START + HOUR))
    said: dict[str, Any] = {"action_id": action.action_id, "user_id": "u1"}
    for answer in (
        make("ActionAcknowledged", at=START + HOUR, **said),
        make("ActionSnoozed", at=START + HOUR, until=(START + DAY).isoformat(), **said),
    ):
        undone = apply(apply(lead, answer), make("ActionReopened", at=START + 2 * HOUR, **said))
        assert must(decide(undone, START + HOUR)) == action


def test_who_says_not_mine_takes_the_action_from_nobody_else() -> None:
    lead = asking()
    action = must(decide(lead, START + HOUR))
    declined = apply(lead, EventMaker().make("LeadDeclined", action_id=action.action_id, user_id="u1"))
    assert decide(declined, START + HOUR) == action


# --- what cannot be done ------------------------------------------------------------------------------------------


def test_without_a_permitted_channel_the_action_stays_in_sight_at_the_end() -> None:
    unreachable = lead_of(EventMaker().make("MessageReceived", channel="sms", text="Hi"))
    action, other = must(decide(unreachable, START, deal=0.1)), must(decide(asking(), START, deal=0.1))
    assert (action.reach, action.no_reach) == (None, "no phone or email in the CRM")
    assert other.reach is not None
    assert other.no_reach is None
    assert action.urgency == other.urgency
    assert action.priority == pytest.approx(UNREACHABLE * other.priority)


# --- the policy ---------------------------------------------------------------------------------------------------


def test_the_same_reason_has_the_same_id_and_once_acknowledged_is_gone() -> None:
    make = EventMaker().make
    lead = lead_of(make("MessageReceived", channel="sms", text="Hi"))
    action = must(decide(lead, START + HOUR))
    assert must(decide(lead, START + 9 * HOUR)).action_id == action.action_id
    taken = apply(lead, make("ActionAcknowledged", action_id=action.action_id, user_id="u1"))
    after = decide(taken, START + HOUR)
    assert after is None or after.kind is ActionKind.ASK_WISHES
    again = apply(taken, make("MessageReceived", at=START + 2 * HOUR, channel="sms", text="Hello?"))
    assert must(decide(again, START + 3 * HOUR)).kind is ActionKind.FIRST_RESPONSE


def test_a_new_lead_that_only_looked_gets_a_first_response_while_it_is_fresh() -> None:
    lead = lead_of(EventMaker().make("PropertyActivityRecorded", interaction="viewed", listing_key="H1"))
    action = must(decide(lead, START + 30 * HOUR / 60))
    assert (action.kind, action.waiting_since) == (ActionKind.FIRST_RESPONSE, START)
    assert action.evidence[0].text == "new 30 min ago; nobody of the team has been in touch"
    assert decide(lead, START + 8 * DAY) is None


def test_an_unconfirmed_appointment_presses_more_the_sooner_it_is() -> None:
    make = EventMaker().make
    touched = make("MessageSent", channel="sms", text="See you", human=True)
    booked = make(
        "AppointmentChanged",
        appointment_id="a1",
        created=True,
        status="new",
        start_time=(START + 3 * DAY).isoformat(),
    )
    lead = lead_of(touched, booked)
    assert decide(lead, START + HOUR) is None
    early, late = (must(decide(lead, START + 3 * DAY - hours * HOUR)) for hours in (40, 4))
    assert early.kind is late.kind is ActionKind.CONFIRM_APPOINTMENT
    assert early.action_id == late.action_id
    assert early.urgency < late.urgency
    assert late.evidence[0].text == "appointment in 4 h, not confirmed"
    confirmed = make("AppointmentChanged", at=START + HOUR, appointment_id="a1", status="confirmed")
    left = must(decide(lead_of(touched, booked, confirmed), START + 3 * DAY - 4 * HOUR))
    assert left.kind is ActionKind.ASK_WISHES


def test_a_lead_at_risk_is_re_engaged_unless_a_human_was_just_in_touch() -> None:
    make = EventMaker().make
    lead = lead_of(
        make("MessageReceived", channel="email", text="word " * 60),
        make("MessageSent", at=START + DAY, channel="email", text="Sure", human=True),
    )
    action = must(decide(lead, START + 10 * DAY, risk=0.7))
    assert action.kind is ActionKind.RE_ENGAGE
    assert action.evidence[0].text == (
        "no sign of the lead for 10 days; 70% risk of going silent for 14 days"
    )
    assert len(action.evidence[1].text) <= QUOTE_CHARS + 2
    assert decide(lead, START + 10 * DAY, risk=0.5) is None
    assert decide(lead, START + 2 * DAY, risk=0.7) is None


def test_close_homes_are_worth_sending_and_a_better_one_is_a_new_reason() -> None:
    make = EventMaker().make
    lead = lead_of(
        make("LeadUpserted", created=True, contact={}, wishes={"city": "Austin"}),
        make("MessageSent", channel="sms", text="Hi", human=True),
    )
    now = START + 5 * DAY
    action = must(decide(lead, now, matches=(a_match("A", 0.9), a_match("B", 0.85), a_match("C", 0.2))))
    assert action.kind is ActionKind.SEND_MATCHES
    assert action.evidence[0].text == "2 homes close to the stated wishes; best: in Austin"
    other = must(decide(lead, now, matches=(a_match("D", 0.95),)))
    assert other.action_id != action.action_id
    assert decide(lead, now, matches=(a_match("C", 0.2),)) is None


def test_an_active_lead_without_wishes_is_asked_for_them() -> None:
    make = EventMaker().make
    lead = lead_of(
        make("MessageSent", at=START - 5 * DAY, channel="sms", text="Hi", human=True),
        make("PropertyActivityRecorded", interaction="viewed", listing_key="H1"),
    )
    assert must(decide(lead, START + HOUR)).kind is ActionKind.ASK_WISHES
    assert decide(lead, START + 9 * DAY) is None


def test_a_lead_that_wants_no_messages_is_only_answered() -> None:
    make = EventMaker().make
    opted_out = make("LeadUpserted", created=True, contact={"dnd": True})
    assert decide(lead_of(opted_out), START + HOUR, risk=0.9, matches=(a_match("A", 1.0),)) is None
    asked = lead_of(opted_out, make("MessageReceived", channel="sms", text="Call me"))
    action = must(decide(asked, START + HOUR))
    assert action.kind is ActionKind.FIRST_RESPONSE
    assert action.evidence[-1].text.startswith("do not disturb is set")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("OpportunityChanged", {"opportunity_id": "o", "status": "won"}),
        ("OpportunityChanged", {"opportunity_id": "o", "status": "lost"}),
        ("LeadDeleted", {}),
    ],
)
def test_closed_and_deleted_leads_ask_for_nothing(kind: str, fields: dict[str, str]) -> None:
    make = EventMaker().make
    lead = lead_of(make("MessageReceived", channel="sms", text="Hi"), make(kind, **fields))
    assert decide(lead, START + HOUR, chance=0.9, risk=0.9, matches=(a_match("A", 1.0),)) is None
