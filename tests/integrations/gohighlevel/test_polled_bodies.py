"""What the API shows of a thing says what its webhook would have said."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.integrations.gohighlevel import polled_bodies as bodies
from ghl_real_estate_ai.integrations.gohighlevel.translation import Translator
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import (
    AppointmentChanged,
    BaseEvent,
    LeadUpserted,
    MessageReceived,
    MessageSent,
    OpportunityChanged,
    PropertyActivityRecorded,
)
from ghl_real_estate_ai.models.identifiers import LocationId, fact_id

LOCATION = LocationId("loc-1")
T0, T1 = "2026-03-02T12:00:00.000Z", "2026-03-03T09:30:00.000Z"
AT0, AT1 = (datetime.fromisoformat(text) for text in (T0, T1))
NOW = datetime(2026, 3, 4, tzinfo=UTC)


def told(made: Iterable[bodies.Body]) -> list[BaseEvent]:
    """The events that the bodies become."""
    translator = Translator(wish_fields={"cf1": "city"})
    return [
        translator.event(body, delivery_id=f"poll:{n}", received_at=NOW, simulated=True)
        for n, body in enumerate(made)
    ]


def message(**fields: Any) -> dict[str, Any]:
    return {
        "id": "m1",
        "messageType": "TYPE_SMS",
        "contactId": "c1",
        "conversationId": "t1",
        "dateAdded": T0,
        "direction": "inbound",
        "status": "delivered",
        "body": "Hi",
        **fields,
    }


def test_a_contact_is_its_creation_and_its_newest_change() -> None:
    shown = {"id": "c1", "firstName": "Ana", "contactName": "Ana Diaz", "dnd": False, "tags": ["hot"],
             "customFields": [{"id": "cf1", "value": "Austin"}], "dateAdded": T0, "dateUpdated": T1}  # fmt: skip
    created, changed = told(bodies.contact_bodies(shown, LOCATION))
    assert isinstance(created, LeadUpserted)
    assert isinstance(changed, LeadUpserted)
    assert (created.created, created.occurred_at) == (True, AT0)
    assert created.event_id == fact_id(LOCATION, "contact", "c1", "created")
    assert (changed.created, changed.occurred_at) == (False, AT1)
    assert changed.contact == {"name": "Ana Diaz", "first_name": "Ana", "tags": ["hot"], "dnd": False}
    assert changed.wishes == {"city": "Austin"}


def test_a_contact_that_was_never_changed_is_its_creation_alone() -> None:
    (created,) = told(bodies.contact_bodies({"id": "c1", "dateAdded": T0, "dateUpdated": T0}, LOCATION))
    assert isinstance(created, LeadUpserted)
    assert created.created


@pytest.mark.parametrize(
    ("fields", "kind", "channel", "human"),
    [
        ({}, MessageReceived, Channel.SMS, None),
        ({"messageType": "TYPE_EMAIL", "body": "<p>Hi</p>"}, MessageReceived, Channel.EMAIL, None),
        ({"direction": "outbound", "source": "app", "userId": "u1"}, MessageSent, Channel.SMS, True),
        ({"direction": "outbound", "source": "workflow"}, MessageSent, Channel.SMS, False),
        (
            {"messageType": "TYPE_CALL", "direction": "outbound", "meta": {"callStatus": "completed", "callDuration": "61"}},
            MessageSent, Channel.CALL, True,
        ),
        ({"messageType": "TYPE_CALL", "meta": {"callStatus": "voicemail"}}, MessageReceived, Channel.VOICEMAIL, None),
    ],
)  # fmt: skip
def test_a_message_is_told_as_its_webhook_would(
    fields: dict[str, Any], kind: type[BaseEvent], channel: Channel, human: bool | None
) -> None:
    (event,) = told(bodies.message_bodies(message(**fields), LOCATION, now=NOW))
    assert isinstance(event, MessageReceived | MessageSent)
    assert (type(event), event.channel, event.occurred_at) == (kind, channel, AT0)
    assert event.event_id == fact_id(LOCATION, "message", "m1")
    assert getattr(event, "human", None) is human
    if channel is Channel.CALL:
        assert event.call_seconds == 61


@pytest.mark.parametrize(
    "fields",
    [
        {"messageType": "TYPE_ACTIVITY_OPPORTUNITY"},
        {"messageType": "TYPE_INTERNAL_COMMENT"},
        {"messageType": "TYPE_LIVE_CHAT_INFO_MESSAGE"},
        {"status": "scheduled"},
        {"messageType": "TYPE_CALL", "dateAdded": NOW.isoformat(), "meta": {"callStatus": "ringing"}},
    ],
)
def test_what_nobody_has_said_yet_is_no_message(fields: dict[str, Any]) -> None:
    assert not told(bodies.message_bodies(message(**fields), LOCATION, now=NOW))


def test_a_call_whose_end_was_never_reported_counts_after_some_hours() -> None:
    call = message(messageType="TYPE_CALL", meta={"callStatus": "ringing"})
    soon, late = AT0 + timedelta(minutes=1), AT0 + bodies.LONGEST_CALL
    assert not list(bodies.message_bodies(call, LOCATION, now=soon))
    assert len(list(bodies.message_bodies(call, LOCATION, now=late))) == 1


def test_a_deal_stands_as_of_the_newest_of_its_times() -> None:
    shown = {"id": "o1", "contact": {"id": "c1"}, "pipelineStageId": "s1", "status": "open", "monetaryValue": 5,
             "createdAt": T0, "updatedAt": T0, "lastStageChangeAt": T1}  # fmt: skip
    (event,) = told(bodies.opportunity_bodies(shown, LOCATION))
    assert isinstance(event, OpportunityChanged)
    assert (event.lead_id, event.pipeline_stage_id, event.occurred_at) == ("c1", "s1", AT1)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dateUpdated": T0}, [("created", AT0)]),
        ({"dateUpdated": T1}, [("created", AT0), ("changed", AT1)]),
        ({"dateUpdated": T1, "deleted": True}, [("created", AT0), ("deleted", AT1)]),
    ],
)
def test_a_meeting_is_its_booking_and_its_newest_state(
    fields: dict[str, Any], expected: list[tuple[str, datetime]]
) -> None:
    shown = {"id": "a1", "contactId": "c1", "appoinmentStatus": "confirmed", "startTime": T1, "dateAdded": T0}
    events = told(bodies.appointment_bodies({**shown, **fields}, LOCATION))
    kinds = []
    for event in events:
        assert isinstance(event, AppointmentChanged)
        assert (event.status, event.start_time) == ("confirmed", AT1)
        kinds.append("deleted" if event.deleted else "created" if event.created else "changed")
    assert list(zip(kinds, [event.occurred_at for event in events], strict=True)) == expected
    assert events[0].event_id == fact_id(LOCATION, "appointment", "a1", "created")


def test_a_record_of_the_site_is_a_visit() -> None:
    properties = {"event": "property_viewed", "contact_id": "c1", "listing_key": "H1"}
    (event,) = told(bodies.record_bodies({"id": "r1", "createdAt": T0, "properties": properties}, LOCATION))
    assert isinstance(event, PropertyActivityRecorded)
    assert (event.lead_id, event.listing_key, event.occurred_at) == ("c1", "H1", AT0)
    assert event.event_id == fact_id(LOCATION, "record", "r1")
