"""Leads in the middle of their story, and what the policy decides for them. Used by the tests of the queue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any

from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.ml.next_action import Known, next_action
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import ListingKey
from ghl_real_estate_ai.models.intelligence import (
    TYPICAL_DEAL_VALUE,
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
    """The lead after these events."""
    lead = reduce(apply, events, None)
    assert lead is not None
    return lead


def score(probability: float) -> LeadScore:
    """The chance of an appointment."""
    return LeadScore(probability=probability, horizon_days=14, model=STAMP)


def churn(probability: float) -> ChurnRisk:
    """The risk of silence."""
    return ChurnRisk(probability=probability, stage=risk_stage(probability), horizon_days=14, model=STAMP)


def a_match(key: str, closeness: float) -> EnhancedPropertyMatch:
    """A home so close to the wishes."""
    return EnhancedPropertyMatch(
        lead_id=LEAD,
        listing=Listing(listing_key=ListingKey(key), list_price=Decimal(1), city="Austin"),
        overall_score=closeness,
        wishes=(WishResult(wish="city", outcome=WishOutcome.MET, closeness=1.0, detail="in Austin"),),
        match_rank=1,
        generated_at=START,
    )


def won(probability: float) -> LeadScore:
    """The chance of a won deal."""
    return LeadScore(probability=probability, horizon_days=180, model=STAMP)


def decide(
    lead: Lead,
    now: datetime,
    *,
    chance: float | None = None,
    deal: float | None = None,
    risk: float | None = None,
    matches: tuple[EnhancedPropertyMatch, ...] = (),
    homes: Mapping[ListingKey, Listing] | None = None,
    typical: float = TYPICAL_DEAL_VALUE,
) -> NextAction | None:
    """What the policy says; each part is not known unless it is given."""
    known = Known(
        score=None if chance is None else score(chance),
        won=None if deal is None else won(deal),
        churn=None if risk is None else churn(risk),
        matches=matches,
        homes=homes or {},
    )
    return next_action(lead, known, now=now, typical_value=typical)


def must(action: NextAction | None) -> NextAction:
    """There is something to do."""
    assert action is not None
    return action


REACHABLE = {"phone": "+15125550100", "email": "a@example.com"}


def a_lead(*events: RecordedEvent, **contact: Any) -> Lead:
    """A lead that arrived at START and can be reached, then ``events``."""
    arrival = EventMaker(lead_id=LEAD).make("LeadUpserted", created=True, contact={**REACHABLE, **contact})
    return lead_of(arrival, *events)


def asking(at: datetime = START, **contact: Any) -> Lead:
    """A lead that wrote at ``at``, and whom nobody has answered."""
    return a_lead(EventMaker().make("MessageReceived", at=at, channel="sms", text="Hi"), **contact)


def in_conversation() -> Lead:
    """A lead whom a human has answered, and who has written again two hours after START."""
    make = EventMaker().make
    return a_lead(
        make("MessageReceived", channel="sms", text="Hi"),
        make("MessageSent", at=START + HOUR, channel="sms", text="Hello", human=True),
        make("MessageReceived", at=START + 2 * HOUR, channel="sms", text="And?"),
    )
