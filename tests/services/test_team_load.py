"""What each agent has on the desk, when it is too much beside the others, and hot leads that nobody touched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.identifiers import ActionId, EventId, UserId
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import Answered, Contact, LastMessage, Lead, OpportunityStatus, Stamp
from ghl_real_estate_ai.models.team import AgentLoad, LeadGist, LookGist, UntouchedLead
from ghl_real_estate_ai.services.team_directory import Directory
from ghl_real_estate_ai.services.team_load import (
    BEHIND_WAITING,
    HOT,
    OVERLOAD_WAITING,
    UNTOUCHED_SHOWN,
    TeamLead,
    loads,
    team_lead,
    untouched,
    working_time,
)
from tests.support.facts import NOON
from tests.support.team_leads import DAY_MIN, ago, concluded, worked_lead

UTC_ZONE = ZoneInfo("UTC")
TEAM = Directory(
    known=tuple(AccountUser(user_id=UserId(f"agent-{n}"), name=f"Agent {n}") for n in range(1, 4))
)


def work(lead: Lead, known: LeadIntelligence | None = None) -> TeamLead:
    look = None if known is None else LookGist.model_validate_json(known.model_dump_json())
    return team_lead(LeadGist.model_validate_json(lead.model_dump_json()), look, created=False)


def desks(*leads: TeamLead, people: Directory = TEAM, days: float = 30) -> dict[str | None, AgentLoad]:
    since = NOON - timedelta(days=days)
    found = loads(leads, people=people, since=since, now=NOON, zone=UTC_ZONE)
    return {desk.user_id: desk for desk in found}


def waiting(agent: str | None, count: int, *, came: float = 10.0) -> list[TeamLead]:
    return [work(worked_lead(f"{agent}-{n}", agent=agent, came=came)) for n in range(count)]


# --- what is on a desk --------------------------------------------------------------------------------------------


def test_a_desk_counts_open_leads_waits_actions_and_risks() -> None:
    mine = [
        work(worked_lead("a", came=90), concluded(acts=True, churn=0.7, waits=ago(90))),
        work(
            worked_lead("b", came=500, touched=400, wrote=(450, 30, 20)),
            concluded(acts=True, until=ago(-5), waits=ago(30)),
        ),
        work(
            worked_lead("c", came=500, touched=10, wrote=(450,)),
            concluded(acts=True, until=ago(1), churn=0.9),
        ),
        work(worked_lead("d", closed=(OpportunityStatus.WON, 5)), concluded(acts=True, churn=0.9)),
    ]
    desk = desks(*mine)[UserId("agent-1")]
    assert (desk.open_leads, desk.waiting, desk.longest_wait_min) == (3, 2, 90.0)
    assert (desk.open_actions, desk.at_risk) == (2, 2)  # one is put off, one is closed
    assert desk.name == "Agent 1"


def test_everybody_of_the_account_has_a_desk_and_so_have_leads_of_nobody_and_of_the_unnamed() -> None:
    found = desks(*waiting(None, 2), *waiting("agentABCD", 1))
    assert {desk.name: desk.open_leads for desk in found.values()} == {
        "Agent 1": 0,
        "Agent 2": 0,
        "Agent 3": 0,
        "nobody": 2,
        "agent ABCD": 1,
    }
    assert (found[None].overloaded, found[None].why) == (False, "2 leads of nobody wait")


def test_a_wait_begins_with_the_first_unanswered_message_and_automation_does_not_end_it() -> None:
    lead = worked_lead("a", came=500, touched=400, wrote=(450, 300, 20))
    assert work(lead).waiting_since == ago(300)
    answered = worked_lead("a", came=500, touched=400, last_touched=10, wrote=(450, 300, 20))
    assert work(answered).waiting_since is None


def test_a_wait_of_a_lead_stored_before_times_were_kept_begins_with_its_newest_message() -> None:
    newest = LastMessage(stamp=Stamp(at=ago(15), event_id=EventId("m")), channel=Channel.SMS)
    assert work(worked_lead("a", came=500, touched=400, last_inbound=newest)).waiting_since == ago(15)


def test_a_lead_that_nobody_touched_waits_since_it_came_unless_that_was_long_before_it_wrote() -> None:
    assert work(worked_lead("a", came=500, wrote=(20,))).waiting_since == ago(500)
    assert work(worked_lead("a", came=40 * DAY_MIN, wrote=(20,))).waiting_since == ago(20)


def test_a_talk_on_the_leads_own_call_is_the_first_answer_and_ends_the_wait() -> None:
    called = worked_lead("a", came=500, wrote=(450, 300, 20), first_talk_at=ago(300), last_talk_at=ago(300))
    lead = work(called)
    assert (lead.first_touch_at, lead.last_touch_at, lead.waiting_since) == (ago(300), ago(300), ago(20))


def test_an_agents_word_that_it_is_answered_ends_the_wait_of_what_was_written_until_then() -> None:
    said = {ActionId("act"): Answered(at=ago(10), through=ago(20))}
    for wrote, waits in (((20,), None), ((20, 5), ago(5))):
        lead = worked_lead("a", came=500, wrote=wrote).model_copy(update={"answered": said})
        assert work(lead).waiting_since == waits


def test_where_a_lead_has_an_action_its_clock_on_the_screens_is_the_wait_and_else_a_click_ends_no_wait() -> (
    None
):
    lead = worked_lead("a", came=500, touched=400, wrote=(300, 20))
    assert work(lead, concluded(acts=True, waits=ago(20))).waiting_since == ago(20)
    assert work(lead, concluded(acts=True, waits=None)).waiting_since is None
    assert work(lead, concluded(acts=False)).waiting_since == ago(300)


def test_waits_older_than_the_days_looked_at_are_history() -> None:
    assert desks(*waiting("agent-1", 1, came=31 * DAY_MIN))[UserId("agent-1")].waiting == 0


# --- too much -----------------------------------------------------------------------------------------------------


def test_too_many_waiting_leads_are_too_many_beside_the_others_and_why_is_said() -> None:
    found = desks(*waiting("agent-1", 7), *waiting("agent-2", 3), *waiting("agent-3", 3))
    assert next(desk.user_id for desk in found.values()) == "agent-1"
    assert found[UserId("agent-1")].why == "7 leads wait; the median of the others is 3"
    assert [desk.overloaded for desk in found.values()] == [True, False, False]


def test_a_team_with_much_to_do_is_not_one_persons_overload() -> None:
    found = desks(*waiting("agent-1", 7), *waiting("agent-2", 6), *waiting("agent-3", 6))
    assert not any(desk.overloaded for desk in found.values())


def test_few_waiting_leads_are_never_too_many() -> None:
    found = desks(
        *waiting("agent-1", OVERLOAD_WAITING - 1), work(worked_lead("x", agent="agent-2", touched=5))
    )
    assert not any(desk.overloaded for desk in found.values())


def test_colleagues_without_a_lead_are_no_measure() -> None:
    assert not desks(*waiting("agent-1", 9))[UserId("agent-1")].overloaded


def test_leads_of_nobody_are_no_measure_and_nobodys_overload() -> None:
    found = desks(*waiting(None, 40), *waiting("agent-1", 6), *waiting("agent-2", 1))
    assert not found[None].overloaded
    assert found[UserId("agent-1")].overloaded


def test_one_long_wait_in_working_time_is_too_long_unless_the_others_wait_as_long() -> None:
    alone = desks(*waiting("agent-1", 1, came=300), *waiting("agent-2", 1))  # since seven in the morning
    assert alone[UserId("agent-1")].overloaded is False  # work began at eight: four hours
    longer = desks(*waiting("agent-1", 1, came=DAY_MIN), *waiting("agent-2", 1))
    assert longer[UserId("agent-1")].why == (
        "one lead has waited 12.0 h of working time; the median of the others is 0.2 h"
    )
    all_slow = desks(*waiting("agent-1", 1, came=DAY_MIN), *waiting("agent-2", 1, came=DAY_MIN))
    assert not any(desk.overloaded for desk in all_slow.values())


def test_a_team_that_is_late_all_over_is_behind_although_nobody_has_too_much_beside_the_others() -> None:
    slow = desks(*waiting("agent-1", 3, came=DAY_MIN), *waiting("agent-2", 3, came=DAY_MIN))
    assert {desk.user_id: (desk.overloaded, desk.behind) for desk in slow.values()} == {
        "agent-1": (False, True),
        "agent-2": (False, True),
        "agent-3": (False, False),
    }
    many = desks(*waiting("agent-1", BEHIND_WAITING), *waiting("agent-2", BEHIND_WAITING - 1))
    assert [many[UserId(f"agent-{n}")].behind for n in (1, 2)] == [True, False]


def test_an_agent_who_works_alone_is_judged_by_the_wait_alone() -> None:
    assert desks(*waiting("agent-1", 1, came=DAY_MIN))[UserId("agent-1")].overloaded


@pytest.mark.parametrize(
    ("since", "until", "zone", "hours"),
    [
        ("2026-03-02T09:00", "2026-03-02T11:30", "UTC", 2.5),
        ("2026-03-02T21:00", "2026-03-03T07:00", "UTC", 0.0),
        ("2026-03-02T19:00", "2026-03-03T09:00", "UTC", 2.0),
        ("2026-03-01T00:00", "2026-03-04T00:00", "UTC", 36.0),
        ("2026-03-02T12:00", "2026-03-02T16:00", "America/Chicago", 2.0),
        ("2026-03-07T06:00", "2026-03-09T05:00", "America/Chicago", 24.0),  # the clocks change on the 8th
    ],
)
def test_working_time_is_from_eight_to_eight_in_the_zone(
    since: str, until: str, zone: str, hours: float
) -> None:
    begins, ends = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (since, until))
    assert working_time(begins, ends, ZoneInfo(zone)) == timedelta(hours=hours)


def test_the_name_of_an_agent_moves_nothing() -> None:
    leads = [*waiting("agent-1", 7), *waiting("agent-2", 1)]
    renamed = Directory(
        known=tuple(user.model_copy(update={"name": f"Zz {user.name}"}) for user in TEAM.known)
    )
    plain, other = desks(*leads), desks(*leads, people=renamed)
    assert [desk.model_dump(exclude={"name"}) for desk in plain.values()] == [
        desk.model_dump(exclude={"name"}) for desk in other.values()
    ]


# --- hot leads that nobody touched --------------------------------------------------------------------------------


def hot(*leads: TeamLead) -> tuple[UntouchedLead, ...]:
    return untouched(leads, now=NOON)


def cool(count: int) -> list[TeamLead]:
    """Others with higher scores than HOT_SHARE leaves room for, touched just now."""
    return [work(worked_lead(f"z-{n}", touched=1), concluded(score=0.99)) for n in range(count)]


def test_hot_leads_without_a_touch_are_shown_hottest_first_with_since_when() -> None:
    found = hot(
        *cool(1),
        work(worked_lead("never", came=90), concluded(score=0.4)),
        work(worked_lead("long ago", came=9 * DAY_MIN, touched=3 * DAY_MIN), concluded(score=0.6)),
    )
    assert [(one.lead_id, one.never_touched, one.untouched_since) for one in found] == [
        ("long ago", False, ago(3 * DAY_MIN)),
        ("never", True, ago(90)),
    ]


@pytest.mark.parametrize(
    ("lead", "score"),
    [
        (worked_lead("fresh", came=59), 0.9),
        (worked_lead("touched", came=9 * DAY_MIN, touched=2 * DAY_MIN - 1), 0.9),
        (worked_lead("cool", came=90), HOT - 0.01),
        (worked_lead("closed", came=90, closed=(OpportunityStatus.LOST, 5)), 0.9),
        (worked_lead("stop", came=90, contact=Contact(name="Stop", dnd=True)), 0.9),
    ],
)
def test_fresh_touched_cool_closed_and_opted_out_leads_are_not_shown(lead: Lead, score: float) -> None:
    assert hot(*cool(1), work(lead, concluded(score=score))) == ()


def test_the_highest_tenth_is_hot_whatever_the_scores_are() -> None:
    leads = [work(worked_lead(f"l-{n:02}", came=90), concluded(score=0.001 * n)) for n in range(20)]
    assert [one.lead_id for one in hot(*leads)] == ["l-19", "l-18"]


def test_the_list_is_short() -> None:
    leads = [work(worked_lead(f"l-{n:02}", came=90), concluded(score=0.5)) for n in range(40)]
    assert len(hot(*leads)) == UNTOUCHED_SHOWN
