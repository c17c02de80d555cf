"""What a delivery means: only what it said, and a named refusal for what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ghl_real_estate_ai.models import events
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.identifiers import LocationId, fact_id
from ghl_real_estate_ai.models.leads import Contact, OpportunityStatus
from ghl_real_estate_ai.models.properties import Feature, Wishes
from ghl_real_estate_ai.ports import UnreadableDelivery
from tests.support.ghl import GhlSigner, encoded, reader_of, webhook

NOW = datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)
SIGNER = GhlSigner(1)
READER = reader_of(vendor=SIGNER, wish_fields={"fieldBudget": "max_list_price"})


def event(type_: str, **fields: Any) -> events.BaseEvent:
    body = encoded(webhook(type_, **fields))
    delivery = READER.read(body, SIGNER.headers(body), received_at=NOW)
    assert isinstance(delivery, events.Delivery), delivery
    return delivery.event


def reason(type_: str, **fields: Any) -> str:
    body = encoded(webhook(type_, **fields))
    delivery = READER.read(body, SIGNER.headers(body), received_at=NOW)
    assert isinstance(delivery, UnreadableDelivery)
    return delivery.reason


# --- contacts and wishes ------------------------------------------------------------------------------------------


def upserted(**fields: Any) -> events.LeadUpserted:
    fact = event("ContactUpdate", id="c", **fields)
    assert isinstance(fact, events.LeadUpserted)
    return fact


def wishes(*answers: tuple[str, object]) -> dict[str, Any]:
    return upserted(customFields=[{"id": field, "value": value} for field, value in answers]).wishes


def test_only_fields_that_the_delivery_held_are_carried() -> None:
    fact = upserted(email="jane@example.com", assignedTo=None, name="", tags="hot, pre-approved ,")
    assert fact.contact == {
        "email": "jane@example.com",
        "assigned_to": None,
        "name": None,
        "tags": ["hot", "pre-approved"],
    }
    assert not fact.created
    Contact.model_validate(fact.contact)


def test_our_own_tags_are_never_taken() -> None:
    assert upserted(tags=["buyer", "eh:hot", "EH:Waiting", "eh"]).contact == {"tags": ["buyer", "eh"]}
    assert upserted(tags=["eh:hot"]).contact == {"tags": []}


def test_our_own_fields_are_no_wishes() -> None:
    assert wishes(("EnterpriseHub Score", 71), ("fieldOfOurScore", "71")) == {}


def test_numbers_and_words_stand_for_text_and_truth() -> None:
    assert upserted(phone=15125550100, dnd="true").contact == {"phone": "15125550100", "dnd": True}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", {}),
        ("email", ["a"]),
        ("dnd", "perhaps"),
        ("dnd", 1),
        ("tags", [1]),
        ("tags", {}),
        ("assignedTo", "x" * 256),
    ],
)
def test_an_unreadable_contact_field_is_named(field: str, value: object) -> None:
    assert reason("ContactUpdate", id="c", **{field: value}).startswith(f"{field}:")


def test_wishes_come_by_their_own_name_or_by_the_map_of_the_settings() -> None:
    stated = wishes(
        ("city", " Austin "),
        ("fieldBudget", "$450,000"),
        ("min_bedrooms", "3"),
        ("min_bathrooms", 2.0),
        ("min_living_area", 1500),
        ("features", "Pool, new construction"),
        ("someOtherField", "born in 1980"),
    )
    assert stated == {
        "city": "Austin",
        "max_list_price": "450000",
        "min_bedrooms": 3,
        "min_bathrooms": 2,
        "min_living_area": 1500.0,
        "features": ["new_construction", "pool"],
    }
    assert Wishes.model_validate(stated).features == {Feature.POOL, Feature.NEW_CONSTRUCTION}


def test_an_emptied_wish_is_taken_back() -> None:
    stated = wishes(("city", ""), ("fieldBudget", None), ("features", []))
    assert stated == {"city": None, "max_list_price": None, "features": []}
    Wishes.model_validate(stated)


def test_other_keys_of_a_custom_field_value_are_read() -> None:
    fact = upserted(customFields=[{"id": "city", "fieldValue": "Austin"}, {"id": "min_bedrooms"}, {"id": 7}])
    assert fact.wishes == {"city": "Austin", "min_bedrooms": None}


@pytest.mark.parametrize(
    ("wish", "value"),
    [
        ("max_list_price", "abc"),
        ("max_list_price", -1),
        ("max_list_price", 0),
        ("max_list_price", "NaN"),
        ("max_list_price", "1e99"),
        ("max_list_price", "1e1000000"),
        ("max_list_price", 2_000_000_000),
        ("min_list_price", "1e-400"),
        ("min_living_area", "0.2"),
        ("min_bedrooms", 21),
        ("min_bedrooms", 2.5),
        ("min_bathrooms", True),
        ("city", ["Austin", "Dallas"]),
        ("features", ["good_schools"]),
        ("features", 7),
    ],
)
def test_a_wish_outside_its_bounds_is_named(wish: str, value: object) -> None:
    assert reason("ContactUpdate", id="c", customFields=[{"id": wish, "value": value}]).startswith(f"{wish}:")


@pytest.mark.parametrize("fields", ["text", {}, ["text"]])
def test_custom_fields_of_another_form_are_named(fields: object) -> None:
    assert reason("ContactUpdate", id="c", customFields=fields).startswith("customFields:")


def test_a_contact_without_an_id_is_unreadable() -> None:
    assert reason("ContactUpdate", name="Jane") == "id: missing"


# --- messages -----------------------------------------------------------------------------------------------------


def message(type_: str = "InboundMessage", **fields: Any) -> dict[str, Any]:
    return event(type_, contactId="c", conversationId="k", **fields).model_dump()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("SMS", Channel.SMS),
        ("TYPE_SMS", Channel.SMS),
        ("Email", Channel.EMAIL),
        ("TYPE_CUSTOM_EMAIL", Channel.EMAIL),
        ("CALL", Channel.CALL),
        ("VoiceMail", Channel.VOICEMAIL),
        ("Live_Chat", Channel.LIVE_CHAT),
        ("WhatsApp", Channel.WHATSAPP),
        ("IG", Channel.SOCIAL),
        ("TYPE_FACEBOOK", Channel.SOCIAL),
        ("Telepathy", Channel.OTHER),
    ],
)
def test_channels_are_known_by_many_names(said: str, expected: Channel) -> None:
    assert message(messageType=said)["channel"] is expected
    assert message(messageTypeString=said)["channel"] is expected


def test_without_a_message_type_the_fields_tell_the_channel() -> None:
    assert message(callDuration="12")["channel"] is Channel.CALL
    assert message(threadId="t")["channel"] is Channel.EMAIL
    assert message()["channel"] is Channel.OTHER


@pytest.mark.parametrize(
    ("fields", "human"),
    [
        ({"source": "app", "userId": "u"}, True),
        ({"source": "app"}, False),
        ({"source": "workflow", "userId": "u"}, False),
        ({"source": "campaign"}, False),
        ({"source": "api", "userId": "u"}, False),
        ({"userId": "u"}, False),
        ({"messageType": "CALL", "callStatus": "completed"}, True),
        ({"messageType": "CALL", "callStatus": "completed", "source": "workflow"}, False),
        ({"messageType": "CALL", "callStatus": "no-answer"}, False),
        ({"messageType": "CALL", "callStatus": "voicemail", "status": "completed"}, False),
    ],
)
def test_only_what_a_person_did_counts_as_human(fields: dict[str, Any], human: bool) -> None:
    assert message("OutboundMessage", **fields)["human"] is human


@pytest.mark.parametrize(
    ("type_", "direction", "source", "expected"),
    [
        ("InboundMessage", "inbound", None, "MessageReceived"),
        ("InboundMessage", "outbound", None, "MessageSent"),
        ("OutboundMessage", "inbound", None, "MessageReceived"),
        ("OutboundMessage", "inbound", "workflow", "MessageSent"),
        ("OutboundMessage", "Outbound", None, "MessageSent"),
        ("OutboundMessage", "sideways", None, "MessageSent"),
        ("InboundMessage", None, "app", "MessageReceived"),
    ],
)
def test_the_rule_of_direction(type_: str, direction: str | None, source: str | None, expected: str) -> None:
    assert message(type_, direction=direction, source=source)["type"] == expected


def test_a_message_without_type_is_known_by_its_fields() -> None:
    assert message("", direction="outbound")["type"] == "MessageSent"


def test_html_mail_becomes_lines_of_words() -> None:
    body = "<style>p{}</style><p>Hi &amp; welcome</p><p>See <b>Oak  St</b><br>today?</p><script>x()</script>"
    assert message(messageType="Email", body=body)["text"] == "Hi & welcome\nSee Oak St\ntoday?"


def test_text_that_only_looks_like_markup_is_left_alone() -> None:
    assert message(messageType="SMS", body="3 < 4 <3 &amp;")["text"] == "3 < 4 <3 &amp;"
    assert message(messageType="SMS", contentType="text/html", body="<b>hi</b>")["text"] == "hi"


@pytest.mark.parametrize(
    "body", ["<![if IE]>old<![endif]>", "<![foo[bar", "<!-- open", "<", "&#99999999;", "<a href='"]
)
def test_broken_markup_is_read_as_well_as_it_can_be(body: str) -> None:
    assert message(messageType="Email", body=f"hello {body}")["text"].startswith("hello")


def test_mail_without_words_has_no_text() -> None:
    assert message(messageType="Email", body="<p> </p>")["text"] is None


def test_a_message_about_nobody_is_kept() -> None:
    assert event("InboundMessage", conversationId="k", direction="inbound").type == "VendorEventKept"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("type_", "status", "seconds"),
    [
        ("InboundMessage", "completed", 90.0),
        ("InboundMessage", "voicemail", 90.0),
        ("InboundMessage", None, 90.0),
        ("InboundMessage", "no-answer", None),
        ("InboundMessage", "busy", None),
        ("OutboundMessage", "no-answer", 90.0),
    ],
)
def test_a_leads_call_that_nobody_took_has_no_length(
    type_: str, status: str | None, seconds: float | None
) -> None:
    fields = {} if status is None else {"callStatus": status}
    assert message(type_, messageType="CALL", callDuration=90, **fields)["call_seconds"] == seconds


def test_a_call_of_unreadable_length_is_named() -> None:
    for length in (-1, "long", True, []):
        assert reason("InboundMessage", contactId="c", messageType="CALL", callDuration=length).startswith(
            "callDuration:"
        )


# --- deals, meetings, notes, tasks --------------------------------------------------------------------------------


def test_a_deal_carries_its_state() -> None:
    fact = event("OpportunityStatusUpdate", id="o", contactId="c", status="Won", monetaryValue="1200.50")
    assert isinstance(fact, events.OpportunityChanged)
    assert fact.status is OpportunityStatus.WON
    assert fact.monetary_value == Decimal("1200.50")
    assert fact.pipeline_stage_id is None


@pytest.mark.parametrize("value", ["abc", True, [], {}, "Infinity", 10**16, "1,5"])
def test_an_unreadable_amount_is_named(value: object) -> None:
    assert reason("OpportunityUpdate", id="o", contactId="c", monetaryValue=value).startswith(
        "monetaryValue:"
    )


def test_an_unknown_deal_status_is_named() -> None:
    assert reason("OpportunityUpdate", id="o", contactId="c", status="frozen").startswith("status:")


def test_a_deal_without_type_is_known_by_its_stage() -> None:
    fact = event("", id="o", contactId="c", pipelineStageId="s")
    assert isinstance(fact, events.OpportunityChanged)
    assert event("", id="o").model_dump()["vendor_type"] == "unknown"


def test_deletions_are_states() -> None:
    assert event("OpportunityDelete", id="o", contactId="c").model_dump()["deleted"]
    assert event("TaskDelete", id="t", contactId="c").model_dump()["deleted"]
    assert event("ContactDelete", id="c").model_dump()["type"] == "LeadDeleted"


def test_a_flat_appointment_is_read_too_and_its_status_is_kept_as_it_is() -> None:
    fact = event("AppointmentUpdate", id="a", contactId="c", appointmentStatus="rain check")
    assert fact.model_dump()["status"] == "rain check"


def test_an_unreadable_start_is_named() -> None:
    assert reason(
        "AppointmentCreate", appointment={"id": "a", "contactId": "c", "startTime": "soon"}
    ).startswith("startTime:")


@pytest.mark.parametrize("type_", ["OpportunityUpdate", "AppointmentCreate", "NoteCreate", "TaskCreate"])
def test_what_concerns_no_contact_is_kept(type_: str) -> None:
    assert event(type_, id="x").model_dump()["type"] == "VendorEventKept"


def test_a_note_tells_its_id_and_its_words() -> None:
    fact = event("NoteCreate", id="n", contactId="c", body="<p>Wants a <b>garden</b></p>")
    assert isinstance(fact, events.NoteAdded)
    assert (fact.note_id, fact.text) == ("n", "Wants a garden")


def test_a_task_tells_its_state_and_when_it_is_due() -> None:
    fact = event(
        "TaskComplete",
        id="t",
        contactId="c",
        title="Call back",
        body="<p>About the garden</p>",
        dueDate="2026-11-24T09:00:00Z",
    )
    assert isinstance(fact, events.TaskChanged)
    assert (fact.completed, fact.deleted, fact.title) == (True, False, "Call back")
    assert (fact.task_id, fact.text) == ("t", "About the garden")
    assert fact.due_at == datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "type_", ["ContactlessDelivery", "Noted", "Tasks", "VoiceAiCallEnd", "contactcreate"]
)
def test_types_that_only_resemble_a_family_are_kept(type_: str) -> None:
    fact = event(type_, id="x", contactId="c").model_dump()
    assert (fact["type"], fact["vendor_type"], fact["lead_id"]) == ("VendorEventKept", type_, "c")


# --- site activity ------------------------------------------------------------------------------------------------


def activity(type_: str = "RecordCreate", **properties: object) -> events.BaseEvent:
    entries = [{"key": key, "valueString": value} for key, value in properties.items()]
    return event(type_, id="r", properties=entries)


@pytest.mark.parametrize("type_", ["RecordCreate", ""])
def test_a_view_of_a_home_is_a_property_activity(type_: str) -> None:
    fact = activity(type_, event="property_viewed", contact_id="c", listing_key="L-1", city="ignored")
    assert isinstance(fact, events.PropertyActivityRecorded)
    assert (fact.interaction, fact.lead_id, fact.listing_key) == ("viewed", "c", "L-1")
    assert fact.wishes == {}


def test_a_search_carries_what_was_asked_for() -> None:
    fact = activity(
        event="property_searched", contact_id="c", city="Austin", fieldBudget="450000", min_bedrooms="3"
    )
    assert isinstance(fact, events.PropertyActivityRecorded)
    assert fact.wishes == {"city": "Austin", "max_list_price": "450000", "min_bedrooms": 3}
    assert fact.listing_key is None


def test_a_view_of_no_home_is_unreadable() -> None:
    entries = [{"key": "event", "valueString": "property_saved"}, {"key": "contact_id", "valueString": "c"}]
    assert reason("RecordCreate", properties=entries) == "listing_key: missing"


def test_changed_records_unknown_events_and_anonymous_visitors_are_kept() -> None:
    for fact in (
        activity("RecordUpdate", event="property_viewed", contact_id="c", listing_key="L"),
        activity(event="property_painted", contact_id="c"),
        activity(event="property_viewed", listing_key="L"),
        activity(event=["property_viewed"], contact_id="c"),
    ):
        assert fact.model_dump()["type"] == "VendorEventKept"


# --- one identity per fact ----------------------------------------------------------------------------------------

PROPERTIES = [
    {"key": "event", "valueString": "property_viewed"},
    {"key": "contact_id", "valueString": "c"},
    {"key": "listing_key", "valueString": "H1"},
]
MEETING = {"id": "a", "contactId": "c", "appointmentStatus": "new", "startTime": "2026-11-24T12:00:00Z"}


@pytest.mark.parametrize(
    ("type_", "fields", "names"),
    [
        ("ContactCreate", {"id": "c"}, ("contact", "c", "created")),
        ("InboundMessage", {"contactId": "c", "messageId": "m", "direction": "inbound"}, ("message", "m")),
        ("AppointmentCreate", {"appointment": MEETING}, ("appointment", "a", "created")),
        ("RecordCreate", {"id": "r", "properties": PROPERTIES}, ("record", "r")),
    ],
)
def test_a_fact_that_the_vendor_s_ids_name_is_one_fact_in_every_delivery(
    type_: str, fields: dict[str, Any], names: tuple[str, ...]
) -> None:
    first, second = (event(type_, webhook_id=hook, **fields) for hook in ("w-1", "w-2"))
    assert first.event_id == second.event_id == fact_id(first.location_id, *names)


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        ("ContactUpdate", {"id": "c"}),
        ("ContactDelete", {"id": "c"}),
        ("InboundMessage", {"contactId": "c", "emailMessageId": "e", "direction": "inbound"}),
        ("OpportunityStatusUpdate", {"id": "o", "contactId": "c", "status": "won"}),
        ("AppointmentUpdate", {"appointment": MEETING}),
    ],
)
def test_a_state_or_a_message_without_an_id_is_named_by_its_delivery(
    type_: str, fields: dict[str, Any]
) -> None:
    first, second = (event(type_, webhook_id=hook, **fields) for hook in ("w-1", "w-2"))
    assert first.event_id != second.event_id


def test_a_delivery_that_is_read_again_keeps_the_door_by_which_it_came() -> None:
    body = encoded(webhook("ContactUpdate", id="c")).decode()
    doors = {}
    for delivery_id in ("poll:1", "w-1"):
        read = READER.translate(body, delivery_id=delivery_id, received_at=NOW, simulated=False)
        assert isinstance(read, events.Delivery)
        doors[delivery_id] = read.event.source
    assert doors == {"poll:1": events.Source.POLLING, "w-1": events.Source.APP_WEBHOOK}


# --- the workflow action ------------------------------------------------------------------------------------------


def test_a_workflow_body_is_kept_whole_under_the_location_of_its_url() -> None:
    body = b'{"contact_id": " c ", "tags": "a,b", "pipleline_stage": "x", "customData": {"event": "lead.created"}}'
    place = LocationId("loc-url")
    hint = READER.hint(body, location_id=place, received_at=NOW, simulated=True)
    assert isinstance(hint.event, events.VendorEventKept)
    assert (hint.event.lead_id, hint.event.vendor_type) == ("c", "workflow:lead.created")
    assert (hint.event.source, hint.event.simulated) == (events.Source.WORKFLOW_WEBHOOK, True)
    assert hint.event.location_id == place
    soon, later = NOW + timedelta(seconds=30), NOW + timedelta(minutes=11)
    again = READER.hint(body, location_id=place, received_at=soon, simulated=True)
    anew = READER.hint(body, location_id=place, received_at=later, simulated=True)
    assert again.delivery_id == hint.delivery_id != anew.delivery_id


@pytest.mark.parametrize("custom", [None, "lead.created", {"event": 5}, {"event": " "}, {}])
def test_a_workflow_without_a_name_is_called_unnamed(custom: object) -> None:
    body = encoded({"contact_id": "c", "customData": custom})
    hint = READER.hint(body, location_id=LocationId("l"), received_at=NOW, simulated=True)
    assert hint.event.vendor_type == "workflow:unnamed"  # type: ignore[union-attr]
