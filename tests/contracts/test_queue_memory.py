"""Which leads have something to do, in every memory: the queue must be whole after a start, however long somebody has waited."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ghl_real_estate_ai.models.identifiers import ActionId, EventId, LeadId, LocationId
from ghl_real_estate_ai.models.intelligence import (
    ActionKind,
    Cause,
    Evidence,
    LeadIntelligence,
    NextAction,
    Part,
)
from ghl_real_estate_ai.models.leads import Lead
from ghl_real_estate_ai.models.streams import Stream
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.live_relay import known_of
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LOCATION, NOON

pytestmark = pytest.mark.asyncio

OTHER = LocationId("loc-other")


def lead(name: str) -> Lead:
    return Lead(location_id=LOCATION, lead_id=LeadId(name))


def seen(of: Lead, *, priority: float | None, put_off: bool = False) -> LeadIntelligence:
    action = None if priority is None else NextAction(
        action_id=ActionId(f"a-{of.lead_id}"), kind=ActionKind.REPLY, title="Reply", urgency=0.5, priority=priority,
        snoozed_until=NOON + timedelta(days=30) if put_off else None, evidence=(Evidence(text="wrote"),),
    )  # fmt: skip
    return LeadIntelligence(
        lead_id=of.lead_id, lead_name=of.lead_id, assigned_to=None, stage="new", simulated=False, as_of=NOON,
        score=Part(), churn=Part(), matches=Part(), next_action=action,
        cause=Cause(event_id=EventId("e-1"), event_type="MessageReceived", summary="a message"),
    )  # fmt: skip


async def put(memory: Database, name: str, *, priority: float | None) -> None:
    of = lead(name)
    await memory.write(lambda uow: uow.leads.put(of, seen(of, priority=priority)))


async def most_urgent(memory: Database, limit: int = 10) -> list[str]:
    return [*await memory.read(lambda uow: uow.leads.to_show(LOCATION, newest=0, urgent=limit))]


async def test_leads_with_something_to_do_come_by_priority(memory: Database) -> None:
    for name, priority in (("low", 1.0), ("nothing", None), ("high", 900.0), ("zero", 0.0)):
        await put(memory, name, priority=priority)
    assert await most_urgent(memory) == ["high", "low", "zero"]
    assert await most_urgent(memory, 1) == ["high"]
    assert await memory.read(lambda uow: uow.leads.to_show(OTHER, newest=9, urgent=10)) == []


async def test_what_was_put_off_takes_no_place_from_who_waits(memory: Database) -> None:
    of = lead("later")
    await memory.write(lambda uow: uow.leads.put(of, seen(of, priority=900.0, put_off=True)))
    await put(memory, "now", priority=0.0)
    assert await most_urgent(memory) == ["now", "later"]


async def test_a_lead_that_is_answered_leaves_and_one_put_without_a_new_look_stays(memory: Database) -> None:
    await put(memory, "answered", priority=5.0)
    await put(memory, "answered", priority=None)
    await put(memory, "waits", priority=4.0)
    await memory.write(lambda uow: uow.leads.put(lead("waits"), None))
    assert await most_urgent(memory) == ["waits"]


async def test_a_start_brings_who_has_waited_longer_than_the_newest_leads_reach(memory: Database) -> None:
    def many(uow: UnitOfWork) -> None:
        for number in range(510):
            of = lead(f"lead-{number:03}")
            of = of.model_copy(
                update={
                    "activity": of.activity.model_copy(update={"first_at": NOON + timedelta(minutes=number)})
                }
            )
            uow.leads.put(of, seen(of, priority=1.0 if number == 0 else None))

    await memory.write(many)
    known = await known_of(memory, LOCATION)
    queue = {item.key for stream, item in known.items if stream is Stream.NEXT_ACTIONS}
    assert "lead-000" in queue
    assert "lead-001" not in queue
