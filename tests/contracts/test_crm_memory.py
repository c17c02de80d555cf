"""What every memory promises about the CRM beside us, on SQLite, on a real PostgreSQL, and in the tests' own memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime, timedelta

import pytest
import pytest_asyncio

from ghl_real_estate_ai.models.connections import (
    Connection,
    ConnectionKind,
    ConnectionStatus,
    LocationSetup,
    OwnerKind,
    WriteBackPart,
)
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.leads import StageRole
from ghl_real_estate_ai.models.synchronization import (
    ChangeKind,
    ChangeStatus,
    CrmChange,
    DeliveryTally,
    RereadRequest,
    SyncProgress,
    SyncSource,
)
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LOCATION, NOON
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio
LATER = NOON + timedelta(seconds=30)
OTHER = LocationId("loc-2")


@pytest_asyncio.fixture(params=["sql", "fake"])
async def any_memory(request: pytest.FixtureRequest, memory: Database) -> AsyncIterator[Memory]:
    yield memory if request.param == "sql" else FakeMemory()


def connection(**fields: object) -> Connection:
    return Connection.model_validate(
        {
            "owner_id": LOCATION,
            "owner_kind": OwnerKind.LOCATION,
            "company_id": "company-1",
            "kind": ConnectionKind.OAUTH,
            "access_token": "sealed-1",
            "refresh_token": "sealed-2",
            "expires_at": NOON + timedelta(days=1),
            "scopes": ("contacts.readonly", "contacts.write"),
            "obtained_at": NOON,
        }
        | fields
    )


def change(name: str = "fields:lead-1", **fields: object) -> CrmChange:
    return CrmChange.model_validate(
        {
            "location_id": LOCATION,
            "change_id": name,
            "lead_id": "lead-1",
            "kind": ChangeKind.FIELDS,
            "content": {"score": 71, "stage": "working"},
            "due_at": NOON,
            "created_at": NOON,
        }
        | fields
    )


# --- connections ----------------------------------------------------------------------------------------------------


async def test_a_connection_comes_back_as_it_was(any_memory: Memory) -> None:
    stored = connection()
    await any_memory.write(lambda uow: uow.connections.put(stored))
    await any_memory.write(lambda uow: uow.connections.put(connection(owner_id="loc-0", expires_at=None)))

    assert await any_memory.read(lambda uow: uow.connections.get(LOCATION)) == stored
    assert await any_memory.read(lambda uow: uow.connections.get("nobody")) is None
    assert [c.owner_id for c in await any_memory.read(lambda uow: uow.connections.all())] == [
        "loc-0",
        LOCATION,
    ]


async def test_agencies_are_found_among_the_owners(any_memory: Memory) -> None:
    agency = connection(owner_id="company-1", owner_kind=OwnerKind.COMPANY)
    for owner in (connection(), agency):
        await any_memory.write(lambda uow, owner=owner: uow.connections.put(owner))  # type: ignore[misc]
    assert await any_memory.read(lambda uow: uow.connections.companies()) == ["company-1"]


async def test_only_a_location_that_is_connected_and_set_up_is_active(any_memory: Memory) -> None:
    async def active() -> LocationSetup | None:
        return await any_memory.read(lambda uow: uow.connections.active_setup(LOCATION))

    setup = LocationSetup(location_id=LOCATION)
    await any_memory.write(lambda uow: uow.connections.put_setup(setup))
    assert await active() is None
    await any_memory.write(lambda uow: uow.connections.put(connection()))
    assert await active() == setup
    assert await any_memory.read(lambda uow: uow.connections.active_setup(OTHER)) is None
    lost = connection(status=ConnectionStatus.NEEDS_RECONNECT)
    await any_memory.write(lambda uow: uow.connections.put(lost))
    assert await active() is None


async def test_only_one_of_many_gets_the_lease_on_a_generation(any_memory: Memory) -> None:
    await any_memory.write(lambda uow: uow.connections.put(connection()))

    async def take(holder: str) -> bool:
        return await any_memory.write(
            lambda uow: uow.connections.lease(LOCATION, generation=1, holder=holder, now=NOON, until=LATER)
        )

    taken = await asyncio.gather(*(take(f"process-{number}") for number in range(20)))
    assert sum(taken) == 1


async def test_a_lease_ends_by_time_by_release_and_by_renewal(any_memory: Memory) -> None:
    await any_memory.write(lambda uow: uow.connections.put(connection()))

    async def take(holder: str, generation: int, seconds: int) -> bool:
        now = NOON + timedelta(seconds=seconds)
        until = now + timedelta(seconds=30)
        return await any_memory.write(
            lambda uow: uow.connections.lease(
                LOCATION, generation=generation, holder=holder, now=now, until=until
            )
        )

    assert await take("one", 1, 0)
    assert not await take("two", 1, 29)
    assert await take("two", 1, 30)
    await any_memory.write(lambda uow: uow.connections.release(LOCATION, holder="one"))  # no longer its own
    assert not await take("one", 1, 31)
    renewed = connection(generation=2, access_token="sealed-3")
    assert not await any_memory.write(lambda uow: uow.connections.renew(renewed, holder="one"))
    assert await any_memory.write(lambda uow: uow.connections.renew(renewed, holder="two"))
    assert not await any_memory.write(lambda uow: uow.connections.renew(renewed, holder="two"))
    assert await any_memory.read(lambda uow: uow.connections.get(LOCATION)) == renewed
    assert not await take("one", 1, 32)
    assert await take("one", 2, 32)
    await any_memory.write(lambda uow: uow.connections.release(LOCATION, holder="one"))
    assert await take("two", 2, 33)


async def test_a_replaced_connection_cannot_be_renewed_by_who_held_the_old_one(any_memory: Memory) -> None:
    await any_memory.write(lambda uow: uow.connections.put(connection()))
    await any_memory.write(
        lambda uow: uow.connections.lease(LOCATION, generation=1, holder="one", now=NOON, until=LATER)
    )
    gone = connection(status=ConnectionStatus.UNINSTALLED, access_token="", refresh_token="")
    await any_memory.write(lambda uow: uow.connections.put(gone))

    late = connection(generation=2)
    assert not await any_memory.write(lambda uow: uow.connections.renew(late, holder="one"))
    assert await any_memory.read(lambda uow: uow.connections.get(LOCATION)) == gone


async def test_a_setup_is_found_by_its_location_and_by_its_workflow_key(any_memory: Memory) -> None:
    setup = LocationSetup(
        location_id=LOCATION,
        stages={"stage-1": StageRole.WORKING},
        write_back=frozenset({WriteBackPart.TAGS}),
        workflow_key_hash="abc",
    )
    await any_memory.write(lambda uow: uow.connections.put_setup(setup))

    assert await any_memory.read(lambda uow: uow.connections.setup(LOCATION)) == setup
    assert await any_memory.read(lambda uow: uow.connections.setup(OTHER)) is None
    assert await any_memory.read(lambda uow: uow.connections.setup_by_workflow_key("abc")) == setup
    assert await any_memory.read(lambda uow: uow.connections.setup_by_workflow_key("abd")) is None
    changed = setup.model_copy(update={"polling": False, "workflow_key_hash": None})
    await any_memory.write(lambda uow: uow.connections.put_setup(changed))
    assert await any_memory.read(lambda uow: uow.connections.setup(LOCATION)) == changed
    assert await any_memory.read(lambda uow: uow.connections.setup_by_workflow_key("abc")) is None


async def test_an_install_state_is_spent_once_and_in_time(any_memory: Memory) -> None:
    await any_memory.write(lambda uow: uow.connections.add_state("s-1", expires_at=LATER))
    await any_memory.write(lambda uow: uow.connections.add_state("s-2", expires_at=NOON))

    assert await any_memory.write(lambda uow: uow.connections.spend_state("s-1", now=NOON))
    assert not await any_memory.write(lambda uow: uow.connections.spend_state("s-1", now=NOON))
    assert not await any_memory.write(lambda uow: uow.connections.spend_state("s-2", now=NOON))
    assert not await any_memory.write(lambda uow: uow.connections.spend_state("s-3", now=NOON))


# --- reading --------------------------------------------------------------------------------------------------------


async def test_progress_is_kept_per_location_and_source(any_memory: Memory) -> None:
    first = SyncProgress(location_id=LOCATION, source=SyncSource.MESSAGES, cursor="c-1", updated_at=NOON)
    moved = first.model_copy(update={"cursor": "c-2", "items": 500, "caught_up_at": LATER})
    await any_memory.write(lambda uow: uow.sync.put_progress(first))
    await any_memory.write(lambda uow: uow.sync.put_progress(moved))

    assert await any_memory.read(lambda uow: uow.sync.progress(LOCATION, SyncSource.MESSAGES)) == moved
    assert await any_memory.read(lambda uow: uow.sync.progress(LOCATION, SyncSource.EMAILS)) is None
    assert await any_memory.read(lambda uow: uow.sync.progress(OTHER, SyncSource.MESSAGES)) is None


async def test_a_hint_that_comes_while_a_lead_is_read_is_not_lost(any_memory: Memory) -> None:
    first = RereadRequest(location_id=LOCATION, lead_id=LeadId("lead-1"), requested_at=NOON, due_at=NOON)
    newer = first.model_copy(update={"requested_at": LATER, "due_at": LATER})
    await any_memory.write(lambda uow: uow.sync.request_reread(first))
    assert await any_memory.read(lambda uow: uow.sync.due_rereads(now=NOON, limit=5)) == [first]
    await any_memory.write(lambda uow: uow.sync.request_reread(newer))

    await any_memory.write(lambda uow: uow.sync.finish_reread(first))
    await any_memory.write(
        lambda uow: uow.sync.postpone_reread(first.model_copy(update={"attempts": 9, "due_at": NOON}))
    )
    assert await any_memory.read(lambda uow: uow.sync.due_rereads(now=NOON, limit=5)) == []
    assert await any_memory.read(lambda uow: uow.sync.due_rereads(now=LATER, limit=5)) == [newer]
    assert await any_memory.read(lambda uow: uow.sync.waiting_rereads(LOCATION)) == 1
    assert await any_memory.read(lambda uow: uow.sync.reread_of(LOCATION, LeadId("lead-1"))) == newer
    assert await any_memory.read(lambda uow: uow.sync.reread_of(OTHER, LeadId("lead-1"))) is None
    await any_memory.write(lambda uow: uow.sync.finish_reread(newer))
    assert await any_memory.read(lambda uow: uow.sync.waiting_rereads(LOCATION)) == 0


async def test_rereads_are_due_some_of_each_location_and_rest_and_are_dropped_with_it(
    any_memory: Memory,
) -> None:
    asked = [
        RereadRequest(
            location_id=place,
            lead_id=LeadId(f"lead-{number}"),
            requested_at=NOON,
            due_at=NOON - timedelta(seconds=number),
        )
        for place in (LOCATION, OTHER)
        for number in range(3)
    ]
    for one in asked:
        await any_memory.write(lambda uow, one=one: uow.sync.request_reread(one))  # type: ignore[misc]

    async def due(limit: int) -> list[RereadRequest]:
        return await any_memory.read(lambda uow: uow.sync.due_rereads(now=NOON, limit=limit))

    assert await due(2) == [asked[2], asked[1], asked[5], asked[4]]
    await any_memory.write(lambda uow: uow.sync.rest_rereads(LOCATION, until=LATER))
    assert await due(9) == asked[:2:-1]
    await any_memory.write(lambda uow: uow.sync.drop_rereads(OTHER))
    assert await due(9) == []
    assert await any_memory.read(lambda uow: uow.sync.waiting_rereads(LOCATION)) == 3


async def test_tallies_add_up_by_day_and_outcome(any_memory: Memory) -> None:
    def tally(day: int, count: int, **fields: str) -> DeliveryTally:
        named = {"location_id": "", "source": "app_webhook", "outcome": "stored"} | fields
        return DeliveryTally(day=date(2026, 11, day), count=count, last_at=NOON, **named)

    await any_memory.write(lambda uow: uow.sync.add_tallies([tally(22, 1), tally(23, 5)]))
    await any_memory.write(lambda uow: uow.sync.add_tallies([tally(23, 7)]))
    await any_memory.write(lambda uow: uow.sync.add_tallies([]))

    assert await any_memory.read(lambda uow: uow.sync.tallies("", since=date(2026, 11, 23))) == [
        tally(23, 12)
    ]

    others = [
        tally(23, 1, location_id=LOCATION),
        tally(23, 2, outcome="refused"),
        tally(23, 9, source="poll"),
    ]
    await any_memory.write(lambda uow: uow.sync.add_tallies([*others, tally(24, 3, location_id=OTHER)]))
    assert await any_memory.read(lambda uow: uow.sync.tallies(LOCATION, since=date(2026, 11, 1))) == [
        others[0]
    ]
    counts = await any_memory.read(
        lambda uow: uow.sync.delivery_counts(source="app_webhook", since=date(2026, 11, 23))
    )
    assert counts == {
        (date(2026, 11, 23), "stored"): 13,
        (date(2026, 11, 23), "refused"): 2,
        (date(2026, 11, 24), "stored"): 3,
    }


# --- writing --------------------------------------------------------------------------------------------------------


async def test_a_change_is_wanted_once_and_a_new_content_is_a_new_version(any_memory: Memory) -> None:
    first, again = change(), change(content={"stage": "working", "score": 71})
    assert await any_memory.write(lambda uow: uow.changes.want(first))
    assert not await any_memory.write(lambda uow: uow.changes.want(again))
    done = first.model_copy(update={"status": ChangeStatus.DONE, "settled_at": LATER, "remote_id": "r-1"})
    assert await any_memory.write(lambda uow: uow.changes.settle(done, attempt=0))
    assert await any_memory.read(lambda uow: uow.changes.due(LOCATION, now=LATER, limit=9)) == []
    assert not await any_memory.write(lambda uow: uow.changes.want(again))

    newer = change(content={"score": 80, "stage": "working"}, due_at=LATER)
    assert await any_memory.write(lambda uow: uow.changes.want(newer))
    assert await any_memory.read(lambda uow: uow.changes.due(LOCATION, now=NOON, limit=9)) == []
    (due,) = await any_memory.read(lambda uow: uow.changes.due(LOCATION, now=LATER, limit=9))
    assert (due.version, due.content, due.status) == (2, newer.content, ChangeStatus.PENDING)
    stale = await any_memory.write(lambda uow: uow.changes.settle(done, attempt=0))
    assert not stale, "it settles an older version"
    assert await any_memory.read(lambda uow: uow.changes.counts(LOCATION)) == {ChangeStatus.PENDING: 1}


async def test_only_one_of_many_sends_a_change_and_a_crashed_one_leaves_its_attempt(
    any_memory: Memory,
) -> None:
    await any_memory.write(lambda uow: uow.changes.want(change()))
    (read,) = await any_memory.read(lambda uow: uow.changes.due(LOCATION, now=NOON, limit=9))

    async def take() -> bool:
        return await any_memory.write(lambda uow: uow.changes.claim(read, until=LATER))

    assert sum(await asyncio.gather(*(take() for _ in range(20)))) == 1
    assert await any_memory.read(lambda uow: uow.changes.due(LOCATION, now=NOON, limit=9)) == []
    (again,) = await any_memory.read(lambda uow: uow.changes.due(LOCATION, now=LATER, limit=9))
    assert again.attempts == 1
    assert await any_memory.read(lambda uow: uow.changes.get(LOCATION, again.change_id)) == again
    assert await any_memory.read(lambda uow: uow.changes.get(OTHER, again.change_id)) is None

    await any_memory.write(lambda uow: uow.changes.want(change(content={"score": 1}, due_at=LATER)))
    assert not await any_memory.write(lambda uow: uow.changes.claim(again, until=LATER)), "an older version"


async def test_only_who_knows_the_last_attempt_settles_a_change_and_only_once(any_memory: Memory) -> None:
    await any_memory.write(lambda uow: uow.changes.want(change()))
    await any_memory.write(lambda uow: uow.changes.claim(change(), until=LATER))
    done = change(status=ChangeStatus.DONE, attempts=1)
    settled = [
        await any_memory.write(lambda uow, attempt=attempt: uow.changes.settle(done, attempt=attempt))  # type: ignore[misc]
        for attempt in (0, 2, 1, 1)
    ]
    assert settled == [False, False, True, False]


async def test_a_location_that_rests_keeps_its_attempts_and_its_settled_changes(any_memory: Memory) -> None:
    kinds = {"a": ChangeKind.NOTE, "b": ChangeKind.NOTE, "c": ChangeKind.TAGS, "d": ChangeKind.NOTE}
    wanted = [change(name, kind=kind) for name, kind in kinds.items()]
    wanted += [change("a", location_id=OTHER, kind=ChangeKind.NOTE)]
    for one in wanted:
        await any_memory.write(lambda uow, one=one: uow.changes.want(one))  # type: ignore[misc]
    await any_memory.write(lambda uow: uow.changes.settle(change("d", status=ChangeStatus.DONE), attempt=0))
    await any_memory.write(lambda uow: uow.changes.claim(wanted[1], until=NOON))

    await any_memory.write(lambda uow: uow.changes.postpone(LOCATION, {ChangeKind.NOTE}, until=LATER))

    def due(at: datetime, location_id: LocationId = LOCATION) -> Callable[[UnitOfWork], list[str]]:
        return lambda uow: [one.change_id for one in uow.changes.due(location_id, now=at, limit=9)]

    assert await any_memory.read(due(NOON)) == ["c"]
    assert await any_memory.read(due(LATER)) == ["c", "a", "b"]
    assert await any_memory.read(due(NOON, OTHER)) == ["a"]
    kept = await any_memory.read(lambda uow: uow.changes.get(LOCATION, "b"))
    assert kept is not None
    assert (kept.attempts, kept.version) == (1, 1)
    assert await any_memory.read(lambda uow: uow.changes.counts(LOCATION)) == {
        ChangeStatus.PENDING: 3,
        ChangeStatus.DONE: 1,
    }


async def test_locations_with_something_to_send_come_in_the_order_of_their_waiting(
    any_memory: Memory,
) -> None:
    for place, due_at in (("loc-c", NOON), ("loc-a", LATER), ("loc-b", NOON - timedelta(seconds=1))):
        for name in ("x", "y"):
            one = change(name, location_id=place, due_at=due_at)
            await any_memory.write(lambda uow, one=one: uow.changes.want(one))  # type: ignore[misc]
    assert await any_memory.read(lambda uow: uow.changes.due_locations(now=NOON, limit=9)) == [
        "loc-b",
        "loc-c",
    ]
    assert await any_memory.read(lambda uow: uow.changes.due_locations(now=LATER, limit=1)) == ["loc-b"]


async def test_a_failed_change_can_be_wanted_again(any_memory: Memory) -> None:
    await any_memory.write(lambda uow: uow.changes.want(change()))
    failed = change(status=ChangeStatus.FAILED, error="refused", attempts=1)
    await any_memory.write(lambda uow: uow.changes.settle(failed, attempt=0))

    assert await any_memory.write(lambda uow: uow.changes.want(change()))
    (due,) = await any_memory.read(lambda uow: uow.changes.due(LOCATION, now=NOON, limit=9))
    assert (due.version, due.attempts, due.error) == (2, 0, None)


async def test_changes_of_a_lead_and_of_an_uninstalled_location(any_memory: Memory) -> None:
    for wanted in (change("note:1", kind=ChangeKind.NOTE), change("x", lead_id="lead-2"), change("tags")):
        await any_memory.write(lambda uow, wanted=wanted: uow.changes.want(wanted))  # type: ignore[misc]
    await any_memory.write(lambda uow: uow.changes.want(change("tags", location_id=OTHER)))

    own = await any_memory.read(lambda uow: uow.changes.of_lead(LOCATION, LeadId("lead-1")))
    assert [c.change_id for c in own] == ["note:1", "tags"]
    assert await any_memory.write(lambda uow: uow.changes.drop_pending(LOCATION, error="uninstalled")) == 3
    assert await any_memory.read(lambda uow: uow.changes.counts(LOCATION)) == {ChangeStatus.FAILED: 3}
    assert await any_memory.read(lambda uow: uow.changes.due(LOCATION, now=LATER, limit=9)) == []
    assert len(await any_memory.read(lambda uow: uow.changes.due(OTHER, now=LATER, limit=9))) == 1


async def test_a_forgotten_leads_changes_and_hints_go_and_others_stay(any_memory: Memory) -> None:
    for lead in ("lead-1", "lead-10"):
        one = change(f"note:{lead}", lead_id=lead, kind=ChangeKind.NOTE)
        hint = RereadRequest(location_id=LOCATION, lead_id=LeadId(lead), requested_at=NOON, due_at=NOON)
        await any_memory.write(lambda uow, one=one: uow.changes.want(one))  # type: ignore[misc]
        await any_memory.write(lambda uow, hint=hint: uow.sync.request_reread(hint))  # type: ignore[misc]

    await any_memory.write(lambda uow: uow.leads.forget(LOCATION, LeadId("lead-1"), lead_hash="h"))

    due = await any_memory.read(lambda uow: uow.changes.due(LOCATION, now=NOON, limit=9))
    hints = await any_memory.read(lambda uow: uow.sync.due_rereads(now=NOON, limit=9))
    assert [one.lead_id for one in due] == ["lead-10"]
    assert [one.lead_id for one in hints] == ["lead-10"]
    gone = change("note:lead-1", lead_id="lead-1", kind=ChangeKind.NOTE)
    assert not await any_memory.write(lambda uow: uow.changes.claim(gone, until=LATER))
    assert not await any_memory.write(lambda uow: uow.changes.settle(gone, attempt=0))
