"""What comes back of our own writing is no news; what a person did is, even in the same delivery."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.ml.lead_state import apply
from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.models.write_back import marker
from ghl_real_estate_ai.services.loop_guard import is_own_echo
from ghl_real_estate_ai.services.page_knowledge import PageKnowledge
from tests.support.facts import LEAD, LOCATION, NOON, contact
from tests.support.fake_memory import FakeMemory
from tests.support.lead_events import recorded

pytestmark = pytest.mark.asyncio
MINUTE = timedelta(minutes=1)
BODY = f"- waiting 42 min\n\nWritten by EnterpriseHub (real lead). {marker(LOCATION, 'n')}"
SHOWN = " ".join(BODY.split())


class House:
    def __init__(self) -> None:
        self.memory = FakeMemory()

    async def know(self, **fields: object) -> None:
        """A lead in the CRM and here, with these contact fields."""
        stored = await self.memory.write(lambda uow: uow.events.append(contact("c", fields=fields)))
        assert stored is not None
        await self.memory.write(lambda uow: uow.leads.put(apply(None, stored), None))

    async def wrote(self, kind: ChangeKind, content: dict[str, object], **fields: object) -> None:
        change = CrmChange.model_validate(
            {
                "location_id": LOCATION,
                "change_id": "n",
                "lead_id": LEAD,
                "kind": kind,
                "content": content,
                "status": ChangeStatus.DONE,
                "attempts": 1,
                "due_at": NOON,
                "created_at": NOON,
                "settled_at": NOON,
                **fields,
            }
        )
        await self.memory.write(lambda uow: uow.changes.want(change))

    async def is_echo(self, kind: str, *, at: datetime = NOON + MINUTE, **fields: Any) -> bool:
        event = recorded(kind, 9, at, location_id=LOCATION, lead_id=LEAD, **fields).event
        delivery = Delivery(delivery_id="d", event=event, received_at=at)
        return await self.memory.read(lambda uow: is_own_echo(delivery, PageKnowledge(uow, [delivery])))

    async def contact_comes_back(self, *, at: datetime = NOON + MINUTE, **fields: object) -> bool:
        return await self.is_echo("LeadUpserted", at=at, created=False, contact=fields)


# --- fields and tags -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ChangeKind.FIELDS, ChangeKind.TAGS])
async def test_a_contact_that_says_nothing_new_soon_after_our_change_is_its_echo(kind: ChangeKind) -> None:
    house = House()
    await house.know(name="Ada", tags=["buyer"])
    await house.wrote(kind, {})
    assert await house.contact_comes_back(name="Ada", tags=["buyer"])


async def test_what_a_person_changed_in_the_same_delivery_passes() -> None:
    house = House()
    await house.know(name="Ada", tags=["buyer"])
    await house.wrote(ChangeKind.FIELDS, {})
    assert not await house.contact_comes_back(name="Ada", tags=["buyer", "vip"])
    assert not await house.contact_comes_back(name="Ada", email="ada@example.com")


async def test_a_contact_that_says_nothing_new_is_no_echo_without_a_change_of_ours() -> None:
    house = House()
    await house.know(name="Ada")
    assert not await house.contact_comes_back(name="Ada")
    await house.wrote(ChangeKind.NOTE, {"body": BODY})
    assert not await house.contact_comes_back(name="Ada")


async def test_the_window_of_an_echo_ends() -> None:
    house = House()
    await house.know(name="Ada")
    await house.wrote(ChangeKind.FIELDS, {})
    assert await house.contact_comes_back(name="Ada", at=NOON + 10 * MINUTE)
    assert not await house.contact_comes_back(name="Ada", at=NOON + 11 * MINUTE)


async def test_an_echo_may_be_quicker_than_the_answer() -> None:
    house = House()
    await house.know(name="Ada")
    await house.wrote(ChangeKind.FIELDS, {}, status=ChangeStatus.PENDING, settled_at=None)
    assert await house.contact_comes_back(name="Ada")


async def test_a_lead_that_is_behind_its_log_is_not_compared_with() -> None:
    house = House()
    await house.know(name="Ada")
    await house.wrote(ChangeKind.FIELDS, {})
    waiting = contact("waiting", at=NOON + MINUTE, fields={"name": "Grace"})
    await house.memory.write(lambda uow: uow.events.append(waiting))
    assert not await house.contact_comes_back(name="Ada", at=NOON + 2 * MINUTE), "a person changed it back"


async def test_an_unknown_lead_and_a_new_one_pass() -> None:
    house = House()
    await house.wrote(ChangeKind.FIELDS, {})
    assert not await house.contact_comes_back(name="Ada")
    await house.know(name="Ada")
    assert not await house.is_echo("LeadUpserted", created=True, contact={"name": "Ada"})


# --- notes, tasks, messages ------------------------------------------------------------------------------------------


async def test_our_note_is_known_by_its_id_and_words() -> None:
    house = House()
    await house.wrote(ChangeKind.NOTE, {"body": BODY}, remote_id="note-1")
    assert await house.is_echo("NoteAdded", note_id="note-1", text=SHOWN)
    assert await house.is_echo("NoteAdded", note_id="note-1")
    assert not await house.is_echo("NoteAdded", note_id="note-2", text=SHOWN), "somebody copied it"
    assert not await house.is_echo("NoteAdded", note_id="note-1", text=f"{SHOWN} I called."), "edited"


async def test_our_note_is_known_before_the_crm_has_told_its_id() -> None:
    house = House()
    await house.wrote(
        ChangeKind.NOTE, {"body": BODY}, status=ChangeStatus.PENDING, settled_at=None, remote_id=None
    )
    assert await house.is_echo("NoteAdded", note_id="note-1", text=SHOWN)
    assert not await house.is_echo("NoteAdded", note_id="note-1", text="I called.")
    assert not await house.is_echo("NoteAdded", note_id="note-1")


async def test_a_note_that_was_never_sent_has_no_echo() -> None:
    house = House()
    await house.wrote(
        ChangeKind.NOTE, {"body": BODY}, status=ChangeStatus.PENDING, settled_at=None, attempts=0
    )
    assert not await house.is_echo("NoteAdded", note_id="note-1", text=SHOWN)


async def test_our_task_is_an_echo_when_it_is_created_and_news_when_somebody_does_it() -> None:
    house = House()
    await house.wrote(ChangeKind.TASK, {"body": BODY}, remote_id="task-1")
    assert await house.is_echo("TaskChanged", task_id="task-1", text=SHOWN)
    assert not await house.is_echo("TaskChanged", task_id="task-1", text=SHOWN, completed=True)
    assert not await house.is_echo("TaskChanged", task_id="task-1", text=SHOWN, deleted=True)


async def test_our_message_is_known_though_the_crm_put_words_under_it() -> None:
    house = House()
    content: dict[str, object] = {"channel": "sms", "text": "Is Friday at five good?"}
    await house.wrote(ChangeKind.MESSAGE, content, remote_id=None, status=ChangeStatus.PENDING)
    said = "Is Friday at five good?\nReply STOP to unsubscribe"
    assert await house.is_echo("MessageSent", channel="sms", text=said, message_id="m-1")
    assert not await house.is_echo("MessageSent", channel="sms", text=said, human=True, message_id="m-1")
    assert not await house.is_echo("MessageSent", channel="sms", text="Hello", message_id="m-1")
    assert not await house.is_echo("MessageReceived", channel="sms", text=said, message_id="m-1")


async def test_other_facts_are_no_echo() -> None:
    house = House()
    assert not await house.is_echo("VendorEventKept", vendor_type="X", body={})
