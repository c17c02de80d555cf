"""The hub: which topics there are, who is connected, and how many sockets a user may hold.

Called by the bus (``publish``), ``bootstrap`` (``seed``, ``forget``, ``aclose``) and ``api/routes/realtime.py``. Each
topic is a log (``topic_log``), each connection is a cursor per topic (``client_session``). Knows no web framework.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.budgets import CONNECTIONS_PER_USER
from ghl_real_estate_ai.models.identifiers import LocationId, UserId, lead_hash
from ghl_real_estate_ai.models.leads import Identity
from ghl_real_estate_ai.models.streams import CloseCode, Stream, StreamItem
from ghl_real_estate_ai.ports import ClientConnection, Clock
from ghl_real_estate_ai.services.client_session import ClientSession, Ended, Topic, say_goodbye
from ghl_real_estate_ai.services.topic_log import History, Snapshot, TopicLog


class WebSocketManager:
    """All connections of this process. One event loop; nothing here is thread-safe."""

    def __init__(self, *, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._topics: dict[tuple[LocationId, Stream], Topic] = {}
        self._sessions: set[ClientSession] = set()
        self._per_user: Counter[tuple[LocationId, UserId]] = Counter()
        self._empty = asyncio.Event()
        self._empty.set()
        self._closing = False

    # --- what goes in --------------------------------------------------------------------------------------------

    def publish(self, location_id: LocationId, stream: Stream, item: StreamItem) -> None:
        """Encode once, append, wake the writers. Never waits for a client."""
        topic = self._topic(location_id, stream)
        topic.log.append(item, at_ms=self._clock.now().timestamp() * 1_000)
        for session in topic.listeners:
            session.heed(topic)

    def seed(self, location_id: LocationId, items: Iterable[tuple[Stream, StreamItem]]) -> None:
        """Fill the snapshots with what was known before this process; each stream's items oldest first."""
        by_stream: dict[Stream, list[StreamItem]] = {}
        for stream, item in items:
            by_stream.setdefault(stream, []).append(item)
        for stream, known in by_stream.items():
            topic = self._topic(location_id, stream)
            topic.log.seed(known)
            _wake(topic)

    def forget(self, location_id: LocationId, forgotten: str) -> None:
        """Drop every item of the lead with this hash; open screens get a snapshot without it."""
        for stream in Stream:
            topic = self._topic(location_id, stream)
            if topic.log.forget(lambda lead_id: lead_hash(location_id, lead_id) == forgotten):
                _wake(topic)

    # --- what comes out ------------------------------------------------------------------------------------------

    def snapshot(self, location_id: LocationId, stream: Stream) -> Snapshot:
        """The newest items and the offset they are true at."""
        return self._topic(location_id, stream).log.snapshot()

    def history(self, location_id: LocationId, stream: Stream, *, epoch: str, after: int) -> History:
        """What was published after a place of this tenant's stream."""
        return self._topic(location_id, stream).log.history(epoch=epoch, after=after)

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._sessions)

    def connections_of(self, location_id: LocationId) -> int:
        """Open connections of one tenant."""
        return sum(session.identity.location_id == location_id for session in self._sessions)

    async def serve(
        self, connection: ClientConnection, identity: Identity, incoming: AsyncIterator[str]
    ) -> None:
        """Serve one accepted socket until either side ends it. ``incoming`` ends when the client has gone."""
        user = (identity.location_id, identity.user_id)
        if self._closing or self._per_user[user] >= CONNECTIONS_PER_USER:
            await say_goodbye(connection, _refused_at_the_door(closing=self._closing))
            return
        session = ClientSession(
            connection, identity, topic=self._topic, now=self._clock.now, sleep=self._sleep
        )
        self._admit(session, user)
        try:
            ended = await session.run(incoming)
            session.leave()
            await say_goodbye(connection, ended)
        finally:
            session.leave()
            self._dismiss(session, user)

    async def aclose(self) -> None:
        """End every connection with GOING_AWAY, take no new ones; returns when the last one has left."""
        self._closing = True
        for session in self._sessions:
            session.end(Ended(CloseCode.GOING_AWAY, "the server stops; reconnect"))
        await self._empty.wait()

    # --- inside --------------------------------------------------------------------------------------------------

    def _topic(self, location_id: LocationId, stream: Stream) -> Topic:
        key = (location_id, stream)
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = Topic(TopicLog(stream))
        return topic

    def _admit(self, session: ClientSession, user: tuple[LocationId, UserId]) -> None:
        self._sessions.add(session)
        self._per_user[user] += 1
        self._empty.clear()
        telemetry.connections_open.inc()

    def _dismiss(self, session: ClientSession, user: tuple[LocationId, UserId]) -> None:
        self._sessions.discard(session)
        self._per_user[user] -= 1
        if not self._per_user[user]:
            del self._per_user[user]
        if not self._sessions:
            self._empty.set()
        telemetry.connections_open.dec()


def _wake(topic: Topic) -> None:
    for session in topic.listeners:
        session.wake()


def _refused_at_the_door(*, closing: bool) -> Ended:
    if closing:
        return Ended(CloseCode.GOING_AWAY, "the server stops; reconnect")
    reason = f"a user may hold {CONNECTIONS_PER_USER} sockets; close one first"
    return Ended(CloseCode.TOO_MANY_CONNECTIONS, reason, refusal=True)
