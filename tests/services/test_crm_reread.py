"""Reading a lead again after a hint: by API, until it worked, across restarts, and never on the hint's own word."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import structlog.testing

from ghl_real_estate_ai.errors import (
    CrmRefused,
    EnterpriseHubError,
    InputError,
    NeedsReconnect,
    ScopeMissing,
    TooManyRequests,
    Unreachable,
)
from ghl_real_estate_ai.limits import (
    REREAD_AGAIN_S,
    REREAD_DELAYS_S,
    REREAD_LOOK_S,
    REREAD_REFUSALS,
    REREADS_AT_ONCE,
)
from ghl_real_estate_ai.models.connections import ConnectionStatus, LocationSetup
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.synchronization import RereadRequest
from ghl_real_estate_ai.services.crm_reread import CrmReread
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from tests.support.clock import FakeClock, settle
from tests.support.facts import LEAD, LOCATION, NOON, message
from tests.support.fake_memory import FakeMemory
from tests.support.scripted_crm import ScriptedCrm, connected

pytestmark = pytest.mark.asyncio

OTHER = LocationId("loc-2")


def reread_of(memory: FakeMemory, crm: ScriptedCrm, clock: FakeClock) -> CrmReread:
    inbox = EventInbox(memory=memory, bus=EventBus(memory=memory, clock=clock), clock=clock)
    return CrmReread(memory=memory, reader=crm, inbox=inbox, clock=clock, sleep=clock.sleep)


async def hint(
    memory: FakeMemory,
    clock: FakeClock,
    lead: LeadId = LEAD,
    *,
    location: LocationId = LOCATION,
    ago_s: float = REREAD_AGAIN_S,
) -> None:
    """A request that is due; the thing itself happened some time ago."""
    at = clock.now() - timedelta(seconds=ago_s)
    request = RereadRequest(location_id=location, lead_id=lead, requested_at=at, due_at=clock.now())
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


async def test_what_was_read_at_once_is_read_once_more_when_the_indexes_have_caught_up() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(leads={LEAD: [message("a")]}), FakeClock()
    await connected(memory)
    await hint(memory, clock, ago_s=REREAD_DELAYS_S[0])
    await reread_of(memory, crm, clock).serve_due()
    assert (await head(memory), await waiting(memory)) == (1, 1)
    crm.leads[LEAD] = [message("a"), message("b")]  # such as the stage that a search shows some seconds late
    clock.set_forward(REREAD_AGAIN_S - REREAD_DELAYS_S[0])
    await reread_of(memory, crm, clock).serve_due()
    assert (await head(memory), await waiting(memory), crm.reread) == (2, 0, [LEAD] * 2)


@pytest.mark.parametrize(
    "error", [CrmRefused("no contact", status=400), InputError("contactId: not an id")], ids=lambda e: e.code
)
async def test_a_lead_whose_reading_is_refused_is_given_up_after_some_attempts(
    error: EnterpriseHubError,
) -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(errors={LEAD: error}), FakeClock()
    await connected(memory)
    await hint(memory, clock)
    for _ in range(10):
        await reread_of(memory, crm, clock).serve_due()
        clock.set_forward(REREAD_DELAYS_S[-1])
    assert (len(crm.reread), await waiting(memory)) == (REREAD_REFUSALS, 0)


async def test_an_oddity_of_one_lead_stops_no_other_and_is_tried_again() -> None:
    class StumblingCrm(ScriptedCrm):
        async def lead(self, setup: object, lead_id: LeadId, **kwargs: object) -> list[object]:
            if lead_id == LEAD:
                raise KeyError("what nobody expected")
            return [message("b", lead=lead_id)]

    memory, clock = FakeMemory(), FakeClock()
    await connected(memory)
    for lead in (LEAD, LeadId("lead-2")):
        await hint(memory, clock, lead)
    with structlog.testing.capture_logs() as lines:
        await reread_of(memory, StumblingCrm(), clock).serve_due()
    assert (await head(memory), await waiting(memory)) == (1, 1)
    (line,) = [line for line in lines if line["event"] == "lead.broken"]
    assert (line["error"], "what nobody expected" in str({**line, "place": ""})) == ("KeyError", False)


async def test_a_location_that_hangs_delays_no_other() -> None:
    clock = FakeClock()

    class HangingCrm(ScriptedCrm):
        async def lead(self, setup: LocationSetup, lead_id: LeadId, **kwargs: object) -> list[object]:
            if setup.location_id == LOCATION:
                await clock.sleep(3_600)
            return [message(lead_id, location=setup.location_id, lead=lead_id)]

    memory = FakeMemory()
    for place in (LOCATION, OTHER):
        await connected(memory, place)
        for number in range(3 * REREADS_AT_ONCE):
            await hint(memory, clock, LeadId(f"lead-{number}"), location=place)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(reread_of(memory, HangingCrm(), clock).run())
        await clock.advance(3 * REREAD_LOOK_S)
        assert await memory.read(lambda uow: uow.sync.waiting_rereads(OTHER)) == 0
        running.cancel()


@pytest.mark.parametrize(
    "error",
    [NeedsReconnect("connect"), ScopeMissing("no scope"), TooManyRequests("wait", retry_after_s=1)],
    ids=lambda error: error.code,
)
async def test_trouble_that_all_leads_of_a_location_share_is_met_by_a_few_of_them(
    error: EnterpriseHubError,
) -> None:
    memory, clock = FakeMemory(), FakeClock()
    leads = [LeadId(f"lead-{number:03}") for number in range(500)]
    crm = ScriptedCrm(errors=dict.fromkeys(leads, error))
    await connected(memory)
    for lead in leads:
        await hint(memory, clock, lead)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(reread_of(memory, crm, clock).run())
        await clock.advance(3_600)
        running.cancel()
    assert len(crm.reread) <= len(REREAD_DELAYS_S) * REREADS_AT_ONCE
    assert await waiting(memory) == 500


async def test_a_forgotten_lead_is_not_asked_about_again() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(leads={LEAD: [message("a")]}), FakeClock()
    await connected(memory)
    await memory.forget(LOCATION, LEAD)
    await hint(memory, clock, ago_s=0)
    assert await reread_of(memory, crm, clock).serve_due() == 1
    assert (crm.reread, await head(memory), await waiting(memory)) == ([], 0, 0)
