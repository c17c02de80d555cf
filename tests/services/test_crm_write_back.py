"""What is wanted in the CRM: nothing unless its owner said so, nothing twice, nothing for old news."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ghl_real_estate_ai.models.connections import (
    ConnectionStatus,
    LocationSetup,
    WriteBackPart,
)
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.services.crm_write_back import CrmWriteBack
from tests.support.clock import FakeClock
from tests.support.facts import LEAD, LOCATION, NOON, message
from tests.support.fake_memory import FakeMemory
from tests.support.looks import action, look, updated
from tests.support.outbox_house import connection

pytestmark = pytest.mark.asyncio
HOUR = timedelta(hours=1)
ALL = frozenset(WriteBackPart)


class House:
    """The handler over a memory of dicts, driven as the bus drives it."""

    def __init__(self) -> None:
        self.memory = FakeMemory()
        self.clock = FakeClock()
        self.write_back = CrmWriteBack(memory=self.memory, clock=self.clock)
        self._looks = 0

    async def connect(self, parts: frozenset[WriteBackPart] = ALL, **fields: object) -> None:
        await self.memory.write(lambda uow: uow.connections.put(connection(**fields)))
        setup = LocationSetup(location_id=LOCATION, write_back=parts)
        await self.memory.write(lambda uow: uow.connections.put_setup(setup))
        await self.memory.write(lambda uow: uow.events.append(message("m")))

    async def cause(self) -> str:
        """The event id of the one message in the log, which came at noon."""
        (recorded,) = await self.memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=9))
        return recorded.event.event_id

    async def see(self, seen: LeadIntelligence) -> list[CrmChange]:
        """Handle a look; every change about the lead after it."""
        self._looks += 1
        fact = RecordedEvent(
            position=self._looks,
            delivery_id=f"look-{self._looks}",
            received_at=NOON,
            recorded_at=NOON,
            event=updated(seen, f"look-{self._looks}"),
        )
        work = await self.write_back(fact)
        if work is not None:
            await self.memory.write(work)
        return await self.changes()

    async def changes(self) -> list[CrmChange]:
        return await self.memory.read(lambda uow: uow.changes.of_lead(LOCATION, LEAD))

    async def settle(self, change: CrmChange, status: ChangeStatus = ChangeStatus.DONE) -> None:
        done = change.model_copy(update={"status": status, "settled_at": self.clock.now()})
        assert await self.memory.write(lambda uow: uow.changes.settle(done, attempt=change.attempts))


async def test_nothing_is_wanted_until_the_owner_turns_a_part_on() -> None:
    house = House()
    seen = look(next_action=action(), churn=0.9, churn_moved=(0.3, 0.0))
    assert await house.see(seen) == []
    await house.connect(frozenset())
    assert await house.see(seen) == []


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (WriteBackPart.FIELDS, ChangeKind.FIELDS),
        (WriteBackPart.TAGS, ChangeKind.TAGS),
        (WriteBackPart.TASKS, ChangeKind.TASK),
        (WriteBackPart.NOTES, ChangeKind.NOTE),
    ],
)
async def test_each_part_is_turned_on_by_itself(part: WriteBackPart, kind: ChangeKind) -> None:
    house = House()
    await house.connect(frozenset({part}))
    cause = await house.cause()
    seen = look(next_action=action(), churn=0.9, churn_moved=(0.3, 0.0), cause=cause)
    assert [change.kind for change in await house.see(seen)] == [kind]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": ConnectionStatus.NEEDS_RECONNECT},
        {"status": ConnectionStatus.UNINSTALLED},
        {"simulated": True},
    ],
)
async def test_nothing_is_wanted_for_an_account_that_must_not_be_written(fields: dict[str, object]) -> None:
    house = House()
    await house.connect(**fields)
    assert await house.see(look(next_action=action())) == []


async def test_a_simulated_lead_is_written_into_a_simulated_account_only() -> None:
    house = House()
    await house.connect()
    assert await house.see(look(simulated=True)) == []
    await house.memory.write(lambda uow: uow.connections.put(connection(simulated=True)))
    assert [change.kind for change in await house.see(look(simulated=True))] == [
        ChangeKind.FIELDS,
        ChangeKind.TAGS,
    ]


async def test_a_lead_that_was_deleted_in_the_crm_is_left_alone() -> None:
    house = House()
    await house.connect()
    assert await house.see(look(stage="deleted")) == []


async def test_the_same_look_twice_wants_nothing_twice() -> None:
    house = House()
    await house.connect()
    seen = look(next_action=action(), churn=0.9, churn_moved=(0.3, 0.0), cause=await house.cause())
    first = await house.see(seen)
    assert len(first) == 4
    assert await house.see(seen) == first


async def test_a_score_that_moved_a_little_makes_no_new_version() -> None:
    house = House()
    await house.connect(frozenset({WriteBackPart.FIELDS}))
    (change,) = await house.see(look(score=0.71))
    await house.settle(change)
    assert [c.version for c in await house.see(look(score=0.74))] == [1]
    (moved,) = await house.see(look(score=0.80))
    assert (moved.version, moved.status, moved.content["EnterpriseHub Score"]) == (
        2,
        ChangeStatus.PENDING,
        80,
    )


async def test_a_state_that_waits_is_not_put_off_by_its_next_version() -> None:
    house = House()
    await house.connect(frozenset({WriteBackPart.FIELDS}))
    cause = await house.cause()
    (first,) = await house.see(look(score=0.1, cause=cause))
    house.clock.set_forward(3)
    (second,) = await house.see(look(score=0.9, cause=cause))
    assert (second.version, second.due_at) == (2, first.due_at)


async def test_the_tags_of_a_lead_that_never_had_one_of_ours_are_not_written() -> None:
    house = House()
    await house.connect(frozenset({WriteBackPart.TAGS}))
    assert await house.see(look(score=0.1)) == []
    (change,) = await house.see(look(score=0.9))
    await house.settle(change)
    (change,) = await house.see(look(score=0.1))
    assert (change.content, change.status) == ({"tags": []}, ChangeStatus.PENDING)


async def test_a_lead_that_writes_five_times_in_a_row_is_one_task() -> None:
    house = House()
    await house.connect(frozenset({WriteBackPart.TASKS}))
    cause = await house.cause()
    for number in range(5):
        await house.see(look(next_action=action(f"reply-{number}"), cause=cause))
    assert len(await house.changes()) == 1
    house.clock.set_forward(5 * 3600)
    assert len(await house.see(look(next_action=action("reply-9"), cause=cause))) == 2


async def test_old_news_make_no_task_and_no_note_and_their_fields_wait_for_the_end_of_the_story() -> None:
    house = House()
    await house.connect()
    seen = look(
        next_action=action(),
        churn=0.9,
        churn_moved=(0.3, 0.0),
        cause=await house.cause(),
        at=NOON + 30 * HOUR,
    )
    changes = await house.see(seen)
    assert {change.kind for change in changes} == {ChangeKind.FIELDS, ChangeKind.TAGS}
    assert {change.due_at for change in changes} == {NOON + timedelta(minutes=10)}


async def test_a_state_that_the_crm_refused_is_tried_again_after_a_rest() -> None:
    house = House()
    await house.connect(frozenset({WriteBackPart.FIELDS, WriteBackPart.TAGS}))
    for change in await house.see(look()):
        await house.settle(change, ChangeStatus.FAILED)
    assert {c.status for c in await house.see(look())} == {ChangeStatus.FAILED}
    house.clock.set_forward(3601)
    assert {(c.status, c.version) for c in await house.see(look())} == {(ChangeStatus.PENDING, 2)}


async def test_a_state_that_the_crm_refused_rests_also_when_another_one_is_wanted() -> None:
    house = House()
    await house.connect(frozenset({WriteBackPart.FIELDS, WriteBackPart.TAGS}))
    for change in await house.see(look(score=0.9)):
        await house.settle(change, ChangeStatus.FAILED)
    house.clock.set_forward(3599)
    assert {c.status for c in await house.see(look(score=0.1))} == {ChangeStatus.FAILED}
    house.clock.set_forward(1)
    assert {(c.status, c.version) for c in await house.see(look(score=0.1))} == {(ChangeStatus.PENDING, 2)}


async def test_other_facts_want_nothing() -> None:
    house = House()
    await house.connect()
    (recorded,) = await house.memory.read(lambda uow: uow.events.read(LOCATION, after=0, limit=9))
    assert await house.write_back(recorded) is None


async def test_nothing_is_wanted_about_a_lead_that_was_forgotten_while_it_was_looked_at() -> None:
    house = House()
    await house.connect()
    await house.memory.forget(LOCATION, LEAD)
    assert await house.see(look(next_action=action(), churn=0.9, churn_moved=(0.3, 0.0))) == []
