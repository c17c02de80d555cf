"""A lead that stays silent is judged anew when its stage is due: once, in time, after any restart, on its own time line."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from ghl_real_estate_ai.learning_ports import RiskTimer
from ghl_real_estate_ai.limits import (
    DURABLE_BATCH,
    SILENCE_BATCH,
    SILENCE_LOOK_S,
    SILENCE_REST_S,
    SILENCE_SIMULATED_LOOK_S,
)
from ghl_real_estate_ai.ml.churn_risk import KNOWN_FOR
from ghl_real_estate_ai.ml.risk_stages import DWELL
from ghl_real_estate_ai.models.events import (
    LeadIntelligenceUpdated,
)
from ghl_real_estate_ai.models.identifiers import ActionId, LeadId, LocationId, UserId, lead_hash
from ghl_real_estate_ai.models.intelligence import (
    ActionKind,
    ChurnRisk,
    Crossing,
    RiskStage,
)
from ghl_real_estate_ai.models.leads import Lead, LeadActivity, Snooze
from ghl_real_estate_ai.models.switches import Switch
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.silence_watch import TRY_AGAIN, SilenceWatch, timers_of
from ghl_real_estate_ai.services.switches import turn
from ghl_real_estate_ai.storage.database import Database
from ghl_real_estate_ai.storage.schema import leads, risk_timers
from tests.support.facts import LEAD, LOCATION, NOON
from tests.support.fake_memory import FakeMemory
from tests.support.looks import look, stamp
from tests.support.memory import spoil
from tests.support.quiet_house import House, a_house_with_a_lead

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.asyncio
async def test_each_look_leaves_a_timer_per_stage_ahead_a_dwell_after_its_crossing() -> None:
    house = await a_house_with_a_lead()
    risk = await house.shown()
    timers = await house.timers()
    assert [(timer.stage, timer.due_at) for timer in timers] == [
        (ahead.stage, max(ahead.at + DWELL, NOON + KNOWN_FOR)) for ahead in risk.crossings
    ]
    assert [timer.stage for timer in timers] == [RiskStage.EARLY, RiskStage.ACTIVE, RiskStage.CRITICAL]


@pytest.mark.asyncio
async def test_silence_is_told_at_its_due_time_and_moves_stage_screen_fact_and_timers() -> None:
    house = await a_house_with_a_lead()
    early, *later = await house.timers()
    async with house.open():
        house.clock.set_forward((early.due_at - house.clock.now()).total_seconds() - 40)
        await house.clock.advance(35)
        assert await house.quiet() == []
        await house.clock.advance(6)
        (quiet,) = await house.quiet()
        assert (quiet.stage, quiet.due_at, quiet.occurred_at) == (early.stage, early.due_at, early.due_at)
        await house.handled()
        updated = [e for e in await house.events() if isinstance(e, LeadIntelligenceUpdated)][-1]
        assert updated.intelligence.cause.event_id == quiet.event_id
        assert updated.intelligence.cause.summary.startswith("silent for ")
        assert updated.intelligence.cause.churn_by_event == 0
        assert updated.intelligence.cause.stage_before is RiskStage.NONE
        assert (updated.intelligence.cause.churn_by_time or 0) > 0
        assert updated.occurred_at - early.due_at < timedelta(seconds=5)
        risk = await house.shown()
        assert (risk.stage, risk.stage_since) == (RiskStage.EARLY, early.due_at)
        assert [timer.stage for timer in await house.timers()] == [timer.stage for timer in later]


@pytest.mark.asyncio
async def test_silence_is_no_activity_of_lead_or_team() -> None:
    house = await a_house_with_a_lead()
    before = await house.memory.read(lambda uow: uow.leads.get(LOCATION, LEAD))
    async with house.open():
        house.clock.set_forward((10 * DAY).total_seconds())
        await house.clock.advance(60)
        await house.handled()
    after = await house.memory.read(lambda uow: uow.leads.get(LOCATION, LEAD))
    assert len(await house.quiet()) >= 1
    assert before is not None
    assert after is not None
    assert after.activity == before.activity
    assert after.position > before.position


@pytest.mark.asyncio
async def test_after_a_long_stop_a_lead_is_told_once_of_its_highest_stage() -> None:
    house = await a_house_with_a_lead()
    timers = await house.timers()
    house.clock.set_forward((90 * DAY).total_seconds())
    house.restart()
    async with house.open():
        await house.clock.advance(5)
        await house.handled()
        (quiet,) = await house.quiet()
        assert quiet.stage is RiskStage.CRITICAL
        assert (await house.shown()).stage is RiskStage.CRITICAL
        assert (await house.shown()).stage_since == timers[-1].due_at
        assert await house.timers() == []
        await house.clock.advance(100)
        assert len(await house.quiet()) == 1


@pytest.mark.asyncio
async def test_a_sign_of_life_calls_the_timers_off() -> None:
    house = await a_house_with_a_lead()
    early = (await house.timers())[0]
    async with house.open():
        house.clock.set_forward((early.due_at - house.clock.now()).total_seconds() - 60)
        await house.write_in("still there")
        assert all(timer.due_at > early.due_at for timer in await house.timers())
        await house.clock.advance(120)
        assert await house.quiet() == []


@pytest.mark.asyncio
async def test_two_processes_that_both_watch_tell_it_once() -> None:
    house = await a_house_with_a_lead()
    other = SilenceWatch(memory=house.memory, bus=house.bus, clock=house.clock)
    house.clock.set_forward((90 * DAY).total_seconds())
    await asyncio.gather(house.watch.look(), other.look())
    assert len(await house.quiet()) == 1


@pytest.mark.asyncio
async def test_a_fact_that_is_in_the_log_already_is_not_repeated_when_its_timer_comes_back() -> None:
    house = await a_house_with_a_lead()
    timers = await house.timers()
    house.clock.set_forward((90 * DAY).total_seconds())
    await house.watch.look()
    await house.put_timers(*timers)  # an older copy of the table was restored
    await house.watch.look()
    assert len(await house.quiet()) == 1
    assert await house.timers() == []


@pytest.mark.asyncio
async def test_another_processes_tenants_are_left_alone() -> None:
    house = await a_house_with_a_lead()
    house.mine = False
    house.clock.set_forward((90 * DAY).total_seconds())
    assert await house.watch.look() == SILENCE_LOOK_S
    assert await house.quiet() == []


@pytest.mark.asyncio
async def test_a_forgotten_lead_is_told_of_no_more() -> None:
    house = await a_house_with_a_lead()
    await house.memory.write(
        lambda uow: uow.leads.forget(LOCATION, LEAD, lead_hash=lead_hash(LOCATION, LEAD))
    )
    house.clock.set_forward((90 * DAY).total_seconds())
    await house.watch.look()
    assert await house.quiet() == []


@pytest.mark.asyncio
async def test_simulated_leads_are_told_of_on_their_own_time_line() -> None:
    house = House()
    await house.serve()
    other = LeadId("lead-2")
    then = NOON - 400 * DAY
    async with house.open():
        for number in range(3):
            await house.write_in(f"s-{number}", at=then + number * DAY, simulated=True)
        timers = await house.timers()
        assert all(timer.simulated for timer in timers)
        await house.clock.advance(600)
        assert await house.quiet() == [], "real time means nothing to them"
        # somebody else's message moves their clock on by ten days
        await house.write_in("elsewhere", lead=other, at=then + 12 * DAY, simulated=True)
        await house.clock.advance(2 * SILENCE_SIMULATED_LOOK_S)
        await house.handled()
        (quiet,) = await house.quiet()
        assert quiet.simulated
        assert quiet.lead_id == LEAD
        assert quiet.occurred_at == then + 12 * DAY
        assert (await house.shown()).stage > RiskStage.NONE
        assert (await house.shown()).stage_since == max(
            timer.due_at for timer in timers if timer.due_at <= then + 12 * DAY
        )


async def many_that_are_due(house: House, many: int, *, place: LocationId = LOCATION) -> list[LeadId]:
    """Leads whose stages have all begun while nobody watched, one of EARLY after the other, then the later stages."""
    lead = await house.memory.read(lambda uow: uow.leads.get(LOCATION, LEAD))
    assert lead is not None
    house.clock.set_forward((90 * DAY).total_seconds())
    names = [LeadId(f"twin-{number:03d}") for number in range(many)]

    def put(uow: UnitOfWork) -> None:
        for number, name in enumerate(names):
            uow.leads.put(lead.model_copy(update={"lead_id": name, "location_id": place}), None)
            stages = (RiskStage.EARLY, RiskStage.ACTIVE, RiskStage.CRITICAL)
            timers = [
                RiskTimer(
                    location_id=place,
                    lead_id=name,
                    stage=stage,
                    due_at=NOON + (5 * stage) * DAY + timedelta(seconds=number),
                    simulated=False,
                )
                for stage in stages
            ]
            uow.timers.replace(place, name, timers)

    await house.memory.write(put)
    return names


@pytest.mark.asyncio
async def test_of_many_leads_that_are_due_at_once_each_is_told_of_once_with_its_highest_stage() -> None:
    house = await a_house_with_a_lead()
    names = await many_that_are_due(house, 3 * SILENCE_BATCH + 7)
    async with house.open():
        await house.clock.advance(20)
        await house.handled()
    told = [fact for fact in await house.quiet() if fact.lead_id != LEAD]
    assert [fact.lead_id for fact in told] == names
    assert {fact.stage for fact in told} == {RiskStage.CRITICAL}


@pytest.mark.asyncio
async def test_a_look_tells_of_one_batch_and_rests() -> None:
    house = await a_house_with_a_lead()
    await many_that_are_due(house, SILENCE_BATCH + 7)
    assert await house.watch.look() == SILENCE_REST_S
    assert len(await house.quiet()) == SILENCE_BATCH


@pytest.mark.asyncio
async def test_nobody_is_told_of_while_the_log_is_behind_by_more_than_a_batch() -> None:
    """A lead that writes just now does not wait behind all who went quiet while the house stood still."""
    house = await a_house_with_a_lead()
    await many_that_are_due(house, 4 * DURABLE_BATCH)
    waits = [await house.watch.look() for _ in range(4 * DURABLE_BATCH // SILENCE_BATCH)]
    assert await house.bus.lag(LOCATION) <= DURABLE_BATCH + SILENCE_BATCH
    assert SILENCE_REST_S <= waits[-1] < SILENCE_LOOK_S
    async with house.open(watching=False):
        await house.handled()
    told = len(await house.quiet())
    await house.watch.look()
    assert len(await house.quiet()) == told + SILENCE_BATCH


@pytest.mark.asyncio
async def test_a_look_is_shared_by_the_tenants_that_have_somebody_due() -> None:
    house = await a_house_with_a_lead()
    elsewhere = LocationId("loc-2")
    await house.serve(LOCATION, elsewhere)
    await many_that_are_due(house, 2 * SILENCE_BATCH)
    await many_that_are_due(house, 2 * SILENCE_BATCH, place=elsewhere)
    await house.watch.look()
    there = await house.memory.read(lambda uow: uow.events.read(elsewhere, after=0, limit=100))
    assert len(there) == SILENCE_BATCH // 2 == len(await house.quiet())


@pytest.mark.asyncio
async def test_a_lead_that_cannot_be_read_waits_a_day_and_holds_up_nobody(
    sqlite_memory: Database, tmp_path: Path
) -> None:
    house = await a_house_with_a_lead(sqlite_memory)
    broken, well = await many_that_are_due(house, 2)
    spoil(tmp_path, sa.update(leads).where(leads.c.lead_id == broken).values(state="{}"))
    await house.watch.look()
    assert well in {fact.lead_id for fact in await house.quiet()}
    assert {timer.due_at for timer in await house.timers(broken)} == {house.clock.now() + DAY}
    assert await house.timers(well) == []


@pytest.mark.asyncio
async def test_a_tenant_whose_timers_cannot_be_read_does_not_end_the_watch_over_the_others(
    sqlite_memory: Database, tmp_path: Path
) -> None:
    house = await a_house_with_a_lead(sqlite_memory)
    elsewhere = LocationId("loc-2")
    await house.serve(elsewhere)
    await many_that_are_due(house, 1, place=elsewhere)
    there = risk_timers.c.location_id == elsewhere
    spoil(tmp_path, sa.update(risk_timers).where(there).values(stage=risk_timers.c.stage + 90))
    with capture_logs() as logs:
        await house.watch.look()
    assert [fact.lead_id for fact in await house.quiet()] == [LEAD]
    assert [log["location_id"] for log in logs if log["event"] == "timers.unreadable"] == [elsewhere]


@pytest.mark.asyncio
async def test_the_watch_sleeps_until_the_next_timer_and_outlives_a_database_that_is_away() -> None:
    house = await a_house_with_a_lead()
    due = (await house.timers())[0].due_at
    house.clock.set_forward((due - house.clock.now()).total_seconds() - 7)
    assert await house.watch.look() == pytest.approx(7)
    assert isinstance(house.memory, FakeMemory)
    house.memory.away = True
    assert await house.watch.look() == SILENCE_LOOK_S


def a_lead(*, last_lead_at: datetime = NOON - DAY) -> Lead:
    return Lead(
        location_id=LOCATION,
        lead_id=LEAD,
        activity=LeadActivity(first_at=NOON - 9 * DAY, last_lead_at=last_lead_at),
    )


def test_a_look_without_a_fresh_risk_is_repeated_soon() -> None:
    seen = look(churn=0.7)
    late = {"stale_reason": "late", "as_of": NOON}
    stale = seen.model_copy(update={"churn": seen.churn.model_copy(update=late)})
    (timer,) = timers_of(a_lead(), stale)
    assert (timer.stage, timer.due_at) == (RiskStage.CRITICAL, NOON + TRY_AGAIN)
    new = a_lead(last_lead_at=NOON)
    (timer,) = timers_of(new, look(churn=None))
    assert (timer.stage, timer.due_at) == (RiskStage.EARLY, NOON + TRY_AGAIN)


@pytest.mark.parametrize("ever", [True, False])
def test_a_risk_that_goes_on_failing_is_asked_for_less_and_less_often(ever: bool) -> None:
    """``ever``: there was a risk before it began to fail."""
    failing = look(churn=0.7 if ever else None)
    why = {"stale_reason": "failed", "as_of": NOON if ever else None}
    failing = failing.model_copy(update={"churn": failing.churn.model_copy(update=why)})
    lead, waits = a_lead(last_lead_at=NOON), []
    for _ in range(10):
        (timer,) = timers_of(lead, failing)
        waits.append(timer.due_at - failing.as_of)
        failing = failing.model_copy(update={"as_of": timer.due_at})
    assert waits[:5] == [TRY_AGAIN, *(TRY_AGAIN * 2**number for number in range(4))]
    assert waits[-1] == DAY


def test_a_lead_whose_deal_is_done_or_that_was_deleted_has_no_timers() -> None:
    ahead = (Crossing(stage=RiskStage.EARLY, at=NOON + HOUR),)
    risk = ChurnRisk(probability=0.2, stage=RiskStage.NONE, horizon_days=14, model=stamp(), crossings=ahead)
    seen = look()
    seen = seen.model_copy(update={"churn": seen.churn.model_copy(update={"value": risk})})
    assert len(timers_of(a_lead(), seen)) == 1
    assert timers_of(a_lead().model_copy(update={"deleted": True}), seen) == []


def test_the_soonest_end_of_what_is_put_off_wakes_too_but_not_for_a_lead_that_is_gone() -> None:
    ends = {
        ActionId("late"): NOON + 9 * HOUR,
        ActionId("soon"): NOON + 2 * HOUR,
        ActionId("past"): NOON - HOUR,
    }
    snoozed = {action_id: Snooze(at=NOON - DAY, until=until) for action_id, until in ends.items()}
    lead = a_lead().model_copy(update={"snoozed": snoozed})
    due = {timer.stage: timer.due_at for timer in timers_of(lead, look())}
    assert due[RiskStage.NONE] == NOON + 2 * HOUR
    assert timers_of(lead.model_copy(update={"deleted": True}), look()) == []


@pytest.mark.asyncio
async def test_what_was_put_off_and_stands_behind_a_meeting_is_looked_at_again_at_its_time() -> None:
    house = await a_house_with_a_lead()
    async with house.open():
        await house.write_in("Can I see it?")
        action = (await house.seen()).next_action
        assert action is not None
        now = house.clock.now()
        await house.fact(
            "ActionSnoozed", action_id=action.action_id, user_id="u1", until=(now + 2 * HOUR).isoformat()
        )
        start = (now + 9 * HOUR).isoformat()
        await house.fact(
            "AppointmentChanged", appointment_id="a1", created=True, status="new", start_time=start
        )
        meeting = (await house.seen()).next_action
        assert meeting is not None
        assert meeting.kind is ActionKind.CONFIRM_APPOINTMENT
        await house.clock.advance((2 * HOUR).total_seconds() + 1)
        await house.handled()
        back = (await house.seen()).next_action
        assert back is not None
        assert back.action_id == action.action_id
        assert (await house.quiet())[-1].stage is RiskStage.NONE


@pytest.mark.asyncio
async def test_where_the_watch_is_turned_off_timers_wait_and_are_told_when_it_is_on_again() -> None:
    house = await a_house_with_a_lead()
    early, *_ = await house.timers()
    house.clock.set_forward((early.due_at - house.clock.now()).total_seconds() + 1)
    for on, told in ((False, 0), (True, 1)):
        await house.memory.write(
            lambda uow, on=on: turn(uow, LOCATION, Switch.SILENCE_WATCH, on=on, by=UserId("u-1"), now=NOON)  # type: ignore[misc]
        )
        assert await house.watch.look() == (SILENCE_REST_S if told else SILENCE_LOOK_S)
        assert len(await house.quiet()) == told
