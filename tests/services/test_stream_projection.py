"""What screens get of a fact: items per stream, and one line in the timeline."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.models.events import EVENT_TYPES, RecordedEvent
from ghl_real_estate_ai.models.identifiers import ActionId, EventId, LeadId, LocationId, UserId
from ghl_real_estate_ai.models.intelligence import (
    ActionKind,
    ChurnRisk,
    Evidence,
    LeadIntelligence,
    LeadScore,
    NextAction,
    Part,
    RiskStage,
)
from ghl_real_estate_ai.models.leads import DELETED, Lead
from ghl_real_estate_ai.models.streams import (
    ChurnRiskItem,
    ConversationItem,
    LeadRemovedItem,
    LeadScoreItem,
    NextActionItem,
    PropertyMatchesItem,
    Stream,
)
from ghl_real_estate_ai.services.stream_projection import (
    home_told,
    items_of,
    items_of_lead,
    summary_of,
    time_told,
)
from tests.support.facts import NOON
from tests.support.lead_events import EventMaker
from tests.support.stream_items import CAUSE, STAMP

LEAD = LeadId("lead-1")
ACTION = NextAction(
    action_id=ActionId("act-1"),
    kind=ActionKind.REPLY,
    title="Reply",
    urgency=0.9,
    evidence=(Evidence(event_id=EventId("e-1"), text="Can I see it?"),),
)
KNOWN = LeadIntelligence(
    lead_id=LEAD,
    lead_name="Ana Diaz",
    assigned_to=UserId("u-1"),
    stage="working",
    simulated=True,
    as_of=NOON,
    score=Part[LeadScore](value=LeadScore(probability=0.4, horizon_days=14, model=STAMP), as_of=NOON),
    churn=Part[ChurnRisk](
        value=ChurnRisk(probability=0.7, stage=RiskStage.ACTIVE, horizon_days=14, model=STAMP), as_of=NOON
    ),
    matches=Part(stale_reason="no wishes stated yet"),
    won=Part[LeadScore](value=LeadScore(probability=0.02, horizon_days=180, model=STAMP), as_of=NOON),
    cause=CAUSE,
    next_action=ACTION,
    source="zillow",
    declined_by=(UserId("u-2"),),
)
NOTHING_YET = KNOWN.model_copy(
    update={"score": Part[LeadScore](), "churn": Part[ChurnRisk](), "next_action": None}
)


def fact(kind: str, **fields: Any) -> RecordedEvent:
    return EventMaker(lead_id=LEAD).make(kind, at=NOON, **fields)


def updated(known: LeadIntelligence = KNOWN) -> RecordedEvent:
    return fact(
        "LeadIntelligenceUpdated",
        intelligence=known.model_dump(mode="json"),
        stage_ms={"log": 2.0, "models": 5.5},
    )


def test_an_update_becomes_one_item_in_each_of_the_four_lead_streams() -> None:
    items = dict(items_of(updated(), now=NOON + timedelta(milliseconds=7)))
    score = items[Stream.LEAD_SCORES]
    assert isinstance(score, LeadScoreItem)
    assert score.score == KNOWN.score
    assert (score.source, score.won) == ("zillow", KNOWN.won)
    assert (score.lead_name, score.assigned_to, score.stage, score.cause) == (
        "Ana Diaz",
        "u-1",
        "working",
        CAUSE,
    )
    churn = items[Stream.CHURN_RISK]
    assert isinstance(churn, ChurnRiskItem)
    assert churn.churn == KNOWN.churn
    matches = items[Stream.PROPERTY_MATCHES]
    assert isinstance(matches, PropertyMatchesItem)
    assert matches.matches.stale_reason == "no wishes stated yet"
    action = items[Stream.NEXT_ACTIONS]
    assert isinstance(action, NextActionItem)
    assert (action.action, action.score, action.acknowledged_by) == (ACTION, 0.4, None)
    assert action.declined_by == ("u-2",)
    assert len(items) == 4
    for item in items.values():
        assert (item.key, item.simulated, item.received_at) == (LEAD, True, NOON)
        assert item.stage_ms == {"log": 2.0, "models": 5.5, "projected": 7.0}


def test_a_lead_deleted_in_the_crm_leaves_each_stream_about_leads_and_seeds_nothing() -> None:
    items = items_of(updated(KNOWN.model_copy(update={"stage": DELETED})))
    assert {stream for stream, _ in items} == set(Stream) - {Stream.SYSTEM_PERFORMANCE}
    assert all(isinstance(item, LeadRemovedItem) and item.key == LEAD for _, item in items)
    gone = Lead(location_id=LocationId("loc-1"), lead_id=LEAD, deleted=True)
    assert gone.stage == DELETED
    assert items_of_lead(gone, KNOWN) == []


def test_without_a_score_the_next_action_has_none_either() -> None:
    item = dict(items_of(updated(NOTHING_YET)))[Stream.NEXT_ACTIONS]
    assert isinstance(item, NextActionItem)
    assert (item.score, item.action) == (None, None)
    assert "projected" not in item.stage_ms


def test_a_message_enters_the_conversation_feed_under_its_own_key() -> None:
    ((stream, item),) = items_of(fact("MessageReceived", channel="sms", text="Can I see it?"))
    assert stream is Stream.CONVERSATION_FEED
    assert isinstance(item, ConversationItem)
    assert (item.key, item.lead_id, item.text, item.direction, item.human) == (
        "event-0001", LEAD, "Can I see it?", "inbound", True,
    )  # fmt: skip
    assert item.stage_ms == {"log": 2.0}


@pytest.mark.parametrize("human", [True, False])
def test_an_automations_message_is_not_human(human: bool) -> None:
    ((_, item),) = items_of(fact("MessageSent", channel="call", human=human, call_seconds=61.4))
    assert isinstance(item, ConversationItem)
    assert (item.direction, item.human, item.call_seconds) == ("outbound", human, 61.4)


def test_the_feed_tells_what_the_lead_states_and_reads_nothing_out_of_our_own_words() -> None:
    text = "3 beds under 400k"
    log = EventMaker()
    said = log.make("MessageReceived", channel="sms", text=text)
    ours = log.make("MessageSent", channel="sms", text=text, human=True)
    ((_, heard),), ((_, sent),) = items_of(said), items_of(ours)
    assert isinstance(heard, ConversationItem)
    assert isinstance(sent, ConversationItem)
    assert [fact.value for fact in heard.facts] == ["3 bedrooms or more", "up to $400,000"]
    assert sent.facts == ()
    lead = apply(apply(Lead(location_id=ours.event.location_id, lead_id=LeadId("lead-1")), said), ours)
    seeded = {
        item.key: item.facts for _, item in items_of_lead(lead, None) if isinstance(item, ConversationItem)
    }
    assert seeded == {heard.key: heard.facts, sent.key: ()}


def test_an_acknowledgement_takes_the_action_off_the_queue() -> None:
    ((stream, item),) = items_of(fact("ActionAcknowledged", action_id="act-1", user_id="u-9"))
    assert stream is Stream.NEXT_ACTIONS
    assert isinstance(item, NextActionItem)
    assert (item.key, item.action, item.acknowledged_by, item.lead_name) == (LEAD, None, "u-9", None)


@pytest.mark.parametrize(
    "recorded",
    [
        fact("NoteAdded", text="x"),
        fact("LeadDeleted"),
        fact("ListingsImported", lead_id=None, listing_keys=["H1"]),
        fact("MessageReceived", lead_id=None, channel="sms"),
    ],
)
def test_other_facts_change_no_stream(recorded: RecordedEvent) -> None:
    assert items_of(recorded) == []


def test_a_known_lead_seeds_its_streams_and_its_last_messages() -> None:
    log, lead = EventMaker(lead_id=LEAD), None
    for recorded in (
        log.make("LeadUpserted", created=True, contact={"name": "Ana Diaz"}),
        log.make("MessageReceived", channel="sms", text="Hi"),
        log.make("MessageSent", channel="email", text="Hello", human=True),
    ):
        lead = apply(lead, recorded)
    assert lead is not None
    items = items_of_lead(lead, KNOWN)
    assert [stream for stream, _ in items[:4]] == [
        Stream.LEAD_SCORES, Stream.CHURN_RISK, Stream.PROPERTY_MATCHES, Stream.NEXT_ACTIONS,
    ]  # fmt: skip
    feed = [item for stream, item in items if stream is Stream.CONVERSATION_FEED]
    assert [(item.key, item.direction, item.text) for item in feed if isinstance(item, ConversationItem)] == [
        ("event-0002", "inbound", "Hi"),
        ("event-0003", "outbound", "Hello"),
    ]
    assert items[0][1].received_at is None
    assert items_of_lead(Lead(location_id=lead.location_id, lead_id=LEAD), None) == []


SUMMARIES = [
    (
        fact("LeadUpserted", created=True, contact={"name": "Secret Name", "last_name": None}),
        "new lead: name",
    ),
    (
        fact("LeadUpserted", created=False, contact={}, wishes={"city": "Austin"}),
        "contact changed: wish: city",
    ),
    (fact("LeadUpserted", created=False, contact={}), "contact changed"),
    (
        fact(
            "LeadUpserted",
            created=False,
            contact={"assigned_to": "u", "email": "e", "phone": "p", "source": "s", "tags": [], "dnd": True},
        ),
        "contact changed: agent, email, phone, source and 2 more",
    ),
    (fact("LeadDeleted"), "contact deleted"),
    (fact("MessageReceived", channel="sms", text="Secret"), "lead's sms message"),
    (fact("MessageSent", channel="call", human=True, call_seconds=90), "our call: 1 min 30 s"),
    (fact("OpportunityChanged", opportunity_id="o", status="won"), "deal won"),
    (
        fact("AppointmentChanged", appointment_id="a", created=True, start_time=NOON.isoformat()),
        "appointment booked",
    ),
    (
        fact("AppointmentChanged", appointment_id="a", deleted=True, start_time=NOON.isoformat()),
        "appointment deleted",
    ),
    (fact("PropertyActivityRecorded", interaction="viewed", listing_key="H1"), "viewed a home"),
    (
        fact(
            "PropertyActivityRecorded", interaction="searched", wishes={"max_list_price": 1, "city": "Austin"}
        ),
        "searched homes: city, highest price",
    ),
    (fact("NoteAdded", text="Secret"), "note added"),
    (fact("TaskChanged", task_id="t", completed=True), "task completed"),
    (fact("VendorEventKept", vendor_type="InvoiceCreate", body={}), "VendorEventKept: InvoiceCreate"),
    (updated(), "score 40 %, churn risk 70 %"),
    (updated(NOTHING_YET), "nothing concluded yet"),
    (fact("ActionAcknowledged", action_id="a", user_id="u"), "action taken on"),
    (
        fact("ActionSnoozed", action_id="a", user_id="u", until=NOON.isoformat()),
        "action put off",
    ),
    (fact("MarkedAnswered", action_id="a", user_id="u", through=NOON.isoformat()), "said to be answered"),
    (fact("LeadDeclined", action_id="a", user_id="u"), "said to be somebody else's lead"),
    (fact("ActionReopened", action_id="a", user_id="u"), "action open again"),
    (
        fact("WishesCorrected", wishes={"max_list_price": 1, "city": None}, user_id="u"),
        "wishes corrected: city, highest price",
    ),
    (
        fact("SwitchTurned", lead_id=None, switch="outgoing", on=False, user_id="u"),
        "SwitchTurned: outgoing off",
    ),
    (
        fact(
            "LeadWentQuiet",
            stage=1,
            due_at=NOON.isoformat(),
            silent_since=(NOON - timedelta(days=5)).isoformat(),
        ),
        "silent for 5 days",
    ),
    (
        fact(
            "LeadWentQuiet",
            stage=1,
            due_at=NOON.isoformat(),
            silent_since=(NOON - timedelta(hours=14)).isoformat(),
        ),
        "silent for 14 h",
    ),
    (fact("LeadWentQuiet", stage=1, due_at=NOON.isoformat()), "silent"),
    (fact("ListingJudged", listing_key="H1", verdict="like", by="lead", user_id="u"), "liked a home"),
    (fact("ListingsImported", listing_keys=["H1", "H2"]), "ListingsImported: 2"),
    (fact("CrmAppUninstalled", lead_id=None, owner_kind="location"), "CrmAppUninstalled: location"),
    (fact("LeadForgotten", lead_id=None, lead_hash="ab"), "LeadForgotten"),
]


@pytest.mark.parametrize(
    ("recorded", "line"), SUMMARIES, ids=lambda value: getattr(value, "event", value).__class__.__name__
)
def test_every_fact_has_one_line_without_personal_data(recorded: RecordedEvent, line: str) -> None:
    assert summary_of(recorded.event) == line
    assert "Secret" not in summary_of(recorded.event)


def test_times_and_homes_of_a_fact_are_told_apart_from_its_words() -> None:
    booked = fact("AppointmentChanged", appointment_id="a", created=True, start_time=NOON.isoformat()).event
    gone = fact("AppointmentChanged", appointment_id="a", deleted=True, start_time=NOON.isoformat()).event
    put_off = fact("ActionSnoozed", action_id="a", user_id="u", until=NOON.isoformat()).event
    seen = fact("PropertyActivityRecorded", interaction="viewed", listing_key="H1").event
    assert [time_told(event) for event in (booked, gone, put_off, seen)] == [NOON, None, NOON, None]
    assert [home_told(event) for event in (booked, seen)] == [None, "H1"]


def test_no_type_of_fact_is_without_a_line() -> None:
    assert {type(recorded.event) for recorded, _ in SUMMARIES} == set(EVENT_TYPES)
