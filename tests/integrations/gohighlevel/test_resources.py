"""Typed answers: both generations read alike, wrong values read as absent, the vendor's words kept, nobody shown."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from ghl_real_estate_ai.integrations.gohighlevel.account_resources import (
    InstalledLocationPage,
    Record,
    TokenGrant,
    User,
)
from ghl_real_estate_ai.integrations.gohighlevel.resources import (
    Appointment,
    Contact,
    ContactPage,
    CustomFieldValue,
    FreeSlots,
    MessagePage,
    Note,
    Opportunity,
    OpportunityPage,
    Outcome,
    Transcription,
    UpsertedContact,
)

PERSON = {"id": "c1", "firstName": "Ann", "phone": "+15550100", "dateUpdated": "2026-11-26T15:00:00.000Z"}


@pytest.mark.parametrize("answer", [PERSON, {"contact": PERSON}, {"contact": PERSON, "traceId": "t"}])
def test_a_contact_is_read_with_and_without_its_envelope_and_its_words_are_kept(
    answer: dict[str, Any],
) -> None:
    contact = Contact.model_validate(answer)
    assert contact.id == "c1"
    assert contact.date_updated == datetime(2026, 11, 26, 15, tzinfo=UTC)
    assert contact.raw == PERSON


@pytest.mark.parametrize("channels", [("SMS", "WhatsApp"), ("sms", "whatsApp")])
def test_do_not_disturb_reads_alike_in_both_versions(channels: tuple[str, str]) -> None:
    settings = {channel: {"status": "active", "code": "STOP"} for channel in channels}
    contact = Contact.model_validate({"id": "c", "dndSettings": settings})
    assert {name: entry.status for name, entry in contact.dnd_settings.items()} == {
        "sms": "active",
        "whatsapp": "active",
    }
    assert contact.raw["dndSettings"] == settings


@pytest.mark.parametrize("key", ["value", "fieldValue", "field_value"])
def test_a_custom_fields_value_has_three_names(key: str) -> None:
    assert CustomFieldValue.model_validate({"id": "f", key: ["pool"]}).value == ["pool"]


@pytest.mark.parametrize("key", ["succeeded", "succeded", "success"])
def test_success_is_spelled_in_three_ways(key: str) -> None:
    assert Outcome.model_validate({key: True}).succeeded is True
    assert Outcome.model_validate({}).succeeded is None


def test_values_of_the_wrong_kind_read_as_absent() -> None:
    odd = {"id": 7, "monetaryValue": "a lot", "status": {"x": 1}, "updatedAt": "yesterday", "contactId": 5}
    deal = Opportunity.model_validate({"opportunity": odd})
    assert (deal.id, deal.monetary_value, deal.status, deal.updated_at, deal.contact_id) == (
        "7",
        None,
        None,
        None,
        "5",
    )
    assert deal.raw == odd


@pytest.mark.parametrize("answer", [{}, {"id": None}, {"id": ""}, [], "text", None])
def test_without_an_id_it_is_no_answer_and_the_error_holds_no_value(answer: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Note.model_validate(answer)
    assert "input_value" not in str(caught.value)


def test_lists_may_come_as_null() -> None:
    page = ContactPage.model_validate({"contacts": None, "total": "12"})
    assert (page.contacts, page.total, page.search_after) == ((), 12, None)


def test_the_next_page_starts_after_the_last_contact() -> None:
    page = ContactPage.model_validate(
        {"contacts": [{"id": "a", "searchAfter": [1]}, {"id": "b", "searchAfter": [2, "b"]}]}
    )
    assert page.search_after == (2, "b")


def test_the_next_page_of_deals_is_named_in_the_meta() -> None:
    page = OpportunityPage.model_validate(
        {
            "opportunities": [{"id": "o"}],
            "meta": {"total": 1, "startAfter": 1_625_203_104_328, "startAfterId": "o"},
        }
    )
    assert (page.total, page.start_after, page.start_after_id) == (1, 1_625_203_104_328, "o")
    assert OpportunityPage.model_validate({}).start_after is None


@pytest.mark.parametrize("nested", [False, True])
def test_a_conversation_is_read_flat_and_nested(nested: bool) -> None:
    flat = {"lastMessageId": "m1", "nextPage": True, "messages": [{"id": "m1", "type": 2, "body": "Hi"}]}
    page = MessagePage.model_validate({"messages": flat} if nested else flat)
    assert (page.last_message_id, page.next_page, page.messages[0].body) == ("m1", True, "Hi")


@pytest.mark.parametrize("many", [False, True])
def test_a_transcription_is_one_sentence_or_a_list(many: bool) -> None:
    sentence = {
        "mediaChannel": 2,
        "sentenceIndex": 0,
        "startTime": 1.5,
        "endTime": 2,
        "transcript": "Hi",
        "confidence": 0.9,
    }
    read = Transcription.model_validate([sentence] if many else sentence)
    assert [(one.media_channel, one.start_time, one.transcript) for one in read.sentences] == [
        (2, Decimal("1.5"), "Hi")
    ]


def test_a_call_without_words_has_no_sentences() -> None:
    assert Transcription.model_validate([]).sentences == ()


def test_free_slots_are_days_and_nothing_else() -> None:
    slots = FreeSlots.model_validate({"2026-11-26": {"slots": ["2026-11-26T10:00:00-05:00"]}, "traceId": "t"})
    assert slots.on(date(2026, 11, 26)) == ("2026-11-26T10:00:00-05:00",)
    assert slots.on(date(2026, 11, 27)) == ()


def test_an_appointment_is_read_from_every_envelope() -> None:
    meeting = {"id": "e1", "appoinmentStatus": "confirmed", "startTime": 1_764_169_200_000}
    for answer in (meeting, {"event": meeting}, {"appointment": meeting}):
        read = Appointment.model_validate(answer)
        assert (read.appointment_status, read.start_time) == (
            "confirmed",
            datetime(2025, 11, 26, 15, tzinfo=UTC),
        )
        assert read.raw == meeting


def test_a_records_properties_are_read_as_they_are() -> None:
    record = Record.model_validate(
        {"id": "r", "properties": {"event": "property_viewed"}, "searchAfter": [1, "r"]}
    )
    assert record.properties == {"event": "property_viewed"}
    assert record.search_after == (1, "r")


@pytest.mark.parametrize(
    "answer",
    [
        {
            "access_token": "a",
            "refresh_token": "r",
            "expires_in": 86399,
            "scope": "contacts.readonly users.readonly",
        },
        {
            "accessToken": "a",
            "refreshToken": "r",
            "expiresIn": 86399,
            "scope": "contacts.readonly users.readonly",
        },
    ],
    ids=["dates", "v3"],
)
def test_tokens_read_alike_in_both_versions_and_are_never_shown(answer: dict[str, Any]) -> None:
    grant = TokenGrant.model_validate({**answer, "userType": "Location", "locationId": "loc1"})
    assert (grant.access_token, grant.refresh_token, grant.expires_in) == ("a", "r", 86399)
    assert grant.scopes == ("contacts.readonly", "users.readonly")
    assert (repr(grant), str(grant)) == ("TokenGrant()", "")


def test_installed_locations_read_alike_in_both_versions() -> None:
    place = {"_id": "loc1", "name": "Office", "address": "1 Main St", "isInstalled": True}
    old = InstalledLocationPage.model_validate({"locations": [place], "count": 1})
    new = InstalledLocationPage.model_validate(
        {"items": [place], "pagination": {"totalRecords": 1, "hasNextPage": True, "nextPageToken": "n"}}
    )
    assert (old.items, old.total, old.next_page) == (new.items, 1, None)
    assert (new.total, new.next_page) == (1, "n")


def test_nobody_is_shown_by_more_than_an_id() -> None:
    upserted = UpsertedContact.model_validate({"new": True, "contact": PERSON})
    assert upserted.created is True
    for thing in (
        upserted,
        upserted.contact,
        User.model_validate({"id": "u", "name": "Ann", "email": "a@b.c"}),
    ):
        assert "Ann" not in repr(thing) + str(thing)
        assert "555" not in repr(thing) + str(thing)
