"""The manager's figures: the first human answers, who waits is counted, old acquaintances are not new, tenants apart."""

from __future__ import annotations

import asyncio
from zoneinfo import ZoneInfo

import pytest

from ghl_real_estate_ai.ml.waiting import waits_from
from ghl_real_estate_ai.models.identifiers import ActionId, LeadId, LocationId, fact_id
from ghl_real_estate_ai.models.leads import Answered, Lead, LeadActivity, OpportunityStatus
from ghl_real_estate_ai.models.team import Direction, ResponseGroup, TeamResponse
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.team_response import FEWEST_COMPARED, SOURCES_SHOWN, TeamResponses
from tests.support.clock import FakeClock
from tests.support.facts import LOCATION, NOON, contact
from tests.support.fake_memory import FakeMemory
from tests.support.team_leads import DAY_MIN, ago, concluded, put, worked_lead

pytestmark = pytest.mark.asyncio

UTC_ZONE = ZoneInfo("UTC")
OTHER = LocationId("loc-2")
ACTION = ActionId("reply-1")


async def report(memory: Memory, *, days: int = 30, zone: str = "UTC") -> TeamResponse:
    team = TeamResponses(memory=memory, clock=FakeClock(NOON))
    return await team.report(LOCATION, days=days, zone=ZoneInfo(zone))


def named(groups: tuple[ResponseGroup, ...], name: str) -> ResponseGroup:
    return next(group for group in groups if group.name == name)


def marked_lead(
    name: str, *, came: float, clicked: float, touched: float | None = None, wrote: tuple[float, ...] = ()
) -> Lead:
    """Of which an agent said, ``clicked`` minutes ago, that nothing that it wrote until then waits for an answer."""
    said = Answered(at=ago(clicked), through=ago(came))
    return worked_lead(name, came=came, touched=touched, wrote=wrote or (came,), answered={ACTION: said})


async def test_an_empty_location_says_so_in_numbers() -> None:
    found = await report(FakeMemory())
    assert (found.overall.leads, found.overall.p50_min, found.overall.within_5_min) == (0, None, None)
    assert found.overall.curve == ()
    assert [group.name for group in found.by_hour] == [f"{hour:02}" for hour in range(24)]
    assert (found.load, found.untouched, found.simulated, found.truncated) == ((), (), False, False)
    assert found.now == NOON


async def test_leads_that_wait_are_counted_as_waiting_and_not_left_out() -> None:
    memory = FakeMemory()
    quick = [worked_lead(f"quick-{n}", came=600, touched=598) for n in range(4)]
    ignored = [worked_lead(f"ignored-{n}", came=600 + n) for n in range(6)]
    await put(memory, *quick, *ignored)
    found = (await report(memory)).overall
    assert (found.leads, found.answered, found.waiting) == (10, 4, 6)
    assert found.within_5_min == pytest.approx(0.4)  # of those who were answered: all
    assert found.p50_min is None  # of those who were answered: 2 minutes
    (step,) = found.curve
    assert (step.minutes, round(step.answered, 9), step.still_waiting) == (2.0, 0.4, 6)
    assert step.low < 0.4 < step.high


async def test_the_moments_are_the_whole_curves_and_not_those_of_its_drawn_points() -> None:
    memory = FakeMemory()
    waits = [4.999, *(5.0 + n for n in range(300))]
    await put(
        memory,
        *(
            worked_lead(f"lead-{n}", came=2 * DAY_MIN, touched=2 * DAY_MIN - wait)
            for n, wait in enumerate(waits)
        ),
    )
    found = (await report(memory)).overall
    assert len(found.curve) < len(waits)
    assert found.within_5_min == pytest.approx(2 / 301)
    assert found.within_60_min == pytest.approx(57 / 301)
    assert found.within_1440_min == 1.0


async def test_a_moment_that_nobody_was_watched_for_is_not_known() -> None:
    memory = FakeMemory()
    await put(memory, worked_lead("new", came=30))
    found = (await report(memory)).overall
    assert (found.within_5_min, found.within_60_min, found.within_1440_min) == (0.0, None, None)


async def test_whom_an_agent_reached_before_they_showed_up_has_waited_for_nobody() -> None:
    memory = FakeMemory()
    await put(memory, worked_lead("known", came=100, touched=300))
    found = (await report(memory)).overall
    assert (found.p50_min, found.answered) == (0.0, 1)


async def test_a_form_lead_that_writes_later_came_with_the_form_as_the_clock_on_the_screens_has_it() -> None:
    """Answered 30 hours after the form, 6 after its first message; and one whose form nobody answered."""
    memory = FakeMemory()
    form = {"first_at": ago(2 * DAY_MIN), "first_lead_at": ago(DAY_MIN), "last_lead_at": ago(DAY_MIN)}
    touch = {"first_agent_at": ago(DAY_MIN - 360), "last_agent_at": ago(DAY_MIN - 360)}
    answered = worked_lead(
        "answered", wrote=(DAY_MIN,), activity=LeadActivity.model_validate({**form, **touch})
    )
    waits = worked_lead("waits", wrote=(DAY_MIN,), activity=LeadActivity.model_validate(form))
    await put(memory, answered)
    assert (await report(memory)).overall.p50_min == DAY_MIN + 360
    await put(memory, waits)
    (desk,) = (await report(memory)).load
    assert desk.longest_wait_min == 2 * DAY_MIN
    assert waits_from(waits, NOON) == ago(2 * DAY_MIN)


async def test_of_an_acquaintance_of_weeks_the_first_own_sign_is_the_arrival() -> None:
    memory = FakeMemory()
    activity = LeadActivity(
        first_at=ago(20 * DAY_MIN), first_lead_at=ago(50), last_lead_at=ago(50), first_agent_at=ago(40), last_agent_at=ago(40)
    )  # fmt: skip
    await put(memory, worked_lead("known", wrote=(50,), activity=activity))
    assert (await report(memory)).overall.p50_min == 10.0


async def test_a_lead_that_was_closed_unanswered_waited_until_then_and_waits_no_more() -> None:
    memory = FakeMemory()
    await put(
        memory,
        worked_lead("lost", came=200, closed=(OpportunityStatus.LOST, 190)),
        worked_lead("won", came=200, closed=(OpportunityStatus.WON, 197)),
        worked_lead("answered", came=200, touched=150),
    )
    found = await report(memory)
    assert (found.overall.leads, found.overall.answered, found.overall.waiting) == (3, 1, 0)
    assert (
        found.overall.p50_min is None
    )  # both had left the curve before: the one answer is no word about them
    assert [(desk.open_leads, desk.waiting) for desk in found.load] == [(1, 0)]


async def test_a_click_that_says_answered_makes_nobody_quick_and_nobody_wait() -> None:
    """Ten wait, or were marked a minute after they came; who was answered before and after that minute is the same."""
    answered = [worked_lead(f"soon-{n}", came=600, touched=596) for n in range(4)]
    answered += [worked_lead(f"late-{n}", came=600, touched=500) for n in range(6)]
    waiting, clicked = FakeMemory(), FakeMemory()
    await put(waiting, *answered, *(worked_lead(f"lead-{n}", came=600) for n in range(10)))
    await put(clicked, *answered, *(marked_lead(f"lead-{n}", came=600, clicked=599) for n in range(10)))
    before, after = (await report(waiting)).overall, (await report(clicked)).overall
    assert (before.waiting, before.marked) == (10, 0)
    assert (after.waiting, after.marked) == (0, 10)
    assert after.within_5_min == pytest.approx(0.2)
    counts = {"waiting", "marked", "marks"}
    assert after.model_dump(exclude=counts) == before.model_dump(exclude=counts)


async def test_a_marked_lead_that_is_closed_later_is_watched_until_then_as_any_other() -> None:
    memory = FakeMemory()
    said = {ACTION: Answered(at=ago(599), through=ago(600))}
    lost = (OpportunityStatus.LOST, 400.0)
    await put(memory, worked_lead("lead", came=600, wrote=(600,), answered=said, closed=lost))
    found = (await report(memory)).overall
    assert (found.marked, found.waiting, found.watched_min) == (1, 0, 200.0)


async def test_a_simulated_lead_is_marked_on_its_own_time_line_whenever_somebody_clicks() -> None:
    memory = FakeMemory()
    marked = marked_lead("marked", came=600, clicked=-500)  # after the newest that any simulated lead did
    await put(
        memory, marked.model_copy(update={"simulated": True}), worked_lead("new", came=400, simulated=True)
    )
    found = (await report(memory)).overall
    assert (found.waiting, found.marked) == (1, 1)


async def test_a_marked_lead_that_a_human_answers_after_all_waited_until_then() -> None:
    memory = FakeMemory()
    await put(memory, marked_lead("marked", came=600, clicked=599, touched=500))
    found = (await report(memory)).overall
    assert (found.p50_min, found.answered, found.marked) == (100.0, 1, 0)


async def test_what_a_lead_writes_after_the_click_and_the_click_taken_back_make_it_wait_again() -> None:
    memory = FakeMemory()
    writes = marked_lead("writes", came=600, clicked=599, wrote=(600, 30))
    undone = marked_lead("undone", came=600, clicked=599)
    await put(memory, writes, undone.model_copy(update={"reopened": {ACTION: ago(598)}}))
    found = (await report(memory)).overall
    assert (found.waiting, found.marked) == (2, 0)


async def test_the_curve_ends_where_the_last_lead_was_watched_and_marks_those_who_wait() -> None:
    memory = FakeMemory()
    await put(memory, *(worked_lead(f"quick-{n}", came=300, touched=298) for n in range(6)))
    await put(memory, *(worked_lead(f"waits-{n}", came=400) for n in range(3)))
    await put(memory, worked_lead("old", came=2_000, touched=1_000))
    found = (await report(memory)).overall
    steps = [(step.minutes, round(step.answered, 9)) for step in found.curve]
    assert steps == [(2.0, 0.6), (1_000.0, 0.7)]  # of those who still wait the last answer says nothing
    assert found.watched_min == 1_000.0
    (mark,) = found.marks
    assert (mark.leads, round(mark.answered, 9)) == (3, 0.6)
    assert mark.minutes == pytest.approx(400, rel=0.1)
    assert found.p90_min is None


async def test_the_curve_does_not_say_that_all_are_answered_while_some_wait() -> None:
    """Twenty answered after one to twenty hours, and five that came two hours ago."""
    memory = FakeMemory()
    day = 2 * DAY_MIN
    await put(memory, *(worked_lead(f"h-{n}", came=day, touched=day - 60 * n) for n in range(1, 21)))
    await put(memory, *(worked_lead(f"new-{n}", came=120) for n in range(5)))
    found = (await report(memory)).overall
    assert round(found.curve[-1].answered, 9) == 0.8
    assert found.p90_min is None  # the estimate beyond says: after 18 hours
    assert found.p50_min is not None


async def test_where_nobody_waits_the_curve_reaches_all_of_them() -> None:
    memory = FakeMemory()
    await put(memory, worked_lead("a", came=300, touched=298), worked_lead("b", came=300, touched=200))
    found = (await report(memory)).overall
    assert (found.curve[-1].answered, found.watched_min, found.marks) == (1.0, 100.0, ())


async def test_each_figure_is_told_beside_that_of_as_many_days_before_as_they_then_stood() -> None:
    """Before, half were answered after an hour and half waited, of whom all were answered later: that counts for now."""
    memory = FakeMemory()
    then, now = 10 * DAY_MIN, 3 * DAY_MIN
    await put(memory, *(worked_lead(f"hour-{n}", came=then, touched=then - 60) for n in range(15)))
    await put(memory, *(worked_lead(f"late-{n}", came=then, touched=now) for n in range(15)))
    await put(memory, *(worked_lead(f"quick-{n}", came=now, touched=now - 2) for n in range(30)))
    found = await report(memory, days=7)
    before = found.earlier
    assert before is not None
    assert (before.leads, before.waiting, before.p50_min, before.within_5_min) == (30, 15, 60.0, 0.0)
    assert {before.p50_is, before.within_5_is, before.waiting_is} == {Direction.BETTER}
    assert found.overall.leads == 30


async def test_a_slower_team_reads_worse_and_a_small_change_is_none() -> None:
    memory = FakeMemory()
    then, now = 10 * DAY_MIN, 3 * DAY_MIN
    await put(memory, *(worked_lead(f"quick-{n}", came=then, touched=then - 2) for n in range(30)))
    await put(memory, *(worked_lead(f"hour-{n}", came=now, touched=now - 60) for n in range(29)))
    await put(memory, worked_lead("waits", came=now))
    before = (await report(memory, days=7)).earlier
    assert before is not None
    assert (before.p50_is, before.within_5_is) == (Direction.WORSE, Direction.WORSE)
    assert before.waiting_is is Direction.SAME  # one of thirty, and none of thirty


async def test_too_few_leads_before_are_no_comparison_and_the_page_says_so() -> None:
    memory = FakeMemory()
    await put(memory, *(worked_lead(f"new-{n}", came=DAY_MIN) for n in range(FEWEST_COMPARED)))
    await put(memory, *(worked_lead(f"old-{n}", came=10 * DAY_MIN) for n in range(FEWEST_COMPARED - 1)))
    found = await report(memory, days=7)
    assert (found.earlier, found.no_earlier) == (
        None,
        "19 leads came in the 7 days before, and 20 are needed",
    )
    await put(memory, worked_lead("old", came=10 * DAY_MIN))
    assert (await report(memory, days=7)).earlier is not None


async def test_a_deleted_lead_is_in_no_figure() -> None:
    memory = FakeMemory()
    await put(memory, worked_lead("gone", deleted=True), known=concluded(score=0.9))
    found = await report(memory)
    assert (found.overall.leads, found.load, found.untouched) == (0, (), ())


async def test_only_leads_that_came_within_the_days_are_on_the_curve() -> None:
    memory = FakeMemory()
    await put(
        memory,
        worked_lead("new", came=6 * DAY_MIN),
        worked_lead("old", came=8 * DAY_MIN, touched=8 * DAY_MIN - 1),
    )
    assert (await report(memory, days=7)).overall.leads == 1
    assert (await report(memory, days=30)).overall.leads == 2


async def test_imported_contacts_whose_arrival_nobody_told_are_not_waiting_leads() -> None:
    """A contact that changed today and was never heard of before, and one that is known to be years old."""
    memory = FakeMemory()
    changed = Lead(location_id=LOCATION, lead_id=LeadId("changed"), activity=LeadActivity(first_at=ago(30)))
    old = worked_lead("old", came=20).model_copy(
        update={
            "activity": LeadActivity(first_at=ago(900 * DAY_MIN), first_lead_at=ago(20), last_lead_at=ago(20))
        }
    )
    await put(memory, changed, old)
    found = await report(memory)
    assert found.overall.leads == 0


async def test_a_new_contact_that_did_nothing_yet_came_when_it_was_made() -> None:
    memory = FakeMemory()
    made = contact("made", lead=LeadId("made"), at=ago(45))
    event = made.event.model_copy(update={"event_id": fact_id(LOCATION, "contact", "made", "created")})
    await memory.write(lambda uow: uow.events.append(made.model_copy(update={"event": event})))
    await put(
        memory, Lead(location_id=LOCATION, lead_id=LeadId("made"), activity=LeadActivity(first_at=ago(45)))
    )
    found = (await report(memory)).overall
    assert (found.leads, found.waiting) == (1, 1)


async def test_groups_are_by_source_by_agent_and_by_the_hour_of_the_zone() -> None:
    memory = FakeMemory()
    await put(  # noon in UTC is six in the morning in Chicago, in March before the clocks change
        memory,
        worked_lead("a", came=0, source="zillow", agent="agent-1"),
        worked_lead("b", came=90, touched=80, source=" zillow ", agent="agent-2"),
        worked_lead("c", came=90, source=None, agent=None),
    )
    found = await report(memory, zone="America/Chicago")
    assert {(one.name, one.leads, one.answered) for one in found.by_source} == {("zillow", 2, 1), ("", 1, 0)}
    assert {(one.name, one.leads) for one in found.by_agent} == {("agent-1", 1), ("agent-2", 1), ("", 1)}
    assert {one.name: one.leads for one in found.by_hour if one.leads} == {"06": 1, "04": 2}
    assert named(found.by_hour, "04").p50_min == 10.0
    assert named(found.by_agent, "agent-2").curve
    assert not named(found.by_source, "zillow").curve
    there = await report(memory, zone="Asia/Kolkata")  # half an hour off
    assert {one.name: one.leads for one in there.by_hour if one.leads} == {"17": 1, "16": 2}


async def test_an_account_with_a_source_per_lead_shows_the_largest() -> None:
    memory = FakeMemory()
    await put(memory, *(worked_lead(f"l-{n}", source=f"https://example.com/{n}") for n in range(60)))
    await put(memory, *(worked_lead(f"z-{n}", source="zillow") for n in range(2)))
    found = await report(memory)
    assert len(found.by_source) == SOURCES_SHOWN
    assert found.by_source[0].name == "zillow"


async def test_simulated_leads_are_shown_on_their_own_time_line_and_never_beside_real_ones() -> None:
    memory = FakeMemory()
    await put(
        memory, worked_lead("sim", came=500, simulated=True), worked_lead("sim-2", came=400, simulated=True)
    )
    alone = await report(memory)
    assert (alone.simulated, alone.overall.leads, alone.now) == (True, 2, ago(400))
    assert max(desk.longest_wait_min or 0 for desk in alone.load) == 100.0
    await put(memory, worked_lead("real", came=5))
    mixed = await report(memory)
    assert (mixed.simulated, mixed.overall.leads, mixed.now) == (False, 1, NOON)


async def test_another_location_is_not_looked_at() -> None:
    memory = FakeMemory()
    await put(memory, worked_lead("theirs", location=OTHER), known=concluded(score=0.9))
    found = await report(memory)
    assert (found.overall.leads, found.load, found.untouched) == (0, (), ())


async def test_a_location_that_asks_for_many_pages_keeps_no_other_waiting() -> None:
    team = TeamResponses(memory=FakeMemory(), clock=FakeClock(NOON))
    done: list[LocationId] = []

    async def ask(location_id: LocationId, days: int) -> None:
        await team.report(location_id, days=days, zone=UTC_ZONE)
        done.append(location_id)

    async with asyncio.TaskGroup() as tasks:
        for days in range(1, 9):
            tasks.create_task(ask(LOCATION, days))
        tasks.create_task(ask(OTHER, 30))
    assert OTHER in done[:2]


async def test_leads_are_read_page_by_page_and_those_with_the_newest_activity_when_there_are_too_many() -> (
    None
):
    memory = FakeMemory()
    await put(memory, *(worked_lead(f"l-{n:03}", came=10 + n % 7) for n in range(23)))
    team = TeamResponses(memory=memory, clock=FakeClock(NOON), most=12, page=5)
    found = await team.report(LOCATION, days=30, zone=UTC_ZONE)
    assert (found.overall.leads, found.truncated) == (12, True)
    assert found.overall.waiting == 12
    exactly = TeamResponses(memory=memory, clock=FakeClock(NOON), most=23, page=5)
    whole = await exactly.report(LOCATION, days=30, zone=UTC_ZONE)
    assert (whole.overall.leads, whole.truncated) == (23, False)
