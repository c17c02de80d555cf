"""The two ends of the shared log of screens: workers project facts into it, gateways follow it into their hub.

Called by ``bootstrap`` when there is Redis, and by the hub (``prepare``):

- worker: ``ScreenProjector`` is the durable subscriber SCREENS for PROJECTED, in place of the live one for SCREEN_FACTS.
  BrokerUnavailable passes through it: the bus waits and repeats.
- gateway: the hub's ``prepare`` is the relay's, ``run`` is a background task. Nothing is seeded at start and nobody else
  calls ``hub.forget``: each tenant is taken up when it is first asked for.
- one process without Redis has neither: it seeds its hub with ``known_of`` and publishes to it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Final, Protocol

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import BrokerUnavailable, StorageUnavailable
from ghl_real_estate_ai.limits import (
    FEED_LOOKED_AT,
    FOLLOW_AGAIN_S,
    FOLLOW_ENTRIES,
    FOLLOW_READERS,
    FOLLOW_TENANTS,
    PREPARED_AT_ONCE,
    QUEUE_ITEMS,
    SCREENS_DELAYED_S,
    SCREENS_PAGE_LEADS,
    SCREENS_STILL_S,
    SNAPSHOT_ITEMS,
)
from ghl_real_estate_ai.live_ports import Backplane, Heard, Held
from ghl_real_estate_ai.models.events import LeadForgotten, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId, lead_hash
from ghl_real_estate_ai.models.streams import Placed, Publication, Stream, StreamItem
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork
from ghl_real_estate_ai.services.screen_lag import ScreenLag
from ghl_real_estate_ai.services.stream_projection import Projected, items_of, items_of_lead

_log = telemetry.get_logger("live_relay")

SCREENS: Final = "screens"
"""The durable subscriber that publishes."""

SCREEN_FACTS: Final = frozenset(
    {"LeadIntelligenceUpdated", "MessageReceived", "MessageSent", "ActionAcknowledged"}
)
"""Facts that change a live stream."""

PROJECTED: Final = SCREEN_FACTS | {"LeadForgotten"}
"""Facts that ``ScreenProjector`` wants."""

_MESSAGES: Final = frozenset({"MessageReceived", "MessageSent"})
_FORGOTTEN: Final = frozenset({"LeadForgotten"})


@dataclass(frozen=True, slots=True)
class Known:
    """A tenant as the database knows it: what its screens hold, oldest first, and how far its log had come.

    Of later facts some may be in it already: they come once more, and the newest of each key counts.
    """

    items: Projected
    position: int
    published: int  # up to here workers have published, by their stored cursor


async def known_of(memory: Memory, location_id: LocationId) -> Known:
    """Read page by page, so that nobody waits for all of it. Raises StorageUnavailable."""

    def begin(uow: UnitOfWork) -> tuple[int, int, list[LeadId]]:
        lead_ids = uow.leads.to_show(location_id, newest=SNAPSHOT_ITEMS, urgent=QUEUE_ITEMS)
        return uow.events.head(location_id), uow.cursors.position(location_id, SCREENS), lead_ids

    position, published, lead_ids = await memory.read(begin)
    found: dict[LeadId, Projected] = {}
    for first in range(0, len(lead_ids), SCREENS_PAGE_LEADS):
        page = lead_ids[first : first + SCREENS_PAGE_LEADS]
        found |= await memory.read(partial(_items_of_leads, location_id=location_id, lead_ids=page))
    said, forgotten = await memory.read(partial(_said, location_id=location_id, since=position, found=found))
    kept = (items for lead_id, items in found.items() if lead_hash(location_id, lead_id) not in forgotten)
    items = sorted(chain(*kept, said), key=lambda pair: pair[1].at)
    return Known(items=items, position=position, published=published)


def _items_of_leads(
    uow: UnitOfWork, *, location_id: LocationId, lead_ids: Sequence[LeadId]
) -> dict[LeadId, Projected]:
    leads, shown = uow.leads.get_many(location_id, lead_ids), uow.leads.shown(location_id, lead_ids)
    return {
        lead_id: items_of_lead(leads[lead_id], shown.get(lead_id)) for lead_id in lead_ids if lead_id in leads
    }


def _said(
    uow: UnitOfWork, *, location_id: LocationId, since: int, found: Mapping[LeadId, Projected]
) -> tuple[Projected, set[str]]:
    """The newest messages, but those of leads that were deleted in the CRM; the hashes of leads forgotten meanwhile."""
    after = max(0, uow.events.head(location_id) - FEED_LOOKED_AT)
    said = uow.events.newest(location_id, after=after, limit=SNAPSHOT_ITEMS, types=_MESSAGES)
    whose = {recorded.event.lead_id for recorded in said if recorded.event.lead_id is not None}
    in_doubt = {lead_id for lead_id in whose if not found.get(lead_id)}  # of a deleted lead nothing is shown
    gone = {lead_id for lead_id, lead in uow.leads.get_many(location_id, in_doubt).items() if lead.deleted}
    items = [pair for recorded in said if recorded.event.lead_id not in gone for pair in items_of(recorded)]
    forgotten = uow.events.newest(location_id, after=since, limit=len(found), types=_FORGOTTEN)
    return items, {one.event.lead_hash for one in forgotten if isinstance(one.event, LeadForgotten)}


# --- workers ------------------------------------------------------------------------------------------------------


class ScreenProjector:
    """``ports.DurableHandler``: each fact that changes screens, published once at its position of the log."""

    def __init__(self, *, backplane: Backplane, memory: Memory, clock: Clock) -> None:
        self._backplane = backplane
        self._memory = memory
        self._clock = clock
        self._published: dict[LocationId, int] = {}

    async def __call__(self, recorded: RecordedEvent) -> None:
        """Publish. The backplane knows a position that it has seen, so a repetition after a crash shows nothing twice."""
        location_id, position = recorded.event.location_id, recorded.position
        if location_id not in self._published:
            self._published[location_id] = await self._begin(location_id)
        if position <= self._published[location_id]:
            return
        if not await self._publish(recorded) and await self._drop_what_is_ahead(location_id):
            await self._publish(recorded)
        self._published[location_id] = position

    def look_again(self) -> None:
        """The bus begins again at its stored cursors: what was published is asked anew."""
        self._published.clear()

    async def _publish(self, recorded: RecordedEvent) -> bool:
        event, position = recorded.event, recorded.position
        if isinstance(event, LeadForgotten):
            await self._backplane.forget(event.location_id, event.lead_hash, position=position)
            return True
        now = self._clock.now()
        publications = [Publication.of(stream, item) for stream, item in items_of(recorded, now=now)]
        # also when there are none: Redis must know every position that the cursor counts as published
        return await self._backplane.publish(
            event.location_id,
            publications,
            position=position,
            at_ms=_ms(now),
            received_ms=_ms(recorded.received_at),
            after=self._published[event.location_id],
        )

    async def _begin(self, location_id: LocationId) -> int:
        """The position up to which all is published. A Redis that knows less than the cursor has lost something."""
        await self._drop_what_is_ahead(location_id)
        [(_, held)] = await self._backplane.ends([location_id])

        def look(uow: UnitOfWork) -> tuple[int, int, list[RecordedEvent]]:
            later, _ = uow.events.read_types(location_id, after=held, limit=1, types=PROJECTED)
            return uow.events.head(location_id), uow.cursors.position(location_id, SCREENS), later

        head, passed, later = await self._memory.read(look)
        if held == passed == 0 and head > SNAPSHOT_ITEMS:
            # Redis is new to a house that has a past: gateways take that from the database, nobody sees it pass by
            await self._backplane.begin(location_id, position=head)
            return head
        lost = bool(later) and later[0].position <= passed
        return later[0].position if lost else held

    async def _drop_what_is_ahead(self, location_id: LocationId) -> bool:
        """A log that is ahead of the database is of a day that the database was set back from: it would take no fact."""
        [(epoch, held)] = await self._backplane.ends([location_id])
        if epoch is None or held <= await self._memory.read(lambda uow: uow.events.head(location_id)):
            return False
        _log.warning("screens.dropped", location_id=location_id, position=held)
        await self._backplane.drop(location_id, epoch=epoch)
        return True


# --- gateways -----------------------------------------------------------------------------------------------------


class Screens(Protocol):
    """The hub, as far as it is needed here."""

    def adopt(
        self,
        location_id: LocationId,
        *,
        epoch: str,
        seeds: Iterable[tuple[Stream, StreamItem]],
        history: Sequence[Placed],
        heads: Mapping[Stream, int],
    ) -> None: ...

    def relay(self, location_id: LocationId, placed: Placed) -> None: ...

    def forget(self, location_id: LocationId, forgotten: str) -> None: ...

    def delayed(self, location_id: LocationId | None, since: datetime | None) -> None: ...


@dataclass(eq=False, slots=True)
class _Place:
    """How far this gateway has followed a tenant. Not ``adopted``: the hub has yet to be given what is held."""

    epoch: str = ""
    position: int = 0
    shown: int = 0  # of the log, as the database knew it
    heads: dict[Stream, int] = field(default_factory=dict)
    mark: str = ""
    adopted: bool = False


@dataclass(eq=False, slots=True)
class _Group:
    """Tenants that one read follows."""

    up_to_date_at: datetime
    places: dict[LocationId, _Place] = field(default_factory=dict)


class LiveRelay:
    """Keeps the hub of one gateway at the end of the shared log of every tenant it serves.

    Whatever goes wrong has one cure, to adopt the tenant anew: another epoch, a hole, a Redis that was lost.
    """

    def __init__(
        self,
        *,
        hub: Screens,
        backplane: Backplane,
        memory: Memory,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._hub = hub
        self._backplane = backplane
        self._memory = memory
        self._clock = clock
        self._sleep = sleep
        self._groups: list[_Group] = []
        self._followed: set[LocationId] = set()
        self._preparing: dict[LocationId, asyncio.Lock] = {}
        self._turns = asyncio.Semaphore(PREPARED_AT_ONCE)
        self._new_group = asyncio.Event()
        self._delayed = False
        self._lag = ScreenLag(backplane=backplane, memory=memory, clock=clock, types=PROJECTED)
        self._still: dict[LocationId, datetime] = {}

    async def prepare(self, location_id: LocationId) -> None:
        """Return when the hub may show this tenant. Without Redis it shows what the database knows, until Redis is back.

        Raises StorageUnavailable.
        """
        if location_id in self._followed:
            return
        async with self._preparing.setdefault(location_id, asyncio.Lock()), self._turns:
            if location_id in self._followed:
                return
            self._join(location_id, await self._take_up(location_id))
            self._preparing.pop(location_id, None)
            if not self._delayed:  # else nobody waits in a read that would have to be ended
                with suppress(BrokerUnavailable):
                    await self._backplane.wake()

    async def _take_up(self, location_id: LocationId) -> _Place:
        place = _Place()
        if not self._delayed:
            try:
                await self._adopt(location_id, place)
            except BrokerUnavailable as error:
                _log.warning("screens.alone", location_id=location_id, reason=str(error))
            else:
                return place
        known = await known_of(self._memory, location_id)
        self._hub.adopt(location_id, epoch=secrets.token_hex(4), seeds=known.items, history=(), heads={})
        return place

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="screens watch")
            tasks.create_task(self._watch_lag(), name="screens lag")
            following = 0
            while True:
                for group in self._groups[following:]:
                    tasks.create_task(self._follow(group), name="screens")
                following = len(self._groups)
                self._new_group.clear()
                await self._new_group.wait()

    # --- adopting ------------------------------------------------------------------------------------------------

    async def _adopt(self, location_id: LocationId, place: _Place) -> None:
        """Give the hub what is held, over what the database knows: that is read first, so nothing falls between."""
        while True:
            known = await known_of(self._memory, location_id)
            held = await self._backplane.held(location_id)
            if not await self._belongs(location_id, held, known=known, seen=place):
                _log.warning("screens.dropped", location_id=location_id, position=held.position)
                await self._backplane.drop(location_id, epoch=held.epoch)
            elif _continues(held, known.position):
                break
        history = [placed for entry in held.entries for placed in entry.placed]
        self._hub.adopt(location_id, epoch=held.epoch, seeds=known.items, history=history, heads=held.heads)
        place.epoch, place.position, place.mark = held.epoch, held.position, held.mark
        place.heads, place.shown, place.adopted = dict(held.heads), known.position, True

    async def _belongs(self, location_id: LocationId, held: Held, *, known: Known, seen: _Place) -> bool:
        """Whether Redis and the database tell the same story. One of them may have been set back to an earlier day."""

        def look(uow: UnitOfWork) -> tuple[int, list[RecordedEvent]]:
            later, _ = uow.events.read_types(location_id, after=held.position, limit=1, types=PROJECTED)
            return uow.events.head(location_id), later

        head, later = await self._memory.read(look)
        redis_is_ahead = held.position > head
        forgot_what_was_seen = held.epoch == seen.epoch and held.position < seen.position
        forgot_what_was_published = held.position > 0 and bool(later) and later[0].position <= known.published
        return not (redis_is_ahead or forgot_what_was_seen or forgot_what_was_published)

    def _join(self, location_id: LocationId, place: _Place) -> None:
        group = min(self._groups, key=lambda group: len(group.places), default=None)
        if group is None or (len(group.places) >= FOLLOW_TENANTS and len(self._groups) < FOLLOW_READERS):
            group = _Group(self._clock.now())
            self._groups.append(group)
            self._new_group.set()
        group.places[location_id] = place
        self._followed.add(location_id)

    # --- following -----------------------------------------------------------------------------------------------

    async def _follow(self, group: _Group) -> None:
        """One blocking read after the other; after a loss look first whether it is still the same log."""
        lost, pause = False, FOLLOW_AGAIN_S / 10
        while True:
            try:
                if lost:
                    await self._compare(group)
                await self._adopt_missing(group)
                up_to_date = await self._read(group)
            except (BrokerUnavailable, StorageUnavailable) as error:
                if not lost:
                    _log.warning("screens.interrupted", reason=str(error))
                lost = True
                await self._sleep(pause)
                pause = min(FOLLOW_AGAIN_S, pause * 2)
                continue
            if lost:
                _log.info("screens.followed_again", tenants=len(group.places))
            lost, pause = False, FOLLOW_AGAIN_S / 10
            if up_to_date:
                group.up_to_date_at = self._clock.now()
                self._tell_whether_delayed()

    async def _compare(self, group: _Group) -> None:
        """Those whose log is another one now, or ends before what was seen, are to be adopted anew."""
        ends = await self._backplane.ends(tuple(group.places))
        for place, (epoch, position) in zip(tuple(group.places.values()), ends, strict=False):
            if epoch != place.epoch or position < place.position:
                place.adopted = False

    async def _adopt_missing(self, group: _Group) -> None:
        for location_id, place in tuple(group.places.items()):
            if not place.adopted:
                await self._adopt(location_id, place)

    async def _read(self, group: _Group) -> bool:
        """Hand over what is new; False when there may be more at once."""
        marks = {location_id: place.mark for location_id, place in group.places.items() if place.adopted}
        up_to_date = True
        for location_id, heard in await self._backplane.read(marks):
            place = group.places[location_id]
            place.adopted = self._hand_over(location_id, place, heard)
            up_to_date &= place.adopted and len(heard) < FOLLOW_ENTRIES
        return up_to_date

    def _hand_over(self, location_id: LocationId, place: _Place, heard: Sequence[Heard]) -> bool:
        """Give the hub the next publications; False when they do not go on where this gateway is."""
        for entry in heard:
            is_news = entry.position > place.position
            if entry.epoch != place.epoch:
                if entry.forgotten is not None:
                    self._hub.forget(location_id, entry.forgotten)  # at once; what the database knows follows
                return False
            place.mark, place.position = entry.mark, entry.position
            for placed in entry.placed:
                stream = placed.publication.stream
                ahead = placed.offset - place.heads.get(stream, 0)
                if ahead > 1:
                    _log.warning("screens.hole", location_id=location_id, stream=stream, missing=ahead - 1)
                    return False
                if ahead == 1:
                    self._hub.relay(location_id, placed)
                    place.heads[stream] = placed.offset
                elif is_news:
                    _log.warning("screens.offset_again", location_id=location_id, stream=stream)
                    return False  # Redis forgot that it gave this offset to another publication
            self._observe(entry)
        return True

    def _observe(self, entry: Heard) -> None:
        """Every new intelligence has one item among the scores."""
        told = any(placed.publication.stream is Stream.LEAD_SCORES for placed in entry.placed)
        if told and entry.received_ms is not None:
            telemetry.event_to_publish.observe(_ms(self._clock.now()) - entry.received_ms)

    # --- delays --------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await self._sleep(SCREENS_DELAYED_S / 4)
            self._tell_whether_delayed()

    def _tell_whether_delayed(self) -> None:
        """Screens hear it when news stops coming, and when it comes again."""
        since = min((group.up_to_date_at for group in self._groups), default=None)
        if since is None:
            return
        delayed = (self._clock.now() - since).total_seconds() > SCREENS_DELAYED_S
        if delayed != self._delayed:
            self._delayed = delayed
            self._hub.delayed(None, since if delayed else None)

    async def _watch_lag(self) -> None:
        """Redis answers, but a tenant's news does not come: its screens hear that."""
        while True:
            await self._sleep(SCREENS_STILL_S / 3)
            shown = {
                location_id: place.shown
                for group in self._groups
                for location_id, place in group.places.items()
                if place.adopted
            }
            try:
                still = await self._lag.look(shown)
            except (BrokerUnavailable, StorageUnavailable):
                continue  # the others say so
            for location_id in {*still, *self._still}:
                since = still.get(location_id)
                if since != self._still.get(location_id):
                    self._hub.delayed(location_id, since)
            if len(still) > len(self._still):
                _log.warning("screens.still", tenants=len(still))
            self._still = still


def _continues(held: Held, position: int) -> bool:
    """Whether what is held goes on where the database was read: every later fact for screens is in it."""
    if held.position <= position:
        return True
    return bool(held.entries) and held.entries[0].position <= position


def _ms(at: datetime) -> float:
    return at.timestamp() * 1_000
