"""What the CRM is told about a lead: short, honest about what is simulated, and silent when nothing really changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ghl_real_estate_ai.ml.crm_content import fields_of, fields_worth_writing, note_of, tags_of, task_of
from ghl_real_estate_ai.models.intelligence import Interval, LeadIntelligence, Part
from ghl_real_estate_ai.models.write_back import OwnField, is_own_tag, marker
from tests.support.facts import LOCATION, NOON
from tests.support.looks import action, look

MARK = marker(LOCATION, "task:answer")


def test_the_fields_say_score_stage_risk_next_action_and_what_they_rest_on() -> None:
    assert fields_of(look(score=0.714, churn=0.85, next_action=action())) == {
        "EnterpriseHub Score": 71,
        "EnterpriseHub Stage": "working",
        "EnterpriseHub Risk": "critical",
        "EnterpriseHub Next Action": "Reply",
        "EnterpriseHub Basis": "real lead, model of your own leads",
    }


def with_won(won: float, *, low: float, high: float) -> LeadIntelligence:
    seen = look(score=0.71)
    assert seen.score.value is not None
    score = seen.score.value.model_copy(update={"interval": Interval(low=0.6, high=0.8)})
    value = score.model_copy(update={"probability": won, "interval": Interval(low=low, high=high)})
    return seen.model_copy(
        update={"score": seen.score.model_copy(update={"value": score}), "won": Part(value=value)}
    )


def test_the_chance_to_win_and_both_intervals_are_written_where_they_are_known() -> None:
    written = fields_of(with_won(0.032, low=0.01, high=0.06))
    assert written[OwnField.WON] == 3
    assert written[OwnField.INTERVAL] == "appointment 60% to 80%, won 1% to 6%"


def test_a_chance_to_win_that_moved_is_worth_a_write_and_an_interval_alone_is_not() -> None:
    known = fields_of(with_won(0.03, low=0.01, high=0.06))
    assert not fields_worth_writing(known, fields_of(with_won(0.04, low=0.02, high=0.07)))
    assert fields_worth_writing(known, fields_of(with_won(0.05, low=0.01, high=0.06)))


def test_what_is_not_known_is_not_written() -> None:
    assert set(fields_of(look(score=None, churn=None))) == {
        OwnField.STAGE,
        OwnField.NEXT_ACTION,
        OwnField.BASIS,
    }


@pytest.mark.parametrize(
    ("simulated", "simulated_models", "basis"),
    [
        (True, True, "simulated lead, model of simulated leads"),
        (False, True, "real lead, model of simulated leads"),
        (False, False, "real lead, model of your own leads"),
    ],
)
def test_every_text_says_what_is_simulated(simulated: bool, simulated_models: bool, basis: str) -> None:
    seen = look(
        simulated=simulated,
        simulated_models=simulated_models,
        churn=0.9,
        churn_moved=(0.2, 0.0),
        next_action=action(),
    )
    task, note = task_of(seen, mark=MARK), note_of(seen, mark=MARK)
    assert task is not None
    assert note is not None
    assert fields_of(seen)["EnterpriseHub Basis"] == basis
    for text in (str(task["body"]), str(note["body"])):
        assert text.endswith(f"Written by EnterpriseHub ({basis}). {MARK}")
    assert ("simulated" in str(task["title"])) is simulated


@pytest.mark.parametrize(
    ("change", "worth"),
    [
        ({"EnterpriseHub Score": 75}, False),
        ({"EnterpriseHub Score": 67}, False),
        ({"EnterpriseHub Score": 76}, True),
        ({"EnterpriseHub Score": 66}, True),
        ({"EnterpriseHub Stage": "appointment"}, True),
        ({"EnterpriseHub Next Action": "Reply"}, True),
        ({"EnterpriseHub Risk": "early"}, True),
        ({}, False),
    ],
)
def test_a_small_move_is_not_worth_a_write(change: dict[str, object], worth: bool) -> None:
    known = fields_of(look(score=0.71))
    assert fields_worth_writing(known, {**known, **change}) is worth  # type: ignore[dict-item]


def test_a_score_that_was_never_written_is_worth_it() -> None:
    assert fields_worth_writing(fields_of(look(score=None)), fields_of(look(score=0.01)))


def test_tags_say_what_is_so_now_and_all_of_them_are_ours() -> None:
    assert tags_of(look(score=0.5, churn=0.61, next_action=action())) == {
        "tags": ["eh:hot", "eh:slipping", "eh:waiting"]
    }
    assert tags_of(look(score=0.49, churn=0.6, next_action=action(waiting_since=None))) == {"tags": []}
    assert tags_of(look(score=None, churn=None)) == {"tags": []}


@pytest.mark.parametrize(
    ("tag", "ours"), [("eh:hot", True), (" EH:Old", True), ("hot", False), ("eh", False)]
)
def test_only_the_prefix_makes_a_tag_ours(tag: str, ours: bool) -> None:
    assert is_own_tag(tag) is ours


@pytest.mark.parametrize(("urgency", "hours"), [(0.9, 1), (0.7, 1), (0.65, 4), (0.5, 24)])
def test_a_task_is_due_the_sooner_the_more_urgent_it_is(urgency: float, hours: int) -> None:
    task = task_of(look(next_action=action(urgency=urgency)), mark=MARK)
    assert task is not None
    assert task["due_at"] == (NOON + timedelta(hours=hours)).isoformat()
    assert (task["title"], task["assigned_to"]) == ("Reply", "agent-1")
    assert "“Can we see it?”" in str(task["body"])


def test_what_can_wait_is_no_task() -> None:
    assert task_of(look(next_action=action(urgency=0.49)), mark=MARK) is None
    assert task_of(look(next_action=None), mark=MARK) is None


def test_what_cannot_be_done_now_is_no_task() -> None:
    urgent = action(urgency=0.9)
    for change in ({"no_reach": "no phone or email in the CRM"}, {"snoozed_until": NOON}):
        assert task_of(look(next_action=urgent.model_copy(update=change)), mark=MARK) is None


def test_what_a_lead_wrote_cannot_become_markup_in_the_crm() -> None:
    task = task_of(look(next_action=action(evidence="“<img src=x onerror=alert(1)>”")), mark=MARK)
    assert task is not None
    assert "<" not in str(task["body"])


@pytest.mark.parametrize(
    ("churn", "moved", "rose"),
    [
        (0.85, (0.1, 0.0), True),
        (0.85, (0.0, 0.1), True),
        (0.85, (0.01, 0.01), False),
        (0.79, (0.3, 0.3), False),
        (0.85, (None, None), False),
        (0.85, (0.5, None), False),
    ],
)
def test_a_note_is_for_a_risk_that_just_became_critical(
    churn: float, moved: tuple[float | None, float | None], rose: bool
) -> None:
    note = note_of(look(churn=churn, churn_moved=moved, next_action=action()), mark=MARK)
    assert (note is not None) is rose
    if note is not None:
        assert "rose to critical: 85% for the next 14 days" in str(note["body"])
        assert "What to do: Reply." in str(note["body"])


def test_a_risk_that_is_not_fresh_makes_no_note() -> None:
    seen = look(churn=0.85, churn_moved=(0.3, 0.0))
    stale = seen.model_copy(update={"churn": seen.churn.model_copy(update={"stale_reason": "late"})})
    assert note_of(stale, mark=MARK) is None


def test_the_mark_is_the_same_for_the_same_change_only() -> None:
    assert marker(LOCATION, "task:a") == marker(LOCATION, "task:a")
    assert len({marker(LOCATION, "task:a"), marker(LOCATION, "task:b")}) == 2
