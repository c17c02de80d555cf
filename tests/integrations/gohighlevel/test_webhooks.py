"""The webhook door: identity, time, and a verdict on anything that a known key signed."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.models.events import Delivery, Source, VendorEventKept, event_from_json
from ghl_real_estate_ai.models.identifiers import derived_id
from ghl_real_estate_ai.ports import UnreadableDelivery
from tests.support.ghl import LOCATION, GhlSigner, encoded, reader_of, webhook

NOW = datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)
SIGNER = GhlSigner(1)
READER = reader_of(vendor=SIGNER, wish_fields={"fieldBudget": "max_list_price"})
FIXTURES = Path(__file__).parents[2] / "fixtures" / "ghl"
EXAMPLES = [json.loads(path.read_text()) for path in FIXTURES.glob("*.json") if ".invalid" not in path.name]


def received(body: bytes) -> Delivery | UnreadableDelivery:
    return READER.read(body, SIGNER.headers(body), received_at=NOW)


def translated(raw: str) -> Delivery | UnreadableDelivery:
    return READER.translate(raw, delivery_id="d", received_at=NOW, simulated=False)


def stored(body: dict[str, Any]) -> Delivery:
    delivery = received(encoded(body))
    assert isinstance(delivery, Delivery), delivery
    return delivery


def refused(body: bytes) -> UnreadableDelivery:
    delivery = received(body)
    assert isinstance(delivery, UnreadableDelivery)
    return delivery


# --- identity -----------------------------------------------------------------------------------------------------


def test_the_webhook_id_is_the_delivery_id_and_names_the_event_for_ever() -> None:
    delivery = stored(webhook("NoteCreate", webhook_id="w-1", id="n", contactId="c", body="b"))
    assert delivery.delivery_id == "w-1"
    assert delivery.event.event_id == derived_id(LOCATION, "w-1")
    assert delivery.event.correlation_id == "w-1"
    assert delivery.event.source is Source.APP_WEBHOOK
    assert delivery.received_at == NOW


@pytest.mark.parametrize("unusable", [None, "", 7, "x" * 256])
def test_without_a_usable_webhook_id_the_bytes_name_the_delivery(unusable: object) -> None:
    body = encoded({**webhook("NoteCreate", id="n", contactId="c"), "webhookId": unusable})
    first, again = received(body), received(body)
    assert first.delivery_id == again.delivery_id == f"sha256:{hashlib.sha256(body).hexdigest()}"


def test_a_dead_letter_is_read_again_under_its_first_delivery_id() -> None:
    raw = json.dumps(webhook("NoteCreate", webhook_id="other", id="n", contactId="c"))
    delivery = READER.translate(raw, delivery_id="first", received_at=NOW, simulated=True)
    assert isinstance(delivery, Delivery)
    assert delivery.delivery_id == "first"
    assert delivery.event.simulated
    assert delivery.event.event_id == derived_id(LOCATION, "first")


def test_fields_inside_data_are_found_and_the_root_wins() -> None:
    delivery = stored(
        {
            "type": "NoteCreate",
            "locationId": LOCATION,
            "webhookId": "w",
            "contactId": "root",
            "data": {"contactId": "nested", "id": "n", "body": "from data"},
        }
    )
    assert delivery.event.lead_id == "root"
    assert delivery.event.model_dump()["text"] == "from data"


# --- time ---------------------------------------------------------------------------------------------------------

MORNING = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-23T08:00:00Z",
        "2026-11-23T13:30:00+05:30",
        "2026-11-23T08:00:00",
        "2026-11-23 08:00:00.000",
        MORNING.timestamp(),
        int(MORNING.timestamp() * 1000),
        str(int(MORNING.timestamp())),
    ],
)
def test_times_are_read_in_every_form_that_the_vendor_writes(timestamp: object) -> None:
    delivery = stored(webhook("NoteCreate", id="n", contactId="c") | {"timestamp": timestamp})
    assert delivery.event.occurred_at == MORNING


@pytest.mark.parametrize(
    "nonsense", ["soon", "", None, [], True, "9" * 400, 1e300, -1e300, "9999-12-31T23:59:59Z", "0001-01-01"]
)
def test_a_broken_envelope_clock_falls_back_to_the_resource(nonsense: object) -> None:
    body = webhook("NoteCreate", id="n", contactId="c", dateAdded=MORNING.isoformat())
    assert stored(body | {"timestamp": nonsense}).event.occurred_at == MORNING


def test_with_no_time_at_all_the_arrival_counts() -> None:
    body = webhook("NoteCreate", id="n", contactId="c")
    del body["timestamp"]
    assert stored(body).event.occurred_at == NOW


def test_a_change_never_takes_the_older_time_at_which_its_subject_was_added() -> None:
    body = webhook("ContactUpdate", id="c", dateAdded="2020-01-01T00:00:00Z")
    del body["timestamp"]
    assert stored(body).event.occurred_at == NOW
    assert stored(body | {"dateUpdated": MORNING.isoformat()}).event.occurred_at == MORNING


# --- poison -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"7", b"null", b"{", b"{'a': 1}", b'{"a": NaN}'])
def test_what_is_no_json_object_becomes_a_dead_letter(body: bytes) -> None:
    letter = refused(body)
    assert letter.reason.startswith("body:")
    assert letter.location_id is None


def test_a_broken_body_is_still_filed_under_the_tenant_it_names() -> None:
    assert refused(b'{"locationId": "loc1", broken').location_id == "loc1"


@pytest.mark.parametrize(
    "place", [{"id": "lead-1"}, {"contactId": " lead-1"}, {"data": {"properties": {"contact_id": "lead-1"}}}]
)
def test_a_broken_body_says_which_lead_it_may_be_about(place: dict[str, Any]) -> None:
    body = encoded(webhook("ContactUpdate", **{"id": "x", "tags": 5, **place}))
    assert "lead-1" in refused(body).lead_ids


def test_bytes_that_no_database_takes_are_replaced_in_the_dead_letter() -> None:
    letter = refused(b'{"locationId": "loc1", "x": "\x00\xff')
    assert "\x00" not in letter.raw
    letter.raw.encode()


def test_escaped_nul_characters_are_dropped_everywhere() -> None:
    body = webhook("Unheard", webhook_id="w\x00", contactId="c\x00", list=["a\x00", {"k\x00": "v"}])
    delivery = received(json.dumps(body).encode())
    assert isinstance(delivery, Delivery)
    assert "\\u0000" not in delivery.model_dump_json(exclude={"raw"})
    assert delivery.delivery_id == "w"


def test_an_agency_delivery_belongs_to_no_location() -> None:
    letter = refused(b'{"type":"INSTALL","companyId":"agency"}')
    assert letter.location_id is None
    assert "locationId" in letter.reason


def test_an_oversized_location_is_no_tenant() -> None:
    assert refused(encoded(webhook("NoteCreate", location_id="x" * 256))).location_id is None


def test_the_reason_of_a_dead_letter_never_quotes_the_value() -> None:
    letter = refused(encoded(webhook("ContactUpdate", id="c", name={"secret": "Jane Roe"})))
    assert letter.reason == "name: must be text"
    assert letter.location_id == LOCATION
    assert letter.delivery_id == "hook-1"


# --- robustness ---------------------------------------------------------------------------------------------------

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
FIELD_NAMES = sorted({name for example in EXAMPLES for name in example} | {"data", "dueDate", "callDuration"})
TYPES = [
    "ContactCreate", "ContactUpdate", "ContactDelete", "InboundMessage", "OutboundMessage", "OpportunityCreate",
    "OpportunityDelete", "AppointmentUpdate", "NoteCreate", "TaskCreate", "TaskDelete", "RecordCreate", "Zzz",
]  # fmt: skip


def check(outcome: Delivery | UnreadableDelivery) -> None:
    """Whatever came in, the result can be stored and read back."""
    if isinstance(outcome, Delivery):
        text = outcome.event.model_dump_json()
        assert event_from_json(text) == outcome.event
        text.encode()
    else:
        assert ": " in outcome.reason
        outcome.model_dump_json()


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_translation_never_raises_on_any_json(value: object) -> None:
    check(translated(json.dumps(value)))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELD_NAMES), JSON), st.sampled_from(TYPES))
def test_translation_never_raises_on_known_fields_with_any_value(fields: dict[str, Any], kind: str) -> None:
    check(translated(json.dumps({**fields, "type": kind, "locationId": LOCATION})))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_translation_never_raises_on_mutations_of_published_examples(data: st.DataObject) -> None:
    example = dict(data.draw(st.sampled_from(EXAMPLES)))
    for _ in range(data.draw(st.integers(1, 3))):
        field = data.draw(st.sampled_from(sorted(example) or ["id"]))
        target = example.get(field)
        if isinstance(target, dict) and target and data.draw(st.booleans()):
            example[field] = {**target, data.draw(st.sampled_from(sorted(target))): data.draw(JSON)}
        elif data.draw(st.booleans()):
            example.pop(field, None)
        else:
            example[field] = data.draw(JSON)
    check(translated(json.dumps(example)))


@settings(max_examples=50, deadline=None)
@given(st.binary())
def test_any_signed_bytes_get_a_verdict(body: bytes) -> None:
    check(received(body))


def test_a_type_of_tomorrow_is_kept_whole_even_when_it_looks_like_a_message() -> None:
    body = webhook(
        "MessageReacted", contactId="c", conversationId="k", direction="inbound", messageType="SMS"
    )
    event = stored(body).event
    assert isinstance(event, VendorEventKept)
    assert event.vendor_type == "MessageReacted"
    assert event.body == body
    assert event.lead_id == "c"
