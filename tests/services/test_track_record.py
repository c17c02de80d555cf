"""The record: a lead's first look of a day, in the transaction of the look, resolved by the log once its time is over."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from ghl_real_estate_ai.learning_ports import ScoreRecord
from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.intelligence import Interval
from ghl_real_estate_ai.models.leads import Lead, LeadActivity, Location
from ghl_real_estate_ai.services.track_record import GRACE, TrackRecordKeeper, records_of
from tests.support.clock import FakeClock
from tests.support.facts import LEAD, LOCATION, NOON, message
from tests.support.fake_memory import FakeMemory
from tests.support.looks import look
from tests.support.said import history, said

DAY = timedelta(days=1)


def lead_of(*, at: datetime = NOON, known_for: timedelta = 10 * DAY) -> Lead:
    activity = LeadActivity(first_at=at - known_for, first_lead_at=at - known_for, last_lead_at=at - 2 * DAY)
    return Lead(location_id=LOCATION, lead_id=LEAD, activity=activity)


def records(**fields: object) -> list[ScoreRecord]:
    seen = look(at=NOON, **fields)  # type: ignore[arg-type]  # reason: fields of ``look``, by name
    return records_of(lead_of(), seen, before=None, cause=message("m").event)


def test_the_first_look_of_a_day_is_kept_for_every_question_that_is_asked() -> None:
    kept = {record.target: record for record in records(score=0.7, churn=0.2)}
    assert set(kept) == {"lead_score", "churn_risk"}
    assert kept["lead_score"].probability == 0.7
    assert kept["lead_score"].due_at == NOON + 14 * DAY
    assert kept["lead_score"].silence_days == pytest.approx(2.0)
    assert kept["lead_score"].model_version == "1"


def test_an_interval_and_the_priors_share_are_kept_with_the_score() -> None:
    seen = look(at=NOON, score=0.7)
    assert seen.score.value is not None
    value = seen.score.value.model_copy(update={"interval": Interval(low=0.5, high=0.8), "prior_share": 0.4})
    seen = seen.model_copy(update={"score": seen.score.model_copy(update={"value": value})})
    (score, _) = records_of(lead_of(), seen, before=None, cause=message("m").event)
    assert (score.low, score.high, score.prior_share) == (0.5, 0.8, 0.4)


def test_a_second_look_of_the_day_is_not_kept_but_the_next_days_is() -> None:
    before, cause = look(at=NOON - timedelta(hours=2)), message("m").event
    assert records_of(lead_of(), look(at=NOON), before=before, cause=cause) == []
    yesterday = look(at=NOON - DAY)
    assert records_of(lead_of(), look(at=NOON), before=yesterday, cause=cause)


def test_a_look_that_old_news_caused_is_not_kept() -> None:
    old = message("m", at=NOON - timedelta(hours=25)).event
    assert records_of(lead_of(), look(at=NOON), before=None, cause=old) == []


def test_a_question_that_does_not_fit_the_lead_is_not_kept() -> None:
    fresh = lead_of(known_for=DAY)  # a churn risk means nothing before the third day
    kept = records_of(fresh, look(at=NOON), before=None, cause=message("m").event)
    assert {record.target for record in kept} == {"lead_score"}
    gone = lead_of().model_copy(update={"deleted": True})
    assert records_of(gone, look(at=NOON), before=None, cause=message("m").event) == []


def test_a_part_that_is_missing_or_stale_is_not_kept() -> None:
    assert {record.target for record in records(score=None)} == {"churn_risk"}
    seen = look(at=NOON)
    stale = seen.model_copy(update={"score": seen.score.model_copy(update={"stale_reason": "late"})})
    kept = records_of(lead_of(), stale, before=None, cause=message("m").event)
    assert {record.target for record in kept} == {"churn_risk"}


class House:
    """A keeper over a memory of dicts."""

    def __init__(self) -> None:
        self.memory = FakeMemory()
        self.clock = FakeClock(NOON)
        self.keeper = TrackRecordKeeper(memory=self.memory, clock=self.clock)

    def later(self, by: timedelta) -> None:
        self.clock.set_forward(by.total_seconds())

    async def say(self, *records: ScoreRecord) -> None:
        await self.memory.write(lambda uow: uow.record.add(records))

    async def happen(self, *deliveries: Delivery) -> None:
        await self.memory.write(lambda uow: uow.events.append_page(deliveries))

    async def resolved(self, target: str = "churn_risk") -> list[ScoreRecord]:
        return await self.memory.read(lambda uow: uow.record.resolved(LOCATION, target))


@pytest.mark.asyncio
async def test_an_answer_is_resolved_once_its_time_is_over_and_not_before() -> None:
    house = House()
    await house.say(said(target="churn_risk", at=NOON))
    house.later(14 * DAY + GRACE - timedelta(minutes=1))
    assert await house.keeper.resolve(LOCATION) == 0
    house.later(timedelta(minutes=1))
    assert await house.keeper.resolve(LOCATION) == 1
    (record,) = await house.resolved()
    assert record.outcome is True  # silent
    assert record.resolved_at == house.clock.now()
    assert await house.keeper.resolve(LOCATION) == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(("after", "silent"), [(13.9 * DAY, False), (14.1 * DAY, True), (-0.1 * DAY, True)])
async def test_the_outcome_is_read_from_the_leads_own_log(after: timedelta, silent: bool) -> None:
    house = House()
    await house.say(said(target="churn_risk", at=NOON))
    await house.happen(
        message("life", at=NOON + after), message("other", lead=LeadId("lead-2"), at=NOON + DAY)
    )
    house.later(30 * DAY)
    await house.keeper.resolve(LOCATION)
    (record,) = await house.resolved()
    assert record.outcome is silent


@pytest.mark.asyncio
async def test_simulated_answers_are_resolved_on_their_own_time_line() -> None:
    house = House()
    await house.say(
        said(target="churn_risk", at=NOON, simulated=True), said(target="churn_risk", lead="real", at=NOON)
    )
    lead = lead_of(at=NOON + 22 * DAY).model_copy(update={"simulated": True})  # active two days before
    await house.memory.write(lambda uow: uow.leads.put(lead, look(simulated=True)))
    await house.keeper.resolve(LOCATION)
    assert [record.simulated for record in await house.resolved()] == [True]


@pytest.mark.asyncio
async def test_the_report_counts_what_waits_and_tells_rows() -> None:
    house = House()
    await house.say(*history(30), said(lead="waiting", at=NOON + 5 * DAY))
    report = await house.keeper.report(LOCATION)
    score = next(target for target in report.targets if target.target == "lead_score")
    assert (score.rows, score.waiting, score.next_due_at) == (90, 1, NOON + 19 * DAY)
    assert len(await house.keeper.rows(LOCATION)) == 90
    since = NOON + 30 * DAY
    assert all(row.made_at >= since for row in await house.keeper.rows(LOCATION, since=since))


@pytest.mark.asyncio
async def test_the_loop_goes_on_after_the_database_was_away_and_leaves_others_tenants_alone() -> None:
    house = House()
    await house.memory.write(lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="x")))
    other = Location(location_id=LocationId("loc-2"), name="y")
    await house.memory.write(lambda uow: uow.tenants.put_location(other))
    await house.say(said(target="churn_risk"), said(target="churn_risk", location=other.location_id))
    house.later(30 * DAY)
    turns = 0

    async def rest(_seconds: float) -> None:
        nonlocal turns
        turns += 1
        house.memory.away = False
        if turns == 3:
            raise asyncio.CancelledError

    keeper = TrackRecordKeeper(
        memory=house.memory, clock=house.clock, sleep=rest, mine=lambda location_id: location_id == LOCATION
    )
    house.memory.away = True
    with pytest.raises(asyncio.CancelledError):
        await keeper.run()
    assert len(await house.resolved()) == 1
    left = await house.memory.read(lambda uow: uow.record.waiting(other.location_id, "churn_risk"))
    assert left[0] == 1
