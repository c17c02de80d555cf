"""Reading accounts: history once, changes at a bounded pace, nothing lost or doubled, nobody held up by another."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest
import structlog.testing

from ghl_real_estate_ai.errors import (
    ConfigurationError,
    EnterpriseHubError,
    LocationInactive,
    NeedsReconnect,
    ScopeMissing,
    StorageUnavailable,
    TooManyRequests,
    Unreachable,
)
from ghl_real_estate_ai.limits import POLL_BACKOFF_MOST_S, POLL_CALLS_PER_CYCLE, POLL_INTERVAL_S, POLL_LOOK_S
from ghl_real_estate_ai.models.connections import ConnectionStatus
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.synchronization import SyncProgress, SyncSource
from ghl_real_estate_ai.ports import UnreadableDelivery
from ghl_real_estate_ai.services.crm_sync import FIRST_POLL_BACK, IMPORTED, CrmSync, SyncStep
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from tests.support.clock import FakeClock, settle
from tests.support.facts import LOCATION, NOON, message
from tests.support.fake_memory import FakeMemory
from tests.support.scripted_crm import ScriptedCrm, connected

pytestmark = pytest.mark.asyncio

OTHER = LocationId("loc-2")
DAY_S = 86_400


def sync_of(memory: FakeMemory, crm: ScriptedCrm, clock: FakeClock) -> CrmSync:
    inbox = EventInbox(memory=memory, bus=EventBus(memory=memory, clock=clock), clock=clock)
    return CrmSync(memory=memory, reader=crm, inbox=inbox, clock=clock, sleep=clock.sleep)


async def progress_of(memory: FakeMemory, source: SyncSource) -> SyncProgress | None:
    return await memory.read(lambda uow: uow.sync.progress(LOCATION, source))


async def head(memory: FakeMemory, location_id: LocationId = LOCATION) -> int:
    return await memory.read(lambda uow: uow.events.head(location_id))


async def while_running(sync: CrmSync, clock: FakeClock, seconds: float) -> None:
    """Let it poll for so long."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sync.run())
        await clock.advance(seconds)
        running.cancel()


# --- one page -----------------------------------------------------------------------------------------------------


async def test_a_page_and_its_cursor_become_true_together() -> None:
    memory, crm = FakeMemory(), ScriptedCrm(pages={SyncSource.MESSAGES: [[message("a")], [message("b")]]})
    sync = sync_of(memory, crm, FakeClock())
    await connected(memory)
    memory.fail_writes = 1
    with pytest.raises(StorageUnavailable):
        await sync.step(LOCATION, SyncSource.MESSAGES)
    assert (await head(memory), await progress_of(memory, SyncSource.MESSAGES)) == (0, None)
    step = await sync.step(LOCATION, SyncSource.MESSAGES)
    assert step is not None
    assert (step.stored, step.more) == (1, True)
    progress = await progress_of(memory, SyncSource.MESSAGES)
    assert progress == SyncProgress(
        location_id=LOCATION, source=SyncSource.MESSAGES, cursor="1", items=1, updated_at=NOON
    )


async def test_the_end_of_a_source_is_dated() -> None:
    memory, crm = FakeMemory(), ScriptedCrm(pages={SyncSource.MESSAGES: [[message("a")]]})
    await connected(memory)
    await sync_of(memory, crm, FakeClock()).step(LOCATION, SyncSource.MESSAGES)
    progress = await progress_of(memory, SyncSource.MESSAGES)
    assert progress is not None
    assert progress.caught_up_at == NOON


async def test_of_two_processes_that_read_the_same_page_one_stores_it() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(), FakeClock()
    crm.pages = {SyncSource.MESSAGES: [[message("a")], [message("b")]]}
    await connected(memory)
    first, second = sync_of(memory, crm, clock), sync_of(memory, crm, clock)

    async def the_other_one() -> None:
        crm.hanging.clear()
        await second.step(LOCATION, SyncSource.MESSAGES)

    crm.hanging[LOCATION] = the_other_one
    assert await first.step(LOCATION, SyncSource.MESSAGES) is None
    assert await head(memory) == 1


async def test_an_unreadable_item_is_buried_and_the_others_are_stored() -> None:
    poison = UnreadableDelivery(
        location_id=LOCATION, delivery_id="poll:x", raw="{}", reason="id: missing", simulated=True
    )
    memory, crm = FakeMemory(), ScriptedCrm(pages={SyncSource.MESSAGES: [[message("a"), poison]]})
    await connected(memory)
    step = await sync_of(memory, crm, FakeClock()).step(LOCATION, SyncSource.MESSAGES)
    assert step is not None
    assert (step.stored, step.unreadable) == (1, 1)
    (letter,) = await memory.read(lambda uow: uow.cursors.dead_letters(LOCATION))
    assert (letter.delivery_id, letter.reason, letter.simulated) == ("poll:x", "id: missing", True)


async def test_a_page_that_speaks_of_another_location_is_a_bug_and_stores_nothing() -> None:
    memory, crm = FakeMemory(), ScriptedCrm(pages={SyncSource.MESSAGES: [[message("a", location=OTHER)]]})
    await connected(memory)
    with pytest.raises(ValueError, match="another location"):
        await sync_of(memory, crm, FakeClock()).step(LOCATION, SyncSource.MESSAGES)
    assert await head(memory, OTHER) == 0


async def test_a_location_that_is_not_set_up_says_what_to_do() -> None:
    sync = sync_of(FakeMemory(), ScriptedCrm(), FakeClock())
    with pytest.raises(ConfigurationError, match="enterprisehub connect"):
        await sync.step(LOCATION, SyncSource.MESSAGES)


# --- history ------------------------------------------------------------------------------------------------------


async def test_an_import_reads_every_source_to_its_end_once_and_tells_how_far_it_is() -> None:
    memory, crm = FakeMemory(), ScriptedCrm()
    crm.pages = {SyncSource.MESSAGES: [[message("a")], [message("b")]], SyncSource.CONTACTS: [[message("c")]]}
    sync, steps = sync_of(memory, crm, FakeClock()), list[SyncStep]()
    await connected(memory)
    read = await sync.import_history(LOCATION, progress=steps.append)
    assert [step.source for step in steps] == [*IMPORTED[:4], SyncSource.MESSAGES, *IMPORTED[4:]]
    assert [step.items_so_far for step in steps if step.source is SyncSource.MESSAGES] == [1, 2]
    assert all(progress.caught_up_at == NOON for progress in read.values())
    calls = len(crm.calls)
    await sync.import_history(LOCATION)
    assert len(crm.calls) == calls


@pytest.mark.parametrize("killed_at_call", range(1, 9))
async def test_an_import_that_was_killed_goes_on_without_loss_or_double(killed_at_call: int) -> None:
    memory, crm = FakeMemory(), ScriptedCrm()
    crm.pages = {
        source: [[message(f"{source}-{page}-{n}") for n in range(3)] for page in range(2)]
        for source in (SyncSource.CONTACTS, SyncSource.MESSAGES, SyncSource.EMAILS)
    }
    await connected(memory)

    class Killed(Exception):
        pass

    async def kill() -> None:
        if len(crm.calls) == killed_at_call:
            raise Killed

    crm.hanging[LOCATION] = kill
    with pytest.raises(Killed):
        await sync_of(memory, crm, FakeClock()).import_history(LOCATION)
    crm.hanging.clear()
    before = len(crm.calls)
    await sync_of(memory, crm, FakeClock()).import_history(LOCATION)
    assert await head(memory) == 18
    assert before + len(crm.calls[before:]) == 9 + 1, "only the page that was under way is read twice"


async def test_an_import_begins_at_the_beginning_though_polling_began_with_yesterday() -> None:
    memory, crm = FakeMemory(), ScriptedCrm(pages={SyncSource.MESSAGES: [[message("a")]]})
    sync = sync_of(memory, crm, FakeClock())
    await connected(memory)
    await sync.cycle(LOCATION)
    assert crm.began_since[SyncSource.MESSAGES] == NOON - FIRST_POLL_BACK
    await sync.import_history(LOCATION)
    assert crm.began_since[SyncSource.MESSAGES] is None


async def test_a_source_without_its_scope_keeps_no_other_from_being_imported() -> None:
    memory, crm = FakeMemory(), ScriptedCrm(pages={SyncSource.MESSAGES: [[message("a")]]})
    crm.errors[SyncSource.OPPORTUNITIES] = ScopeMissing("no scope", scope="opportunities.readonly")
    await connected(memory)
    read = await sync_of(memory, crm, FakeClock()).import_history(LOCATION)
    assert await head(memory) == 1
    assert read[SyncSource.OPPORTUNITIES].caught_up_at is None


# --- changes ------------------------------------------------------------------------------------------------------


@pytest.mark.untraced
@pytest.mark.parametrize("calendars", [(), ("c1",), ("c1", "c2", "c3")])
async def test_a_day_of_polling_costs_no_more_calls_than_promised(calendars: tuple[str, ...]) -> None:
    memory, clock = FakeMemory(), FakeClock()
    crm = ScriptedCrm(endless={SyncSource.MESSAGES, SyncSource.CONTACTS})
    sync = sync_of(memory, crm, clock)
    await connected(memory, calendars=calendars, activity_object="visits")
    await while_running(sync, clock, DAY_S - 1)
    assert sync.calls[LOCATION] == len(crm.calls) <= DAY_S / POLL_INTERVAL_S * POLL_CALLS_PER_CYCLE == 1_440
    assert set(SyncSource) - {source for _, source in crm.calls} <= (
        set() if calendars else {SyncSource.APPOINTMENTS}
    )


async def test_each_cycle_reads_people_and_talk_and_the_rest_by_turns() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(), FakeClock()
    sync = sync_of(memory, crm, clock)
    await connected(memory, calendars=("c1", "c2"), activity_object="visits")
    for _ in range(3):
        await sync.cycle(LOCATION)
    talk = [SyncSource.CONTACTS, SyncSource.MESSAGES, SyncSource.EMAILS]
    assert [source for _, source in crm.calls] == [
        *talk, SyncSource.OPPORTUNITIES, SyncSource.APPOINTMENTS,
        *talk, SyncSource.OPPORTUNITIES, SyncSource.APPOINTMENTS,
        *talk, SyncSource.OPPORTUNITIES, SyncSource.ACTIVITY,
    ]  # fmt: skip


async def test_the_spare_call_goes_where_there_is_more() -> None:
    memory, crm = FakeMemory(), ScriptedCrm(endless={SyncSource.MESSAGES})
    await connected(memory, calendars=("c1",))
    await sync_of(memory, crm, FakeClock()).cycle(LOCATION)
    assert [source for _, source in crm.calls][-1] is SyncSource.MESSAGES


async def test_a_restart_makes_no_cycle_before_its_time() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(), FakeClock()
    await connected(memory)
    await while_running(sync_of(memory, crm, clock), clock, 60)
    made = len(crm.calls)
    await while_running(sync_of(memory, crm, clock), clock, POLL_INTERVAL_S - 61)
    assert len(crm.calls) == made
    await while_running(sync_of(memory, crm, clock), clock, 10)
    assert len(crm.calls) == 2 * made


@pytest.mark.parametrize(
    "error",
    [
        NeedsReconnect("connect again"),
        LocationInactive("paused"),
        Unreachable("no answer"),
        TooManyRequests("wait", retry_after_s=1),
        ConfigurationError("the key does not fit"),
    ],
    ids=lambda error: error.code,
)
async def test_a_location_that_fails_waits_longer_each_time_and_stops_no_other(
    error: EnterpriseHubError,
) -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(errors={LOCATION: error}), FakeClock()
    await connected(memory)
    await connected(memory, OTHER)
    await while_running(sync_of(memory, crm, clock), clock, 4 * 3_600)
    failed = [at for (place, _), at in zip(crm.calls, crm.calls_at, strict=True) if place == LOCATION]
    waits = [(later - at).total_seconds() for at, later in itertools.pairwise(failed)]
    assert waits[:5] == [300, 600, 1_200, 2_400, POLL_BACKOFF_MOST_S]
    assert len([place for place, _ in crm.calls if place == OTHER]) >= 4 * 12 * 4


async def test_a_location_that_hangs_stops_no_other() -> None:
    memory, clock = FakeMemory(), FakeClock()
    crm = ScriptedCrm(hanging={LOCATION: lambda: clock.sleep(10 * DAY_S)})
    await connected(memory)
    await connected(memory, OTHER)
    await while_running(sync_of(memory, crm, clock), clock, 3_000)
    assert len([place for place, _ in crm.calls if place == OTHER]) >= 40


async def test_a_source_that_is_refused_is_passed_over_in_each_cycle() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(), FakeClock()
    crm.errors[SyncSource.MESSAGES] = ScopeMissing("no scope")
    await connected(memory)
    await while_running(sync_of(memory, crm, clock), clock, POLL_INTERVAL_S + 1)
    read = [source for _, source in crm.calls]
    assert read.count(SyncSource.EMAILS) == read.count(SyncSource.MESSAGES) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda memory: connected(memory, status=ConnectionStatus.UNINSTALLED),
        lambda memory: connected(memory, status=ConnectionStatus.NEEDS_RECONNECT),
        lambda memory: connected(memory, polling=False),
    ],
    ids=["uninstalled", "needs reconnect", "switched off"],
)
async def test_an_account_is_called_only_while_it_is_connected_and_wanted(
    change: Callable[[FakeMemory], object],
) -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(), FakeClock()
    await connected(memory)
    sync = sync_of(memory, crm, clock)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sync.run())
        await clock.advance(60)
        made = len(crm.calls)
        assert made
        await change(memory)  # type: ignore[misc]  # reason: each of them is a coroutine
        await clock.advance(3 * POLL_INTERVAL_S)
        assert len(crm.calls) == made
        await connected(memory)
        await clock.advance(POLL_LOOK_S + 1)
        assert len(crm.calls) == 2 * made
        running.cancel()
    await settle()


async def test_a_database_that_is_away_delays_polling_and_ends_nothing() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(), FakeClock()
    await connected(memory)
    memory.fail_writes = 1
    await while_running(sync_of(memory, crm, clock), clock, POLL_INTERVAL_S + 1)
    progress = await progress_of(memory, SyncSource.EMAILS)
    assert progress is not None
    assert progress.updated_at >= NOON + timedelta(seconds=POLL_INTERVAL_S)


async def test_a_cursor_that_went_with_a_forgotten_lead_is_made_up_for_from_its_last_end() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(), FakeClock()
    await connected(memory)
    ended = NOON - timedelta(days=9)
    stands = SyncProgress(
        location_id=LOCATION, source=SyncSource.CONTACTS, caught_up_at=ended, updated_at=NOON
    )
    await memory.write(lambda uow: uow.sync.put_progress(stands))
    await sync_of(memory, crm, clock).cycle(LOCATION)
    assert crm.began_since[SyncSource.CONTACTS] == ended - FIRST_POLL_BACK
    assert crm.began_since[SyncSource.MESSAGES] == NOON - FIRST_POLL_BACK


async def test_polling_does_not_cut_short_an_import_that_had_only_begun() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(pages={SyncSource.MESSAGES: [[message("a")]]}), FakeClock()
    sync = sync_of(memory, crm, clock)
    await connected(memory)
    crm.errors[SyncSource.MESSAGES] = ScopeMissing("not yet ticked")
    await sync.import_history(LOCATION)
    crm.errors.clear()
    await sync.cycle(LOCATION)
    await sync.import_history(LOCATION)
    assert crm.began_since[SyncSource.MESSAGES] is None, "from the beginning, not from yesterday on"
    assert await head(memory) == 1


async def test_polling_does_not_cut_short_an_import_whose_cursor_went_with_a_forgotten_lead() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(), FakeClock()
    await connected(memory)
    midway = SyncProgress(location_id=LOCATION, source=SyncSource.CONTACTS, items=500, updated_at=NOON)
    await memory.write(lambda uow: uow.sync.put_progress(midway))
    await sync_of(memory, crm, clock).cycle(LOCATION)
    assert crm.began_since[SyncSource.CONTACTS] is None


async def test_an_oddity_in_one_location_stops_no_other_and_is_tried_again() -> None:
    memory, clock = FakeMemory(), FakeClock()

    async def stumble() -> None:
        raise KeyError("what nobody expected")

    crm = ScriptedCrm(hanging={LOCATION: stumble})
    await connected(memory)
    await connected(memory, OTHER)
    with structlog.testing.capture_logs() as lines:
        await while_running(sync_of(memory, crm, clock), clock, 4 * POLL_INTERVAL_S)
    assert len([place for place, _ in crm.calls if place == OTHER]) >= 4 * 4
    failed = [at for (place, _), at in zip(crm.calls, crm.calls_at, strict=True) if place == LOCATION]
    assert [(at - NOON).total_seconds() for at in failed] == [0, 300, 900]
    (line, *_) = [line for line in lines if line["event"] == "poll.broken"]
    assert line["error"] == "KeyError"
    assert "what nobody expected" not in str({**line, "place": ""})


async def test_without_a_connection_nothing_is_asked_but_whether_there_is_one() -> None:
    memory, crm, clock = FakeMemory(), ScriptedCrm(), FakeClock()
    for number in range(40):
        place = Location(location_id=LocationId(f"loc-{number}"), name="not connected")
        await memory.write(lambda uow, place=place: uow.tenants.put_location(place))  # type: ignore[misc]
    before = memory.reads
    await while_running(sync_of(memory, crm, clock), clock, 10 * POLL_LOOK_S)
    assert memory.reads - before <= 11
    assert not crm.calls
