"""What the first snapshots hold of a tenant: read page by page, the same as in one go, and nothing of who is gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest

from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.limits import SCREENS_PAGE_LEADS, SNAPSHOT_ITEMS
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.leads import Lead, Location
from ghl_real_estate_ai.models.streams import ConversationItem, StreamItem
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.services.live_relay import known_of
from ghl_real_estate_ai.services.stream_projection import items_of_lead
from ghl_real_estate_ai.storage.database import Database
from tests.contracts.test_queue_memory import seen
from tests.support.facts import LOCATION, NOON, message

pytestmark = pytest.mark.asyncio


def lead(name: str, *, minute: int = 0, deleted: bool = False) -> Lead:
    of = Lead(location_id=LOCATION, lead_id=LeadId(name), deleted=deleted)
    return of.model_copy(
        update={"activity": of.activity.model_copy(update={"first_at": NOON + timedelta(minutes=minute)})}
    )


async def put(memory: Memory, *leads: Lead, priority: float | None = 1.0) -> None:
    def change(uow: UnitOfWork) -> None:
        uow.tenants.put_location(Location(location_id=LOCATION, name="Ours"))
        for one in leads:
            uow.leads.put(one, seen(one, priority=priority))

    await memory.write(change)


async def feed_of(memory: Memory, *said: tuple[str, str]) -> list[LeadId]:
    """Whose messages the feed holds, after these (by whom, which) came."""
    for name, by in said:
        delivery = message(name, lead=LeadId(by))
        await memory.write(lambda uow, delivery=delivery: uow.events.append(delivery))  # type: ignore[misc]
    known = await known_of(memory, LOCATION)
    return [item.lead_id for _, item in known.items if isinstance(item, ConversationItem)]


async def test_many_pages_hold_what_one_read_of_all_would_in_the_same_order(sqlite_memory: Database) -> None:
    every = [lead(f"lead-{n:03}", minute=n) for n in range(2 * SCREENS_PAGE_LEADS + 7)]
    await put(sqlite_memory, *every)
    newest = await sqlite_memory.read(lambda uow: uow.leads.newest(LOCATION, limit=len(every)))
    wanted: list[StreamItem] = [item for one, known in newest for _, item in items_of_lead(one, known)]
    found = await known_of(sqlite_memory, LOCATION)
    assert [item for _, item in found.items] == sorted(wanted, key=lambda item: item.at)


async def test_messages_of_a_lead_that_was_deleted_in_the_crm_are_not_in_the_feed(
    sqlite_memory: Database,
) -> None:
    await put(sqlite_memory, lead("stays"), lead("gone", deleted=True))
    await sqlite_memory.write(lambda uow: uow.leads.put(lead("no-conclusion-yet"), None))
    said = [
        ("m1", "gone"),
        ("m2", "stays"),
        ("m3", "gone"),
        ("m4", "not-known-yet"),
        ("m5", "no-conclusion-yet"),
    ]
    assert await feed_of(sqlite_memory, *said) == ["stays", "not-known-yet", "no-conclusion-yet"]


async def test_nor_are_they_when_the_lead_itself_is_too_old_for_a_snapshot(sqlite_memory: Database) -> None:
    newer = [lead(f"lead-{n:03}", minute=n + 1) for n in range(SNAPSHOT_ITEMS)]
    await put(sqlite_memory, lead("gone", deleted=True), lead("old"), *newer, priority=None)
    assert await feed_of(sqlite_memory, ("m1", "gone"), ("m2", "old")) == ["old"]


class Interrupted:
    """A memory in which a lead is forgotten after so many reads."""

    def __init__(self, memory: Database, *, forgets: LeadId, after: int) -> None:
        self._memory = memory
        self._forgets = forgets
        self._left = after

    async def read[T](self, query: Callable[[UnitOfWork], T]) -> T:
        found = await self._memory.read(query)
        self._left -= 1
        if self._left == 0:
            await records.forget_lead(self._memory, LOCATION, self._forgets)
        return found


@pytest.mark.parametrize("after", [1, 2, 3])
async def test_a_lead_that_is_forgotten_between_two_pages_is_in_none(
    sqlite_memory: Database, after: int
) -> None:
    await put(sqlite_memory, *(lead(f"lead-{n:03}", minute=n) for n in range(2 * SCREENS_PAGE_LEADS)))
    first = LeadId(f"lead-{2 * SCREENS_PAGE_LEADS - 1:03}")  # the newest, so of the first page
    memory = cast(Memory, Interrupted(sqlite_memory, forgets=first, after=after))
    found = await known_of(memory, LOCATION)
    told = {item.key for _, item in found.items}
    assert first not in told
    assert len(told) == 2 * SCREENS_PAGE_LEADS - 1
