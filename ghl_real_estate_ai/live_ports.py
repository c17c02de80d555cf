"""Sockets of the live side: an open connection, and what the processes of one installation share.

Beside ``ports``. Without Redis each of them is answered by the process itself; ``bootstrap`` plugs in which.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.frames import Bundle
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Identity
from ghl_real_estate_ai.models.streams import Placed, Publication, Stream


class ClientConnection(Protocol):
    """One open socket, as the hub sees it. Nothing waits here: the hub offers, the socket says when it takes more."""

    @property
    def takes_more(self) -> bool:
        """Whether ``offer`` may be called: what was offered before has left for the network, and the socket is open."""
        ...

    def offer(self, bundle: Bundle) -> None:
        """Hand messages over, in order. A client that has gone raises nothing here: its reader notices."""
        ...

    def when_ready(self, call: Callable[[], None]) -> None:
        """Call this each time the socket takes more again after it did not."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close with a code of models.streams.CloseCode, after what was offered. Raises ConnectionError when it is closed."""
        ...


Seat = tuple[LocationId, UserId, str]
"""Whose it is, and its name."""


class Seats(Protocol):
    """How many sockets each user holds, over all gateways."""

    async def take(self, location_id: LocationId, user_id: UserId, seat: str) -> bool:
        """Sit down; False when the user holds as many as one may. ``seat``: a name that no other seat has. Raises BrokerUnavailable."""
        ...

    async def keep(self, seats: Sequence[Seat]) -> list[Seat]:
        """These are still taken: called every PING_INTERVAL_S, so that those of a gateway that died become free.

        Returns those that are not taken (any more). Raises BrokerUnavailable.
        """
        ...

    async def leave(self, location_id: LocationId, user_id: UserId, seat: str) -> None:
        """Free it. Raises BrokerUnavailable: then it becomes free by itself."""
        ...


class TicketStore(Protocol):
    """Unused WebSocket tickets, by the hash of each."""

    async def keep(self, digest: bytes, identity: Identity, *, until: datetime) -> None:
        """Keep it until then. Raises BrokerUnavailable."""
        ...

    async def take(self, digest: bytes) -> tuple[datetime, Identity] | None:
        """Take it out, once, with the time at which it ends; None when it is unknown or taken already.

        Raises BrokerUnavailable.
        """
        ...


class RateLimit(Protocol):
    """How often somebody may do something."""

    async def spend(self, key: str) -> None:
        """Take one; raises TooManyRequests with the seconds until there is one again."""
        ...


class SharedCache(Protocol):
    """Answers that many ask for at once are made once."""

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[bytes]], *, seconds: float) -> bytes:
        """The answer under this key, not older than so long; whoever comes first makes it, the others wait for it.

        What ``make`` raises reaches those who wait for it in this process and is not kept. The key names the tenant.
        """
        ...


class WorkShare(Protocol):
    """How the processes that handle the log share its tenants: one of them handles a tenant at a time."""

    def tell(self, facts: Sequence[RecordedEvent]) -> None:
        """These are committed: whoever handles their tenants shall look. Never blocks; what is not told is found by looking."""
        ...

    def holds(self, location_id: LocationId) -> bool:
        """Whether this process is the one who handles the tenant now."""
        ...

    async def run(
        self,
        *,
        look: Callable[[LocationId | None], None],
        let_go: Callable[[], None],
        passed: Callable[[LocationId], int],
    ) -> None:
        """Take part until cancelled.

        ``look`` at a tenant that has grown; with None at every tenant that is held, for some were taken over.
        ``let_go`` of what is remembered: some are somebody else's now. ``passed``: the position up to which a tenant's
        log is handled.
        """
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """One entry of a tenant's shared log, as a gateway reads it: what a fact means to screens, or that a lead was forgotten."""

    epoch: str
    position: int  # of the fact in the tenant's log
    mark: str  # where to read on
    placed: Sequence[Placed]
    forgotten: str | None  # the hash of the lead
    received_ms: float | None  # when the causing delivery came in, ms since 1970


@dataclass(frozen=True, slots=True)
class Held:
    """A tenant's shared log as it is held: epoch, last offset of each topic, position of the last fact, newest entries."""

    epoch: str
    heads: Mapping[Stream, int]
    position: int
    entries: Sequence[Heard]
    mark: str  # where to read on


class Backplane(Protocol):
    """The shared end of each tenant's streams: every gateway shows it with the same epoch and the same offsets.

    All of it raises BrokerUnavailable. Workers publish and forget; gateways do the rest.
    """

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
        """Append what the fact at this position of the log means to screens, once: False when that was done before.
        Nothing at all may be meant: the position is noted.

        ``after``: what the caller has published before. When it is not known any more, a new epoch begins.
        """
        ...

    async def forget(self, location_id: LocationId, lead_hash: str, *, position: int) -> None:
        """Drop everything held of the tenant, for any of it may name the lead; a new epoch begins on every gateway."""
        ...

    async def begin(self, location_id: LocationId, *, position: int) -> None:
        """Begin a new epoch at this position, empty: what came before is in the database."""
        ...

    async def held(self, location_id: LocationId) -> Held:
        """Everything that is held, taken together; makes the epoch of a tenant of whom nothing is."""
        ...

    async def drop(self, location_id: LocationId, *, epoch: str) -> None:
        """Forget everything of the tenant, if this is still its epoch: it is not of this database."""
        ...

    async def ends(self, location_ids: Sequence[LocationId]) -> list[tuple[str | None, int]]:
        """Epoch (None: nothing is held) and position of the last fact of each, as they are now."""
        ...

    async def read(self, marks: Mapping[LocationId, str]) -> list[tuple[LocationId, list[Heard]]]:
        """What came after these marks, in order, not all of it at once; waits up to FOLLOW_BLOCK_S for news."""
        ...

    async def wake(self) -> None:
        """End the wait of ``read`` at once: there is another tenant to follow."""
        ...
