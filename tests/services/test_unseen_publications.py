"""What is published while nobody follows: made when somebody looks, in order, and never more than the snapshot holds."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
import structlog

from ghl_real_estate_ai.limits import SNAPSHOT_ITEMS
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.streams import LeadRemovedItem, Stream, StreamItem
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.clock import FakeClock, settle
from tests.support.facts import LOCATION, NOON
from tests.support.followers import follow, fresh, of, publish, shown
from tests.support.sockets import connected
from tests.support.stream_items import item

FEED = Stream.CONVERSATION_FEED


class Messages:
    """Says messages, and knows which rows were made."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.hub = WebSocketManager(clock=self.clock, sleep=self.clock.sleep)
        publish(self.hub, FEED, "first")
        self.made: list[int] = []

    def say(self, *numbers: int, lead: str = "lead") -> None:
        for number in numbers:
            self.hub.publish_when_seen(LOCATION, FEED, partial(self._make, lead, number))

    def _make(self, lead: str, number: int) -> StreamItem:
        self.made.append(number)
        return item(FEED, lead, number)

    def keys(self) -> list[str]:
        return [str(row["key"]) for row in fresh(self.hub, FEED)]


@pytest.fixture
def messages() -> Messages:
    return Messages()


@pytest.mark.asyncio
async def test_rows_that_nobody_sees_are_made_in_order_when_somebody_looks(messages: Messages) -> None:
    messages.say(1, 2, 3)
    assert messages.made == []
    async with connected(messages.hub) as socket:
        await socket.say(follow(FEED))
        assert messages.made == [1, 2, 3]
        messages.say(4)
        assert messages.made == [1, 2, 3, 4], "somebody follows: at once"
        await settle()
        assert shown(socket, FEED).shown == fresh(messages.hub, FEED)
    assert messages.keys() == ["lead-4", "lead-3", "lead-2", "lead-1", "first-0"]


@pytest.mark.asyncio
async def test_a_screen_that_follows_another_stream_wants_none_of_them(messages: Messages) -> None:
    async with connected(messages.hub) as socket:
        await socket.say(follow(Stream.NEXT_ACTIONS))
        messages.say(1)
        assert messages.made == []


@pytest.mark.asyncio
async def test_who_comes_back_goes_on_without_a_gap_after_few(messages: Messages) -> None:
    async with connected(messages.hub) as socket:
        await socket.say(follow(FEED))
        screen = shown(socket, FEED)
    messages.say(*range(SNAPSHOT_ITEMS))
    async with connected(messages.hub) as socket:
        await socket.say(follow(FEED, epoch=screen.epoch, offset=screen.offset))
        first, *rest = of(socket, FEED)
        assert first["subscribed"]["recovered"] is True
        assert [message["e"]["key"] for message in rest] == [f"lead-{n}" for n in range(SNAPSHOT_ITEMS)]


@pytest.mark.asyncio
async def test_who_comes_back_takes_the_snapshot_after_more_than_it_holds(messages: Messages) -> None:
    async with connected(messages.hub) as socket:
        await socket.say(follow(FEED))
        screen = shown(socket, FEED)
    messages.say(*range(SNAPSHOT_ITEMS + 2))
    async with connected(messages.hub) as socket:
        await socket.say(follow(FEED, epoch=screen.epoch, offset=screen.offset))
        (only,) = of(socket, FEED)
        assert only["subscribed"]["recovered"] is False
        assert [row["key"] for row in only["snapshot"]] == messages.keys()
    assert messages.made == list(range(2, SNAPSHOT_ITEMS + 2)), "the others are never made"


def test_a_removal_takes_the_unseen_messages_of_its_lead_along(messages: Messages) -> None:
    messages.say(1, lead="gone")
    messages.say(2, lead="stays")
    gone = LeadRemovedItem(key="gone", at=NOON, simulated=False, lead_id=LeadId("gone"))
    messages.hub.publish(LOCATION, FEED, gone)
    assert messages.keys() == ["stays-2", "first-0"]


def test_one_that_cannot_be_made_is_left_out_and_told_to_the_log(messages: Messages) -> None:
    def odd() -> StreamItem:
        raise ValueError("odd")

    messages.say(1)
    messages.hub.publish_when_seen(LOCATION, FEED, odd)
    messages.say(2)
    with structlog.testing.capture_logs() as logs:
        assert messages.keys() == ["lead-2", "lead-1", "first-0"]
    assert [(log["event"], log["stream"]) for log in logs] == [("publication.failed", FEED)]


@pytest.mark.asyncio
async def test_what_waits_to_be_seen_is_made_in_quiet_moments(messages: Messages) -> None:
    is_busy = True
    messages.hub.give_way_to(lambda: is_busy)
    messages.say(*range(50))
    running = asyncio.create_task(messages.hub.run())
    await messages.clock.advance(3)
    assert messages.made == []
    is_busy = False
    await messages.clock.advance(1)
    assert 0 < len(messages.made) < 50, "a little at a time"
    await messages.clock.advance(10)
    assert messages.made == list(range(50))
    running.cancel()
