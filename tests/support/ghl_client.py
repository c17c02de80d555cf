"""A GoHighLevel client before a scripted server: real HTTP, a set clock, waits that pass at once and are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.client import GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import RateLimiter
from ghl_real_estate_ai.integrations.gohighlevel.standings import Standings
from ghl_real_estate_ai.integrations.http import HttpClient
from tests.support.clock import FakeClock
from tests.support.ghl_tokens import FakeTokens
from tests.support.scripted_server import Answering, Reply, ScriptedServer, answering

OWNER = "loc1"


@dataclass
class Crm:
    """A client, and everything around it."""

    client: GoHighLevelClient
    server: ScriptedServer
    tokens: FakeTokens
    clock: FakeClock
    waits: list[float] = field(default_factory=list)
    """Waits between attempts, and for a turn."""

    @property
    def bearers(self) -> list[str]:
        """The tokens of the requests that arrived."""
        return [seen.headers.get("authorization", "").removeprefix("Bearer ") for seen in self.server.seen]


@asynccontextmanager
async def crm_before(
    *script: Reply,
    otherwise: Answering = lambda seen: Reply(),
    api: ApiProfile = ApiProfile.V3,
    tokens: FakeTokens | None = None,
) -> AsyncIterator[Crm]:
    """The client's waits move the clock by themselves; the highest draw of luck makes them their longest."""
    clock, tokens = FakeClock(), tokens or FakeTokens()
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        clock.set_forward(seconds)

    async with answering(*script, otherwise=otherwise) as server, HttpClient(timeout_s=2.0) as http:
        client = GoHighLevelClient(
            http=http,
            tokens=tokens,
            limiter=RateLimiter(seconds=lambda: clock.now().timestamp(), sleep=wait),
            standings=Standings(),
            clock=clock,
            api=api,
            base_url=server.url,
            sleep=wait,
            luck=lambda: 1.0,
        )
        yield Crm(client, server, tokens, clock, waits)
