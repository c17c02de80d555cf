"""Which process handles which tenant, and who is told when a log has grown: ``live_ports.WorkShare`` on Redis Streams.

Called by ``event_bus``; made by ``bootstrap_redis``. Tenants are hashed onto WORK_PARTITIONS. A worker is alive while its
entry in one sorted set is young; a partition belongs to the worker named in one hash, as long as that one is alive. One
script a second renews, takes what is free and gives back what is more than a fair share. Each partition has a stream of
"this tenant has grown to this position" with one consumer group.

Nothing true is kept here. A lost entry is found by looking at the log, and two workers that both believe to hold a tenant
cannot both commit: the cursors are fenced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from zlib import crc32

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import BrokerUnavailable
from ghl_real_estate_ai.integrations.redis.connection import PREFIX, broker_errors
from ghl_real_estate_ai.limits import (
    BROKER_BLOCK_S,
    BROKER_TIMEOUT_S,
    WORK_LEASE_S,
    WORK_PARTITIONS,
    WORK_RENEW_S,
    WORK_SETTLE_S,
    WORK_STREAM_ENTRIES,
    WORK_TOLD,
    WORK_UNFINISHED,
    WORKER_GONE_S,
)
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId

_WORKERS: Final = f"{PREFIX}work:workers"
_OWNERS: Final = f"{PREFIX}work:owners"
_GROUP: Final = "workers"
_TENANT: Final = b"tenant"
_POSITION: Final = b"position"
_GROUP_IS_GONE: Final = ("NOGROUP", "no such key")

_SHARE_OUT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me, lease, partitions = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + lease, me)
local fair = math.ceil(partitions / redis.call('ZCARD', KEYS[1]))
local mine, free = {}, {}
for number = 0, partitions - 1 do
    local owner = redis.call('HGET', KEYS[2], number)
    if owner == me then
        mine[#mine + 1] = number
    elseif not owner or not redis.call('ZSCORE', KEYS[1], owner) then
        free[#free + 1] = number
    end
end
while #mine > fair do
    redis.call('HDEL', KEYS[2], table.remove(mine))
end
while #mine < fair and #free > 0 do
    local taken = table.remove(free)
    redis.call('HSET', KEYS[2], taken, me)
    mine[#mine + 1] = taken
end
return mine
"""
"""KEYS: workers, owners. ARGV: who asks, lease in ms, number of partitions. Returns what is the asker's from now on."""

_log = telemetry.get_logger("work_share")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What was read from a partition's stream and not acknowledged."""

    partition: int
    entry_id: bytes
    location_id: LocationId
    position: int


class RedisWorkShare:
    """``live_ports.WorkShare``. With ``handles`` False this process tells and holds nothing: a gateway."""

    def __init__(
        self,
        client: Redis,
        *,
        worker: str,
        handles: bool = True,
        partitions: int = WORK_PARTITIONS,
        lease_s: float = WORK_LEASE_S,
        renew_s: float = WORK_RENEW_S,
        gone_s: float = WORKER_GONE_S,
        seconds: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``worker``: a name that no other process has or had. All processes must say the same ``partitions``."""
        self._client = client
        self._worker = worker
        self._handles = handles
        self._partitions = partitions
        self._lease_s = lease_s
        self._renew_s = renew_s
        self._gone_s = gone_s
        self._seconds = seconds
        self._sleep = sleep
        self._share_out = client.register_script(_SHARE_OUT)
        self._held: frozenset[int] = frozenset()
        self._held_until = 0.0
        self._unprepared: set[int] = set()
        self._changed = asyncio.Event()
        self._unfinished: list[_Entry] = []
        self._grown: dict[LocationId, int] = {}
        self._to_tell = asyncio.Event()

    # --- the port --------------------------------------------------------------------------------------------------

    def tell(self, facts: Sequence[RecordedEvent]) -> None:
        """Whoever holds these tenants shall look. Only the newest position of a tenant waits; beyond WORK_TOLD none does."""
        for fact in facts:
            location_id = fact.event.location_id
            if not self.holds(location_id) and (location_id in self._grown or len(self._grown) < WORK_TOLD):
                self._grown[location_id] = max(fact.position, self._grown.get(location_id, 0))
                self._to_tell.set()

    def holds(self, location_id: LocationId) -> bool:
        """By this process's own clock; a lease that it could not renew ends here no later than in Redis."""
        return self._partition_of(location_id) in self._held and self._seconds() < self._held_until

    async def run(
        self,
        *,
        look: Callable[[LocationId | None], None],
        let_go: Callable[[], None],
        passed: Callable[[LocationId], int],
    ) -> None:
        """Take part until cancelled; then what was held is free at once."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tell_all(), name="work share: tell")
                if self._handles:
                    tasks.create_task(self._keep_holding(look, let_go), name="work share: hold")
                    tasks.create_task(self._hear_all(look, passed), name="work share: hear")
        finally:
            if self._handles:
                self._held = frozenset()
                with suppress(BrokerUnavailable):
                    await self._leave()

    # --- holding -----------------------------------------------------------------------------------------------------

    async def _keep_holding(
        self, look: Callable[[LocationId | None], None], let_go: Callable[[], None]
    ) -> None:
        while True:
            asked_at = self._seconds()
            if self._held and asked_at >= self._held_until:
                # too late by our own clock: somebody else may have handled, and have given back, what we get again
                _log.warning("lease.over", partitions=len(self._held))
                self._hold(frozenset(), look=look, let_go=let_go)
            try:
                mine = await self._ask()
            except BrokerUnavailable:
                pass  # the pulse says so; what is held is held to the end of the lease
            else:
                self._held_until = asked_at + self._lease_s
                self._hold(mine, look=look, let_go=let_go)
            await self._sleep(self._renew_s)

    async def _ask(self) -> frozenset[int]:
        arguments = (self._worker, int(self._lease_s * 1_000), self._partitions)
        with broker_errors("sharing the work"):
            async with asyncio.timeout(BROKER_TIMEOUT_S):
                return frozenset(await self._share_out(keys=[_WORKERS, _OWNERS], args=arguments))

    def _hold(
        self,
        mine: frozenset[int],
        *,
        look: Callable[[LocationId | None], None],
        let_go: Callable[[], None],
    ) -> None:
        gained, lost = mine - self._held, self._held - mine
        if not gained and not lost:
            return
        self._held = mine
        self._unprepared = (self._unprepared | gained) & mine
        self._unfinished = [entry for entry in self._unfinished if entry.partition in mine]
        _log.info("partitions.held", held=len(mine), gained=len(gained), lost=len(lost))
        if lost:
            let_go()
        if gained:
            self._changed.set()
            look(None)

    async def _leave(self) -> None:
        with broker_errors("leaving the work"):
            async with asyncio.timeout(BROKER_TIMEOUT_S):
                await self._client.zrem(_WORKERS, self._worker)

    # --- telling -----------------------------------------------------------------------------------------------------

    async def _tell_all(self) -> None:
        """One batch after the other: what comes meanwhile waits together."""
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            grown, self._grown = self._grown, {}
            with suppress(BrokerUnavailable):  # not kept: holders look at the log by themselves
                await self._send(grown)

    async def _send(self, grown: dict[LocationId, int]) -> None:
        with broker_errors("telling of new events"):
            async with asyncio.timeout(BROKER_TIMEOUT_S), self._client.pipeline(transaction=False) as pipe:
                for location_id, position in grown.items():
                    pipe.xadd(
                        _stream(self._partition_of(location_id)),
                        {_TENANT: location_id, _POSITION: position},
                        maxlen=WORK_STREAM_ENTRIES,
                        approximate=True,
                    )
                await pipe.execute()

    # --- hearing -----------------------------------------------------------------------------------------------------

    async def _hear_all(
        self, look: Callable[[LocationId | None], None], passed: Callable[[LocationId], int]
    ) -> None:
        clean_at = 0.0
        while True:
            try:
                if not self._held:
                    await self._changed.wait()
                self._changed.clear()
                await self._prepare(look)
                if self._seconds() >= clean_at:
                    clean_at = self._seconds() + self._gone_s
                    await self._clean()
                await self._acknowledge(passed)
                if len(self._unfinished) >= WORK_UNFINISHED:
                    await self._sleep(WORK_SETTLE_S)
                else:
                    self._take(await self._read(), look)
            except BrokerUnavailable:
                await self._sleep(self._renew_s)
            except ResponseError as error:
                if not str(error).startswith(_GROUP_IS_GONE):
                    raise
                self._unprepared |= self._held  # Redis came back empty

    async def _prepare(self, look: Callable[[LocationId | None], None]) -> None:
        """Of each partition that is new here: its group, and what its last holder had taken and not acknowledged."""
        for partition in tuple(self._unprepared):
            stream = _stream(partition)
            with broker_errors("taking over a partition"):
                try:
                    await self._client.xgroup_create(stream, _GROUP, id="0", mkstream=True)
                except ResponseError as error:
                    if not str(error).startswith("BUSYGROUP"):
                        raise
            await self._claim(partition, look)
            self._unprepared.discard(partition)

    async def _claim(self, partition: int, look: Callable[[LocationId | None], None]) -> None:
        """Everything that was taken and not acknowledged: this process is the only one who reads here now."""
        start: bytes | str = "0-0"
        while True:
            with broker_errors("taking over entries"):
                start, entries, *_ = await self._client.xautoclaim(
                    _stream(partition), _GROUP, self._worker, min_idle_time=0, start_id=start
                )
            known = {entry.entry_id for entry in self._unfinished if entry.partition == partition}
            fresh = [entry for entry in entries if entry[0] not in known]
            self._take([(_stream(partition).encode(), fresh)], look)
            if start in {b"0-0", "0-0"}:
                return

    async def _read(self) -> list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]:
        wait_s = WORK_SETTLE_S if self._unfinished else BROKER_BLOCK_S
        streams: dict[Any, Any] = {_stream(partition): ">" for partition in sorted(self._held)}
        if not streams:
            return []
        of_each = max(1, WORK_UNFINISHED // len(streams))
        with broker_errors("hearing of new events"):
            heard = await self._client.xreadgroup(
                _GROUP, self._worker, streams, count=of_each, block=int(wait_s * 1_000)
            )
        return _streams_of(heard)

    def _take(
        self,
        heard: Iterable[tuple[bytes, Iterable[tuple[bytes, dict[bytes, bytes]]]]],
        look: Callable[[LocationId | None], None],
    ) -> None:
        """Look at each tenant that is still ours; of others the new holder finds the entry."""
        for stream, entries in heard:
            partition = int(stream.rsplit(b":", 1)[1])
            for entry_id, fields in entries:
                if not fields:  # trimmed while it was pending
                    continue
                location_id = LocationId(fields[_TENANT].decode())
                if self.holds(location_id):
                    entry = _Entry(partition, entry_id, location_id, int(fields[_POSITION]))
                    self._unfinished.append(entry)
                    look(location_id)

    async def _acknowledge(self, passed: Callable[[LocationId], int]) -> None:
        """What every durable subscriber has passed leaves the group and the stream."""
        done = [entry for entry in self._unfinished if passed(entry.location_id) >= entry.position]
        if not done:
            return
        with broker_errors("acknowledging"):
            async with asyncio.timeout(BROKER_TIMEOUT_S), self._client.pipeline(transaction=False) as pipe:
                for entry in done:
                    pipe.xack(_stream(entry.partition), _GROUP, entry.entry_id)
                    pipe.xdel(_stream(entry.partition), entry.entry_id)
                await pipe.execute()
        finished = {(entry.partition, entry.entry_id) for entry in done}
        self._unfinished = [
            entry for entry in self._unfinished if (entry.partition, entry.entry_id) not in finished
        ]

    async def _clean(self) -> None:
        """Names of workers that are gone leave the groups; what they had taken is taken over.

        So is what this worker was handed and did not take: its lease was over just then, or the answer was lost.
        """
        with broker_errors("cleaning up after workers that are gone"):
            alive = set(await self._client.zrange(_WORKERS, 0, -1))
        for partition in sorted(self._held):
            with broker_errors("cleaning up after workers that are gone"):
                consumers = await self._client.xinfo_consumers(_stream(partition), _GROUP)
            gone = [one for one in consumers if one["name"] not in alive]
            taken = sum(entry.partition == partition for entry in self._unfinished)
            if sum(one["pending"] for one in consumers) > taken:
                self._unprepared.add(partition)  # or read by the last holder after it was ours
            for one in gone:
                if not one["pending"] and one["idle"] >= self._gone_s * 1_000:
                    with broker_errors("cleaning up after workers that are gone"):
                        await self._client.xgroup_delconsumer(_stream(partition), _GROUP, one["name"])

    def _partition_of(self, location_id: LocationId) -> int:
        return crc32(location_id.encode()) % self._partitions


def _stream(partition: int) -> str:
    return f"{PREFIX}work:{partition}"


def _streams_of(heard: Any) -> list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]:
    """As pairs: Redis's older protocol answers with them, the newer one with a map of lists."""
    if isinstance(heard, dict):
        return [
            (stream, [entry for entries in lists for entry in entries]) for stream, lists in heard.items()
        ]
    return list(heard or ())
