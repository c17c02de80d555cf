"""What the gateways of one installation share at their doors: tickets, limits and seats. Plugged in by ``bootstrap``.

Keys hold hashes where they would name a person. All times are Redis's own.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import batched
from typing import Final, cast

from pydantic import ValidationError

from ghl_real_estate_ai.errors import BrokerUnavailable, TooManyRequests
from ghl_real_estate_ai.integrations.redis.connection import PREFIX
from ghl_real_estate_ai.integrations.redis.link import Link
from ghl_real_estate_ai.limits import CONNECTIONS_PER_USER, SEAT_LIFE_S, SEATS_PER_CALL, TICKET_TTL_S
from ghl_real_estate_ai.live_ports import RateLimit, Seat
from ghl_real_estate_ai.models.identifiers import Frozen, LocationId, UserId, UtcTime
from ghl_real_estate_ai.models.leads import Identity

_NOW: Final = "local time = redis.call('TIME'); local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
"""Milliseconds since 1970."""

_SPEND: Final = (
    _NOW
    + """
local most, per_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local held = redis.call('HMGET', KEYS[1], 'left', 'at')
local left, wait = most, 0
if held[1] then left = math.min(most, held[1] + math.max(0, now - held[2]) * per_ms) end
if left >= 1 then left = left - 1 else wait = math.ceil((1 - left) / per_ms) end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', now)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return wait
"""
)
"""One token bucket; the milliseconds until there is one again, 0 when one was taken."""

_TAKE_SEAT: Final = (
    _NOW
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
)

_KEEP_SEATS: Final = (
    _NOW
    + """
local missing = {}
for i, key in ipairs(KEYS) do
  if redis.call('ZSCORE', key, ARGV[i + 1]) then
    redis.call('ZADD', key, now + ARGV[1], ARGV[i + 1])
    redis.call('PEXPIRE', key, ARGV[1])
  else
    missing[#missing + 1] = i
  end
end
return missing
"""
)
"""Takes none: a socket may have left since the list was made. Returns the numbers of those that nobody has taken."""


class _Kept(Frozen):
    """A ticket as Redis holds it."""

    until: UtcTime
    identity: Identity


class RedisTickets:
    """``live_ports.TicketStore`` of all gateways: what one keeps another takes, once."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def keep(self, digest: bytes, identity: Identity, *, until: datetime) -> None:
        """Keep it for TICKET_TTL_S; ``until`` says to whoever takes it when it ends. Raises BrokerUnavailable."""
        kept = _Kept(until=until, identity=identity).model_dump_json()
        name, life = _ticket(digest), math.ceil(TICKET_TTL_S)
        await self._link.ask("tickets", lambda: self._link.redis.set(name, kept, ex=life))

    async def take(self, digest: bytes) -> tuple[datetime, Identity] | None:
        """Take it out, once. Raises BrokerUnavailable."""
        kept = await self._link.ask("tickets", lambda: self._link.redis.getdel(_ticket(digest)))
        if kept is None:
            return None
        try:
            read = _Kept.model_validate_json(kept)
        except (
            ValidationError
        ):  # of another version, while an installation is renewed: the client gets a new one
            return None
        return read.until, read.identity


class RedisLimit:
    """``live_ports.RateLimit`` over all gateways together; while Redis is away ``otherwise`` counts."""

    def __init__(self, link: Link, name: str, *, per_minute: int, otherwise: RateLimit) -> None:
        self._link = link
        self._name = name
        self._otherwise = otherwise
        self._arguments = (per_minute, per_minute / 60_000, 60_000)  # a bucket is full again after a minute
        self._spend = link.redis.register_script(_SPEND)

    async def spend(self, key: str) -> None:
        """Take one; raises TooManyRequests with the seconds until there is one again."""
        name = f"{PREFIX}limit:{self._name}:{hashlib.sha256(key.encode()).hexdigest()}"
        try:
            wait_ms = await self._link.ask("limits", lambda: self._spend(keys=[name], args=self._arguments))
        except BrokerUnavailable:
            await self._otherwise.spend(key)
            return
        if wait_ms:
            wait = cast(int, wait_ms) / 1_000
            raise TooManyRequests(f"too many attempts; try again in {wait:.0f} s", retry_after_s=wait)


class RedisSeats:
    """``live_ports.Seats`` over all gateways. A seat that nobody keeps for ``life_s`` is free."""

    def __init__(self, link: Link, *, life_s: float = SEAT_LIFE_S) -> None:
        self._link = link
        self._take = link.redis.register_script(_TAKE_SEAT)
        self._keep = link.redis.register_script(_KEEP_SEATS)
        self._life_ms = round(life_s * 1_000)

    async def take(self, location_id: LocationId, user_id: UserId, seat: str) -> bool:
        """Sit down; False when the user holds CONNECTIONS_PER_USER. Raises BrokerUnavailable."""
        keys, arguments = [_seats(location_id, user_id)], (seat, CONNECTIONS_PER_USER, self._life_ms)
        return bool(await self._link.ask("seats", partial(self._take, keys=keys, args=arguments)))

    async def keep(self, seats: Sequence[Seat]) -> list[Seat]:
        """These are still taken; returns those that are not, for Redis has lost them. Raises BrokerUnavailable."""
        lost: list[Seat] = []
        for some in batched(seats, SEATS_PER_CALL):
            keys = [_seats(location_id, user_id) for location_id, user_id, _ in some]
            arguments: list[int | str] = [self._life_ms, *(seat for _, _, seat in some)]
            missing = await self._link.ask("seats", partial(self._keep, keys=keys, args=arguments))
            lost += [some[number - 1] for number in cast(list[int], missing)]
        return lost

    async def leave(self, location_id: LocationId, user_id: UserId, seat: str) -> None:
        """Free it. Raises BrokerUnavailable; it becomes free by itself then."""
        name = _seats(location_id, user_id)
        await self._link.ask("seats", lambda: self._link.redis.zrem(name, seat))


class RedisDoors:
    """All of them, on one link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.tickets = RedisTickets(link)
        self.seats = RedisSeats(link)

    def limit(self, name: str, *, per_minute: int, otherwise: RateLimit) -> RedisLimit:
        """A limit of this name; ``otherwise`` counts while Redis is away."""
        return RedisLimit(self._link, name, per_minute=per_minute, otherwise=otherwise)


def _ticket(digest: bytes) -> str:
    return f"{PREFIX}ticket:{digest.hex()}"


def _seats(location_id: LocationId, user_id: UserId) -> str:
    # The length tells where one name ends: whatever stands in them, two users never share a key.
    return f"{PREFIX}seats:{len(location_id)}:{location_id}:{user_id}"
