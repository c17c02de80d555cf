"""One idempotency key per intended send: whatever the network does, the account holds each task, note and message once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from ghl_real_estate_ai.crm_ports import CrmWriter
from ghl_real_estate_ai.limits import CRM_CHANGE_CLAIM_S
from ghl_real_estate_ai.models.connections import (
    Connection,
    ConnectionKind,
    LocationSetup,
    OwnerKind,
    WriteBackPart,
)
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.models.write_back import marker
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.crm_outbox import CrmOutbox
from ghl_real_estate_ai.storage.database import Database
from tests.support.clock import FakeClock
from tests.support.crm_writer import Desk, writing_to
from tests.support.fake_ghl import fake_ghl
from tests.support.looks import action, look

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]
ONCE = (ChangeKind.TASK, ChangeKind.NOTE, ChangeKind.MESSAGE)


class Killed(BaseException):
    """The process died right after the call: nothing in it runs on."""


class DyingWriter:
    """Makes the change, and dies before anybody hears of it."""

    def __init__(self, writer: CrmWriter) -> None:
        self._writer = writer

    async def apply(self, change: CrmChange) -> str | None:
        await self._writer.apply(change)
        raise Killed

    async def find(self, change: CrmChange) -> str | None:
        return await self._writer.find(change)


@dataclass
class Office:
    """An outbox before the fake account, on a real database, with a clock that is set."""

    desk: Desk
    memory: Memory
    clock: FakeClock
    lead_id: LeadId

    def outbox(self, writer: CrmWriter | None = None) -> CrmOutbox:
        return CrmOutbox(
            memory=self.memory,
            writer=writer or self.desk.writer,
            clock=self.clock,
            sleep=self.clock.sleep,
            luck=lambda: 1.0,
        )

    async def want(self, kind: ChangeKind) -> None:
        mark = marker(self.desk.location_id, f"{kind}:1")
        contents: dict[ChangeKind, dict[str, Any]] = {
            ChangeKind.TASK: {
                "title": "Reply",
                "body": f"waiting {mark}",
                "due_at": self.clock.now().isoformat(),
                "action_id": "answer",
            },
            ChangeKind.NOTE: {"body": f"risk rose {mark}"},
            ChangeKind.MESSAGE: {"channel": "sms", "text": "Is Friday at five good?"},
        }
        wanted = self.desk.change(kind, self.lead_id, contents[kind], created_at=self.clock.now())
        await self.memory.write(lambda uow: uow.changes.want(wanted))

    async def settled(self) -> CrmChange:
        (change,) = await self.memory.read(
            lambda uow: uow.changes.of_lead(self.desk.location_id, self.lead_id)
        )
        return change

    def made(self, kind: ChangeKind) -> list[str]:
        """Ids of what the account holds."""
        home = self.desk.fake.home
        if kind is ChangeKind.MESSAGE:
            (talk,) = home.conversations or ("",)
            return [message.id for message in home.messages.of_conversation(talk)]
        return list(home.tasks if kind is ChangeKind.TASK else home.notes)


@asynccontextmanager
async def office(memory: Database) -> AsyncIterator[Office]:
    clock = FakeClock()
    async with fake_ghl(now=clock.now) as fake, writing_to(fake, memory=memory) as desk:
        lead_id = desk.lead()
        connection = Connection(
            owner_id=desk.location_id,
            owner_kind=OwnerKind.LOCATION,
            kind=ConnectionKind.PRIVATE_TOKEN,
            obtained_at=clock.now(),
            simulated=True,
        )
        setup = LocationSetup(location_id=desk.location_id, write_back=frozenset(WriteBackPart))
        lead = Lead(location_id=desk.location_id, lead_id=lead_id, simulated=True)
        shown = look(next_action=action("answer"), simulated=True)
        await memory.write(lambda uow: uow.connections.put(connection))
        await memory.write(lambda uow: uow.connections.put_setup(setup))
        await memory.write(lambda uow: uow.leads.put(lead, shown))
        yield Office(desk, memory, clock, lead_id)


@pytest.mark.parametrize("kind", ONCE)
@pytest.mark.parametrize("fault", ["lose_next", "fail_after_next", "fail_next", "refuse_next"])
async def test_the_account_holds_it_once_whatever_became_of_the_answer(
    sqlite_memory: Database, kind: ChangeKind, fault: str
) -> None:
    async with office(sqlite_memory) as here:
        here.desk.fake.faults.only_method = "POST"
        setattr(here.desk.fake.faults, fault, 1)
        await here.want(kind)
        outbox = here.outbox()
        for _ in range(3):
            await outbox.step()
            here.clock.set_forward(60)
        done = await here.settled()
        assert done.status is ChangeStatus.DONE
        assert here.made(kind) == [done.remote_id]


@pytest.mark.parametrize("kind", ONCE)
async def test_a_process_that_dies_right_after_the_call_doubles_nothing(
    sqlite_memory: Database, kind: ChangeKind
) -> None:
    async with office(sqlite_memory) as here:
        await here.want(kind)
        with pytest.raises(BaseExceptionGroup):
            await here.outbox(DyingWriter(here.desk.writer)).step()
        assert len(here.made(kind)) == 1

        restarted = here.outbox()
        assert await restarted.step() == 0
        here.clock.set_forward(CRM_CHANGE_CLAIM_S)
        assert await restarted.step() == 1
        done = await here.settled()
        assert done.status is ChangeStatus.DONE
        assert here.made(kind) == [done.remote_id]
