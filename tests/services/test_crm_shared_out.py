"""The CRM's loops look after the locations that are this process's, and after others once they are."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from ghl_real_estate_ai.limits import POLL_INTERVAL_S, POLL_LOOK_S, REREAD_AGAIN_S, REREAD_LOOK_S
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.synchronization import ChangeKind, RereadRequest
from ghl_real_estate_ai.services.crm_outbox import CrmOutbox
from ghl_real_estate_ai.services.crm_reread import CrmReread
from ghl_real_estate_ai.services.crm_sync import CrmSync
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from tests.support.clock import FakeClock, settle
from tests.support.facts import LEAD, LOCATION, message
from tests.support.fake_memory import FakeMemory
from tests.support.outbox_house import connected as house_connected
from tests.support.scripted_crm import ScriptedCrm, connected

pytestmark = pytest.mark.asyncio


class Share:
    """Which locations are this process's."""

    def __init__(self) -> None:
        self.held: set[LocationId] = set()

    def mine(self, location_id: LocationId) -> bool:
        return location_id in self.held


def inbox_of(memory: FakeMemory, clock: FakeClock) -> EventInbox:
    return EventInbox(memory=memory, bus=EventBus(memory=memory, clock=clock), clock=clock)


async def test_a_location_is_polled_by_who_holds_it_and_no_longer() -> None:
    memory, crm, clock, share = FakeMemory(), ScriptedCrm(), FakeClock(), Share()
    await connected(memory)
    sync = CrmSync(
        memory=memory,
        reader=crm,
        inbox=inbox_of(memory, clock),
        clock=clock,
        sleep=clock.sleep,
        mine=share.mine,
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sync.run())
        await clock.advance(2 * POLL_LOOK_S)
        assert crm.calls == []
        share.held.add(LOCATION)
        await clock.advance(POLL_LOOK_S + 1)
        made = len(crm.calls)
        assert made
        share.held.clear()
        await clock.advance(3 * POLL_INTERVAL_S)
        assert len(crm.calls) == made
        share.held.add(LOCATION)
        await clock.advance(POLL_LOOK_S + 1)
        assert len(crm.calls) > made
        running.cancel()
    await settle()


async def test_a_lead_is_read_again_by_who_holds_its_location() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(leads={LEAD: [message("a")]}), FakeClock()
    share = Share()
    await connected(memory)
    reread = CrmReread(
        memory=memory,
        reader=crm,
        inbox=inbox_of(memory, clock),
        clock=clock,
        sleep=clock.sleep,
        mine=share.mine,
    )
    at = clock.now() - timedelta(seconds=REREAD_AGAIN_S)
    request = RereadRequest(location_id=LOCATION, lead_id=LEAD, requested_at=at, due_at=clock.now())
    await memory.write(lambda uow: uow.sync.request_reread(request))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(reread.run())
        await clock.advance(2 * REREAD_LOOK_S)
        assert crm.reread == []
        share.held.add(LOCATION)
        await clock.advance(2 * REREAD_LOOK_S)
        assert crm.reread == [LEAD]
        running.cancel()


async def test_a_change_is_sent_by_who_holds_its_location() -> None:
    house, share = await house_connected(), Share()
    await house.want(ChangeKind.NOTE, "n")
    outbox = CrmOutbox(memory=house.memory, writer=house.writer, clock=house.clock, mine=share.mine)
    assert await outbox.step() == 0
    share.held.add(LOCATION)
    assert await outbox.step() == 1
    assert house.writer.made == ["n"]
