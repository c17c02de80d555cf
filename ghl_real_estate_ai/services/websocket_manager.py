"""The hub: which topics there are, who is connected, and how many sockets a user may hold.

Called by the bus (``publish``), ``live_relay`` (``adopt``, ``relay``, ``delayed``), ``access_watch`` (``end_sessions``), ``bootstrap`` (``run``, ``seed``,
``forget``, ``aclose``) and ``api/routes/realtime.py``. Each topic is a log (``topic_log``), each connection a place in the
logs (``client_session``), and ``fan_out`` moves them on. Knows no web framework.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import BrokerUnavailable, StorageUnavailable
from ghl_real_estate_ai.limits import CONNECTIONS_PER_USER, PING_INTERVAL_S, WATCH_INTERVAL_S
from ghl_real_estate_ai.live_ports import ClientConnection, Seats
from ghl_real_estate_ai.models.identifiers import LocationId, lead_hash
from ghl_real_estate_ai.models.leads import Identity
from ghl_real_estate_ai.models.streams import (
    SHARED_STREAMS,
    CloseCode,
    Placed,
    Publication,
    Stream,
    StreamItem,
)
from ghl_real_estate_ai.ports import Clock
from ghl_real_estate_ai.services.client_session import ClientSession, Ended, Renew, say_goodbye
from ghl_real_estate_ai.services.fan_out import FanOut, Topic
from ghl_real_estate_ai.services.seats import LocalSeats
from ghl_real_estate_ai.services.socket_watch import SocketWatch
from ghl_real_estate_ai.services.topic_log import History, Snapshot, TopicLog

_MADE_READY = 20
"""Items that are made at each look of those that nobody saw yet: some 5 ms."""

_log = telemetry.get_logger("websocket_manager")

_STOPPING = Ended(CloseCode.GOING_AWAY, "the server stops; reconnect")
_NOT_READY = Ended(CloseCode.GOING_AWAY, "what is shown cannot be read just now; reconnect")
_SESSION_OVER = Ended(CloseCode.TOKEN_EXPIRED, "this session was ended; sign in again")
_TOO_MANY = Ended(
    CloseCode.TOO_MANY_CONNECTIONS,
    f"a user may hold {CONNECTIONS_PER_USER} sockets; close one first",
    refusal=True,
)
_SEATS_TAKEN = Ended(
    CloseCode.SEATS_TAKEN,
    f"a user may hold {CONNECTIONS_PER_USER} sockets, all gateways together; those of a dead one count for a minute",
    refusal=True,
)


class WebSocketManager:
    """All connections of this process. One event loop; nothing here is thread-safe.

    ``seats``: of several gateways together; the sockets of this one are counted in any case. ``prepare``: makes the
    topics of a tenant ready before somebody sees them; raises StorageUnavailable.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        seats: Seats | None = None,
        prepare: Callable[[LocationId], Awaitable[None]] | None = None,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._own_seats = LocalSeats()
        self._shared_seats = seats
        self._prepare = prepare
        self._topics: dict[tuple[LocationId, Stream], Topic] = {}
        self._sessions: dict[LocationId, set[ClientSession]] = {}
        self._fan_out = FanOut()
        self._watch = SocketWatch()
        self._busy: Callable[[], bool] = lambda: False
        self._delayed: dict[LocationId | None, datetime] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._closing = False

    def give_way_to(self, busy: Callable[[], bool]) -> None:
        """While ``busy()``, a crowd of screens leaves the event loop to others for a while after each pass over them."""
        self._busy = busy
        self._fan_out.give_way_to(busy)

    # --- what goes in --------------------------------------------------------------------------------------------

    def publish(self, location_id: LocationId, stream: Stream, item: StreamItem) -> None:
        """Append; the sweep takes it to those who follow. Never waits for a client."""
        topic = self._topic(location_id, stream)
        topic.log.append(Publication.of(stream, item), at_ms=self._now_ms())
        self._fan_out.changed(topic)

    def publish_when_seen(
        self, location_id: LocationId, stream: Stream, make: Callable[[], StreamItem]
    ) -> None:
        """As ``publish``, of an item that adds a row and is dear to make: while nobody follows the stream, it waits."""
        topic = self._topics.get((location_id, stream))
        if topic is None or topic.listeners:
            self.publish(location_id, stream, make())
            return
        topic.log.append_when_seen(partial(_made, stream, make), at_ms=self._now_ms())

    def relay(self, location_id: LocationId, placed: Placed) -> None:
        """The next publication of a shared topic; one that is held already is ignored. Raises HoleInLog: adopt again."""
        topic = self._topic(location_id, placed.publication.stream)
        if topic.log.relay(placed):
            self._fan_out.changed(topic)

    def seed(self, location_id: LocationId, items: Iterable[tuple[Stream, StreamItem]]) -> None:
        """Fill the snapshots with what was known before this process; each stream's items oldest first."""
        for stream, known in _by_stream(items).items():
            topic = self._topic(location_id, stream)
            topic.log.seed(known)
            self._fan_out.changed(topic)

    def adopt(
        self,
        location_id: LocationId,
        *,
        epoch: str,
        seeds: Iterable[tuple[Stream, StreamItem]],
        history: Sequence[Placed],
        heads: Mapping[Stream, int] | None = None,
    ) -> None:
        """The tenant's shared topics are now exactly this: ``seeds`` in the snapshot, oldest first, then ``history``.

        ``heads``: the offset that each topic has come to, for those without history. Open sockets of the same epoch
        whose next publication is held go on without a gap or double; others get a snapshot. Raises HoleInLog.
        """
        known, begins = _by_stream(seeds), dict(heads or {})
        for placed in reversed(history):
            begins[placed.publication.stream] = placed.offset - 1
        topics = {stream: self._topic(location_id, stream) for stream in SHARED_STREAMS}
        for stream, topic in topics.items():
            topic.log.begin(epoch=epoch, seeds=known.get(stream, ()), head=begins.get(stream, 0))
        for placed in history:  # over all streams in their own order: so a client gets them
            topics[placed.publication.stream].log.relay(placed)
        for topic in topics.values():
            for session in self._sessions.get(location_id, ()):
                session.revise(topic)
            self._fan_out.changed(topic)

    def forget(self, location_id: LocationId, forgotten: str) -> None:
        """Drop every item of the lead with this hash; open screens get a snapshot without it. A shared log is adopted next."""
        for stream in Stream:
            topic = self._topic(location_id, stream)
            if topic.log.forget(lambda lead: lead_hash(location_id, lead) == forgotten):
                self._fan_out.changed(topic)

    def delayed(self, location_id: LocationId | None, since: datetime | None) -> None:
        """Tell the tenant's sockets (None: all) that news does not come, since when; None: it comes again."""
        if since is None:
            self._delayed.pop(location_id, None)
        else:
            self._delayed[location_id] = since
        for place in [*self._sessions] if location_id is None else [location_id]:
            for session in self._sessions.get(place, ()):
                if session.greeted:
                    session.say("delayed", self._delay(place) or '{"delayed":null}')

    # --- what comes out ------------------------------------------------------------------------------------------

    async def prepare(self, location_id: LocationId) -> None:
        """Make the tenant's topics ready to be read. Raises StorageUnavailable."""
        if self._prepare is not None:
            await self._prepare(location_id)

    def snapshot(self, location_id: LocationId, stream: Stream) -> Snapshot:
        """The newest items and the offset they are true at. The caller has awaited ``prepare``."""
        return self._topic(location_id, stream).log.snapshot()

    def history(self, location_id: LocationId, stream: Stream, *, epoch: str, after: int) -> History:
        """What was published after a place of this tenant's stream. The caller has awaited ``prepare``."""
        return self._topic(location_id, stream).log.history(epoch=epoch, after=after)

    @property
    def connections(self) -> int:
        """Open connections."""
        return sum(map(len, self._sessions.values()))

    def connections_of(self, location_id: LocationId) -> int:
        """Open connections of one tenant."""
        return len(self._sessions.get(location_id, ()))

    async def serve(
        self,
        connection: ClientConnection,
        identity: Identity,
        incoming: AsyncIterator[str],
        *,
        renew: Renew | None = None,
    ) -> None:
        """Serve one accepted socket until either side ends it. ``incoming`` ends when the client has gone.

        ``renew``: whom a newer access token speaks for that the client sends on the open socket.
        """
        seat = secrets.token_hex(8)
        refusal = await self._refusal(identity, seat)
        if refusal is not None:
            await say_goodbye(connection, refusal)
            return
        session = ClientSession(
            connection,
            identity,
            seat=seat,
            topic=partial(self._topic, identity.location_id),
            fan_out=self._fan_out,
            now=self._clock.now,
            renew=renew,
        )
        try:
            self._enter(session)
            ended = _SEATS_TAKEN
            if await self._sits_everywhere(session):
                session.greet(delay=self._delay(identity.location_id))
                ended = await session.run(incoming)
            session.leave()
            await say_goodbye(connection, ended)
        finally:
            self._leave(session)
            await self._stand_up(session)

    def end_sessions(self, location_id: LocationId, is_over: Callable[[Identity], bool]) -> None:
        """End the sockets of those whose sessions are over: they sign in again, if they may."""
        for session in self._sessions.get(location_id, ()):
            if is_over(session.identity):
                session.end(_SESSION_OVER)

    # --- running and closing -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Heartbeats, the ends of tokens, what waits to be seen, and shared seats, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look(), name="hub:watch")
            if self._shared_seats is not None:
                tasks.create_task(self._keep_seats(self._shared_seats), name="hub:seats")

    async def aclose(self) -> None:
        """End every connection with GOING_AWAY, take no new ones; returns when the last one has left."""
        self._closing = True
        for sessions in self._sessions.values():
            for session in sessions:
                session.end(_STOPPING)
        await self._empty.wait()

    # --- inside --------------------------------------------------------------------------------------------------

    def _topic(self, location_id: LocationId, stream: Stream) -> Topic:
        key = (location_id, stream)
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = Topic(TopicLog(stream))
        topic.log.catch_up()
        return topic

    def _now_ms(self) -> float:
        return self._clock.now().timestamp() * 1_000

    async def _refusal(self, who: Identity, seat: str) -> Ended | None:
        """Why there is no seat here, or None: then it is taken."""
        try:
            await self.prepare(who.location_id)
        except StorageUnavailable:
            return _NOT_READY
        if self._closing:
            return _STOPPING
        return None if await self._own_seats.take(who.location_id, who.user_id, seat) else _TOO_MANY

    async def _sits_everywhere(self, session: ClientSession) -> bool:
        if self._shared_seats is None:
            return True
        who = session.identity
        try:
            return await self._shared_seats.take(who.location_id, who.user_id, session.seat)
        except BrokerUnavailable:
            return True  # an agent must get in: what this gateway counts is limited all the same

    async def _stand_up(self, session: ClientSession) -> None:
        who = session.identity
        await self._own_seats.leave(who.location_id, who.user_id, session.seat)
        if self._shared_seats is not None:
            try:
                await self._shared_seats.leave(who.location_id, who.user_id, session.seat)
            except BrokerUnavailable:
                _log.info("seat.left_to_expire")

    async def _keep_seats(self, seats: Seats) -> None:
        while True:
            await self._sleep(PING_INTERVAL_S)
            sitting = {
                (location_id, session.identity.user_id, session.seat): session
                for location_id, sessions in self._sessions.items()
                for session in sessions
            }
            try:
                for seat in await seats.keep(tuple(sitting)):
                    await seats.take(*seat)
                    if sitting[seat] not in self._sessions.get(seat[0], ()):
                        await seats.leave(*seat)  # it left while Redis was asked
            except BrokerUnavailable:
                _log.warning("seats.not_kept", seats=len(sitting))

    async def _look(self) -> None:
        while True:
            await self._sleep(WATCH_INTERVAL_S)
            self._watch.look(self._clock.now())
            self._make_ready()

    def _make_ready(self) -> None:
        """Some of what waits to be seen, in a quiet moment: the first to look shall not wait for all of it."""
        log = next((topic.log for topic in self._topics.values() if topic.log.unseen), None)
        if log is not None and not self._busy():
            log.catch_up(_MADE_READY)

    def _delay(self, location_id: LocationId) -> str | None:
        since = self._delayed.get(location_id) or self._delayed.get(None)
        return None if since is None else f'{{"delayed":{{"since_ms":{since.timestamp() * 1_000:.0f}}}}}'

    def _enter(self, session: ClientSession) -> None:
        location_id = session.identity.location_id
        self._sessions.setdefault(location_id, set()).add(session)
        self._watch.add(session)
        self._empty.clear()
        telemetry.connections_open.inc()

    def _leave(self, session: ClientSession) -> None:
        session.leave()
        self._watch.remove(session)
        location_id = session.identity.location_id
        self._sessions[location_id].discard(session)
        if not self._sessions[location_id]:
            del self._sessions[location_id]
        if not self._sessions:
            self._empty.set()
        telemetry.connections_open.dec()


def _made(stream: Stream, make: Callable[[], StreamItem]) -> Publication | None:
    try:
        return Publication.of(stream, make())
    except Exception as error:  # noqa: BLE001  # reason: one message's oddity must not close the stream to everybody
        _log.error("publication.failed", stream=stream, **telemetry.crash_of(error))
        return None


def _by_stream(items: Iterable[tuple[Stream, StreamItem]]) -> dict[Stream, list[Publication]]:
    known: dict[Stream, list[Publication]] = {}
    for stream, item in items:
        known.setdefault(stream, []).append(Publication.of(stream, item))
    return known
