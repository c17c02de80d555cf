"""What the policy promises: the lead that waits comes first, with its own words, and an acknowledged reason is gone."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.ml.next_action import next_action
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.intelligence import (
    QUOTE_CHARS,
    ActionKind,
    ChurnRisk,
    LeadScore,
    ModelStamp,
    NextAction,
    risk_stage,
)
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.matching_models import EnhancedPropertyMatch, WishOutcome, WishResult
from ghl_real_estate_ai.models.properties import Listing
from tests.support.lead_events import LEAD, START, EventMaker

STAMP = ModelStamp(name="m", version="1", fitted_on="nothing", simulated=True)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def lead_of(*events: RecordedEvent) -> Lead:
    lead = reduce(apply, events, None)
    assert lead is not None
    return lead


def score(probability: float) -> LeadScore:
    return LeadScore(probability=probability, horizon_days=14, model=STAMP)


def churn(probability: float) -> ChurnRisk:
    return ChurnRisk(probability=probability, stage=risk_stage(probability), horizon_days=14, model=STAMP)


def a_match(key: str, closeness: float) -> EnhancedPropertyMatch:
    return EnhancedPropertyMatch(
        lead_id=LEAD,
        listing=Listing(listing_key=ListingKey(key), list_price=Decimal(1), city="Austin"),
        overall_score=closeness,
        wishes=(WishResult(wish="city", outcome=WishOutcome.MET, closeness=1.0, detail="in Austin"),),
        match_rank=1,
        generated_at=START,
    )


def decide(
    lead: Lead,
    now: datetime,
    *,
    chance: float | None = None,
    risk: float | None = None,
    matches: tuple[EnhancedPropertyMatch, ...] = (),
) -> NextAction | None:
    return next_action(
        lead,
        score=None if chance is None else score(chance),
        churn=None if risk is None else churn(risk),
        matches=matches,
        now=now,
    )


def must(action: NextAction | None) -> NextAction:
    assert action is not None
    return action


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


@given(st.floats(0, 500), st.floats(0, 500), st.floats(0, 1), st.floats(0, 1))
def test_urgency_rises_with_waiting_and_with_score(
    hours: float, more_hours: float, chance: float, higher: float
) -> None:
    lead = lead_of(EventMaker().make("MessageReceived", channel="sms", text="Hi"))
    sooner, later = sorted((hours, more_hours))
    low, high = sorted((chance, higher))
    base = must(decide(lead, START + sooner * HOUR, chance=low)).urgency
    assert must(decide(lead, START + later * HOUR, chance=low)).urgency >= base
    assert must(decide(lead, START + sooner * HOUR, chance=high)).urgency >= base
    assert must(decide(lead, START + sooner * HOUR)).urgency <= base


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
