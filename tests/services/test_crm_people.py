"""The names of those who work in an account: read once a day within the cycle's calls, and whenever somebody looks at it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import structlog.testing

from ghl_real_estate_ai.errors import ScopeMissing, Unreachable
from ghl_real_estate_ai.limits import POLL_CALLS_PER_CYCLE
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.crm_account import AccountUser, CrmAccount
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.crm_sync import EACH_CYCLE, CrmSync
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from tests.support.clock import FakeClock
from tests.support.crm_bench import Bench, ScriptedAccount
from tests.support.facts import LOCATION
from tests.support.fake_memory import FakeMemory
from tests.support.scripted_crm import ScriptedCrm, connected

pytestmark = pytest.mark.asyncio

ANA = AccountUser(user_id=UserId("crm-ana"), name="Ana Diaz", email="ana@example.com")
DAY_S = 86_400.0


def polling(memory: FakeMemory, crm: ScriptedCrm, account: ScriptedAccount, clock: FakeClock) -> CrmSync:
    inbox = EventInbox(memory=memory, bus=EventBus(memory=memory, clock=clock), clock=clock)
    return CrmSync(
        memory=memory,
        reader=crm,
        inbox=inbox,
        clock=clock,
        sleep=clock.sleep,
        people=account.people,
    )


async def names(memory: Memory, location_id: LocationId = LOCATION) -> Sequence[str]:
    setup = await memory.read(lambda uow: uow.connections.setup(location_id))
    return [] if setup is None else [user.name for user in setup.crm_users]


async def test_names_are_read_once_a_day_and_never_in_the_first_cycle() -> None:
    memory, clock = FakeMemory(), FakeClock()
    account = ScriptedAccount(account=CrmAccount(users=(ANA,)))
    sync = polling(memory, ScriptedCrm(), account, clock)
    await connected(memory)
    await sync.cycle(LOCATION)
    assert (account.asked, await names(memory)) == (0, [])
    for _ in range(5):
        await sync.cycle(LOCATION)
    assert await names(memory) == ["Ana Diaz"]
    assert account.asked == 2  # one look: the company is not known
    await clock.advance(DAY_S)
    await sync.cycle(LOCATION)
    assert account.asked == 4


async def test_a_cycle_that_reads_names_keeps_within_its_calls_and_leaves_the_rest_for_the_next() -> None:
    memory, clock, crm = FakeMemory(), FakeClock(), ScriptedCrm(endless={SyncSource.CONTACTS})
    account = ScriptedAccount(account=CrmAccount(users=(ANA,)))
    sync = polling(memory, crm, account, clock)
    await connected(memory)
    made = []
    for _ in range(3):
        before = len(crm.calls) + account.asked
        await sync.cycle(LOCATION)
        made.append(len(crm.calls) + account.asked - before)
    assert max(made) == POLL_CALLS_PER_CYCLE == len(EACH_CYCLE) + 2
    assert sum(made) == sync.calls[LOCATION]


async def test_without_the_scope_names_stay_as_they_were_and_are_asked_for_again_tomorrow() -> None:
    memory, clock = FakeMemory(), FakeClock()
    account = ScriptedAccount(error=ScopeMissing("no users.readonly", scope="users.readonly"))
    sync = polling(memory, ScriptedCrm(), account, clock)
    await connected(memory, crm_users=[ANA.model_dump()])
    with structlog.testing.capture_logs() as logs:
        for _ in range(4):
            await sync.cycle(LOCATION)
    assert [line["event"] for line in logs] == ["people.not_read"]
    assert await names(memory) == ["Ana Diaz"]
    await clock.advance(DAY_S)
    account.error, account.account = None, CrmAccount(users=(ANA.model_copy(update={"name": "Ana D."}),))
    await sync.cycle(LOCATION)
    assert await names(memory) == ["Ana D."]


async def test_an_account_that_does_not_answer_is_asked_again_the_same_day() -> None:
    memory, clock = FakeMemory(), FakeClock()
    account = ScriptedAccount(account=CrmAccount(users=(ANA,)), error=Unreachable("no answer"))
    sync = polling(memory, ScriptedCrm(), account, clock)
    await connected(memory)
    await sync.cycle(LOCATION)
    with pytest.raises(Unreachable):
        await sync.cycle(LOCATION)
    account.error = None
    await sync.cycle(LOCATION)
    assert await names(memory) == ["Ana Diaz"]


async def test_the_doctor_keeps_the_names_that_it_has_seen() -> None:
    bench = Bench()
    bench.account.account = CrmAccount(users=(ANA,))
    await bench.connected()
    await bench.set_up()
    await (await bench.health()).known(LOCATION)
    assert await names(bench.memory) == []  # asks nothing
    await (await bench.health()).examined(LOCATION)
    assert await names(bench.memory) == ["Ana Diaz"]


async def test_the_doctor_sets_nobody_up() -> None:
    bench = Bench()
    bench.account.account = CrmAccount(users=(ANA,))
    await bench.connected()
    await (await bench.health()).examined(LOCATION)
    found: LocationSetup | None = await bench.memory.read(lambda uow: uow.connections.setup(LOCATION))
    assert found is None
