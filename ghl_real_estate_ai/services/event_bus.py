"""The bus: typed publish and subscribe in two delivery classes. Everything that happens in the house passes here.

*Durable*: the log is the queue. Each subscriber has a cursor per tenant, gets events in log order at least once, and
what it wants to become true is committed in one transaction with its cursor: so a kill -9 at any point applies each
event exactly once. A handler that fails is retried with back-off, then the event goes to the dead letters.
*Live*: a bounded queue per subscriber, the newest wins. For screens.

Several processes may dispatch one log: a ``WorkShare`` says whose turn a tenant is. It only saves work. What keeps two
from applying the same is the fence: a cursor moves only from where its mover believes it is.

A database that was away may come back a little older (a standby took over, a power cut took the newest derived facts). So
after its troubles, and when a log is shorter than it was, nothing that was remembered counts: the stored cursors do.

Called by ``event_inbox``, the API routes and ``bootstrap``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import BrokerUnavailable, Overtaken, StorageUnavailable
from ghl_real_estate_ai.limits import (
    DURABLE_BATCH,
    DURABLE_BATCH_S,
    DURABLE_POLL_S,
    DURABLE_RETRY_DELAYS_S,
    GIVE_WAY_STEP_S,
    GIVE_WAY_STEPS,
)
from ghl_real_estate_ai.live_ports import WorkShare
from ghl_real_estate_ai.models.events import DeadLetter, Delivery, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Clock, DurableHandler, DurableWork, Memory, UnitOfWork
from ghl_real_estate_ai.services.live_subscriber import LiveSubscriber
from ghl_real_estate_ai.services.recent_facts import RecentFacts

_log = telemetry.get_logger("event_bus")

_PERSIST_SKIPPED_AFTER = 4 * DURABLE_BATCH
"""A cursor that only passed events which wanted nothing is written this seldom: reading them again is harmless."""

_AWAY = (StorageUnavailable, BrokerUnavailable)
"""The event is not to blame: it is tried again when the database, or Redis, is back."""


@dataclass(eq=False)
class _Durable:
    name: str
    handler: DurableHandler
    types: frozenset[str]
    on_rollback: Callable[[], None]
    is_on: Callable[[UnitOfWork, LocationId], bool] | None
    look_again_at: float = 0.0  # loop time of the next look at every tenant
    dirty: set[LocationId] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    positions: dict[LocationId, int] = field(default_factory=dict)
    persisted: dict[LocationId, int] = field(default_factory=dict)
    is_stale: bool = False  # what is remembered may be of an earlier time
    at_work: bool = False

    def look_at(self, location_id: LocationId) -> None:
        self.dirty.add(location_id)
        self.wake.set()

    def look_at_all(self) -> None:
        self.look_again_at = 0.0
        self.wake.set()

    def drop_if_stale(self) -> None:
        """Never within a batch: its later events build upon what the earlier ones left in memory."""
        if self.is_stale:
            self.is_stale = False
            self.positions.clear()
            self.persisted.clear()
            self.on_rollback()


@dataclass(eq=False)
class _Follower:
    name: str
    hear: Callable[[RecordedEvent], None]
    types: frozenset[str]
    begun: dict[LocationId, int] | None = None  # the heads when it began
    positions: dict[LocationId, int] = field(default_factory=dict)

    def doubt(self) -> None:
        """It has no cursor: it hears again what came since it began."""
        self.positions = dict(self.begun or {})


class EventBus:
    """One per process. Subscribe first, then ``run``."""

    def __init__(
        self,
        *,
        memory: Memory,
        clock: Clock,
        retry_delays_s: Sequence[float] = DURABLE_RETRY_DELAYS_S,
        poll_s: float = DURABLE_POLL_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        share: WorkShare | None = None,
    ) -> None:
        """``share``: somebody runs it with this bus's ``look``, ``let_go`` and ``passed``; None for the only process."""
        self._memory = memory
        self._clock = clock
        self._retry_delays_s = tuple(retry_delays_s)
        self._poll_s = poll_s
        self._sleep = sleep
        self._durable: list[_Durable] = []
        self._live: list[LiveSubscriber] = []
        self._followers: list[_Follower] = []
        self._share = share
        self._busy: Callable[[], bool] = lambda: False
        self._recent = RecentFacts()
        # What handlers want follows from the log: after a power cut it is made again. Where other processes may have
        # acted on it by then, it must be as durable as what it follows from.
        self._commit = memory.derive if share is None else memory.write
        self.running = False

    def give_way_to(self, busy: Callable[[], bool]) -> None:
        """While ``busy()``, handling goes slowly: those who wait for an answer are served first."""
        self._busy = busy

    @property
    def has_work(self) -> bool:
        """Whether a durable subscriber has an event in hand."""
        return any(subscriber.at_work for subscriber in self._durable)

    # --- subscribing ---------------------------------------------------------------------------------------------

    def subscribe_durable(
        self,
        name: str,
        handler: DurableHandler,
        *,
        types: frozenset[str],
        on_rollback: Callable[[], None] = lambda: None,
        is_on: Callable[[UnitOfWork, LocationId], bool] | None = None,
    ) -> None:
        """Hear every event of these types in log order. ``on_rollback`` is called when a commit of its work failed.

        ``is_on``: whether a tenant has a use for it at all (None: each has); what happens while not is passed over unread.
        """
        if any(other.name == name for other in self._durable):
            raise ValueError(f"durable subscriber {name!r} exists already: its cursor would be shared")
        self._durable.append(_Durable(name, handler, types, on_rollback, is_on))

    def subscribe_live(
        self, name: str, hear: Callable[[RecordedEvent], None], *, types: frozenset[str]
    ) -> None:
        """Hear events of these types soon after they became true; under pressure the oldest are dropped."""
        self._live.append(LiveSubscriber(name, hear, types))

    def subscribe_follower(
        self, name: str, hear: Callable[[RecordedEvent], None], *, types: frozenset[str]
    ) -> None:
        """Hear events of these types within ``poll_s``, from the start of ``run`` on, whichever process appended them."""
        self._followers.append(_Follower(name, hear, types))

    # --- publishing ----------------------------------------------------------------------------------------------

    async def publish(self, deliveries: Sequence[Delivery]) -> list[RecordedEvent | None]:
        """Append durably in one transaction, then tell the subscribers. None for a duplicate."""

        def append(uow: UnitOfWork) -> list[RecordedEvent | None]:
            return [uow.events.append(delivery) for delivery in deliveries]

        recorded = await self._memory.write(append)
        self.announce(fact for fact in recorded if fact is not None)
        return recorded

    def announce(self, facts: Iterable[RecordedEvent]) -> None:
        """Tell live and durable subscribers of facts that are committed."""
        committed = tuple(facts)
        for fact in committed:
            if self._durable and self._handles(fact.event.location_id):
                self._recent.add(fact)
            self.publish_live(fact)
            for subscriber in self._durable:
                if fact.event.type in subscriber.types:
                    subscriber.look_at(fact.event.location_id)
        if self._share is not None:
            self._share.tell(committed)

    def publish_live(self, recorded: RecordedEvent) -> None:
        """Tell the live subscribers only. Never blocks."""
        for subscriber in self._live:
            if recorded.event.type in subscriber.types:
                subscriber.offer(recorded)

    async def lag(self, location_id: LocationId) -> int:
        """Events of the tenant that the slowest durable subscriber wants and has not finished."""

        def waiting(uow: UnitOfWork, subscriber: _Durable) -> int:
            stored = uow.cursors.position(location_id, subscriber.name)
            after = max(stored, subscriber.positions.get(location_id, 0))
            return uow.events.count(location_id, after=after, types=subscriber.types)

        return max(
            await self._memory.read(lambda uow: [waiting(uow, subscriber) for subscriber in self._durable]),
            default=0,
        )

    # --- one of several processes ----------------------------------------------------------------------------------

    def look(self, location_id: LocationId | None) -> None:
        """This tenant's log has grown; None: look at every tenant that this process handles, some are new to it."""
        for subscriber in self._durable:
            if location_id is None:
                subscriber.look_at_all()
            else:
                subscriber.look_at(location_id)

    def let_go(self) -> None:
        """Some tenants are somebody else's now: what is remembered is dropped before the next batch."""
        self._doubt()
        for subscriber in self._durable:
            subscriber.wake.set()

    def passed(self, location_id: LocationId) -> int:
        """The position up to which every durable subscriber has come."""
        return min((subscriber.positions.get(location_id, 0) for subscriber in self._durable), default=0)

    def _doubt(self) -> None:
        """What is remembered may not be what the database holds: each subscriber reads it anew before its next batch."""
        self._recent.clear()
        for subscriber in self._durable:
            subscriber.is_stale = True

    def _handles(self, location_id: LocationId) -> bool:
        return self._share is None or self._share.holds(location_id)

    # --- dispatching ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Dispatch until cancelled. Starts at the stored cursors: what a crash left unhandled is handled first."""
        self.running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                for durable in self._durable:
                    tasks.create_task(self._dispatch(durable), name=f"durable:{durable.name}")
                for live in self._live:
                    tasks.create_task(live.run(), name=f"live:{live.name}")
                for follower in self._followers:
                    tasks.create_task(self._follow(follower), name=f"follower:{follower.name}")
        finally:
            self.running = False

    async def _dispatch(self, subscriber: _Durable) -> None:
        while True:
            await _woken(subscriber)
            subscriber.drop_if_stale()
            await self._look(subscriber)
            for location_id in tuple(subscriber.dirty):
                subscriber.dirty.discard(location_id)
                subscriber.drop_if_stale()
                subscriber.at_work = True
                if self._handles(location_id) and await self._go_on(subscriber, location_id):
                    subscriber.dirty.add(location_id)
                subscriber.at_work = False

    async def _go_on(self, subscriber: _Durable, location_id: LocationId) -> bool:
        """One batch; whether to look again."""
        try:
            return await self._drain_batch(subscriber, location_id)
        except _AWAY as error:
            if isinstance(error, StorageUnavailable):
                self._doubt()
            else:
                subscriber.on_rollback()
            _log.warning("batch.delayed", subscriber=subscriber.name, reason=str(error))
            await self._sleep(self._poll_s)
        except Overtaken as error:
            self._doubt()
            _log.warning(
                "batch.overtaken", subscriber=subscriber.name, location=location_id, reason=str(error)
            )
        return True

    async def _look(self, subscriber: _Durable) -> None:
        """Every ``poll_s``, busy or idle, whose log has grown: another process may have appended."""
        now = asyncio.get_running_loop().time
        if now() < subscriber.look_again_at:
            return
        subscriber.look_again_at = now() + self._poll_s
        try:
            grown, shorter = await self._memory.read(partial(_compared, positions=dict(subscriber.positions)))
        except StorageUnavailable as error:
            self._doubt()
            _log.warning("look.delayed", subscriber=subscriber.name, reason=str(error))
            return
        if shorter:
            self._doubt()
            _log.error("log.set_back", subscriber=subscriber.name, locations=shorter)
        subscriber.dirty.update(filter(self._handles, grown))

    async def _drain_batch(self, subscriber: _Durable, location_id: LocationId) -> bool:
        """Handle the next events of one tenant; False when there were none."""
        if location_id not in subscriber.positions:
            start = await self._memory.read(lambda uow: uow.cursors.position(location_id, subscriber.name))
            subscriber.positions[location_id] = subscriber.persisted[location_id] = start
        after = subscriber.positions[location_id]

        wanted, upto = await self._next_of(subscriber, location_id, after)
        if upto < after:
            self._doubt()  # the log is shorter than it was; the next look finds what is to do
        if upto <= after or not self._handles(location_id):  # it may have changed hands while it was read
            return False
        try:
            while rest := await self._apply(subscriber, location_id, wanted, upto=upto):
                wanted = rest
        except (*_AWAY, Overtaken):
            raise
        except Exception as error:  # noqa: BLE001  # reason: bus handler; one guilty event must not take its neighbours along
            subscriber.on_rollback()
            _log.warning(
                "batch.split", subscriber=subscriber.name, events=len(wanted), error=type(error).__name__
            )
            for recorded in wanted:
                await self._apply_or_bury(subscriber, location_id, recorded)
            await self._apply(subscriber, location_id, [], upto=upto)
        return True

    async def _next_of(
        self, subscriber: _Durable, location_id: LocationId, after: int
    ) -> tuple[list[RecordedEvent], int]:
        """The next events that it wants, and the position up to which there are no others: from memory, else the log."""
        is_on, types = subscriber.is_on, subscriber.types
        if is_on is None:
            recent = self._recent.after(location_id, after, types=types, limit=DURABLE_BATCH)
            if recent is not None:
                return recent

        def look(uow: UnitOfWork) -> tuple[list[RecordedEvent], int]:
            if is_on is not None and not is_on(uow, location_id):
                return [], uow.events.head(location_id)
            return uow.events.read_types(location_id, after=after, limit=DURABLE_BATCH, types=types)

        wanted, upto = await self._memory.read(look)
        if is_on is None and upto > after:
            self._recent.drop(location_id)
        return wanted, upto

    async def _apply(
        self, subscriber: _Durable, location_id: LocationId, events: list[RecordedEvent], *, upto: int
    ) -> list[RecordedEvent]:
        """Handle events and commit what they want, with the cursor, in one transaction. After DURABLE_BATCH_S of handling
        those that it has not come to are left: returns them. While others are served first, few commits are better.
        """
        works: list[DurableWork] = []
        rest = list[RecordedEvent]()
        now = asyncio.get_running_loop().time
        spent = 0.0
        for handled, recorded in enumerate(events, start=1):
            await self._give_way()
            started = now()
            work = await subscriber.handler(recorded)
            spent += now() - started
            if work is not None:
                works.append(work)
            if handled < len(events) and spent >= DURABLE_BATCH_S and not self._busy():
                events, rest, upto = events[:handled], events[handled:], recorded.position
                break

        before = subscriber.persisted[location_id]

        def commit(uow: UnitOfWork) -> list[RecordedEvent]:
            facts = [fact for work in works for fact in work(uow)]
            uow.cursors.advance(location_id, subscriber.name, upto, expected=before)
            return facts

        if works or upto - before >= _PERSIST_SKIPPED_AFTER:
            facts = await self._commit(commit)
            subscriber.persisted[location_id] = upto
            self.announce(facts)
        telemetry.events_handled.labels(subscriber.name).inc(len(events))
        subscriber.positions[location_id] = upto
        return rest

    async def _give_way(self) -> None:
        """Wait for a quieter moment, but not for long: under steady pressure handling goes on, an event at a time."""
        for _ in range(GIVE_WAY_STEPS):
            if not self._busy():
                return
            await self._sleep(GIVE_WAY_STEP_S)

    async def _apply_or_bury(
        self, subscriber: _Durable, location_id: LocationId, recorded: RecordedEvent
    ) -> None:
        """One event alone, with retries; then to the dead letters."""
        reason = ""
        for delay in (0.0, *self._retry_delays_s):
            if delay:
                await self._sleep(delay)
            try:
                await self._apply(subscriber, location_id, [recorded], upto=recorded.position)
            except (*_AWAY, Overtaken):
                raise
            except Exception as error:  # noqa: BLE001  # reason: bus handler; whatever a handler raises is retried, then buried
                subscriber.on_rollback()
                telemetry.events_retried.labels(subscriber.name).inc()
                reason = f"{type(error).__name__}: {error}"
            else:
                return
        await self._bury(subscriber, recorded, reason)

    async def _bury(self, subscriber: _Durable, recorded: RecordedEvent, reason: str) -> None:
        event = recorded.event
        letter = DeadLetter(
            dead_letter_id=0,
            location_id=event.location_id,
            subscriber=subscriber.name,
            position=recorded.position,
            delivery_id=recorded.delivery_id,
            reason=reason,
            simulated=event.simulated,
            failed_at=self._clock.now(),
        )

        before = subscriber.persisted[event.location_id]

        def bury(uow: UnitOfWork) -> None:
            uow.cursors.bury(letter)
            uow.cursors.advance(event.location_id, subscriber.name, recorded.position, expected=before)

        await self._memory.write(bury)
        subscriber.positions[event.location_id] = recorded.position
        subscriber.persisted[event.location_id] = recorded.position
        telemetry.events_dead.labels(subscriber.name).inc()
        _log.error("event.buried", subscriber=subscriber.name, position=recorded.position, type=event.type)

    # --- following ---------------------------------------------------------------------------------------------------

    async def _follow(self, follower: _Follower) -> None:
        while True:
            try:
                await self._hear_new(follower)
            except StorageUnavailable as error:
                follower.doubt()
                _log.warning("look.delayed", subscriber=follower.name, reason=str(error))
            await self._sleep(self._poll_s)

    async def _hear_new(self, follower: _Follower) -> None:
        heads = await self._memory.read(lambda uow: uow.events.heads())
        if follower.begun is None:
            follower.begun = heads
            follower.doubt()
        for location_id, head in heads.items():
            if head < follower.positions.get(location_id, 0):  # set back, nobody knows how far
                follower.begun[location_id] = follower.positions[location_id] = 0
            while (after := follower.positions.get(location_id, 0)) < head:
                facts, upto = await self._memory.read(
                    partial(_next_of_types, location_id=location_id, after=after, types=follower.types)
                )
                for fact in facts:
                    follower.hear(fact)
                follower.positions[location_id] = upto


def _next_of_types(
    uow: UnitOfWork, *, location_id: LocationId, after: int, types: frozenset[str]
) -> tuple[list[RecordedEvent], int]:
    return uow.events.read_types(location_id, after=after, limit=DURABLE_BATCH, types=types)


def _compared(uow: UnitOfWork, *, positions: Mapping[LocationId, int]) -> tuple[list[LocationId], int]:
    """The logs that go on behind these positions, few of many, and how many end before: when any does, all are looked at."""
    heads = uow.events.heads()
    shorter = sum(position > heads.get(log, 0) for log, position in positions.items())
    return [log for log, head in heads.items() if shorter or head > positions.get(log, 0)], shorter


async def _woken(subscriber: _Durable) -> None:
    """Until there is something to do, or the next look is due."""
    if not subscriber.dirty:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(subscriber.look_again_at):
                await subscriber.wake.wait()
    subscriber.wake.clear()
