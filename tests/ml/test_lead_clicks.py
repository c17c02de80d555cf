"""What a click on the queue leaves in a lead: the newest word counts, in any order of arrival, within bounds."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from itertools import permutations
from typing import Any

from ghl_real_estate_ai.ml.lead_clicks import (
    declined_by,
    is_gone,
    newest_snooze,
    said_answered,
    standing_snoozes,
)
from ghl_real_estate_ai.ml.lead_state import apply, summary
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import ActionId, UserId
from ghl_real_estate_ai.models.leads import ACKNOWLEDGED_KEPT, DECLINED_KEPT, REOPENED_KEPT, Lead
from tests.support.lead_events import LEAD, LOCATION, START, EventMaker

ACT = ActionId("act-1")
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def after(*events: RecordedEvent) -> Lead:
    return reduce(apply, events, Lead(location_id=LOCATION, lead_id=LEAD))


def test_an_action_taken_on_without_an_end_is_open_again_only_after_a_newer_undo() -> None:
    make = EventMaker().make
    taken = make("ActionAcknowledged", at=START + MINUTE, action_id=ACT, user_id="u1")
    undone = make("ActionReopened", at=START + 2 * MINUTE, action_id=ACT, user_id="u1")
    again = make("ActionAcknowledged", at=START + 3 * MINUTE, action_id=ACT, user_id="u2")
    assert is_gone(after(taken), ACT)
    for order in permutations((taken, undone)):
        assert not is_gone(after(*order), ACT)
    for order in permutations((taken, undone, again)):
        assert is_gone(after(*order), ACT)
    assert not is_gone(after(undone), ACT)


def test_whether_it_was_taken_on_or_put_off_the_newest_word_counts_in_any_order() -> None:
    make = EventMaker().make
    fields: dict[str, Any] = {"action_id": ACT, "user_id": "u1"}
    taken = make("ActionAcknowledged", at=START, until=(START + DAY).isoformat(), **fields)
    put_off = make("ActionSnoozed", at=START + MINUTE, until=(START + 2 * DAY).isoformat(), **fields)
    for order in permutations((taken, put_off)):
        newest = newest_snooze(after(*order), ACT)
        assert newest is not None
        assert (newest.until, newest.taken_on) == (START + 2 * DAY, False)
    alone = newest_snooze(after(taken), ACT)
    assert alone is not None
    assert alone.taken_on


def test_what_is_said_to_be_answered_reaches_to_the_newest_message_of_it_until_it_is_taken_back() -> None:
    make = EventMaker().make
    one = make("MarkedAnswered", at=START, action_id="a", user_id="u1", through=START.isoformat())
    other = make(
        "MarkedAnswered", at=START + DAY, action_id="b", user_id="u1", through=(START + DAY).isoformat()
    )
    undone = make("ActionReopened", at=START + 2 * DAY, action_id="b", user_id="u2")
    assert said_answered(after()) is None
    for order in permutations((one, other, undone)):
        assert said_answered(after(*order)) == START
    for order in permutations((one, other)):
        assert said_answered(after(*order)) == START + DAY


def test_a_snooze_ends_at_its_time_or_when_it_is_taken_back_and_the_newest_counts() -> None:
    make = EventMaker().make
    fields: dict[str, Any] = {"action_id": ACT, "user_id": "u1"}
    long = make("ActionSnoozed", at=START, until=(START + 3 * DAY).isoformat(), **fields)
    short = make("ActionSnoozed", at=START + MINUTE, until=(START + DAY).isoformat(), **fields)
    undone = make("ActionReopened", at=START + 2 * MINUTE, **fields)
    for order in permutations((long, short)):
        standing = standing_snoozes(after(*order), START + MINUTE)
        assert {action_id: one.until for action_id, one in standing.items()} == {ACT: START + DAY}
        assert standing_snoozes(after(*order), START + DAY) == {}
    for order in permutations((long, short, undone)):
        assert standing_snoozes(after(*order), START + MINUTE) == {}


def test_an_undo_is_remembered_longer_than_what_it_took_back() -> None:
    make = EventMaker().make
    taken = make("ActionSnoozed", at=START, action_id=ACT, user_id="u1", until=(START + 9 * DAY).isoformat())
    events = [taken, make("ActionReopened", at=START + MINUTE, action_id=ACT, user_id="u1")]
    for number in range(ACKNOWLEDGED_KEPT + 5):
        at = START + (number + 2) * MINUTE
        events.append(make("ActionReopened", at=at, action_id=f"a{number}", user_id="u1"))
    assert standing_snoozes(after(*events), START + DAY) == {}


def test_a_lead_is_somebody_elses_for_the_user_who_says_so_until_they_take_it_back() -> None:
    make = EventMaker().make
    mine_not = make("LeadDeclined", at=START, action_id=ACT, user_id="u2")
    nor_mine = make("LeadDeclined", at=START, action_id=ACT, user_id="u1")
    undone = make("ActionReopened", at=START + MINUTE, action_id=ACT, user_id="u2")
    assert declined_by(after(mine_not, nor_mine)) == (UserId("u1"), UserId("u2"))
    for order in permutations((mine_not, nor_mine, undone)):
        assert declined_by(after(*order)) == (UserId("u1"),)


def test_each_memory_of_clicks_is_bounded_and_forgets_the_oldest() -> None:
    make = EventMaker().make
    events = []
    for number in range(REOPENED_KEPT + 5):
        at = START + number * MINUTE
        fields: dict[str, Any] = {"action_id": f"a{number}", "user_id": f"u{number}"}
        events.append(make("ActionSnoozed", at=at, until=(START + DAY).isoformat(), **fields))
        events.append(make("MarkedAnswered", at=at, through=at.isoformat(), **fields))
        events.append(make("LeadDeclined", at=at, **fields))
        events.append(make("ActionReopened", at=at + DAY, action_id=f"a{number}", user_id="nobody"))
    lead = after(*events)
    assert len(lead.snoozed) == len(lead.answered) == ACKNOWLEDGED_KEPT
    assert len(lead.reopened) == REOPENED_KEPT
    assert len(lead.declined) == DECLINED_KEPT
    assert "a4" not in lead.snoozed
    assert after(*events[::-1]) == lead
    assert lead.activity.first_at is None


def test_clicks_read_as_an_agent_would_say_them() -> None:
    make = EventMaker().make
    fields: dict[str, Any] = {"action_id": ACT, "user_id": "u1"}
    assert [
        summary(event.event)
        for event in (
            make("ActionSnoozed", until=START.isoformat(), **fields),
            make("MarkedAnswered", through=START.isoformat(), **fields),
            make("LeadDeclined", **fields),
            make("ActionReopened", **fields),
            make("WishesCorrected", wishes={"city": "Austin"}, user_id="u1"),
        )
    ] == [
        "action put off",
        "said to be answered",
        "said to be somebody else's lead",
        "action open again",
        "wishes corrected",
    ]
