"""What every memory promises about learning, on SQLite, on a real PostgreSQL, and in the tests' own memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import numpy as np
import pytest
import pytest_asyncio
import sqlalchemy as sa

from ghl_real_estate_ai.learning_ports import LearnedModel, ModelRole, RecordColumns, RiskTimer, ScoreRecord
from ghl_real_estate_ai.limits import LEARNED_KEPT
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.intelligence import RiskStage
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.storage.database import Database
from ghl_real_estate_ai.storage.engines import make_engine
from ghl_real_estate_ai.storage.schema import learned_models
from ghl_real_estate_ai.storage.unit_of_work import SqlUnitOfWork
from tests.support.facts import LEAD, LOCATION, NOON, contact, message
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio

OTHER = LocationId("loc-2")
ANOTHER = LeadId("another-lead")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest_asyncio.fixture(params=["sql", "fake"])
async def any_memory(request: pytest.FixtureRequest, memory: Database) -> AsyncIterator[Memory]:
    yield memory if request.param == "sql" else FakeMemory()


@asynccontextmanager
async def elsewhere(memory_url: str) -> AsyncIterator[UnitOfWork]:
    """A transaction of another process, which is committed at the end."""
    engine = make_engine(memory_url, access="write", connections=1, sqlite_synchronous="NORMAL")
    try:
        with engine.begin() as connection:
            yield SqlUnitOfWork(connection)
    finally:
        engine.dispose()


# --- models -------------------------------------------------------------------------------------------------------


def model(
    version: str,
    *,
    role: ModelRole = ModelRole.CHALLENGER,
    at: datetime = NOON,
    name: str = "lead_score",
    location: LocationId = LOCATION,
) -> LearnedModel:
    return LearnedModel(
        location_id=location, name=name, version=version, role=role, card="{}", content="tree", fitted_at=at
    )


async def put(memory: Memory, *models: LearnedModel) -> None:
    def work(uow: UnitOfWork) -> None:
        for one in models:
            uow.learned.put(one)

    await memory.write(work)


async def roles(memory: Memory, *, name: str = "lead_score") -> dict[str, ModelRole]:
    found = await memory.read(lambda uow: uow.learned.all(LOCATION, name, limit=100))
    return {one.version: one.role for one in found}


async def test_a_model_is_read_back_as_it_was_put(any_memory: Memory) -> None:
    champion = model("v1", role=ModelRole.CHAMPION)
    await put(any_memory, champion)
    assert await any_memory.read(lambda uow: uow.learned.champion(LOCATION, "lead_score")) == champion


async def test_a_new_champion_retires_the_old_one(any_memory: Memory) -> None:
    await put(any_memory, model("v1", role=ModelRole.CHAMPION))
    await put(any_memory, model("v2", role=ModelRole.CHAMPION, at=NOON + DAY))
    assert await roles(any_memory) == {"v2": ModelRole.CHAMPION, "v1": ModelRole.RETIRED}


async def test_the_same_champion_may_be_put_again(any_memory: Memory) -> None:
    await put(any_memory, model("v1", role=ModelRole.CHAMPION))
    await put(any_memory, model("v1", role=ModelRole.CHAMPION, at=NOON + DAY))
    found = await any_memory.read(lambda uow: uow.learned.all(LOCATION, "lead_score", limit=9))
    assert [(one.version, one.role, one.fitted_at) for one in found] == [
        ("v1", ModelRole.CHAMPION, NOON + DAY)
    ]


async def test_a_challenger_leaves_the_champion_in_place(any_memory: Memory) -> None:
    await put(any_memory, model("v1", role=ModelRole.CHAMPION), model("v2", at=NOON + DAY))
    champion = await any_memory.read(lambda uow: uow.learned.champion(LOCATION, "lead_score"))
    assert champion is not None
    assert champion.version == "v1"


async def test_models_belong_to_one_location_and_one_name(any_memory: Memory) -> None:
    await put(
        any_memory,
        model("a", role=ModelRole.CHAMPION),
        model("b", role=ModelRole.CHAMPION, name="won"),
        model("c", role=ModelRole.CHAMPION, location=OTHER),
    )
    champions = await any_memory.read(lambda uow: uow.learned.champions())
    assert set(champions) == {
        (OTHER, "lead_score", "c"),
        (LOCATION, "lead_score", "a"),
        (LOCATION, "won", "b"),
    }
    assert len(champions) == 3
    assert await any_memory.read(lambda uow: uow.learned.champion(OTHER, "won")) is None


async def test_beside_the_champion_only_the_newest_models_are_kept(any_memory: Memory) -> None:
    await put(any_memory, model("champion", role=ModelRole.CHAMPION), model("elsewhere", location=OTHER))
    for day in range(LEARNED_KEPT + 3):
        await put(any_memory, model(f"v{day}", at=NOON + day * DAY))
    kept = await roles(any_memory)
    assert list(kept) == [f"v{day}" for day in range(LEARNED_KEPT + 2, 2, -1)] + ["champion"]
    assert await any_memory.read(lambda uow: len(uow.learned.all(OTHER, "lead_score", limit=9))) == 1


async def test_of_two_processes_that_store_a_champion_at_once_the_later_one_wins(
    memory: Database, memory_url: str
) -> None:
    async with elsewhere(memory_url) as uow:
        uow.learned.put(model("theirs", role=ModelRole.CHAMPION))
        putting = asyncio.ensure_future(put(memory, model("ours", role=ModelRole.CHAMPION)))
        await asyncio.wait({putting}, timeout=0.3)
    await putting
    assert await roles(memory) == {"ours": ModelRole.CHAMPION, "theirs": ModelRole.RETIRED}
    assert await memory.read(lambda uow: uow.learned.champions()) == [(LOCATION, "lead_score", "ours")]


async def test_no_table_holds_two_champions(memory: Database, memory_url: str) -> None:
    await put(memory, model("a", role=ModelRole.CHAMPION), model("b"))
    engine = make_engine(memory_url, access="write", connections=1, sqlite_synchronous="NORMAL")
    try:
        with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
            connection.execute(sa.update(learned_models).values(role=ModelRole.CHAMPION.value))
    finally:
        engine.dispose()


# --- timers -------------------------------------------------------------------------------------------------------


def timer(
    stage: RiskStage,
    due_at: datetime,
    *,
    lead: LeadId = LEAD,
    location: LocationId = LOCATION,
    simulated: bool = False,
) -> RiskTimer:
    return RiskTimer(location_id=location, lead_id=lead, stage=stage, due_at=due_at, simulated=simulated)


async def due(
    memory: Memory, *, at: datetime, leads: int = 9, simulated: bool = False
) -> list[tuple[str, RiskStage]]:
    found = await memory.read(lambda uow: uow.timers.due(LOCATION, simulated=simulated, now=at, leads=leads))
    return [(one.lead_id, one.stage) for one in found]


async def test_a_lead_has_the_timers_it_was_given_last(any_memory: Memory) -> None:
    first = [timer(RiskStage.EARLY, NOON), timer(RiskStage.ACTIVE, NOON + DAY)]
    await any_memory.write(lambda uow: uow.timers.replace(LOCATION, LEAD, first))
    await any_memory.write(
        lambda uow: uow.timers.replace(LOCATION, ANOTHER, [timer(RiskStage.EARLY, NOON, lead=ANOTHER)])
    )
    later = [timer(RiskStage.CRITICAL, NOON + HOUR)]
    await any_memory.write(lambda uow: uow.timers.replace(LOCATION, LEAD, later))
    assert await any_memory.read(lambda uow: uow.timers.of_lead(LOCATION, LEAD)) == later
    await any_memory.write(lambda uow: uow.timers.replace(LOCATION, LEAD, []))
    assert await any_memory.read(lambda uow: uow.timers.of_lead(LOCATION, LEAD)) == []
    assert len(await any_memory.read(lambda uow: uow.timers.of_lead(LOCATION, ANOTHER))) == 1


async def test_leads_that_are_due_come_longest_first_for_one_tenant_and_one_time_line(
    any_memory: Memory,
) -> None:
    def work(uow: UnitOfWork) -> None:
        uow.timers.replace(
            LOCATION, LEAD, [timer(RiskStage.EARLY, NOON + HOUR), timer(RiskStage.ACTIVE, NOON + DAY)]
        )
        uow.timers.replace(LOCATION, ANOTHER, [timer(RiskStage.EARLY, NOON, lead=ANOTHER)])
        made_up = LeadId("made-up")
        uow.timers.replace(LOCATION, made_up, [timer(RiskStage.EARLY, NOON, lead=made_up, simulated=True)])
        uow.timers.replace(OTHER, LEAD, [timer(RiskStage.EARLY, NOON, location=OTHER)])

    await any_memory.write(work)
    assert await due(any_memory, at=NOON + HOUR) == [(ANOTHER, RiskStage.EARLY), (LEAD, RiskStage.EARLY)]
    assert await due(any_memory, at=NOON + DAY, leads=1) == [(ANOTHER, RiskStage.EARLY)]
    assert await due(any_memory, at=NOON, simulated=True) == [("made-up", RiskStage.EARLY)]


async def test_of_a_lead_whose_stages_are_all_due_the_highest_comes_however_few_are_asked_for(
    any_memory: Memory,
) -> None:
    def work(uow: UnitOfWork) -> None:
        for lead in (LEAD, ANOTHER):
            stages = (RiskStage.EARLY, RiskStage.ACTIVE, RiskStage.CRITICAL)
            uow.timers.replace(
                LOCATION, lead, [timer(stage, NOON + stage * HOUR, lead=lead) for stage in stages]
            )

    await any_memory.write(work)
    both = {(LEAD, RiskStage.CRITICAL), (ANOTHER, RiskStage.CRITICAL)}
    assert set(await due(any_memory, at=NOON + DAY)) == both
    assert set(await due(any_memory, at=NOON + DAY, leads=1)) < both
    assert {stage for _, stage in await due(any_memory, at=NOON + 2 * HOUR)} == {RiskStage.ACTIVE}


async def test_what_has_run_out_goes_or_waits_and_what_is_ahead_stays(any_memory: Memory) -> None:
    leads = [LEAD, ANOTHER, LeadId("third")]

    def work(uow: UnitOfWork) -> None:
        for lead in leads:
            early, active = (timer(RiskStage(n), NOON + (n - 1) * DAY, lead=lead) for n in (1, 2))
            uow.timers.replace(LOCATION, lead, [early, active])
        uow.timers.drop_due(LOCATION, [LEAD], now=NOON)
        uow.timers.postpone_due(LOCATION, [ANOTHER], now=NOON, until=NOON + 9 * DAY)
        uow.timers.drop_due(LOCATION, [], now=NOON + 99 * DAY)

    await any_memory.write(work)
    found = [
        await any_memory.read(lambda uow, lead=lead: uow.timers.of_lead(LOCATION, lead)) for lead in leads
    ]  # type: ignore[misc]
    assert [[one.due_at for one in timers] for timers in found] == [
        [NOON + DAY],
        [NOON + 9 * DAY, NOON + DAY],
        [NOON, NOON + DAY],
    ]


async def test_timers_that_another_process_is_putting_there_are_not_dropped(
    memory: Database, memory_url: str
) -> None:
    old, new = timer(RiskStage.EARLY, NOON), timer(RiskStage.EARLY, NOON + DAY)
    await memory.write(lambda uow: uow.timers.replace(LOCATION, LEAD, [old]))
    async with elsewhere(memory_url) as uow:
        uow.timers.replace(LOCATION, LEAD, [new])
        dropping = asyncio.ensure_future(
            memory.write(lambda own: own.timers.drop_due(LOCATION, [LEAD], now=NOON))
        )
        await asyncio.wait({dropping}, timeout=0.3)
    await dropping
    assert await memory.read(lambda uow: uow.timers.of_lead(LOCATION, LEAD)) == [new]


async def test_the_next_timer_is_known(any_memory: Memory) -> None:
    assert await any_memory.read(lambda uow: uow.timers.next_due(LOCATION, simulated=False)) is None
    timers = [timer(RiskStage.EARLY, NOON + DAY), timer(RiskStage.ACTIVE, NOON + HOUR)]
    await any_memory.write(lambda uow: uow.timers.replace(LOCATION, LEAD, timers))
    assert await any_memory.read(lambda uow: uow.timers.next_due(LOCATION, simulated=False)) == NOON + HOUR
    assert await any_memory.read(lambda uow: uow.timers.next_due(LOCATION, simulated=True)) is None


# --- the track record ---------------------------------------------------------------------------------------------


def record(made_at: datetime, **fields: object) -> ScoreRecord:
    return ScoreRecord.model_validate(
        {
            "location_id": LOCATION,
            "lead_id": LEAD,
            "target": "lead_score",
            "made_at": made_at,
            "due_at": made_at + 14 * DAY,
            "probability": 0.25,
            "low": 0.1,
            "high": 0.5,
            "prior_share": 0.75,
            "silence_days": 1.5,
            "model_version": "v1",
            "simulated": False,
        }
        | fields
    )


async def pages(
    memory: Memory,
    *,
    target: str = "lead_score",
    location: LocationId = LOCATION,
    since: datetime | None = None,
    limit: int = 2,
) -> list[ScoreRecord]:
    """Every resolved record, page by page."""
    found: list[ScoreRecord] = []

    def next_page(uow: UnitOfWork) -> list[ScoreRecord]:
        after = found[-1] if found else None
        return uow.record.page(location, target, since=since, after=after, limit=limit)

    while page := await memory.read(next_page):
        found += page
    return found


async def columns(
    memory: Memory, *, target: str = "lead_score", simulated: bool = False, location: LocationId = LOCATION
) -> RecordColumns:
    return await memory.read(lambda uow: uow.record.columns(location, target, simulated=simulated))


async def test_what_was_said_is_read_back_and_never_changed(any_memory: Memory) -> None:
    said = record(NOON)
    await any_memory.write(lambda uow: uow.record.add([said, record(NOON + DAY)]))
    await any_memory.write(lambda uow: uow.record.add([record(NOON, probability=0.9)]))
    assert await any_memory.read(lambda uow: uow.record.of_lead(LOCATION, LEAD)) == [said, record(NOON + DAY)]
    await any_memory.write(lambda uow: uow.record.add([]))


async def test_records_are_resolved_once_their_horizon_is_over(any_memory: Memory) -> None:
    early, late = record(NOON), record(NOON + DAY)
    made_up, elsewhere = record(NOON, lead_id="made-up", simulated=True), record(NOON, location_id=OTHER)
    await any_memory.write(lambda uow: uow.record.add([late, early, made_up, elsewhere]))
    over = NOON + 14 * DAY

    async def open_until(at: datetime, limit: int = 9) -> list[ScoreRecord]:
        return await any_memory.read(
            lambda uow: uow.record.unresolved(LOCATION, simulated=False, due_before=at, limit=limit)
        )

    assert await open_until(over) == [early]
    assert await open_until(over + DAY) == [early, late]
    assert await open_until(over + DAY, limit=1) == [early]
    known = early.model_copy(update={"outcome": True, "resolved_at": over})
    await any_memory.write(lambda uow: uow.record.resolve([known]))
    assert await open_until(over + DAY) == [late]
    assert await pages(any_memory) == [known]
    assert await pages(any_memory, target="won") == []
    assert await pages(any_memory, location=OTHER) == []


async def test_what_came_true_is_paged_in_order_from_a_day_on(any_memory: Memory) -> None:
    resolved = {"outcome": True, "resolved_at": NOON + 20 * DAY}
    known = [
        record(NOON, **resolved),
        *(
            record(NOON + DAY, lead_id=f"l-{n}", **resolved) for n in range(5)
        ),  # more at one time than a page holds
        record(NOON + 2 * DAY, **resolved),
    ]
    others = [record(NOON + 3 * DAY), record(NOON, target="won", **resolved)]
    await any_memory.write(lambda uow: uow.record.add([*known[::-1], *others]))
    assert await pages(any_memory) == known
    assert await pages(any_memory, limit=100) == known
    assert await pages(any_memory, since=NOON + DAY) == known[1:]


async def test_columns_hold_what_came_true_of_one_question_and_one_kind_of_leads(any_memory: Memory) -> None:
    known = [
        record(NOON, lead_id="b", outcome=True, resolved_at=NOON + 20 * DAY),
        record(NOON + DAY, lead_id="a", outcome=False, resolved_at=NOON + 20 * DAY, model_version="v2"),
        record(NOON + 2 * DAY, lead_id="b", outcome=False, resolved_at=NOON + 20 * DAY)
        .model_copy(update={"low": None, "high": None, "prior_share": None, "silence_days": None}),
    ]  # fmt: skip
    made_up = record(NOON, lead_id="made-up", simulated=True, outcome=True, resolved_at=NOON + 20 * DAY)
    await any_memory.write(
        lambda uow: uow.record.add(
            [*known[::-1], made_up, record(NOON + 3 * DAY), known[0].model_copy(update={"target": "won"})]
        )
    )
    found = await columns(any_memory)
    assert found.outcome.tolist() == [1.0, 0.0, 0.0]
    assert found.made_at.tolist() == [one.made_at.timestamp() for one in known]
    assert found.due_at.tolist() == [one.due_at.timestamp() for one in known]
    assert found.probability.tolist() == [0.25] * 3
    assert found.lead.tolist() == [0, 1, 0]
    assert [found.models[place] for place in found.model] == ["v1", "v2", "v1"]
    for column, value in (
        (found.low, 0.1),
        (found.high, 0.5),
        (found.prior_share, 0.75),
        (found.silence_days, 1.5),
    ):
        assert column[:2].tolist() == [value, value]
        assert np.isnan(column[2])
    assert (await columns(any_memory, simulated=True)).outcome.tolist() == [1.0]
    for nothing in (
        await columns(any_memory, target="churn_risk"),
        await columns(any_memory, location=OTHER),
    ):
        assert nothing.probability.shape == nothing.lead.shape == (0,)
        assert nothing.models == ()


async def test_what_waits_is_counted_by_kind_and_from_a_day_on(any_memory: Memory) -> None:
    waiting = [record(NOON + day * DAY, lead_id="another-lead") for day in (3, 4)]
    made_up = record(NOON, lead_id="made-up", simulated=True)
    known = record(NOON, outcome=True, resolved_at=NOON + 20 * DAY)
    await any_memory.write(lambda uow: uow.record.add([*waiting, made_up, known]))

    async def count(
        target: str = "lead_score", *, simulated: bool = False, since: datetime | None = None
    ) -> tuple[int, datetime | None]:
        return await any_memory.read(
            lambda uow: uow.record.waiting(LOCATION, target, simulated=simulated, since=since)
        )

    assert await count() == (2, waiting[0].due_at)
    assert await count(since=NOON + 4 * DAY) == (1, waiting[1].due_at)
    assert await count(simulated=True) == (1, made_up.due_at)
    assert await count("won") == (0, None)


async def test_whether_anything_was_said_of_people_is_known(any_memory: Memory) -> None:
    await any_memory.write(
        lambda uow: uow.record.add([record(NOON, simulated=True), record(NOON, location_id=OTHER)])
    )
    assert not await any_memory.read(lambda uow: uow.record.speaks_of_people(LOCATION))
    assert await any_memory.read(lambda uow: uow.record.speaks_of_people(OTHER))


async def test_events_of_a_type_and_a_lead_come_in_pages(any_memory: Memory) -> None:
    await any_memory.write(
        lambda uow: [uow.events.append(message(f"d-{n}", lead=LeadId(f"lead-{n % 2}"))) for n in range(6)]
    )
    await any_memory.write(lambda uow: uow.events.append(contact("c-1", lead=LeadId("lead-1"))))

    async def read(after: int, limit: int) -> tuple[list[str], int]:
        types = frozenset({"MessageReceived"})
        found, upto = await any_memory.read(
            lambda uow: uow.events.read_types(
                LOCATION, after=after, limit=limit, types=types, lead_id=LeadId("lead-1")
            )
        )
        return [recorded.delivery_id for recorded in found], upto

    assert await read(0, 2) == (["d-1", "d-3"], 4)
    assert await read(4, 2) == (["d-5"], 7)


# --- forgetting ---------------------------------------------------------------------------------------------------


async def test_a_forgotten_lead_leaves_neither_timers_nor_record(memory: Database) -> None:
    def work(uow: UnitOfWork) -> None:
        uow.timers.replace(LOCATION, LEAD, [timer(RiskStage.EARLY, NOON)])
        uow.record.add([record(NOON), record(NOON, lead_id=ANOTHER)])

    await memory.write(work)
    await memory.write(lambda uow: uow.leads.forget(LOCATION, LEAD, lead_hash="hash"))
    assert await memory.read(lambda uow: uow.timers.of_lead(LOCATION, LEAD)) == []
    assert await memory.read(lambda uow: uow.record.of_lead(LOCATION, LEAD)) == []
    assert len(await memory.read(lambda uow: uow.record.of_lead(LOCATION, ANOTHER))) == 1
