"""The fake's calendars: events by epoch milliseconds, free slots, booking. Served by ghl_server.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.responses import Response

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_account import CALENDAR_ID, GROUP_ID, Body
from ghl_real_estate_ai.simulation.ghl_answers import appointment_shown
from ghl_real_estate_ai.simulation.ghl_clock import milliseconds
from ghl_real_estate_ai.simulation.ghl_requests import APRIL, Call, answer, found, needs
from ghl_real_estate_ai.simulation.scribe import stamp

router = APIRouter(prefix="/calendars")

Calendars = Annotated[Call, needs("calendars.readonly", APRIL)]
Reads = Annotated[Call, needs("calendars/events.readonly", APRIL)]
Writes = Annotated[Call, needs("calendars/events.write", APRIL)]

_OWNERS: Final = (("userId", "assignedUserId"), ("calendarId", "calendarId"), ("groupId", "groupId"))
_STATUSES: Final = ("new", "confirmed", "cancelled", "showed", "noshow", "invalid")
_REACH: Final = timedelta(days=31)
_OPEN: Final = range(15, 23)
"""Hours UTC at which the simulated office shows homes."""

_TOLD: Final = (
    "id", "title", "address", "calendarId", "contactId", "groupId", "appointmentStatus", "assignedUserId", "users",
    "notes", "source", "startTime", "endTime", "dateAdded", "dateUpdated",
)  # fmt: skip


@router.get("/")
async def calendars(call: Calendars) -> Response:
    """The one calendar of the city."""
    return answer({"calendars": [_calendar(call)]})


@router.get("/events")
async def events(call: Reads) -> Response:
    """Meetings that start in a window of epoch milliseconds. Times in any other form find nothing, and no error says so."""
    missing = [name for name in ("locationId", "startTime", "endTime") if not call.query.get(name)]
    if missing:
        raise VendorRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, [f"{name} must be a string" for name in missing])
    owner = next(((held, call.query[asked]) for asked, held in _OWNERS if call.query.get(asked)), None)
    if owner is None:
        raise VendorRefusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, ["Either of userId, calendarId or groupId is required"]
        )
    since, until = call.query["startTime"], call.query["endTime"]
    if not (since.isdigit() and until.isdigit()):
        return answer({"events": []})
    meetings = [
        meeting
        for meeting in call.sub_account.appointments.values()
        if meeting[owner[0]] == owner[1] and int(since) <= _starts(meeting) <= int(until)
    ]
    return answer({"events": [appointment_shown(meeting) for meeting in sorted(meetings, key=_starts)]})


@router.post("/events/appointments")
async def book(call: Writes) -> Response:
    """A new meeting."""
    call.required(calendarId=str, locationId=str, contactId=str, startTime=str)
    found(call.body["calendarId"] if call.body["calendarId"] == CALENDAR_ID else None, "Calendar",
          str(call.body["calendarId"]), call.vendor)  # fmt: skip
    contact_id = str(call.body["contactId"])
    found(call.sub_account.contacts.get(contact_id), "Contact", contact_id, call.vendor)
    meeting = call.sub_account.put_appointment(_checked(call), at=call.vendor.clock.now())
    call.sub_account.tell("AppointmentCreate", told(meeting))
    return answer(_booked(meeting))


@router.get("/events/appointments/{meeting_id}")
async def read(meeting_id: str, call: Reads) -> Response:
    """One meeting."""
    return answer({"event": appointment_shown(_meeting(call, meeting_id))})


@router.put("/events/appointments/{meeting_id}")
async def change(meeting_id: str, call: Writes) -> Response:
    """Another time, status or agent."""
    _meeting(call, meeting_id)
    meeting = call.sub_account.put_appointment(
        {**_checked(call), "id": meeting_id}, at=call.vendor.clock.now()
    )
    call.sub_account.tell("AppointmentUpdate", told(meeting))
    return answer(_booked(meeting))


@router.delete("/events/{meeting_id}")
async def cancel(meeting_id: str, call: Writes) -> Response:
    """Gone."""
    meeting = _meeting(call, meeting_id)
    del call.sub_account.appointments[meeting_id]
    call.sub_account.tell("AppointmentDelete", told(meeting))
    return answer({"succeeded": True}, HTTPStatus.CREATED)


@router.get("/{calendar_id}/free-slots")
async def free_slots(calendar_id: str, call: Calendars) -> Response:
    """Whole hours of the office's day without a meeting."""
    _the_calendar(call, calendar_id)
    since, until = (_instant(call, name) for name in ("startDate", "endDate"))
    if until - since > _REACH:
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "Date range cannot be more than 31 days")
    taken = {_starts(meeting) for meeting in call.sub_account.appointments.values()}
    days: Body = {}
    hour = since.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while hour < until:
        if hour.hour in _OPEN and milliseconds(hour) not in taken:
            slots = days.setdefault(hour.date().isoformat(), {"slots": []})
            slots["slots"].append(hour.isoformat())  # type: ignore[call-overload, index, union-attr]  # reason: made above
        hour += timedelta(hours=1)
    return answer(days | {"traceId": call.sub_account.new_id()})


@router.get("/{calendar_id}")
async def calendar(calendar_id: str, call: Calendars) -> Response:
    """One calendar."""
    _the_calendar(call, calendar_id)
    return answer({"calendar": _calendar(call)})


def _calendar(call: Call) -> Body:
    team: list[JsonValue] = [{"userId": user.user_id} for user in call.sub_account.users]
    return {
        "id": CALENDAR_ID,
        "locationId": call.sub_account.location_id,
        "groupId": GROUP_ID,
        "name": "Showings (simulated)",
        "isActive": True,
        "calendarType": "round_robin",
        "teamMembers": team,
    }


def _the_calendar(call: Call, calendar_id: str) -> None:
    found(calendar_id if calendar_id == CALENDAR_ID else None, "Calendar", calendar_id, call.vendor)


def _meeting(call: Call, meeting_id: str) -> Body:
    return found(call.sub_account.appointments.get(meeting_id), "Event", meeting_id, call.vendor)


def _checked(call: Call) -> Body:
    """The body with times in UTC. Raises VendorRefusal (422) for a time or status that is none."""
    body = dict(call.body)
    for name in ("startTime", "endTime"):
        if name in body:
            try:
                body[name] = stamp(datetime.fromisoformat(str(body[name])).astimezone(UTC))
            except ValueError:
                raise VendorRefusal(
                    HTTPStatus.UNPROCESSABLE_ENTITY, [f"{name} must be an ISO 8601 date"]
                ) from None
    if body.get("appointmentStatus", "new") not in _STATUSES:
        raise VendorRefusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, [f"appointmentStatus must be one of {', '.join(_STATUSES)}"]
        )
    return body


def _instant(call: Call, name: str) -> datetime:
    said = call.query.get(name, "")
    if not said.isdigit():
        raise VendorRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, [f"{name} must be epoch milliseconds"])
    return datetime.fromtimestamp(int(said) / 1_000, UTC)


def _starts(meeting: Body) -> int:
    return milliseconds(datetime.fromisoformat(str(meeting["startTime"])))


def _booked(meeting: Body) -> Body:
    names = ("id", "calendarId", "locationId", "contactId", "startTime", "endTime", "title", "appointmentStatus",
             "assignedUserId", "address", "dateAdded", "dateUpdated")  # fmt: skip
    return {**{name: meeting[name] for name in names if name in meeting}, "isRecurring": False}


def told(meeting: Body) -> Body:
    """A meeting as its webhook tells it: the one nested event."""
    return {"appointment": {name: meeting[name] for name in _TOLD if name in meeting}}
