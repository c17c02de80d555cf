"""How many sockets each user holds in this process.

Called by ``websocket_manager``; the same over all gateways is another ``live_ports.Seats``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ghl_real_estate_ai.limits import CONNECTIONS_PER_USER
from ghl_real_estate_ai.live_ports import Seat
from ghl_real_estate_ai.models.identifiers import LocationId, UserId


class LocalSeats:
    """``live_ports.Seats`` of one process: what it counts cannot outlive it."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[LocationId, UserId]] = Counter()

    def __len__(self) -> int:
        """Users who hold one."""
        return len(self._taken)

    async def take(self, location_id: LocationId, user_id: UserId, seat: str) -> bool:
        """Sit down; False when the user holds CONNECTIONS_PER_USER."""
        if self._taken[location_id, user_id] >= CONNECTIONS_PER_USER:
            return False
        self._taken[location_id, user_id] += 1
        return True

    async def keep(self, seats: Sequence[Seat]) -> list[Seat]:
        """Nothing to do: none is forgotten."""
        return []

    async def leave(self, location_id: LocationId, user_id: UserId, seat: str) -> None:
        """Free it."""
        self._taken[location_id, user_id] -= 1
        if not self._taken[location_id, user_id]:
            del self._taken[location_id, user_id]
