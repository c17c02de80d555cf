"""The fake GoHighLevel answers in the shapes of GoHighLevel's OpenAPI files, in both generations of the API."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from ghl_real_estate_ai.simulation.city import City
from ghl_real_estate_ai.simulation.ghl_account import ACTIVITY_KEY, CALENDAR_ID, WORKFLOW_ID
from ghl_real_estate_ai.simulation.ghl_city import apply_all
from ghl_real_estate_ai.simulation.ghl_oauth import USER_ID
from ghl_real_estate_ai.simulation.scribe import PIPELINE_ID
from ghl_real_estate_ai.simulation.vendor_servers import APP_ID
from tests.support.fake_ghl import APRIL, COMPANY_ID, JULY, LOCATION_ID, V3, FakeGhl, fake_ghl
from tests.support.openapi import NO_SPECS, SPECS, api_documents

pytestmark = [pytest.mark.data, pytest.mark.skipif(not SPECS.is_dir(), reason=NO_SPECS), pytest.mark.asyncio]

START = datetime(2026, 11, 23, 15, tzinfo=UTC)
BOTH = pytest.mark.parametrize("profile", ["v3", "dates"])
LOOSE = re.compile(
    r"customFields/\d+/value: .* is not of type 'string'"  # webhooks show numbers, lists and objects too
    r"|status: '(completed|voicemail)' is not one of"  # what webhooks say of calls is missing from the list
    r"|(startTime|endTime|dateAdded|dateUpdated): '20.*' is not of type 'object'"  # shown as texts
    r"|pipelines/\d+/stages/\d+: .* is not of type 'array'"  # lists of lists; a stage is an object
    r"|^traceId: "  # beside the days of free slots
)
"""What the files say wrongly of answers; the client's errata speak of requests."""

IN_APRIL = ("/conversations", "/calendars")


@dataclass
class Inspector:
    """A client that holds every request and answer against the files. ``problems`` by call."""

    fake: FakeGhl
    http: httpx.AsyncClient
    profile: str
    token: str
    problems: dict[str, list[str]] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str,
        *,
        status: int = 200,
        form: dict[str, str] | None = None,
        json: Any = None,
        **query: Any,
    ) -> Any:
        """One call; its answer's content."""
        version = V3 if self.profile == "v3" else APRIL if path.startswith(IN_APRIL) else JULY
        headers = self.fake.headers(self.token, version=version)
        if self.profile == "dates" and path == "/oauth/token":
            headers.pop("Version")
        asked = {name: str(value) for name, value in query.items()}
        url = f"{path}?{urlencode(asked)}" if asked else path
        answer = await self.http.request(method, url, headers=headers, json=json, data=form)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        documents = api_documents(self.profile)
        content = answer.json()
        found = [
            *documents.request_problems(method, path, headers=headers, query=asked, json=json, form=form),
            *documents.answer_problems(method, path, status=status, content=content),
        ]
        found = [problem for problem in found if not LOOSE.search(problem)]
        if found:
            self.problems[f"{method} {path}"] = found
        return content

    def name(self, old: str, new: str) -> str:
        """A field's name in this generation."""
        return new if self.profile == "v3" else old


@asynccontextmanager
async def inspector(profile: str) -> AsyncIterator[Inspector]:
    """An account with a city's week in it."""
    async with fake_ghl() as fake, httpx.AsyncClient(base_url=fake.url, trust_env=False) as http:
        city = City(seed=5, leads=40, listings=60, start=START, days=2)
        apply_all(fake.home, city.events())
        yield Inspector(fake, http, profile, fake.access_token())


@BOTH
async def test_contacts_are_answered_as_described(profile: str) -> None:
    async with inspector(profile) as look:
        contact_id = next(iter(look.fake.home.contacts))["id"]
        one = f"/contacts/{contact_id}"
        await look.call("POST", "/contacts/search", json={"locationId": LOCATION_ID, "pageLimit": 5})
        await look.call("GET", one)
        dnd = {look.name("SMS", "sms"): {"status": "active", "message": "STOP", "code": "1"}}
        custom = [{"id": "city", look.name("field_value", "fieldValue"): "Larkspur Bay"}]
        changed = await look.call(
            "PUT", one, json={"firstName": "Ann", "dndSettings": dnd, "customFields": custom}
        )
        assert changed["contact"]["dndSettings"] == dnd
        await look.call("POST", f"{one}/tags", status=201, json={"tags": ["hot"]})
        await look.call("DELETE", f"{one}/tags", json={"tags": ["hot"]})
        upsert = {"locationId": LOCATION_ID, "email": "new@example.com", "firstName": "New"}
        made = await look.call("POST", "/contacts/upsert", json=upsert)
        assert made["new"] is True
        assert (await look.call("POST", "/contacts/upsert", json=upsert))["new"] is False
        await look.call("GET", "/contacts/search/duplicate", locationId=LOCATION_ID, email="new@example.com")
        task = {"title": "Call", "dueDate": "2026-11-27T15:00:00Z", "completed": False}
        task_id = (await look.call("POST", f"{one}/tasks", status=201, json=task))["task"]["id"]
        await look.call("GET", f"{one}/tasks")
        await look.call("GET", f"{one}/tasks/{task_id}")
        await look.call("PUT", f"{one}/tasks/{task_id}", json={"title": "Call again"})
        await look.call("PUT", f"{one}/tasks/{task_id}/completed", json={"completed": True})
        await look.call("DELETE", f"{one}/tasks/{task_id}")
        note_id = (await look.call("POST", f"{one}/notes", status=201, json={"body": "hi"}))["note"]["id"]
        await look.call("GET", f"{one}/notes")
        await look.call("GET", f"{one}/notes/{note_id}")
        await look.call("PUT", f"{one}/notes/{note_id}", json={"body": "ho"})
        await look.call("DELETE", f"{one}/notes/{note_id}")
        await look.call("POST", f"{one}/workflow/{WORKFLOW_ID}", json={})
        await look.call("DELETE", f"{one}/workflow/{WORKFLOW_ID}", json={})
        booked = next(iter(look.fake.home.appointments.values()))["contactId"]
        assert (await look.call("GET", f"/contacts/{booked}/appointments"))["events"]
        await look.call("DELETE", f"/contacts/{made['contact']['id']}")
        assert look.problems == {}


@BOTH
async def test_conversations_are_answered_as_described(profile: str) -> None:
    async with inspector(profile) as look:
        page = await look.call("GET", "/conversations/messages/export", locationId=LOCATION_ID, limit=50)
        assert page["nextCursor"]
        emails = await look.call(
            "GET",
            "/conversations/messages/export",
            locationId=LOCATION_ID,
            channel="Email",
            sortBy="updatedAt",
        )
        calls = await look.call(
            "GET", "/conversations/messages/export", locationId=LOCATION_ID, channel="Call"
        )
        message = page["messages"][0]
        found = await look.call("GET", "/conversations/search", locationId=LOCATION_ID, limit=3)
        talk = found["conversations"][0]["id"]
        await look.call("GET", f"/conversations/{talk}")
        await look.call("GET", f"/conversations/{talk}/messages", limit=5)
        await look.call("GET", f"/conversations/messages/{message['id']}")
        email_id = emails["messages"][0]["meta"]["email"]["messageIds"][0]
        await look.call("GET", f"/conversations/messages/email/{email_id}")
        base = {"contactId": message["contactId"], "subType": {}, "status": "pending"}
        sent = await look.call(
            "POST", "/conversations/messages", json={"type": "SMS", "message": "Hi", **base}
        )
        await look.call("PUT", f"/conversations/messages/{sent['messageId']}/status", json={"status": "read"})
        later = int((datetime.now(UTC) + timedelta(days=1)).timestamp())
        due = {"type": "Email", "html": "<p>Hi</p>", "subject": "Hi", "scheduledTimestamp": later, **base}
        planned = await look.call("POST", "/conversations/messages", json=due)
        await look.call("DELETE", f"/conversations/messages/{planned['messageId']}/schedule")
        call_id = calls["messages"][0]["id"]
        await look.call("GET", f"/conversations/locations/{LOCATION_ID}/messages/{call_id}/transcription")
        if profile == "dates":
            place = {"locationId": LOCATION_ID, "contactId": message["contactId"]}
            await look.call("GET", "/conversations/preferences/unsubscriptions/status", **place)
        assert look.problems == {}


@BOTH
async def test_deals_and_meetings_are_answered_as_described(profile: str) -> None:
    async with inspector(profile) as look:
        location = {look.name("location_id", "locationId"): LOCATION_ID}
        page = await look.call("GET", "/opportunities/search", limit=3, **location)
        deal = page["opportunities"][0]
        await look.call("GET", "/opportunities/search", startAfter=page["meta"]["startAfter"],
                        startAfterId=page["meta"]["startAfterId"], **location)  # fmt: skip
        await look.call("GET", "/opportunities/pipelines", locationId=LOCATION_ID)
        await look.call("GET", f"/opportunities/{deal['id']}")
        await look.call("PUT", f"/opportunities/{deal['id']}", json={"monetaryValue": 5})
        await look.call("PUT", f"/opportunities/{deal['id']}/status", json={"status": "won"})
        new = {"pipelineId": PIPELINE_ID, "locationId": LOCATION_ID, "name": "n", "status": "open"}
        made = await look.call(
            "POST", "/opportunities/", status=201, json={**new, "contactId": deal["contactId"]}
        )
        await look.call("DELETE", f"/opportunities/{made['opportunity']['id']}")
        await look.call("GET", "/calendars/", locationId=LOCATION_ID)
        since, until = (round((START + timedelta(days=n)).timestamp() * 1_000) for n in (-30, 30))
        events = await look.call("GET", "/calendars/events", locationId=LOCATION_ID, calendarId=CALENDAR_ID,
                                 startTime=since, endTime=until)  # fmt: skip
        meeting = events["events"][0]
        await look.call("GET", f"/calendars/events/appointments/{meeting['id']}")
        book = {"calendarId": CALENDAR_ID, "locationId": LOCATION_ID, "contactId": meeting["contactId"],
                "startTime": "2026-12-01T16:00:00-06:00"}  # fmt: skip
        booked = await look.call("POST", "/calendars/events/appointments", json=book)
        await look.call(
            "PUT", f"/calendars/events/appointments/{booked['id']}", json={"appointmentStatus": "confirmed"}
        )
        await look.call("DELETE", f"/calendars/events/{booked['id']}", status=201, json={})
        slots = {"startDate": since, "endDate": since + 86_400_000}
        await look.call("GET", f"/calendars/{CALENDAR_ID}", status=200)
        free = await look.call("GET", f"/calendars/{CALENDAR_ID}/free-slots", **slots)
        assert any("slots" in day for day in free.values())
        assert look.problems == {}


@BOTH
async def test_the_location_its_people_and_records_are_answered_as_described(profile: str) -> None:
    async with inspector(profile) as look:
        fields = f"/locations/{LOCATION_ID}/customFields"
        await look.call("GET", f"/locations/{LOCATION_ID}")
        made = await look.call(
            "POST", fields, status=201, json={"name": "Lead score", "dataType": "NUMERICAL"}
        )
        await look.call("GET", fields, model="all")
        await look.call("GET", f"{fields}/{made['customField']['id']}")
        await look.call("PUT", f"{fields}/{made['customField']['id']}", json={"name": "Score"})
        await look.call("GET", f"/locations/{LOCATION_ID}/tags")
        await look.call("POST", f"/locations/{LOCATION_ID}/tags", json={"name": "vip"})
        assert (await look.call("GET", "/users/search", companyId=COMPANY_ID))["users"][0]["id"] == USER_ID
        if profile == "dates":
            await look.call("GET", "/users/", locationId=LOCATION_ID)
        await look.call("GET", "/workflows/", locationId=LOCATION_ID)
        await look.call("GET", "/objects/", locationId=LOCATION_ID)
        search = {"locationId": LOCATION_ID, "page": 1, "pageLimit": 5, "query": "", "searchAfter": []}
        path = f"/objects/{ACTIVITY_KEY}/records"
        page = await look.call("POST", f"{path}/search", json=search)
        assert look.problems == {}
        one = await look.call("GET", f"{path}/{page['records'][0]['id']}")
        assert one["record"]["properties"]["contact_id"]


@BOTH
async def test_tokens_are_answered_as_described(profile: str) -> None:
    async with inspector(profile) as look:
        app = {
            look.name("client_id", "clientId"): look.fake.client_id,
            look.name("client_secret", "clientSecret"): look.fake.client_secret,
        }
        kind = look.name("grant_type", "grantType")
        by_code = {**app, kind: "authorization_code", "code": look.fake.code("")}
        agency = await look.call("POST", "/oauth/token", form=by_code)
        refresh = look.name("refresh_token", "refreshToken")
        again = {**app, kind: "refresh_token", refresh: agency[refresh]}
        look.token = (await look.call("POST", "/oauth/token", form=again))[
            look.name("access_token", "accessToken")
        ]
        place = {"companyId": COMPANY_ID, "locationId": LOCATION_ID}
        await look.call("POST", look.name("/oauth/locationToken", "/oauth/location-token"), form=place)
        installed = look.name("/oauth/installedLocations", "/oauth/installed-locations")
        await look.call("GET", installed, companyId=COMPANY_ID, appId=APP_ID)
        assert look.problems == {}
