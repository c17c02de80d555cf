"""Whose sessions have ended before their tokens did: users who were removed, have a new password or a lesser role.

Asked at each use of a token (``api/auth.py``), told by api/routes/users.py what changed here; run by bootstrap, where it
looks into the database for what other processes and the command line changed, and ends the open sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import StorageUnavailable
from ghl_real_estate_ai.limits import ACCESS_LOOK_S, SESSION_UTMOST_DAYS
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Identity
from ghl_real_estate_ai.people_ports import UserAccess
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork

_FOR_GOOD: Final = datetime.max.replace(tzinfo=UTC)
"""Until when sessions of a removed user have ended."""

_Who = tuple[LocationId, UserId]

_log = telemetry.get_logger("access_watch")


class AccessWatch:
    """One per process that people reach. It knows those whose tokens it has seen: as many as there are users."""

    def __init__(
        self,
        *,
        memory: Memory,
        clock: Clock,
        end_sockets: Callable[[LocationId, Callable[[Identity], bool]], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``end_sockets``: ends a location's open sockets of those for whom it is true."""
        self._memory = memory
        self._clock = clock
        self._end_sockets = end_sockets
        self._sleep = sleep
        self._seen: dict[_Who, datetime] = {}
        """Until when a token of theirs may be in use."""
        self._ended: dict[_Who, datetime] = {}
        self._told = 0

    def is_over(self, identity: Identity) -> bool:
        """Whether the session that this token belongs to has ended. Cheap: two look-ups."""
        who = (identity.location_id, identity.user_id)
        seen = self._seen.get(who)
        if seen is None or seen < identity.expires_at:
            self._seen[who] = identity.expires_at
        ended = self._ended.get(who)
        return ended is not None and (identity.signed_in_at is None or identity.signed_in_at <= ended)

    def end(self, location_id: LocationId, user_id: UserId, *, upto: datetime | None) -> None:
        """Sessions of this user that began until then have ended; None: all of them. At once, in this process."""
        self._told += 1
        self._seen[location_id, user_id] = self._clock.now() + timedelta(days=SESSION_UTMOST_DAYS)
        self._ended[location_id, user_id] = _FOR_GOOD if upto is None else upto
        self._end_sockets(location_id, self.is_over)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._sleep(ACCESS_LOOK_S)
            try:
                await self.look()
            except StorageUnavailable as error:
                _log.warning("access.unread", reason=str(error))

    async def look(self) -> None:
        """Take in what the database says of those who were seen."""
        now = self._clock.now()
        for who in [who for who, until in self._seen.items() if until <= now]:
            del self._seen[who]
            self._ended.pop(who, None)
        if not self._seen:
            return
        seen, known = await self._read()
        for who in seen:
            ended = known[who].tokens_valid_after if who in known else _FOR_GOOD
            if ended is None:
                self._ended.pop(who, None)
            else:
                self._ended[who] = ended
        for location_id in {location_id for location_id, _ in seen}:
            self._end_sockets(location_id, self.is_over)

    async def _read(self) -> tuple[list[_Who], dict[_Who, UserAccess]]:
        """Who was seen before the read, and what it says of them: who came later may not be in it."""
        while True:
            seen, told = list(self._seen), self._told
            places = {location_id for location_id, _ in seen}

            def query(uow: UnitOfWork) -> dict[_Who, UserAccess]:
                found = (one for place in places for one in uow.tenants.access(place))  # noqa: B023  # reason: awaited before the next turn
                return {(one.user.location_id, one.user.user_id): one for one in found}

            known = await self._memory.read(query)
            if told == self._told:  # else it may be older than what we were told meanwhile
                return seen, known
