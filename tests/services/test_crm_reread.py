"""Reading a lead again after a hint: by API, until it worked, across restarts, and never on the hint's own word."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from ghl_real_estate_ai.budgets import REREAD_DELAYS_S, REREAD_LOOK_S
from ghl_real_estate_ai.errors import Unreachable
from ghl_real_estate_ai.models.connections import ConnectionStatus
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.synchronization import RereadRequest
from ghl_real_estate_ai.services.crm_reread import CrmReread
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from tests.support.clock import FakeClock, settle
from tests.support.facts import LEAD, LOCATION, NOON, message
from tests.support.fake_memory import FakeMemory
from tests.support.scripted_crm import ScriptedCrm, connected

pytestmark = pytest.mark.asyncio


def reread_of(memory: FakeMemory, crm: ScriptedCrm, clock: FakeClock) -> CrmReread:
    inbox = EventInbox(memory=memory, bus=EventBus(memory=memory, clock=clock), clock=clock)
    return CrmReread(memory=memory, reader=crm, inbox=inbox, clock=clock, sleep=clock.sleep)


async def hint(memory: FakeMemory, clock: FakeClock, lead: LeadId = LEAD) -> None:
    request = RereadRequest(location_id=LOCATION, lead_id=lead, requested_at=clock.now(), due_at=clock.now())
    await memory.write(lambda uow: uow.sync.request_reread(request))


async def waiting(memory: FakeMemory) -> int:
    return await memory.read(lambda uow: uow.sync.waiting_rereads(LOCATION))


async def head(memory: FakeMemory) -> int:
    return await memory.read(lambda uow: uow.events.head(LOCATION))


async def test_what_the_api_says_of_a_hinted_lead_is_stored_and_the_request_is_done() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(leads={LEAD: [message("a"), message("b")]}), FakeClock()
    await connected(memory)
    await hint(memory, clock)
    assert await reread_of(memory, crm, clock).serve_due() == 1
    assert (await head(memory), await waiting(memory)) == (2, 0)


async def test_a_lead_that_the_api_does_not_know_is_dropped() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(), FakeClock()
    await connected(memory)
    await hint(memory, clock)
    await reread_of(memory, crm, clock).serve_due()
    assert (crm.reread, await head(memory), await waiting(memory)) == ([LEAD], 0, 0)


async def test_a_lead_that_cannot_be_read_now_is_tried_later_and_later_also_after_a_restart() -> None:
    memory, clock = FakeMemory(), FakeClock()
    crm = ScriptedCrm(leads={LEAD: [message("a")]}, errors={LEAD: Unreachable("no answer")})
    await connected(memory)
    await hint(memory, clock)
    for attempt in range(1, 8):
        await reread_of(memory, crm, clock).serve_due()
        (request,) = await memory.read(
            lambda uow: uow.sync.due_rereads(now=NOON + timedelta(days=9), limit=9)
        )
        expected_s = REREAD_DELAYS_S[min(attempt, len(REREAD_DELAYS_S) - 1)]
        assert (request.attempts, (request.due_at - clock.now()).total_seconds()) == (attempt, expected_s)
        clock.set_forward(expected_s)
    crm.errors.clear()
    await reread_of(memory, crm, clock).serve_due()
    assert (await head(memory), await waiting(memory)) == (1, 0)


async def test_a_hint_that_comes_while_its_lead_is_read_is_served_again() -> None:
    memory, clock = FakeMemory(), FakeClock()

    class TellingCrm(ScriptedCrm):
        async def lead(self, *args: object, **kwargs: object) -> list[object]:
            clock.set_forward(1)
            await hint(memory, clock)
            return [message("a")]

    await connected(memory)
    await hint(memory, clock)
    await reread_of(memory, TellingCrm(), clock).serve_due()
    assert (await head(memory), await waiting(memory)) == (1, 1)


@pytest.mark.parametrize("status", [ConnectionStatus.UNINSTALLED, ConnectionStatus.NEEDS_RECONNECT])
async def test_a_hint_of_an_account_that_is_not_connected_waits_and_no_call_is_made(
    status: ConnectionStatus,
) -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(leads={LEAD: [message("a")]}), FakeClock()
    await connected(memory, status=status)
    await hint(memory, clock)
    await reread_of(memory, crm, clock).serve_due()
    assert (crm.reread, await waiting(memory)) == ([], 1)
    await connected(memory)
    clock.set_forward(REREAD_DELAYS_S[-1])
    await reread_of(memory, crm, clock).serve_due()
    assert (await head(memory), await waiting(memory)) == (1, 0)


async def test_the_worker_serves_hints_as_they_come_and_outlives_the_database() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(leads={LEAD: [message("a")]}), FakeClock()
    await connected(memory)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(reread_of(memory, crm, clock).run())
        await hint(memory, clock)
        memory.fail_writes = 1
        await settle()
        assert await head(memory) == 0
        await clock.advance(REREAD_LOOK_S)
        assert (await head(memory), await waiting(memory)) == (1, 0)
        running.cancel()
