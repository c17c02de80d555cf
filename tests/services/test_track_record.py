"""The record: a lead's first look of a day, in the transaction of the look, resolved by the log once its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.learning_ports import ScoreRecord
from ghl_real_estate_ai.limits import TRACK_EVENTS
from ghl_real_estate_ai.models.events import AppointmentChanged, Delivery, Source
from ghl_real_estate_ai.models.identifiers import CorrelationId, EventId, LeadId, LocationId
from ghl_real_estate_ai.models.intelligence import Interval
from ghl_real_estate_ai.models.leads import Lead, LeadActivity, Location
from ghl_real_estate_ai.models.track_record import TargetRecord
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.track_record import GRACE, TrackRecordKeeper, records_of
from tests.support.clock import FakeClock
from tests.support.facts import LEAD, LOCATION, NOON, contact, delivery, message
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


def appointment(name: str, *, at: datetime) -> Delivery:
    """News of the one appointment of the lead."""
    return delivery(
        name,
        AppointmentChanged(
            event_id=EventId(name),
            location_id=LOCATION,
            occurred_at=at,
            correlation_id=CorrelationId(name),
            source=Source.APP_WEBHOOK,
            lead_id=LEAD,
            appointment_id="a-1",
            status="confirmed",
        ),
    )


class House:
    """A keeper over a memory of dicts."""

    def __init__(self, memory: FakeMemory | None = None) -> None:
        self.memory = FakeMemory() if memory is None else memory
        self.clock = FakeClock(NOON)
        self.keeper = TrackRecordKeeper(memory=self.memory, clock=self.clock)

    def later(self, by: timedelta) -> None:
        self.clock.set_forward(by.total_seconds())

    async def say(self, *records: ScoreRecord) -> None:
        await self.memory.write(lambda uow: uow.record.add(records))

    async def happen(self, *deliveries: Delivery) -> None:
        await self.memory.write(lambda uow: uow.events.append_page(deliveries))

    async def resolved(self, target: str = "churn_risk") -> list[ScoreRecord]:
        return await self.memory.read(
            lambda uow: uow.record.page(LOCATION, target, since=None, after=None, limit=1_000)
        )

    async def score(self, since: datetime | None = None) -> TargetRecord:
        report = await self.keeper.report(LOCATION, since=since)
        return next(target for target in report.targets if target.target == "lead_score")

    async def rows(self, since: datetime | None = None) -> list[ScoreRecord]:
        return [row async for page in self.keeper.pages(LOCATION, since=since) for row in page]


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
async def test_news_that_came_late_counts_from_when_the_lead_was_known_to_be_later() -> None:
    """As in training: the time of an event is the newest time of the log so far."""
    house, later = House(), NOON + timedelta(minutes=10)
    await house.say(said(target="churn_risk", at=NOON))
    await house.happen(contact("edited", at=later), message("late", at=NOON - timedelta(minutes=10)))
    house.later(30 * DAY)
    await house.keeper.resolve(LOCATION)
    (record,) = await house.resolved()
    assert record.outcome is False  # it was no sign of life when the answer was given, and is one after it


@pytest.mark.asyncio
async def test_the_whole_log_of_a_lead_is_read_in_short_reads() -> None:
    house = House()
    await house.say(said(at=NOON, target="lead_score"))
    await house.happen(
        appointment("booked", at=NOON - 2 * DAY),
        *(message(f"m-{n}", at=NOON - DAY) for n in range(2 * TRACK_EVENTS)),
        appointment("moved", at=NOON + DAY),
    )
    house.later(30 * DAY)
    await house.keeper.resolve(LOCATION)
    (record,) = await house.resolved("lead_score")
    assert record.outcome is False, "the appointment was known long before"
    assert house.memory.reads >= 3


@pytest.mark.asyncio
async def test_what_was_resolved_stays_so_when_the_database_goes_away_in_between() -> None:
    house = House(LosesItsLine(after=4))
    await house.say(*(said(target="churn_risk", lead=f"l-{n}") for n in range(9)))
    house.later(30 * DAY)
    with pytest.raises(StorageUnavailable):
        await house.keeper.resolve(LOCATION)
    house.memory.away = False
    assert 0 < len(await house.resolved()) < 9
    await house.keeper.resolve(LOCATION)
    assert len(await house.resolved()) == 9


class LosesItsLine(FakeMemory):
    """Goes away after so many reads, once."""

    def __init__(self, *, after: int) -> None:
        super().__init__()
        self._after = after

    async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
        self.away = self.away or self.reads == self._after
        return await super().read(query)


@pytest.mark.asyncio
async def test_the_report_counts_what_waits_and_tells_rows() -> None:
    house = House()
    await house.say(*history(30), said(lead="waiting", at=NOON + 5 * DAY))
    score = await house.score()
    assert (score.rows, score.waiting, score.next_due_at) == (90, 1, NOON + 19 * DAY)
    assert len(await house.rows()) == 90
    since = NOON + 30 * DAY
    assert all(row.made_at >= since for row in await house.rows(since))


@pytest.mark.asyncio
async def test_what_waits_is_counted_from_the_day_that_was_asked_for_and_no_past_day_is_named() -> None:
    house = House()
    await house.say(said(lead="early", at=NOON), said(lead="late", at=NOON + 5 * DAY))
    late = await house.score(since=NOON + DAY)
    assert (late.waiting, late.next_due_at) == (1, NOON + 19 * DAY)
    house.later(14 * DAY + timedelta(hours=1))  # over, and not looked up yet
    overdue = await house.score()
    assert (overdue.waiting, overdue.next_due_at) == (2, None)
    assert overdue.verdict == "not enough data: 2 answers wait for their 14 days to end"


@pytest.mark.asyncio
async def test_where_anything_was_said_of_people_simulated_answers_are_left_out() -> None:
    house = House()
    made_up = [
        row.model_copy(update={"simulated": True, "lead_id": LeadId(f"sim-{row.lead_id}")})
        for row in history(150, honest=False, seed=3)
    ]
    await house.say(*made_up, said(lead="sim-waiting", simulated=True))
    alone = await house.score()
    assert (alone.rows, alone.waiting, alone.simulated) == (450, 1, True)
    people = House()
    await people.say(*history(150))
    await house.say(*history(150))
    both = await house.score()
    assert both == await people.score()
    assert (both.rows, both.waiting, both.simulated) == (450, 0, False)


@pytest.mark.asyncio
async def test_what_delays_one_tenant_delays_no_other() -> None:
    house, other = House(), LocationId("loc-2")
    for location_id in (LOCATION, other):
        place = Location(location_id=location_id, name="x")
        await house.memory.write(lambda uow, place=place: uow.tenants.put_location(place))  # type: ignore[misc]  # reason: bound now
        await house.say(said(target="churn_risk", location=location_id))
    house.later(30 * DAY)

    async def rest(_seconds: float) -> None:
        raise asyncio.CancelledError

    house.memory.fail_writes = 1
    with pytest.raises(asyncio.CancelledError):
        await TrackRecordKeeper(memory=house.memory, clock=house.clock, sleep=rest).run()

    def left(uow: UnitOfWork) -> list[int]:
        return [uow.record.waiting(at, "churn_risk", simulated=False)[0] for at in (LOCATION, other)]

    assert sorted(await house.memory.read(left)) == [0, 1]


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
    left = await house.memory.read(
        lambda uow: uow.record.waiting(other.location_id, "churn_risk", simulated=False)
    )
    assert left[0] == 1
