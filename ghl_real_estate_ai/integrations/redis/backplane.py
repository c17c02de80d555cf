"""The shared end of every tenant's streams in Redis: one log per tenant, with the epoch and offsets that all gateways show.

Called by ``services/live_relay.py`` through ``live_ports.Backplane``. Per tenant a stream (the newest publications) and a
hash, its head: epoch, position of the last fact, offset of each topic, bytes. One Lua script moves both, so offsets are
dense however many publish at once. Lost as a whole, it begins anew with another epoch.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ghl_real_estate_ai.errors import BrokerUnavailable
from ghl_real_estate_ai.integrations.redis.connection import PREFIX, broker_errors
from ghl_real_estate_ai.limits import (
    BACKPLANE_BYTES,
    BACKPLANE_ENTRIES,
    BACKPLANE_KEEP_S,
    BROKER_TIMEOUT_S,
    FOLLOW_BLOCK_S,
    FOLLOW_ENTRIES,
)
from ghl_real_estate_ai.live_ports import Heard, Held
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.streams import Placed, Publication, Stream

_LAYOUT: Final = 1
"""In every key: a version of the house that writes entries in another way begins other logs, and meets no old ones."""

_START: Final = "0-0"
_TOPIC: Final = "topic:"
_WAKE_KEPT_S: Final = 60

# One entry per fact. Old ones are trimmed: about BACKPLANE_ENTRIES stay, and no more than BACKPLANE_BYTES of items. ``upto``
# counts the bytes of items up to and with an entry, so what is held is a difference of two of them.
_PUBLISH: Final = """
local head, log = KEYS[1], KEYS[2]
local published = tonumber(redis.call('HGET', head, 'position') or 0)
if tonumber(ARGV[1]) <= published then return 0 end
if published > 0 and published < tonumber(ARGV[9]) then redis.call('DEL', head) end
if redis.call('HSETNX', head, 'epoch', ARGV[2]) == 1 then redis.call('XTRIM', log, 'MAXLEN', 0) end
local epoch = redis.call('HGET', head, 'epoch')
local upto, offsets, items = 0, {}, {}
for i = 10, #ARGV, 2 do
  offsets[#offsets + 1] = redis.call('HINCRBY', head, 'topic:' .. ARGV[i], 1)
  upto = redis.call('HINCRBY', head, 'bytes', string.len(ARGV[i + 1]))
  items[#items + 1] = 'item' .. #offsets
  items[#items + 1] = ARGV[i + 1]
end
if #items > 0 then
  redis.call('XADD', log, 'MAXLEN', '~', ARGV[3], '*', 'upto', upto, 'epoch', epoch, 'position', ARGV[1], 'at', ARGV[6],
    'received', ARGV[7], 'offsets', table.concat(offsets, ' '), 'about', ARGV[8], unpack(items))
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  while oldest and upto - tonumber(oldest[2][2]) > tonumber(ARGV[4]) do
    redis.call('XDEL', log, oldest[1])
    oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  end
end
redis.call('HSET', head, 'position', ARGV[1])
redis.call('EXPIRE', head, ARGV[5])
redis.call('EXPIRE', log, ARGV[5])
return 1
"""

# Not DEL: an emptied stream remembers its last id, so whoever reads after that id misses nothing. Whatever position Redis
# has come to: what is held goes, for an erasure is never ignored.
_BEGIN: Final = """
local head, log = KEYS[1], KEYS[2]
local position = math.max(tonumber(ARGV[1]), tonumber(redis.call('HGET', head, 'position') or 0))
redis.call('XTRIM', log, 'MAXLEN', 0)
redis.call('DEL', head)
redis.call('HSET', head, 'epoch', ARGV[2], 'position', position)
redis.call('XADD', log, '*', 'upto', 0, 'epoch', ARGV[2], 'position', position, 'forgotten', ARGV[3])
redis.call('EXPIRE', head, ARGV[4])
redis.call('EXPIRE', log, ARGV[4])
"""

_DROP: Final = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
redis.call('XTRIM', KEYS[2], 'MAXLEN', 0)
redis.call('DEL', KEYS[1])
return 1
"""


class RedisBackplane:
    """``live_ports.Backplane``. Any number of processes publish and follow; no call of it holds state that Redis lacks."""

    def __init__(
        self, redis: Redis, *, entries: int = BACKPLANE_ENTRIES, size_bytes: int = BACKPLANE_BYTES
    ) -> None:
        self._redis = redis
        self._entries = entries
        self._bytes = size_bytes
        self._publish = redis.register_script(_PUBLISH)  # sent again when a new Redis does not know it
        self._begin = redis.register_script(_BEGIN)
        self._drop = redis.register_script(_DROP)
        self._wake_key = f"{PREFIX}screens-wake:{secrets.token_hex(8)}"
        self._wake_mark = _START

    # --- what workers do -----------------------------------------------------------------------------------------

    async def publish(
        self,
        location_id: LocationId,
        publications: Sequence[Publication],
        *,
        position: int,
        at_ms: float,
        received_ms: float | None = None,
        after: int = 0,
    ) -> bool:
        """Append what the fact at this position means to screens, all of it or nothing; False when that was done before.
        It may mean nothing to them: then only the position is noted.

        ``after``: what the caller has published before. A Redis that does not know it has lost something: a new epoch begins.
        """
        about = [[it.stream, it.key, it.lead_id, it.removal, it.idle] for it in publications]
        arguments: list[str | int] = [
            position,
            _new_epoch(),
            self._entries,
            self._bytes,
            int(BACKPLANE_KEEP_S),
        ]
        arguments += [repr(at_ms), "" if received_ms is None else repr(received_ms), json.dumps(about), after]
        for it in publications:
            arguments += [it.stream.value, it.item]
        with _refusals("publishing to screens"):
            async with asyncio.timeout(BROKER_TIMEOUT_S):
                return bool(await self._publish(keys=_keys(location_id), args=arguments))

    async def forget(self, location_id: LocationId, lead_hash: str, *, position: int) -> None:
        """Empty the tenant's log, for other leads' items may name this one; a new epoch begins with the word of it.

        A repetition begins another one: that costs screens a snapshot.
        """
        with _refusals("forgetting on screens"):
            async with asyncio.timeout(BROKER_TIMEOUT_S):
                await self._begin(keys=_keys(location_id), args=_beginning(position, lead_hash))

    async def begin(self, location_id: LocationId, *, position: int) -> None:
        """Begin a new epoch at this position: what came before is taken from the database."""
        with _refusals("beginning on screens"):
            async with asyncio.timeout(BROKER_TIMEOUT_S):
                await self._begin(keys=_keys(location_id), args=_beginning(position, ""))

    # --- what gateways do ----------------------------------------------------------------------------------------

    async def held(self, location_id: LocationId) -> Held:
        """Everything that is held, taken together. A tenant of whom nothing is held gets its epoch here."""
        head, log = _keys(location_id)
        with _refusals("reading what screens show"):
            async with asyncio.timeout(BROKER_TIMEOUT_S):
                pipe = self._redis.pipeline(transaction=True)
                pipe.hsetnx(head, "epoch", _new_epoch())
                pipe.expire(head, int(BACKPLANE_KEEP_S))
                pipe.hgetall(head)
                pipe.xrange(log)
                _, _, fields, entries = await pipe.execute()
        known = _texts(fields)
        heard = [_heard(mark, entry) for mark, entry in entries]
        return Held(
            epoch=known["epoch"],
            heads={
                Stream(name.removeprefix(_TOPIC)): int(offset)
                for name, offset in known.items()
                if name.startswith(_TOPIC)
            },
            position=int(known.get("position", 0)),
            entries=tuple(entry for entry in heard if entry.epoch == known["epoch"]),
            mark=heard[-1].mark if heard else _START,
        )

    async def drop(self, location_id: LocationId, *, epoch: str) -> None:
        """Forget the tenant's log and the position that it has come to, if this is still its epoch."""
        with _refusals("dropping what screens show"):
            async with asyncio.timeout(BROKER_TIMEOUT_S):
                await self._drop(keys=_keys(location_id), args=[epoch])

    async def ends(self, location_ids: Sequence[LocationId]) -> list[tuple[str | None, int]]:
        """Epoch, None if nothing is held, and position of the last fact of each, as they are now."""
        with _refusals("comparing with what screens show"):
            async with asyncio.timeout(BROKER_TIMEOUT_S):
                pipe = self._redis.pipeline(transaction=False)
                for location_id in location_ids:
                    pipe.hmget(_keys(location_id)[0], ["epoch", "position"])
                found: list[tuple[bytes | None, bytes | None]] = await pipe.execute()
        return [(None if epoch is None else epoch.decode(), int(position or 0)) for epoch, position in found]

    async def read(self, marks: Mapping[LocationId, str]) -> list[tuple[LocationId, list[Heard]]]:
        """What came after these marks, at most FOLLOW_ENTRIES of each tenant; waits up to FOLLOW_BLOCK_S, or for ``wake``."""
        by_key = {_keys(location_id)[1]: location_id for location_id in marks}
        after: dict[Any, Any] = {_keys(location_id)[1]: mark for location_id, mark in marks.items()}
        after[self._wake_key] = self._wake_mark
        with _refusals("following what screens show"):
            async with asyncio.timeout(FOLLOW_BLOCK_S + BROKER_TIMEOUT_S):
                answer: Any = await self._redis.xread(
                    after, count=FOLLOW_ENTRIES, block=int(FOLLOW_BLOCK_S * 1_000)
                )
        heard = []
        for raw_key, entries in answer:
            key = raw_key.decode()
            if key == self._wake_key:
                self._wake_mark = entries[-1][0].decode()
            else:
                heard.append((by_key[key], [_heard(mark, fields) for mark, fields in entries]))
        return heard

    async def wake(self) -> None:
        """End the wait of this object's ``read``: there is another tenant to follow."""
        with _refusals("following another tenant"):
            async with asyncio.timeout(BROKER_TIMEOUT_S):
                pipe = self._redis.pipeline(transaction=False)
                pipe.xadd(self._wake_key, {"": ""}, maxlen=1, approximate=False)
                pipe.expire(self._wake_key, _WAKE_KEPT_S)
                await pipe.execute()


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """Whatever Redis answers instead of doing it: the facts are not to blame, and are published when it is mended."""
    try:
        with broker_errors(what):
            yield
    except ResponseError as error:
        raise BrokerUnavailable(f"{what}: Redis refused ({error})") from error


def _beginning(position: int, forgotten: str) -> list[str | int]:
    return [position, _new_epoch(), forgotten, int(BACKPLANE_KEEP_S)]


def _keys(location_id: LocationId) -> list[str]:
    """Of the head and of the log."""
    return [f"{PREFIX}screens-head:{_LAYOUT}:{location_id}", f"{PREFIX}screens:{_LAYOUT}:{location_id}"]


def _new_epoch() -> str:
    return secrets.token_hex(4)


def _texts(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in fields.items()}


def _heard(mark: bytes, fields: Mapping[bytes, bytes]) -> Heard:
    told = _texts(fields)
    placed: tuple[Placed, ...] = ()
    if "forgotten" not in told:
        offsets = map(int, told["offsets"].split())
        at_ms = float(told["at"])
        placed = tuple(
            Placed(
                publication=Publication(
                    stream=Stream(stream),
                    key=key,
                    lead_id=lead_id,
                    item=told[f"item{number}"],
                    removal=removal,
                    idle=idle == [True],  # left out by a gateway of an older version
                ),
                offset=offset,
                at_ms=at_ms,
            )
            for number, ((stream, key, lead_id, removal, *idle), offset) in enumerate(
                zip(json.loads(told["about"]), offsets, strict=True), start=1
            )
        )
    return Heard(
        epoch=told["epoch"],
        position=int(told["position"]),
        mark=mark.decode(),
        placed=placed,
        forgotten=told.get("forgotten") or None,
        received_ms=float(told["received"]) if told.get("received") else None,
    )
