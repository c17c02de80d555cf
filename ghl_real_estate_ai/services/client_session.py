"""One open socket: reads what the client asks, writes what its cursors have not sent yet, watches heartbeat and token.

Called by ``websocket_manager``. A session holds a place per topic, never a queue: a stalled client delays nobody and no
memory grows for it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import ValidationError
from pydantic_core import to_json

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.budgets import (
    CLIENT_FRAME_BYTES,
    CLIENT_MESSAGES_PER_MIN,
    CLOSE_WAIT_S,
    PING_INTERVAL_S,
    PONG_TIMEOUT_S,
    WRITE_CHUNK_FRAMES,
)
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import Identity
from ghl_real_estate_ai.models.streams import (
    AUDIENCE,
    LAG_POLICY,
    ClientMessage,
    CloseCode,
    LagPolicy,
    Stream,
    Subscription,
)
from ghl_real_estate_ai.ports import ClientConnection
from ghl_real_estate_ai.services.topic_log import Frame, TopicLog

_log = telemetry.get_logger("client_session")

_MINUTE = timedelta(minutes=1)


@dataclass(eq=False)
class Topic:
    """A log and who listens to it."""

    log: TopicLog
    listeners: set[ClientSession] = field(default_factory=set)


@dataclass(eq=False, slots=True)
class _Cursor:
    """How far one connection has come in one topic. ``opened`` False: the subscription is not answered yet."""

    topic: Topic
    epoch: str | None
    offset: int
    opened: bool = False


@dataclass(frozen=True)
class Ended:
    """Why a connection ends. ``code`` None: the client has gone. ``stream``: the one that a refusal is about."""

    code: CloseCode | None
    reason: str = ""
    refusal: bool = False
    stream: Stream | None = None


class ClientSession:
    """One connection: a reader, a writer and a watch, in a task group that ends with the connection."""

    def __init__(
        self,
        connection: ClientConnection,
        identity: Identity,
        *,
        topic: Callable[[LocationId, Stream], Topic],
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.identity = identity
        self._connection = connection
        self._topic = topic
        self._now = now
        self._sleep = sleep
        self._cursors: dict[Stream, _Cursor] = {}
        self._notes: deque[str] = deque([self._hello()], maxlen=2)  # hello, newest ping: nothing piles up
        self._wake = asyncio.Event()
        self._wake.set()
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._heard: deque[datetime] = deque(maxlen=CLIENT_MESSAGES_PER_MIN)
        self._pinged_at: datetime | None = None
        self._next_ping = now() + timedelta(seconds=PING_INTERVAL_S)

    async def run(self, incoming: AsyncIterator[str]) -> Ended:
        """Until somebody calls ``end``."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in (self._read(incoming), self._write(), self._watch())]
            ended = await self._ended
            for task in tasks:
                task.cancel()
        return ended

    def end(self, ended: Ended) -> None:
        """End the connection; the first reason counts."""
        if not self._ended.done():
            self._ended.set_result(ended)

    def heed(self, topic: Topic) -> None:
        """Something was published: wake the writer; if it is stuck on a stream that must not lose, give up on it."""
        cursor = self._cursors[topic.log.stream]
        if (
            cursor.opened
            and LAG_POLICY[topic.log.stream] is LagPolicy.CLOSE
            and cursor.epoch == topic.log.epoch
            and topic.log.lost(cursor.offset)
        ):
            self._too_slow(topic.log.stream)
        self._wake.set()

    def wake(self) -> None:
        """Look at the topics again."""
        self._wake.set()

    def leave(self) -> None:
        """No longer listen to anything."""
        for cursor in self._cursors.values():
            cursor.topic.listeners.discard(self)
        self._cursors.clear()

    # --- reading -------------------------------------------------------------------------------------------------

    async def _read(self, incoming: AsyncIterator[str]) -> None:
        async for text in incoming:
            if self._over_rate():
                self.end(Ended(CloseCode.RATE_LIMITED, "too many messages; wait a minute", refusal=True))
                return
            if len(text.encode()) > CLIENT_FRAME_BYTES:
                reason = f"a message has at most {CLIENT_FRAME_BYTES} bytes"
                self.end(Ended(CloseCode.MALFORMED, reason, refusal=True))
                return
            try:
                message = ClientMessage.model_validate_json(text)
            except ValidationError:
                reason = "not a message of this protocol; see docs/realtime.md"
                self.end(Ended(CloseCode.MALFORMED, reason, refusal=True))
                return
            self._obey(message)
        self.end(Ended(None))

    def _obey(self, message: ClientMessage) -> None:
        if message.pong is not None:
            self._pinged_at = None
        for stream in message.unsubscribe or ():
            self._unsubscribe(stream)
        for wanted in message.subscribe or ():
            if self.identity.role not in AUDIENCE[wanted.stream]:
                reason = f"your role may not follow {wanted.stream}"
                self.end(Ended(CloseCode.FORBIDDEN_STREAM, reason, refusal=True, stream=wanted.stream))
                return
            self._subscribe(wanted)
        self._wake.set()

    def _subscribe(self, wanted: Subscription) -> None:
        topic = self._topic(self.identity.location_id, wanted.stream)
        offset = -1 if wanted.offset is None else wanted.offset
        self._cursors[wanted.stream] = _Cursor(topic, wanted.epoch if offset >= 0 else None, offset)
        topic.listeners.add(self)

    def _unsubscribe(self, stream: Stream) -> None:
        cursor = self._cursors.pop(stream, None)
        if cursor is not None:
            cursor.topic.listeners.discard(self)

    def _over_rate(self) -> bool:
        now = self._now()
        over = len(self._heard) == self._heard.maxlen and now - self._heard[0] < _MINUTE
        self._heard.append(now)
        return over

    # --- writing -------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        try:
            while not self._ended.done():
                await self._wake.wait()
                self._wake.clear()
                while self._notes:
                    await self._connection.send(self._notes.popleft())
                for cursor in tuple(self._cursors.values()):
                    await self._drain(cursor)
                if self._wake.is_set():
                    await asyncio.sleep(
                        0
                    )  # a socket that takes everything never waits: give the others their turn
        except ConnectionError:
            self.end(Ended(None))

    async def _drain(self, cursor: _Cursor) -> None:
        """Send the next frames of one topic; comes back for more after the other topics had their turn."""
        log = cursor.topic.log
        if not cursor.opened or cursor.epoch != log.epoch:
            await self._connection.send(_open(cursor))
        elif log.lost(cursor.offset):
            await self._catch_up(cursor)
        else:
            await self._send(cursor, log.after(cursor.offset, limit=WRITE_CHUNK_FRAMES))
        if cursor.epoch != log.epoch or cursor.offset < log.head:
            self._wake.set()

    async def _catch_up(self, cursor: _Cursor) -> None:
        """The client is too far behind to get everything: what it loses is the stream's own policy."""
        log = cursor.topic.log
        before = cursor.offset
        match LAG_POLICY[log.stream]:
            case LagPolicy.CLOSE:
                self._too_slow(log.stream)
                return
            case LagPolicy.SKIP:
                cursor.offset = log.head
                telemetry.frames_skipped.labels(log.stream).inc(log.head - before)
            case LagPolicy.CONFLATE:
                frames = log.newest_after(before, limit=WRITE_CHUNK_FRAMES)
                if not await self._send(cursor, frames):
                    return
                telemetry.frames_skipped.labels(log.stream).inc(cursor.offset - before - len(frames))
        await self._connection.send(f'{{"c":"{log.stream.value}","gap":[{before + 1},{cursor.offset}]}}')

    async def _send(self, cursor: _Cursor, frames: list[Frame]) -> bool:
        """Send in order; False when the client unsubscribed or the topic began anew meanwhile."""
        stream = cursor.topic.log.stream
        for frame in frames:
            if self._cursors.get(stream) is not cursor or cursor.epoch != cursor.topic.log.epoch:
                return False
            await self._connection.send(frame.text)
            cursor.offset = frame.offset
        return True

    def _too_slow(self, stream: Stream) -> None:
        self.end(Ended(CloseCode.TOO_SLOW, f"fell too far behind on {stream}; resume from your last offset"))

    # --- watching ------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Heartbeat and the token's end. Sleeps until the next of them is due."""
        while not self._ended.done():
            due = min(self.identity.expires_at, self._next_beat())
            await self._sleep(max(0.0, (due - self._now()).total_seconds()))
            now = self._now()
            if now >= self.identity.expires_at:
                self.end(Ended(CloseCode.TOKEN_EXPIRED, "the access token has expired; get a new ticket"))
            elif self._pinged_at is not None and now >= self._next_beat():
                self.end(Ended(CloseCode.NO_PONG, "a ping stayed unanswered; reconnect and resume"))
            elif self._pinged_at is None and now >= self._next_ping:
                self._ping(now)

    def _next_beat(self) -> datetime:
        if self._pinged_at is None:
            return self._next_ping
        return self._pinged_at + timedelta(seconds=PONG_TIMEOUT_S)

    def _ping(self, now: datetime) -> None:
        self._pinged_at = now
        self._next_ping = now + timedelta(seconds=PING_INTERVAL_S)
        self._notes.append(f'{{"ping":{now.timestamp() * 1_000:.0f}}}')
        self._wake.set()

    def _hello(self) -> str:
        who = self.identity
        hello = {
            "connection": secrets.token_hex(8),
            "server_time_ms": round(self._now().timestamp() * 1_000),
            "expires_at": who.expires_at,
            "user": {"user_id": who.user_id, "role": who.role, "location_id": who.location_id},
            "streams": [stream for stream in Stream if who.role in AUDIENCE[stream]],
        }
        return to_json({"hello": hello}).decode()


def _open(cursor: _Cursor) -> str:
    """Place the cursor and say where: on its own place if the log still holds what follows, else at the snapshot."""
    log = cursor.topic.log
    resumes = not cursor.opened and log.can_resume(cursor.epoch, cursor.offset)
    cursor.opened = True
    if resumes:
        return log.resumed(cursor.offset)
    cursor.epoch, cursor.offset = log.epoch, log.head
    return log.opening()


async def say_goodbye(connection: ClientConnection, ended: Ended) -> None:
    """Tell the client why, if it still listens; a stalled socket is given up after CLOSE_WAIT_S."""
    if ended.code is None:
        return
    telemetry.clients_closed.labels(str(int(ended.code))).inc()
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(CLOSE_WAIT_S):
            if ended.refusal:
                error = {"code": ended.code.name.lower(), "message": ended.reason}
                if ended.stream is not None:
                    error["stream"] = ended.stream.value
                await connection.send(to_json({"error": error}).decode())
            await connection.close(int(ended.code), ended.reason)
    _log.info("socket.closed", code=int(ended.code))
