"""Every request that the GoHighLevel client can make, by builder: the bare one, and the one with everything in it.

For contract tests. A builder without an entry here fails them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Final

from ghl_real_estate_ai.integrations.gohighlevel import (
    contact_endpoints,
    conversation_endpoints,
    deal_endpoints,
    location_endpoints,
    oauth_endpoints,
)
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile, ApiRequest
from ghl_real_estate_ai.integrations.gohighlevel.contact_endpoints import (
    add_tags,
    add_to_workflow,
    create_note,
    create_task,
    get_contact,
    list_contact_appointments,
    list_notes,
    list_tasks,
    remove_from_workflow,
    remove_tags,
    search_contacts,
    update_contact,
    upsert_contact,
)
from ghl_real_estate_ai.integrations.gohighlevel.conversation_endpoints import (
    cancel_scheduled_message,
    change_subscription,
    export_messages,
    get_message,
    get_recording,
    get_transcription,
    get_unsubscribe_state,
    read_messages,
    search_conversations,
    send_message,
    update_message_status,
)
from ghl_real_estate_ai.integrations.gohighlevel.deal_endpoints import (
    book_appointment,
    get_appointment,
    get_opportunity,
    list_calendar_events,
    list_calendars,
    list_free_slots,
    list_pipelines,
    search_opportunities,
    update_opportunity_status,
)
from ghl_real_estate_ai.integrations.gohighlevel.location_endpoints import (
    create_custom_field,
    get_location,
    list_custom_fields,
    list_location_tags,
    list_objects,
    list_workflows,
    search_records,
    search_users,
    update_custom_field,
)
from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import (
    AppCredentials,
    exchange_code,
    installed_locations,
    location_token,
    refresh_token,
)

LOCATION: Final = "ve9EPM428h8vShlRW1KT"
AT: Final = datetime(2026, 11, 26, 15, 0, tzinfo=UTC)
APP: Final = AppCredentials("6578278e879ad2646715ba9c", "secret")
DND: Final = {
    channel: {"status": "active", "message": "STOP"}
    for channel in ("sms", "email", "call", "whatsApp", "gmb", "fb")
}
MODULES: Final[tuple[ModuleType, ...]] = (
    contact_endpoints,
    conversation_endpoints,
    deal_endpoints,
    location_endpoints,
    oauth_endpoints,
)
ONLY_DATES: Final = {"get_unsubscribe_state", "change_subscription"}
"""Builders whose call v3 lacks."""

Samples = Callable[[ApiProfile], list[ApiRequest]]


def builders() -> set[str]:
    """The names of every function that makes a request."""
    return {
        name
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


def requests_of(api: ApiProfile) -> list[ApiRequest]:
    """Every sample that a profile has."""
    return [
        request
        for name, samples in SAMPLES.items()
        if api is ApiProfile.DATES or name not in ONLY_DATES
        for request in samples(api)
    ]


_CONTACTS: Final[Mapping[str, Samples]] = {
    "get_contact": lambda api: [get_contact(api, "c1")],
    "update_contact": lambda api: [
        update_contact(api, "c1"),
        update_contact(
            api,
            "c1",
            fields={"firstName": "Ann", "source": "site", "assignedTo": "u1"},
            custom_fields={"f1": "72", "f2": 72, "f3": ["pool", "garden"]},
            dnd_settings=DND,
        ),
    ],
    "upsert_contact": lambda api: [
        upsert_contact(api, LOCATION, fields={"email": "ann@example.com"}),
        upsert_contact(
            api, LOCATION, fields={"phone": "+15550100"}, custom_fields={"f1": "72"}, dnd_settings=DND
        ),
    ],
    "add_tags": lambda api: [add_tags(api, "c1", ["hot", "buyer"])],
    "remove_tags": lambda api: [remove_tags(api, "c1", ["hot"])],
    "search_contacts": lambda api: [
        search_contacts(api, LOCATION),
        search_contacts(
            api,
            LOCATION,
            filters=[
                {"field": "dateUpdated", "operator": "range", "value": {"gt": 1}},
                {"group": "OR", "filters": [{"field": "email", "operator": "exists"}]},
            ],
            sort=[("dateUpdated", "desc")],
            query="ann",
            page=2,
        ),
        search_contacts(api, LOCATION, search_after=[1_732_600_000_000, "c1"], page_limit=100),
    ],
    "create_task": lambda api: [
        create_task(api, "c1", title="Call", due_at=AT),
        create_task(api, "c1", title="Call", due_at=AT, body="about homes", assigned_to="u1", completed=True),
    ],
    "list_tasks": lambda api: [list_tasks(api, "c1")],
    "create_note": lambda api: [
        create_note(api, "c1", body="wants a garden"),
        create_note(api, "c1", body="wants a garden", user_id="u1", title="Wishes"),
    ],
    "list_notes": lambda api: [list_notes(api, "c1")],
    "list_contact_appointments": lambda api: [list_contact_appointments(api, "c1")],
    "add_to_workflow": lambda api: [
        add_to_workflow(api, "c1", "w1"),
        add_to_workflow(api, "c1", "w1", event_at=AT),
    ],
    "remove_from_workflow": lambda api: [
        remove_from_workflow(api, "c1", "w1"),
        remove_from_workflow(api, "c1", "w1", event_at=AT),
    ],
}

_CONVERSATIONS: Final[Mapping[str, Samples]] = {
    "send_message": lambda api: [
        send_message(api, "c1", type_="SMS", message="Hi", from_number="+15550100", scheduled_at=AT),
        send_message(
            api,
            "c1",
            type_="Email",
            html="<p>Hi</p>",
            subject="Hi",
            attachments=["https://example.com/a.pdf"],
            email_from="a@example.com",
            email_to="b@example.com",
            email_cc=["c@example.com"],
            email_bcc=["d@example.com"],
            reply_message_id="m1",
            template_id="t1",
            custom_subtype_id="s1",
        ),
    ],
    "cancel_scheduled_message": lambda api: [cancel_scheduled_message(api, "m1")],
    "update_message_status": lambda api: [update_message_status(api, "m1", status="read")],
    "get_message": lambda api: [get_message(api, "m1")],
    "read_messages": lambda api: [
        read_messages(api, "v1"),
        read_messages(api, "v1", limit=50, last_message_id="m1", type_="TYPE_SMS"),
    ],
    "export_messages": lambda api: [
        export_messages(api, LOCATION),
        export_messages(
            api,
            LOCATION,
            cursor="next",
            limit=10,
            channel="Email",
            contact_id="c1",
            sort_by="updatedAt",
            sort_order="desc",
            start=AT,
            end=AT,
        ),
    ],
    "search_conversations": lambda api: [
        search_conversations(api, LOCATION),
        search_conversations(
            api,
            LOCATION,
            contact_id="c1",
            status="unread",
            last_message_direction="inbound",
            last_message_action="manual",
            sort="desc",
            sort_by="last_message_date",
            start_after=1_732_600_000_000,
            start=AT,
            limit=100,
        ),
    ],
    "get_recording": lambda api: [get_recording(api, LOCATION, "m1")],
    "get_transcription": lambda api: [get_transcription(api, LOCATION, "m1")],
    "get_unsubscribe_state": lambda api: [
        get_unsubscribe_state(api, LOCATION, "c1"),
        get_unsubscribe_state(api, LOCATION, "c1", email="a@example.com"),
    ],
    "change_subscription": lambda api: [
        change_subscription(api, LOCATION, "c1", email="a@example.com", subscribed=False),
        change_subscription(
            api,
            LOCATION,
            "c1",
            email="a@example.com",
            subscribed=True,
            subtype_id="s1",
            legal_reason="asked on the phone",
        ),
    ],
}

_DEALS: Final[Mapping[str, Samples]] = {
    "search_opportunities": lambda api: [
        search_opportunities(api, LOCATION),
        search_opportunities(
            api,
            LOCATION,
            pipeline_id="p1",
            contact_id="c1",
            assigned_to="u1",
            status="open",
            order="added_asc",
            start_after=1_732_600_000_000,
            start_after_id="o1",
            limit=20,
        ),
    ],
    "get_opportunity": lambda api: [get_opportunity(api, "o1")],
    "update_opportunity_status": lambda api: [
        update_opportunity_status(api, "o1", status="won"),
        update_opportunity_status(api, "o1", status="lost", lost_reason_id="r1"),
    ],
    "list_pipelines": lambda api: [list_pipelines(api, LOCATION)],
    "list_calendars": lambda api: [list_calendars(api, LOCATION)],
    "list_calendar_events": lambda api: [
        list_calendar_events(api, LOCATION, start=AT, end=AT + timedelta(days=7), calendar_id="k1"),
        list_calendar_events(api, LOCATION, start=AT, end=AT + timedelta(days=7), user_id="u1"),
        list_calendar_events(api, LOCATION, start=AT, end=AT + timedelta(days=7), group_id="g1"),
    ],
    "list_free_slots": lambda api: [
        list_free_slots(api, "k1", start=AT, end=AT + timedelta(days=31)),
        list_free_slots(
            api, "k1", start=AT, end=AT + timedelta(days=1), timezone="America/Chicago", user_id="u1"
        ),
    ],
    "book_appointment": lambda api: [
        book_appointment(api, LOCATION, calendar_id="k1", contact_id="c1", start=AT),
        book_appointment(
            api,
            LOCATION,
            calendar_id="k1",
            contact_id="c1",
            start=AT,
            end=AT + timedelta(hours=1),
            title="Showing",
            assigned_user_id="u1",
            appointment_status="confirmed",
        ),
    ],
    "get_appointment": lambda api: [get_appointment(api, "e1")],
}

_LOCATIONS: Final[Mapping[str, Samples]] = {
    "get_location": lambda api: [get_location(api, LOCATION)],
    "list_custom_fields": lambda api: [
        list_custom_fields(api, LOCATION),
        list_custom_fields(api, LOCATION, model="all"),
    ],
    "create_custom_field": lambda api: [
        create_custom_field(api, LOCATION, name="Lead score", data_type="NUMERICAL"),
        create_custom_field(
            api, LOCATION, name="Lead score", data_type="NUMERICAL", model="opportunity", placeholder="0"
        ),
    ],
    "update_custom_field": lambda api: [
        update_custom_field(api, LOCATION, "f1", name="Lead score"),
        update_custom_field(api, LOCATION, "f1", name="Lead score", placeholder="0"),
    ],
    "list_location_tags": lambda api: [list_location_tags(api, LOCATION)],
    "search_users": lambda api: [
        search_users(api, "company1"),
        search_users(api, "company1", location_id=LOCATION, query="ann", skip=25, limit=25),
    ],
    "list_workflows": lambda api: [list_workflows(api, LOCATION)],
    "list_objects": lambda api: [list_objects(api, LOCATION)],
    "search_records": lambda api: [
        search_records(api, LOCATION, "custom_objects.site_activity"),
        search_records(
            api,
            LOCATION,
            "custom_objects.site_activity",
            query="viewed",
            page=2,
            page_limit=10,
            search_after=[1_732_600_000_000, "r1"],
        ),
    ],
}

_ACCESS: Final[Mapping[str, Samples]] = {
    "exchange_code": lambda api: [
        exchange_code(
            api, APP, code="code", user_type="Location", redirect_uri="https://hub.example/callback"
        )
    ],
    "refresh_token": lambda api: [refresh_token(api, APP, token="refresh", user_type="Company")],
    "location_token": lambda api: [location_token(api, "company1", LOCATION)],
    "installed_locations": lambda api: [
        installed_locations(api, "company1", app_id="app1"),
        installed_locations(api, "company1", app_id="app1", limit=20, after="20"),
    ],
}

SAMPLES: Final[Mapping[str, Samples]] = {**_CONTACTS, **_CONVERSATIONS, **_DEALS, **_LOCATIONS, **_ACCESS}
"""Builder's name -> its requests."""
