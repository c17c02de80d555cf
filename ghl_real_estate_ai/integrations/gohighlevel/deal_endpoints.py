"""The requests about deals and meetings: opportunities, pipelines, calendars, appointments. Pure; called by client.py."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.integrations.gohighlevel.api_request import (
    ApiProfile,
    ApiRequest,
    api_request,
    checked_id,
    epoch_ms,
    iso,
    within,
)

OPPORTUNITY_PAGE: Final = 100
"""Most opportunities of one page."""

FREE_SLOTS_SPAN: Final = timedelta(days=31)
"""Longest span that free slots are told for."""

_OPPORTUNITIES: Final = "opportunities.readonly"
_EVENTS: Final = "calendars/events.readonly"


def search_opportunities(
    api: ApiProfile,
    location_id: str,
    *,
    pipeline_id: str | None = None,
    contact_id: str | None = None,
    assigned_to: str | None = None,
    status: str | None = None,
    order: str | None = None,
    start_after: int | None = None,
    start_after_id: str | None = None,
    limit: int = OPPORTUNITY_PAGE,
) -> ApiRequest:
    """A location's deals; ``start_after`` and ``start_after_id`` of the page before give the next."""
    return api_request(
        api,
        "GET /opportunities/search",
        query={
            api.named("location_id"): checked_id("locationId", location_id),
            api.named("pipeline_id"): pipeline_id,
            api.named("contact_id"): contact_id,
            api.named("assigned_to"): assigned_to,
            "status": status,
            "order": order,
            "startAfter": start_after,
            "startAfterId": start_after_id,
            "limit": within("limit", limit, least=1, most=OPPORTUNITY_PAGE),
        },
        scope=_OPPORTUNITIES,
    )


def get_opportunity(api: ApiProfile, opportunity_id: str) -> ApiRequest:
    """One deal."""
    return api_request(api, "GET /opportunities/{id}", ids={"id": opportunity_id}, scope=_OPPORTUNITIES)


def update_opportunity_status(
    api: ApiProfile, opportunity_id: str, *, status: str, lost_reason_id: str | None = None
) -> ApiRequest:
    """open, won, lost or abandoned."""
    return api_request(
        api,
        "PUT /opportunities/{id}/status",
        ids={"id": opportunity_id},
        json={"status": status, "lostReasonId": lost_reason_id},
        scope="opportunities.write",
    )


def list_pipelines(api: ApiProfile, location_id: str) -> ApiRequest:
    """A location's pipelines with their stages: webhooks name a stage by its id only."""
    query = {"locationId": checked_id("locationId", location_id)}
    return api_request(api, "GET /opportunities/pipelines", query=query, scope=_OPPORTUNITIES)


def list_calendars(api: ApiProfile, location_id: str) -> ApiRequest:
    """A location's calendars."""
    query = {"locationId": checked_id("locationId", location_id)}
    return api_request(api, "GET /calendars/", query=query, scope="calendars.readonly")


def list_calendar_events(
    api: ApiProfile,
    location_id: str,
    *,
    start: datetime,
    end: datetime,
    calendar_id: str | None = None,
    user_id: str | None = None,
    group_id: str | None = None,
) -> ApiRequest:
    """Appointments of one calendar, user or group. Times go as epoch milliseconds: ISO text gives an empty 200."""
    whose = {"calendarId": calendar_id, "userId": user_id, "groupId": group_id}
    if sum(value is not None for value in whose.values()) != 1:
        raise InputError("calendar_id, user_id, group_id: give exactly one")
    query = {
        "locationId": checked_id("locationId", location_id),
        "startTime": epoch_ms("start", start),
        "endTime": epoch_ms("end", end),
        **whose,
    }
    return api_request(api, "GET /calendars/events", query=query, scope=_EVENTS)


def list_free_slots(
    api: ApiProfile,
    calendar_id: str,
    *,
    start: datetime,
    end: datetime,
    timezone: str | None = None,
    user_id: str | None = None,
) -> ApiRequest:
    """When a calendar can be booked, at most FREE_SLOTS_SPAN ahead."""
    query = {
        "startDate": epoch_ms("start", start),
        "endDate": epoch_ms("end", end),
        "timezone": timezone,
        "userId": user_id,
    }
    if not timedelta(0) < end - start <= FREE_SLOTS_SPAN:
        raise InputError(f"start, end: a span of at most {FREE_SLOTS_SPAN.days} days")
    operation = "GET /calendars/{calendarId}/free-slots"
    return api_request(
        api, operation, ids={"calendarId": calendar_id}, query=query, scope="calendars.readonly"
    )


def book_appointment(
    api: ApiProfile,
    location_id: str,
    *,
    calendar_id: str,
    contact_id: str,
    start: datetime,
    end: datetime | None = None,
    title: str | None = None,
    assigned_user_id: str | None = None,
    appointment_status: str | None = None,
) -> ApiRequest:
    """A meeting with a contact."""
    body = {
        "calendarId": checked_id("calendarId", calendar_id),
        "locationId": checked_id("locationId", location_id),
        "contactId": checked_id("contactId", contact_id),
        "startTime": iso("start", start),
        "endTime": None if end is None else iso("end", end),
        "title": title,
        "assignedUserId": assigned_user_id,
        "appointmentStatus": appointment_status,
    }
    return api_request(api, "POST /calendars/events/appointments", json=body, scope="calendars/events.write")


def get_appointment(api: ApiProfile, event_id: str) -> ApiRequest:
    """One meeting."""
    operation = "GET /calendars/events/appointments/{eventId}"
    return api_request(api, operation, ids={"eventId": event_id}, scope=_EVENTS)
