"""Every request of the client keeps to GoHighLevel's OpenAPI files, and every answer that they show can be read."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ghl_real_estate_ai.errors import NotInThisVersion
from ghl_real_estate_ai.integrations.gohighlevel.account_resources import InstalledLocationPage, TokenGrant
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile, ApiRequest
from ghl_real_estate_ai.integrations.gohighlevel.client import GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.field_types import Resource
from ghl_real_estate_ai.integrations.gohighlevel.resources import Appointment, Contact, Message
from tests.support.ghl_requests import LOCATION, ONLY_DATES, SAMPLES, builders, requests_of
from tests.support.openapi import NO_SPECS, SPECS, ApiDocuments, Erratum, api_documents, read_errata

pytestmark = [pytest.mark.data, pytest.mark.skipif(not SPECS.is_dir(), reason=NO_SPECS)]

OPERATIONS = Path(__file__).parents[1] / "fixtures" / "ghl" / "operations.txt"
"""The operations in use, reviewed: profile, digest of its part of the files, method and path."""

V3, DATES = ApiProfile.V3, ApiProfile.DATES
BOTH = pytest.mark.parametrize("api", list(ApiProfile))


@dataclass(frozen=True)
class Wrong:
    """A request that must be rejected, and with which words."""

    reason: str
    method: str
    path: str
    api: ApiProfile = V3
    version: str | None = "v3"
    parts: dict[str, Any] = field(default_factory=dict)

    def problems(self, documents: ApiDocuments) -> list[str]:
        headers = {} if self.version is None else {"Version": self.version}
        return documents.request_problems(self.method, self.path, headers=headers, **self.parts)


SMS = {"type": "SMS", "contactId": "c1", "message": "Hi"}
TASK = {"title": "Call", "dueDate": "2026-11-26T15:00:00Z", "completed": False}
SEARCH = {"locationId": LOCATION, "pageLimit": 100}
RECORD_SEARCH = {"locationId": LOCATION, "page": 1, "pageLimit": 10, "query": "", "searchAfter": []}

WRONG = [
    Wrong("header Version: missing", "GET", "/contacts/c1", version=None),
    Wrong("header Version: 2021-07-28 is not one of v3", "GET", "/contacts/c1", version="2021-07-28"),
    Wrong(
        "header Version: 2021-07-28 is not one of 2021-04-15",
        "GET",
        "/conversations/messages/m1",
        api=DATES,
        version="2021-07-28",
    ),
    Wrong("no operation GET /contacts/../locations/x", "GET", "/contacts/../locations/x"),
    Wrong("no operation GET /conversations/preferences/unsubscriptions/status", "GET", "/conversations/preferences/unsubscriptions/status"),
    Wrong("query location_id: unknown", "GET", "/opportunities/search", parts={"query": {"locationId": "L", "location_id": "L"}}),
    Wrong("query locationId: missing", "GET", "/opportunities/search"),
    Wrong(
        "query limit: .: 501.0 is greater than the maximum of 500",
        "GET",
        "/conversations/messages/export",
        parts={"query": {"locationId": "L", "limit": "501"}},
    ),
    Wrong(
        "query sortBy: .: 'dateAdded' is not one of ['createdAt', 'updatedAt']",
        "GET",
        "/conversations/messages/export",
        parts={"query": {"locationId": "L", "sortBy": "dateAdded"}},
    ),
    Wrong(
        "body .: 'completed' is a required property",
        "POST",
        "/contacts/c1/tasks",
        parts={"json": {"title": "Call", "dueDate": "2026-11-26T15:00:00Z"}},
    ),
    Wrong("body: missing, application/json", "POST", "/contacts/c1/tasks"),
    Wrong("body: application/json is not taken", "GET", "/contacts/c1", parts={"json": TASK}),
    Wrong("body tags: 'hot' is not of type 'array'", "POST", "/contacts/c1/tags", parts={"json": {"tags": "hot"}}),
    Wrong(
        "body .: 'companyId' is a required property",
        "POST",
        "/oauth/location-token",
        parts={"form": {"company_id": "k", "locationId": "L"}},
    ),
    Wrong("body .: 'contactId' is a required property", "POST", "/conversations/messages", parts={"json": {"type": "SMS"}}),
    Wrong("body .: 'pageLimit' is a required property", "POST", "/contacts/search", parts={"json": {"locationId": "L"}}),
    Wrong(
        "body .: Additional properties are not allowed ('limit' was unexpected)",
        "POST",
        "/contacts/search",
        parts={"json": {**SEARCH, "limit": 5}},
    ),
]  # fmt: skip

MESSAGE = {
    "id": "m1",
    "type": 2,
    "messageType": "TYPE_SMS",
    "locationId": LOCATION,
    "contactId": "c1",
    "conversationId": "v1",
    "dateAdded": "2026-11-26T15:00:00.000Z",
    "direction": "inbound",
    "contentType": "text/plain",
}
SENTENCE = {
    "mediaChannel": 1,
    "sentenceIndex": 0,
    "startTime": 0,
    "endTime": 2,
    "transcript": "Hi",
    "confidence": 0.9,
}
MADE = {
    "channel": "OAUTH",
    "createdAt": "2026-11-26T15:00:00.000Z",
    "source": "INTEGRATION",
    "sourceId": "app",
}
RECORD = {
    "id": "r1",
    "owner": [],
    "followers": [],
    "properties": {"event": "property_viewed", "contact_id": "c1"},
    "createdAt": "2026-11-26T15:00:00.000Z",
    "updatedAt": "2026-11-26T15:00:00.000Z",
    "locationId": LOCATION,
    "objectId": "o1",
    "objectKey": "custom_objects.site_activity",
    "createdBy": MADE,
    "lastUpdatedBy": MADE,
    "searchAfter": [1_732_600_000_000, "r1"],
}
UNSHOWN: dict[type[Resource], set[str]] = {
    Appointment: {"deleted", "date_added", "date_updated"},
    Contact: {"search_after"},
    InstalledLocationPage: {"next_page"},
    Message: {"date_updated"},
    TokenGrant: {"approved_locations", "company_id", "is_bulk_installation", "refresh_token", "user_type"},
}
"""Fields that one of the documents' answers does not show, or shows as something else."""

PAGE = {"lastMessageId": "m1", "nextPage": False, "messages": [MESSAGE]}
TRANSCRIPTION = f"/conversations/locations/{LOCATION}/messages/m1/transcription"
REAL_ANSWERS: list[tuple[str, str, Any]] = [
    ("GET", "/conversations/v1/messages", PAGE),
    ("GET", "/conversations/v1/messages", {"messages": PAGE}),
    ("GET", TRANSCRIPTION, SENTENCE),
    ("GET", TRANSCRIPTION, [SENTENCE, SENTENCE]),
    ("POST", "/objects/custom_objects.site_activity/records/search", {"records": [RECORD], "total": 1}),
]
"""Shapes that working clients have met."""


def problems(request: ApiRequest, documents: ApiDocuments) -> list[str]:
    return documents.request_problems(
        request.method,
        request.path,
        headers={} if request.version is None else {"Version": request.version},
        query=dict(request.query),
        json=request.json,
        form=request.form,
    )


def broken_promises(documents: ApiDocuments, api: ApiProfile) -> Iterator[str]:
    """Good requests and answers that the documents refuse, wrong requests that they let pass."""
    for request in requests_of(api):
        yield from (f"{request.operation}: {found}" for found in problems(request, documents))
    for wrong in WRONG:
        if wrong.api is api and wrong.problems(documents) != [wrong.reason]:
            yield f"{wrong.method} {wrong.path}: {wrong.problems(documents)}, not {wrong.reason}"
    for method, path, content in REAL_ANSWERS:
        found = documents.answer_problems(method, path, status=200, content=content)
        yield from (f"answer of {method} {path}: {problem}" for problem in found)


# --- requests -----------------------------------------------------------------------------------------------------


def test_no_builder_is_without_a_sample() -> None:
    assert set(SAMPLES) == builders()


def test_every_builder_is_a_method_of_the_client() -> None:
    assert builders() <= set(dir(GoHighLevelClient))


@BOTH
def test_good_requests_and_answers_pass_and_wrong_ones_do_not(api: ApiProfile) -> None:
    assert not list(broken_promises(api_documents(api), api))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.method} {wrong.path} {wrong.reason}")
def test_a_wrong_request_is_rejected_with_its_reason(wrong: Wrong) -> None:
    assert wrong.problems(api_documents(wrong.api)) == [wrong.reason]


@BOTH
def test_every_request_is_the_operation_that_it_says_and_names_its_scope(api: ApiProfile) -> None:
    for request in requests_of(api):
        found = api_documents(api).operation(request.method, request.path)
        assert found is not None
        assert found.name == request.operation
        assert {request.scope} == found.scopes or not found.scopes, request.operation


@pytest.mark.parametrize("name", sorted(ONLY_DATES))
def test_a_call_that_v3_lacks_is_refused_by_name(name: str) -> None:
    with pytest.raises(NotInThisVersion, match=r"unsubscriptions/.*: API version v3 has no such call"):
        SAMPLES[name](V3)


# --- errata -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("erratum", read_errata(), ids=lambda erratum: erratum.at)
def test_an_erratum_is_still_needed(erratum: Erratum) -> None:
    others = [one for one in read_errata() if one != erratum]
    broken = [
        problem
        for api in ApiProfile
        if any(("/v3/" in name) is (api is V3) for name in erratum.files)
        for problem in broken_promises(ApiDocuments(api, others), api)
    ]
    assert broken, f"the files are right now, delete the erratum at {erratum.at}"


def test_an_erratum_gives_its_reason() -> None:
    assert all(len(erratum.reason) > 20 for erratum in read_errata())


# --- drift --------------------------------------------------------------------------------------------------------


def operations_in_use() -> dict[str, str]:
    """``v3 GET /contacts/{contactId}`` -> digest."""
    found = {}
    for api in ApiProfile:
        for request in requests_of(api):
            operation = api_documents(api).operation(request.method, request.path)
            name = f"{api} {request.operation}"
            found[name] = "missing" if operation is None else operation.digest()
    return found


def test_the_documents_have_not_changed_under_us() -> None:
    now = operations_in_use()
    if os.environ.get("WRITE_GHL_OPERATIONS"):
        OPERATIONS.write_text("".join(f"{digest} {name}\n" for name, digest in sorted(now.items(), key=str)))
    lines = OPERATIONS.read_text().splitlines()
    reviewed = {name: digest for digest, name in (line.split(" ", 1) for line in lines)}
    report = [
        *(f"added: {name}" for name in sorted(now.keys() - reviewed.keys())),
        *(f"removed: {name}" for name in sorted(reviewed.keys() - now.keys())),
        *(f"changed: {name}" for name in sorted(now.keys() & reviewed.keys()) if now[name] != reviewed[name]),
    ]
    assert not report, "read what changed, then run this test with WRITE_GHL_OPERATIONS=1:\n" + "\n".join(
        report
    )


def test_prose_is_no_change_but_a_property_called_like_prose_is() -> None:
    documents = ApiDocuments(V3, read_errata())
    note = documents.operation("POST", "/contacts/c1/notes")
    assert note is not None
    before = note.digest()
    schema = note.document["components"]["schemas"]["NotesDTO"]
    schema["description"] = "other words"
    schema["properties"]["body"]["example"] = "another note"
    assert note.digest() == before
    schema["properties"]["description"] = {"type": "string"}
    assert note.digest() != before


# --- answers ------------------------------------------------------------------------------------------------------


def readers() -> dict[str, type[Resource]]:
    """Client method -> the type of its answer. A recording has none: it is sound."""
    methods = {name: getattr(GoHighLevelClient, name) for name in builders() - {"get_recording"}}
    return {name: inspect.getclosurevars(method).nonlocals["kind"] for name, method in methods.items()}


@BOTH
@pytest.mark.parametrize(("name", "kind"), sorted(readers().items()))
def test_the_documents_own_answers_can_be_read(name: str, kind: type[Resource], api: ApiProfile) -> None:
    if api is V3 and name in ONLY_DATES:
        pytest.skip("v3 has no such call")
    documents, request = api_documents(api), SAMPLES[name](api)[0]
    operation = documents.operation(request.method, request.path)
    assert operation is not None
    example = documents.example(operation)
    if example is None:
        pytest.skip("the documents show no answer")
    read = kind.model_validate(example)
    unread = {field for field in type(read).model_fields if getattr(read, field) in (None, ())}
    assert unread <= UNSHOWN.get(kind, set())
