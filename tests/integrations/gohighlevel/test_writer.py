"""Changes arrive in the account as they were wanted, in both API generations, and an earlier attempt is found again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from ghl_real_estate_ai.errors import (
    CrmRefused,
    EnterpriseHubError,
    InputError,
    NotFound,
    NotYet,
    OutcomeUnknown,
    Unreachable,
)
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.writer import GoHighLevelWriter
from ghl_real_estate_ai.models.connections import LocationSetup, WriteBackPart
from ghl_real_estate_ai.models.synchronization import ChangeKind, CrmChange
from ghl_real_estate_ai.models.write_back import NUMBER_FIELDS, OwnField, marker
from tests.support.crm_writer import Desk, writing_to
from tests.support.facts import NOON
from tests.support.fake_ghl import fake_ghl
from tests.support.fake_memory import FakeMemory
from tests.support.ghl_client import OWNER, crm_before
from tests.support.scripted_server import Reply, Seen

pytestmark = pytest.mark.asyncio
FIELDS: dict[str, Any] = {
    "EnterpriseHub Score": 71,
    "EnterpriseHub Stage": "working",
    "EnterpriseHub Risk": "early",
    "EnterpriseHub Next Action": "",
    "EnterpriseHub Basis": "simulated lead, model of simulated leads",
}
TAGS_CALLS = {"POST /contacts/{contactId}/tags", "DELETE /contacts/{contactId}/tags"}


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    """The writer before a fake account."""
    async with fake_ghl() as fake, writing_to(fake, memory=FakeMemory()) as opened:
        yield opened


@pytest_asyncio.fixture(params=ApiProfile)
async def either(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """The same, once per API generation."""
    async with fake_ghl() as fake, writing_to(fake, memory=FakeMemory(), api=request.param) as opened:
        yield opened


def body_of(name: str, desk: Desk) -> str:
    return f"- waiting 42 min\n\nWritten by EnterpriseHub (simulated lead). {marker(desk.location_id, f'{name}:1')}"


# --- fields ---------------------------------------------------------------------------------------------------------


async def test_our_fields_are_made_once_and_then_only_written(either: Desk) -> None:
    lead = either.lead()
    await either.writer.apply(either.change(ChangeKind.FIELDS, lead, FIELDS))
    await either.writer.apply(either.change(ChangeKind.FIELDS, lead, {**FIELDS, "EnterpriseHub Score": 80}))

    assert either.fields_of(lead) == {**FIELDS, "EnterpriseHub Score": 80}
    assert either.http.calls == {
        "GET /locations/{locationId}/customFields": 1,
        "POST /locations/{locationId}/customFields": len(OwnField),
        "PUT /contacts/{contactId}": 2,
    }
    types = {str(f["name"]): f["dataType"] for f in either.fake.home.custom_fields.values()}
    assert {name: types[name] for name in OwnField} == {
        name: "NUMERICAL" if name in NUMBER_FIELDS else "TEXT" for name in OwnField
    }


async def test_the_ids_of_our_fields_are_kept_beside_what_the_owner_set_up(desk: Desk) -> None:
    setup = LocationSetup(location_id=desk.location_id, write_back=frozenset({WriteBackPart.FIELDS}))
    await desk.memory.write(lambda uow: uow.connections.put_setup(setup))
    await desk.writer.apply(desk.change(ChangeKind.FIELDS, desk.lead(), FIELDS))
    kept = await desk.memory.read(lambda uow: uow.connections.setup(desk.location_id))
    assert kept is not None
    assert kept.write_back == setup.write_back
    assert set(kept.field_ids) == set(OwnField)
    assert set(kept.field_ids.values()) <= set(desk.fake.home.custom_fields)


async def test_a_field_that_the_owner_deleted_is_found_missing_and_made_again(desk: Desk) -> None:
    lead = desk.lead()
    await desk.writer.apply(desk.change(ChangeKind.FIELDS, lead, FIELDS))
    gone = next(key for key, f in desk.fake.home.custom_fields.items() if f["name"] == "EnterpriseHub Score")
    del desk.fake.home.custom_fields[gone]

    desk.clock.set_forward(3600)
    await desk.writer.apply(desk.change(ChangeKind.FIELDS, lead, {**FIELDS, "EnterpriseHub Score": 9}))
    assert desk.fields_of(lead)["EnterpriseHub Score"] == 9


async def test_a_field_of_ours_that_the_owner_renamed_is_still_ours(desk: Desk) -> None:
    lead = desk.lead()
    await desk.writer.apply(desk.change(ChangeKind.FIELDS, lead, FIELDS))
    ours = next(f for f in desk.fake.home.custom_fields.values() if f["name"] == "EnterpriseHub Score")
    ours["name"] = "Chance"
    desk.clock.set_forward(3600)
    await desk.writer.apply(desk.change(ChangeKind.FIELDS, lead, {**FIELDS, "EnterpriseHub Score": 9}))
    assert {"id": ours["id"], "value": 9} in desk.contact(lead)["customFields"]  # type: ignore[operator]
    assert desk.http.calls["POST /locations/{locationId}/customFields"] == len(OwnField)


SCORES = CrmChange.model_validate(
    {
        "location_id": OWNER,
        "change_id": "fields:c1",
        "lead_id": "c1",
        "kind": ChangeKind.FIELDS,
        "content": FIELDS,
        "due_at": NOON,
        "created_at": NOON,
    }
)


class OneDeleted:
    """An account whose score field was deleted and made again under another id, which ``objects`` to the old one or not."""

    def __init__(self, *, objects: bool) -> None:
        self.objects = objects
        self.score = "score-1"

    def __call__(self, seen: Seen) -> Reply:
        if seen.method == "GET":
            shown = [
                {"id": self.score if name is OwnField.SCORE else name[-5:], "name": name} for name in OwnField
            ]
            return Reply(200, {"customFields": shown})
        ids = {entry["id"] for entry in seen.json["customFields"]}
        taken = [{"id": key, "value": "x"} for key in ids if key != "score-1" or self.score == "score-1"]
        if self.objects and len(taken) < len(ids):
            return Reply(400, {"message": "Custom field not found"})
        return Reply(200, {"succeeded": True, "contact": {"id": "c1", "customFields": taken}})


@pytest.mark.parametrize("objects", [True, False])
async def test_a_write_to_a_deleted_field_is_noticed_at_once_where_the_answer_shows_it(objects: bool) -> None:
    account = OneDeleted(objects=objects)
    async with crm_before(otherwise=account) as crm:
        writer = GoHighLevelWriter(client=crm.client, memory=FakeMemory(), clock=crm.clock)
        await writer.apply(SCORES)
        account.score = "score-2"
        await writer.apply(SCORES)
        puts = [seen.json["customFields"] for seen in crm.server.seen if seen.method == "PUT"]
        assert ["score-2" in {entry["id"] for entry in put} for put in puts] == [False, False, True]


async def test_a_refusal_that_is_not_about_fields_is_passed_on() -> None:
    def account(seen: Seen) -> Reply:
        if seen.method == "GET":
            return Reply(200, {"customFields": [{"id": name[-5:], "name": name} for name in OwnField]})
        return Reply(422, {"message": "no"})

    async with crm_before(otherwise=account) as crm:
        writer = GoHighLevelWriter(client=crm.client, memory=FakeMemory(), clock=crm.clock)
        with pytest.raises(CrmRefused, match="no"):
            await writer.apply(SCORES)


async def test_the_accounts_own_fields_and_tags_stay_as_they_are(desk: Desk) -> None:
    own = {"id": "ownField000000000001", "name": "Lead Score", "fieldKey": "contact.lead_score"}
    desk.fake.home.custom_fields["ownField000000000001"] = {
        **own,
        "dataType": "NUMERICAL",
        "model": "contact",
    }
    lead = desk.lead(tags=["buyer"], customFields=[{"id": "ownField000000000001", "value": 5}])
    await desk.writer.apply(desk.change(ChangeKind.FIELDS, lead, FIELDS))
    contact = desk.contact(lead)
    assert {"id": "ownField000000000001", "value": 5} in contact["customFields"]  # type: ignore[operator]
    assert contact["tags"] == ["buyer"]
    assert desk.fake.home.custom_fields["ownField000000000001"]["name"] == "Lead Score"


async def test_a_field_of_our_name_that_holds_something_else_is_not_taken_over(desk: Desk) -> None:
    desk.fake.home.custom_fields["ownField000000000001"] = {
        "id": "ownField000000000001",
        "name": "EnterpriseHub Score",
        "fieldKey": "contact.enterprisehub_score",
        "dataType": "TEXT",
        "model": "contact",
    }
    with pytest.raises(
        CrmRefused, match="'EnterpriseHub Score': is of type TEXT, NUMERICAL is needed; rename"
    ):
        await desk.writer.apply(desk.change(ChangeKind.FIELDS, desk.lead(), FIELDS))
    assert "PUT /contacts/{contactId}" not in desk.http.calls


async def test_a_field_that_cannot_be_ours_is_remembered_for_the_whole_location_until_the_next_check(
    desk: Desk,
) -> None:
    foreign = {"id": "ownField000000000001", "name": "EnterpriseHub Score", "dataType": "TEXT"}
    desk.fake.home.custom_fields["ownField000000000001"] = {**foreign, "model": "contact"}
    listing = "GET /locations/{locationId}/customFields"
    for _ in range(20):
        with pytest.raises(CrmRefused, match="is of type TEXT"):
            await desk.writer.apply(desk.change(ChangeKind.FIELDS, desk.lead(), FIELDS))
    assert desk.http.calls == {listing: 1}, "nothing is made beside it, and nobody asks again at once"

    del desk.fake.home.custom_fields["ownField000000000001"]
    desk.clock.set_forward(3600)
    lead = desk.lead()
    await desk.writer.apply(desk.change(ChangeKind.FIELDS, lead, FIELDS))
    assert desk.fields_of(lead) == FIELDS


async def test_a_field_name_that_another_release_stored_is_passed_over(desk: Desk) -> None:
    lead = desk.lead()
    await desk.writer.apply(desk.change(ChangeKind.FIELDS, lead, {**FIELDS, "EnterpriseHub Mood": "good"}))
    assert desk.fields_of(lead) == FIELDS


async def test_a_contact_that_is_gone_is_named_as_such(desk: Desk) -> None:
    lead = desk.lead()
    desk.fake.home.remove_contact(lead)
    for kind, content in (
        (ChangeKind.FIELDS, FIELDS),
        (ChangeKind.TAGS, {"tags": ["eh:hot"]}),
        (ChangeKind.NOTE, {"body": "x"}),
    ):
        with pytest.raises(NotFound):
            await desk.writer.apply(desk.change(kind, lead, content))


# --- tags -----------------------------------------------------------------------------------------------------------


async def test_only_our_own_tags_come_and_go(either: Desk) -> None:
    lead = either.lead(tags=["buyer", "eh:waiting", "eh:of-an-older-release"])
    await either.writer.apply(either.change(ChangeKind.TAGS, lead, {"tags": ["eh:hot", "eh:waiting"]}))
    assert sorted(either.tags_of(lead)) == ["buyer", "eh:hot", "eh:waiting"]
    await either.writer.apply(either.change(ChangeKind.TAGS, lead, {"tags": []}))
    assert either.tags_of(lead) == ["buyer"]
    assert "PUT /contacts/{contactId}" not in either.http.calls


async def test_tags_that_are_as_wanted_are_left_alone(desk: Desk) -> None:
    lead = desk.lead(tags=["eh:hot"])
    await desk.writer.apply(desk.change(ChangeKind.TAGS, lead, {"tags": ["eh:hot"]}))
    assert desk.http.calls == {"GET /contacts/{contactId}": 1}


# --- tasks and notes ------------------------------------------------------------------------------------------------


async def test_a_task_arrives_whole_open_and_with_its_agent(either: Desk) -> None:
    lead = either.lead()
    content = {
        "title": "Reply (simulated)",
        "body": body_of("task", either),
        "due_at": "2026-11-23T13:00:00+00:00",
        "assigned_to": "agent00000000000001",
        "action_id": "a",
        "action": "reply",
    }
    task_id = await either.writer.apply(either.change(ChangeKind.TASK, lead, content))
    assert task_id is not None
    task = either.fake.home.tasks[task_id]
    assert (task["title"], task["assignedTo"], task["completed"]) == (
        "Reply (simulated)",
        "agent00000000000001",
        False,
    )
    assert str(task["dueDate"]).startswith("2026-11-23T13:00:00")
    assert str(task["body"]).startswith("- waiting 42 min")


@pytest.mark.parametrize("kind", [ChangeKind.TASK, ChangeKind.NOTE])
async def test_what_a_lost_answer_made_is_found_by_its_mark(either: Desk, kind: ChangeKind) -> None:
    lead = either.lead()
    content = {"title": "Reply", "body": body_of(kind, either), "due_at": "2026-11-23T13:00:00Z"}
    change = either.change(kind, lead, content)
    assert await either.writer.find(change) is None
    either.fake.faults.lose_next = 1
    with pytest.raises(OutcomeUnknown):
        await either.writer.apply(change)
    made = either.fake.home.tasks if kind is ChangeKind.TASK else either.fake.home.notes
    assert [await either.writer.find(change)] == list(made)
    another = change.model_copy(update={"change_id": f"{kind}:2"})
    assert await either.writer.find(another) is None


async def test_states_are_never_looked_for(desk: Desk) -> None:
    assert await desk.writer.find(desk.change(ChangeKind.FIELDS, desk.lead(), FIELDS)) is None
    assert desk.http.calls == {}


# --- messages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        {"channel": "sms", "text": "Is Friday at five good?"},
        {"channel": "email", "text": "Is Friday <5> good?\nYours & co", "subject": "Friday"},
        {"channel": "whatsapp", "text": "Is Friday at five good?"},
    ],
)
@pytest.mark.parametrize("fault", ["lose_next", "fail_after_next"])
async def test_a_message_with_an_unknown_end_is_found_in_the_conversation(
    desk: Desk, content: dict[str, Any], fault: str
) -> None:
    lead = desk.lead(email="ada@example.com")
    change = desk.change(ChangeKind.MESSAGE, lead, content)
    assert await desk.writer.find(change) is None
    setattr(desk.fake.faults, fault, 1)
    with pytest.raises(OutcomeUnknown):
        await desk.writer.apply(change)
    found = await desk.writer.find(change)
    assert found is not None
    assert desk.fake.home.messages.get(found) is not None
    assert len(desk.fake.home.messages) == 1


async def test_the_same_words_said_before_the_intent_are_another_message(desk: Desk) -> None:
    lead = desk.lead()
    content: dict[str, Any] = {"channel": "sms", "text": "Good morning!"}
    sent = await desk.writer.apply(desk.change(ChangeKind.MESSAGE, lead, content))
    later = desk.fake.vendor.clock.now() + timedelta(hours=1)
    assert await desk.writer.find(desk.change(ChangeKind.MESSAGE, lead, content, created_at=later)) is None
    assert await desk.writer.find(desk.change(ChangeKind.MESSAGE, lead, content)) == sent


async def test_a_status_that_comes_too_early_is_not_yet_taken(desk: Desk) -> None:
    desk.fake.habits.status_lag_s = 60.0
    lead = desk.lead()
    sent = await desk.writer.apply(desk.change(ChangeKind.MESSAGE, lead, {"channel": "sms", "text": "Hello"}))
    report = desk.change(ChangeKind.MESSAGE, lead, {"message_id": sent, "status": "delivered"})
    with pytest.raises(NotYet, match="takes seconds"):
        await desk.writer.apply(report)
    assert await desk.writer.find(report) is None, "twice is once: nothing to look for"


async def test_a_status_is_reported(desk: Desk) -> None:
    lead = desk.lead()
    sent = await desk.writer.apply(desk.change(ChangeKind.MESSAGE, lead, {"channel": "sms", "text": "Hello"}))
    report = desk.change(ChangeKind.MESSAGE, lead, {"message_id": sent, "status": "read"})
    assert await desk.writer.apply(report) == sent
    message = desk.fake.home.messages.get(str(sent))
    assert message is not None
    assert message.shown["status"] == "read"


@pytest.mark.parametrize(("read_works", "error"), [(True, Unreachable), (False, NotFound)])
async def test_a_500_on_a_status_is_explained_by_one_reading(
    desk: Desk, read_works: bool, error: type[EnterpriseHubError]
) -> None:
    lead = desk.lead()
    sent = await desk.writer.apply(desk.change(ChangeKind.MESSAGE, lead, {"channel": "sms", "text": "Hello"}))
    message_id = sent if read_works else "aMessageThatIsNotHere"[:20]
    desk.fake.faults.only_path, desk.fake.faults.fail_after_next = "/status", 9
    with pytest.raises(error):
        await desk.writer.apply(
            desk.change(ChangeKind.MESSAGE, lead, {"message_id": message_id, "status": "read"})
        )
    assert desk.http.calls["GET /conversations/messages/{id}"] == 1


# --- contents that cannot be sent -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        (ChangeKind.NOTE, {}, "body: a note needs a text"),
        (ChangeKind.TAGS, {}, "tags: must be a list"),
        (ChangeKind.TASK, {"title": "x", "body": "y"}, "due_at: a task needs one"),
        (ChangeKind.MESSAGE, {"channel": "call", "text": "x"}, "channel: cannot send by call"),
    ],
)
async def test_a_content_that_cannot_be_sent_is_named(
    desk: Desk, kind: ChangeKind, content: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        await desk.writer.apply(desk.change(kind, desk.lead(), content))
