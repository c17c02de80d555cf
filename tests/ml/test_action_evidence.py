"""What an action tells of the lead: the homes on its mind first, and the risk with its time."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from ghl_real_estate_ai.ml.next_action import Known, next_action
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.intelligence import Crossing, RiskStage
from ghl_real_estate_ai.models.properties import Listing
from tests.support.decisions import DAY, HOUR, a_lead, churn, decide, must
from tests.support.lead_events import LEAD, START, EventMaker


def viewed(minute: int, key: str = "H1", interaction: str = "viewed") -> RecordedEvent:
    return EventMaker(lead_id=LEAD).make(
        "PropertyActivityRecorded",
        at=START + timedelta(minutes=minute),
        event_id=f"{key}-{minute}",
        interaction=interaction,
        listing_key=key,
    )


def test_homes_that_the_lead_came_back_to_within_minutes_are_told_first_newest_first() -> None:
    homes = {
        ListingKey("H1"): Listing(
            listing_key=ListingKey("H1"),
            list_price=Decimal(1),
            city="Austin",
            unparsed_address="12 Oak St, Austin, TX 78701",
        ),
        ListingKey("H2"): Listing(listing_key=ListingKey("H2"), list_price=Decimal(1), city="Waco"),
    }
    lead = a_lead(
        viewed(0), viewed(4), viewed(9), viewed(30, "H2"), viewed(31, "H3"), viewed(36, "H2", "saved")
    )
    told = must(decide(lead, START + timedelta(minutes=40), homes=homes)).evidence
    assert [(one.event_id, one.text) for one in told[:2]] == [
        ("H2-36", "looked at a home in Waco twice in 6 min"),
        ("H1-9", "looked at 12 Oak St 3 times in 9 min"),
    ]
    assert told[2].text.startswith("new 40 min ago")
    unknown = must(decide(lead, START + 3 * HOUR)).evidence
    assert unknown[0].text == "looked at a home twice in 6 min, 2 h ago"
    assert must(decide(lead, START + 3 * DAY)).evidence[0].text.startswith("new 3 days ago")


def test_single_looks_and_looks_hours_apart_are_no_burst() -> None:
    lead = a_lead(viewed(0), viewed(11), viewed(12, "H2"))
    assert must(decide(lead, START + HOUR)).evidence[0].text.startswith("new 1 h ago")


def test_the_risk_is_told_with_the_time_at_which_it_gets_worse() -> None:
    make = EventMaker().make
    lead = a_lead(
        make("MessageReceived", channel="sms", text="Hi"),
        make("MessageSent", at=START + HOUR, channel="sms", text="Hello", human=True),
    )
    now = START + 9 * DAY
    crossing = Crossing(stage=RiskStage.CRITICAL, at=now + 3 * DAY)
    risk = churn(0.7).model_copy(update={"crossings": (crossing,)})
    action = must(next_action(lead, Known(churn=risk), now=now))
    assert action.evidence[0].text == (
        "no sign of the lead for 9 days; 70% risk of going silent for 14 days, critical in 3 days without a sign"
    )
