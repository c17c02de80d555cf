"""What each request says where the two generations of the API differ, and what is refused before it is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.contact_endpoints import (
    SEARCH_DEPTH,
    add_tags,
    create_task,
    get_contact,
    search_contacts,
    update_contact,
    upsert_contact,
)
from ghl_real_estate_ai.integrations.gohighlevel.conversation_endpoints import export_messages, send_message
from ghl_real_estate_ai.integrations.gohighlevel.deal_endpoints import (
    list_calendar_events,
    list_free_slots,
    search_opportunities,
)
from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import (
    installed_locations,
    location_token,
    refresh_token,
)
from tests.support.ghl_requests import APP, AT, requests_of

V3, DATES = ApiProfile.V3, ApiProfile.DATES
LOCATION = "loc1"


# --- ids ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd", ["", " ", ".", "..", "../locations/OTHER", "a/b", "a\\b", "a\nb", "a\x00b", "x" * 256]
)
def test_an_odd_id_is_refused_and_the_field_named(odd: str) -> None:
    with pytest.raises(InputError, match=r"^contactId: not an id") as caught:
        get_contact(V3, odd)
    assert len(odd.strip()) < 3 or odd not in str(caught.value)


@pytest.mark.parametrize("odd", ["", "..", "a/b"])
def test_an_odd_location_is_refused_in_a_query_too(odd: str) -> None:
    with pytest.raises(InputError, match=r"^locationId: not an id"):
        export_messages(V3, odd)


@given(st.text(min_size=1, max_size=40))
def test_whatever_the_id_the_path_has_two_steps(contact_id: str) -> None:
    try:
        path = get_contact(V3, contact_id).path
    except InputError:
        return
    assert path.startswith("/contacts/")
    assert path.count("/") == 2
    assert not set("?# ") & set(path)


def test_only_the_operation_of_a_request_is_shown() -> None:
    shown = [repr(request) for request in requests_of(V3)]
    assert all(text.startswith("ApiRequest(operation=") and text.count("=") == 1 for text in shown)


# --- the two generations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("api", "versions"), [(V3, {"v3"}), (DATES, {"2021-07-28", "2021-04-15", None})])
def test_every_request_names_its_version(api: ApiProfile, versions: set[str | None]) -> None:
    assert {request.version for request in requests_of(api)} == versions


def test_opportunities_are_searched_in_the_words_of_the_version() -> None:
    said = {"pipeline_id": "p", "contact_id": "c", "assigned_to": "u"}
    old = dict(search_opportunities(DATES, LOCATION, **said).query)  # type: ignore[arg-type]
    new = dict(search_opportunities(V3, LOCATION, **said).query)  # type: ignore[arg-type]
    assert old == {
        "location_id": LOCATION,
        "pipeline_id": "p",
        "contact_id": "c",
        "assigned_to": "u",
        "limit": "100",
    }
    assert new == {
        "locationId": LOCATION,
        "pipelineId": "p",
        "contactId": "c",
        "assignedTo": "u",
        "limit": "100",
    }


def test_custom_fields_and_do_not_disturb_are_written_in_the_words_of_the_version() -> None:
    asked: dict[str, Any] = {"custom_fields": {"f1": "72"}, "dnd_settings": {"sms": {"status": "active"}}}
    assert update_contact(DATES, "c", **asked).json == {
        "customFields": [{"id": "f1", "field_value": "72"}],
        "dndSettings": {"SMS": {"status": "active"}},
    }
    assert update_contact(V3, "c", **asked).json == {
        "customFields": [{"id": "f1", "fieldValue": "72"}],
        "dndSettings": {"sms": {"status": "active"}},
    }


def test_a_token_is_asked_for_in_the_words_of_the_version() -> None:
    old = refresh_token(DATES, APP, token="r", user_type="Location")
    new = refresh_token(V3, APP, token="r", user_type="Location")
    assert old.form == {
        "client_id": APP.client_id,
        "client_secret": "secret",
        "grant_type": "refresh_token",
        "refresh_token": "r",
        "user_type": "Location",
    }
    assert new.form == {
        "clientId": APP.client_id,
        "clientSecret": "secret",
        "grantType": "refresh_token",
        "refreshToken": "r",
        "userType": "Location",
    }
    assert (old.version, new.version) == (None, "v3")
    assert not old.repeatable
    assert not new.authorized


def test_the_locations_of_an_agency_are_asked_for_at_the_place_of_the_version() -> None:
    assert location_token(DATES, "k", LOCATION).path == "/oauth/locationToken"
    assert location_token(V3, "k", LOCATION).path == "/oauth/location-token"
    old, new = (installed_locations(api, "k", app_id="a", after="20") for api in (DATES, V3))
    assert (old.path, dict(old.query)["skip"]) == ("/oauth/installedLocations", "20")
    assert (new.path, dict(new.query)["pageToken"]) == ("/oauth/installed-locations", "20")


# --- what must be so ----------------------------------------------------------------------------------------------


def test_a_task_always_says_whether_it_is_completed() -> None:
    assert create_task(V3, "c", title="Call", due_at=AT).json == {
        "title": "Call",
        "dueDate": "2026-11-26T15:00:00.000Z",
        "completed": False,
    }


def test_no_update_can_replace_the_tags() -> None:
    with pytest.raises(InputError, match="tags: this call would replace all tags"):
        update_contact(V3, "c", fields={"tags": ["hot"]})
    with pytest.raises(InputError, match="tags: this call would replace all tags"):
        upsert_contact(V3, LOCATION, fields={"tags": []})


@pytest.mark.parametrize("tags", [[], ["hot", " "]])
def test_a_tag_call_without_a_tag_is_refused(tags: list[str]) -> None:
    with pytest.raises(InputError, match="tags: give at least one"):
        add_tags(V3, "c", tags)


def test_an_unknown_channel_of_do_not_disturb_is_refused() -> None:
    with pytest.raises(InputError, match="no channel 'SMS'; choose one of sms, email"):
        update_contact(V3, "c", dnd_settings={"SMS": {"status": "active"}})


def test_calendar_times_go_as_epoch_milliseconds_whatever_their_zone() -> None:
    start = datetime(2026, 11, 26, 9, tzinfo=timezone(timedelta(hours=-6)))
    query = dict(list_calendar_events(V3, LOCATION, start=start, end=AT, calendar_id="k").query)
    assert query["startTime"] == str(round(start.timestamp() * 1_000))
    assert start == AT
    assert query["startTime"] == query["endTime"]


@pytest.mark.parametrize("whose", [{}, {"calendar_id": "k", "user_id": "u"}])
def test_calendar_events_are_those_of_one_calendar_user_or_group(whose: dict[str, str]) -> None:
    with pytest.raises(InputError, match="calendar_id, user_id, group_id: give exactly one"):
        list_calendar_events(V3, LOCATION, start=AT, end=AT, **whose)  # type: ignore[arg-type]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InputError, match="start: needs a time zone"):
        list_calendar_events(V3, LOCATION, start=datetime(2026, 1, 1), end=AT, user_id="u")  # noqa: DTZ001


def test_free_slots_are_told_for_a_month_at_most() -> None:
    with pytest.raises(InputError, match="at most 31 days"):
        list_free_slots(V3, "k", start=AT, end=AT + timedelta(days=32))
    with pytest.raises(InputError, match="at most 31 days"):
        list_free_slots(V3, "k", start=AT, end=AT)


@pytest.mark.parametrize("limit", [9, 501])
def test_an_export_has_10_to_500_messages_a_page(limit: int) -> None:
    with pytest.raises(InputError, match="limit: must be 10 to 500"):
        export_messages(V3, LOCATION, limit=limit)


def test_an_export_names_a_channel_only_when_asked_to() -> None:
    assert "channel" not in dict(export_messages(V3, LOCATION).query)
    assert dict(export_messages(V3, LOCATION, channel="Email").query)["channel"] == "Email"


def test_a_search_starts_at_page_one_and_goes_deep_by_search_after_only() -> None:
    first = search_contacts(V3, LOCATION).json
    deep = search_contacts(V3, LOCATION, search_after=[1, "c"]).json
    assert first == {"locationId": LOCATION, "pageLimit": 500, "page": 1}
    assert deep == {"locationId": LOCATION, "pageLimit": 500, "searchAfter": [1, "c"]}
    with pytest.raises(InputError, match="page: must be 1 to 20"):
        search_contacts(V3, LOCATION, page=SEARCH_DEPTH // 500 + 1)
    with pytest.raises(InputError, match="give one of them"):
        search_contacts(V3, LOCATION, page=1, search_after=[1])
    with pytest.raises(InputError, match="query: at most 75"):
        search_contacts(V3, LOCATION, query="x" * 76)


def test_a_message_is_scheduled_in_seconds() -> None:
    body = send_message(V3, "c", type_="SMS", message="Hi", scheduled_at=AT).json
    assert body == {
        "type": "SMS",
        "contactId": "c",
        "message": "Hi",
        "scheduledTimestamp": int(datetime(2026, 11, 26, 15, tzinfo=UTC).timestamp()),
    }


def test_what_must_not_happen_twice_is_not_repeatable() -> None:
    posts = {request.operation: request.repeatable for request in requests_of(V3) if request.method == "POST"}
    assert {operation for operation, repeatable in posts.items() if repeatable} == {
        "POST /contacts/{contactId}/tags",
        "POST /contacts/search",
        "POST /objects/{schemaKey}/records/search",
        "POST /oauth/location-token",
    }
    assert all(request.repeatable for request in requests_of(V3) if request.method != "POST")
