"""Every example of HighLevel's 58 webhook pages becomes the event that this table says; and the traps, from copies.

The pages are read from ENTERPRISEHUB_GHL_DOCS or ../shared/ghl-openapi; tests/fixtures/ghl holds the trap examples.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import BaseEvent, Delivery
from ghl_real_estate_ai.ports import UnreadableDelivery
from tests.support.ghl import GhlSigner, reader_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SIGNER = GhlSigner(1)
READER = reader_of(vendor=SIGNER)
ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "ghl"
PAGES = (
    Path(os.environ.get("ENTERPRISEHUB_GHL_DOCS", ROOT.parent / "shared" / "ghl-openapi")) / "webhook-events"
)
UNREADABLE = "UnreadableDelivery"
KEPT = "VendorEventKept"

EXPECTED: dict[str, tuple[str, ...]] = {
    "AppInstall": (KEPT, KEPT, UNREADABLE),  # the last one is of an agency: no location
    "AppUninstall": ("CrmAppUninstalled", "CrmAppUninstalled"),
    "AppointmentCreate": ("AppointmentChanged",),
    "AppointmentDelete": ("AppointmentChanged",),
    "AppointmentUpdate": ("AppointmentChanged",),
    "AssociationCreate": (KEPT,),
    "AssociationDelete": (KEPT,),
    "AssociationUpdate": (KEPT,),
    "CampaignStatusUpdate": (KEPT,),
    "ContactCreate": ("LeadUpserted",),
    "ContactDelete": ("LeadDeleted",),
    "ContactDndUpdate": ("LeadUpserted",),
    "ContactTagUpdate": ("LeadUpserted",),
    "ContactUpdate": ("LeadUpserted",),
    "ConversationUnreadWebhook": (KEPT,),
    "InboundMessage": ("MessageReceived",) * 4,
    "InvoiceCreate": (KEPT,),
    "InvoiceDelete": (KEPT,),
    "InvoicePaid": (KEPT,),
    "InvoicePartiallyPaid": (KEPT,),
    "InvoiceSent": (KEPT,),
    "InvoiceUpdate": (KEPT,),
    "InvoiceVoid": (KEPT,),
    "LCEmailStats": (KEPT,),
    "LocationCreate": (KEPT,),
    "LocationUpdate": (KEPT,),
    "NoteCreate": ("NoteAdded",),
    "NoteDelete": (KEPT,),
    "NoteUpdate": ("NoteAdded",),
    "ObjectSchemaCreate": (KEPT,),
    "ObjectSchemaUpdate": (KEPT,),
    "OpportunityAssignedToUpdate": ("OpportunityChanged",),
    "OpportunityCreate": ("OpportunityChanged",),
    "OpportunityDelete": ("OpportunityChanged",),
    "OpportunityMonetaryValueUpdate": ("OpportunityChanged",),
    "OpportunityStageUpdate": ("OpportunityChanged",),
    "OpportunityStatusUpdate": ("OpportunityChanged",),
    "OpportunityUpdate": ("OpportunityChanged",),
    "OrderCreate": (KEPT,),
    "OrderStatusUpdate": (KEPT,),
    "OutboundMessage": ("MessageSent",) * 4,
    "PlanChange": (KEPT,),
    "PriceCreate": (UNREADABLE,),  # the three price examples are no JSON as printed
    "PriceDelete": (UNREADABLE,),
    "PriceUpdate": (UNREADABLE,),
    "ProductCreate": (KEPT,),
    "ProductDelete": (KEPT,),
    "ProductUpdate": (KEPT,),
    "ProviderOutboundMessage": (KEPT, KEPT),
    "RecordCreate": (KEPT,),
    "RecordDelete": (KEPT,),
    "RecordUpdate": (KEPT,),
    "RelationCreate": (KEPT,),
    "RelationDelete": (KEPT,),
    "TaskComplete": ("TaskChanged",),
    "TaskCreate": ("TaskChanged",),
    "TaskDelete": ("TaskChanged",),
    "UserCreate": (KEPT, KEPT, UNREADABLE),
}


def read(body: bytes) -> Delivery | UnreadableDelivery:
    return READER.read(body, SIGNER.headers(body), received_at=NOW)


def kind(outcome: Delivery | UnreadableDelivery) -> str:
    return outcome.event.type if isinstance(outcome, Delivery) else UNREADABLE


def examples(page: str) -> list[str]:
    fences = re.findall(
        r"^```(json[^\n]*)\n(.*?)^```", (PAGES / f"{page}.md").read_text(), re.DOTALL | re.MULTILINE
    )
    return [body for language, body in fences if "json_schema" not in language]


def trap(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return body


def event(body: dict[str, Any]) -> BaseEvent:
    delivery = read(json.dumps(body).encode())
    assert isinstance(delivery, Delivery), delivery
    return delivery.event


@pytest.mark.data
@pytest.mark.skipif(
    not PAGES.is_dir(), reason=f"HighLevel's pages are not at {PAGES}; set ENTERPRISEHUB_GHL_DOCS"
)
def test_the_table_names_every_published_page() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(EXPECTED)


@pytest.mark.data
@pytest.mark.skipif(
    not PAGES.is_dir(), reason=f"HighLevel's pages are not at {PAGES}; set ENTERPRISEHUB_GHL_DOCS"
)
@pytest.mark.parametrize("page", EXPECTED)
def test_every_example_of_every_page_becomes_the_expected_event(page: str) -> None:
    assert tuple(kind(read(text.encode())) for text in examples(page)) == EXPECTED[page]


# --- the traps, from the copies in the repository -----------------------------------------------------------------


@pytest.mark.parametrize("page", ["AppointmentUpdate", "AppointmentDelete"])
def test_appointment_pages_that_claim_a_creation_state_the_meeting(page: str) -> None:
    body = trap(page)
    assert body["type"] == "AppointmentCreate"
    fact = event(body).model_dump()
    assert fact["type"] == "AppointmentChanged"
    assert (fact["status"], fact["deleted"]) == ("confirmed", False)
    assert fact["start_time"] == datetime(2023, 9, 25, 10, 30, tzinfo=UTC)
    assert fact["lead_id"] == "9NkT25Vor1v4aQatFsv2"


def test_an_appointment_that_was_changed_since_it_was_added_was_not_created_now() -> None:
    body = trap("AppointmentUpdate")
    assert event(body).model_dump()["created"]
    body["appointment"]["dateUpdated"] = "2023-09-26T16:00:00+05:30"
    fact = event(body)
    assert not fact.model_dump()["created"]
    assert fact.occurred_at == datetime(2023, 9, 26, 10, 30, tzinfo=UTC)


def test_an_appointment_type_that_tells_the_truth_is_heard() -> None:
    deleted = event(trap("AppointmentDelete") | {"type": "AppointmentDelete"}).model_dump()
    assert deleted["deleted"]
    assert not deleted["created"]


def test_the_call_with_type_outbound_and_direction_inbound_is_the_leads_call() -> None:
    body = trap("InboundMessage.call")
    assert (body["type"], body["direction"]) == ("OutboundMessage", "inbound")
    fact = event(body).model_dump()
    assert (fact["type"], fact["channel"], fact["call_seconds"]) == ("MessageReceived", Channel.CALL, 120.0)


def test_the_sms_with_type_outbound_and_a_sending_tool_is_the_teams_though_direction_says_inbound() -> None:
    body = trap("OutboundMessage.sms")
    assert (body["direction"], body["source"]) == ("inbound", "app")
    fact = event(body).model_dump()
    assert (fact["type"], fact["human"]) == ("MessageSent", False)  # no userId: nobody's name stands for it
    assert event(body | {"userId": "agent"}).model_dump()["human"]


def test_an_answered_outgoing_call_is_a_human_touch() -> None:
    fact = event(trap("OutboundMessage.call")).model_dump()
    assert (fact["type"], fact["human"], fact["channel"]) == ("MessageSent", True, Channel.CALL)


def test_an_incoming_call_that_nobody_answered_is_a_voicemail() -> None:
    assert event(trap("InboundMessage.voicemail")).model_dump()["channel"] is Channel.VOICEMAIL


def test_an_email_is_read_as_text_and_its_recipients_may_be_a_list_a_text_or_an_object() -> None:
    for recipients in (["a@example.com"], "a@example.com", {}):
        fact = event(trap("InboundMessage.email") | {"to": recipients, "from": recipients}).model_dump()
        assert (fact["channel"], fact["text"]) == (Channel.EMAIL, "Testing Email Notification")
        assert fact["message_id"] == "sddfDSF3G56GHG"


def test_no_protected_or_unneeded_field_of_a_contact_is_carried() -> None:
    fact = event(trap("ContactCreate")).model_dump()
    assert fact["contact"] == {
        "name": "John Deo",
        "first_name": "John",
        "last_name": "Deo",
        "email": "JohnDeo@gmail.comm",
        "phone": "+919509597501",
        "source": "xyz form",
        "assigned_to": "nmFmQEsNgz6AVpgLVUJ0",
        "tags": ["id magna sed Lorem", "Duis dolor commodo aliqua"],
        "dnd": True,
    }
    assert fact["wishes"] == {}
    assert fact["created"]


@pytest.mark.parametrize(
    ("name", "vendor_type", "lead_id"),
    [
        ("RecordCreate", "Record", None),
        ("RelationCreate", "Relation", "emqfhnG3g9D9chy9inTz"),
        ("InvoiceCreate", "Invoice", "6578278e879ad2646715ba9c"),
        ("ProviderOutboundMessage.sms", "ProviderOutboundMessage", "GKBhT6BfwY9mjzXAU3sq"),
        ("ConversationUnreadUpdate", "ConversationUnreadUpdate", "zsYhPBOUsEHtrK508Wm9"),
    ],
)
def test_pages_without_a_type_are_recognised_by_shape_and_filed_under_their_lead(
    name: str, vendor_type: str, lead_id: str | None
) -> None:
    fact = event(trap(name)).model_dump()
    assert (fact["type"], fact["vendor_type"], fact["lead_id"]) == (KEPT, vendor_type, lead_id)
    assert fact["body"] == trap(name)


def test_the_price_example_is_no_json_and_its_mended_form_is_kept() -> None:
    text = (FIXTURES / "PriceCreate.invalid.json").read_text()
    outcome = read(text.encode())
    assert isinstance(outcome, UnreadableDelivery)
    assert outcome.location_id == "3SwdhCsvxI8Au3KsPJt6"
    mended = event(json.loads("{" + text) | {"type": "one_time"})
    assert mended.model_dump()["vendor_type"] == "Price"


def test_money_is_exact() -> None:
    body = {
        "type": "OpportunityCreate",
        "locationId": "l",
        "id": "o",
        "contactId": "c",
        "monetaryValue": 40.1,
    }
    assert event(body).model_dump()["monetary_value"] == Decimal("40.1")
