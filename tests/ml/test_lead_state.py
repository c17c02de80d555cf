"""What the merge promises: any order of deliveries gives the same lead, and replay equals live."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.errors import TranslationError
from ghl_real_estate_ai.ml.features import vector
from ghl_real_estate_ai.ml.lead_state import activity_kind, apply, states_something_new, summary
from ghl_real_estate_ai.models.events import EVENT_TYPES, RecordedEvent
from ghl_real_estate_ai.models.leads import (
    ACKNOWLEDGED_KEPT,
    INBOUND_TIMES_KEPT,
    JUDGED_KEPT,
    LAST_MESSAGE_CHARS,
    VIEWS_KEPT,
    ActivityKind,
    Lead,
)
from tests.support.lead_events import LEAD, LOCATION, START, EventMaker, logs, recorded


def replay(events: list[RecordedEvent]) -> Lead | None:
    return reduce(apply, events, None)


def must(lead: Lead | None) -> Lead:
    assert lead is not None
    return lead


def assert_same(left: Lead | None, right: Lead | None) -> None:
    if left is None or right is None:
        assert left is right
        return
    decayed = {"activity": {"decayed"}}
    assert left.model_dump(exclude=decayed) == right.model_dump(exclude=decayed)
    assert left.activity.decayed.keys() == right.activity.decayed.keys()
    for kind, known in left.activity.decayed.items():
        assert known.at == right.activity.decayed[kind].at
        assert known.values == pytest.approx(right.activity.decayed[kind].values, abs=1e-9)


@given(logs(), st.integers())
@settings(max_examples=80, deadline=None)
def test_any_order_of_deliveries_gives_the_same_lead(events: list[RecordedEvent], seed: int) -> None:
    shuffled = list(events)
    random.Random(seed).shuffle(shuffled)
    assert_same(replay(events), replay(shuffled))


@given(logs())
@settings(max_examples=40, deadline=None)
def test_replay_from_the_log_gives_the_live_lead_and_features(events: list[RecordedEvent]) -> None:
    """Live, the lead is stored and read back between events; replay folds the log in one go."""
    live: Lead | None = None
    for event in events:
        live = apply(live, event)
        live = Lead.model_validate_json(live.model_dump_json())
    replayed = replay([RecordedEvent.model_validate_json(event.model_dump_json()) for event in events])
    assert_same(live, replayed)
    if live is not None and replayed is not None:
        now = START + timedelta(days=30)
        assert vector(live, now) == pytest.approx(vector(replayed, now), abs=1e-9, nan_ok=True)


def test_each_field_keeps_its_newest_statement() -> None:
    make = EventMaker().make
    newer = make(
        "LeadUpserted", at=START + timedelta(hours=2), created=False, contact={"name": "New"}, wishes={}
    )
    older = make(
        "LeadUpserted",
        at=START,
        created=True,
        contact={"name": "Old", "phone": "+1"},
        wishes={"city": "Austin"},
    )
    lead = must(replay([newer, older]))
    assert (lead.contact.name, lead.contact.phone, lead.wishes.city) == ("New", "+1", "Austin")
    assert lead.position == 2
    assert lead.activity.first_at == START


def test_a_stated_none_clears_a_field_but_an_open_search_field_does_not() -> None:
    make = EventMaker().make
    events = [
        make("LeadUpserted", created=True, contact={"phone": "+1"}, wishes={"city": "Austin"}),
        make(
            "PropertyActivityRecorded",
            at=START + timedelta(hours=1),
            interaction="searched",
            wishes={"city": "", "min_bedrooms": "3"},
        ),
        make("LeadUpserted", at=START + timedelta(hours=2), created=False, contact={"phone": None}),
    ]
    lead = must(replay(events))
    assert (lead.wishes.city, lead.wishes.min_bedrooms, lead.contact.phone) == ("Austin", 3, None)


def test_a_newer_write_brings_a_deleted_contact_back_and_an_older_one_does_not() -> None:
    make = EventMaker().make
    gone = make("LeadDeleted", at=START + timedelta(hours=1))
    late = make("LeadUpserted", at=START, created=True, contact={"name": "A"})
    back = make("LeadUpserted", at=START + timedelta(hours=2), created=False, contact={})
    assert must(replay([gone, late])).deleted
    assert must(replay([late, gone])).deleted
    assert not must(replay([back, gone, late])).deleted


def test_only_humans_count_as_a_response() -> None:
    make = EventMaker().make
    robot = make("MessageSent", channel="sms", text="Thanks!", human=False)
    lead = must(replay([robot]))
    assert lead.last_outbound is None
    assert lead.activity.first_agent_at is None
    assert lead.stage == "new"
    lead = must(replay([robot, make("MessageSent", channel="sms", text="Hi", human=True)]))
    assert lead.last_outbound is not None
    assert lead.stage == "working"


def test_the_newest_message_is_kept_short() -> None:
    maker = EventMaker()
    long = maker.make("MessageReceived", channel="email", text="y" * 9_000)
    lead = must(replay([long]))
    assert lead.last_inbound is not None
    assert len(lead.last_inbound.text or "") == LAST_MESSAGE_CHARS


def test_acknowledged_actions_are_remembered_up_to_a_bound() -> None:
    maker = EventMaker()
    events = [
        maker.make(
            "ActionAcknowledged", at=START + timedelta(minutes=number), action_id=f"a{number}", user_id="u"
        )
        for number in range(ACKNOWLEDGED_KEPT + 5)
    ]
    lead = must(replay(events))
    assert len(lead.acknowledged) == ACKNOWLEDGED_KEPT
    assert "a4" not in lead.acknowledged
    assert lead.activity.first_at is None


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("contact", {"shoe_size": 44}),
        ("contact", {"dnd": "perhaps"}),
        ("wishes", {"max_list_price": "cheap, my number is 555"}),
        ("wishes", {"features": ["moat"]}),
    ],
)
def test_an_unreadable_field_is_refused_by_name_without_its_value(
    part: str, fields: dict[str, object]
) -> None:
    body: dict[str, object] = {"created": True, "contact": {}, part: fields}
    with pytest.raises(TranslationError, match=next(iter(fields))) as caught:
        replay([EventMaker().make("LeadUpserted", **body)])
    assert "555" not in str(caught.value)


def test_an_event_without_a_lead_is_refused() -> None:
    with pytest.raises(TranslationError, match="names no lead"):
        replay([recorded("NoteAdded", 1, START, location_id=LOCATION)])


@pytest.mark.parametrize(
    ("kind", "fields", "counted", "words"),
    [
        ("MessageReceived", {"channel": "sms"}, ActivityKind.MESSAGE_IN, "lead's sms message"),
        ("MessageReceived", {"channel": "voicemail"}, ActivityKind.CALL_IN, "lead's voicemail"),
        ("MessageReceived", {"channel": "other"}, ActivityKind.MESSAGE_IN, "lead's message"),
        ("MessageSent", {"channel": "call", "human": True}, ActivityKind.AGENT_TOUCH, "our call"),
        ("MessageSent", {"channel": "email"}, ActivityKind.AUTOMATED_TOUCH, "automated email message"),
        ("AppointmentChanged", {"appointment_id": "a", "created": True}, ActivityKind.APPOINTMENT, "appointment booked"),
        ("AppointmentChanged", {"appointment_id": "a", "status": "showed"}, None, "appointment showed"),
        ("AppointmentChanged", {"appointment_id": "a", "deleted": True}, None, "appointment deleted"),
        ("PropertyActivityRecorded", {"interaction": "viewed"}, ActivityKind.PROPERTY_VIEW, "viewed a home"),
        ("PropertyActivityRecorded", {"interaction": "saved"}, ActivityKind.PROPERTY_SAVE, "saved a home"),
        ("PropertyActivityRecorded", {"interaction": "searched"}, ActivityKind.PROPERTY_SEARCH, "searched homes"),
        ("LeadUpserted", {"created": True, "contact": {"name": "Ann"}}, None, "new lead"),
        ("LeadUpserted", {"created": False, "contact": {}}, None, "contact changed"),
        ("LeadDeleted", {}, None, "contact deleted"),
        ("OpportunityChanged", {"opportunity_id": "o", "status": "won"}, None, "deal won"),
        ("OpportunityChanged", {"opportunity_id": "o", "deleted": True}, None, "deal deleted"),
        ("NoteAdded", {"text": "secret"}, None, "note added"),
        ("TaskChanged", {"task_id": "t", "title": "secret"}, None, "task changed"),
        ("TaskChanged", {"task_id": "t", "completed": True}, None, "task completed"),
        ("ActionAcknowledged", {"action_id": "a", "user_id": "u"}, None, "action taken on"),
        ("VendorEventKept", {"vendor_type": "X", "body": {}}, None, "VendorEventKept"),
    ],
)  # fmt: skip
def test_what_an_event_counts_as_and_how_it_reads(
    kind: str, fields: dict[str, object], counted: ActivityKind | None, words: str
) -> None:
    event = EventMaker().make(kind, **fields).event
    assert activity_kind(event) is counted
    assert summary(event) == words


def test_facts_of_other_kinds_only_move_the_position() -> None:
    kept = EventMaker().make("VendorEventKept", vendor_type="X", body={})
    assert must(replay([kept])) == Lead(location_id=LOCATION, lead_id=LEAD, position=1)
    assert {event_type.__name__ for event_type in EVENT_TYPES} >= {"VendorEventKept"}


STATED = {
    "LeadUpserted": {"created": False, "contact": {"name": "Ann", "tags": ["hot"]}, "wishes": {"city": "Waco"}},
    "OpportunityChanged": {"opportunity_id": "o", "status": "open", "monetary_value": "10.50"},
    "AppointmentChanged": {"appointment_id": "a", "status": "confirmed", "start_time": START.isoformat()},
}  # fmt: skip


@pytest.mark.parametrize("kind", STATED)
def test_a_state_that_is_held_already_is_nothing_new_however_late_it_is_read(kind: str) -> None:
    maker = EventMaker()
    lead = must(replay([maker.make(kind, **STATED[kind])]))
    assert not states_something_new(
        lead, maker.make(kind, at=START + timedelta(days=1), **STATED[kind]).event
    )
    assert states_something_new(None, maker.make(kind, **STATED[kind]).event)


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        ("LeadUpserted", {"contact": {"name": "Ben"}}),
        ("LeadUpserted", {"contact": {"dnd": True}}),
        ("LeadUpserted", {"wishes": {"city": None}}),
        ("OpportunityChanged", {"status": "won"}),
        ("AppointmentChanged", {"status": "cancelled"}),
        ("AppointmentChanged", {"deleted": True}),
    ],
)
def test_another_state_is_new_unless_it_is_older(kind: str, other: dict[str, object]) -> None:
    maker = EventMaker()
    lead = must(replay([maker.make(kind, **STATED[kind])]))
    later = maker.make(kind, at=START + timedelta(hours=1), **{**STATED[kind], **other})
    assert states_something_new(lead, later.event)
    unset = (
        {**STATED[kind], **other} if kind != "LeadUpserted" else {**STATED[kind], "contact": {"name": "Ben"}}
    )
    assert not states_something_new(lead, maker.make(kind, at=START - timedelta(hours=1), **unset).event)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("MessageReceived", {"channel": "sms", "text": "Hi"}),
        ("PropertyActivityRecorded", {"interaction": "viewed", "listing_key": "H1"}),
        ("LeadUpserted", {"created": True, "contact": {"name": "Ann"}}),
        ("AppointmentChanged", {"appointment_id": "a", "created": True}),
        ("NoteAdded", {"text": "called"}),
    ],
)
def test_what_happens_once_is_always_new(kind: str, fields: dict[str, object]) -> None:
    maker = EventMaker()
    lead = must(replay([maker.make(kind, **fields)]))
    assert states_something_new(lead, maker.make(kind, **fields).event)


def test_a_deleted_contact_that_is_written_about_again_is_new() -> None:
    maker = EventMaker()
    lead = must(replay([maker.make("LeadUpserted", **STATED["LeadUpserted"]), maker.make("LeadDeleted")]))
    back = maker.make("LeadUpserted", at=START + timedelta(hours=1), **STATED["LeadUpserted"])
    assert states_something_new(lead, back.event)
    assert not states_something_new(lead, maker.make("LeadDeleted", at=START + timedelta(hours=1)).event)


def test_the_newest_verdict_on_a_home_counts_and_is_no_activity() -> None:
    make = EventMaker().make
    said = {"listing_key": "H1", "by": "lead", "user_id": "u1"}
    later = make("ListingJudged", at=START + timedelta(hours=1), verdict="undo", **said)
    first = make("ListingJudged", at=START, verdict="pass", **said)
    lead = must(replay([later, first]))
    assert [(key, judged.verdict) for key, judged in lead.judged.items()] == [("H1", "undo")]
    assert lead.activity.counts == {}
    assert lead.activity.last_lead_at is None
    assert summary(first.event) == "passed on a home"


def test_a_lead_remembers_its_newest_judgements_only_in_any_order() -> None:
    make = EventMaker().make
    events = [
        make(
            "ListingJudged", at=START + timedelta(minutes=n), listing_key=f"H{n}", verdict="pass", by="lead", user_id="u1"
        )
        for n in range(JUDGED_KEPT + 3)
    ]  # fmt: skip
    lead = must(replay(events))
    assert len(lead.judged) == JUDGED_KEPT
    assert "H2" not in lead.judged
    assert must(replay(events[::-1])).judged == lead.judged


def test_a_home_saved_on_the_site_is_remembered() -> None:
    make = EventMaker().make
    saved = make("PropertyActivityRecorded", interaction="saved", listing_key="H1")
    viewed = make("PropertyActivityRecorded", interaction="viewed", listing_key="H2")
    assert list(must(replay([saved, viewed])).saved) == ["H1"]


def test_times_of_messages_are_kept_newest_first_up_to_a_bound() -> None:
    make = EventMaker().make
    minutes = [*range(INBOUND_TIMES_KEPT + 3), 7]
    events = [
        make("MessageReceived", at=START + timedelta(minutes=n), channel="sms", text="Hi") for n in minutes
    ]
    lead = must(replay(events))
    newest = [START + timedelta(minutes=n) for n in sorted(set(minutes), reverse=True)[:INBOUND_TIMES_KEPT]]
    assert list(lead.inbound_times) == newest
    assert must(replay(events[::-1])).inbound_times == lead.inbound_times


def test_views_and_saves_of_homes_are_kept_one_by_one_newest_first_up_to_a_bound() -> None:
    make = EventMaker().make
    events = [
        make(
            "PropertyActivityRecorded",
            at=START + timedelta(minutes=n),
            interaction="saved" if n == VIEWS_KEPT else "viewed",
            listing_key=f"H{n % 3}",
        )
        for n in range(VIEWS_KEPT + 2)
    ]
    searched = make("PropertyActivityRecorded", interaction="searched", wishes={"city": "Austin"})
    unnamed = make("PropertyActivityRecorded", interaction="viewed")
    lead = must(replay([*events, searched, unnamed]))
    assert [view.at for view in lead.views] == [recorded.event.occurred_at for recorded in events[:1:-1]]
    assert must(replay(events[::-1])).views == lead.views


def test_a_correction_of_wishes_goes_over_older_words_and_none_takes_one_out() -> None:
    make = EventMaker().make
    stated = {"city": "Austin", "max_list_price": "400000", "features": ["pool"]}
    crm = make("LeadUpserted", created=True, contact={}, wishes=stated)
    hour = START + timedelta(hours=1)
    corrected = make(
        "WishesCorrected", at=hour, wishes={"city": None, "features": None, "min_bedrooms": 3}, user_id="u1"
    )
    later = make(
        "LeadUpserted", at=hour + timedelta(hours=1), created=False, contact={}, wishes={"city": "Waco"}
    )
    for events in ([crm, corrected], [corrected, crm]):
        wishes = must(replay(events)).wishes
        assert (wishes.city, wishes.max_list_price, wishes.min_bedrooms) == (None, Decimal(400_000), 3)
        assert wishes.features == frozenset()
    assert must(replay([crm, corrected, later])).wishes.city == "Waco"
    assert must(replay([crm, corrected])).activity == must(replay([crm])).activity


def test_a_lead_that_was_stored_before_these_memories_is_read_as_it_was() -> None:
    lead = must(replay([EventMaker().make("MessageReceived", channel="sms", text="Hi")]))
    newer = {"snoozed", "reopened", "declined", "inbound_times", "views", "voices"}
    old = Lead.model_validate_json(lead.model_dump_json(exclude=newer))
    assert old == lead.model_copy(update={"inbound_times": ()})
