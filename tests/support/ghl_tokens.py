"""A token source in memory: refresh tokens are good once, and whoever comes second gets what the first one got."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ghl_real_estate_ai.errors import NeedsReconnect
from ghl_real_estate_ai.integrations.gohighlevel.client import AccessToken


@dataclass
class FakeTokens:
    """``client.TokenSource`` of one owner. Its tokens are ``token-1``, ``token-2`` ..."""

    renewals_left: int = 100
    generation: int = 1
    renewals: int = 0
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def token(self, owner_id: str) -> AccessToken:
        """The current one."""
        return AccessToken(f"token-{self.generation}", self.generation)

    async def renewed(self, owner_id: str, *, generation: int) -> AccessToken:
        """One that is newer than ``generation``."""
        async with self._renewing:
            if self.generation == generation:
                await asyncio.sleep(0)  # a refresh takes its time; others arrive meanwhile
                if self.renewals_left == 0:
                    raise NeedsReconnect("the refresh token is spent; connect the account again")
                self.renewals_left -= 1
                self.renewals += 1
                self.generation += 1
        return await self.token(owner_id)
