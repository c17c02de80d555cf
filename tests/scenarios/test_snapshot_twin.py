"""Snapshot + events == fresh snapshot, after every event of every type, through the projection that screens get."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from ghl_real_estate_ai.limits import SNAPSHOT_ITEMS
from ghl_real_estate_ai.models.events import EVENT_TYPES, LeadForgotten, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LeadId, lead_hash
from ghl_real_estate_ai.models.intelligence import ActionKind, risk_stage
from ghl_real_estate_ai.models.leads import DELETED
from ghl_real_estate_ai.models.matching_models import WishOutcome
from ghl_real_estate_ai.models.streams import LeadItem, LeadRemovedItem, Stream
from ghl_real_estate_ai.services.live_relay import PROJECTED
from ghl_real_estate_ai.services.stream_projection import items_of
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.clock import FakeClock, settle
from tests.support.facts import LOCATION, NOON
from tests.support.lead_events import recorded
from tests.support.sockets import FakeSocket, Screen, connected
from tests.support.stream_items import CAUSE, STAMP, item

pytestmark = pytest.mark.untraced

LEADS = ("ana", "bo", "cem", "dia")

at = st.integers(0, 5_000).map(lambda minutes: NOON + timedelta(minutes=minutes))
leads = st.sampled_from(LEADS)
probability = st.floats(0, 1)
text = st.none() | st.sampled_from(["Can I see it?", "¿Mañana? ☂", 'quote " and \\ and \n', "x" * 3_000])
channel = st.sampled_from(["sms", "email", "call", "voicemail"])
stamp = STAMP.model_dump(mode="json")


def stale_or(value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A part of an intelligence: what a model said, or why it said nothing."""
    said = value.map(lambda inner: {"value": inner, "as_of": NOON.isoformat()})
    return said | st.just({"stale_reason": "took too long"}) | st.just({})


score = probability.map(lambda p: {"probability": p, "horizon_days": 14, "model": stamp})
churn = probability.map(
    lambda p: {"probability": p, "stage": risk_stage(p), "horizon_days": 14, "model": stamp}
)
action = st.sampled_from(list(ActionKind)).map(
    lambda kind: {"action_id": f"act-{kind}", "kind": kind, "title": "Do it", "urgency": 0.5,
                  "evidence": [{"event_id": "e-1", "text": "so"}]}
)  # fmt: skip
match = st.sampled_from(["H1", "H2"]).map(
    lambda key: {
        "lead_id": "ana", "listing": {"listing_key": key, "list_price": "410000", "city": "Austin"}, "overall_score": 0.8,
        "wishes": [{"wish": "city", "outcome": WishOutcome.MET, "closeness": 1.0, "detail": "in Austin"}],
        "match_rank": 1, "generated_at": NOON.isoformat(),
    }
)  # fmt: skip
intelligence = st.fixed_dictionaries(
    {
        "lead_name": st.sampled_from(["Ana Diaz", "Bo", "名前"]),
        "assigned_to": st.none() | st.just("u-1"),
        "stage": st.sampled_from(["new", "working", DELETED]),
        "simulated": st.booleans(),
        "as_of": st.just(NOON.isoformat()),
        "score": stale_or(score),
        "churn": stale_or(churn),
        "matches": stale_or(st.lists(match, max_size=2)),
        "cause": st.just(CAUSE.model_dump(mode="json")),
        "next_action": st.none() | action,
    }
)  # fmt: skip
listings = st.lists(st.sampled_from(["H1", "H2"]), min_size=1)
FIELDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "LeadUpserted": st.fixed_dictionaries({"created": st.booleans(), "contact": st.just({"name": "Ana"})}),
    "LeadDeleted": st.just({}),
    "MessageReceived": st.fixed_dictionaries({"channel": channel, "text": text, "call_seconds": st.none() | st.floats(0, 99)}),
    "MessageSent": st.fixed_dictionaries({"channel": channel, "text": text, "human": st.booleans()}),
    "OpportunityChanged": st.just({"opportunity_id": "o1", "status": "won"}),
    "AppointmentChanged": st.just({"appointment_id": "a1", "status": "new"}),
    "PropertyActivityRecorded": st.just({"interaction": "viewed", "listing_key": "H1"}),
    "NoteAdded": st.just({"text": "called"}),
    "TaskChanged": st.just({"task_id": "t1"}),
    "VendorEventKept": st.just({"vendor_type": "InvoiceCreate", "body": {}}),
    "LeadIntelligenceUpdated": st.fixed_dictionaries({"intelligence": intelligence, "stage_ms": st.just({"log": 2.0})}),
    "LeadWentQuiet": st.just({"stage": 1, "due_at": NOON.isoformat()}),
    "ListingJudged": st.just({"listing_key": "H1", "verdict": "like", "by": "lead", "user_id": "u-9"}),
    "ActionAcknowledged": st.just({"action_id": "act-1", "user_id": "u-9"}),
    "ActionSnoozed": st.just({"action_id": "act-1", "user_id": "u-9", "until": NOON.isoformat()}),
    "MarkedAnswered": st.just({"action_id": "act-1", "user_id": "u-9", "through": NOON.isoformat()}),
    "LeadDeclined": st.just({"action_id": "act-1", "user_id": "u-9"}),
    "ActionReopened": st.just({"action_id": "act-1", "user_id": "u-9"}),
    "WishesCorrected": st.just({"wishes": {"city": "Austin"}, "user_id": "u-9"}),
    "SwitchTurned": st.just({"switch": "outgoing", "on": False, "user_id": "u-9"}),
    "ListingsImported": st.fixed_dictionaries({"listing_keys": listings}),
    "CrmAppUninstalled": st.just({"owner_kind": "location"}),
    "LeadForgotten": st.just({}),
}  # fmt: skip
ABOUT_NOBODY = {"SwitchTurned", "ListingsImported", "CrmAppUninstalled", "LeadForgotten"}


@st.composite
def facts(draw: st.DrawFn, kinds: st.SearchStrategy[str], *, most: int) -> list[RecordedEvent]:
    """A tenant's log."""
    log = []
    for position in range(1, draw(st.integers(1, most)) + 1):
        kind, lead = draw(kinds), draw(leads)
        fields = dict(draw(FIELDS[kind]))
        if kind == "LeadIntelligenceUpdated":
            fields["intelligence"] = {**fields["intelligence"], "lead_id": lead}
        if kind == "LeadForgotten":
            fields["lead_hash"] = lead_hash(LOCATION, LeadId(lead))
        about = None if kind in ABOUT_NOBODY or draw(st.integers(0, 19)) == 0 else lead
        log.append(recorded(kind, position, draw(at), location_id=LOCATION, lead_id=about, **fields))
    return log


def tell(hub: WebSocketManager, fact: RecordedEvent) -> None:
    """As the bus does in life."""
    for stream, one in items_of(fact, now=fact.recorded_at):
        hub.publish(LOCATION, stream, one)
    if isinstance(fact.event, LeadForgotten):
        hub.forget(LOCATION, fact.event.lead_hash)


def fresh(hub: WebSocketManager) -> dict[Stream, tuple[str, int, list[dict[str, Any]]]]:
    snapshots = {stream: hub.snapshot(LOCATION, stream) for stream in Stream}
    return {
        stream: (one.epoch, one.offset, [from_json(i) for i in one.items])
        for stream, one in snapshots.items()
    }


class Follower:
    """A socket and its screens."""

    def __init__(self, socket: FakeSocket) -> None:
        self.socket = socket
        self.screens = {stream: Screen() for stream in Stream}
        self._read = 0

    async def follow(self) -> None:
        await self.socket.say({"subscribe": [{"stream": stream} for stream in Stream]})

    async def shown(self) -> dict[Stream, tuple[str | None, int, list[dict[str, Any]]]]:
        """What the screens show when everything that was on its way has come."""
        await settle()
        new = self.socket.sent[self._read :]
        self._read += len(new)
        for message in map(from_json, new):
            stream = message["subscribed"]["stream"] if "subscribed" in message else message.get("c")
            if stream is not None:
                self.screens[Stream(stream)].apply(message)
        return {stream: (one.epoch, one.offset, one.shown) for stream, one in self.screens.items()}


async def twins(log: list[RecordedEvent]) -> set[str]:
    """Follow from the start and from each event on; returns the types that changed a stream."""
    hub = WebSocketManager(clock=FakeClock())
    changing: set[str] = set()
    async with AsyncExitStack() as stack:
        followers: list[Follower] = []
        for fact in [None, *log]:
            before = fresh(hub)
            if fact is not None:
                tell(hub, fact)
            after = fresh(hub)
            if fact is not None and after != before:
                changing.add(fact.event.type)
            for follower in followers:
                assert await follower.shown() == after
            if len(followers) < 9:
                follower = Follower(await stack.enter_async_context(connected(hub)))
                await follower.follow()
                assert await follower.shown() == after
                followers.append(follower)
    return changing


@settings(max_examples=40, deadline=None)
@given(facts(st.sampled_from(sorted(FIELDS)), most=14))
def test_whoever_follows_shows_what_a_fresh_snapshot_shows_after_every_event(
    log: list[RecordedEvent],
) -> None:
    asyncio.run(twins(log))


@settings(max_examples=30, deadline=None)
@given(facts(st.sampled_from(sorted(PROJECTED)), most=14))
def test_the_same_with_events_that_change_streams_only(log: list[RecordedEvent]) -> None:
    assert asyncio.run(twins(log)) <= PROJECTED


def test_every_type_of_event_is_tried() -> None:
    assert {type_.__name__ for type_ in EVENT_TYPES} == set(FIELDS)


@pytest.mark.parametrize("kind", sorted(set(FIELDS) - PROJECTED))
def test_no_other_type_changes_a_stream(kind: str) -> None:
    @settings(max_examples=5, deadline=None)
    @given(facts(st.just("MessageReceived"), most=3), facts(st.just(kind), most=3))
    def tried(before: list[RecordedEvent], log: list[RecordedEvent]) -> None:
        assert asyncio.run(twins([*before, *log])) <= {"MessageReceived"}

    tried()


def numbered(lead: int, *, removed: bool = False) -> LeadItem:
    key = LeadId(f"lead-{lead}")
    if removed:
        return LeadRemovedItem(key=key, at=NOON, simulated=False, lead_id=key)
    made = item(Stream.NEXT_ACTIONS, key, lead)
    assert isinstance(made, LeadItem)
    return made


def crowded() -> Iterator[LeadItem]:
    """More leads than a snapshot holds, some of which are deleted in the CRM meanwhile, some of which come back."""
    yield from map(numbered, range(SNAPSHOT_ITEMS))
    yield numbered(3, removed=True)
    yield numbered(SNAPSHOT_ITEMS)
    yield numbered(250, removed=True)
    yield numbered(251, removed=True)
    yield from map(numbered, range(SNAPSHOT_ITEMS + 1, SNAPSHOT_ITEMS + 20))
    yield numbered(250)


@pytest.mark.asyncio
async def test_the_twin_holds_with_more_leads_than_a_snapshot_and_deleted_ones_among_them() -> None:
    hub = WebSocketManager(clock=FakeClock())
    async with connected(hub) as socket:
        follower = Follower(socket)
        await follower.follow()
        for one in crowded():
            hub.publish(LOCATION, Stream.NEXT_ACTIONS, one)
            if len(hub.snapshot(LOCATION, Stream.NEXT_ACTIONS).items) >= SNAPSHOT_ITEMS - 5:
                shown = (await follower.shown())[Stream.NEXT_ACTIONS][2]
                after = fresh(hub)[Stream.NEXT_ACTIONS][2]
                assert [row["key"] for row in shown] == [row["key"] for row in after]
