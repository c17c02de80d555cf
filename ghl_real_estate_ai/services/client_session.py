"""One open socket: reads what the client asks, keeps its places, answers for its heartbeat and token.

Called by ``websocket_manager``. It has no writer: ``fan_out`` sends what lies after its place. A session holds places and a
few short notes, never a queue: a stalled client delays nobody and no memory grows for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError
from pydantic_core import to_json

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import Unauthenticated
from ghl_real_estate_ai.limits import (
    CLIENT_FRAME_BYTES,
    CLIENT_MESSAGES_PER_MIN,
    CLOSE_WAIT_S,
    PING_INTERVAL_S,
    PONG_TIMEOUT_S,
)
from ghl_real_estate_ai.live_ports import ClientConnection
from ghl_real_estate_ai.models.frames import Bundle
from ghl_real_estate_ai.models.leads import Identity
from ghl_real_estate_ai.models.streams import AUDIENCE, ClientMessage, CloseCode, Stream, Subscription
from ghl_real_estate_ai.services.fan_out import FanOut, Follower, Topic
from ghl_real_estate_ai.services.log_places import NOWHERE, Cursor

_log = telemetry.get_logger("client_session")

_MINUTE = timedelta(minutes=1)
_CLOSE_REASON_BYTES = 123
"""Room for the reason in a close frame (RFC 6455, section 5.5); a refusal's error message has it whole."""

Renew = Callable[[str], Identity]
"""Whom an access token speaks for. Raises Unauthenticated."""


@dataclass(frozen=True)
class Ended:
    """Why a connection ends. ``code`` None: the client has gone. ``stream``: the one that a refusal is about."""

    code: CloseCode | None
    reason: str = ""
    refusal: bool = False
    stream: Stream | None = None


class ClientSession(Follower):
    """One connection. ``seat`` names it; ``renew`` None: a token cannot be renewed on the open socket."""

    def __init__(
        self,
        connection: ClientConnection,
        identity: Identity,
        *,
        seat: str,
        topic: Callable[[Stream], Topic],
        fan_out: FanOut,
        now: Callable[[], datetime],
        renew: Renew | None,
    ) -> None:
        super().__init__(connection)
        self.identity = identity
        self.seat = seat
        self.greeted = False
        self._topic = topic
        self._fan_out = fan_out
        self._now = now
        self._renew = renew
        self._topics: dict[Stream, Topic] = {}
        self._ended: Ended | None = None
        self._reading = asyncio.timeout(None)
        self._heard: deque[datetime] = deque(maxlen=CLIENT_MESSAGES_PER_MIN)
        self._pinged_at: datetime | None = None  # None: answered
        self._next_ping = now() + timedelta(seconds=PING_INTERVAL_S)

    async def run(self, incoming: AsyncIterator[str]) -> Ended:
        """Until the client leaves or somebody calls ``end``."""
        self.connection.when_ready(lambda: self._fan_out.touch(self))
        with suppress(TimeoutError):
            async with self._reading:  # ``end`` lets this time out at once
                await self._read(incoming)
        return self._ended or Ended(None)

    def greet(self, *, delay: str | None) -> None:
        """Say hello; then, if news is delayed, that."""
        self.greeted = True
        self.say("hello", self._hello())
        if delay is not None:
            self.say("delayed", delay)

    def end(self, ended: Ended) -> None:
        """End the connection; nothing more is sent, and the first reason counts."""
        if self._ended is not None:
            return
        self._ended = ended
        self.leave()
        # Not entered yet, or left already: ``run`` is elsewhere and looks by itself.
        with suppress(RuntimeError):
            self._reading.reschedule(asyncio.get_running_loop().time())

    def leave(self) -> None:
        """No longer listen to anything."""
        for topic in self._topics.values():
            topic.listeners.discard(self)
        self._topics.clear()
        self.place = NOWHERE
        self.notes.clear()

    def say(self, kind: str, text: str) -> None:
        """Send a note at the next turn."""
        if self._ended is None:
            self.note(kind, text)
            self._fan_out.touch(self)

    def revise(self, topic: Topic) -> None:
        """The topic's log became another one."""
        if self in topic.listeners:
            self.place = self.place.revised(topic.log)

    def lose(self, stream: Stream) -> None:
        """Too far behind on a stream that must not lose."""
        self.end(Ended(CloseCode.TOO_SLOW, f"fell too far behind on {stream}; resume from your last offset"))

    def crash(self) -> None:
        """A bug of ours met this one socket."""
        self.end(Ended(CloseCode.GOING_AWAY, "something went wrong here; reconnect and resume"))

    # --- reading -------------------------------------------------------------------------------------------------

    async def _read(self, incoming: AsyncIterator[str]) -> None:
        if self._ended is None:
            async for text in incoming:
                refusal = self._refusal(text)
                if refusal is not None:
                    self.end(refusal)
                    return

    def _refusal(self, text: str) -> Ended | None:
        """Act on a message; what is wrong with it, if anything is."""
        if self._over_rate():
            return Ended(CloseCode.RATE_LIMITED, "too many messages; wait a minute", refusal=True)
        if len(text) > CLIENT_FRAME_BYTES or len(text.encode()) > CLIENT_FRAME_BYTES:
            return Ended(
                CloseCode.MALFORMED, f"a message has at most {CLIENT_FRAME_BYTES} bytes", refusal=True
            )
        try:
            message = ClientMessage.model_validate_json(text)
        except ValidationError:
            reason = "not a message of this protocol; see docs/realtime.md"
            return Ended(CloseCode.MALFORMED, reason, refusal=True)
        if message.auth is not None:
            return self._renewed(message.auth)
        return self._obey(message)

    def _obey(self, message: ClientMessage) -> Ended | None:
        if self._pinged_at is not None and message.pong == _ms(self._pinged_at):
            self._pinged_at = None
        for stream in message.unsubscribe or ():
            self._unsubscribe(stream)
        for wanted in message.subscribe or ():
            if self.identity.role not in AUDIENCE[wanted.stream]:
                reason = f"your role may not follow {wanted.stream}"
                return Ended(CloseCode.FORBIDDEN_STREAM, reason, refusal=True, stream=wanted.stream)
            self._subscribe(wanted)
        if message.subscribe:
            self._fan_out.touch(self)
        return None

    def _subscribe(self, wanted: Subscription) -> None:
        topic = self._topics[wanted.stream] = self._topic(wanted.stream)
        topic.listeners.add(self)
        offset = -1 if wanted.offset is None else wanted.offset
        epoch = wanted.epoch if offset >= 0 else None
        self.place = self.place.with_cursor(Cursor(topic.log, epoch, offset, opened=False))

    def _unsubscribe(self, stream: Stream) -> None:
        topic = self._topics.pop(stream, None)
        if topic is not None:
            topic.listeners.discard(self)
            self.place = self.place.without(topic.log)

    def _renewed(self, token: str) -> Ended | None:
        if self._renew is None:
            return Ended(
                CloseCode.AUTHENTICATION_NEEDED, "a token cannot be renewed here; reconnect", refusal=True
            )
        who = self.identity
        try:
            newer = self._renew(token)
        except Unauthenticated as error:
            return Ended(CloseCode.AUTHENTICATION_NEEDED, str(error), refusal=True)
        if (newer.location_id, newer.user_id, newer.role) != (who.location_id, who.user_id, who.role):
            reason = "the token is of somebody else, or of another role; reconnect with it"
            return Ended(CloseCode.AUTHENTICATION_NEEDED, reason, refusal=True)
        self.identity = max(newer, who, key=lambda it: it.expires_at)
        self.say("renewed", to_json({"renewed": {"expires_at": self.identity.expires_at}}).decode())
        return None

    def _over_rate(self) -> bool:
        now = self._now()
        over = len(self._heard) == self._heard.maxlen and now - self._heard[0] < _MINUTE
        self._heard.append(now)
        return over

    # --- heartbeat and token -------------------------------------------------------------------------------------

    @property
    def due(self) -> datetime:
        """When to look next."""
        return min(self.identity.expires_at, self._next_beat())

    def look(self, now: datetime) -> None:
        """End an expired token and an unanswered ping; ping when it is time."""
        if now >= self.identity.expires_at:
            self.end(Ended(CloseCode.TOKEN_EXPIRED, "the access token has expired; get a new ticket"))
        elif self._pinged_at is not None and now >= self._next_beat():
            self.end(Ended(CloseCode.NO_PONG, "a ping stayed unanswered; reconnect and resume"))
        elif self._pinged_at is None and now >= self._next_ping:
            self._pinged_at = now
            self._next_ping = now + timedelta(seconds=PING_INTERVAL_S)
            self.say("ping", f'{{"ping":{_ms(now)}}}')

    def _next_beat(self) -> datetime:
        if self._pinged_at is None:
            return self._next_ping
        return self._pinged_at + timedelta(seconds=PONG_TIMEOUT_S)

    def _hello(self) -> str:
        who = self.identity
        hello = {
            "connection": self.seat,
            "server_time_ms": _ms(self._now()),
            "expires_at": who.expires_at,
            "user": {"user_id": who.user_id, "role": who.role, "location_id": who.location_id},
            "streams": [stream for stream in Stream if who.role in AUDIENCE[stream]],
        }
        return to_json({"hello": hello}).decode()


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


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
                await _until_it_takes_more(connection)
                connection.offer(Bundle.of(to_json({"error": error}).decode()))
            reason = ended.reason.encode()[:_CLOSE_REASON_BYTES].decode(errors="ignore")
            await connection.close(int(ended.code), reason)
    _log.info("socket.closed", code=int(ended.code))


async def _until_it_takes_more(connection: ClientConnection) -> None:
    ready = asyncio.Event()
    connection.when_ready(ready.set)
    if not connection.takes_more:
        await ready.wait()
