"""Facts from memory are those of the log, in an unbroken run, or none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghl_real_estate_ai.limits import RECENT_FACTS, RECENT_TENANTS
from ghl_real_estate_ai.models.events import LeadForgotten, RecordedEvent, Source
from ghl_real_estate_ai.models.identifiers import EventId, LocationId
from ghl_real_estate_ai.services.recent_facts import RecentFacts
from tests.support.facts import LOCATION, NOON, message

HEARD = frozenset({"MessageReceived"})


def fact(position: int, location: LocationId = LOCATION) -> RecordedEvent:
    delivery = message(f"m-{position}")
    event = delivery.event.model_copy(update={"location_id": location})
    return RecordedEvent(
        position=position, delivery_id=delivery.delivery_id, received_at=NOON, recorded_at=NOON, event=event
    )


def erasure(position: int) -> RecordedEvent:
    event = LeadForgotten(
        event_id=EventId("gone"),
        location_id=LOCATION,
        occurred_at=NOON,
        correlation_id="c-1",
        source=Source.HOUSE,
        simulated=False,
        lead_hash="0" * 64,
    )
    return RecordedEvent(
        position=position, delivery_id="gone", received_at=NOON, recorded_at=NOON, event=event
    )


def positions(recent: RecentFacts, after: int, limit: int = 64) -> tuple[list[int], int] | None:
    found = recent.after(LOCATION, after, types=HEARD, limit=limit)
    return None if found is None else ([one.position for one in found[0]], found[1])


def test_what_follows_a_place_is_given_out_in_order() -> None:
    recent = RecentFacts()
    for position in (4, 5, 6):
        recent.add(fact(position))
    assert positions(recent, 3) == ([4, 5, 6], 6)
    assert positions(recent, 5) == ([6], 6)
    assert positions(recent, 3, limit=2) == ([4, 5], 5)
    assert recent.after(LOCATION, 3, types=frozenset({"LeadUpserted"}), limit=64) == ([], 6)


@pytest.mark.parametrize("after", [2, 6, 7])
def test_a_place_outside_the_run_is_looked_up_in_the_log(after: int) -> None:
    recent = RecentFacts()
    for position in (4, 5, 6):
        recent.add(fact(position))
    assert positions(recent, after) is None


def test_an_erasure_leaves_nothing_to_hand_out() -> None:
    recent = RecentFacts()
    recent.add(fact(1))
    recent.add(erasure(2))
    assert positions(recent, 0) is None
    recent.add(fact(3))
    assert positions(recent, 2) == ([3], 3)


def test_a_log_that_others_write_too_is_dropped_on_request() -> None:
    recent = RecentFacts()
    recent.add(fact(1))
    recent.drop(LOCATION)
    assert positions(recent, 0) is None


def test_few_facts_of_few_tenants_are_held() -> None:
    recent = RecentFacts()
    for number in range(RECENT_TENANTS + 1):
        recent.add(fact(1, LocationId(f"loc-{number}")))
    assert recent.after(LocationId("loc-0"), 0, types=HEARD, limit=1) is None
    assert recent.after(LocationId("loc-1"), 0, types=HEARD, limit=1) is not None
    for position in range(1, RECENT_FACTS + 2):
        recent.add(fact(position))
    assert positions(recent, 0) is None
    assert positions(recent, 1) is not None


@given(st.lists(st.integers(1, 40), max_size=80), st.integers(0, 40))
def test_whatever_order_facts_are_told_in_a_run_has_no_hole(told: list[int], after: int) -> None:
    recent = RecentFacts()
    for position in told:
        recent.add(fact(position))
    found = positions(recent, after)
    if found is not None:
        assert found[0] == list(range(after + 1, found[1] + 1))
