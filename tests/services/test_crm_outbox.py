"""The outbox sends each change once, whatever goes wrong in between, and nothing that is forbidden by then."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from ghl_real_estate_ai.errors import (
    AnswerLost,
    ConfigurationError,
    CrmRefused,
    CrmUnreadable,
    EnterpriseHubError,
    LocationInactive,
    NeedsReconnect,
    NotFound,
    NotSent,
    NotYet,
    OutcomeUnknown,
    ScopeMissing,
    TooManyRequests,
)
from ghl_real_estate_ai.limits import CRM_CHANGE_ATTEMPTS, CRM_CHANGE_CLAIM_S, CRM_OUTBOX_BATCH
from ghl_real_estate_ai.models.connections import ConnectionStatus, LocationSetup, WriteBackPart
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from tests.support.clock import settle
from tests.support.facts import LEAD, LOCATION, NOON
from tests.support.looks import action, look
from tests.support.outbox_house import FakeWriter, connected

pytestmark = pytest.mark.asyncio


class Crash(BaseException):
    """The process dies: nothing catches it."""


@pytest.mark.parametrize("kind", [ChangeKind.FIELDS, ChangeKind.TAGS, ChangeKind.NOTE, ChangeKind.MESSAGE])
async def test_a_change_is_sent_once_and_settled_with_the_crms_id(kind: ChangeKind) -> None:
    house = await connected()
    await house.want(kind)
    assert await house.outbox.step() == 1
    assert await house.outbox.step() == 0
    done = await house.change()
    assert (done.status, done.remote_id, done.settled_at) == (ChangeStatus.DONE, "remote-c", NOON)
    assert house.writer.calls == [("apply", "c")]


async def test_a_change_waits_for_its_time() -> None:
    house = await connected()
    house.clock.set_forward(60)
    await house.want(ChangeKind.FIELDS)
    house.clock.set_forward(-60)
    assert await house.outbox.step() == 0


@pytest.mark.parametrize(
    ("fields", "parts", "reason"),
    [
        ({"status": ConnectionStatus.UNINSTALLED}, frozenset(WriteBackPart), "not connected"),
        (
            {"simulated": True},
            frozenset(WriteBackPart),
            "a real lead is not written into a simulated account",
        ),
        ({}, frozenset({WriteBackPart.NOTES}), "writing fields is turned off"),
    ],
)
async def test_the_owner_is_asked_again_at_the_last_moment(
    fields: dict[str, object], parts: frozenset[WriteBackPart], reason: str
) -> None:
    house = await connected()
    await house.want(ChangeKind.FIELDS)
    await house.connect(**fields)
    setup = LocationSetup(location_id=LOCATION, write_back=parts)
    await house.memory.write(lambda uow: uow.connections.put_setup(setup))
    await house.outbox.step()
    failed = await house.change()
    assert failed.status is ChangeStatus.FAILED
    assert reason in (failed.error or "")
    assert house.writer.calls == []


async def test_a_simulated_lead_never_reaches_a_real_account() -> None:
    house = await connected()
    await house.want(ChangeKind.NOTE)
    lead = Lead(location_id=LOCATION, lead_id=LEAD, simulated=True)
    await house.memory.write(lambda uow: uow.leads.put(lead, None))
    await house.outbox.step()
    assert (await house.change()).error == "a simulated lead is not written into a real account"
    assert house.writer.calls == []


async def test_changes_wait_while_the_account_has_to_be_connected_again() -> None:
    house = await connected()
    await house.want(ChangeKind.NOTE)
    await house.connect(status=ConnectionStatus.NEEDS_RECONNECT)
    await house.outbox.step()
    assert (await house.change()).status is ChangeStatus.PENDING
    assert house.writer.calls == []
    await house.connect()
    house.clock.set_forward(900)
    await house.outbox.step()
    assert house.writer.calls == [("apply", "c")], "nothing was tried before: nothing has to be looked for"


async def test_a_task_is_only_sent_while_it_is_the_next_action() -> None:
    house = await connected()
    lead = Lead(location_id=LOCATION, lead_id=LEAD)
    await house.memory.write(lambda uow: uow.leads.put(lead, look(next_action=action("now"))))
    await house.want(ChangeKind.TASK, "task:then", content={"action_id": "then"})
    await house.want(ChangeKind.TASK, "task:now", content={"action_id": "now"})
    await house.outbox.step()
    assert house.writer.made == ["task:now"]
    assert (await house.change("task:then")).error == "it is the lead's next action no longer"


# --- the idempotency key ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ChangeKind.NOTE, ChangeKind.MESSAGE])
async def test_a_lost_answer_is_looked_for_before_anything_is_sent_again(kind: ChangeKind) -> None:
    house = await connected()
    house.writer.after = [OutcomeUnknown("no answer")]
    await house.want(kind)
    await house.outbox.step()
    house.clock.set_forward(5)
    await house.outbox.step()
    assert house.writer.calls == [("apply", "c"), ("find", "c")]
    assert house.writer.made == ["c"]
    assert (await house.change()).remote_id == "remote-c"


@pytest.mark.parametrize("kind", [ChangeKind.NOTE, ChangeKind.MESSAGE])
async def test_what_a_lost_attempt_did_not_make_is_sent_again(kind: ChangeKind) -> None:
    house = await connected()
    house.writer.troubles = [OutcomeUnknown("no answer")]
    await house.want(kind)
    await house.outbox.step()
    house.clock.set_forward(5)
    await house.outbox.step()
    assert house.writer.calls == [("apply", "c"), ("find", "c"), ("apply", "c")]
    assert house.writer.made == ["c"]


@pytest.mark.parametrize("before", [True, False])
async def test_a_crash_at_the_call_neither_loses_nor_doubles_a_note(before: bool) -> None:
    house = await connected()
    await house.want(ChangeKind.NOTE)
    (house.writer.troubles if before else house.writer.after).append(Crash())
    with pytest.raises(BaseExceptionGroup):
        await house.outbox.step()

    restarted = house.new_outbox()
    assert await restarted.step() == 0, "the attempt may still be under way"
    house.clock.set_forward(CRM_CHANGE_CLAIM_S)
    await restarted.step()
    assert house.writer.made == ["c"]
    assert (await house.change()).status is ChangeStatus.DONE


async def test_a_database_that_is_away_after_the_call_does_not_double_a_message() -> None:
    house = await connected()
    await house.want(ChangeKind.MESSAGE)

    class Forgetful(FakeWriter):
        async def apply(self, change: CrmChange) -> str | None:
            house.memory.fail_writes = 1
            return await super().apply(change)

    house.writer = Forgetful()
    outbox = house.new_outbox()
    assert await outbox.step() == 0
    house.clock.set_forward(CRM_CHANGE_CLAIM_S)
    await outbox.step()
    assert house.writer.calls == [("apply", "c"), ("find", "c")]


async def test_a_newer_state_that_came_during_the_call_goes_out_after_it() -> None:
    house = await connected()
    await house.want(ChangeKind.FIELDS, content={"EnterpriseHub Score": 10})

    class Slow(FakeWriter):
        async def apply(self, change: CrmChange) -> str | None:
            if not self.made:
                await house.want(ChangeKind.FIELDS, content={"EnterpriseHub Score": 90})
            return await super().apply(change)

    house.writer = Slow()
    outbox = house.new_outbox()
    await outbox.step()
    assert (await house.change()).status is ChangeStatus.PENDING
    await outbox.step()
    assert house.writer.made == ["c", "c"]
    assert (await house.change()).status is ChangeStatus.DONE


# --- errors by class -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [CrmRefused("no such user", status=422), NotFound("no such contact"), EnterpriseHubError("odd")]
)
async def test_what_the_crm_refuses_has_failed_with_its_reason(error: EnterpriseHubError) -> None:
    house = await connected()
    house.writer.troubles = [error]
    await house.want(ChangeKind.FIELDS)
    await house.outbox.step()
    failed = await house.change()
    assert (failed.status, failed.error, failed.settled_at) == (ChangeStatus.FAILED, str(error), NOON)
    house.clock.set_forward(86_400)
    assert await house.outbox.step() == 0


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        (LocationInactive("paused"), 900),
        (NeedsReconnect("token refused"), 900),
        (ScopeMissing("no scope"), 900),
        (ConfigurationError("the key is gone"), 900),
        (TooManyRequests("slow down", retry_after_s=30), 30),
    ],
)
async def test_what_was_surely_not_done_waits_and_does_not_count_as_an_attempt(
    error: EnterpriseHubError, wait_s: int
) -> None:
    house = await connected()
    house.writer.troubles = [error]
    await house.want(ChangeKind.NOTE)
    await house.outbox.step()
    waiting = await house.change()
    assert (waiting.status, waiting.attempts, waiting.error) == (ChangeStatus.PENDING, 0, str(error))
    assert waiting.due_at == NOON + timedelta(seconds=wait_s)
    house.clock.set_forward(wait_s)
    await house.outbox.step()
    assert house.writer.calls == [("apply", "c"), ("apply", "c")]


@pytest.mark.parametrize(
    "error", [NotSent("no route"), AnswerLost("?"), OutcomeUnknown("?"), CrmUnreadable("?"), NotYet("?")]
)
async def test_trouble_is_retried_ever_more_slowly_until_it_has_failed(error: EnterpriseHubError) -> None:
    house = await connected()
    house.writer.troubles = [error] * 99
    await house.want(ChangeKind.FIELDS)
    waits = []
    for _ in range(CRM_CHANGE_ATTEMPTS):
        await house.outbox.step()
        change = await house.change()
        waits.append((change.due_at - house.clock.now()).total_seconds())
        house.clock.set_forward(max(0.0, waits[-1]))
    assert waits[:4] == [5, 10, 20, 40]
    assert max(waits[:-1]) <= 3600
    assert (change.status, change.attempts) == (ChangeStatus.FAILED, CRM_CHANGE_ATTEMPTS)
    assert len(house.writer.calls) == CRM_CHANGE_ATTEMPTS


async def test_a_missing_scope_is_asked_for_once_and_rests_its_own_kind_of_change_only() -> None:
    house = await connected()
    for number in range(10):
        await house.want(ChangeKind.FIELDS, f"f-{number}")
        await house.want(ChangeKind.NOTE, f"n-{number}")
    house.writer.troubles = [ScopeMissing("no scope for fields")]
    while await house.outbox.step():
        pass
    assert [name for _, name in house.writer.calls if name.startswith("f-")] == ["f-0"]
    assert sorted(house.writer.made) == [f"n-{number}" for number in range(10)]
    assert (await house.change("f-9")).due_at == NOON + timedelta(seconds=900)


async def test_a_location_that_has_to_be_connected_again_rests_with_all_of_its_changes() -> None:
    house = await connected()
    for number in range(CRM_OUTBOX_BATCH + 5):
        await house.want(ChangeKind.NOTE, f"n-{number}")
    await house.connect(status=ConnectionStatus.NEEDS_RECONNECT)
    await house.outbox.step()
    due = await house.memory.read(
        lambda uow: uow.changes.due_locations(now=NOON + timedelta(seconds=899), limit=9)
    )
    assert due == []


async def test_a_batch_is_bounded_and_the_rest_follows() -> None:
    house = await connected()
    for number in range(CRM_OUTBOX_BATCH + 5):
        await house.want(ChangeKind.NOTE, f"n-{number}")
    assert [await house.outbox.step() for _ in range(3)] == [CRM_OUTBOX_BATCH, 5, 0]


async def test_the_loop_waits_for_a_database_that_is_away() -> None:
    house = await connected()
    await house.want(ChangeKind.NOTE)
    house.memory.fail_writes = 1
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(house.outbox.run())
        await settle()
        assert house.writer.made == []
        await house.clock.advance(2)
        assert house.writer.made == ["c"]
        running.cancel()


async def test_what_waits_for_a_lead_that_is_forgotten_meanwhile_is_not_sent() -> None:
    house = await connected()
    for name in ("c1", "c2"):
        await house.want(ChangeKind.NOTE, name)

    class Forgetful(FakeWriter):
        async def apply(self, change: CrmChange) -> str | None:
            await house.memory.forget(change.location_id, change.lead_id)
            return await super().apply(change)

    house.writer = Forgetful()
    await house.new_outbox().step()
    assert house.writer.made == ["c1"]
    assert await house.memory.read(lambda uow: uow.changes.of_lead(LOCATION, LEAD)) == []
